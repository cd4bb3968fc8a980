//! Why a gradient cannot be checked.

use anabranch_graph::GraphError;
use thiserror::Error;

/// Why a gradient cannot be checked.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum GradcheckError {
    /// Parameters or gradients that do not belong to the network.
    #[error("the network has {expected} parameters, but {found} numbers were given for {what}")]
    Len {
        /// Parameters or gradients.
        what: &'static str,
        /// Parameters of the network.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// The network cannot be built, or refuses the batch.
    #[error(transparent)]
    Graph(#[from] GraphError),
}
