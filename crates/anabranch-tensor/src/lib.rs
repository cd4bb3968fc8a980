//! Scalars, matrix views, GEMM, element kernels, repeatable parallel loops and random numbers.
//!
//! The lowest level of the workspace, and the only crate with `unsafe` and with threads.
#![allow(unsafe_code)]

mod accum;
mod buffer;
mod exp;
mod gather;
mod gemm;
mod gradients;
mod lanes;
mod ln;
mod parallel;
mod prefetch;
mod random;
mod reduce;
mod rows;
mod scalar;
mod simd;
mod view;

pub use buffer::{Buffer, CACHE_LINE};
pub use gather::gather_rows;
pub use gemm::{
    Accum, Epilogue, GemmScalar, MAX_TERMS, NoEpilogue, fma_peak_flops, fma_peak_loop, gemm,
    gemm_in_blocks, gemm_naive, gemm_scratch_len,
};
pub use gradients::{GradientView, Gradients};
pub use lanes::{
    LANES, for_lanes, is_narrow, load_lanes, map_rows, repeat_side_by_side, store_lanes,
    sum_columns, sum_narrow_columns,
};
pub use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis};
pub use parallel::{
    Arena, Executor, ExecutorError, Part, Parts, Shard, even_chunk_len, rows_per_chunk,
};
pub use random::{DrawnMask, Purpose, Random};
pub use reduce::{column_sums, column_sums_scratch_len, fold_partials, n_row_chunks, row_blocks};
pub use rows::{row_dots, row_max, row_maxima, row_sum, row_sums};
pub use scalar::Scalar;
pub use simd::InstructionSet;
pub use view::{flat, flat_mut, matrix, matrix_mut};
