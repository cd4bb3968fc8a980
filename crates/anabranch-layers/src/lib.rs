#![doc = include_str!("../README.md")]
//!
//! # How the parts fit together
//!
//! A [`Layer`] is a stateless object: it says its sizes, then works on memory that its caller owns.
//! [`vjp`] runs one layer alone. Every file holds the formula, its derivation, and the code with
//! the same names.
#![forbid(unsafe_code)]

mod activation;
mod batch_norm;
mod coupled;
mod dropout;
mod error;
mod init;
mod layer;
mod layer_norm;
mod linear;
mod loss;
mod prelu;
mod softmax;
mod standalone;

pub use activation::Activation;
pub use batch_norm::{Affine, BatchNorm, RunningVariance};
pub use coupled::{ApplyBackward, Coupled, Merge, Summaries, SummariseBackward};
pub use dropout::Dropout;
pub use error::LayerError;
pub use init::Init;
pub use layer::{ArraySpec, Backward, Forward, Infer, Layer, Mask, Output, Plan, Pointwise, Role};
pub use layer_norm::LayerNorm;
pub use linear::{Linear, outer_product};
pub use loss::{
    AbsoluteError, BinaryCrossEntropy, CrossEntropy, HalfSquaredError, Huber, Loss, LossGradient,
    LossKind, Pinball, Target, TargetKind, mean_loss,
};
pub use prelu::PRelu;
pub use softmax::Softmax;
pub use standalone::{Standalone, Vjp, vjp};

// What a program needs to call a layer.
pub use anabranch_tensor::{ArrayView2, Executor, Scalar, matrix};
