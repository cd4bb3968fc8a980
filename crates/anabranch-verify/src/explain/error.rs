//! Why a step cannot be explained.

use thiserror::Error;

use crate::gradcheck::GradcheckError;

/// Why a step cannot be explained.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// Another network than the derivation's.
    #[error(
        "the derivation is that of the two-branch network: one number or more and one class, a hidden \
         layer for each, half squared error and cross-entropy"
    )]
    Network,
    /// Rows that do not count alike, or lack a target.
    #[error(
        "in the derivation all rows count alike: leave out --sample-weight, --class-weight and rows without a target"
    )]
    RowWeights,
    /// Something that does not belong to the network or the batch.
    #[error("{expected} {what} expected, got {found}")]
    Len {
        /// What there are too many or too few of.
        what: &'static str,
        /// How many the network or the batch has.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// The production network cannot be built, or refuses the batch.
    #[error(transparent)]
    Step(#[from] GradcheckError),
}
