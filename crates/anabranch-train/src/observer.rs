//! What an observer of a run can see.

use std::ops::ControlFlow;

use anabranch_graph::{Graph, RowWeights};
use anabranch_layers::Target;
use anabranch_tensor::ArrayView2;

/// A step, seen after its gradients and before its update.
#[derive(Clone, Debug)]
pub struct StepView<'a, T> {
    /// The network.
    pub graph: &'a Graph<T>,
    /// Steps taken before this one.
    pub step: u64,
    /// The seed of the dropout masks, which depend on it and `step`.
    pub seed: u64,
    /// The batch `[rows, inputs]`.
    pub x: ArrayView2<'a, T>,
    /// What each head is compared with.
    pub targets: &'a [Target<'a, T>],
    /// How much each row counts in the loss of each head: 0 where it has no target.
    pub row_weights: &'a [RowWeights<T>],
    /// The parameters that the gradients belong to.
    pub params: &'a [T],
    /// The gradients, before clipping and weight decay.
    pub grads: &'a [T],
    /// The weighted loss of each head.
    pub losses: &'a [f64],
}

/// An epoch that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochReport {
    /// Its number, counted from 1.
    pub epoch: usize,
    /// Maximum number of epochs in the run.
    pub epochs: usize,
    /// Mean weighted loss of each task over the epoch's rows.
    pub train: Vec<f64>,
    /// Weighted loss of each task on the validation rows, if there are any.
    pub validation: Option<Vec<f64>>,
    /// The factor of the learning rate in its last step.
    pub lr_factor: f64,
    /// The learning rate in its last step.
    pub lr: f64,
    /// The mean global norm of its gradients, before clipping.
    pub grad_norm: f64,
    /// The same after clipping.
    pub clipped_norm: f64,
    /// The mean cosine of the tasks' gradients on the layers that they share, for each pair of
    /// tasks (0 and 1, 0 and 2, 1 and 2 …); none unless
    /// [asked for](crate::Trainer::watch_cosines).
    pub cosines: Vec<f64>,
    /// Whether its weights are the best so far.
    pub is_best: bool,
}

/// A run goes on from the beginning of an epoch at half the learning rate, since its numbers were
/// no longer finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recovery {
    /// The epoch at whose end they were not, counted from 1.
    pub epoch: usize,
    /// Its mean loss.
    pub loss: f64,
    /// The epoch that comes next: the same, or the first one.
    pub from: usize,
    /// The learning rate from now on, before the schedule.
    pub lr: f64,
}

/// Watches a run.
///
/// [`ControlFlow::Break`] stops it after the current step or epoch: the trainer keeps its weights
/// as they are then, and another [`run`](crate::Trainer::run) continues from there.
pub trait Observer<T> {
    /// Whether [`step`](Self::step) is to be called in a step, by the number of steps before it. A
    /// step that is not watched costs nothing.
    fn watches(&self, step: u64) -> bool {
        let _ = step;
        true
    }

    /// Called in each step that [`watches`](Self::watches) asks for.
    fn step(&mut self, step: &StepView<'_, T>) -> ControlFlow<()> {
        let _ = step;
        ControlFlow::Continue(())
    }

    /// Called after each epoch.
    fn epoch(&mut self, report: &EpochReport) -> ControlFlow<()> {
        let _ = report;
        ControlFlow::Continue(())
    }

    /// Called when the run goes back to the beginning of an epoch: what was seen of this one and of
    /// later ones does not count.
    fn recovery(&mut self, recovery: &Recovery) {
        let _ = recovery;
    }
}

/// Watches nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoObserver;

impl<T> Observer<T> for NoObserver {
    fn watches(&self, _step: u64) -> bool {
        false
    }
}
