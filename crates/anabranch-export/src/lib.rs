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

use anabranch_train::Model;

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
    /// probability of each label in the order of the metadata's `COL_labels`.
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

/// The model in another format.
///
/// # Errors
/// [`ExportError::Lacks`] if the model is not what it describes itself as.
pub fn export(model: &Model, format: Format) -> Result<Export, ExportError> {
    let file = match format {
        Format::Onnx => onnx::write(model)?,
        Format::Rust => rust::write(model)?.into_bytes(),
        Format::PyTorch => pytorch::write(model)?.into_bytes(),
    };
    Ok(Export { file, differences: differences::of(model, format) })
}
