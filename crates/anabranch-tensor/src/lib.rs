//! Scalars, matrix views, GEMM, element kernels, repeatable parallel loops and random numbers.
//!
//! The lowest level of the workspace, and the only crate with `unsafe` and with threads.
#![allow(unsafe_code)]

mod exec;
mod exp;
mod gemm;
mod scalar;

pub use exec::{Executor, ExecutorError};
pub use gemm::{Accum, Epilogue, GemmScalar, NoEpilogue, gemm, gemm_naive, gemm_scratch_len};
pub use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2};
pub use scalar::Scalar;
