//! Packing: copies of blocks of A and B in the order in which the micro-kernel reads them.
//!
//! A panel of B holds NR columns, row by row: `panel[l·NR + j] = B[l, j]`. If B is a transposed
//! view, its columns are contiguous, and square blocks are transposed in registers.
//!
//! A panel of A holds MR rows in their memory order: `panel[i·stride + l]` for a row-major A,
//! `panel[l·MR + i]` for a transposed one. The micro-kernel takes both, and copying in order needs
//! no shuffles.

use ndarray::ArrayView2;

use super::simd::{Simd, Transpose};
use crate::prefetch::prefetch;

/// A matrix by pointer and strides.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<T> {
    /// The element [0, 0].
    pub(crate) ptr: *const T,
    /// Elements from one row to the next.
    pub(crate) row: isize,
    /// Elements from one column to the next.
    pub(crate) col: isize,
}

impl<T> Matrix<T> {
    /// A view's pointer and strides.
    pub(super) fn of(view: ArrayView2<'_, T>) -> Self {
        Self { ptr: view.as_ptr(), row: view.strides()[0], col: view.strides()[1] }
    }

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

/// How a packed block is split into panels of columns.
#[derive(Clone, Copy)]
pub(super) struct Panels {
    /// Columns of a panel: a multiple of a vector's lanes if columns of the source are contiguous.
    pub(super) width: usize,
    /// Elements from one row of a panel to the next: the width rounded up to whole vectors.
    pub(super) row: usize,
    /// Elements from one panel to the next.
    pub(super) step: usize,
}

/// Rows of a panel that are packed before moving to the next panel, if rows of the source are
/// contiguous.
const ROWS: usize = 16;

/// Writes `rows`×`cols` elements to the panels at `dst`. The rest of a panel's last vector of
/// columns is filled with zeros or elements of the source.
///
/// # Safety
/// The processor has V's instruction set, `L` is V's number of lanes; `src` is readable at
/// `rows`×`cols` elements, and `dst` writable at `rows` whole rows of as many panels as hold `cols`
/// columns.
#[inline(always)]
pub(super) unsafe fn pack<V: Transpose<L>, const L: usize>(
    src: Matrix<V::Elem>,
    rows: usize,
    cols: usize,
    dst: *mut V::Elem,
    panels: Panels,
) {
    // SAFETY: promised by the caller.
    unsafe {
        if src.col == 1 {
            pack_contiguous::<V>(src, rows, cols, dst, panels);
        } else if src.row == 1 {
            pack_transposed::<V, L>(src, rows, cols, dst, panels);
        } else {
            for j in 0..cols {
                let column = dst.add(j / panels.width * panels.step + j % panels.width);
                for i in 0..rows {
                    *column.add(i * panels.row) = *src.at(i, j).ptr;
                }
            }
        }
    }
}

/// [`pack`] for contiguous rows of the source.
#[inline(always)]
unsafe fn pack_contiguous<V: Simd>(
    src: Matrix<V::Elem>,
    rows: usize,
    cols: usize,
    dst: *mut V::Elem,
    panels: Panels,
) {
    // SAFETY: reads inside the source's rows, writes inside the panels' rows.
    unsafe {
        if cols <= panels.width && cols > 2 * V::LANES && cols.is_multiple_of(V::LANES) {
            for i in 0..rows {
                dst.add(i * panels.row).copy_from_nonoverlapping(src.at(i, 0).ptr, cols);
            }
            return;
        }
        for first in (0..rows).step_by(ROWS) {
            let height = ROWS.min(rows - first);
            let mut panel = dst.add(first * panels.row);
            for j in (0..cols).step_by(panels.width) {
                let width = panels.width.min(cols - j);
                for v in (0..width).step_by(V::LANES) {
                    let mut from = src.at(first, j + v).ptr;
                    let mut to = panel.add(v);
                    let left = cols - j - v;
                    for _ in 0..height {
                        if left >= V::LANES {
                            V::load(from).store(to);
                        } else {
                            V::load_first(from, left).store(to);
                        }
                        // The next panel's part of the row is too far away for the processor to
                        // foresee it.
                        prefetch(from.wrapping_add(panels.width));
                        from = from.wrapping_offset(src.row);
                        to = to.wrapping_add(panels.row);
                    }
                }
                panel = panel.wrapping_add(panels.step);
            }
        }
    }
}

/// [`pack`] for contiguous columns of the source.
#[inline(always)]
unsafe fn pack_transposed<V: Transpose<L>, const L: usize>(
    src: Matrix<V::Elem>,
    rows: usize,
    cols: usize,
    dst: *mut V::Elem,
    panels: Panels,
) {
    // SAFETY: reads at most `rows` elements of columns below `cols`, writes whole vectors at rows
    // below `rows`.
    unsafe {
        for j in (0..cols).step_by(L) {
            let to = dst.add(j / panels.width * panels.step + j % panels.width);
            // The last column stands in for missing ones: what it writes is beyond `cols`.
            let last = L.min(cols - j) - 1;
            let columns: [_; L] = std::array::from_fn(|c| src.at(0, j + c.min(last)).ptr);
            let mut i = 0;
            while i + L <= rows {
                let block = V::load_transposed(columns.map(|column| column.add(i)));
                for r in 0..L {
                    block[r].store(to.add((i + r) * panels.row));
                }
                i += L;
            }
            if i < rows {
                let mut ends = [V::zero(); L];
                for c in 0..L {
                    ends[c] = V::load_first(columns[c].add(i), rows - i);
                }
                let start = ends.as_ptr().cast::<V::Elem>();
                let block = V::load_transposed(std::array::from_fn(|c| start.add(c * L)));
                for r in 0..rows - i {
                    block[r].store(to.add((i + r) * panels.row));
                }
            }
        }
    }
}
