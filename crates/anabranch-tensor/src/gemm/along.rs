//! Kernels along rows: dot products, sums and maxima of many short rows.
//!
//! The lanes of a vector run along the row. There are [`LANES`] partial results, each of every
//! LANES-th element, whatever the machine's vectors; they are folded in halves, for a block of rows
//! at once, after a transpose. So the bits depend on the length of a row alone.

use std::hint::black_box;

use super::pack::Matrix;
use super::simd::Transpose;
use crate::lanes::LANES;

/// Rows whose sums take turns: a single one would wait for each of its multiply-adds.
const ROWS: usize = 4;

/// The dot products of `rows` rows of `a` and `b`, `k` elements each, overwrite `c` or are added to
/// it. The rows of `b` may all be one row, and its elements one vector of [`LANES`] elements: the
/// strides of rows or columns are then 0.
///
/// # Safety
/// The processor has V's instruction set, `L` is V's number of lanes, which divides [`LANES`]; the
/// rows of `a` and `b` are contiguous and readable, `c` is writable.
#[inline(always)]
pub(super) unsafe fn dots<V: Transpose<L>, const L: usize>(
    a: Matrix<V::Elem>,
    b: Matrix<V::Elem>,
    (rows, k): (usize, usize),
    c: *mut V::Elem,
    add: bool,
) {
    // SAFETY: reads at most k elements of each row; writes `rows` elements of c.
    unsafe {
        for first in (0..rows).step_by(L) {
            // If the compiler knew how few these are, it would unroll the loops over them and run
            // out of registers.
            let n = black_box(L.min(rows - first));
            let mut sums = [V::zero(); L];
            let (mut a, mut b) = (a.at(first, 0), b.at(first, 0));
            let mut i = 0;
            while i + ROWS <= n {
                let rows = lane_sums::<V, L, ROWS>(a, b, k);
                sums[i..i + ROWS].copy_from_slice(&rows);
                (a, b, i) = (a.at(ROWS, 0), b.at(ROWS, 0), i + ROWS);
            }
            while i < n {
                [sums[i]] = lane_sums::<V, L, 1>(a, b, k);
                (a, b, i) = (a.at(1, 0), b.at(1, 0), i + 1);
            }
            let sums = fold(sums, |a, b| a.add(b));
            let c = c.add(first);
            let sums = if add { V::load_first(c, n).add(sums) } else { sums };
            sums.store_first(c, n);
        }
    }
}

/// The largest elements of `rows` rows of `a`, each of `k` ≥ [`LANES`] elements, overwrite `c`. NaN
/// is ignored; −∞ if there is nothing else.
///
/// # Safety
/// As [`dots`].
#[inline(always)]
pub(super) unsafe fn maxima<V: Transpose<L>, const L: usize>(
    a: Matrix<V::Elem>,
    (rows, k): (usize, usize),
    least: V::Elem,
    c: *mut V::Elem,
) {
    // SAFETY: reads k elements of each row; writes `rows` elements of c.
    unsafe {
        for first in (0..rows).step_by(L) {
            let n = L.min(rows - first);
            let mut largest = [V::splat(least); L];
            for (i, largest) in largest.iter_mut().enumerate().take(n) {
                let row = a.at(first + i, 0).ptr;
                for l in (0..k - L).step_by(L) {
                    *largest = V::load(row.add(l)).max(*largest);
                }
                // The last vector overlaps the one before: some elements count twice.
                *largest = V::load(row.add(k - L)).max(*largest);
            }
            fold(largest, |a, b| a.max(b)).store_first(c.add(first), n);
        }
    }
}

/// Lane i of the result is vector i, folded in halves.
///
/// # Safety
/// The processor has V's instruction set.
#[inline(always)]
unsafe fn fold<V: Transpose<L>, const L: usize>(vectors: [V; L], f: impl Fn(V, V) -> V) -> V {
    let start = vectors.as_ptr().cast::<V::Elem>();
    // SAFETY: L vectors of L elements.
    let mut lanes = unsafe { V::load_transposed(std::array::from_fn(|i| start.add(i * L))) };
    let mut width = L / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = f(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// Σ a·b over every L-th element, for each of `R` rows.
///
/// # Safety
/// As [`dots`].
#[inline(always)]
unsafe fn lane_sums<V: Transpose<L>, const L: usize, const R: usize>(
    a: Matrix<V::Elem>,
    b: Matrix<V::Elem>,
    k: usize,
) -> [V; R] {
    // SAFETY: promised by the caller.
    unsafe {
        let mut sums = [[V::zero(); LANES]; R];
        let mut l = 0;
        while l + LANES <= k {
            for v in 0..LANES / L {
                for r in 0..R {
                    let (a, b) = (V::load(a.at(r, l + v * L).ptr), V::load(b.at(r, l + v * L).ptr));
                    sums[r][v] = a.mul_add(b, sums[r][v]);
                }
            }
            l += LANES;
        }
        for v in 0..LANES / L {
            let at = l + v * L;
            if at < k {
                let n = L.min(k - at);
                for r in 0..R {
                    let (a, b) = (a.at(r, at).ptr, b.at(r, at).ptr);
                    sums[r][v] = V::load_first(a, n).mul_add(V::load_first(b, n), sums[r][v]);
                }
            }
        }
        sums.map(|mut sums| {
            let mut width = LANES / L / 2;
            while width > 0 {
                for v in 0..width {
                    sums[v] = sums[v].add(sums[v + width]);
                }
                width /= 2;
            }
            sums[0]
        })
    }
}
