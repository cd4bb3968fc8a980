//! What can go wrong between a data set and a trained model.

use anabranch_data::DataError;
use anabranch_graph::GraphError;
use anabranch_optim::OptimError;
use anabranch_tensor::parallel::ExecutorError;
use thiserror::Error;

/// Why training cannot start or continue.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The table or its split.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The network.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The optimizer, its schedule or clipping.
    #[error(transparent)]
    Optim(#[from] OptimError),
    /// The threads.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// Sizes of a network that does not fit the data set, or of a saved state that does not fit the
    /// run.
    #[error("expected {expected} {what}, got {got}")]
    Sizes {
        /// Which size.
        what: &'static str,
        /// The network's.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// A member of a model that predicts some task with no weights, or with several.
    #[error("expected a member to predict each of {n_tasks} tasks once, got the tasks {tasks:?}")]
    Snapshots {
        /// Tasks of the network.
        n_tasks: usize,
        /// The tasks that the member predicts, counted from 0.
        tasks: Vec<usize>,
    },
    /// A head whose loss needs another kind of target than the data set has for it.
    #[error("head {head:?} predicts {expected}, but its targets are {got}")]
    Kind {
        /// The head's name.
        head: String,
        /// What its loss compares predictions with.
        expected: &'static str,
        /// What the data set has.
        got: &'static str,
    },
    /// A target for which a head's loss cannot be computed.
    #[error("head {head:?}: {reason}")]
    Target {
        /// The head's name.
        head: String,
        /// What its loss says.
        reason: String,
    },
    /// A calibration of other tasks, or one that cannot be.
    #[error("the model's calibration does not fit its tasks, or is damaged")]
    Calibration,
    /// A setting outside its range.
    #[error("{name} must be {expected}, not {value}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// The range in words.
        expected: &'static str,
        /// What was given.
        value: f64,
    },
    /// An order of batches that cannot be used.
    #[error("epoch {epoch}, batch {batch}: {reason}")]
    Batch {
        /// The epoch, counted from 0.
        epoch: usize,
        /// The batch, counted from 0.
        batch: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Early stopping without validation rows.
    #[error(
        "early stopping after {patience} epochs without improvement needs validation rows: raise the validation \
         fraction, or set the patience to 0"
    )]
    NoValidation {
        /// The patience asked for.
        patience: usize,
    },
    /// A loss or a weight that is infinite or NaN.
    #[error(
        "training diverged in epoch {epoch} (mean loss {loss}), the learning rate having been halved {recoveries} times: lower \
         it more, or clip the gradients"
    )]
    Diverged {
        /// The epoch, counted from 1.
        epoch: usize,
        /// Its mean loss.
        loss: f64,
        /// How often the learning rate had been halved.
        recoveries: u32,
    },
    /// A row that no learning rate helps.
    #[error(
        "row {row} of the data set (counted from 0): the loss of {head:?} is not finite, though it is in other rows: some \
         input or target of the row is not finite either, or far too large"
    )]
    RowWithoutLoss {
        /// The row of the data set, counted from 0.
        row: usize,
        /// The task, counted from 0.
        task: usize,
        /// Its head.
        head: String,
    },
}

/// Refuses a size that is not the expected one.
pub(crate) fn check_len(what: &'static str, expected: usize, got: usize) -> Result<(), TrainError> {
    if expected == got { Ok(()) } else { Err(TrainError::Sizes { what, expected, got }) }
}
