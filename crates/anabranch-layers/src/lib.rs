#![doc = include_str!("../README.md")]
//!
//! # How the parts fit together
//!
//! A [`Layer`] is a stateless object: it declares its sizes, then works on memory owned by the
//! caller. [`vjp`] runs one layer on its own. Each file holds the formula, its derivation, and code
//! that uses the same names.
#![forbid(unsafe_code)]

mod activation;
mod batch_norm;
mod dropout;
mod error;
mod init;
mod join;
mod layer;
mod layer_norm;
mod linear;
mod loss;
pub mod losses;
mod merge;
mod one_batch;
mod prelu;
mod row_wise;
mod shape;
mod softmax;
mod standalone;
mod target;
mod whole_batch;

pub use activation::Activation;
pub use batch_norm::{Affine, BatchNorm, RunningVariance};
pub use dropout::Dropout;
pub use error::LayerError;
pub use init::Init;
pub use join::Join;
pub use layer::{Infer, Layer, RowWise, Training};
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use loss::{Loss, LossGradient, mean_loss};
pub use losses::{
    AbsoluteError, BinaryCrossEntropy, CrossEntropy, HalfSquaredError, Huber, LossKind, Pinball,
};
pub use merge::{Concat, Product};
pub use one_batch::{backward_batch, forward_batch};
pub use prelu::PRelu;
pub use row_wise::{Backward, Dx, Forward, Mask, ParamGrads};
pub use shape::{ArraySpec, Memory, Output, Pointwise, Role, Shape, one_input};
pub use softmax::Softmax;
pub use standalone::{Standalone, Vjp, vjp};
pub use target::{Target, TargetKind};
pub use whole_batch::{ApplyBackward, Merge, Summaries, SummariseBackward, WholeBatch};

// Everything needed to call a layer.
pub use anabranch_tensor::{ArrayView2, Executor, Scalar, matrix, ndarray};
