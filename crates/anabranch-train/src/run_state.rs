//! The state of a run, as one value to take out and put back.

use anabranch_optim::{OptimizerState, PlateauState};
use serde::{Deserialize, Serialize};

/// Everything that changes in a run. Taken out of one [`Trainer`](crate::Trainer) and put into
/// another with the same data, network and settings, it lets the run continue to the same bits,
/// even from the middle of an epoch. A file format for it must keep every bit of a number and, to
/// save a diverging run too, NaN and infinity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunState<T> {
    /// The parameters.
    pub params: Vec<T>,
    /// The running statistics.
    pub state: Vec<T>,
    /// The optimizer's steps and moments.
    pub optimizer: OptimizerState<T>,
    /// What a plateau schedule remembers of the losses.
    pub plateau: PlateauState,
    /// The logarithms of the tasks' variances, where [`TaskBalance`](crate::TaskBalance) learns
    /// them.
    pub log_variances: Vec<f64>,
    /// The epoch with the lowest validation loss so far, if any, for each watched loss.
    pub best: Vec<Option<BestState<T>>>,
    /// How far the run has come.
    pub position: Position,
    /// What the present epoch began with, in the middle of one.
    pub start: Option<EpochStart<T>>,
    /// How often the learning rate was halved since numbers were no longer finite.
    pub recoveries: u32,
}

/// What an epoch began with: the run goes back to it, the first time that an epoch ends with
/// numbers that are not finite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochStart<T> {
    /// The parameters.
    pub params: Vec<T>,
    /// The running statistics.
    pub state: Vec<T>,
    /// The optimizer's steps and moments.
    pub optimizer: OptimizerState<T>,
    /// The logarithms of the tasks' variances, where they are learned.
    pub log_variances: Vec<f64>,
}

/// The weights of the best epoch so far; none unless the run stops early.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestState<T> {
    /// Its watched loss.
    pub loss: f64,
    /// Its number, counted from 1.
    pub epoch: usize,
    /// The parameters.
    pub params: Vec<T>,
    /// The running statistics.
    pub state: Vec<T>,
}

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Completed epochs.
    pub epochs: usize,
    /// Completed batches of the current epoch.
    pub batches: usize,
    /// Rows of these batches.
    pub rows: usize,
    /// The weighted loss of each task, summed over these rows by their weights.
    pub loss_sums: Vec<f64>,
    /// What these rows weigh in the loss of each task, added up: the number of those that have its
    /// target, unless rows have weights of their own.
    pub row_totals: Vec<f64>,
    /// The global norms of these batches' gradients, summed: before clipping, and after.
    pub norm_sums: [f64; 2],
    /// The cosines of the tasks' gradients, summed for each pair, and over how many batches; none
    /// unless they are asked for.
    pub cosine_sums: (Vec<f64>, usize),
}

impl Position {
    /// Before the first step.
    pub(crate) fn start(n_tasks: usize) -> Self {
        let zeros = vec![0.0; n_tasks];
        Self { loss_sums: zeros.clone(), row_totals: zeros, ..Self::default() }
    }

    /// The mean loss of each task so far; 0 where no row has its target.
    pub(crate) fn losses(&self) -> Vec<f64> {
        let mean = |(sum, total): (&f64, &f64)| if *total > 0.0 { sum / total } else { 0.0 };
        self.loss_sums.iter().zip(&self.row_totals).map(mean).collect()
    }
}
