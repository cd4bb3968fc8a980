//! A product without any preparation.

use ndarray::{Array2, ArrayView2};

use super::epilogue::NoEpilogue;
use super::multiply::{gemm, gemm_scratch_len};
use crate::accum::Accum;
use crate::parallel::Executor;
use crate::scalar::Scalar;

/// `A[m,k]·B[k,n]`, for views with any strides or arrays, as a new array `[m, n]`. Runs on this
/// thread; allocates the result and the scratch memory for [`gemm`].
///
/// ```
/// use anabranch_tensor::gemm::dot;
/// use ndarray::{array, s};
///
/// let a = array![[1.0_f32, 2.0], [3.0, 4.0]];
/// let b = array![[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]];
/// assert_eq!(dot(&a, &b), array![[1.0, 2.0, 3.0], [3.0, 4.0, 7.0]]);
/// // A transposed view, and every second column, back to front.
/// assert_eq!(dot(a.t(), b.slice(s![.., ..;-2])), array![[4.0, 1.0], [6.0, 2.0]]);
/// ```
///
/// # Panics
/// If B does not have as many rows as A has columns.
pub fn dot<'a, 'b, T: Scalar>(
    a: impl Into<ArrayView2<'a, T>>,
    b: impl Into<ArrayView2<'b, T>>,
) -> Array2<T> {
    let (a, b, exec) = (a.into(), b.into(), Executor::serial());
    let (m, n, k) = (a.nrows(), b.ncols(), a.ncols());
    let mut c = Array2::from_elem((m, n), T::ZERO);
    let mut scratch = vec![T::ZERO; gemm_scratch_len::<T>(&exec, m, n, k)];
    gemm(&exec, a, b, Accum::Replace, c.view_mut(), &mut scratch, &NoEpilogue);
    c
}
