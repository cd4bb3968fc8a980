//! How a product is cut: sizes of blocks and tasks, and what is packed.
//!
//! The k-blocks, which are all that the bits of the result depend on, follow from k alone. The rest decides who works
//! when on which tile. It follows from the shape, the strides of B and constants; one thread alone takes all rows of C
//! as one task, so that it reads each block of B once.

use super::kernels::Kernels;
use super::pack::Matrix;
use crate::buffer::CACHE_LINE;

/// Longest k-block: a panel of A with 12 rows takes 12 KB (`f32`) or 24 KB of a first-level cache of 32 KB.
pub(super) const KC: usize = 256;
/// Most bytes of a row of C in a block: KC rows of B take 512 KB (`f32`) or less, half a second-level cache of 1 MB.
const NC_BYTES: usize = 2048;
/// Rows of A that are packed at once: a multiple of every micro-kernel's MR.
pub(super) const MC: usize = 48;
/// Rows of C in a task, most to least.
const TASK_ROWS: [usize; 3] = [2 * MC, MC, MC / 2];
/// Tasks to aim at: enough that a thread that lags delays the others by little.
const TASKS: usize = 16;
/// Fewest columns of C in a task that is made narrower to get more tasks.
const NC_MIN: usize = 128;
/// Most bytes of packed B, a part of the last-level cache that others leave; and fewest panels of it for which whole
/// columns are packed.
const PACKED_BYTES: usize = 2 << 20;
const PACKED_PANELS: usize = 16;
/// Fewest flops that are worth a second thread: half of them take ten microseconds or more. Measured: from a tenth on, a step
/// on 128 rows is a third slower, though a split costs half a microsecond, presumably because one core has to fetch what
/// the other wrote.
pub(super) const PARALLEL_FLOPS: usize = 4_000_000;
/// Columns of C from which A is packed.
const PACK_A_COLS: usize = 129;
/// Rows of C from which B is packed though its rows are contiguous.
const PACK_B_ROWS: usize = 48;
/// Most bytes from one contiguous row of A or B to the next for which it is read where it lies. Measured: up to here
/// packing costs more than it gains, by a tenth on products of width 128; at 4 KB, where all rows compete for the same
/// cache sets and each has a page of its own, products without packing are a quarter slower.
const NEAR_ROWS: usize = 2048;

/// `len` rounded up to a multiple of `unit`, a power of two (which spares small products a division).
pub(super) fn round_up(len: usize, unit: usize) -> usize {
    debug_assert!(unit.is_power_of_two());
    (len + unit - 1) & !(unit - 1)
}

/// How the rows of an operand lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// Contiguous, and close enough to each other to be read where they lie.
    Near,
    /// Contiguous, but far apart.
    Far,
    /// Not contiguous.
    Scattered,
}

impl Rows {
    /// Of a matrix `[n_rows, n_cols]`.
    pub(super) fn of<T>(matrix: &Matrix<T>, n_cols: usize) -> Self {
        match matrix.row.unsigned_abs() * size_of::<T>() {
            _ if matrix.col != 1 && n_cols > 1 => Self::Scattered,
            bytes if bytes <= NEAR_ROWS => Self::Near,
            _ => Self::Far,
        }
    }
}

/// The length of k-blocks that suits sums of `k` terms: as few as there can be, of the same length.
pub(super) fn kc(k: usize) -> usize {
    if k <= KC { k } else { k.div_ceil(k.div_ceil(KC)) }
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
    /// Columns of B that one phase works on, a multiple of NR or all.
    pub(super) phase_cols: usize,
    /// Whether a phase is split into tasks for the executor.
    pub(super) parallel: bool,
    /// Rows of C in a task.
    pub(super) mc: usize,
    /// Columns of C in a task, a multiple of NR.
    pub(super) nc: usize,
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
        (a, b): (Rows, Rows),
    ) -> Self {
        let (nr, size) = (kernels.nr(), size_of::<T>());

        let pack_b = b == Rows::Scattered || (b == Rows::Far && m >= PACK_B_ROWS);
        let (mut phase_rows, mut phase_cols) = (k, n);
        let most = PACKED_BYTES / size;
        if pack_b && round_up(n, nr) * k > most {
            // Whole columns, as many as fit; or a part of many columns.
            if k * PACKED_PANELS * nr > most {
                phase_rows = most / (PACKED_PANELS * nr) / kc * kc;
            }
            phase_cols = n.min(most / phase_rows / nr * nr);
        }

        let parallel = threads > 1 && 2 * m * n * k >= PARALLEL_FLOPS;
        let (mut mc, mut nc) = (m, NC_BYTES / size);
        if parallel {
            let tasks = |mc, nc| m.div_ceil(mc) * phase_cols.div_ceil(nc);
            let enough = TASK_ROWS.into_iter().find(|&mc| tasks(mc, nc) >= TASKS);
            mc = enough.unwrap_or(TASK_ROWS[2]);
            while tasks(mc, nc) < TASKS && nc > NC_MIN {
                nc /= 2;
            }
        }
        let pack_a = n >= PACK_A_COLS && a != Rows::Near;
        Self { kc, pack_b, phase_rows, phase_cols, parallel, mc, nc, pack_a }
    }
}

/// Distance of rows in a packed block of a row-major A: a cache line more than needed, so that they do not compete for
/// the same cache sets.
pub(super) fn a_row_stride<T>(kc: usize) -> usize {
    let line = CACHE_LINE / size_of::<T>();
    round_up(kc, line) + line
}

/// Distance of columns in a packed panel of a transposed A: whole vectors.
pub(super) fn a_col_stride<T>(kernels: &Kernels<T>) -> usize {
    round_up(kernels.mr(), kernels.lanes)
}

/// Elements of one thread's packed block of A, in either layout; whole cache lines.
pub(super) fn a_block_len<T>(kernels: &Kernels<T>, k: usize) -> usize {
    let kc = k.min(KC);
    let transposed = MC / kernels.mr() * a_col_stride(kernels) * kc;
    round_up(transposed.max(MC * a_row_stride::<T>(kc)), CACHE_LINE / size_of::<T>())
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
    let b = (round_up(n, kernels.nr()) * k).min(PACKED_BYTES / size_of::<T>());
    b + threads * a_block_len(kernels, k) + CACHE_LINE / size_of::<T>()
}
