//! The training loop.

use std::ops::ControlFlow;

use anabranch_data::{Batches, Dataset, Targets};
use anabranch_graph::{Batch, Graph, Masks, Mode, Workspace};
use anabranch_layers::{Role, Target};
use anabranch_optim::{ClipNorm, Optimizer, ParamGroup, Progress, Scales, Schedule, global_norm};
use anabranch_tensor::{Buffer, Executor, Gradients, Scalar};

use crate::batch_order::BatchOrder;
use crate::check::{check_epoch, check_tasks};
use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::evaluate::{Evaluator, Source};
use crate::observer::{EpochReport, Observer, StepView};
use crate::rows::{Rows, targets};
use crate::run_state::{BestState, Position, RunState};
use crate::task_metrics::TaskMetrics;

/// A network in training: its numbers, its optimizer, and all memory that a step needs.
///
/// The network is any [`Graph`] whose heads are the tasks of the data set, in order: one that a
/// [`River`](anabranch_graph::River) describes, or one built by hand.
#[derive(Debug)]
pub struct Trainer<'d, T> {
    dataset: &'d Dataset<T>,
    /// Those of all rows of the data set.
    targets: Vec<Target<'d, T>>,
    config: TrainConfig,
    exec: &'d Executor,
    graph: Graph<T>,
    params: Buffer<T>,
    grads: Gradients<T>,
    state: Buffer<T>,
    optimizer: Optimizer<T>,
    schedule: Schedule,
    clip: Option<ClipNorm>,
    workspace: Workspace<T>,
    evaluator: Evaluator<T>,
    batches: Box<dyn BatchOrder>,
    /// The batch that an observer sees.
    watched: Rows<T>,
    best: Best<T>,
    position: Position,
}

/// The weights with the lowest validation loss so far; empty without early stopping.
#[derive(Debug)]
struct Best<T> {
    loss: f64,
    epoch: usize,
    params: Buffer<T>,
    state: Buffer<T>,
}

/// What a run does after an epoch.
enum After {
    NextEpoch,
    /// Early stopping.
    End,
    /// The observer has stopped it.
    Pause,
}

impl<'d, T: Scalar> Trainer<'d, T> {
    /// A trainer for `graph` on `dataset`, its weights drawn by the seed.
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
        config.validate(dataset.split.validation.len())?;
        let (params, state) = graph.init(config.seed);
        let groups: Vec<ParamGroup> = graph
            .params()
            .iter()
            .map(|array| {
                let decays = array.role == Role::Weight;
                ParamGroup::new(array.range.clone(), if decays { config.weight_decay } else { 0.0 })
            })
            .collect();
        let optimizer = Optimizer::new(config.optimizer, config.lr, params.len(), &groups)?;
        let batches = Batches::new(dataset.split.train.clone(), config.batch_size, config.seed)?;
        let total_steps = (batches.n_batches() as u64).saturating_mul(config.epochs as u64);
        let max_rows = batches.max_rows();
        let kept = if config.patience > 0 { [params.len(), state.len()] } else { [0, 0] };
        let workspace = Workspace::new(&graph, exec, max_rows, Mode::Training)?;
        Ok(Self {
            dataset,
            targets,
            exec,
            schedule: Schedule::new(config.schedule, total_steps)?,
            clip: config.clip.map(ClipNorm::new).transpose()?,
            workspace,
            evaluator: Evaluator::new(&graph, exec, dataset)?,
            watched: Rows::new(dataset, max_rows),
            best: Best {
                loss: f64::INFINITY,
                epoch: 0,
                params: Buffer::zeros(kept[0]),
                state: Buffer::zeros(kept[1]),
            },
            grads: Gradients::zeros(params.len()),
            position: Position::start(graph.heads().len()),
            config: config.clone(),
            graph,
            params,
            state,
            optimizer,
            batches: Box::new(batches),
        })
    }

    /// Takes the rows in another order than shuffled batches of the training rows.
    ///
    /// # Errors
    /// If the network cannot be trained on batches of this size.
    pub fn with_batches(mut self, batches: impl BatchOrder + 'static) -> Result<Self, TrainError> {
        let max_rows = batches.max_rows();
        let total_steps = (batches.n_batches() as u64).saturating_mul(self.config.epochs as u64);
        self.workspace = Workspace::new(&self.graph, self.exec, max_rows, Mode::Training)?;
        self.watched = Rows::new(self.dataset, max_rows);
        self.schedule = Schedule::new(self.config.schedule, total_steps)?;
        self.batches = Box::new(batches);
        Ok(self)
    }

    /// Starts from these parameters and running statistics instead of those drawn by the seed.
    ///
    /// # Errors
    /// If they are not as many as the network has.
    pub fn with_weights(mut self, params: &[T], state: &[T]) -> Result<Self, TrainError> {
        check_len("parameters", self.params.len(), params.len())?;
        check_len("running statistics", self.state.len(), state.len())?;
        self.params.copy_from_slice(params);
        self.state.copy_from_slice(state);
        Ok(self)
    }

    /// Trains until the epochs are over or the validation loss has not fallen for the patience, and
    /// then takes the best weights, if there was a patience. An observer can stop it earlier: the
    /// weights are then those of the last step, and another call goes on from there.
    ///
    /// # Errors
    /// [`TrainError::Diverged`] when the loss is no longer finite; [`TrainError::Batch`] if an own
    /// order of batches has a row that the data set lacks, or a batch that is too small or too
    /// large.
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
            while self.position.epochs < self.config.epochs {
                match self.epoch(observer)? {
                    After::NextEpoch => {}
                    After::End => break,
                    After::Pause => return Ok(()),
                }
            }
            self.take_best();
            Ok(())
        })
    }

    /// Takes the weights of the best epoch so far, if there was a patience, as a run does at its
    /// end.
    pub fn take_best(&mut self) {
        if self.config.patience > 0 && self.best.epoch > 0 {
            self.params.copy_from_slice(&self.best.params);
            self.state.copy_from_slice(&self.best.state);
        }
    }

    /// What is left of one pass over the training rows, and its validation.
    fn epoch(&mut self, observer: &mut dyn Observer<T>) -> Result<After, TrainError> {
        self.batches.start_epoch(self.position.epochs as u64);
        check_epoch(&*self.batches, &self.workspace, self.dataset.n_rows, self.position.epochs)?;
        let mut lr_factor = 1.0;
        while self.position.batches < self.batches.n_batches() {
            let (factor, flow) = self.step(observer);
            lr_factor = factor;
            if flow.is_break() {
                return Ok(After::Pause);
            }
        }
        let Position { epochs, rows, loss_sums, .. } = std::mem::take(&mut self.position);
        self.position = Position { epochs: epochs + 1, ..Position::start(loss_sums.len()) };
        let train: Vec<f64> = loss_sums.iter().map(|sum| sum / rows as f64).collect();
        self.check_finite(train.iter().sum())?;
        let validation = self.validate();
        let watched = validation.as_ref().unwrap_or(&train).iter().sum();
        self.schedule.observe(watched);
        let is_best = self.keep_if_best(watched);
        let report = EpochReport {
            epoch: self.position.epochs,
            epochs: self.config.epochs,
            train,
            validation,
            lr_factor,
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
        let patience = self.config.patience;
        let is_stale = patience > 0 && self.position.epochs - self.best.epoch >= patience;
        Ok(match observer.epoch(&report) {
            ControlFlow::Break(()) => After::Pause,
            ControlFlow::Continue(()) if is_stale => After::End,
            ControlFlow::Continue(()) => After::NextEpoch,
        })
    }

    /// One step on the next batch: the factor of the learning rate, and the observer's word.
    fn step(&mut self, observer: &mut dyn Observer<T>) -> (f64, ControlFlow<()>) {
        let (exec, seed) = (self.exec, self.config.seed);
        let row_idx = self.batches.batch(self.position.batches);
        let step = self.optimizer.steps();
        let batch = Batch {
            x: self.dataset.x(),
            targets: &self.targets,
            row_idx: Some(row_idx),
            masks: Masks::Drawn { seed, step },
        };
        let written = (&mut *self.state, &mut self.grads);
        self.graph.gradient(exec, &self.params, written, &mut self.workspace, batch);
        let losses = self.workspace.losses();
        for (sum, loss) in self.position.loss_sums.iter_mut().zip(losses) {
            *sum += row_idx.len() as f64 * loss;
        }
        let mut flow = ControlFlow::Continue(());
        if observer.watches(step) {
            self.watched.gather(self.dataset, row_idx);
            let targets: Vec<Target<'_, T>> = self.watched.targets().collect();
            flow = observer.step(&StepView {
                graph: &self.graph,
                step,
                seed,
                x: self.watched.x(),
                targets: &targets,
                params: &self.params,
                grads: self.grads.whole(exec),
                losses,
            });
        }
        let progress = Progress { step, epoch: self.position.epochs as u64 };
        let scales = Scales {
            lr: self.schedule.factor(progress),
            grads: self.clip.map_or(1.0, |clip| clip.scale(global_norm(exec, &self.grads))),
        };
        self.optimizer.step(exec, &mut self.params, &self.grads, scales);
        self.position.batches += 1;
        self.position.rows += row_idx.len();
        (scales.lr, flow)
    }

    /// Refuses a run whose numbers are no longer finite.
    fn check_finite(&self, loss: f64) -> Result<(), TrainError> {
        // The losses were taken before each update: the last one shows in the weights alone.
        let is_finite = |values: &[T]| values.iter().all(|value| value.is_finite());
        if loss.is_finite() && is_finite(&self.params) && is_finite(&self.state) {
            return Ok(());
        }
        Err(TrainError::Diverged { epoch: self.position.epochs, loss })
    }

    /// Keeps the weights if `loss` is the lowest so far.
    fn keep_if_best(&mut self, loss: f64) -> bool {
        let is_best = loss < self.best.loss;
        if is_best {
            (self.best.loss, self.best.epoch) = (loss, self.position.epochs);
            if self.config.patience > 0 {
                self.best.params.copy_from_slice(&self.params);
                self.best.state.copy_from_slice(&self.state);
            }
        }
        is_best
    }

    /// Weighted loss of each task on the validation rows.
    fn validate(&mut self) -> Option<Vec<f64>> {
        let dataset = self.dataset;
        let rows = &dataset.split.validation;
        if rows.is_empty() {
            return None;
        }
        let exec = self.exec;
        let (evaluator, source) = self.evaluation(rows);
        Some(evaluator.losses(exec, &source))
    }

    /// The metrics of each task on the test rows, in the units of `targets`.
    pub fn test_metrics(&mut self, targets: &Targets) -> Vec<TaskMetrics> {
        let (dataset, exec) = (self.dataset, self.exec);
        let (evaluator, source) = self.evaluation(&dataset.split.test);
        let sums = exec.enter(|| evaluator.sums(exec, &source));
        let columns = targets.tasks().iter().map(|target| target.regression());
        let columns = columns.chain(std::iter::repeat(&[][..]));
        sums.iter().zip(columns).map(|(sums, columns)| sums.metrics(columns)).collect()
    }

    /// What evaluates the network on some rows, and these.
    fn evaluation<'a>(&'a mut self, row_idx: &'a [usize]) -> (&'a mut Evaluator<T>, Source<'a, T>) {
        let source = Source {
            graph: &self.graph,
            params: &self.params,
            state: &self.state,
            dataset: self.dataset,
            row_idx,
        };
        (&mut self.evaluator, source)
    }

    /// All that changes in a run, to be continued by [`restore`](Self::restore).
    pub fn run_state(&self) -> RunState<T> {
        let Best { loss, epoch, ref params, ref state } = self.best;
        let best = BestState { loss, epoch, params: params.to_vec(), state: state.to_vec() };
        RunState {
            params: self.params.to_vec(),
            state: self.state.to_vec(),
            steps: self.optimizer.steps(),
            moments: self.optimizer.state().map(|(name, m)| (name.into(), m.to_vec())).collect(),
            plateau: self.schedule.plateau(),
            best: (epoch > 0).then_some(best),
            position: self.position.clone(),
        }
    }

    /// Goes on where the run was that `saved` was taken from: one of the same data, network and
    /// settings.
    ///
    /// # Errors
    /// If the sizes are not those of this run; the trainer is then as it was.
    pub fn restore(&mut self, saved: &RunState<T>) -> Result<(), TrainError> {
        let RunState { params, state, steps, moments, plateau, best, position } = saved;
        check_len("parameters", self.params.len(), params.len())?;
        check_len("running statistics", self.state.len(), state.len())?;
        check_len("tasks", self.position.loss_sums.len(), position.loss_sums.len())?;
        if position.batches > self.batches.n_batches() {
            let (what, expected) = ("batches at most", self.batches.n_batches());
            return Err(TrainError::Sizes { what, expected, got: position.batches });
        }
        if let Some(best) = best {
            check_len("parameters of the best epoch", self.best.params.len(), best.params.len())?;
            check_len("statistics of the best epoch", self.best.state.len(), best.state.len())?;
        }
        self.optimizer.restore(*steps, moments.iter().map(|(name, m)| (name.as_str(), &m[..])))?;
        self.schedule.restore_plateau(*plateau);
        self.params.copy_from_slice(params);
        self.state.copy_from_slice(state);
        self.position = position.clone();
        (self.best.loss, self.best.epoch) = (f64::INFINITY, 0);
        if let Some(best) = best {
            (self.best.loss, self.best.epoch) = (best.loss, best.epoch);
            self.best.params.copy_from_slice(&best.params);
            self.best.state.copy_from_slice(&best.state);
        }
        Ok(())
    }

    /// Epochs that have run.
    pub fn epochs_run(&self) -> usize {
        self.position.epochs
    }

    /// The epoch with the lowest validation loss so far, counted from 1; `None` before the first.
    pub fn best_epoch(&self) -> Option<usize> {
        (self.best.epoch > 0).then_some(self.best.epoch)
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

impl Position {
    /// Before the first step.
    fn start(n_tasks: usize) -> Self {
        Self { loss_sums: vec![0.0; n_tasks], ..Self::default() }
    }
}

fn check_len(what: &'static str, expected: usize, got: usize) -> Result<(), TrainError> {
    if expected == got { Ok(()) } else { Err(TrainError::Sizes { what, expected, got }) }
}
