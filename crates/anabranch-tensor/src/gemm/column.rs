//! Products with one column, C[m,1] (+)= A[m,k]·B[k,1]: dot products with the rows of A.
//!
//! The micro-kernel would leave all but one lane of its vectors idle. Here the lanes run along k instead, so the order of
//! the sum is another one; but it too depends on k, and on its blocks, alone: there are [`LANES`] sums of every LANES-th
//! term whatever the vectors of the machine, which are folded in halves.

use std::ops::Range;

use super::blocking::Product;
use super::pack::Matrix;
use super::simd::Transpose;
use super::{Accum, Epilogue};
use crate::lanes::LANES;
use crate::scalar::Scalar;

/// Fewest terms: below, the micro-kernel is as fast.
const MIN_TERMS: usize = 2 * LANES;
/// Rows that one task works on.
const ROWS: usize = 512;

impl<T: Scalar> Product<'_, T> {
    /// Whether this is a product with one column whose operands lie right for dot products.
    #[inline]
    pub(super) fn is_column(&self) -> bool {
        self.n == 1 && self.a.col == 1 && self.b.row == 1 && self.kc.min(self.k) >= MIN_TERMS
    }

    /// Computes such a product.
    ///
    /// # Safety
    /// As [`run`](Self::run).
    pub(super) unsafe fn run_column<E: Epilogue<T>>(&self, parallel: bool, epilogue: &E) {
        let task = |task: usize| {
            // SAFETY: as the caller's; the tasks' rows are disjoint.
            unsafe { self.column_rows(task * ROWS..self.m.min((task + 1) * ROWS), epilogue) };
        };
        let n_tasks = self.m.div_ceil(ROWS);
        if parallel { self.exec.run(n_tasks, task) } else { (0..n_tasks).for_each(task) }
    }

    /// Computes some rows.
    ///
    /// # Safety
    /// As [`run`](Self::run), and the rows of C are this call's alone.
    unsafe fn column_rows<E: Epilogue<T>>(&self, rows: Range<usize>, epilogue: &E) {
        let Self { kernels, k, kc, .. } = *self;
        let (first, n_rows) = (rows.start, rows.len());
        // SAFETY: A has these rows with k elements each, B as many, and C as many as there are rows.
        unsafe {
            let c = self.c.add(first);
            for start in (0..k).step_by(kc) {
                let (a, b) = (self.a.at(first, start), self.b.at(start, 0).ptr);
                let add = self.accum == Accum::Add || start > 0;
                (kernels.dots)(a, b, (n_rows, kc.min(k - start)), c, add);
            }
            kernels.apply(epilogue, (first, 0), (n_rows, 1), c, 1);
        }
    }
}

/// The dot products of `b` and `rows` rows of `a`, `k` elements each, replace `c` or are added to it.
///
/// # Safety
/// The processor has V's instruction set, `L` is V's number of lanes, which divides [`LANES`]; the rows of `a` and `b` are
/// contiguous and readable, `c` is writable.
#[inline(always)]
pub(super) unsafe fn dots<V: Transpose<L>, const L: usize>(
    a: Matrix<V::Elem>,
    b: *const V::Elem,
    (rows, k): (usize, usize),
    c: *mut V::Elem,
    add: bool,
) {
    // SAFETY: reads at most k elements of each row and of b; writes `rows` elements of c.
    unsafe {
        for first in (0..rows).step_by(L) {
            let n = L.min(rows - first);
            let mut sums = [V::zero(); L];
            for (i, sum) in sums.iter_mut().enumerate().take(n) {
                *sum = lane_sums::<V, L>(a.at(first + i, 0).ptr, b, k);
            }
            // Column j of the block is what lane j of each row has.
            let start = sums.as_ptr().cast::<V::Elem>();
            let mut lanes = V::load_transposed(std::array::from_fn(|i| start.add(i * L)));
            let mut width = L / 2;
            while width > 0 {
                for i in 0..width {
                    lanes[i] = lanes[i].add(lanes[i + width]);
                }
                width /= 2;
            }
            let c = c.add(first);
            let sums = if add { V::load_first(c, n).add(lanes[0]) } else { lanes[0] };
            sums.store_first(c, n);
        }
    }
}

/// Σ a·b of every L-th term.
#[inline(always)]
unsafe fn lane_sums<V: Transpose<L>, const L: usize>(
    a: *const V::Elem,
    b: *const V::Elem,
    k: usize,
) -> V {
    // SAFETY: as the caller's.
    unsafe {
        let mut sums = [V::zero(); LANES];
        let mut l = 0;
        while l + LANES <= k {
            for v in 0..LANES / L {
                let at = l + v * L;
                sums[v] = V::load(a.add(at)).mul_add(V::load(b.add(at)), sums[v]);
            }
            l += LANES;
        }
        for v in 0..LANES / L {
            let at = l + v * L;
            if at < k {
                let n = L.min(k - at);
                sums[v] = V::load_first(a.add(at), n).mul_add(V::load_first(b.add(at), n), sums[v]);
            }
        }
        let mut width = LANES / L / 2;
        while width > 0 {
            for v in 0..width {
                sums[v] = sums[v].add(sums[v + width]);
            }
            width /= 2;
        }
        sums[0]
    }
}
