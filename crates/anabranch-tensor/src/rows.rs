//! Operations on whole rows of a matrix: sums, dot products and maxima along each row, and copies
//! of selected rows.
//!
//! ```
//! use anabranch_tensor::rows::{gather_rows, row_sums};
//!
//! let x = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0]; // three rows of two elements
//! let mut sums = [0.0; 3];
//! row_sums(&x, 2, &mut sums);
//! assert_eq!(sums, [3.0, 7.0, 11.0]);
//!
//! let mut picked = [0.0; 4];
//! gather_rows(&x, 2, &[2, 0], &mut picked);
//! assert_eq!(picked, [5.0, 6.0, 1.0, 2.0]);
//! ```

use crate::gemm::{Matrix, row_kernels};
use crate::lanes::LANES;
use crate::scalar::Scalar;

pub use crate::gather::gather_rows;

/// Rows of `width` contiguous elements.
fn rows_of<T>(x: &[T], width: usize) -> Matrix<T> {
    Matrix { ptr: x.as_ptr(), row: width as isize, col: 1 }
}

/// Checks that `x` has as many rows of `width` elements as there are results.
fn check<T>(x: &[T], width: usize, results: &[T]) {
    let (len, rows) = (x.len(), results.len());
    assert!(rows.checked_mul(width) == Some(len), "{len} elements are not {rows} rows of {width}");
}

/// `sums[i]` becomes the sum of row `i` of `x` `[rows, width]`.
///
/// # Panics
/// If `x` does not have as many rows as `sums` has elements.
pub fn row_sums<T: Scalar>(x: &[T], width: usize, sums: &mut [T]) {
    check(x, width, sums);
    // Dot products with ones.
    let ones = [T::ONE; LANES];
    let ones = Matrix { ptr: ones.as_ptr(), row: 0, col: 0 };
    let (rows, shape) = (rows_of(x, width), (sums.len(), width));
    // SAFETY: x has the rows and elements of `shape`; the kernels suit this processor.
    unsafe { (row_kernels::<T>().dots)(rows, ones, shape, sums.as_mut_ptr(), false) };
}

/// `dots[i]` becomes the dot product of the rows `i` of `a` and `b`, `[rows, width]` both.
///
/// # Panics
/// If `a` or `b` does not have as many rows as `dots` has elements.
#[inline]
pub fn row_dots<T: Scalar>(a: &[T], b: &[T], width: usize, dots: &mut [T]) {
    check(a, width, dots);
    check(b, width, dots);
    if width == 1 {
        for (dot, (a, b)) in dots.iter_mut().zip(a.iter().zip(b)) {
            *dot = *a * *b;
        }
        return;
    }
    let (a, b) = (rows_of(a, width), rows_of(b, width));
    // SAFETY: a and b have these rows and elements; the kernels suit this processor.
    unsafe { (row_kernels::<T>().dots)(a, b, (dots.len(), width), dots.as_mut_ptr(), false) };
}

/// `maxima[i]` becomes the largest element of row `i` of `x` `[rows, width]`, ignoring NaN; −∞ if
/// there is none.
///
/// # Panics
/// If `x` does not have as many rows as `maxima` has elements.
pub fn row_maxima<T: Scalar>(x: &[T], width: usize, maxima: &mut [T]) {
    check(x, width, maxima);
    if width >= LANES {
        let (shape, least) = ((maxima.len(), width), T::NEG_INFINITY);
        // SAFETY: x has these rows and elements; the kernels suit this processor.
        unsafe {
            (row_kernels::<T>().maxima)(rows_of(x, width), shape, least, maxima.as_mut_ptr());
        };
        return;
    }
    for (i, max) in maxima.iter_mut().enumerate() {
        let larger = |max, x: &T| if *x > max { *x } else { max };
        *max = x[i * width..(i + 1) * width].iter().fold(T::NEG_INFINITY, larger);
    }
}

/// The sum of one row; 0 for an empty one.
pub fn row_sum<T: Scalar>(row: &[T]) -> T {
    let mut sum = [T::ZERO];
    row_sums(row, row.len(), &mut sum);
    sum[0]
}

/// The largest element of one row, ignoring NaN; −∞ if there is none.
pub fn row_max<T: Scalar>(row: &[T]) -> T {
    let mut max = [T::ZERO];
    row_maxima(row, row.len(), &mut max);
    max[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole numbers: every order of summation is exact.
    fn check_rows<T: Scalar>() {
        for (rows, width) in
            [(0, 5), (1, 1), (20, 1), (3, 7), (17, 16), (33, 17), (5, 100), (40, 31), (2, 0)]
        {
            let number = |i: usize| T::from_f64(((i * 37) % 71) as f64 - 80.0);
            let a: Vec<T> = (0..rows * width).map(number).collect();
            let b: Vec<T> = (0..rows * width).map(|i| number(3 * i + 1)).collect();
            let nan = T::from_f64(f64::NAN);
            let mut results = [(); 3].map(|()| vec![nan; rows]);
            let [sums, dots, maxima] = &mut results;
            row_sums(&a, width, sums);
            row_dots(&a, &b, width, dots);
            row_maxima(&a, width, maxima);
            for i in 0..rows {
                let row = |x: &[T]| {
                    x[i * width..(i + 1) * width].iter().map(|v| v.to_f64()).collect::<Vec<_>>()
                };
                let (a, b) = (row(&a), row(&b));
                assert_eq!(sums[i].to_f64(), a.iter().sum::<f64>(), "{rows}x{width}");
                let dot: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
                assert_eq!(dots[i].to_f64(), dot, "{rows}x{width}");
                let max = a.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                assert_eq!(maxima[i].to_f64(), max, "{rows}x{width}");
            }
        }
    }

    #[test]
    fn of_any_number_and_length() {
        check_rows::<f32>();
        check_rows::<f64>();
    }

    #[test]
    fn maxima_leave_nan_out() {
        for width in [3, 16, 20, 33] {
            for place in [0, 1, width - 1] {
                let mut x = vec![-2.0f32; 2 * width];
                (x[place], x[width + place]) = (f32::NAN, 1.0);
                let mut maxima = [0.0; 2];
                row_maxima(&x, width, &mut maxima);
                assert_eq!(maxima, [-2.0, 1.0], "{width} {place}");
            }
        }
        let mut maxima = [0.0];
        row_maxima(&[f64::NAN; 40], 40, &mut maxima);
        assert_eq!(maxima, [f64::NEG_INFINITY]);
    }
}
