//! Why a gradient cannot be checked.

use anabranch_graph::GraphError;
use thiserror::Error;

/// Why a gradient cannot be checked.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum GradcheckError {
    /// An activation that the naive reference and the identities do not know.
    #[error("gradients are checked for the activation relu, not {0}")]
    Activation(&'static str),
    /// Parameters or gradients of another network.
    #[error("the network has {expected} parameters, but {found} numbers were given for {what}")]
    Len {
        /// Parameters or gradients.
        what: &'static str,
        /// Parameters of the network.
        expected: usize,
        /// How many came.
        found: usize,
    },
    /// Targets of the wrong kind.
    #[error("task A needs numbers as its target, and task B classes or probabilities")]
    Targets,
    /// The network cannot be built, or refuses the batch.
    #[error(transparent)]
    Graph(#[from] GraphError),
}
