//! The training loop.

use std::ops::ControlFlow;

use anabranch_data::{Batches, Dataset, RegressionTarget};
use anabranch_graph::{Batch, Fusion, Graph, Masks, Mode, TwoBranch, Workspace};
use anabranch_layers::{Role, Target};
use anabranch_optim::{ClipNorm, Optimizer, ParamGroup, Progress, Scales, Schedule, global_norm};
use anabranch_tensor::{Buffer, Executor, Gradients, Scalar};

use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::evaluate::{Evaluator, Metrics, Source};
use crate::observer::{EpochReport, Observer, StepView};
use crate::rows::Rows;

/// A network in training: its numbers, its optimizer, and all memory that a step needs.
#[derive(Debug)]
pub struct Trainer<'d, T> {
    dataset: &'d Dataset<T>,
    config: TrainConfig,
    network: TwoBranch,
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
    batches: Batches,
    /// The batch that an observer sees.
    watched: Rows<T>,
    best: Best<T>,
    epochs_run: usize,
}

/// The weights with the lowest validation loss so far; empty without early stopping.
#[derive(Debug)]
struct Best<T> {
    loss: f64,
    epoch: usize,
    params: Buffer<T>,
    state: Buffer<T>,
}

/// Whether a run goes on.
enum After {
    GoOn,
    Stop,
}

impl<'d, T: Scalar> Trainer<'d, T> {
    /// A trainer for `network` on `dataset`, its weights drawn by the seed.
    ///
    /// # Errors
    /// If the network's sizes do not fit the data set, or a setting is out of range.
    pub fn new(
        dataset: &'d Dataset<T>,
        network: &TwoBranch,
        config: &TrainConfig,
        exec: &'d Executor,
    ) -> Result<Self, TrainError> {
        for (what, expected, got) in [
            ("inputs", network.inputs, dataset.n_inputs),
            ("regression outputs", network.outputs_a, dataset.n_outputs),
            ("classes", network.classes, dataset.n_classes),
        ] {
            if expected != got {
                return Err(TrainError::Sizes { what, expected, got });
            }
        }
        config.validate(dataset.split.validation.len())?;
        let graph = network.build(Fusion::Fused)?;
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
        Ok(Self {
            dataset,
            network: network.clone(),
            exec,
            schedule: Schedule::new(config.schedule, total_steps)?,
            clip: config.clip.map(ClipNorm::new).transpose()?,
            workspace: Workspace::new(&graph, exec, max_rows, Mode::Training)?,
            evaluator: Evaluator::new(&graph, exec, dataset)?,
            watched: Rows::new(dataset, max_rows),
            best: Best {
                loss: f64::INFINITY,
                epoch: 0,
                params: Buffer::zeros(kept[0]),
                state: Buffer::zeros(kept[1]),
            },
            grads: Gradients::zeros(params.len()),
            config: config.clone(),
            graph,
            params,
            state,
            optimizer,
            batches,
            epochs_run: 0,
        })
    }

    /// Trains until the epochs are over, the validation loss has not fallen for the patience, or the observer
    /// stops; then the best weights return, if there was a patience.
    ///
    /// # Errors
    /// [`TrainError::Diverged`] when the loss is no longer finite.
    pub fn run(&mut self, observer: &mut (dyn Observer<T> + Send)) -> Result<(), TrainError> {
        let exec = self.exec;
        // One entry into the thread pool for the whole run.
        exec.enter(|| {
            while self.epochs_run < self.config.epochs {
                if let After::Stop = self.epoch(observer)? {
                    break;
                }
            }
            if self.config.patience > 0 && self.best.epoch > 0 {
                self.params.copy_from_slice(&self.best.params);
                self.state.copy_from_slice(&self.best.state);
            }
            Ok(())
        })
    }

    /// One pass over the training rows, and its validation.
    fn epoch(&mut self, observer: &mut dyn Observer<T>) -> Result<After, TrainError> {
        let epoch = self.epochs_run;
        self.batches.start_epoch(epoch as u64);
        let mut train = [0.0; 2];
        let mut lr_factor = 1.0;
        let mut n_rows = 0.0;
        for batch in 0..self.batches.n_batches() {
            let rows = self.batches.batch(batch).len() as f64;
            n_rows += rows;
            let (losses, factor, flow) = self.step(batch, epoch, observer);
            lr_factor = factor;
            train = [train[0] + rows * losses[0], train[1] + rows * losses[1]];
            if flow.is_break() {
                return Ok(After::Stop);
            }
        }
        self.epochs_run += 1;
        let train = train.map(|sum| sum / n_rows);
        let loss = train[0] + train[1];
        // The losses were taken before each update: the last one shows in the weights alone.
        let is_finite = |values: &[T]| values.iter().all(|value| value.is_finite());
        if !(loss.is_finite() && is_finite(&self.params) && is_finite(&self.state)) {
            return Err(TrainError::Diverged { epoch: self.epochs_run, loss });
        }
        let validation = self.validate();
        let watched = validation.unwrap_or(train).iter().sum();
        self.schedule.observe(watched);
        let is_best = watched < self.best.loss;
        if is_best {
            (self.best.loss, self.best.epoch) = (watched, self.epochs_run);
            if self.config.patience > 0 {
                self.best.params.copy_from_slice(&self.params);
                self.best.state.copy_from_slice(&self.state);
            }
        }
        let report = EpochReport {
            epoch: self.epochs_run,
            epochs: self.config.epochs,
            train,
            validation,
            lr_factor,
            is_best,
        };
        let is_stale =
            self.config.patience > 0 && self.epochs_run - self.best.epoch >= self.config.patience;
        tracing::debug!(epoch = report.epoch, ?train, ?validation, lr_factor, is_best, "epoch");
        match observer.epoch(&report) {
            ControlFlow::Continue(()) if !is_stale => Ok(After::GoOn),
            _ => Ok(After::Stop),
        }
    }

    /// One step on one batch: returns the losses, the factor of the learning rate, and the observer's word.
    fn step(
        &mut self,
        batch: usize,
        epoch: usize,
        observer: &mut dyn Observer<T>,
    ) -> ([f64; 2], f64, ControlFlow<()>) {
        let (dataset, exec, seed) = (self.dataset, self.exec, self.config.seed);
        let row_idx = self.batches.batch(batch);
        let step = self.optimizer.steps();
        let (graph, workspace) = (&self.graph, &mut self.workspace);
        let batch = Batch {
            x: dataset.x(),
            targets: &[Target::Values(dataset.y()), Target::Classes(&dataset.class)],
            row_idx: Some(row_idx),
            masks: Masks::Drawn { seed, step },
        };
        let written = (&mut *self.state, &mut self.grads);
        graph.gradient(exec, &self.params, written, workspace, batch);
        let losses = [workspace.losses()[0], workspace.losses()[1]];
        let mut flow = ControlFlow::Continue(());
        if observer.watches(step) {
            self.watched.gather(dataset, row_idx);
            flow = observer.step(&StepView {
                graph,
                step,
                seed,
                x: self.watched.x(),
                targets: [Target::Values(self.watched.y()), Target::Classes(self.watched.class())],
                params: &self.params,
                grads: self.grads.whole(exec),
                losses: &losses,
            });
        }
        let progress = Progress { step, epoch: epoch as u64 };
        let scales = Scales {
            lr: self.schedule.factor(progress),
            grads: self.clip.map_or(1.0, |clip| clip.scale(global_norm(exec, &self.grads))),
        };
        self.optimizer.step(exec, &mut self.params, &self.grads, scales);
        (losses, scales.lr, flow)
    }

    /// Weighted losses of both tasks on the validation rows.
    fn validate(&mut self) -> Option<[f64; 2]> {
        let rows = &self.dataset.split.validation;
        if rows.is_empty() {
            return None;
        }
        let source = Source {
            graph: &self.graph,
            params: &self.params,
            state: &self.state,
            dataset: self.dataset,
            row_idx: rows,
        };
        let [a, b] = self.evaluator.losses(self.exec, &source);
        Some([self.network.weight_a * a, self.network.weight_b * b])
    }

    /// The metrics on the test rows, in the units of `targets`.
    pub fn test_metrics(&mut self, targets: &[RegressionTarget]) -> Metrics {
        let source = Source {
            graph: &self.graph,
            params: &self.params,
            state: &self.state,
            dataset: self.dataset,
            row_idx: &self.dataset.split.test,
        };
        let (exec, evaluator) = (self.exec, &mut self.evaluator);
        let sums = exec.enter(|| evaluator.sums(exec, &source));
        sums.metrics(targets)
    }

    /// Epochs that have run.
    pub fn epochs_run(&self) -> usize {
        self.epochs_run
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

    /// The sizes and hyperparameters of the network.
    pub fn network(&self) -> &TwoBranch {
        &self.network
    }
}
