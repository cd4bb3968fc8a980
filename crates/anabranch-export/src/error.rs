//! Why a model cannot be exported.

use thiserror::Error;

/// Why a model cannot be exported.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Its description names something that it does not have.
    #[error("the model lacks the {what} that its description names: train it again")]
    Lacks {
        /// What that is.
        what: String,
    },
}

impl ExportError {
    pub(crate) fn lacks(what: String) -> Self {
        Self::Lacks { what }
    }
}
