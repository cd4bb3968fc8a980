//! Gathering rows of a table.

use crate::lanes::LANES;
use crate::prefetch::prefetch_slice;

/// Copies rows of a matrix: row `row_idx[i]` of `src` becomes row `i` of `dst`. Both are row-major,
/// with `width` elements per row (1 for a vector). Allocates nothing.
///
/// # Panics
/// If `dst` does not hold `row_idx.len()` rows, or an index is out of range.
pub fn gather_rows<T: Copy>(src: &[T], width: usize, row_idx: &[usize], dst: &mut [T]) {
    let (len, n_rows) = (dst.len(), row_idx.len());
    let fits = n_rows.checked_mul(width) == Some(len);
    assert!(fits, "gather_rows: {len} elements for {n_rows} rows of {width}");
    if width == 0 {
        return;
    }
    let n_src_rows = src.len() / width;
    let row_of = |row: usize| {
        assert!(row < n_src_rows, "gather_rows: row {row} of {n_src_rows}");
        &src[row * width..(row + 1) * width]
    };
    for (i, &row) in row_idx.iter().enumerate() {
        // Rows of a shuffled batch are scattered.
        if let Some(&next) = row_idx.get(i + ROWS_AHEAD) {
            prefetch_slice(row_of(next));
        }
        copy_row(&mut dst[i * width..(i + 1) * width], row_of(row));
    }
}

/// How many rows ahead to prefetch, so that data from memory has time to arrive.
const ROWS_AHEAD: usize = 8;

/// Copies `src` to `dst`, of the same length, in pieces of a fixed length, the last of which
/// overlaps the one before: for rows of a few vectors, calling `memcpy` takes longer than copying.
fn copy_row<T: Copy>(dst: &mut [T], src: &[T]) {
    let Some(last) = src.len().checked_sub(LANES) else { return dst.copy_from_slice(src) };
    for j in (0..last).step_by(LANES).chain([last]) {
        dst[j..j + LANES].copy_from_slice(&src[j..j + LANES]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_gathered_in_order() {
        let src = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5];
        let mut dst = [9.0; 4];
        gather_rows(&src, 2, &[2, 0], &mut dst);
        assert_eq!(dst, [2.0, 2.5, 0.0, 0.5]);
        let mut labels = [0u32; 3];
        gather_rows(&[7, 8, 9], 1, &[2, 2, 1], &mut labels);
        assert_eq!(labels, [9, 9, 8]);
        gather_rows(&[0u32; 0], 0, &[5], &mut []);
    }

    /// 2⁶³ rows of two numbers wrap around to row 0.
    #[test]
    #[should_panic = "row 9223372036854775808 of 3"]
    fn rows_that_are_not_there_are_refused() {
        gather_rows(&[0u8; 6], 2, &[1 << 63], &mut [0; 2]);
    }
}
