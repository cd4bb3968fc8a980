//! The loops around the micro-kernel.
//!
//! ```text
//! for jc in 0..n by packed columns             B that is packed at once, in the shared cache
//!   for pc in 0..k by packed rows              all of k but for the longest sums
//!     pack B[pc.., jc..] into panels           tasks: some panels of one k-block
//!     for each block (i, j) of C[.., jc..]     tasks: MC rows × NC columns
//!       for p in k-blocks by KC                B[p.., j..] stays in the second-level cache
//!         for ir in rows of the block by MR    A[ir.., p..] stays in the first-level cache
//!           pack MC rows of A[ir.., p..]       once in as many rows
//!           for jr in columns of the block by NR
//!             tile                             C[ir.., jr..] (+)= A[ir.., p..] · B[p.., jr..]
//!           epilogue on C[ir.., j..]           after the last k-block
//! ```
//!
//! The same loops serve every size. A small product is one task. What the micro-kernel can read where it lies is packed
//! only where rows are far apart, and B always where its rows are not contiguous. A product with few columns goes
//! through the loops as its transposed where that fills the vectors better.
//!
//! An element of C is the sum of its k-blocks in order, each the chain of multiply-adds of one micro-kernel; the blocks
//! depend on k alone. So its bits depend neither on which tile or task it lies in, nor on the instruction set as long
//! as that has a fused multiply-add.

use std::ops::Range;

use super::kernels::Kernels;
use super::pack::{Matrix, Panels};
use super::plan::{
    MC, PARALLEL_FLOPS, Plan, Rows, a_block_len, a_col_stride, a_row_stride, is_better_transposed,
    round_up, transposed_len,
};
use super::tile::Tile;
use super::{Accum, Epilogue, NoEpilogue};
use crate::buffer::CACHE_LINE;
use crate::exec::Executor;
use crate::scalar::Scalar;

/// Panels of B, of one k-block, that a task packs.
const PACK_PANELS: usize = 8;

/// One product `C[m,n] (+)= A[m,k]·B[k,n]`.
pub(super) struct Product<'a, T: 'static> {
    pub(super) kernels: &'a Kernels<T>,
    pub(super) exec: &'a Executor,
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    /// Length of a k-block, at most [`KC`](super::plan::KC).
    pub(super) kc: usize,
    pub(super) a: Matrix<T>,
    pub(super) b: Matrix<T>,
    pub(super) accum: Accum,
    /// Row-major and contiguous.
    pub(super) c: *mut T,
}

/// Part of a product: the columns `cols` of C, and what the rows `rows` of B add to them.
struct Phase<'a, T> {
    plan: &'a Plan,
    rows: Range<usize>,
    cols: Range<usize>,
    /// Packed panels of the phase's B, k-block by k-block.
    b_panels: *mut T,
    /// A packed block of A for each thread.
    a_blocks: *mut T,
}

/// Panels of a block of A, packed or where they lie.
struct PackedA<T> {
    first: Matrix<T>,
    /// Elements from a panel to the next.
    step: isize,
}

// SAFETY: tasks read A and B, and write disjoint elements of C.
unsafe impl<T: Send + Sync> Sync for Product<'_, T> {}
// SAFETY: tasks write disjoint panels.
unsafe impl<T: Send + Sync> Sync for Phase<'_, T> {}

impl<T: Scalar> Product<'_, T> {
    /// Computes the product with at least [`scratch_len`](super::plan::scratch_len) elements of scratch.
    ///
    /// # Safety
    /// A, B and C are valid for the shape, and C is not otherwise accessed; the processor has the kernels' instruction
    /// set.
    #[inline]
    pub(super) unsafe fn run<E: Epilogue<T>>(&self, scratch: &mut [T], epilogue: &E) {
        let Self { kernels, m, n, k, .. } = *self;
        if m == 0 || n == 0 || k == 0 {
            // SAFETY: as the caller's.
            return unsafe { self.run_empty(epilogue) };
        }
        if self.is_column() {
            let parallel = self.exec.threads() > 1 && 2 * m * k >= PARALLEL_FLOPS;
            // SAFETY: as the caller's.
            return unsafe { self.run_column(parallel, epilogue) };
        }
        if is_better_transposed(kernels, (m, n, k), (&self.a, &self.b)) {
            // SAFETY: as the caller's.
            return unsafe { self.run_transposed(scratch, epilogue) };
        }
        let rows = (Rows::of(&self.a, k), Rows::of(&self.b, n));
        let plan = Plan::new(kernels, (m, n, k), self.kc, self.exec.threads(), rows);
        let skip = scratch.as_ptr().align_offset(CACHE_LINE).min(CACHE_LINE / size_of::<T>());
        let a_blocks = scratch[skip..].as_mut_ptr();
        let b_panels = a_blocks.wrapping_add(self.exec.threads() * a_block_len(kernels, k));

        let mut col = 0;
        while col < n {
            let cols = col..n.min(col + plan.phase_cols);
            let mut row = 0;
            while row < k {
                let rows = row..k.min(row + plan.phase_rows);
                let phase = Phase { plan: &plan, rows, cols: cols.clone(), b_panels, a_blocks };
                // SAFETY: as the caller's; the scratch is long enough.
                unsafe {
                    if plan.pack_b {
                        self.pack_b(&phase);
                    }
                    self.multiply(&phase, epilogue);
                }
                row += plan.phase_rows;
            }
            col += plan.phase_cols;
        }
    }

    /// The product by way of Cᵀ = Bᵀ·Aᵀ: the same sums, in the same order.
    ///
    /// # Safety
    /// As [`run`](Self::run).
    unsafe fn run_transposed<E: Epilogue<T>>(&self, scratch: &mut [T], epilogue: &E) {
        let Self { kernels, exec, m, n, k, kc, accum, c, .. } = *self;
        let (c_t, scratch) = scratch.split_at_mut(transposed_len(kernels, m, n));
        // SAFETY: C has m·n elements, and the product's operands are valid as this one's are.
        unsafe {
            if accum == Accum::Add {
                for i in 0..m {
                    for j in 0..n {
                        c_t[j * m + i] = *c.add(i * n + j);
                    }
                }
            }
            let (a, b) = (self.b.transposed(), self.a.transposed());
            let product =
                Product { kernels, exec, m: n, n: m, k, kc, a, b, accum, c: c_t.as_mut_ptr() };
            product.run(scratch, &NoEpilogue);
            for i in 0..m {
                for j in 0..n {
                    *c.add(i * n + j) = c_t[j * m + i];
                }
            }
            kernels.apply(epilogue, (0, 0), (m, n), c, n);
        }
    }

    /// The product with an empty matrix: sums without terms.
    ///
    /// # Safety
    /// As [`run`](Self::run).
    unsafe fn run_empty<E: Epilogue<T>>(&self, epilogue: &E) {
        // SAFETY: C has m·n elements; all bits 0 is the number 0.
        unsafe {
            if self.accum == Accum::Replace {
                self.c.write_bytes(0, self.m * self.n);
            }
            self.kernels.apply(epilogue, (0, 0), (self.m, self.n), self.c, self.n);
        }
    }

    /// Packs the phase's B.
    ///
    /// # Safety
    /// As [`run`](Self::run).
    unsafe fn pack_b(&self, phase: &Phase<T>) {
        let n_panels = round_up(phase.cols.len(), self.kernels.nr()) / self.kernels.nr();
        if !phase.plan.parallel {
            let mut p = phase.rows.start;
            while p < phase.rows.end {
                // SAFETY: as the caller's.
                unsafe { self.pack_panels(phase, p, 0..n_panels) };
                p += phase.plan.kc;
            }
            return;
        }
        let groups = n_panels.div_ceil(PACK_PANELS);
        self.exec.run(phase.rows.len().div_ceil(phase.plan.kc) * groups, |task| {
            let p = phase.rows.start + task / groups * phase.plan.kc;
            let first = task % groups * PACK_PANELS;
            // SAFETY: each task packs other panels.
            unsafe { self.pack_panels(phase, p, first..n_panels.min(first + PACK_PANELS)) };
        });
    }

    /// Packs some panels of the k-block at row `p`.
    ///
    /// # Safety
    /// As [`run`](Self::run), and the panels are this call's alone.
    unsafe fn pack_panels(&self, phase: &Phase<T>, p: usize, panels: Range<usize>) {
        let nr = self.kernels.nr();
        let rows = phase.rows.end.min(p + phase.plan.kc) - p;
        let first = phase.cols.start + panels.start * nr;
        let cols = phase.cols.end.min(phase.cols.start + panels.end * nr) - first;
        let dst = self.b_block(phase, p).wrapping_add(panels.start * rows * nr);
        let layout = Panels { width: nr, row: nr, step: rows * nr };
        // SAFETY: the panels lie in B, and their rows·NR elements each in scratch.
        unsafe { (self.kernels.pack)(self.b.at(p, first), rows, cols, dst, layout) };
    }

    /// Where the packed panels of the k-block at row `p` begin.
    fn b_block(&self, phase: &Phase<T>, p: usize) -> *mut T {
        let width = round_up(phase.cols.len(), self.kernels.nr());
        phase.b_panels.wrapping_add((p - phase.rows.start) * width)
    }

    /// Adds the phase's part to C.
    ///
    /// # Safety
    /// As [`run`](Self::run); B is packed if the plan says so.
    #[inline]
    unsafe fn multiply<E: Epilogue<T>>(&self, phase: &Phase<T>, epilogue: &E) {
        let Plan { mc, nc, .. } = *phase.plan;
        if !phase.plan.parallel {
            let mut j = phase.cols.start;
            while j < phase.cols.end {
                // SAFETY: as the caller's.
                unsafe { self.block(phase, 0..self.m, j..phase.cols.end.min(j + nc), epilogue) };
                j += nc;
            }
            return;
        }
        let columns = phase.cols.len().div_ceil(nc);
        self.exec.run(self.m.div_ceil(mc) * columns, |task| {
            let i = task / columns * mc;
            let j = phase.cols.start + task % columns * nc;
            let (rows, cols) = (i..self.m.min(i + mc), j..phase.cols.end.min(j + nc));
            // SAFETY: the tasks' blocks of C are disjoint.
            unsafe { self.block(phase, rows, cols, epilogue) };
        });
    }

    /// Adds the phase's part to the block `rows`×`cols` of C.
    ///
    /// # Safety
    /// As [`multiply`](Self::multiply), and the block is this call's alone.
    unsafe fn block<E: Epilogue<T>>(
        &self,
        phase: &Phase<T>,
        rows: Range<usize>,
        cols: Range<usize>,
        epilogue: &E,
    ) {
        let Self { kernels, n, .. } = *self;
        let mr = kernels.mr();
        let mut p = phase.rows.start;
        while p < phase.rows.end {
            let terms = p..phase.rows.end.min(p + phase.plan.kc);
            let mut i = rows.start;
            while i < rows.end {
                let block_end = rows.end.min(i + MC);
                // SAFETY: the rows of A are those of C.
                let mut a = unsafe { self.a_panels(phase, i..block_end, terms.clone()) };
                while i < block_end {
                    let height = mr.min(block_end - i);
                    // SAFETY: the panel lies in the caller's block.
                    unsafe {
                        self.panel(phase, a.first, terms.clone(), i..i + height, cols.clone());
                        if terms.end == self.k {
                            let c = self.c.add(i * n + cols.start);
                            kernels.apply(epilogue, (i, cols.start), (height, cols.len()), c, n);
                        }
                    }
                    a.first.ptr = a.first.ptr.wrapping_offset(a.step);
                    i += height;
                }
            }
            p = terms.end;
        }
    }

    /// The panels of A with the rows `rows`, at most MC, and the k-block `terms`: where they lie, or packed to this
    /// thread's scratch.
    ///
    /// # Safety
    /// As [`block`](Self::block).
    unsafe fn a_panels(
        &self,
        phase: &Phase<T>,
        rows: Range<usize>,
        terms: Range<usize>,
    ) -> PackedA<T> {
        let kernels = self.kernels;
        let (mr, m, k) = (kernels.mr(), rows.len(), terms.len());
        let a = self.a.at(rows.start, terms.start);
        if !phase.plan.pack_a {
            return PackedA { first: a, step: mr as isize * a.row };
        }
        let worker = if phase.plan.parallel { self.exec.worker() } else { 0 };
        let block = phase.a_blocks.wrapping_add(worker * a_block_len(kernels, self.k));
        if a.row != 1 {
            let stride = a_row_stride::<T>(k);
            let rows = Panels { width: k, row: stride, step: 0 };
            // SAFETY: the block of scratch is this thread's and holds MC such rows.
            unsafe { (kernels.pack)(a, m, k, block, rows) };
            let first = Matrix { ptr: block, row: stride as isize, col: 1 };
            return PackedA { first, step: (mr * stride) as isize };
        }
        let stride = a_col_stride(kernels);
        let columns = Panels { width: mr, row: stride, step: stride * k };
        // SAFETY: the block of scratch is this thread's and holds MC/MR such panels.
        unsafe { (kernels.pack)(a.transposed(), k, m, block, columns) };
        let first = Matrix { ptr: block, row: 1, col: stride as isize };
        PackedA { first, step: (stride * k) as isize }
    }

    /// Adds the products of `a`, the panel with the rows `rows`, at most MR, and the k-block `terms`, with B's columns
    /// `cols`.
    ///
    /// # Safety
    /// As [`block`](Self::block).
    unsafe fn panel(
        &self,
        phase: &Phase<T>,
        a: Matrix<T>,
        terms: Range<usize>,
        rows: Range<usize>,
        cols: Range<usize>,
    ) {
        let Self { kernels, n, .. } = *self;
        let (nr, lanes, narrow) = (kernels.nr(), kernels.lanes, kernels.narrow);
        let (mut b, b_row, b_next) = if phase.plan.pack_b {
            let skip = (cols.start - phase.cols.start) * terms.len();
            let panel = self.b_block(phase, terms.start).wrapping_add(skip).cast_const();
            (panel, nr as isize, nr * terms.len())
        } else {
            (self.b.at(terms.start, cols.start).ptr, self.b.row, nr)
        };
        let mut tile = Tile {
            k: terms.len(),
            a: [0, 3, 6, 9].map(|i| a.at(i, 0).ptr),
            a_row: a.row,
            a_col: a.col,
            b,
            b_row,
            c: self.c.wrapping_add(rows.start * n + cols.start),
            c_row: n,
            cols: 0,
            add: self.accum == Accum::Add || terms.start > 0,
        };
        let [two, one, half] = kernels.tiles[rows.len() - 1];
        let mut left = cols.len();
        // SAFETY: the tiles lie in A, B and C; the kernels suit the processor.
        unsafe {
            while left > lanes + narrow {
                tile.cols = left.min(nr);
                two(&tile);
                left -= tile.cols;
                b = b.wrapping_add(b_next);
                tile.b = b;
                tile.c = tile.c.wrapping_add(nr);
            }
            if left > narrow {
                tile.cols = left.min(lanes);
                one(&tile);
                left -= tile.cols;
                tile.b = b.wrapping_add(lanes);
                tile.c = tile.c.wrapping_add(lanes);
            }
            if left > 0 {
                tile.cols = left;
                half(&tile);
            }
        }
    }
}
