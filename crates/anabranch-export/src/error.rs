//! Why a model cannot be exported.

use anabranch_data::RowError;
use thiserror::Error;

/// Why a model cannot be exported.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Its description names something that it does not have.
    #[error("the model lacks the {what} that its description names: train it again")]
    Lacks {
        /// What that is.
        what: String,
    },
    /// It refuses a row that a test of the export would be made of.
    #[error("the model refuses a row made of what it says that training saw: {reason}")]
    TestRow {
        /// Why it does.
        reason: RowError,
    },
}

impl ExportError {
    pub(crate) fn lacks(what: String) -> Self {
        Self::Lacks { what }
    }
}
