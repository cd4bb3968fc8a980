//! Everything that a run is, as one value.

use anabranch_optim::PlateauState;

/// All that changes in a run: taken out of one [`Trainer`](crate::Trainer) and put into another of
/// the same data, network and settings, the run goes on to the same bits, also from the middle of
/// an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct RunState<T> {
    /// The parameters.
    pub params: Vec<T>,
    /// The running statistics.
    pub state: Vec<T>,
    /// Steps that the optimizer has taken.
    pub steps: u64,
    /// The optimizer's moments by their names.
    pub moments: Vec<(String, Vec<T>)>,
    /// What a schedule that watches the loss has seen.
    pub plateau: PlateauState,
    /// The weights with the lowest validation loss so far, if the run stops early.
    pub best: Option<BestState<T>>,
    /// How far the run has come.
    pub position: Position,
}

/// The weights of the best epoch so far.
#[derive(Clone, Debug, PartialEq)]
pub struct BestState<T> {
    /// Its loss, summed over the tasks.
    pub loss: f64,
    /// Its number, counted from 1.
    pub epoch: usize,
    /// The parameters.
    pub params: Vec<T>,
    /// The running statistics.
    pub state: Vec<T>,
}

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Position {
    /// Whole epochs done.
    pub epochs: usize,
    /// Batches of the next epoch that are done.
    pub batches: usize,
    /// Rows of these batches.
    pub rows: usize,
    /// The weighted loss of each task, summed over these rows.
    pub loss_sums: Vec<f64>,
}
