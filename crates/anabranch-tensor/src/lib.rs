#![doc = include_str!("../README.md")]
#![allow(unsafe_code)]

mod accum;
mod buffer;
pub mod columns;
mod exp;
mod gather;
pub mod gemm;
mod gradients;
pub mod lanes;
mod ln;
mod names;
pub mod parallel;
mod prefetch;
pub mod random;
pub mod rows;
mod scalar;
mod simd;
mod view;

pub use accum::Accum;
pub use buffer::{Buffer, CACHE_LINE};
pub use gradients::{GradientView, Gradients};
// Its arrays and views are in the signatures of this crate.
pub use ndarray;
pub use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis};
pub use parallel::Executor;
pub use scalar::{PerScalar, Scalar};
pub use simd::InstructionSet;
pub use view::{flat, flat_mut, matrix, matrix_mut};
