//! Packing: blocks of A and B copied to where the micro-kernel reads them in order.
//!
//! A panel of B holds NR columns, row by row: `panel[l·NR + j] = B[l, j]`. Where B is a transposed view, its columns
//! are contiguous, and square blocks are transposed in registers.
//!
//! A panel of A holds MR rows, in the order in which they lie: `panel[i·stride + l]` for a row-major A,
//! `panel[l·MR + i]` for a transposed one. The micro-kernel takes both, and copying in order needs no shuffles.

use super::simd::{Simd, Transpose};

/// A matrix by pointer and strides.
#[derive(Clone, Copy)]
pub(super) struct Matrix<T> {
    /// The element [0, 0].
    pub(super) ptr: *const T,
    /// Elements from a row to the next.
    pub(super) row: isize,
    /// Elements from a column to the next.
    pub(super) col: isize,
}

impl<T> Matrix<T> {
    /// The matrix that begins at `[i, j]`.
    pub(super) fn at(self, i: usize, j: usize) -> Self {
        let ptr = self.ptr.wrapping_offset(i as isize * self.row + j as isize * self.col);
        Self { ptr, ..self }
    }

    /// The matrix with rows and columns swapped.
    pub(super) fn transposed(self) -> Self {
        Self { row: self.col, col: self.row, ..self }
    }
}

/// Writes `rows`×`cols` elements to `dst`, rows `stride` apart; a destination row has room for whole vectors, and what
/// lies in it beyond `cols` is overwritten.
///
/// # Safety
/// The processor has V's instruction set, `L` is V's number of lanes; `src` is readable at `rows`×`cols` elements, and
/// `dst` writable at `rows` rows of `cols` elements rounded up to whole vectors.
#[inline(always)]
pub(super) unsafe fn pack<V: Transpose<L>, const L: usize>(
    src: Matrix<V::Elem>,
    rows: usize,
    cols: usize,
    dst: *mut V::Elem,
    stride: usize,
) {
    // SAFETY: as the caller's.
    unsafe {
        if src.col == 1 {
            pack_contiguous::<V>(src, rows, cols, dst, stride);
        } else if src.row == 1 {
            pack_transposed::<V, L>(src, rows, cols, dst, stride);
        } else {
            for i in 0..rows {
                for j in 0..cols {
                    *dst.add(i * stride + j) = *src.at(i, j).ptr;
                }
            }
        }
    }
}

/// [`pack`] where rows of the source are contiguous.
#[inline(always)]
unsafe fn pack_contiguous<V: Simd>(
    src: Matrix<V::Elem>,
    rows: usize,
    cols: usize,
    dst: *mut V::Elem,
    stride: usize,
) {
    let whole = cols - cols % V::LANES;
    // SAFETY: reads inside the source's rows, writes inside the destination's.
    unsafe {
        for i in 0..rows {
            let from = src.at(i, 0).ptr;
            let to = dst.add(i * stride);
            for j in (0..whole).step_by(V::LANES) {
                V::load(from.add(j)).store(to.add(j));
            }
            if whole < cols {
                V::load_first(from.add(whole), cols - whole).store(to.add(whole));
            }
        }
    }
}

/// [`pack`] where columns of the source are contiguous.
#[inline(always)]
unsafe fn pack_transposed<V: Transpose<L>, const L: usize>(
    src: Matrix<V::Elem>,
    rows: usize,
    cols: usize,
    dst: *mut V::Elem,
    stride: usize,
) {
    // SAFETY: reads at most `rows` elements of columns below `cols`, writes whole vectors at rows below `rows`.
    unsafe {
        for j in (0..cols).step_by(L) {
            // Where columns are missing the last one stands in: what it writes is beyond `cols`.
            let last = L.min(cols - j) - 1;
            let mut next = src.at(0, j).ptr;
            let columns: [_; L] = std::array::from_fn(|c| {
                let column = next;
                next = if c < last { next.wrapping_offset(src.col) } else { next };
                column
            });
            let whole = rows - rows % L;
            for i in (0..whole).step_by(L) {
                let block = V::transpose(std::array::from_fn(|c| V::load(columns[c].add(i))));
                for r in 0..L {
                    block[r].store(dst.add((i + r) * stride + j));
                }
            }
            if whole < rows {
                let left = rows - whole;
                let load = |c: usize| V::load_first(columns[c].add(whole), left);
                let block = V::transpose(std::array::from_fn(load));
                for r in 0..L {
                    if r < left {
                        block[r].store(dst.add((whole + r) * stride + j));
                    }
                }
            }
        }
    }
}
