//! The training loop.

mod balancing;
mod cosines;
mod recovery;
mod resume;
mod task_gradients;

use std::ops::ControlFlow;

use anabranch_data::{Batches, DataError, Dataset, Presence, Split, Targets};
use anabranch_graph::{Batch, Graph, Masks, Mode, RowWeights, Workspace};
use anabranch_layers::{Role, Target};
use anabranch_optim::{
    ClipNorm, Optimizer, ParamGroup, Progress, Rule, Scales, Schedule, global_norm,
};
use anabranch_tensor::{Buffer, Executor, Gradients, Scalar};

use self::balancing::Balancing;
use self::cosines::Cosines;
use crate::batch_order::BatchOrder;
use crate::check::{check_epoch, check_tasks};
use crate::config::TrainConfig;
use crate::error::{TrainError, check_len};
use crate::evaluate::{Evaluator, Source};
use crate::observer::{EpochReport, Observer, StepView};
use crate::rows::{Rows, row_weights, targets};
use crate::run_state::{BestState, EpochStart, Position};
use crate::snapshot::{Member, Snapshot};
use crate::task_metrics::{JudgedTask, TaskMetrics};
use crate::watch::Watch;

/// A network in training: its numbers, its optimizer, and all the memory that a step needs.
///
/// The network is any [`Graph`] whose heads are the tasks of the data set, in order: one that a
/// [`River`](anabranch_graph::River) describes, or one built by hand.
#[derive(Debug)]
pub struct Trainer<'d, T> {
    dataset: &'d Dataset<T>,
    /// Those of all rows of the data set.
    targets: Vec<Target<'d, T>>,
    /// How much each row of the data set counts in the loss of each head.
    row_weights: Vec<RowWeights<T>>,
    config: TrainConfig,
    exec: &'d Executor,
    graph: Graph<T>,
    params: Buffer<T>,
    grads: Gradients<T>,
    state: Buffer<T>,
    optimizer: Optimizer<T>,
    schedule: Schedule,
    clip: Option<ClipNorm>,
    balancing: Balancing<T>,
    cosines: Option<Cosines<T>>,
    workspace: Workspace<T>,
    evaluator: Evaluator<T>,
    batches: Box<dyn BatchOrder>,
    /// The rows to stop by.
    validation: Vec<usize>,
    /// The batch that an observer sees.
    watched: Rows<T>,
    /// The tasks whose weights are kept together, and their best epoch so far.
    watched_tasks: Vec<Vec<usize>>,
    best: Vec<Option<BestState<T>>>,
    /// The weights of the last step, while those of the best epoch are in their place.
    last: Option<(Vec<T>, Vec<T>)>,
    position: Position,
    /// What the present epoch began with.
    start: EpochStart<T>,
    /// The weights before the first step, if they are not those of the seed.
    given: Option<(Vec<T>, Vec<T>)>,
    /// How often the learning rate was halved.
    recoveries: u32,
}

impl<'d, T: Scalar> Trainer<'d, T> {
    /// A trainer for `graph` on `dataset`, with weights drawn from the seed.
    ///
    /// # Errors
    /// If the data set is not as it says ([`Dataset::check`]), its inputs and tasks do not fit the
    /// network's, or a setting is out of range.
    pub fn new(
        dataset: &'d Dataset<T>,
        graph: Graph<T>,
        config: &TrainConfig,
        exec: &'d Executor,
    ) -> Result<Self, TrainError> {
        dataset.check()?;
        let targets = targets(dataset);
        check_tasks(&graph, dataset, &targets)?;
        config.validate(dataset.split.validation.len(), graph.heads().len())?;
        let weights: Vec<f64> = graph.heads().iter().map(|head| head.weight()).collect();
        let watched_tasks = config.watch.groups(&weights);
        let (params, state) = graph.init(config.seed);
        let groups = param_groups(&graph, config.weight_decay);
        let optimizer = Optimizer::new(config.optimizer, config.lr, params.len(), &groups)?;
        let batches = Batches::new(dataset.split.train.clone(), config.batch_size, config.seed)?;
        let max_rows = batches.max_rows();
        let workspace = Workspace::new(&graph, exec, max_rows, Mode::Training)?;
        Ok(Self {
            dataset,
            targets,
            row_weights: row_weights(dataset),
            exec,
            schedule: Schedule::new(config.schedule, total_steps(config, &batches))?,
            clip: config.clip.map(ClipNorm::new).transpose()?,
            balancing: Balancing::new(config.task_balance, &graph)?,
            cosines: None,
            workspace,
            evaluator: Evaluator::new(&graph, exec, dataset)?,
            watched: Rows::new(dataset, max_rows),
            best: watched_tasks.iter().map(|_| None).collect(),
            last: None,
            watched_tasks,
            grads: Gradients::zeros(params.len()),
            position: Position::start(graph.heads().len()),
            start: Self::no_start(),
            given: None,
            recoveries: 0,
            config: config.clone(),
            graph,
            params,
            state,
            optimizer,
            batches: Box::new(batches),
            validation: dataset.split.validation.clone(),
        })
    }

    /// Trains and validates on the rows that another split of the data set says, usually that of a
    /// member of an ensemble ([`Split::of_member`]).
    ///
    /// # Errors
    /// If it has a row that the data set lacks, or the network cannot be trained so.
    pub fn with_split(self, split: Split) -> Result<Self, TrainError> {
        let Split { train, validation, .. } = split;
        for (part, rows) in [("training", &train), ("validation", &validation)] {
            if let Some(row) = rows.iter().find(|row| **row >= self.dataset.n_rows) {
                let n_rows = self.dataset.n_rows;
                return Err(DataError::SplitRow { part, row: *row, n_rows }.into());
            }
        }
        self.config.validate(validation.len(), self.graph.heads().len())?;
        let batches = Batches::new(train, self.config.batch_size, self.config.seed)?;
        Self { validation, ..self }.with_batches(batches)
    }

    /// Uses your own order of rows instead of shuffled batches of the training rows.
    ///
    /// # Errors
    /// If the network cannot be trained on batches of this size.
    pub fn with_batches(mut self, batches: impl BatchOrder + 'static) -> Result<Self, TrainError> {
        let max_rows = batches.max_rows();
        self.workspace = Workspace::new(&self.graph, self.exec, max_rows, Mode::Training)?;
        self.watched = Rows::new(self.dataset, max_rows);
        self.schedule = self.schedule.over(total_steps(&self.config, &batches));
        self.batches = Box::new(batches);
        Ok(self)
    }

    /// Uses your own update rule instead of the one that the settings name.
    ///
    /// # Errors
    /// If one of its hyperparameters is outside its domain.
    pub fn with_rule<const M: usize>(mut self, rule: impl Rule<M>) -> Result<Self, TrainError> {
        let groups = param_groups(&self.graph, self.config.weight_decay);
        self.optimizer = Optimizer::with_rule(rule, self.config.lr, self.params.len(), &groups)?;
        Ok(self)
    }

    /// Uses your own learning-rate schedule, usually a [`Schedule::from_fn`], instead of the one
    /// that the settings name.
    ///
    /// ```
    /// use anabranch_data::{Fractions, Table, TargetColumns, prepare};
    /// use anabranch_graph::{Fusion, TwoBranch};
    /// use anabranch_optim::{Schedule, rules::Lion};
    /// use anabranch_tensor::Executor;
    /// use anabranch_train::{NoObserver, TrainConfig, Trainer};
    ///
    /// let (exec, table) = (Executor::serial(), Table::wine()?);
    /// let columns = TargetColumns::wine();
    /// let data = prepare::<f32>(&exec, &table, &columns, Fractions::default(), 1)?.dataset;
    /// let graph = TwoBranch::new(data.n_inputs, 8, 1, 8, 6).build(Fusion::Fused)?;
    /// let config = TrainConfig { epochs: 2, lr: 1e-3, ..TrainConfig::default() };
    /// let mut trainer = Trainer::new(&data, graph, &config, &exec)?
    ///     .with_rule(Lion { beta1: 0.95, beta2: 0.98 })?
    ///     .with_schedule(Schedule::from_fn(|at| 1.0 / (1.0 + at.step as f64 / 10.0)));
    /// trainer.run(&mut NoObserver)?;
    /// assert_eq!(trainer.epochs_run(), 2);
    /// # Ok::<(), anabranch_train::TrainError>(())
    /// ```
    pub fn with_schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule.over(total_steps(&self.config, &*self.batches));
        self
    }

    /// Has the cosines of the tasks' gradients on shared layers computed for some batches of each
    /// epoch, for [`EpochReport::cosines`]. That changes no other number.
    pub fn watch_cosines(&mut self) {
        self.cosines = Some(Cosines::new(&self.graph));
    }

    /// Starts from these parameters and running statistics instead of those drawn from the seed.
    ///
    /// # Errors
    /// If there are not as many as the network has.
    pub fn with_weights(mut self, params: &[T], state: &[T]) -> Result<Self, TrainError> {
        check_len("parameters", self.params.len(), params.len())?;
        check_len("running statistics", self.state.len(), state.len())?;
        self.params.copy_from_slice(params);
        self.state.copy_from_slice(state);
        self.given = Some((params.to_vec(), state.to_vec()));
        Ok(self)
    }

    /// Trains for all epochs, or with a patience until the validation loss has not fallen for that
    /// long, and then takes the best weights. An observer can stop it earlier: the weights are then
    /// those of the last step, and another call continues from there.
    ///
    /// # Errors
    /// [`TrainError::Diverged`] when numbers are no longer finite, also at an eighth of the
    /// learning rate; [`TrainError::RowWithoutLoss`] if it is a row that has no finite loss;
    /// [`TrainError::Batch`] if your own order of batches has a row that the data set lacks, or a
    /// batch that is too small or too large.
    pub fn run(&mut self, observer: &mut (dyn Observer<T> + Send)) -> Result<(), TrainError> {
        let exec = self.exec;
        let config = &self.config;
        let span = tracing::info_span!("run", seed = config.seed);
        let _in_span = span.enter();
        tracing::info!(
            epochs = config.epochs,
            batches = self.batches.n_batches(),
            parameters = self.params.len(),
            threads = exec.threads(),
            "training"
        );
        // One entry into the thread pool for the whole run.
        exec.enter(|| {
            while self.position.epochs < self.config.epochs && !self.is_stale() {
                if self.epoch(observer)?.is_break() {
                    return Ok(());
                }
            }
            if self.config.patience > 0 && self.best.iter().any(Option::is_none) {
                // No epoch had a watched loss below infinity.
                self.check_rows(self.validation.clone())?;
                let (epoch, loss) = (self.position.epochs, f64::INFINITY);
                return Err(TrainError::Diverged { epoch, loss, recoveries: self.recoveries });
            }
            self.take_best();
            Ok(())
        })
    }

    /// Takes the weights of the best epoch so far, if there is a patience, as a run does at its
    /// end; with [`Watch::Each`](crate::Watch::Each), those of the first task. The weights of all
    /// tasks are in [`member`](Self::member).
    pub fn take_best(&mut self) {
        if let Some(Some(best)) = self.best.first()
            && self.config.patience > 0
        {
            if self.last.is_none() {
                self.last = Some((self.params.to_vec(), self.state.to_vec()));
            }
            self.params.copy_from_slice(&best.params);
            self.state.copy_from_slice(&best.state);
        }
    }

    /// The network as it predicts: with the weights of the best epochs so far if there is a
    /// patience, else with the present ones.
    pub fn member(&self) -> Member<T> {
        let best: Option<Vec<&BestState<T>>> = self.best.iter().map(Option::as_ref).collect();
        let Some(best) = best.filter(|_| self.config.patience > 0) else {
            let n_tasks = self.graph.heads().len();
            return Member::new(n_tasks, self.params.to_vec(), self.state.to_vec());
        };
        let mut epochs: Vec<usize> = Vec::new();
        let mut snapshots: Vec<Snapshot<T>> = Vec::new();
        for (tasks, best) in self.watched_tasks.iter().zip(best) {
            match epochs.iter().position(|epoch| *epoch == best.epoch) {
                Some(place) => snapshots[place].tasks.extend(tasks),
                None => {
                    let (params, state) = (best.params.clone(), best.state.clone());
                    epochs.push(best.epoch);
                    snapshots.push(Snapshot { tasks: tasks.clone(), params, state });
                }
            }
        }
        snapshots.iter_mut().for_each(|snapshot| snapshot.tasks.sort_unstable());
        Member { snapshots }
    }

    /// Whether there has been no better epoch for so long that the run stops early.
    fn is_stale(&self) -> bool {
        let last_best = self.best.iter().flatten().map(|best| best.epoch).max().unwrap_or(0);
        self.config.patience > 0 && self.position.epochs - last_best >= self.config.patience
    }

    /// The rest of one pass over the training rows, and its validation; the observer's answer.
    fn epoch(&mut self, observer: &mut dyn Observer<T>) -> Result<ControlFlow<()>, TrainError> {
        // Steps are taken from whatever weights there are.
        self.last = None;
        self.batches.start_epoch(self.position.epochs as u64);
        check_epoch(&*self.batches, &self.workspace, self.dataset.n_rows, self.position.epochs)?;
        if self.position.batches == 0 {
            self.keep_start();
        }
        if let Some(cosines) = &self.cosines {
            self.position.cosine_sums.0.resize(cosines.n_pairs(), 0.0);
        }
        while self.position.batches < self.batches.n_batches() {
            if self.step(observer).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let train = self.position.losses();
        let loss = train.iter().sum();
        if !self.is_finite(loss) {
            self.recover(loss, observer)?;
            return Ok(ControlFlow::Continue(()));
        }
        let lr_factor = self.lr_factor(self.optimizer.steps().saturating_sub(1));
        let ended = std::mem::take(&mut self.position);
        let Position { epochs, batches, norm_sums, cosine_sums, .. } = ended;
        self.position = Position { epochs: epochs + 1, ..Position::start(train.len()) };
        let validation = self.validate();
        let [grad_norm, clipped_norm] = norm_sums.map(|sum| sum / batches as f64);
        let (cosines, n_cosines) = cosine_sums;
        let losses = &self.watched_losses(&train, validation.as_deref());
        let watched = match self.config.watch {
            Watch::Task(task) => losses[task],
            Watch::Sum | Watch::Each => losses.iter().sum(),
        };
        self.schedule.observe(watched);
        let is_best = self.keep_best(losses);
        let report = EpochReport {
            epoch: self.position.epochs,
            epochs: self.config.epochs,
            train,
            validation,
            lr_factor,
            lr: self.config.lr * lr_factor,
            grad_norm,
            clipped_norm,
            cosines: cosines.into_iter().map(|sum| sum / n_cosines as f64).collect(),
            is_best,
        };
        tracing::info!(
            epoch = report.epoch,
            train = ?report.train,
            validation = ?report.validation,
            lr_factor,
            is_best,
            "epoch"
        );
        Ok(observer.epoch(&report))
    }

    /// The factor of the learning rate in a step of the current epoch.
    fn lr_factor(&self, step: u64) -> f64 {
        let at = Progress { step, epoch: self.position.epochs as u64 };
        self.schedule.factor(at) * self.recovery_factor()
    }

    /// One step on the next batch; returns the observer's answer.
    fn step(&mut self, observer: &mut dyn Observer<T>) -> ControlFlow<()> {
        let (exec, seed) = (self.exec, self.config.seed);
        let row_idx = self.batches.batch(self.position.batches);
        let step = self.optimizer.steps();
        let batch = Batch {
            inputs: &[self.dataset.x()],
            targets: &self.targets,
            row_weights: &self.row_weights,
            row_idx: Some(row_idx),
            masks: Masks::Drawn { seed, step },
        };
        let (grads, workspace) = (&mut self.grads, &mut self.workspace);
        let (graph, params) = (&self.graph, &self.params);
        self.balancing.gradient(graph, exec, params, &mut self.state, grads, workspace, batch);
        if let Some(cosines) = &mut self.cosines
            && Cosines::<T>::is_due(self.position.batches)
        {
            let (sums, n) = &mut self.position.cosine_sums;
            cosines.add(graph, exec, params, workspace, batch, sums);
            *n += 1;
        }
        let (losses, totals) = (self.workspace.losses(), self.workspace.row_totals());
        let sums = self.position.loss_sums.iter_mut().zip(&mut self.position.row_totals);
        for ((sum, all), (loss, total)) in sums.zip(losses.iter().zip(totals)) {
            *sum += total * loss;
            *all += total;
        }
        let mut flow = ControlFlow::Continue(());
        if observer.watches(step) {
            self.watched.gather(self.dataset, &self.row_weights, row_idx);
            let targets: Vec<Target<'_, T>> = self.watched.targets().collect();
            flow = observer.step(&StepView {
                graph: &self.graph,
                step,
                seed,
                x: self.watched.x(),
                targets: &targets,
                row_weights: self.watched.row_weights(),
                params: &self.params,
                grads: self.grads.whole(exec),
                losses,
            });
        }
        let norm = global_norm(exec, &self.grads);
        let scales = Scales {
            lr: self.lr_factor(step),
            grads: self.clip.map_or(1.0, |clip| clip.scale(norm)),
        };
        let [before, after] = &mut self.position.norm_sums;
        *before += norm;
        *after += norm * scales.grads;
        self.optimizer.step(exec, &mut self.params, &self.grads, scales);
        self.position.batches += 1;
        self.position.rows += row_idx.len();
        flow
    }

    /// Keeps the weights for each watched loss that is its lowest so far; whether there is one.
    fn keep_best(&mut self, losses: &[f64]) -> bool {
        let mut is_any_best = false;
        for (tasks, kept) in self.watched_tasks.iter().zip(&mut self.best) {
            let loss = self.config.watch.loss(tasks, losses);
            // Written so that NaN is no best loss.
            let is_best = loss < kept.as_ref().map_or(f64::INFINITY, |best| best.loss);
            if !is_best {
                continue;
            }
            is_any_best = true;
            let (mut params, mut state) = match kept.take() {
                Some(best) => (best.params, best.state),
                None => (Vec::new(), Vec::new()),
            };
            if self.config.patience > 0 {
                self.params[..].clone_into(&mut params);
                self.state[..].clone_into(&mut state);
            }
            *kept = Some(BestState { loss, epoch: self.position.epochs, params, state });
        }
        is_any_best
    }

    /// What decides which epoch is the best: the validation losses. A task that is watched for
    /// itself, but of which no validation row has a target, has its training loss instead.
    fn watched_losses(&self, train: &[f64], validation: Option<&[f64]>) -> Vec<f64> {
        let Some(validation) = validation else { return train.to_vec() };
        let rows = &self.validation;
        let is_judged = |task: usize| match self.dataset.presence(task) {
            Presence::Each(has) => rows.iter().any(|row| has[*row]),
            Presence::All => true,
        };
        let loss = |(task, loss): (usize, &f64)| match self.config.watch {
            Watch::Task(_) | Watch::Each if !is_judged(task) => train[task],
            _ => *loss,
        };
        validation.iter().enumerate().map(loss).collect()
    }

    /// Weighted loss of each task on the validation rows.
    fn validate(&mut self) -> Option<Vec<f64>> {
        if self.validation.is_empty() {
            return None;
        }
        let exec = self.exec;
        let rows = std::mem::take(&mut self.validation);
        let (evaluator, source) = self.evaluation(&rows);
        let losses = evaluator.losses(exec, &source);
        self.validation = rows;
        Some(losses)
    }

    /// The metrics of each task on the test rows, in the units of `targets`.
    pub fn test_metrics(&mut self, targets: &Targets) -> Vec<TaskMetrics> {
        self.metrics(&self.dataset.split.test, targets)
    }

    /// The metrics of each task on some rows of the data set, in the units of `targets`; undefined
    /// for a task of weight 0, which is not trained.
    ///
    /// # Panics
    /// If the data set lacks a row.
    pub fn metrics(&mut self, row_idx: &[usize], targets: &Targets) -> Vec<TaskMetrics> {
        let exec = self.exec;
        let (evaluator, source) = self.evaluation(row_idx);
        let judged = exec.enter(|| evaluator.judged(exec, &source, targets));
        judged.iter().map(JudgedTask::metrics).collect()
    }

    /// What evaluates the network on some rows, and those rows.
    fn evaluation<'a>(&'a mut self, row_idx: &'a [usize]) -> (&'a mut Evaluator<T>, Source<'a, T>) {
        let source = Source {
            graph: &self.graph,
            params: &self.params,
            state: &self.state,
            dataset: self.dataset,
            row_weights: &self.row_weights,
            row_idx,
        };
        (&mut self.evaluator, source)
    }

    /// Number of completed epochs.
    pub fn epochs_run(&self) -> usize {
        self.position.epochs
    }

    /// The epoch, counted from 1, whose weights are the best so far for a task; `None` before the
    /// first, or if there is no such task.
    pub fn best_epoch(&self, task: usize) -> Option<usize> {
        let place = self.watched_tasks.iter().position(|tasks| tasks.contains(&task))?;
        self.best[place].as_ref().map(|best| best.epoch)
    }

    /// The network.
    pub fn graph(&self) -> &Graph<T> {
        &self.graph
    }

    /// The parameters, in the order of [`Graph::params`].
    pub fn params(&self) -> &[T] {
        &self.params
    }

    /// The running state, in the order of [`Graph::state`].
    pub fn state(&self) -> &[T] {
        &self.state
    }
}

/// One group for each array. Weights decay; biases and normalisations do not.
fn param_groups<T: Scalar>(graph: &Graph<T>, weight_decay: f64) -> Vec<ParamGroup> {
    let decay = |role| if role == Role::Weight { weight_decay } else { 0.0 };
    let arrays = graph.params().iter();
    arrays.map(|array| ParamGroup::new(array.range.clone(), decay(array.role))).collect()
}

/// Steps of a run with the same number of batches in every epoch.
fn total_steps(config: &TrainConfig, batches: &dyn BatchOrder) -> u64 {
    (batches.n_batches() as u64).saturating_mul(config.epochs as u64)
}
