//! The loops around the micro-kernel.
//!
//! ```text
//! for jc in 0..n by packed columns             B that is packed at once, in the shared cache
//!   for pc in 0..k by packed rows
//!     pack B[pc.., jc..] into panels           tasks: one k-block of one panel each
//!     for each task (i, j) of C[.., jc..]      tasks: MC rows × NC columns of C
//!       for p in k-blocks by KC                B[p.., j..] stays in the second-level cache
//!         for ir in rows of the task by MR     A[ir.., p..] stays in the first-level cache
//!           pack A[ir.., p..]
//!           for jr in columns of the task by NR
//!             tile                             C[ir.., jr..] (+)= A[ir.., p..] · B[p.., jr..]
//!           epilogue on C[ir.., j..]           after the last k-block
//! ```
//!
//! The same loops serve every size. A small product is one task and packs nothing that the micro-kernel can read where
//! it lies; B is packed where its rows are not contiguous or are used often enough, A where its panel is.
//!
//! An element of C is the sum of its k-blocks in order, each the chain of multiply-adds of one micro-kernel; the blocks
//! depend on k alone. So its bits depend neither on which tile or task it lies in, nor on the instruction set as long
//! as that has a fused multiply-add.

use std::ops::Range;

use super::kernels::Kernels;
use super::pack::Matrix;
use super::tile::Tile;
use super::{Accum, Epilogue};
use crate::exec::Executor;

/// Longest k-block in bytes of one row of A: a panel of 12 rows takes 12 KB of a first-level cache of 32 KB.
const KC_BYTES: usize = 1024;
/// Most bytes of a row of C in a task: KC rows of B of this width take 512 KB, half a second-level cache.
const NC_BYTES: usize = 2048;
/// Rows of C in a task: a multiple of every micro-kernel's MR.
const MC: usize = 48;
/// Tasks to aim at: enough that a thread that lags delays the others by little.
const TASKS: usize = 16;
/// Fewest columns of C in a task that is made narrower to get more tasks.
const NC_MIN: usize = 128;
/// Most bytes of packed B.
const PACKED_BYTES: usize = 8 << 20;
/// Fewest flops that are worth a second thread, measured: half of them take about 20 µs.
const PARALLEL_FLOPS: usize = 4_000_000;
/// Fewest columns that A is packed for, in panels of B.
const PACK_A_PANELS: usize = 4;
/// Rows from which B is packed though its rows are contiguous.
const PACK_B_ROWS: usize = 48;
/// Panels of B, of one k-block, that a task packs.
const PACK_PANELS: usize = 8;
/// Bytes that scratch is aligned to.
const ALIGN: usize = 64;

/// ⌈len / parts⌉ where parts = ⌈len / most⌉: equal parts, none over `most`.
fn equal_parts(len: usize, most: usize) -> usize {
    if len <= most { len } else { len.div_ceil(len.div_ceil(most)) }
}

/// Distance of rows in a packed panel of a row-major A: a cache line more than needed, so that they do not compete for
/// the same cache sets.
fn a_row_stride<T>(kc: usize) -> usize {
    let line = ALIGN / size_of::<T>();
    kc.next_multiple_of(line) + line
}

/// Distance of columns in a packed panel of a transposed A: whole vectors.
fn a_col_stride<T>(kernels: &Kernels<T>) -> usize {
    kernels.mr().next_multiple_of(kernels.lanes)
}

/// Elements of one thread's panel of A, in either layout; whole cache lines.
fn a_panel_len<T>(kernels: &Kernels<T>, k: usize) -> usize {
    let kc = k.min(KC_BYTES / size_of::<T>());
    let len = (kernels.mr() * a_row_stride::<T>(kc)).max(kc * a_col_stride(kernels));
    len.next_multiple_of(ALIGN / size_of::<T>())
}

/// Elements of scratch for a product with `n` columns and `k` terms, and for every smaller one.
pub(super) fn scratch_len<T>(kernels: &Kernels<T>, threads: usize, n: usize, k: usize) -> usize {
    let b = (n.next_multiple_of(kernels.nr()) * k).min(PACKED_BYTES / size_of::<T>());
    b + threads * a_panel_len(kernels, k) + 2 * ALIGN / size_of::<T>()
}

/// One product C[m,n] (+)= A[m,k]·B[k,n].
pub(super) struct Product<'a, T: 'static> {
    pub(super) kernels: &'a Kernels<T>,
    pub(super) exec: &'a Executor,
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) a: Matrix<T>,
    pub(super) b: Matrix<T>,
    pub(super) accum: Accum,
    /// Row-major and contiguous.
    pub(super) c: *mut T,
}

// SAFETY: tasks read A and B, and write disjoint elements of C.
unsafe impl<T: Send + Sync> Sync for Product<'_, T> {}

/// Part of a product: the columns `col..col + cols` of C, and what the rows `row..row + rows` of B add to them.
struct Phase<T> {
    col: usize,
    cols: usize,
    row: usize,
    rows: usize,
    /// Length of a k-block; the last may be shorter.
    kc: usize,
    /// Whether B is packed, to `panels`.
    pack_b: bool,
    /// Panels of this phase's B, k-block by k-block.
    panels: *mut T,
    /// One panel of A for each thread.
    a_panels: *mut T,
    /// Whether to split the work between threads.
    parallel: bool,
}

// SAFETY: tasks write disjoint panels.
unsafe impl<T: Send + Sync> Sync for Phase<T> {}

impl<T> Phase<T> {
    /// The k-block that begins at row `p` of the phase, up to which row it goes.
    fn block_end(&self, p: usize) -> usize {
        self.rows.min(p + self.kc)
    }
}

impl<T: Copy + Send + Sync> Product<'_, T> {
    /// Computes the product with at least [`scratch_len`] elements of scratch.
    ///
    /// # Safety
    /// A, B and C are valid for the shape, and C is not otherwise accessed; the processor has the kernels' instruction
    /// set.
    pub(super) unsafe fn run<E: Epilogue<T>>(&self, scratch: &mut [T], epilogue: &E) {
        let Self { kernels, m, n, k, .. } = *self;
        if m == 0 || n == 0 || k == 0 {
            // SAFETY: as the caller's.
            return unsafe { self.run_empty(epilogue) };
        }
        let (nr, size) = (kernels.nr(), size_of::<T>());
        let kc = equal_parts(k, KC_BYTES / size);

        // B is packed whole, or as many of its columns as fit, with all of k while 16 panels fit.
        let pack_b = n > 1 && (self.b.col != 1 || m >= PACK_B_ROWS);
        let (packed_rows, packed_cols) = if pack_b {
            let most = PACKED_BYTES / size;
            let rows = if k <= most / (16 * nr) { k } else { most / (16 * nr) / kc * kc };
            (rows, n.min(most / rows / nr * nr))
        } else {
            (k, n)
        };

        let skip = scratch.as_ptr().align_offset(ALIGN).min(ALIGN / size);
        let scratch = scratch[skip..].as_mut_ptr();
        let panels = scratch.wrapping_add(self.exec.threads() * a_panel_len(kernels, k));

        for col in (0..n).step_by(packed_cols) {
            for row in (0..k).step_by(packed_rows) {
                let phase = Phase {
                    col,
                    cols: packed_cols.min(n - col),
                    row,
                    rows: packed_rows.min(k - row),
                    kc,
                    pack_b,
                    panels: panels,
                    a_panels: scratch,
                    parallel: 2 * m * n * k >= PARALLEL_FLOPS,
                };
                // SAFETY: as the caller's; the scratch is as long as `scratch_len`.
                unsafe {
                    if pack_b {
                        self.pack_b(&phase);
                    }
                    self.multiply(&phase, epilogue);
                }
            }
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

    /// Runs tasks on the executor, or here.
    fn split(&self, parallel: bool, n_tasks: usize, task: impl Fn(usize) + Sync) {
        if parallel {
            self.exec.run(n_tasks, task);
        } else {
            (0..n_tasks).for_each(task);
        }
    }

    /// Packs the phase's B.
    ///
    /// # Safety
    /// As [`run`](Self::run).
    unsafe fn pack_b(&self, phase: &Phase<T>) {
        let groups = phase.cols.div_ceil(PACK_PANELS * self.kernels.nr());
        self.split(phase.parallel, phase.rows.div_ceil(phase.kc) * groups, |task| {
            // SAFETY: each task packs other panels.
            unsafe { self.pack_panels(phase, task / groups * phase.kc, task % groups) };
        });
    }

    /// Packs a group of panels of the k-block at row `p` of the phase.
    ///
    /// # Safety
    /// As [`run`](Self::run), and the panels are this call's alone.
    unsafe fn pack_panels(&self, phase: &Phase<T>, p: usize, group: usize) {
        let nr = self.kernels.nr();
        let n_panels = phase.cols.div_ceil(nr);
        let rows = phase.block_end(p) - p;
        let first = group * PACK_PANELS;
        for panel in first..n_panels.min(first + PACK_PANELS) {
            let j = panel * nr;
            let src = self.b.at(phase.row + p, phase.col + j);
            let dst = phase.panels.wrapping_add((p * n_panels + panel * rows) * nr);
            // SAFETY: the panel lies in B, and its rows·NR elements in scratch.
            unsafe { (self.kernels.pack)(src, rows, nr.min(phase.cols - j), dst, nr) };
        }
    }

    /// Rows and columns of C in a task.
    fn task_size(&self, phase: &Phase<T>) -> (usize, usize) {
        let nc = NC_BYTES / size_of::<T>();
        if !phase.parallel {
            return (self.m, nc);
        }
        let tasks = |mc, nc| self.m.div_ceil(mc) * phase.cols.div_ceil(nc);
        let mc = if tasks(MC, nc) < TASKS { MC / 2 } else { MC };
        let mut nc = nc;
        while tasks(mc, nc) < TASKS && nc > NC_MIN {
            nc /= 2;
        }
        (mc, nc)
    }

    /// Adds the phase's part to C.
    ///
    /// # Safety
    /// As [`run`](Self::run); B is packed if the phase says so.
    unsafe fn multiply<E: Epilogue<T>>(&self, phase: &Phase<T>, epilogue: &E) {
        let (mc, nc) = self.task_size(phase);
        let columns = phase.cols.div_ceil(nc);
        self.split(phase.parallel, self.m.div_ceil(mc) * columns, |task| {
            let (i, j) = (task / columns * mc, task % columns * nc);
            // SAFETY: the tasks' blocks of C are disjoint.
            unsafe {
                self.block(phase, i..self.m.min(i + mc), j..phase.cols.min(j + nc), epilogue);
            }
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
        let mr = self.kernels.mr();
        for p in (0..phase.rows).step_by(phase.kc) {
            for i in rows.clone().step_by(mr) {
                // SAFETY: as the caller's.
                unsafe { self.panel(phase, p, i..rows.end.min(i + mr), cols.clone(), epilogue) };
            }
        }
    }

    /// Adds the products of one panel of A, at most MR rows of one k-block, with B's columns `cols`.
    ///
    /// # Safety
    /// As [`block`](Self::block).
    #[inline]
    unsafe fn panel<E: Epilogue<T>>(
        &self,
        phase: &Phase<T>,
        p: usize,
        rows: Range<usize>,
        cols: Range<usize>,
        epilogue: &E,
    ) {
        let Self { kernels, n, .. } = *self;
        let (nr, lanes) = (kernels.nr(), kernels.lanes);
        let p_end = phase.block_end(p);
        let mut a = self.a.at(rows.start, phase.row + p);
        if cols.len() > PACK_A_PANELS * nr {
            // SAFETY: the panel of scratch is this thread's; the rows of A are those of C.
            a = unsafe { self.pack_a(phase, a, rows.len(), p_end - p) };
        }
        let first = phase.row + p == 0;
        let mut j = cols.start;
        while j < cols.end {
            // Two vectors, or one for what is left, or a narrow one.
            let left = cols.end - j;
            let (width, class) = if left >= 2 * lanes || left > lanes + kernels.narrow {
                (left.min(2 * lanes), 0)
            } else if left > kernels.narrow {
                (left.min(lanes), 1)
            } else {
                (left, 2)
            };
            let (b, b_row) = if phase.pack_b {
                let n_panels = phase.cols.div_ceil(nr);
                let panel = p * n_panels * nr + j / nr * (p_end - p) * nr;
                (phase.panels.wrapping_add(panel + j % nr).cast_const(), nr as isize)
            } else {
                (self.b.at(phase.row + p, phase.col + j).ptr, self.b.row)
            };
            let tile = Tile {
                k: p_end - p,
                a: a.ptr,
                a_row: a.row,
                a_col: a.col,
                b,
                b_row,
                // SAFETY: inside C.
                c: unsafe { self.c.add(rows.start * n + phase.col + j) },
                c_row: n,
                cols: width,
                add: self.accum == Accum::Add || !first,
            };
            // SAFETY: the tile lies in A, B and C; the kernels suit the processor.
            unsafe { kernels.tiles[rows.len() - 1][class](&tile) };
            j += width;
        }
        if phase.row + p_end == self.k {
            let col = phase.col + cols.start;
            // SAFETY: the same elements of C.
            unsafe {
                let c = self.c.add(rows.start * n + col);
                kernels.apply(epilogue, (rows.start, col), (rows.len(), cols.len()), c, n);
            }
        }
    }

    /// Copies a panel of A to this thread's scratch.
    ///
    /// # Safety
    /// As [`panel`](Self::panel).
    unsafe fn pack_a(&self, phase: &Phase<T>, a: Matrix<T>, rows: usize, k: usize) -> Matrix<T> {
        let worker = if phase.parallel { self.exec.worker() } else { 0 };
        let panel = phase.a_panels.wrapping_add(worker * a_panel_len(self.kernels, self.k));
        // SAFETY: the panel has room for either layout (see `a_panel_len`).
        unsafe {
            if a.row == 1 {
                let stride = a_col_stride(self.kernels);
                let columns = Matrix { ptr: a.ptr, row: a.col, col: 1 };
                (self.kernels.pack)(columns, k, rows, panel, stride);
                Matrix { ptr: panel, row: 1, col: stride as isize }
            } else {
                let stride = a_row_stride::<T>(k);
                (self.kernels.pack)(a, rows, k, panel, stride);
                Matrix { ptr: panel, row: stride as isize, col: 1 }
            }
        }
    }
}
