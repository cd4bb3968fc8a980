//! What a run lets others see of it.

use std::ops::ControlFlow;

use anabranch_graph::Graph;
use anabranch_layers::Target;
use anabranch_tensor::ArrayView2;

/// A training step after its backward pass and before its update.
#[derive(Clone, Debug)]
pub struct StepView<'a, T> {
    /// The network.
    pub graph: &'a Graph<T>,
    /// Steps taken before this one.
    pub step: u64,
    /// What the dropout masks are drawn by, with `step`.
    pub seed: u64,
    /// The batch `[rows, inputs]`.
    pub x: ArrayView2<'a, T>,
    /// What the heads are compared with.
    pub targets: [Target<'a, T>; 2],
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
    /// Epochs of the run, at most.
    pub epochs: usize,
    /// Mean weighted losses of task A and B over its steps.
    pub train: [f64; 2],
    /// Weighted losses of task A and B on the validation rows, if there are any.
    pub validation: Option<[f64; 2]>,
    /// The factor of the learning rate in its last step.
    pub lr_factor: f64,
    /// Whether its weights are the best so far.
    pub is_best: bool,
}

/// Watches a run. [`ControlFlow::Break`] ends it as early stopping would.
pub trait Observer<T> {
    /// Whether [`step`](Self::step) is to be called in a step, by the number of steps before it. What nobody watches costs
    /// nothing.
    fn watches(&self, step: u64) -> bool {
        let _ = step;
        true
    }

    /// Called in each step that it [`watches`](Self::watches).
    fn step(&mut self, step: &StepView<'_, T>) -> ControlFlow<()> {
        let _ = step;
        ControlFlow::Continue(())
    }

    /// Called after each epoch.
    fn epoch(&mut self, report: &EpochReport) -> ControlFlow<()> {
        let _ = report;
        ControlFlow::Continue(())
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
