//! The inner loops of products that multiply zeros: some rows of C, tile by tile.
//!
//! ```text
//! for ir in rows of the block by MR         A[ir.., p..] stays in L1; several MR if tiles are small
//!   pack some rows of A[ir.., p..]          if needed, once per that many rows
//!   for jr in columns of the block by NR
//!     tiles                                 C[ir.., jr..] (+)= A[ir.., p..] · B[p.., jr..]
//!   epilogue on C[ir.., j..]                after the last k-block
//! ```

use std::ops::Range;

use super::blocking::{Phase, Product};
use super::epilogue::Epilogue;
use super::pack::{Matrix, Panels};
use super::plan::{Plan, a_group, contiguous, round_up};
use super::tile::{Contiguous, Tile};
use crate::accum::Accum;
use crate::scalar::Scalar;

/// A block of A, packed or in place.
struct BlockOfA<T> {
    first: Matrix<T>,
    contiguous: Contiguous,
    /// Rows whose columns are contiguous, and elements from one such group to the next.
    group: usize,
    step: usize,
}

impl<T: Scalar> BlockOfA<T> {
    /// The element `[row, 0]`.
    fn at(&self, row: usize) -> *const T {
        if row < self.group {
            return self.first.at(row, 0).ptr;
        }
        self.first.at(row % self.group, 0).ptr.wrapping_add(row / self.group * self.step)
    }

    /// Elements from a row to the next if rows are contiguous, else from a column to the next.
    fn stride(&self) -> isize {
        match self.contiguous {
            Contiguous::Rows => self.first.row,
            Contiguous::Columns => self.first.col,
        }
    }
}

impl<T: Scalar> Product<'_, T> {
    /// Adds the products of the rows `rows` of A, at most `block_rows`, in the k-block `terms`,
    /// with the columns `cols` of B, and applies the epilogue if these are the last terms.
    ///
    /// # Safety
    /// As [`block`](Self::block).
    #[inline]
    pub(super) unsafe fn dense_rows<E: Epilogue<T>>(
        &self,
        phase: &Phase<T>,
        rows: Range<usize>,
        cols: Range<usize>,
        terms: Range<usize>,
        epilogue: &E,
    ) {
        // SAFETY: the rows of A are those of C.
        let a = unsafe { self.block_of_a(phase, rows.clone(), terms.clone()) };
        let Plan { mr, tiles, .. } = *phase.plan;
        let mut first = rows.start;
        while first < rows.end {
            let left = rows.end - first;
            let (height, n_tiles) = match left {
                _ if left >= mr * tiles => (mr, tiles),
                _ if left >= mr => (mr, left / mr),
                _ => (left, 1),
            };
            let end = first + height * n_tiles;
            // SAFETY: the tiles lie in the caller's block.
            unsafe {
                let a = (&a, a.at(first - rows.start));
                self.tiles(phase, a, terms.clone(), (first, height, n_tiles), cols.clone());
                if terms.end == self.k {
                    self.finish(first..end, cols.clone(), epilogue);
                }
            }
            first = end;
        }
    }

    /// The rows `rows` of A, at most `block_rows`, and the k-block `terms`: in place, or packed to
    /// this thread's scratch.
    ///
    /// # Safety
    /// As [`block`](Self::block).
    unsafe fn block_of_a(
        &self,
        phase: &Phase<T>,
        rows: Range<usize>,
        terms: Range<usize>,
    ) -> BlockOfA<T> {
        let kernels = self.kernels;
        let (m, k) = (rows.len(), terms.len());
        let a = self.a.at(rows.start, terms.start);
        if !phase.plan.pack_a {
            let contiguous = contiguous(&self.a, (self.m, self.k)).unwrap_or(Contiguous::Rows);
            return BlockOfA { first: a, contiguous, group: m, step: 0 };
        }
        let block = self.thread_scratch(phase);
        let group = a_group(kernels, phase.plan.mr);
        let stride = round_up(group, kernels.lanes);
        let groups = Panels { width: group, row: stride, step: stride * k };
        // SAFETY: the block of scratch is this thread's and holds as many rows in such groups.
        unsafe { (kernels.pack)(a.transposed(), k, m, block, groups) };
        let first = Matrix { ptr: block.cast_const(), row: 1, col: stride as isize };
        BlockOfA { first, contiguous: Contiguous::Columns, group, step: stride * k }
    }

    /// Adds the products of the rows of A at `rows_of_a` in the block `a` with B's columns `cols`
    /// over the k-block `terms`, for `tiles` tiles of `height` rows from row `first` of C on.
    ///
    /// # Safety
    /// As [`block`](Self::block).
    unsafe fn tiles(
        &self,
        phase: &Phase<T>,
        (a, rows_of_a): (&BlockOfA<T>, *const T),
        terms: Range<usize>,
        (first, height, tiles): (usize, usize, usize),
        cols: Range<usize>,
    ) {
        let Self { kernels, n, .. } = *self;
        let lanes = kernels.lanes;
        let b = self.b_at(phase, terms.start, cols.start);
        let mut tile = Tile {
            tiles,
            k: terms.len(),
            a: rows_of_a,
            a_step: a.stride(),
            b,
            b_row: self.b.row,
            c: self.c.wrapping_add(first * n + cols.start),
            c_row: n,
            cols: 0,
            add: self.accum == Accum::Add || terms.start > 0,
        };
        let mut left = cols.len();
        while left > 0 {
            let vectors = kernels.panel(left);
            let width = vectors.max(1) * lanes;
            tile.cols = left.min(width);
            let b_next = if phase.plan.pack_b {
                tile.b_row = width as isize;
                width * terms.len()
            } else {
                width
            };
            // SAFETY: the tile lies in A, B and C; the kernels suit the processor.
            unsafe { kernels.tile(a.contiguous, height, vectors)(&tile) };
            left -= tile.cols;
            tile.b = tile.b.wrapping_add(b_next);
            tile.c = tile.c.wrapping_add(width);
        }
    }
}
