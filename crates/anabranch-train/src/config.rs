//! How a network is trained: everything that a run depends on besides its data.

use anabranch_optim::{OptimizerKind, ScheduleKind};

use crate::balance::TaskBalance;
use crate::error::TrainError;
use crate::watch::Watch;

/// The settings of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainConfig {
    /// Maximum number of passes over the training rows.
    pub epochs: usize,
    /// Rows of a batch, at least 2.
    pub batch_size: usize,
    /// The update rule.
    pub optimizer: OptimizerKind,
    /// The learning rate before the schedule.
    pub lr: f64,
    /// Learning-rate schedule.
    pub schedule: ScheduleKind,
    /// Weight decay of the weights; biases and normalisations have none.
    pub weight_decay: f64,
    /// Limit to which the global gradient norm is clipped, if any.
    pub clip: Option<f64>,
    /// Number of epochs without a lower validation loss after which training stops and returns to
    /// the best weights; 0 trains all epochs and keeps the last weights.
    pub patience: usize,
    /// Which losses decide what the best weights are.
    pub watch: Watch,
    /// How the losses of tasks are weighed against each other.
    pub task_balance: TaskBalance,
    /// Random seed of initial weights, shuffles and dropout.
    pub seed: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 30,
            batch_size: 128,
            optimizer: OptimizerKind::ADAM,
            lr: 1e-2,
            schedule: ScheduleKind::COSINE,
            weight_decay: 1e-4,
            clip: None,
            patience: 15,
            watch: Watch::Sum,
            task_balance: TaskBalance::Fixed,
            seed: 1,
        }
    }
}

impl TrainConfig {
    /// Checks what the optimizer and the batches do not.
    pub(crate) fn validate(&self, n_validation: usize, n_tasks: usize) -> Result<(), TrainError> {
        if self.epochs == 0 {
            let (name, expected) = ("the number of epochs", "at least 1");
            return Err(TrainError::Setting { name, expected, value: 0.0 });
        }
        if self.patience > 0 && n_validation == 0 {
            return Err(TrainError::NoValidation { patience: self.patience });
        }
        if let Watch::Task(task) = self.watch
            && task >= n_tasks
        {
            let (what, expected) = ("tasks, of which one is watched", task + 1);
            return Err(TrainError::Sizes { what, expected, got: n_tasks });
        }
        Ok(())
    }
}
