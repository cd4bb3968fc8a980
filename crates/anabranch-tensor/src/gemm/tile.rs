//! The micro-kernel: one tile of C, kept in registers while k runs.
//!
//! ```text
//! for l in 0..k
//!     b = B[l, 0..N·LANES]                     N vectors
//!     for i in 0..R
//!         acc[i] += A[i, l] · b                A broadcast, N multiply-adds
//! C[0..R, ..] (+)= acc
//! ```
//!
//! R·N accumulators fill the register file: with 12·2 of AVX-512's 32 registers there are 24 independent chains for
//! multiply-adds of latency 4, and a step in k does 24 of them for 14 loads. A is read with any two strides, so it is
//! used where it lies, row-major or transposed; a row of B is contiguous, in a packed panel or where it lies.

use super::simd::Simd;
use crate::prefetch::{prefetch, prefetch_to_write};

/// Rows of B that are asked for ahead of their use: some 300 cycles, what a line of the third-level cache takes.
const AHEAD: isize = 24;

/// The operands of one tile.
pub(super) struct Tile<T> {
    /// Terms of each sum.
    pub(super) k: usize,
    /// `A[0, 0]`, `A[3, 0]`, `A[6, 0]` and `A[9, 0]` of the tile; not read beyond its rows. Four pointers, since the
    /// compiler would derive twelve rows from one by a chain of additions that takes as long as twelve multiply-adds.
    pub(super) a: [*const T; 4],
    /// Elements from a row of A to the next.
    pub(super) a_row: isize,
    /// Elements from a column of A to the next.
    pub(super) a_col: isize,
    /// `B[0, 0]` of the tile; its rows are contiguous.
    pub(super) b: *const T,
    /// Elements from a row of B to the next.
    pub(super) b_row: isize,
    /// `C[0, 0]` of the tile; its rows are contiguous.
    pub(super) c: *mut T,
    /// Elements from a row of C to the next.
    pub(super) c_row: usize,
    /// Columns: more than (N−1)·LANES, at most N·LANES.
    pub(super) cols: usize,
    /// Whether C is added to; otherwise it is not read.
    pub(super) add: bool,
}

/// Computes a tile of `R` rows and at most `N` vectors of columns.
///
/// # Safety
/// The processor has V's instruction set. A and B are readable, C writable and not otherwise accessed, as far as
/// `R`, `k` and `cols` reach.
#[inline(always)]
pub(super) unsafe fn tile<V: Simd, const R: usize, const N: usize>(t: &Tile<V::Elem>) {
    let last = t.cols - (N - 1) * V::LANES;
    // SAFETY: as the caller's.
    unsafe {
        if last == V::LANES {
            // The loop over k without masks: a masked load takes a multiply-add's place in a port.
            multiply::<V, R, N>(t, WholeVector);
        } else {
            multiply::<V, R, N>(t, FirstLanes(last));
        }
    }
}

/// How much of a tile's last vector of columns is there.
trait LastVector: Copy {
    /// The columns that are there, then zeros.
    unsafe fn load<V: Simd>(self, p: *const V::Elem) -> V;
    /// Writes the columns that are there.
    unsafe fn store<V: Simd>(self, v: V, p: *mut V::Elem);
}

#[derive(Clone, Copy)]
struct WholeVector;

impl LastVector for WholeVector {
    #[inline(always)]
    unsafe fn load<V: Simd>(self, p: *const V::Elem) -> V {
        // SAFETY: as the caller's.
        unsafe { V::load(p) }
    }
    #[inline(always)]
    unsafe fn store<V: Simd>(self, v: V, p: *mut V::Elem) {
        // SAFETY: as the caller's.
        unsafe { v.store(p) }
    }
}

#[derive(Clone, Copy)]
struct FirstLanes(usize);

impl LastVector for FirstLanes {
    #[inline(always)]
    unsafe fn load<V: Simd>(self, p: *const V::Elem) -> V {
        // SAFETY: as the caller's.
        unsafe { V::load_first(p, self.0) }
    }
    #[inline(always)]
    unsafe fn store<V: Simd>(self, v: V, p: *mut V::Elem) {
        // SAFETY: as the caller's.
        unsafe { v.store_first(p, self.0) }
    }
}

/// [`tile`] with the last vector of columns known to be whole or not.
#[inline(always)]
unsafe fn multiply<V: Simd, const R: usize, const N: usize>(
    t: &Tile<V::Elem>,
    last: impl LastVector,
) {
    // SAFETY: every access is to A[0..R, 0..k], B[0..k, 0..cols] or C[0..R, 0..cols]; pointers that step beyond
    // them are not read, hence `wrapping`.
    unsafe {
        for i in 0..R {
            prefetch_to_write(t.c.wrapping_add(i * t.c_row));
            if N > 1 {
                prefetch_to_write(t.c.wrapping_add(i * t.c_row + t.cols - 1));
            }
        }
        let mut acc = [[V::zero(); N]; R];
        let mut a = t.a;
        let mut b = t.b;
        for _ in 0..t.k {
            let ahead = b.wrapping_offset(AHEAD * t.b_row);
            prefetch(ahead);
            if N > 1 {
                prefetch(ahead.wrapping_add((N - 1) * V::LANES));
            }
            let mut row = [V::zero(); N];
            for j in 0..N - 1 {
                row[j] = V::load(b.add(j * V::LANES));
            }
            row[N - 1] = last.load(b.add((N - 1) * V::LANES));
            for i in 0..R {
                let x = V::splat(*a[i / 3].wrapping_offset((i % 3) as isize * t.a_row));
                for j in 0..N {
                    acc[i][j] = x.mul_add(row[j], acc[i][j]);
                }
            }
            a = a.map(|p| p.wrapping_offset(t.a_col));
            b = b.wrapping_offset(t.b_row);
        }
        for i in 0..R {
            let c = t.c.add(i * t.c_row);
            for j in 0..N - 1 {
                let p = c.add(j * V::LANES);
                let sum = if t.add { V::load(p).add(acc[i][j]) } else { acc[i][j] };
                sum.store(p);
            }
            let p = c.add((N - 1) * V::LANES);
            let sum = acc[i][N - 1];
            let sum = if t.add { last.load::<V>(p).add(sum) } else { sum };
            last.store(sum, p);
        }
    }
}
