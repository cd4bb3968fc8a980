//! Errors of layers and losses, found before they run.

use thiserror::Error;

/// Why a layer or a target cannot be used.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum LayerError {
    /// A width of zero.
    #[error("{layer}: the number of {what} must be at least 1")]
    Empty {
        /// The kind of layer.
        layer: &'static str,
        /// Which width is zero.
        what: &'static str,
    },
    /// More or fewer inputs than the layer takes.
    #[error("{layer}: takes {expected} inputs, not {got}")]
    Inputs {
        /// The kind of layer.
        layer: &'static str,
        /// The number of inputs it takes.
        expected: usize,
        /// The number of inputs given.
        got: usize,
    },
    /// Wrong input widths for a layer with several inputs.
    #[error("{layer}: takes inputs with {expected:?} columns, not {got:?}")]
    Widths {
        /// The kind of layer.
        layer: &'static str,
        /// Columns of each input it takes.
        expected: Vec<usize>,
        /// Columns of each input given.
        got: Vec<usize>,
    },
    /// A join of inputs whose widths do not match.
    #[error(
        "{join} needs {expected}, but the left input has {left} columns and the right one {right}"
    )]
    Join {
        /// The kind of join.
        join: &'static str,
        /// What it needs.
        expected: &'static str,
        /// Columns of the left input.
        left: usize,
        /// Columns of the right input.
        right: usize,
    },
    /// A layer wider than supported.
    #[error("{layer}: {width} columns, but fewer than {max} are supported")]
    Wide {
        /// The kind of layer.
        layer: &'static str,
        /// Columns.
        width: usize,
        /// Exclusive limit on the columns.
        max: usize,
    },
    /// A hyperparameter outside its range.
    #[error("{layer}: {name} must be {expected}, not {value}")]
    Range {
        /// The kind of layer.
        layer: &'static str,
        /// The hyperparameter.
        name: &'static str,
        /// The range in words.
        expected: &'static str,
        /// The value given.
        value: f64,
    },
    /// A training batch that is too small to normalise.
    #[error(
        "{layer}: a training batch needs at least {expected} rows, not {rows}: the variance of one row is \
         zero (use a larger batch)"
    )]
    Rows {
        /// The kind of layer.
        layer: &'static str,
        /// Rows needed.
        expected: usize,
        /// Rows given.
        rows: usize,
    },
    /// A row of soft labels that is not a probability distribution.
    #[error(
        "row {row} of the soft labels is not a distribution: its values must be non-negative and sum to 1, but the \
         smallest is {min} and the sum is {sum}"
    )]
    SoftLabels {
        /// The row, counted from 0.
        row: usize,
        /// Its smallest value.
        min: f64,
        /// Its sum.
        sum: f64,
    },
    /// A class index that is too large.
    #[error("row {row} has class {class}, but there are {classes} classes (0 to {})", classes - 1)]
    Class {
        /// The row, counted from 0.
        row: usize,
        /// The class index.
        class: u32,
        /// The number of classes.
        classes: usize,
    },
    /// An array of the wrong shape.
    #[error("{what} has shape {got:?}, expected {expected:?}")]
    Shape {
        /// The array.
        what: &'static str,
        /// Its expected shape `[rows, columns]`.
        expected: [usize; 2],
        /// Its shape.
        got: [usize; 2],
    },
    /// A matrix that is not contiguous and row-major.
    #[error("{what} must be contiguous and row-major")]
    Layout {
        /// The matrix.
        what: &'static str,
    },
    /// A target of a kind that the loss does not take.
    #[error("the loss compares predictions with {expected}, not with {got}")]
    TargetKind {
        /// The kind that the loss takes.
        expected: &'static str,
        /// The kind given.
        got: &'static str,
    },
    /// A value of a yes/no column outside 0 to 1.
    #[error(
        "row {row}, column {column} holds {value}: yes is 1, no is 0, and a probability lies between"
    )]
    Binary {
        /// The row, counted from 0.
        row: usize,
        /// The column, counted from 0.
        column: usize,
        /// Its value.
        value: f64,
    },
    /// An unknown name.
    #[error("unknown {what} `{name}`: choose one of {known}")]
    Name {
        /// What the name stands for.
        what: &'static str,
        /// The name given.
        name: String,
        /// All known names, separated by commas.
        known: String,
    },
    /// A backward pass without a forward pass before it.
    #[error("there is no training pass to differentiate: call `forward` first")]
    NoForward,
    /// An error of a layer or loss from another crate.
    #[error("{layer}: {reason}")]
    Other {
        /// The kind of layer or loss.
        layer: String,
        /// What is wrong, and what to do.
        reason: String,
    },
}
