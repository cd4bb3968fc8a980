//! Taking a run out of a trainer and putting it back.

use anabranch_tensor::Scalar;

use super::Trainer;
use super::recovery::MOST_RECOVERIES;
use crate::error::{TrainError, check_len};
use crate::run_state::RunState;

impl<T: Scalar> Trainer<'_, T> {
    /// Everything that changes in a run; [`restore`](Self::restore) continues from it. The weights
    /// are those of the last step, also where a run that is complete has taken the best ones: one
    /// of more epochs goes on from there.
    pub fn run_state(&self) -> RunState<T> {
        let (params, state) = match &self.last {
            Some((params, state)) => (params.clone(), state.clone()),
            None => (self.params.to_vec(), self.state.to_vec()),
        };
        RunState {
            params,
            state,
            optimizer: self.optimizer.state(),
            plateau: self.schedule.plateau(),
            log_variances: self.balancing.log_variances().to_vec(),
            best: self.best.clone(),
            position: self.position.clone(),
            start: (self.position.batches > 0).then(|| self.start.clone()),
            recoveries: self.recoveries,
        }
    }

    /// Continues where the run that `saved` was taken from left off, one with the same data,
    /// network and settings.
    ///
    /// # Errors
    /// If the sizes are not those of this run; the trainer is then as it was.
    pub fn restore(&mut self, saved: &RunState<T>) -> Result<(), TrainError> {
        let RunState { params, state, optimizer, plateau, log_variances, best, position, .. } =
            saved;
        check_len("parameters", self.params.len(), params.len())?;
        check_len("running statistics", self.state.len(), state.len())?;
        for of_tasks in [&position.loss_sums, &position.row_totals] {
            check_len("tasks", self.position.loss_sums.len(), of_tasks.len())?;
        }
        check_most("batches at most", self.batches.n_batches(), position.batches)?;
        let most_rows = position.batches.saturating_mul(self.batches.max_rows());
        check_most("rows at most", most_rows, position.rows)?;
        check_len("watched losses", self.best.len(), best.len())?;
        for best in best.iter().flatten() {
            let keeps = self.config.patience > 0;
            let kept = |len| if keeps { len } else { 0 };
            check_len("parameters of the best epoch", kept(params.len()), best.params.len())?;
            check_len("statistics of the best epoch", kept(state.len()), best.state.len())?;
            check_most("as the best epoch at most", position.epochs, best.epoch)?;
        }
        if let Some(start) = &saved.start {
            check_len("parameters of an epoch's start", params.len(), start.params.len())?;
            check_len("statistics of an epoch's start", state.len(), start.state.len())?;
            let learned = start.log_variances.len();
            check_len("variances at an epoch's start", log_variances.len(), learned)?;
            self.optimizer.clone().restore(&start.optimizer)?;
        }
        let recoveries = saved.recoveries as usize;
        check_most("recoveries at most", MOST_RECOVERIES as usize, recoveries)?;
        self.balancing.restore(log_variances)?;
        self.optimizer.restore(optimizer)?;
        self.schedule.restore_plateau(*plateau);
        self.params.copy_from_slice(params);
        self.state.copy_from_slice(state);
        self.position = position.clone();
        self.best = best.clone();
        self.last = None;
        self.recoveries = saved.recoveries;
        match &saved.start {
            Some(start) => self.start = start.clone(),
            None => self.keep_start(),
        }
        Ok(())
    }
}

fn check_most(what: &'static str, most: usize, got: usize) -> Result<(), TrainError> {
    if got <= most { Ok(()) } else { Err(TrainError::Sizes { what, expected: most, got }) }
}
