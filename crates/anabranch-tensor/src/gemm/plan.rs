//! How a product is split: sizes of blocks and tasks, and what is packed.
//!
//! The k-blocks, which are all that the bits of the result depend on, follow from k alone. The rest
//! decides which thread works on which tile when. It follows from the shape, the strides and
//! constants; a single thread takes all rows of C as one task, so that it reads each block of B
//! once.

use super::kernels::{Kernels, SPARSE_VECTORS};
use super::pack::Matrix;
use super::sparse::WORD;
use super::tile::{Contiguous, SPARSE_TERMS};
use crate::buffer::CACHE_LINE;

/// Most bytes of a row of A in a k-block: a panel of 8 rows takes 16 KB of an L1 of at least 32 KB.
const KC_BYTES: usize = 2048;
/// Most bytes of a block of B, so that it stays in an L2 of at least 1 MB.
const B_BLOCK_BYTES: usize = 768 << 10;
/// Rows of A that are packed at once, including those that fill up vectors.
const PACKED_ROWS: usize = 48;
/// Tiles, one below the other, that are computed in one call if their A and their C take at most
/// `TILES_BYTES` each.
const TILES: usize = 8;
const TILES_BYTES: usize = 32 << 10;
/// Rows of C in a task, from most to fewest: multiples of most tiles' rows.
const TASK_ROWS: [usize; 3] = [96, 48, 24];
/// Target number of tasks: enough that a lagging thread delays the others by little.
const TASKS: usize = 16;
/// Fewest columns of C in a task that is narrowed to get more tasks.
const NC_MIN: usize = 128;
/// Most bytes of packed B that several threads share: a modest part of the last-level cache.
const PACKED_BYTES: usize = 2 << 20;
/// Fewest flops that are worth a second thread: half of them take ten microseconds or more.
/// Measured: splitting from a tenth on makes a step on 128 rows a third slower, though a split
/// costs half a microsecond, presumably because one core has to fetch what the other wrote.
const PARALLEL_FLOPS: usize = 4_000_000;
/// Columns of C from which a transposed A is packed.
const PACK_A_COLS: usize = 129;
/// Rows of C from which B is packed even if its rows are contiguous.
const PACK_B_ROWS: usize = 48;
/// Most bytes from one contiguous row of B to the next for reading it in place. Measured: up to
/// here packing costs more than it gains, by a tenth on products of width 128; at 4 KB, where all
/// rows compete for the same cache sets and each has a page of its own, products without packing
/// are a quarter slower.
const NEAR_ROWS: usize = 2048;

/// Rows of A whose sums are computed together when zeros are skipped.
const SPARSE_ROWS: usize = 256;
/// Rows of C in a task that skips zeros, from most to fewest: every task moves its part of B to its
/// L1.
const SPARSE_TASK_ROWS: [usize; 3] = [192, 96, 64];
/// Target number of such tasks.
const SPARSE_TASKS: usize = 8;
/// Most bytes of B in L1 while zeros are skipped.
const SPARSE_B_BYTES: usize = 24 << 10;
/// Most words for the terms of a k-block.
const WORDS: usize = 12;
/// Fewest rows and multiply-adds of a product that may skip zeros; below, finding them takes too
/// much of its time.
const SPARSE_LEAST_ROWS: usize = 16;
pub(super) const SPARSE_MULTIPLY_ADDS: usize = 100_000;

/// Multiply-adds of a product, saturating: views with strides of 0 may be larger than memory.
#[inline]
pub(super) fn multiply_adds((m, n, k): (usize, usize, usize)) -> usize {
    m.saturating_mul(n).saturating_mul(k)
}

/// Whether a product of this shape is split between threads.
pub(super) fn is_worth_threads(shape: (usize, usize, usize)) -> bool {
    multiply_adds(shape) >= PARALLEL_FLOPS / 2
}

/// `len` rounded up to a multiple of `unit`, a power of two (which spares small products a
/// division).
pub(super) fn round_up(len: usize, unit: usize) -> usize {
    debug_assert!(unit.is_power_of_two());
    (len + unit - 1) & !(unit - 1)
}

/// Longest k-block.
const fn kc_max<T>() -> usize {
    KC_BYTES / size_of::<T>()
}

/// The length of k-blocks for sums of `k` terms: as few blocks as possible, of equal length.
pub(super) fn kc<T>(k: usize) -> usize {
    even_blocks(k, kc_max::<T>())
}

/// The length of blocks of at most `most` terms that split `k` terms evenly.
pub(super) fn even_blocks(k: usize, most: usize) -> usize {
    if k <= most { k } else { k.div_ceil(k.div_ceil(most)) }
}

/// How one product is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Length of a k-block; the last may be shorter.
    pub(super) kc: usize,
    /// Whether B is packed.
    pub(super) pack_b: bool,
    /// Rows of B that one phase works on, a multiple of `kc` or all.
    pub(super) phase_rows: usize,
    /// Columns of B that one phase works on, a multiple of `nc` or all.
    pub(super) phase_cols: usize,
    /// Whether a phase is split into tasks for the executor.
    pub(super) parallel: bool,
    /// Rows of C in a task.
    pub(super) mc: usize,
    /// Columns of C in a block or task, a multiple of a vector.
    pub(super) nc: usize,
    /// Rows of C in a tile, except the last ones.
    pub(super) mr: usize,
    /// Tiles, one below the other, that are computed in one call.
    pub(super) tiles: usize,
    /// Rows of A processed together: packed at once, or searched for zeros, else all.
    pub(super) block_rows: usize,
    /// Whether A is packed, panel by panel.
    pub(super) pack_a: bool,
    /// Vectors in a panel of B if A's zeros are skipped, 0 if they are multiplied.
    pub(super) sparse_panel: usize,
    /// Terms in a word of bits that marks where A is not 0.
    pub(super) per_word: usize,
}

impl Plan {
    /// The plan for C[m,n] (+)= A[m,k]·B[k,n] with k-blocks of `kc`, where none of m, n and k is 0.
    #[inline]
    pub(super) fn new<T>(
        kernels: &Kernels<T>,
        (m, n, k): (usize, usize, usize),
        kc: usize,
        threads: usize,
        (a, b): (&Matrix<T>, &Matrix<T>),
    ) -> Self {
        let (lanes, size) = (kernels.lanes, size_of::<T>());
        let mut plan = Self::one_block(kernels, (m, n, k), kc, b);
        if packs_a(a, (m, n, k)) {
            let block_rows = a_packed_rows(kernels, plan.mr);
            plan = Self { pack_a: true, tiles: 1, block_rows, ..plan };
        }
        let terms = k.min(kc);
        if multiply_adds((n, terms, size)) > B_BLOCK_BYTES {
            // Blocks of columns of equal width, as few as possible.
            let most = (B_BLOCK_BYTES / size / terms / lanes * lanes).max(lanes);
            plan.nc = round_up(n.div_ceil(n.div_ceil(most)), lanes);
            plan.phase_cols = plan.nc;
        }
        if threads > 1 && is_worth_threads((m, n, k)) {
            plan.share_out((m, n, k), size, lanes);
        }
        plan
    }

    /// The same plan, found faster, for a product of one block with too few multiplications to look
    /// for zeros, if A is read in place and the product is not better computed transposed.
    #[inline]
    pub(super) fn small<T>(
        kernels: &Kernels<T>,
        (m, n, k): (usize, usize, usize),
        kc: usize,
        (a, b): (&Matrix<T>, &Matrix<T>),
    ) -> Option<Self> {
        let is_small = multiply_adds((m, n, k)) < SPARSE_MULTIPLY_ADDS
            && k <= kc
            && !packs_a(a, (m, n, k))
            && !is_better_transposed(kernels, (m, n, k), (a, b));
        is_small.then(|| Self::one_block(kernels, (m, n, k), kc, b))
    }

    /// The plan of a product with one block of rows and columns, whose A is read in place.
    #[inline]
    fn one_block<T>(
        kernels: &Kernels<T>,
        (m, n, k): (usize, usize, usize),
        kc: usize,
        b: &Matrix<T>,
    ) -> Self {
        let far = b.row.unsigned_abs() * size_of::<T>() > NEAR_ROWS;
        let pack_b = (b.col != 1 && n > 1) || (far && m >= PACK_B_ROWS);
        // Tiles of equal height, as few as possible. Only large products can afford divisions.
        let most = kernels.mr();
        let mr = if m <= most { m } else { m.div_ceil(m.div_ceil(most)) };
        let longest_row = k.min(kc).max(n);
        let is_small = mr * longest_row * size_of::<T>() <= TILES_BYTES / TILES;
        let nc = round_up(n, kernels.lanes);
        Self {
            kc,
            pack_b,
            phase_rows: kc,
            phase_cols: nc,
            parallel: false,
            mc: m,
            nc,
            mr,
            tiles: if is_small { TILES } else { 1 },
            block_rows: m,
            pack_a: false,
            sparse_panel: 0,
            per_word: WORD,
        }
    }

    /// Elements of scratch for a product of `n` columns and `k` terms whose plan is
    /// [`small`](Self::small).
    pub(super) fn small_scratch_len<T>(
        &self,
        kernels: &Kernels<T>,
        (n, k): (usize, usize),
    ) -> usize {
        if self.pack_b { round_up(n, kernels.lanes) * k + CACHE_LINE / size_of::<T>() } else { 0 }
    }

    /// The plan of the same product if A's zeros are skipped.
    pub(super) fn sparse<T>(
        kernels: &Kernels<T>,
        (m, n, k): (usize, usize, usize),
        kc: usize,
        threads: usize,
        b: &Matrix<T>,
    ) -> Self {
        let size = size_of::<T>();
        let sparse_panel = sparse_panel(kernels, n);
        let width = sparse_panel * kernels.lanes;
        let words = kc.div_ceil(WORD.min(SPARSE_B_BYTES / size / width));
        debug_assert!(words <= WORDS, "{words} words for {kc} terms");
        let panels = n.div_ceil(width).min((PACKED_BYTES / size / kc / width).max(1));
        // If B is as narrow as one panel, it may already lie as a packed one would.
        let is_panel = b.col == 1 && n == width && b.row == width as isize;
        let mut plan = Self {
            kc,
            pack_b: !is_panel,
            phase_rows: kc,
            phase_cols: panels * width,
            parallel: false,
            mc: m,
            nc: panels * width,
            mr: 1,
            tiles: 1,
            block_rows: SPARSE_ROWS,
            pack_a: false,
            sparse_panel,
            per_word: kc.div_ceil(words),
        };
        if threads > 1 && is_worth_threads((m, n, k)) {
            plan.nc = width;
            plan.share_out((m, n, k), size, kernels.lanes);
        }
        plan
    }

    /// Vectors in the next panel of a row of B with `cols` columns left, 0 for a narrow one.
    pub(super) fn panel<T>(&self, kernels: &Kernels<T>, cols: usize) -> usize {
        match self.sparse_panel {
            0 => kernels.panel(cols),
            vectors => vectors.min(kernels.vectors_of(cols)),
        }
    }

    /// Columns of a full panel, and full panels at the start of a row of `cols` columns.
    pub(super) fn full_panels<T>(&self, kernels: &Kernels<T>, cols: usize) -> (usize, usize) {
        match self.sparse_panel {
            0 => (kernels.nr(), kernels.full_panels(cols)),
            n => (n * kernels.lanes, kernels.vectors_of(cols) / n),
        }
    }

    /// Splits the plan for one thread into tasks, with larger phases, at whose ends the threads
    /// wait for each other.
    fn share_out(&mut self, (m, n, k): (usize, usize, usize), size: usize, lanes: usize) {
        let Self { kc, mut nc, .. } = *self;
        let most = PACKED_BYTES / size;
        let phase_rows = if k.saturating_mul(nc) <= most { k } else { most / nc / kc * kc };
        let phase_cols = n.min(most / phase_rows / nc * nc);
        let tasks = |mc: usize, nc| m.div_ceil(mc) * phase_cols.div_ceil(nc);
        let (rows, least) = match self.sparse_panel {
            0 => (TASK_ROWS, TASKS),
            _ => (SPARSE_TASK_ROWS, SPARSE_TASKS),
        };
        let mc = rows.into_iter().find(|&mc| tasks(mc, nc) >= least).unwrap_or(rows[2]);
        while self.sparse_panel == 0 && tasks(mc, nc) < TASKS && nc > NC_MIN {
            nc = round_up(nc / 2, lanes);
        }
        *self = Self { phase_rows, phase_cols, parallel: true, mc, nc, ..*self };
    }
}

/// Rows of C in a task of a product whose columns are not split.
pub(super) fn task_rows(m: usize) -> usize {
    let [.., least] = TASK_ROWS;
    TASK_ROWS.into_iter().find(|mc| m.div_ceil(*mc) >= TASKS).unwrap_or(least)
}

/// Whether A is packed.
fn packs_a<T>(a: &Matrix<T>, (m, n, k): (usize, usize, usize)) -> bool {
    match contiguous(a, (m, k)) {
        Some(Contiguous::Rows) => false,
        Some(Contiguous::Columns) => n >= PACK_A_COLS,
        None => true,
    }
}

/// Rows in a packed group of panels of A with `mr` rows and contiguous columns: as many panels as
/// fill a vector, or one.
pub(super) fn a_group<T>(kernels: &Kernels<T>, mr: usize) -> usize {
    if kernels.lanes.is_multiple_of(mr) { kernels.lanes } else { mr }
}

/// Rows of A that are packed at once, in whole groups.
fn a_packed_rows<T>(kernels: &Kernels<T>, mr: usize) -> usize {
    let group = a_group(kernels, mr);
    PACKED_ROWS / round_up(group, kernels.lanes) * group
}

/// How the micro-kernel can read a matrix of `rows`×`cols` in place.
pub(super) fn contiguous<T>(a: &Matrix<T>, (rows, cols): (usize, usize)) -> Option<Contiguous> {
    if a.col == 1 || cols == 1 {
        Some(Contiguous::Rows)
    } else if a.row == 1 || rows == 1 {
        Some(Contiguous::Columns)
    } else {
        None
    }
}

/// Whether zeros of A may be skipped in a product of this shape with k-blocks of `kc`.
pub(super) fn may_skip_zeros<T>(
    kernels: &Kernels<T>,
    (m, n, k): (usize, usize, usize),
    kc: usize,
) -> bool {
    let last = || if k.is_multiple_of(kc) { kc } else { k % kc };
    needs_sparse_scratch(kernels, (m, n, k)) && last() >= SPARSE_TERMS
}

/// Whether a product of this shape, or a smaller one, may skip zeros of A.
fn needs_sparse_scratch<T>(kernels: &Kernels<T>, (m, n, k): (usize, usize, usize)) -> bool {
    multiply_adds((m, n, k)) >= SPARSE_MULTIPLY_ADDS && m >= SPARSE_LEAST_ROWS && n > kernels.lanes
}

/// The cost of a product of `m`×`n` elements that skips zeros, if the share `nonzero` of A is not
/// 0, in multiply-adds of vectors per term; `None` if multiplying the zeros costs less. Measured,
/// and rounded so that a gain remains: each element costs two multiply-adds besides its own, for
/// two to eight vectors of columns; reading a panel of B costs as much as two rows, and packing
/// several as much as four more.
pub(super) fn cost_of_skipping<T>(
    kernels: &Kernels<T>,
    (m, n): (usize, usize),
    nonzero: f64,
) -> Option<f64> {
    let (panel, of_row) = (sparse_panel(kernels, n), kernels.vectors_of(n));
    let vectors = panel as f64;
    let rows = if of_row > panel { 6.0 } else { 2.0 };
    let share = nonzero * (vectors + 2.0) / vectors + rows / m as f64;
    (share <= 0.8).then_some(share * (m * of_row) as f64)
}

/// Vectors in a panel of B if zeros of A are skipped: panels of equal width, as few as possible.
fn sparse_panel<T>(kernels: &Kernels<T>, n: usize) -> usize {
    let vectors = kernels.vectors_of(n);
    vectors.div_ceil(vectors.div_ceil(SPARSE_VECTORS))
}

/// Elements of a thread's words of bits, in whole cache lines.
pub(super) const fn words_len<T>() -> usize {
    SPARSE_ROWS * WORDS * size_of::<u64>() / size_of::<T>()
}

/// Elements of one thread's scratch, in whole cache lines: a packed block of A, or words of bits
/// and sums.
pub(super) fn thread_len<T>(kernels: &Kernels<T>, (m, n, k): (usize, usize, usize)) -> usize {
    let packed = round_up(PACKED_ROWS * k.min(kc_max::<T>()), CACHE_LINE / size_of::<T>());
    if needs_sparse_scratch(kernels, (m, n, k)) {
        let width = (SPARSE_VECTORS * kernels.lanes).min(round_up(n, kernels.lanes));
        packed.max(words_len::<T>() + SPARSE_ROWS * width)
    } else {
        packed
    }
}

/// Most vectors of columns, and fewest terms, for which a product may be computed transposed:
/// copying Cᵀ back takes as long as some thirty terms.
const NARROW_VECTORS: usize = 3;
const TRANSPOSED_TERMS: usize = 64;

/// Whether Cᵀ = Bᵀ·Aᵀ is the better product: few columns, which would leave a large part of a
/// vector idle, become rows. A transposed A and a row-major B already suit that product.
pub(super) fn is_better_transposed<T>(
    kernels: &Kernels<T>,
    (m, n, k): (usize, usize, usize),
    (a, b): (&Matrix<T>, &Matrix<T>),
) -> bool {
    let leaves_lanes_idle = n < NARROW_VECTORS * kernels.lanes && !n.is_multiple_of(kernels.lanes);
    // If A has to be packed for it, which costs as much as half a vector of columns, fewer must be
    // left.
    let pays = (a.row == 1 && b.col == 1) || 2 * n <= kernels.lanes;
    leaves_lanes_idle && m >= 2 * n && m >= 2 * kernels.lanes && k >= TRANSPOSED_TERMS && pays
}

/// Elements of Cᵀ, read by whole vectors, for a product that may be computed transposed; in whole
/// cache lines.
pub(super) fn transposed_len<T>(kernels: &Kernels<T>, m: usize, n: usize) -> usize {
    let narrow = m.saturating_mul(n.min(NARROW_VECTORS * kernels.lanes));
    round_up(narrow.min(isize::MAX as usize) + kernels.lanes, CACHE_LINE / size_of::<T>())
}

/// Elements of scratch for a product C[m,n] with `k` terms, and for every smaller one.
pub(super) fn scratch_len<T>(
    kernels: &Kernels<T>,
    threads: usize,
    (m, n, k): (usize, usize, usize),
) -> usize {
    // A transposed product has m columns.
    let direct = direct_scratch_len(kernels, threads, (m, n, k));
    let narrow = n.min(NARROW_VECTORS * kernels.lanes);
    let transposed =
        direct_scratch_len(kernels, threads, (n, m, k)) + transposed_len(kernels, m, narrow);
    direct.max(transposed)
}

/// The same for a product that is not transposed.
fn direct_scratch_len<T>(
    kernels: &Kernels<T>,
    threads: usize,
    (m, n, k): (usize, usize, usize),
) -> usize {
    let b = round_up(n, kernels.lanes).saturating_mul(k).min(PACKED_BYTES / size_of::<T>());
    b + threads * thread_len(kernels, (m, n, k)) + CACHE_LINE / size_of::<T>()
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::gemm::kernels::available;
    use crate::scalar::Scalar;

    fn check_small_plans<T: Scalar>() {
        let mut n_small = 0;
        for kernels in available::<T>() {
            for (m, n, k) in [(1, 1, 5), (7, 5, 16), (8, 130, 1), (32, 16, 40), (200, 40, 9)] {
                let matrix = |rows, cols| Array2::from_elem((rows, cols), T::ZERO);
                let (a, a_t, b, b_t) = (matrix(m, k), matrix(k, m), matrix(k, n), matrix(n, k));
                for a in [a.view(), a_t.t()].map(Matrix::of) {
                    for b in [b.view(), b_t.t()].map(Matrix::of) {
                        for kc in [k, k + 60] {
                            let small = Plan::small(kernels, (m, n, k), kc, (&a, &b));
                            let plan = Plan::new(kernels, (m, n, k), kc, 2, (&a, &b));
                            assert!(small.is_none_or(|small| small == plan), "{small:?} {plan:?}");
                            n_small += usize::from(small.is_some());
                        }
                    }
                }
            }
        }
        assert!(n_small >= 30, "{n_small}");
    }

    #[test]
    fn small_products_are_cut_as_others() {
        check_small_plans::<f32>();
        check_small_plans::<f64>();
    }
}
