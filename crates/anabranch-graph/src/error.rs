//! Errors of networks and batches.

use anabranch_layers::LayerError;
use thiserror::Error;

/// Why a network cannot be built or a batch cannot be used.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum GraphError {
    /// A layer or loss rejected its input, its target or its hyperparameters.
    #[error("node {node:?}: {reason}")]
    Layer {
        /// The node.
        node: String,
        /// The layer's reason.
        reason: LayerError,
    },
    /// A branch of a river that cannot be built.
    #[error("branch {branch:?}: {reason}")]
    Branch {
        /// The branch.
        branch: String,
        /// What is wrong with it.
        reason: Box<GraphError>,
    },
    /// A branch that reads a missing or later branch.
    #[error("no earlier branch is called {name:?}: a branch reads the input or branches before it")]
    UnknownBranch {
        /// The branch that is read.
        name: String,
    },
    /// A join of a branch without a prediction.
    #[error("branch {name:?} has no head, so it has no prediction to join")]
    NoPrediction {
        /// The branch without a head.
        name: String,
    },
    /// Two nodes with one name.
    #[error("there are two nodes named {0:?}: give each its own name")]
    DuplicateName(String),
    /// A node from another builder.
    #[error("node {node:?} takes its input from a node that this builder did not make")]
    UnknownInput {
        /// The node.
        node: String,
    },
    /// A node whose output nothing uses.
    #[error("node {0:?} leads to no head: connect it or leave it out")]
    Unused(String),
    /// A network without a loss.
    #[error("the network has no head: give at least one node a loss")]
    NoHead,
    /// A head with an invalid weight.
    #[error("head {head:?}: its weight must be finite and at least 0, not {weight}")]
    Weight {
        /// The head.
        head: String,
        /// The weight.
        weight: f64,
    },
    /// A row with an invalid weight.
    #[error(
        "head {head:?}: the weight of a row must be finite and at least 0, not {weight} (row {row}, counted from 0)"
    )]
    RowWeight {
        /// The head.
        head: String,
        /// The row.
        row: usize,
        /// Its weight.
        weight: f64,
    },
    /// Two losses on one node, or one on the input.
    #[error("node {0:?} cannot have this head: a node has at most one, and the input has none")]
    Head(String),
    /// A batch of the wrong shape.
    #[error("{what}: expected {expected}, got {got}")]
    Batch {
        /// The quantity that is wrong.
        what: &'static str,
        /// The number expected.
        expected: usize,
        /// The number given.
        got: usize,
    },
    /// A workspace made for something else.
    #[error("the workspace is for {0}: make one with `Workspace::new` for this network")]
    Workspace(&'static str),
    /// An input that is not contiguous and row-major.
    #[error("x must be contiguous and row-major")]
    Layout,
    /// A batch without rows.
    #[error("a batch needs at least one row")]
    NoRows,
    /// A batch row that its table does not have.
    #[error("the batch has row {row}, counted from 0, but the table has {rows} rows")]
    Row {
        /// The row.
        row: usize,
        /// Rows of the table.
        rows: usize,
    },
    /// A given mask that does not fit the dropout layers.
    #[error(
        "mask {name:?}: expected {expected} elements, one for each of the layer's outputs in the batch, got {got} \
         (expected 0: no dropout layer has this name)"
    )]
    Mask {
        /// The name of the mask or the layer.
        name: String,
        /// Elements that it should have; 0 if no dropout layer has this name.
        expected: usize,
        /// Elements that it has; 0 if it is missing.
        got: usize,
    },
    /// A batch with more rows than the workspace was planned for.
    #[error("the workspace is planned for batches of at most {max_rows} rows, not {rows}")]
    TooManyRows {
        /// Rows planned for.
        max_rows: usize,
        /// Rows of the batch.
        rows: usize,
    },
    /// A batch with fewer rows than training needs.
    #[error(
        "a training batch needs at least {min_rows} rows, not {rows}: batch normalisation over one row has no \
         variance (use a larger batch)"
    )]
    TooFewRows {
        /// Rows needed.
        min_rows: usize,
        /// Rows of the batch.
        rows: usize,
    },
}
