//! General matrix multiplication, `C[m,n] (+)= A[m,k]·B[k,n]`.
//!
//! [`gemm`] multiplies views of any strides into memory of the caller's, with an [`Epilogue`] on
//! each element of C while it is in the cache; [`dot`] returns a new array; [`gemm_naive`] is the
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
//! Every element of C is one sum over k in one order that depends on k alone (and, for a single
//! column, on that and on how the operands lie): not on m, so that a part of the rows gives the
//! same bits as all of them, nor on the number of threads or on which thread computes it.
//!
//! Where enough elements of an operand are 0, they are skipped, which changes none of these bits.
//!
//! # The routes
//! What a product goes through, in the order of decision: `mod.rs` and `blocking.rs` decide the
//! way, `plan.rs` the rest. A route that gains less than 5 % on every shape has no place here.
//! Steps are named as in `docs/performance.md`; instructions were counted by callgrind, which runs
//! the AVX2 kernels.
//!
//! | if | then | what it gains |
//! |---|---|---|
//! | the machine has no kernels here | `matrixmultiply`, a call for each block of terms | needed; not timed on such a machine |
//! | there are no terms | C is cleared or kept | needed |
//! | C has one column, and A's rows and B are contiguous | dot products, lanes along the terms | else one lane of 16 works; not timed alone |
//! | one block of fewer than 100 000 multiply-adds | a plan in half the instructions, no search for zeros | step *tiny*, with the next and whole rows: 5.8 → 5.2 µs |
//! | ⤷ A and C of a tile take up to 4 KB each | eight tiles in a call | one in a call: instructions of steps + 14 % (*tiny*), + 16 % (widths of 8), + 4 % (*small*) |
//! | C is not cut into blocks of columns | the epilogue gets whole rows, up to 16 KB | as above |
//! | a sample of A or B has many zeros | the zeros are found and skipped | 1.8 to 2.5 times as fast where a quarter is left |
//! | C is narrow, and Cᵀ fills vectors better | Cᵀ = Bᵀ·Aᵀ, copied back | not timed alone |
//! | A's rows are contiguous, or its columns and C is narrow | A is read where it lies, else packed | not timed alone |
//! | B's rows are contiguous and near each other | B is read where it lies, else packed | 10 % at width 128 |
//! | up to half a vector of columns is left (AVX-512) | a vector of half width | 17 columns: at most 0.71 of the rate of 32, instead of 0.53 |
//! | at least four million flops, and threads | tasks on all threads | two threads take 0.53 of the time of *large* |
//!
//! # The files
//! From the inside out: `simd.rs` and `x86.rs` are vectors, `tile.rs` is the micro-kernel,
//! `pack.rs` copies A and B to where it reads them fast, `kernels.rs` compiles these for each
//! instruction set, `plan.rs` chooses sizes, `dense.rs` runs the inner loops and `blocking.rs` the
//! outer ones; `sparse.rs` and `skip.rs` are the micro-kernel and the loops that skip zeros;
//! `library.rs` multiplies on machines without kernels; `column.rs` has products with one column,
//! `along.rs` kernels along rows.

// Without kernels, nothing uses what they are made of.
#![cfg_attr(any(not(target_arch = "x86_64"), miri), allow(dead_code, unused_imports))]

mod along;
mod blocking;
mod column;
mod dense;
mod dot;
#[cfg(all(test, unix, not(miri)))]
mod guarded;
mod kernels;
mod library;
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

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::accum::Accum;
use crate::parallel::Executor;
use crate::scalar::Scalar;

use blocking::Product;
use kernels::Kernels;
use library::LibraryProduct;
pub(crate) use pack::Matrix;

pub use dot::dot;
pub(crate) use kernels::row_kernels;
pub use naive::gemm_naive;
pub use peak::{fma_peak_flops, fma_peak_loop};

/// Work on the elements of C right after they have been computed, while they are in the cache.
///
/// Each element is given exactly once, in a run of consecutive elements of one row, a whole row of
/// C or large parts of a long one, or in several whole rows at once. `apply` is all that has to be
/// written; an epilogue that can do better on several rows has its own `apply_rows` or
/// `apply_whole_rows` too. Mark them `#[inline(always)]`: they are then compiled for the vector
/// instructions that the kernels use.
pub trait Epilogue<T>: Sync {
    /// `c` holds the finished elements `C[row, col .. col + c.len()]` and may be changed.
    fn apply(&self, row: usize, col: usize, c: &mut [T]);

    /// [`apply`](Self::apply) for the runs at `col` of `n_rows` rows from row `row` on, which
    /// `next_run` gives one after the other, and nothing but empty ones afterwards.
    #[inline(always)]
    fn apply_rows<'c>(
        &self,
        row: usize,
        col: usize,
        n_rows: usize,
        mut next_run: impl FnMut() -> &'c mut [T],
    ) where
        T: 'c,
    {
        for i in 0..n_rows {
            self.apply(row + i, col, next_run());
        }
    }

    /// The same for all of some rows from row `row` on, `width` elements each, which `c` holds one
    /// after the other.
    ///
    /// # Panics
    /// If `width` is 0.
    #[inline(always)]
    fn apply_whole_rows(&self, row: usize, width: usize, c: &mut [T]) {
        let n_rows = c.len() / width;
        let mut rows = c.chunks_exact_mut(width);
        self.apply_rows(
            row,
            0,
            n_rows,
            #[inline(always)]
            || rows.next().unwrap_or_default(),
        );
    }
}

/// The epilogue that leaves C as it is.
#[derive(Clone, Copy, Debug)]
pub struct NoEpilogue;

impl<T> Epilogue<T> for NoEpilogue {
    #[inline(always)]
    fn apply(&self, _: usize, _: usize, _: &mut [T]) {}
}

/// Elements of scratch that [`gemm`] needs for a product of this shape, and for every smaller one.
pub fn gemm_scratch_len<T: Scalar>(exec: &Executor, m: usize, n: usize, k: usize) -> usize {
    match kernels::kernels::<T>() {
        Some(kernels) if m > 0 => plan::scratch_len(kernels, exec.threads(), (m, n, k)),
        _ => 0,
    }
}

/// `C[m,n] (+)= A[m,k]·B[k,n]`, then `epilogue` on every element.
///
/// A and B may be views of any strides, transposed, reversed or with steps: what lies in rows or
/// columns is read or packed by whole vectors, anything else element by element. C is row-major and
/// contiguous. Where A or B has many zeros, products with them may be left out: that changes no
/// bit, and a zero times an infinity is still NaN. `scratch` has [`gemm_scratch_len`] elements or
/// more, of which a small product may need fewer; its contents do not matter. On machines without
/// kernels of ours, `matrixmultiply` computes the product, and allocates memory for it.
///
/// # Panics
/// If the shapes do not agree, C is not contiguous, or `scratch` is too short.
#[inline]
pub fn gemm<T: Scalar>(
    exec: &Executor,
    a: ArrayView2<'_, T>,
    b: ArrayView2<'_, T>,
    accum: Accum,
    c: ArrayViewMut2<'_, T>,
    scratch: &mut [T],
    epilogue: &impl Epilogue<T>,
) {
    gemm_with(kernels::kernels(), exec, a, b, accum, c, scratch, epilogue);
}

/// [`gemm`] with the kernels of one instruction set, which the processor has, or without any.
#[allow(clippy::too_many_arguments)]
fn gemm_with<T: Scalar>(
    kernels: Option<&Kernels<T>>,
    exec: &Executor,
    a: ArrayView2<'_, T>,
    b: ArrayView2<'_, T>,
    accum: Accum,
    mut c: ArrayViewMut2<'_, T>,
    scratch: &mut [T],
    epilogue: &impl Epilogue<T>,
) {
    let (m, k) = a.dim();
    let n = b.ncols();
    assert!(
        b.nrows() == k && c.dim() == (m, n),
        "gemm: A is {m}×{k}, B is {}×{n}, C is {:?}: expected A m×k, B k×n, C m×n",
        b.nrows(),
        c.dim()
    );
    let c = c.as_slice_mut().expect("gemm: C must be row-major and contiguous").as_mut_ptr();
    let (a, b) = (Matrix::of(a), Matrix::of(b));
    let Some(kernels) = kernels else {
        let kc = plan::even_blocks(k, library::MAX_TERMS).max(1);
        let product = LibraryProduct { exec, m, n, k, kc, a, b, accum, c };
        // SAFETY: the views are valid for their shapes and strides, and C is uniquely borrowed.
        return unsafe { product.run(epilogue) };
    };
    let kc = plan::kc::<T>(k);
    let product = Product { kernels, exec, m, n, k, kc, a, b, accum, c, c_transposed: false };
    // SAFETY: as above; the kernels are those of this processor.
    unsafe { product.run(scratch, epilogue) };
}
