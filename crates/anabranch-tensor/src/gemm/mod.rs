//! General matrix multiplication, C[m,n] (+)= A[m,k]·B[k,n].
//!
//! Every element of C is one sum over k in one order that depends on the shape alone: not on the number of threads,
//! not on which thread computes it.

mod naive;

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::exec::Executor;
use crate::scalar::Scalar;

pub use naive::gemm_naive;

/// Whether a result replaces what an array holds or is added to it, so that no gradient buffer is ever zeroed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accum {
    /// Overwrite; what the array held before is not read.
    Replace,
    /// Add to what the array holds.
    Add,
}

/// Work on the elements of C right after they have been computed, while they are in the cache.
///
/// Called exactly once for each element, with a run of consecutive elements of one row.
pub trait Epilogue<T>: Sync {
    /// `c` holds the finished elements `C[row, col .. col + c.len()]` and may be changed.
    fn apply(&self, row: usize, col: usize, c: &mut [T]);
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
    let _ = (exec, m, n, k);
    0
}

/// C[m,n] (+)= A[m,k]·B[k,n], then `epilogue` on every element.
///
/// A and B may be row-major or transposed views (unit stride along either axis); C is row-major and contiguous.
/// `scratch` has at least [`gemm_scratch_len`] elements; its contents do not matter.
///
/// # Panics
/// If the shapes do not agree, C is not contiguous, or `scratch` is too short.
pub fn gemm<T: Scalar>(
    exec: &Executor,
    a: ArrayView2<'_, T>,
    b: ArrayView2<'_, T>,
    accum: Accum,
    mut c: ArrayViewMut2<'_, T>,
    scratch: &mut [T],
    epilogue: &impl Epilogue<T>,
) {
    let _ = (exec, scratch);
    let (m, k) = a.dim();
    let (k_b, n) = b.dim();
    assert!(
        k == k_b && c.dim() == (m, n),
        "gemm: A is {m}x{k}, B is {k_b}x{n}, C is {:?}: expected A m×k, B k×n, C m×n",
        c.dim()
    );
    // SAFETY: the views give valid pointers for their shapes and strides; C is uniquely borrowed.
    unsafe {
        T::matrixmultiply(
            m,
            k,
            n,
            a.as_ptr(),
            a.strides(),
            b.as_ptr(),
            b.strides(),
            if accum == Accum::Add { T::ONE } else { T::ZERO },
            c.as_mut_ptr(),
            &[n as isize, 1],
        );
    }
    for (row, mut c_row) in c.rows_mut().into_iter().enumerate() {
        epilogue.apply(row, 0, c_row.as_slice_mut().expect("C is contiguous"));
    }
}

/// The number types that have GEMM kernels; sealed.
pub trait GemmScalar: sealed::Sealed + Sized {
    /// `matrixmultiply::sgemm` or `dgemm` with α = 1.
    ///
    /// # Safety
    /// As `matrixmultiply::sgemm`.
    #[doc(hidden)]
    #[allow(clippy::too_many_arguments)]
    unsafe fn matrixmultiply(
        m: usize,
        k: usize,
        n: usize,
        a: *const Self,
        a_strides: &[isize],
        b: *const Self,
        b_strides: &[isize],
        beta: Self,
        c: *mut Self,
        c_strides: &[isize],
    );
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

macro_rules! impl_gemm_scalar {
    ($t:ident, $gemm:path) => {
        impl GemmScalar for $t {
            unsafe fn matrixmultiply(
                m: usize,
                k: usize,
                n: usize,
                a: *const Self,
                a_strides: &[isize],
                b: *const Self,
                b_strides: &[isize],
                beta: Self,
                c: *mut Self,
                c_strides: &[isize],
            ) {
                // SAFETY: the caller's promise is the callee's.
                unsafe {
                    $gemm(
                        m,
                        k,
                        n,
                        1.0,
                        a,
                        a_strides[0],
                        a_strides[1],
                        b,
                        b_strides[0],
                        b_strides[1],
                        beta,
                        c,
                        c_strides[0],
                        c_strides[1],
                    );
                }
            }
        }
    };
}

impl_gemm_scalar!(f32, matrixmultiply::sgemm);
impl_gemm_scalar!(f64, matrixmultiply::dgemm);
