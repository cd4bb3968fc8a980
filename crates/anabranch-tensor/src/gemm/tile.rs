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
//! R·N accumulators fill the register file: 8·3 of AVX-512's 32 registers make 24 independent
//! chains for multiply-adds of latency 4, and a term takes 24 of them, 11 loads and little else:
//! where two threads share a core, the number of instructions is the limit. A is read in place if
//! its rows or its columns are contiguous; a row of B is contiguous, packed or in place.

use super::simd::Simd;
use crate::prefetch::{prefetch, prefetch_to_write};

/// How many rows of B ahead to prefetch: some 300 cycles, what a line from L3 takes.
const AHEAD: isize = 24;
/// Fewest terms for which C is prefetched: shorter sums are done as soon as C would arrive.
const PREFETCH_C_TERMS: usize = 64;

/// Fewest terms of a k-block in a product that may skip zeros. From here on a sum of −0 becomes 0,
/// since skipping loses the sign that multiplied zeros would give it.
pub(super) const SPARSE_TERMS: usize = 20;

/// Operands of some tiles in the same columns.
pub(super) struct Tile<T> {
    /// Tiles, one below the other.
    pub(super) tiles: usize,
    /// Terms of each sum.
    pub(super) k: usize,
    /// `A[0, 0]` of the first tile; not read beyond its rows.
    pub(super) a: *const T,
    /// Elements from a row of A to the next if rows are contiguous, else from a column to the next.
    pub(super) a_step: isize,
    /// `B[0, 0]` of the tile; its rows are contiguous.
    pub(super) b: *const T,
    /// Elements from a row of B to the next.
    pub(super) b_row: isize,
    /// `C[0, 0]` of the first tile; its rows are contiguous.
    pub(super) c: *mut T,
    /// Elements from a row of C to the next.
    pub(super) c_row: usize,
    /// Columns: more than (N−1)·LANES, at most N·LANES.
    pub(super) cols: usize,
    /// Whether C is added to; otherwise it is not read.
    pub(super) add: bool,
}

/// Layout of A in a tile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Contiguous {
    /// The terms of a row are contiguous.
    Rows,
    /// The rows of a term are contiguous.
    Columns,
}

/// Computes tiles of `R` rows and at most `N` vectors of columns, with rows of A contiguous if
/// `ROWS`, else columns.
///
/// # Safety
/// The processor has V's instruction set. A and B are readable, C writable and not otherwise
/// accessed, as far as `tiles`·`R`, `k` and `cols` reach.
#[inline(always)]
pub(super) unsafe fn tile<V: Simd, const R: usize, const N: usize, const ROWS: bool>(
    t: &Tile<V::Elem>,
) {
    let last = t.cols - (N - 1) * V::LANES;
    // SAFETY: promised by the caller.
    unsafe {
        if last == V::LANES {
            // Loop over k without masks: a masked load takes a multiply-add's place in a port.
            each::<V, _, R, N, ROWS>(t, WholeVector);
        } else {
            each::<V, _, R, N, ROWS>(t, FirstLanes(last));
        }
    }
}

/// [`tile`], specialised on whether the last vector of columns is whole.
#[inline(always)]
unsafe fn each<V: Simd, L: LastVector, const R: usize, const N: usize, const ROWS: bool>(
    t: &Tile<V::Elem>,
    last: L,
) {
    let a_next = if ROWS { R as isize * t.a_step } else { R as isize };
    let (mut a, mut c) = (t.a, t.c);
    for _ in 0..t.tiles {
        // SAFETY: promised by the caller.
        unsafe { multiply::<V, L, R, N, ROWS>(t, a, c, last) };
        a = a.wrapping_offset(a_next);
        c = c.wrapping_add(R * t.c_row);
    }
}

/// How much of a tile's last vector of columns exists.
trait LastVector: Copy {
    /// Whether all of it exists.
    const WHOLE: bool;
    /// The existing columns, then zeros.
    unsafe fn load<V: Simd>(self, p: *const V::Elem) -> V;
    /// Writes the existing columns.
    unsafe fn store<V: Simd>(self, v: V, p: *mut V::Elem);
}

#[derive(Clone, Copy)]
struct WholeVector;

impl LastVector for WholeVector {
    const WHOLE: bool = true;

    #[inline(always)]
    unsafe fn load<V: Simd>(self, p: *const V::Elem) -> V {
        // SAFETY: promised by the caller.
        unsafe { V::load(p) }
    }
    #[inline(always)]
    unsafe fn store<V: Simd>(self, v: V, p: *mut V::Elem) {
        // SAFETY: promised by the caller.
        unsafe { v.store(p) }
    }
}

#[derive(Clone, Copy)]
struct FirstLanes(usize);

impl LastVector for FirstLanes {
    const WHOLE: bool = false;

    #[inline(always)]
    unsafe fn load<V: Simd>(self, p: *const V::Elem) -> V {
        // SAFETY: promised by the caller.
        unsafe { V::load_first(p, self.0) }
    }
    #[inline(always)]
    unsafe fn store<V: Simd>(self, v: V, p: *mut V::Elem) {
        // SAFETY: promised by the caller.
        unsafe { v.store_first(p, self.0) }
    }
}

/// The tile of `t` whose A and C begin at `a` and `c`.
#[inline(always)]
unsafe fn multiply<V: Simd, L: LastVector, const R: usize, const N: usize, const ROWS: bool>(
    t: &Tile<V::Elem>,
    a: *const V::Elem,
    c: *mut V::Elem,
    last: L,
) {
    const { assert!(R <= 9, "three pointers reach nine rows") };
    // Terms per turn of the loop: only the largest tile, which takes most of the time, is worth the
    // code.
    let unroll = if R * N >= 24 && L::WHOLE { 2 } else { 1 };
    // SAFETY: every access is to A[0..R, 0..k], B[0..k, 0..cols] or C[0..R, 0..cols]; pointers that
    // step beyond them are not read, hence `wrapping`.
    unsafe {
        if t.k >= PREFETCH_C_TERMS {
            for i in 0..R {
                for j in 0..N {
                    prefetch_to_write(c.wrapping_add(i * t.c_row + j * V::LANES));
                }
            }
        }
        let mut acc = [[V::zero(); N]; R];
        // Pointers to rows 0, 3 and 6, if rows are contiguous.
        let group = if ROWS { 3 * t.a_step } else { 0 };
        let mut a = [a, a.wrapping_offset(group), a.wrapping_offset(2 * group)];
        let mut b = t.b;
        let to_next = if ROWS { 1 } else { t.a_step };
        for _ in 0..t.k / unroll {
            for u in 0..unroll {
                let a = each_by(a, u as isize * to_next);
                term::<V, R, N, ROWS>(t, a, b, last, &mut acc);
                b = b.wrapping_offset(t.b_row);
            }
            a = each_by(a, unroll as isize * to_next);
        }
        for _ in 0..t.k % unroll {
            term::<V, R, N, ROWS>(t, a, b, last, &mut acc);
            a = each_by(a, to_next);
            b = b.wrapping_offset(t.b_row);
        }
        if t.k >= SPARSE_TERMS {
            for i in 0..R {
                for j in 0..N {
                    acc[i][j] = acc[i][j].add(V::zero());
                }
            }
        }
        for i in 0..R {
            let c = c.add(i * t.c_row);
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

/// Three pointers, each `by` elements on. `[_; 3]::map` would be compiled anew for each of some
/// hundred kernels, a third of what this crate takes to build.
#[inline(always)]
fn each_by<T>(p: [*const T; 3], by: isize) -> [*const T; 3] {
    [p[0].wrapping_offset(by), p[1].wrapping_offset(by), p[2].wrapping_offset(by)]
}

/// Adds a term to a tile's sums: the row of B at `b` times the elements of A at `a`, which points
/// to rows 0, 3 and 6 if rows are contiguous, else to row 0.
#[inline(always)]
unsafe fn term<V: Simd, const R: usize, const N: usize, const ROWS: bool>(
    t: &Tile<V::Elem>,
    a: [*const V::Elem; 3],
    b: *const V::Elem,
    last: impl LastVector,
    acc: &mut [[V; N]; R],
) {
    // SAFETY: promised by the caller.
    unsafe {
        let mut row = [V::zero(); N];
        for j in 0..N {
            prefetch(b.wrapping_offset(AHEAD * t.b_row).wrapping_add(j * V::LANES));
            let p = b.add(j * V::LANES);
            row[j] = if j + 1 < N { V::load(p) } else { last.load(p) };
        }
        let step = opaque(t.a_step * size_of::<V::Elem>() as isize);
        for i in 0..R {
            let p = if ROWS {
                a[i / 3].wrapping_byte_offset((i % 3) as isize * step)
            } else {
                a[0].wrapping_add(i)
            };
            let x = V::splat(*p);
            for j in 0..N {
                acc[i][j] = x.mul_add(row[j], acc[i][j]);
            }
        }
    }
}

/// `x`, hidden from the compiler: it then derives the rows of A from one pointer and this step with
/// addressing modes, instead of keeping a pointer to each row in registers it does not have.
#[inline(always)]
fn opaque(x: isize) -> isize {
    #[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
    {
        let mut x = x;
        // SAFETY: no instruction.
        unsafe {
            std::arch::asm!("/* {0} */", inout(reg) x, options(pure, nomem, nostack, preserves_flags));
        }
        x
    }
    #[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
    x
}
