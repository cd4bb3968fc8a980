//! The product: which kernels compute it, or the library.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::blocking::Product;
use super::epilogue::{Epilogue, NoEpilogue};
use super::kernels::{self, Kernels};
use super::library::{self, LibraryProduct};
use super::pack::Matrix;
use super::plan;
use crate::accum::Accum;
use crate::compiled_once;
use crate::parallel::Executor;
use crate::scalar::Scalar;

/// Elements of scratch that [`gemm`] needs for a product of this shape, and for every smaller one.
pub fn gemm_scratch_len<T: Scalar>(exec: &Executor, m: usize, n: usize, k: usize) -> usize {
    match kernels::kernels::<T>() {
        Some(kernels) if m > 0 => plan::scratch_len(kernels, exec.threads(), (m, n, k)),
        _ => 0,
    }
}

/// `C[m,n] (+)= A[m,k]·B[k,n]`, then `epilogue` on every element.
///
/// A and B may be views with any strides, transposed, reversed or with steps: contiguous rows or
/// columns are read or packed by whole vectors, anything else element by element. C is row-major
/// and contiguous. If A or B has many zeros, products with them may be skipped: that changes no
/// bit, and a zero times an infinity is still NaN. `scratch` has at least [`gemm_scratch_len`]
/// elements, with any contents; a small product may need fewer. On machines without kernels of
/// ours, `matrixmultiply` computes the product, and allocates memory for it.
///
/// # Panics
/// If the shapes do not agree, C is not contiguous, or `scratch` is too short.
#[inline]
pub fn gemm<T: Scalar, E: Epilogue<T>>(
    exec: &Executor,
    a: ArrayView2<'_, T>,
    b: ArrayView2<'_, T>,
    accum: Accum,
    c: ArrayViewMut2<'_, T>,
    scratch: &mut [T],
    epilogue: &E,
) {
    if E::IS_NONE {
        plain(exec, a, b, accum, c, scratch);
    } else {
        gemm_with(kernels::kernels(), exec, a, b, accum, c, scratch, epilogue);
    }
}

compiled_once! {
    fn plain<T>(
        exec: &Executor,
        a: ArrayView2<'_, T>,
        b: ArrayView2<'_, T>,
        accum: Accum,
        c: ArrayViewMut2<'_, T>,
        scratch: &mut [T],
    ) {
        gemm_with(kernels::kernels(), exec, a, b, accum, c, scratch, &NoEpilogue);
    }
}

/// [`gemm`] with the kernels of one instruction set, which the processor has, or without any.
#[allow(clippy::too_many_arguments)]
pub(super) fn gemm_with<T: Scalar>(
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
