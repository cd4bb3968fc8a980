//! The reference multiplication: three plain loops.

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::accum::Accum;
use crate::scalar::Scalar;

/// `C[m,n] (+)= A[m,k]·B[k,n]`, each element one sum over k in ascending order.
///
/// # Panics
/// If the shapes do not agree.
pub fn gemm_naive<T: Scalar>(
    a: ArrayView2<'_, T>,
    b: ArrayView2<'_, T>,
    accum: Accum,
    mut c: ArrayViewMut2<'_, T>,
) {
    let (m, k) = a.dim();
    let (k_b, n) = b.dim();
    assert!(k == k_b && c.dim() == (m, n), "gemm_naive: shapes do not agree");
    for i in 0..m {
        for j in 0..n {
            let mut sum = match accum {
                Accum::Replace => T::ZERO,
                Accum::Add => c[[i, j]],
            };
            for l in 0..k {
                sum += a[[i, l]] * b[[l, j]];
            }
            c[[i, j]] = sum;
        }
    }
}
