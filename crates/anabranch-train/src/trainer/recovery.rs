//! What a run does when its numbers are no longer finite: it goes back and on at half the learning
//! rate, the first time from where the epoch began. Where that does not help, the weights were
//! beyond help before, though finite, and it begins anew.

use anabranch_optim::{OptimizerState, PlateauState};
use anabranch_tensor::Scalar;

use super::Trainer;
use crate::error::TrainError;
use crate::observer::{Observer, Recovery};
use crate::run_state::{EpochStart, Position};

/// How often the learning rate is halved.
pub(super) const MOST_RECOVERIES: u32 = 3;

/// Rows that tell whether weights predict anything.
const WITNESSES: usize = 9;

impl<T: Scalar> Trainer<'_, T> {
    /// Keeps what an epoch begins with.
    pub(super) fn keep_start(&mut self) {
        let EpochStart { params, state, optimizer, log_variances } = &mut self.start;
        self.params[..].clone_into(params);
        self.state[..].clone_into(state);
        self.optimizer.state_into(optimizer);
        self.balancing.log_variances().clone_into(log_variances);
    }

    /// The same before anything is known.
    pub(super) fn no_start() -> EpochStart<T> {
        let optimizer = OptimizerState { steps: 0, moments: [].into() };
        let (params, state, log_variances) = Default::default();
        EpochStart { params, state, optimizer, log_variances }
    }

    /// The factor of the learning rate after the recoveries so far: ½ for each.
    pub(super) fn recovery_factor(&self) -> f64 {
        1.0 / f64::from(1_u32 << self.recoveries)
    }

    /// Whether the numbers of the run are finite after an epoch with this loss.
    pub(super) fn is_finite(&self, loss: f64) -> bool {
        // The losses were computed before each update: the last update shows only in the weights.
        let is_finite = |values: &[T]| values.iter().all(|value| value.is_finite());
        loss.is_finite() && is_finite(&self.params) && is_finite(&self.state)
    }

    /// Goes back, since an epoch has ended with this loss, and halves the learning rate.
    ///
    /// # Errors
    /// If that cannot help, or was done often enough.
    pub(super) fn recover(
        &mut self,
        loss: f64,
        observer: &mut dyn Observer<T>,
    ) -> Result<(), TrainError> {
        let (epoch, recoveries) = (self.position.epochs + 1, self.recoveries);
        self.go_back()?;
        let batches = 0..self.batches.n_batches();
        let rows: Vec<usize> = batches.flat_map(|b| self.batches.batch(b)).copied().collect();
        self.check_rows(rows)?;
        if recoveries == MOST_RECOVERIES {
            return Err(TrainError::Diverged { epoch, loss, recoveries });
        }
        self.recoveries += 1;
        if self.recoveries > 1 {
            self.begin_anew()?;
        }
        let (from, lr) = (self.position.epochs + 1, self.config.lr * self.recovery_factor());
        tracing::warn!(epoch, loss, from, lr, "diverged: going back, and on at half the rate");
        observer.recovery(&Recovery { epoch, loss, from, lr });
        Ok(())
    }

    /// To where the epoch began.
    fn go_back(&mut self) -> Result<(), TrainError> {
        let EpochStart { params, state, optimizer, log_variances } = &self.start;
        self.params.copy_from_slice(params);
        self.state.copy_from_slice(state);
        self.optimizer.restore(optimizer)?;
        self.balancing.restore(log_variances)?;
        let n_tasks = self.position.loss_sums.len();
        self.position = Position { epochs: self.position.epochs, ..Position::start(n_tasks) };
        Ok(())
    }

    /// To before the first step.
    fn begin_anew(&mut self) -> Result<(), TrainError> {
        let (params, state) = match &self.given {
            Some((params, state)) => (params.clone(), state.clone()),
            None => {
                let (params, state) = self.graph.init(self.config.seed);
                (params.to_vec(), state.to_vec())
            }
        };
        self.start = EpochStart { params, state, ..self.start.clone() };
        self.start.optimizer.steps = 0;
        self.start.optimizer.moments.values_mut().for_each(|moment| moment.fill(T::ZERO));
        self.start.log_variances.fill(0.0);
        self.position.epochs = 0;
        self.schedule.restore_plateau(PlateauState::default());
        self.best.fill(None);
        self.go_back()
    }

    /// Refuses rows of which one has no finite loss, though the weights predict most others.
    pub(super) fn check_rows(&mut self, mut rows: Vec<usize>) -> Result<(), TrainError> {
        rows.sort_unstable();
        rows.dedup();
        let mut losses = |rows: &[usize]| {
            let exec = self.exec;
            let (evaluator, source) = self.evaluation(rows);
            evaluator.losses(exec, &source)
        };
        let mut has_loss = |rows: &[usize]| losses(rows).iter().sum::<f64>().is_finite();
        if has_loss(&rows) {
            return Ok(());
        }
        // The first of them, by halves.
        let mut rest = &rows[..];
        while let (first, second @ [_, ..]) = rest.split_at(rest.len() / 2)
            && !first.is_empty()
        {
            rest = if has_loss(first) { second } else { first };
        }
        let Some(row) = rest.first().copied() else { return Ok(()) };
        let witnesses = rows.chunks(rows.len().div_ceil(WITNESSES)).map(|chunk| &chunk[..1]);
        let (n_finite, n) = witnesses.fold((0, 0), |(n_finite, n), witness| {
            (n_finite + usize::from(has_loss(witness)), n + 1)
        });
        if 2 * n_finite <= n {
            return Ok(());
        }
        let found = losses(&[row]);
        let task = found.iter().position(|loss| !loss.is_finite()).unwrap_or(0);
        let head = self.graph.heads()[task].name().to_owned();
        Err(TrainError::RowWithoutLoss { row, task, head })
    }
}
