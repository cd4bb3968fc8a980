//! General matrix multiplication, `C[m,n] (+)= A[m,k]·B[k,n]`.
//!
//! [`gemm`] multiplies views with any strides into the caller's memory, with an [`Epilogue`] on
//! each element of C while it is in cache; [`dot`] returns a new array; [`gemm_naive`] is the
//! reference, three plain loops.
//!
//! ```
//! use anabranch_tensor::gemm::{NoEpilogue, gemm, gemm_scratch_len};
//! use anabranch_tensor::{Accum, Executor};
//! use ndarray::{Array2, s};
//!
//! let exec = Executor::new(2)?;
//! let x = Array2::<f32>::ones((64, 40));
//! let (a, b) = (x.slice(s![..;2, ..]), x.t()); // every second row, and a transposed view
//! let mut c = Array2::zeros((32, 64));
//! let mut scratch = vec![0.0; gemm_scratch_len::<f32>(&exec, 32, 64, 40)]; // for any number of products
//! gemm(&exec, a, b, Accum::Replace, c.view_mut(), &mut scratch, &NoEpilogue);
//! assert_eq!(c, Array2::from_elem((32, 64), 40.0));
//! # Ok::<(), anabranch_tensor::parallel::ExecutorError>(())
//! ```
//!
//! # The bits
//! Every element of C is one sum over k, in an order that depends on k alone (for a single column,
//! also on the operands' layout): not on m, so that some of the rows give the same bits as all of
//! them, nor on the number of threads or on which thread computes it.
//!
//! If enough elements of an operand are 0, they are skipped, which changes none of these bits.
//!
//! # The routes
//! The decisions on a product's way, in order: `multiply.rs` and `blocking.rs` choose the route,
//! `plan.rs` the rest. A route that gains less than 5 % on every shape is not kept. Steps are named
//! as in `docs/performance.md`; instructions were counted with callgrind, which runs the AVX2
//! kernels.
//!
//! | if | then | what it gains |
//! |---|---|---|
//! | we have no kernels for the machine | `matrixmultiply`, a call for each block of terms | needed; not timed on such a machine |
//! | there are no terms | C is cleared or kept | needed |
//! | C has one column, and A's rows and B are contiguous | dot products, lanes along the terms | else one lane of 16 works: a step on 128 rows, 11 inputs, 128 units, 1 output and 6 classes takes 40.4 µs, not 37.8 |
//! | one block of fewer than 100 000 multiply-adds | a plan in half the instructions, no search for zeros | step *tiny*, with the next and whole rows: 5.8 → 5.2 µs |
//! | ⤷ A and C of a tile take up to 4 KB each | eight tiles in a call | one in a call: instructions of steps + 14 % (*tiny*), + 16 % (widths of 8), + 4 % (*small*) |
//! | C is not cut into blocks of columns | the epilogue gets whole rows, up to 16 KB | as above |
//! | a sample of A or B has many zeros | the zeros are found and skipped | 1.8 to 2.5 times as fast where a quarter is left |
//! | C is narrow, and Cᵀ fills vectors better | Cᵀ = Bᵀ·Aᵀ, copied back | else that step takes 42.3 µs, one on 512 rows and 7 inputs 100, not 85 |
//! | A's rows are contiguous, or its columns and C is narrow | A is read in place, else packed | packing rows too: *tiny* takes 11.9 µs, not 9.7; packing all columns: 10.7 |
//! | B's rows are contiguous and near each other | B is read in place, else packed | 10 % at width 128 |
//! | up to half a vector of columns is left (AVX-512) | a vector of half width | a third at 17 columns, where at most 0.71 of the rate of 32 can be reached, instead of 0.53; under 2 % of a step |
//! | at least four million flops, and threads | tasks on all threads | two threads take 0.53 of the time of *large* |
//!
//! # The files
//! From the inside out: `simd.rs` and `x86.rs` are vectors, `tile.rs` is the micro-kernel,
//! `pack.rs` copies A and B for fast reading, `kernels.rs` compiles these for each instruction set,
//! `plan.rs` chooses sizes, `dense.rs` runs the inner loops and `blocking.rs` the outer ones;
//! `sparse.rs` and `skip.rs` are the micro-kernel and the loops that skip zeros; `library.rs`
//! multiplies on machines without kernels; `column.rs` has products with one column, `along.rs`
//! kernels along rows.

// Without kernels, their building blocks are unused.
#![cfg_attr(any(not(target_arch = "x86_64"), miri), allow(dead_code, unused_imports))]

mod along;
mod blocking;
mod column;
mod dense;
mod dot;
mod epilogue;
#[cfg(all(test, unix, not(miri)))]
mod guarded;
mod kernels;
mod library;
mod multiply;
mod naive;
mod pack;
mod peak;
mod plan;
mod simd;
mod skip;
#[cfg(test)]
mod skip_tests;
mod sparse;
#[cfg(test)]
mod tests;
mod tile;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86;

pub use dot::dot;
pub use epilogue::{Epilogue, NoEpilogue};
pub(crate) use kernels::row_kernels;
pub use multiply::{gemm, gemm_scratch_len};
pub use naive::gemm_naive;
pub(crate) use pack::Matrix;
pub use peak::fma_peak_loop;
