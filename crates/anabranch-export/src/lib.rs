#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod calendar;
mod differences;
mod error;
mod network;
mod onnx;
pub mod protobuf;
mod pytorch;
mod rust;
mod spellings;
mod statistics;

#[cfg(doc)]
use anabranch_train::Calibration;
use anabranch_train::{Coverage, Model};

pub use error::ExportError;

/// What a model is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An [ONNX](https://onnx.ai) graph from the columns of a table to predictions.
    ///
    /// Operators of opset 17 and `ai.onnx.ml` 3. Each input column is an input `[N, 1]` of its
    /// name: text for categories, double for numbers, where NaN is missing, and for dates, in
    /// seconds since 1970. Outputs are called as in the table that `anabranch predict` writes:
    /// `COL_pred` `[N, 1]`, a double or a label, and for a class `COL_p` `[N, labels]`, the
    /// probability of each label in the order of the metadata's `COL_labels`. Of an ensemble,
    /// `COL_std` `[N, 1]`; for a coverage, `COL_lower` and `COL_upper` `[N, 1]`, and of a class
    /// `COL_set` `[N, labels]`, which says of each label whether it is in the set.
    Onnx,
    /// A Rust source file that needs `core` alone: no dependency, no standard library, no memory
    /// but the stack. It has a function `predict` and a test of it.
    Rust,
    /// A Python file that rebuilds the networks in [PyTorch](https://pytorch.org), with the weights
    /// of the model file.
    PyTorch,
}

/// A model in another format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The contents of the file.
    pub file: Vec<u8>,
    /// In what it differs from [`Model`], in words, a sentence each.
    pub differences: Vec<String>,
}

/// The model in another format, with intervals and sets if it [states](Calibration::coverage) a
/// coverage.
///
/// # Errors
/// [`ExportError::Lacks`] if the model is not what it describes itself as.
pub fn export(model: &Model, format: Format) -> Result<Export, ExportError> {
    let stated = model.calibration().coverage().and_then(|share| model.coverage(share).ok());
    export_covering(model, format, stated.as_ref())
}

/// The model in another format, with intervals and sets of this coverage of [its
/// own](Model::coverage), or none.
///
/// # Errors
/// [`ExportError::Lacks`] if the model is not what it describes itself as.
///
/// # Panics
/// If the coverage is that of a model with other tasks.
pub fn export_covering(
    model: &Model,
    format: Format,
    coverage: Option<&Coverage<'_>>,
) -> Result<Export, ExportError> {
    let file = match format {
        Format::Onnx => onnx::write(model, coverage)?,
        Format::Rust => rust::write(model, coverage)?.into_bytes(),
        Format::PyTorch => pytorch::write(model)?.into_bytes(),
    };
    Ok(Export { file, differences: differences::of(model, format, coverage) })
}
