//! The loops around the micro-kernel.
//!
//! ```text
//! for jc in 0..n by phase columns              one block of columns, or for several threads as many as fit the shared
//!   for pc in 0..k by phase rows               cache with all k-blocks, or some
//!     pack B[pc.., jc..] into panels           tasks: some panels of one k-block
//!     for each block (i, j) of C[.., jc..]     tasks: MC rows × NC columns
//!       for p in k-blocks by KC                B[p.., j..] stays in L2
//!         rows of the block (`dense.rs`)       C[i.., j..] (+)= A[i.., p..] · B[p.., j..], then the epilogue
//! ```
//!
//! The same loops serve every size; a small product is one block and skips the outer ones. A is
//! read in place if its rows are contiguous, or if its columns are and C is narrow; B if its rows
//! are contiguous and near each other. A product with few columns is computed as its transpose if
//! that fills the vectors better.
//!
//! An element of C is the sum of its k-blocks in order, each the chain of multiply-adds of one
//! micro-kernel; the blocks depend on k alone. So its bits depend neither on its tile or task nor
//! on the instruction set, as long as that has a fused multiply-add.

use std::ops::Range;

use super::epilogue::{Epilogue, NoEpilogue};
use super::kernels::Kernels;
use super::pack::{Matrix, Panels};
use super::plan::{
    Plan, is_better_transposed, is_worth_threads, round_up, scratch_len, thread_len, transposed_len,
};
use crate::accum::Accum;
use crate::buffer::CACHE_LINE;
use crate::parallel::Executor;
use crate::scalar::Scalar;

/// Full panels of B that a task packs.
const PACK_PANELS: usize = 5;

/// One product `C[m,n] (+)= A[m,k]·B[k,n]`.
pub(super) struct Product<'a, T: 'static> {
    pub(super) kernels: &'a Kernels<T>,
    pub(super) exec: &'a Executor,
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    /// Length of a k-block.
    pub(super) kc: usize,
    pub(super) a: Matrix<T>,
    pub(super) b: Matrix<T>,
    pub(super) accum: Accum,
    /// Contiguous: row-major, or column-major if `c_transposed`.
    pub(super) c: *mut T,
    pub(super) c_transposed: bool,
}

/// Part of a product: the columns `cols` of C, and what the rows `rows` of B add to them.
pub(super) struct Phase<'a, T> {
    pub(super) plan: &'a Plan,
    pub(super) rows: Range<usize>,
    cols: Range<usize>,
    /// Packed panels of the phase's B, k-block by k-block.
    b_panels: *mut T,
    /// Scratch of each thread, `thread_len` elements.
    threads: *mut T,
    thread_len: usize,
}

/// The first cache line boundary of `scratch`, or where it would be.
fn aligned<T>(scratch: &mut [T]) -> *mut T {
    let skip = scratch.as_ptr().align_offset(CACHE_LINE).min(CACHE_LINE / size_of::<T>());
    scratch.as_mut_ptr().wrapping_add(skip)
}

fn check_len<T>(scratch: &[T], needed: usize) {
    let len = scratch.len();
    assert!(
        len >= needed,
        "gemm: {len} elements of scratch, {needed} needed (gemm_scratch_len gives what is always enough)"
    );
}

// SAFETY: tasks read A and B, and write disjoint elements of C.
unsafe impl<T: Send + Sync> Sync for Product<'_, T> {}
// SAFETY: tasks write disjoint panels.
unsafe impl<T: Send + Sync> Sync for Phase<'_, T> {}

impl<T: Scalar> Product<'_, T> {
    /// Computes the product with [`scratch_len`] elements of scratch, or fewer for small ones.
    ///
    /// # Panics
    /// If there is less.
    ///
    /// # Safety
    /// A, B and C are valid for the shape, and C is not otherwise accessed; the processor has the
    /// kernels' instruction set.
    #[inline]
    pub(super) unsafe fn run<E: Epilogue<T>>(&self, scratch: &mut [T], epilogue: &E) {
        let Self { kernels, m, n, k, .. } = *self;
        if m == 0 || n == 0 || k == 0 {
            // SAFETY: promised by the caller.
            return unsafe { self.run_empty(epilogue) };
        }
        if self.is_column() {
            let parallel = self.exec.threads() > 1 && is_worth_threads((m, 1, k));
            // SAFETY: promised by the caller.
            return unsafe { self.run_column(parallel, epilogue) };
        }
        if let Some(plan) = Plan::small(kernels, (m, n, k), self.kc, (&self.a, &self.b)) {
            // SAFETY: promised by the caller.
            return unsafe { self.run_small(&plan, scratch, epilogue) };
        }
        check_len(scratch, scratch_len(kernels, self.exec.threads(), (m, n, k)));
        // SAFETY: promised by the caller; the scratch is long enough.
        unsafe {
            if self.is_large_enough_to_skip_zeros() && self.run_skipping(scratch, epilogue) {
                return;
            }
            if is_better_transposed(kernels, (m, n, k), (&self.a, &self.b)) {
                return self.run_transposed(scratch, epilogue);
            }
            self.run_dense(scratch, epilogue);
        }
    }

    /// The product Cᵀ = Bᵀ·Aᵀ, with the same C.
    pub(super) fn swapped(&self) -> Self {
        let (a, b) = (self.b.transposed(), self.a.transposed());
        Self { m: self.n, n: self.m, a, b, ..*self }
    }

    /// Computes the product without skipping zeros.
    ///
    /// # Safety
    /// As [`run`](Self::run).
    #[inline]
    unsafe fn run_dense<E: Epilogue<T>>(&self, scratch: &mut [T], epilogue: &E) {
        let Self { kernels, m, n, k, kc, .. } = *self;
        let threads = self.exec.threads();
        let plan = Plan::new(kernels, (m, n, k), kc, threads, (&self.a, &self.b));
        // SAFETY: promised by the caller.
        unsafe { self.run_phases(&plan, scratch, epilogue) };
    }

    /// Computes a product of one block by its plan.
    ///
    /// # Panics
    /// If there is too little scratch.
    ///
    /// # Safety
    /// As [`run`](Self::run).
    #[inline]
    unsafe fn run_small<E: Epilogue<T>>(&self, plan: &Plan, scratch: &mut [T], epilogue: &E) {
        let Self { kernels, m, n, k, .. } = *self;
        check_len(scratch, plan.small_scratch_len(kernels, (n, k)));
        // A is read in place: no thread needs scratch of its own.
        let (threads, thread_len) = (std::ptr::null_mut(), 0);
        let b_panels = aligned(scratch);
        let phase = Phase { plan, rows: 0..k, cols: 0..n, b_panels, threads, thread_len };
        // SAFETY: promised by the caller; the scratch is long enough.
        unsafe {
            if plan.pack_b {
                self.pack_block(&phase, 0, 0..n, (0, 1));
            }
            self.dense_rows(&phase, 0..m, 0..n, 0..k, epilogue);
        }
    }

    /// Computes the product by its plan.
    ///
    /// # Safety
    /// As [`run`](Self::run).
    #[inline]
    pub(super) unsafe fn run_phases<E: Epilogue<T>>(
        &self,
        plan: &Plan,
        scratch: &mut [T],
        epilogue: &E,
    ) {
        let Self { kernels, m, n, k, .. } = *self;
        let thread_len = thread_len(kernels, (m, n, k));
        let threads = aligned(scratch);
        let b_panels = threads.wrapping_add(self.exec.threads() * thread_len);

        let mut col = 0;
        while col < n {
            let cols = col..n.min(col + plan.phase_cols);
            let mut row = 0;
            while row < k {
                let rows = row..k.min(row + plan.phase_rows);
                let cols = cols.clone();
                let phase = Phase { plan, rows, cols, b_panels, threads, thread_len };
                // SAFETY: promised by the caller; the scratch is long enough.
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

    /// Computes the product as Cᵀ = Bᵀ·Aᵀ: the same sums, in the same order.
    ///
    /// # Safety
    /// As [`run`](Self::run).
    unsafe fn run_transposed<E: Epilogue<T>>(&self, scratch: &mut [T], epilogue: &E) {
        let Self { kernels, m, n, accum, c, .. } = *self;
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
            let product = Self { c: c_t.as_mut_ptr(), ..self.swapped() };
            product.run_dense(scratch, &NoEpilogue);
            let columns = Matrix { ptr: c.cast_const(), row: 1, col: n as isize };
            (kernels.put_sums)((c_t.as_ptr(), m), (n, m), columns, false);
            kernels.apply(epilogue, (0, 0), (m, n), c, n);
        }
    }

    /// Computes the product with an empty matrix: sums without terms.
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
        let Plan { kc, nc, parallel, .. } = *phase.plan;
        if !parallel {
            // The phase is one block.
            // SAFETY: promised by the caller.
            return unsafe { self.pack_block(phase, phase.rows.start, phase.cols.clone(), (0, 1)) };
        }
        let (width, _) = phase.plan.full_panels(self.kernels, nc);
        let wide = width * PACK_PANELS;
        let blocks = phase.cols.clone().step_by(nc);
        let n_blocks = blocks.len();
        let tasks = nc.div_ceil(wide);
        let pack = |task: usize| {
            let p = phase.rows.start + task / tasks / n_blocks * kc;
            let j = phase.cols.start + task / tasks % n_blocks * nc;
            let block = j..phase.cols.end.min(j + nc);
            // SAFETY: each task packs its own panels.
            unsafe { self.pack_block(phase, p, block, (task % tasks, tasks)) };
        };
        let n_tasks = phase.rows.len().div_ceil(kc) * n_blocks * tasks;
        self.exec.run(n_tasks, pack);
    }

    /// Packs a part of the columns `block` of the k-block at row `p`, into panels as wide as the
    /// tiles that read them.
    ///
    /// # Safety
    /// As [`run`](Self::run), and the panels are this call's alone.
    unsafe fn pack_block(
        &self,
        phase: &Phase<T>,
        p: usize,
        block: Range<usize>,
        (part, parts): (usize, usize),
    ) {
        let kernels = self.kernels;
        let rows = phase.rows.end.min(p + phase.plan.kc) - p;
        let pack = |col: usize, cols: usize, width: usize| {
            let dst = self.b_panel(phase, p, col);
            let layout = Panels { width, row: width, step: rows * width };
            debug_assert!(col + cols <= block.end, "columns beyond the block");
            // SAFETY: the panels lie in B, and as many elements in scratch.
            unsafe { (kernels.pack)(self.b.at(p, col), rows, cols, dst, layout) };
        };
        let (nr, full) = phase.plan.full_panels(kernels, block.len());
        let per_part = full.div_ceil(parts);
        let first = full.min(part * per_part);
        let end = full.min(first + per_part);
        if first < end {
            let col = block.start + first * nr;
            // The last vector of a full panel may lack some columns.
            pack(col, block.end.min(block.start + end * nr) - col, nr);
        }
        if part == parts - 1 {
            let mut col = block.start + full * nr;
            while col < block.end {
                let width = phase.plan.panel(kernels, block.end - col).max(1) * kernels.lanes;
                pack(col, width.min(block.end - col), width);
                col += width;
            }
        }
    }

    /// The element `[p, col]` of B, the first of a k-block and of a panel; packed if the phase's B
    /// is.
    pub(super) fn b_at(&self, phase: &Phase<T>, p: usize, col: usize) -> *const T {
        if phase.plan.pack_b { self.b_panel(phase, p, col) } else { self.b.at(p, col).ptr }
    }

    /// Start of the packed panel at column `col` of the k-block at row `p`.
    fn b_panel(&self, phase: &Phase<T>, p: usize, col: usize) -> *mut T {
        let width = round_up(phase.cols.len(), self.kernels.lanes);
        let rows = phase.rows.end.min(p + phase.plan.kc) - p;
        let skip = (p - phase.rows.start) * width + (col - phase.cols.start) * rows;
        phase.b_panels.wrapping_add(skip)
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
                // SAFETY: promised by the caller.
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
        let Plan { kc, block_rows, sparse_panel, .. } = *phase.plan;
        let mut p = phase.rows.start;
        while p < phase.rows.end {
            let terms = p..phase.rows.end.min(p + kc);
            let mut i = rows.start;
            while i < rows.end {
                let block = i..rows.end.min(i + block_rows);
                let (terms, cols) = (terms.clone(), cols.clone());
                i = block.end;
                // SAFETY: rows of the caller's block.
                unsafe {
                    if sparse_panel > 0 {
                        self.sparse_rows(phase, block, cols, terms, epilogue);
                    } else {
                        self.dense_rows(phase, block, cols, terms, epilogue);
                    }
                }
            }
            p = terms.end;
        }
    }

    /// Applies the epilogue to the finished elements `rows`×`cols` of C.
    ///
    /// # Safety
    /// As [`block`](Self::block).
    #[inline]
    pub(super) unsafe fn finish<E: Epilogue<T>>(
        &self,
        rows: Range<usize>,
        cols: Range<usize>,
        epilogue: &E,
    ) {
        let (rows, cols, stride) =
            if self.c_transposed { (cols, rows, self.m) } else { (rows, cols, self.n) };
        let c = self.c.wrapping_add(rows.start * stride + cols.start);
        let (at, shape) = ((rows.start, cols.start), (rows.len(), cols.len()));
        // SAFETY: the caller's block of C.
        unsafe { self.kernels.apply(epilogue, at, shape, c, stride) };
    }

    /// This thread's scratch.
    pub(super) fn thread_scratch(&self, phase: &Phase<T>) -> *mut T {
        let worker = if phase.plan.parallel { self.exec.worker() } else { 0 };
        phase.threads.wrapping_add(worker * phase.thread_len)
    }
}
