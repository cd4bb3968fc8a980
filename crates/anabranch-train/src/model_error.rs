//! What can be wrong with a model file.

use std::path::PathBuf;

use thiserror::Error;

use crate::error::TrainError;

/// Why a model cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file system.
    #[error("cannot {action} {}: {reason}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// A file of something else, or a damaged one.
    #[error("{} is not a model file: {reason} (`anabranch train` writes one)", path.display())]
    NotAModel {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// A file whose checksum is not the one that it was written with.
    #[error("{} is damaged: its checksum is not that of its contents", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A file of a later version.
    #[error(
        "{} has model format {version}, but this program reads formats up to {supported}: use a newer anabranch",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
        /// The newest version that can be read.
        supported: u64,
    },
    /// Parts that do not fit together.
    #[error("{} is not a usable model: {reason}", path.display())]
    Parts {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: Box<TrainError>,
    },
}
