//! Why an oracle case cannot be read or replayed.

use anabranch_graph::GraphError;
use anabranch_optim::OptimError;
use thiserror::Error;

use super::spec::FORMAT;

/// What is wrong with an oracle case. The messages do not name the file: whoever opened it knows.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OracleError {
    /// The file cannot be opened or read.
    #[error("cannot be read: {0}")]
    Io(String),
    /// Not a safetensors file, or a truncated one.
    #[error("is not a whole safetensors file: {0}")]
    Safetensors(String),
    /// A safetensors file of something else, such as a model.
    #[error("is not an oracle case: its metadata has no key `case`")]
    NoCase,
    /// The metadata's key `case` is not the JSON object that the format calls for.
    #[error("the metadata's key `case` does not follow the format: {0}")]
    Spec(String),
    /// A format that this program does not know.
    #[error("has the format {found:?}, but this program reads {FORMAT:?}")]
    Format {
        /// The format that the file names.
        found: String,
    },
    /// A size of zero.
    #[error("`{name}` must be at least 1")]
    EmptySize {
        /// Which size.
        name: &'static str,
    },
    /// A tensor that the case should contain.
    #[error("lacks the tensor `{name}` {shape:?}")]
    MissingTensor {
        /// Its name.
        name: String,
        /// The shape that it should have.
        shape: Vec<usize>,
    },
    /// A tensor that would go unchecked.
    #[error("contains the tensor `{name}`, which the format does not have")]
    UnknownTensor {
        /// Its name.
        name: String,
    },
    /// A tensor of numbers other than float64.
    #[error("the tensor `{name}` holds {found}, not F64")]
    Dtype {
        /// Its name.
        name: String,
        /// The type that it has.
        found: String,
    },
    /// A tensor of the wrong shape.
    #[error(
        "the tensor `{name}` has shape {found:?}, but the sizes in the metadata say {expected:?}"
    )]
    Shape {
        /// Its name.
        name: String,
        /// The shape that follows from the metadata.
        expected: Vec<usize>,
        /// The shape that it has.
        found: Vec<usize>,
    },
    /// NaN or ∞ in a tensor that is given, not expected.
    #[error("the tensor `{name}` holds {value} at index {index}: inputs must be finite")]
    NotFinite {
        /// Its name.
        name: String,
        /// Index in row-major order.
        index: usize,
        /// The number.
        value: f64,
    },
    /// A mask with something other than 0 and 1.
    #[error("the mask holds {value} at index {index}, where 1 keeps and 0 drops")]
    Mask {
        /// Index in row-major order.
        index: usize,
        /// The number.
        value: f64,
    },
    /// An optimizer setting out of range, or an unknown optimizer.
    #[error("optimizer: {0}")]
    Optimizer(OptimError),
    /// A network that cannot be built.
    #[error("network: {0}")]
    Network(GraphError),
    /// A batch that the network refuses.
    #[error("step {step}: {reason}")]
    Batch {
        /// Which step, counted from 0.
        step: usize,
        /// What the network says.
        reason: GraphError,
    },
}

// By hand: what a derived conversion takes over is printed, and returned as the source too.

impl From<std::io::Error> for OracleError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

impl From<safetensors::SafeTensorError> for OracleError {
    fn from(error: safetensors::SafeTensorError) -> Self {
        Self::Safetensors(error.to_string())
    }
}

impl From<serde_json::Error> for OracleError {
    fn from(error: serde_json::Error) -> Self {
        Self::Spec(error.to_string())
    }
}

impl From<OptimError> for OracleError {
    fn from(error: OptimError) -> Self {
        Self::Optimizer(error)
    }
}

impl From<GraphError> for OracleError {
    fn from(error: GraphError) -> Self {
        Self::Network(error)
    }
}
