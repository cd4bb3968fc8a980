//! Everything that a run is, as one value to take out and put back.

use anabranch_optim::{OptimizerState, PlateauState};
use anabranch_tensor::Scalar;
use serde::{Deserialize, Serialize};

use super::{Trainer, check_len};
use crate::error::TrainError;

/// All that changes in a run: taken out of one [`Trainer`](crate::Trainer) and put into another of
/// the same data, network and settings, the run goes on to the same bits, also from the middle of
/// an epoch. A file that it is written to must keep every bit of a number, and, if a run that
/// diverges is to be saved too, NaN and infinity.
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
    /// The epoch with the lowest validation loss so far, if any.
    pub best: Option<BestState<T>>,
    /// How far the run has come.
    pub position: Position,
}

/// The weights of the best epoch so far; none unless the run stops early.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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

impl Position {
    /// Before the first step.
    pub(super) fn start(n_tasks: usize) -> Self {
        Self { loss_sums: vec![0.0; n_tasks], ..Self::default() }
    }
}

impl<T: Scalar> Trainer<'_, T> {
    /// All that changes in a run, to be continued by [`restore`](Self::restore).
    pub fn run_state(&self) -> RunState<T> {
        RunState {
            params: self.params.to_vec(),
            state: self.state.to_vec(),
            optimizer: self.optimizer.state(),
            plateau: self.schedule.plateau(),
            best: self.best.clone(),
            position: self.position.clone(),
        }
    }

    /// Goes on where the run was that `saved` was taken from: one of the same data, network and
    /// settings.
    ///
    /// # Errors
    /// If the sizes are not those of this run; the trainer is then as it was.
    pub fn restore(&mut self, saved: &RunState<T>) -> Result<(), TrainError> {
        let RunState { params, state, optimizer, plateau, best, position } = saved;
        check_len("parameters", self.params.len(), params.len())?;
        check_len("running statistics", self.state.len(), state.len())?;
        check_len("tasks", self.position.loss_sums.len(), position.loss_sums.len())?;
        check_most("batches at most", self.batches.n_batches(), position.batches)?;
        let most_rows = position.batches.saturating_mul(self.batches.max_rows());
        check_most("rows at most", most_rows, position.rows)?;
        if let Some(best) = best {
            let keeps = self.config.patience > 0;
            let kept = |len| if keeps { len } else { 0 };
            check_len("parameters of the best epoch", kept(params.len()), best.params.len())?;
            check_len("statistics of the best epoch", kept(state.len()), best.state.len())?;
            check_most("as the best epoch at most", position.epochs, best.epoch)?;
        }
        self.optimizer.restore(optimizer)?;
        self.schedule.restore_plateau(*plateau);
        self.params.copy_from_slice(params);
        self.state.copy_from_slice(state);
        self.position = position.clone();
        self.best = best.clone();
        Ok(())
    }
}

fn check_most(what: &'static str, most: usize, got: usize) -> Result<(), TrainError> {
    if got <= most { Ok(()) } else { Err(TrainError::Sizes { what, expected: most, got }) }
}
