//! Flat slices as matrices, and matrices as flat slices.

use ndarray::{ArrayView2, ArrayViewMut2};

/// `data` as a row-major matrix `[n_rows, n_cols]`.
///
/// # Panics
/// If `data` does not have `n_rows · n_cols` elements.
#[inline]
#[track_caller]
pub fn matrix<T>(data: &[T], n_rows: usize, n_cols: usize) -> ArrayView2<'_, T> {
    check(data.len(), n_rows, n_cols);
    // SAFETY: the lengths match. Unchecked, since a small step makes some forty views.
    unsafe { ArrayView2::from_shape_ptr((n_rows, n_cols), data.as_ptr()) }
}

/// `data` as a writable row-major matrix `[n_rows, n_cols]`.
///
/// # Panics
/// If `data` does not have `n_rows · n_cols` elements.
#[inline]
#[track_caller]
pub fn matrix_mut<T>(data: &mut [T], n_rows: usize, n_cols: usize) -> ArrayViewMut2<'_, T> {
    check(data.len(), n_rows, n_cols);
    // SAFETY: the lengths match, and `data` is uniquely borrowed.
    unsafe { ArrayViewMut2::from_shape_ptr((n_rows, n_cols), data.as_mut_ptr()) }
}

#[inline]
#[track_caller]
fn check(len: usize, n_rows: usize, n_cols: usize) {
    let fits = n_rows.checked_mul(n_cols) == Some(len);
    assert!(fits, "{len} elements are not a matrix of {n_rows}x{n_cols}");
}

/// The elements of a contiguous row-major matrix.
///
/// # Panics
/// If `view` is not contiguous and row-major.
#[inline]
#[track_caller]
pub fn flat<'a, T>(view: ArrayView2<'a, T>) -> &'a [T] {
    view.to_slice().expect("a contiguous row-major matrix")
}

/// The elements of a writable contiguous row-major matrix.
///
/// # Panics
/// If `view` is not contiguous and row-major.
#[inline]
#[track_caller]
pub fn flat_mut<'a, T>(view: ArrayViewMut2<'a, T>) -> &'a mut [T] {
    view.into_slice().expect("a contiguous row-major matrix")
}
