//! Packing: blocks of A and B copied to where the micro-kernel reads them in order.
//!
//! A panel of B holds NR columns, row by row: `panel[l·NR + j] = B[l, j]`. Where B is a transposed view, its columns
//! are contiguous, and square blocks are transposed in registers: a block of LANES rows takes log₂ LANES rounds, and
//! round D swaps between rows D apart the lanes whose index has the bit D with those that have it not.
//!
//! A panel of A holds MR rows, in the order in which they lie: `panel[i·stride + l]` for a row-major A,
//! `panel[l·MR + i]` for a transposed one. The micro-kernel takes both, and copying in order needs no shuffles.

use super::simd::Transpose;

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
}

/// Writes `rows`×`cols` elements to `dst`, rows `stride` apart; a destination row has room for whole vectors, and what
/// lies in it beyond `cols` is overwritten.
///
/// # Safety
/// The processor has V's instruction set, `L` is V's number of lanes; `src` is readable at `rows`×`cols` elements, and
/// `dst` writable at `rows` rows of `cols` elements rounded up to whole vectors.
#[inline(always)]
pub(super) unsafe fn pack<V: Transpose, const L: usize>(
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
unsafe fn pack_contiguous<V: Transpose>(
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
unsafe fn pack_transposed<V: Transpose, const L: usize>(
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
            for i in (0..rows).step_by(L) {
                let height = L.min(rows - i);
                let mut block = [V::zero(); L];
                for (c, v) in block.iter_mut().enumerate() {
                    let column = src.at(i, j + c.min(last)).ptr;
                    *v = if height == L { V::load(column) } else { V::load_first(column, height) };
                }
                transpose(&mut block);
                for (r, v) in block.iter().enumerate().take(height) {
                    v.store(dst.add((i + r) * stride + j));
                }
            }
        }
    }
}

/// Transposes a square block.
#[inline(always)]
unsafe fn transpose<V: Transpose, const L: usize>(block: &mut [V; L]) {
    // SAFETY: the instruction set is the caller's promise.
    unsafe {
        round::<V, L, 1>(block);
        round::<V, L, 2>(block);
        round::<V, L, 4>(block);
        round::<V, L, 8>(block);
    }
}

/// One round of the transpose; does nothing where the block is smaller.
#[inline(always)]
unsafe fn round<V: Transpose, const L: usize, const D: usize>(block: &mut [V; L]) {
    if D >= L {
        return;
    }
    for i in 0..L {
        if i & D == 0 {
            // SAFETY: the instruction set is the caller's promise.
            let (a, b) = unsafe { block[i].swap_lanes::<D>(block[i + D]) };
            block[i] = a;
            block[i + D] = b;
        }
    }
}
