//! How a product is cut: sizes of blocks and tasks, and what is packed.
//!
//! The k-blocks, which are all that the bits of the result depend on, follow from k alone. The rest decides who works
//! when on which tile. It follows from the shape, the strides and constants; one thread alone takes all rows of C
//! as one task, so that it reads each block of B once.

use super::kernels::Kernels;
use super::pack::Matrix;
use super::tile::Contiguous;
use crate::buffer::CACHE_LINE;

/// Most bytes of a row of A in a k-block: a panel of 8 rows takes 16 KB of a first-level cache of 32 KB or more.
const KC_BYTES: usize = 2048;
/// Most bytes of a block of B, which is to stay in a second-level cache of 1 MB or more.
const B_BLOCK_BYTES: usize = 768 << 10;
/// Rows of A that are packed at once, with those that fill up vectors.
const PACKED_ROWS: usize = 48;
/// Rows of C in a task, most to least: multiples of most tiles' rows.
const TASK_ROWS: [usize; 3] = [96, 48, 24];
/// Tasks to aim at: enough that a thread that lags delays the others by little.
const TASKS: usize = 16;
/// Fewest columns of C in a task that is made narrower to get more tasks.
const NC_MIN: usize = 128;
/// Most bytes of packed B that several threads share, a part of the last-level cache that others leave.
const PACKED_BYTES: usize = 2 << 20;
/// Fewest flops that are worth a second thread: half of them take ten microseconds or more. Measured: from a tenth on, a step
/// on 128 rows is a third slower, though a split costs half a microsecond, presumably because one core has to fetch what
/// the other wrote.
pub(super) const PARALLEL_FLOPS: usize = 4_000_000;
/// Columns of C from which a transposed A is packed.
const PACK_A_COLS: usize = 129;
/// Rows of C from which B is packed though its rows are contiguous.
const PACK_B_ROWS: usize = 48;
/// Most bytes from one contiguous row of B to the next for which it is read where it lies. Measured: up to here
/// packing costs more than it gains, by a tenth on products of width 128; at 4 KB, where all rows compete for the same
/// cache sets and each has a page of its own, products without packing are a quarter slower.
const NEAR_ROWS: usize = 2048;

/// `len` rounded up to a multiple of `unit`, a power of two (which spares small products a division).
pub(super) fn round_up(len: usize, unit: usize) -> usize {
    debug_assert!(unit.is_power_of_two());
    (len + unit - 1) & !(unit - 1)
}

/// Most terms of a k-block that a caller may choose, for any number type.
pub(super) const MAX_TERMS: usize = KC_BYTES / size_of::<f64>();

/// Longest k-block.
const fn kc_max<T>() -> usize {
    KC_BYTES / size_of::<T>()
}

/// The length of k-blocks that suits sums of `k` terms: as few as there can be, of the same length.
pub(super) fn kc<T>(k: usize) -> usize {
    let most = kc_max::<T>();
    if k <= most { k } else { k.div_ceil(k.div_ceil(most)) }
}

/// The cuts of one product.
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
    /// Rows of C in a tile, but for the last ones.
    pub(super) mr: usize,
    /// Rows of A that are packed at once, all where it is not.
    pub(super) packed_rows: usize,
    /// Whether A is packed, panel by panel.
    pub(super) pack_a: bool,
}

impl Plan {
    /// The cuts of C[m,n] (+)= A[m,k]·B[k,n] with k-blocks of `kc`, where none of m, n and k is 0.
    #[inline]
    pub(super) fn new<T>(
        kernels: &Kernels<T>,
        (m, n, k): (usize, usize, usize),
        kc: usize,
        threads: usize,
        (a, b): (&Matrix<T>, &Matrix<T>),
    ) -> Self {
        let (lanes, size) = (kernels.lanes, size_of::<T>());
        let far = b.row.unsigned_abs() * size > NEAR_ROWS;
        let pack_b = (b.col != 1 && n > 1) || (far && m >= PACK_B_ROWS);
        let pack_a = match contiguous(a, (m, k)) {
            Some(Contiguous::Rows) => false,
            Some(Contiguous::Columns) => n >= PACK_A_COLS,
            None => true,
        };

        // Tiles of one height, and blocks of columns of one width: as few as there can be. Divisions are for what is large.
        let most_rows = kernels.mr();
        let mr = if m <= most_rows { m } else { m.div_ceil(m.div_ceil(most_rows)) };
        let packed_rows = if pack_a { a_packed_rows(kernels, mr) } else { m };
        let nc = if n * kc * size <= B_BLOCK_BYTES {
            round_up(n, lanes)
        } else {
            let most = (B_BLOCK_BYTES / size / kc / lanes * lanes).max(lanes);
            round_up(n.div_ceil(n.div_ceil(most)), lanes)
        };
        let (phase_rows, phase_cols, parallel) = (kc, nc, false);
        let mut plan = Self {
            kc,
            pack_b,
            phase_rows,
            phase_cols,
            parallel,
            mc: m,
            nc,
            mr,
            packed_rows,
            pack_a,
        };
        if threads > 1 && 2 * m * n * k >= PARALLEL_FLOPS {
            plan.share_out((m, n, k), size, lanes);
        }
        plan
    }

    /// Makes tasks of the plan for one thread, and larger phases, at whose ends the threads wait for each other.
    fn share_out(&mut self, (m, n, k): (usize, usize, usize), size: usize, lanes: usize) {
        let Self { kc, mut nc, .. } = *self;
        let most = PACKED_BYTES / size;
        let phase_rows = if k * nc <= most { k } else { most / nc / kc * kc };
        let phase_cols = n.min(most / phase_rows / nc * nc);
        let tasks = |mc, nc| m.div_ceil(mc) * phase_cols.div_ceil(nc);
        let mc = TASK_ROWS.into_iter().find(|&mc| tasks(mc, nc) >= TASKS).unwrap_or(TASK_ROWS[2]);
        while tasks(mc, nc) < TASKS && nc > NC_MIN {
            nc = round_up(nc / 2, lanes);
        }
        *self = Self { phase_rows, phase_cols, parallel: true, mc, nc, ..*self };
    }
}

/// Rows of a packed group of panels of A with `mr` rows whose columns are next to each other: as many panels as fill a
/// vector, or one.
pub(super) fn a_group<T>(kernels: &Kernels<T>, mr: usize) -> usize {
    if kernels.lanes.is_multiple_of(mr) { kernels.lanes } else { mr }
}

/// Rows of A that are packed at once, in whole groups.
fn a_packed_rows<T>(kernels: &Kernels<T>, mr: usize) -> usize {
    let group = a_group(kernels, mr);
    PACKED_ROWS / round_up(group, kernels.lanes) * group
}

/// How the micro-kernel can read a matrix of `rows`×`cols` where it lies.
pub(super) fn contiguous<T>(a: &Matrix<T>, (rows, cols): (usize, usize)) -> Option<Contiguous> {
    if a.col == 1 || cols == 1 {
        Some(Contiguous::Rows)
    } else if a.row == 1 || rows == 1 {
        Some(Contiguous::Columns)
    } else {
        None
    }
}

/// Elements of one thread's packed block of A; whole cache lines.
pub(super) fn a_block_len<T>(k: usize) -> usize {
    round_up(PACKED_ROWS * k.min(kc_max::<T>()), CACHE_LINE / size_of::<T>())
}

/// Most vectors of columns, and fewest terms, for which a product may be computed transposed: copying Cᵀ back takes as long
/// as some thirty terms.
const NARROW_VECTORS: usize = 3;
const TRANSPOSED_TERMS: usize = 64;

/// Whether Cᵀ = Bᵀ·Aᵀ is the better product: few columns, which would leave a large part of a vector idle, become rows.
/// A transposed A and a row-major B lie as that product reads them.
pub(super) fn is_better_transposed<T>(
    kernels: &Kernels<T>,
    (m, n, k): (usize, usize, usize),
    (a, b): (&Matrix<T>, &Matrix<T>),
) -> bool {
    let leaves_lanes_idle = n < NARROW_VECTORS * kernels.lanes && !n.is_multiple_of(kernels.lanes);
    // Where A has to be packed for it, which costs as much as half a vector of columns, less than that must be left.
    let pays = (a.row == 1 && b.col == 1) || 2 * n <= kernels.lanes;
    leaves_lanes_idle && m >= 2 * n && m >= 2 * kernels.lanes && k >= TRANSPOSED_TERMS && pays
}

/// Elements of Cᵀ, whole cache lines, for a product that may be computed transposed.
pub(super) fn transposed_len<T>(kernels: &Kernels<T>, m: usize, n: usize) -> usize {
    round_up(m * n.min(NARROW_VECTORS * kernels.lanes), CACHE_LINE / size_of::<T>())
}

/// Elements of scratch for a product C[m,n] with `k` terms, and for every smaller one.
pub(super) fn scratch_len<T>(
    kernels: &Kernels<T>,
    threads: usize,
    (m, n, k): (usize, usize, usize),
) -> usize {
    // The columns of a transposed product are m.
    let direct = direct_scratch_len(kernels, threads, n, k);
    let narrow = n.min(NARROW_VECTORS * kernels.lanes);
    let transposed =
        direct_scratch_len(kernels, threads, m, k) + transposed_len(kernels, m, narrow);
    direct.max(transposed)
}

/// The same for a product that is not transposed.
fn direct_scratch_len<T>(kernels: &Kernels<T>, threads: usize, n: usize, k: usize) -> usize {
    let b = (round_up(n, kernels.lanes) * k).min(PACKED_BYTES / size_of::<T>());
    b + threads * a_block_len::<T>(k) + CACHE_LINE / size_of::<T>()
}
