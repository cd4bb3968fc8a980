//! Column sums over the rows of a matrix, with the same bits for any number of threads.
//!
//! ```
//! use anabranch_tensor::columns::{column_sums, column_sums_scratch_len};
//! use anabranch_tensor::{Accum, Executor};
//!
//! let x = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0]; // three rows of two elements
//! let mut sums = [0.0; 2];
//! let mut scratch = vec![0.0; column_sums_scratch_len(3, 2)];
//! column_sums(&Executor::serial(), &x, Accum::Replace, &mut sums, &mut scratch);
//! assert_eq!(sums, [9.0, 12.0]);
//! ```
//!
//! The rows are split into chunks whose bounds depend on the shape alone. Each chunk is summed in
//! row order, and the partial sums are added in chunk order.

use crate::accum::Accum;
use crate::lanes::sum_columns;
use crate::parallel::{Executor, Part, rows_per_chunk};
use crate::scalar::Scalar;

/// Number of chunks that a sum over `n_rows` rows of `width` elements is split into.
pub fn n_row_chunks(n_rows: usize, width: usize) -> usize {
    n_rows.div_ceil(rows_per_chunk(width))
}

/// Elements of scratch that [`column_sums`] needs.
pub fn column_sums_scratch_len(n_rows: usize, width: usize) -> usize {
    n_row_chunks(n_rows, width) * width
}

/// Sums over the rows of `x` `[n_rows, width]`: `out[j]` (+)= Σᵢ `x[i, j]`.
///
/// # Panics
/// If the length of `x` is not a multiple of `out.len()`, or `scratch` is shorter than
/// [`column_sums_scratch_len`].
pub fn column_sums<T: Scalar>(
    exec: &Executor,
    x: &[T],
    accum: Accum,
    out: &mut [T],
    scratch: &mut [T],
) {
    let width = out.len();
    if width == 0 {
        return;
    }
    assert!(x.len().is_multiple_of(width), "column_sums: {} elements in rows of {width}", x.len());
    let n_rows = x.len() / width;
    let partials = &mut scratch[..column_sums_scratch_len(n_rows, width)];
    let parts = [Part::Chunks(&mut *partials, width)];
    exec.for_each_span(
        (n_rows, width),
        parts,
        #[inline(always)]
        |span, [partial]| {
            sum_columns(
                [&x[span]],
                [],
                [partial],
                #[inline(always)]
                |x, []| x,
            );
        },
    );
    fold_partials(partials, accum, out);
}

/// `out` (+)= the sum of the rows of `partials`, added in order; the sum is also left in the first
/// row.
///
/// # Panics
/// If `out` is empty.
pub fn fold_partials<T: Scalar>(partials: &mut [T], accum: Accum, out: &mut [T]) {
    if partials.is_empty() {
        if accum == Accum::Replace {
            out.fill(T::ZERO);
        }
        return;
    }
    let (total, others) = partials.split_at_mut(out.len());
    for partial in others.chunks_exact(total.len()) {
        for (sum, v) in total.iter_mut().zip(partial) {
            *sum += *v;
        }
    }
    for (out, sum) in out.iter_mut().zip(total) {
        *out = accum.combine(*out, *sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_columns_exactly_and_the_same_for_any_threads() {
        // Rows wider than a vector, and narrow rows whose last chunk is not a whole number of
        // vectors.
        check_sums(2_500, 49);
        check_sums(2_500, 17);
        check_sums(11_001, 3);
        check_sums(1_003, 33);
        check_sums(40_009, 1);
    }

    fn check_sums(n_rows: usize, width: usize) {
        // Whole numbers: every order of summation is exact, so the expected value is too.
        let x: Vec<f32> = (0..n_rows * width).map(|i| ((i * 7) % 13) as f32 - 6.0).collect();
        let expected: Vec<f32> =
            (0..width).map(|j| (0..n_rows).map(|i| x[i * width + j]).sum()).collect();
        let noisy: Vec<f32> = x.iter().enumerate().map(|(i, v)| v + 1e-3 * i as f32).collect();
        assert!(n_row_chunks(n_rows, width) > 3);
        let mut scratch = vec![f32::NAN; column_sums_scratch_len(n_rows, width)];
        let mut first: Option<Vec<f32>> = None;
        for threads in [1, 2, 3] {
            let exec = Executor::new(threads).unwrap();
            let mut out = vec![f32::NAN; width];
            column_sums(&exec, &x, Accum::Replace, &mut out, &mut scratch);
            assert_eq!(out, expected);
            column_sums(&exec, &x, Accum::Add, &mut out, &mut scratch);
            assert_eq!(out, expected.iter().map(|v| 2.0 * v).collect::<Vec<_>>());
            column_sums(&exec, &noisy, Accum::Replace, &mut out, &mut scratch);
            assert_eq!(first.get_or_insert(out.clone()), &out);
        }
    }

    #[test]
    fn no_rows_sum_to_zero() {
        let mut out = [f64::NAN; 3];
        column_sums(&Executor::serial(), &[], Accum::Replace, &mut out, &mut []);
        assert_eq!(out, [0.0; 3]);
    }
}
