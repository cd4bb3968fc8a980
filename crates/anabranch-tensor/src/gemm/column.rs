//! Products with one column, C[m,1] (+)= A[m,k]·B[k,1]: dot products with the rows of A.
//!
//! The micro-kernel would leave all but one lane of its vectors idle. Here the lanes run along k
//! instead (`along.rs`), so the order of the sum differs; but it too depends on k and its blocks
//! alone.

use std::ops::Range;

use super::blocking::Product;
use super::epilogue::Epilogue;
use super::pack::Matrix;
use crate::accum::Accum;
use crate::scalar::Scalar;

/// Rows that one task works on.
const ROWS: usize = 512;

impl<T: Scalar> Product<'_, T> {
    /// Whether this is a product with one column whose operands are laid out for dot products. The
    /// number of terms must not matter: a short last block has to be summed as it is alone.
    #[inline]
    pub(super) fn is_column(&self) -> bool {
        self.n == 1 && self.a.col == 1 && self.b.row == 1
    }

    /// Computes such a product.
    ///
    /// # Safety
    /// As [`run`](Self::run).
    pub(super) unsafe fn run_column<E: Epilogue<T>>(&self, parallel: bool, epilogue: &E) {
        let task = |task: usize| {
            // SAFETY: promised by the caller; the tasks' rows are disjoint.
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
        // SAFETY: A has these rows with k elements each, B as many, and C as many as there are
        // rows.
        unsafe {
            let c = self.c.add(first);
            for start in (0..k).step_by(kc) {
                // Every row of A with the one column of B.
                let b = Matrix { ptr: self.b.at(start, 0).ptr, row: 0, col: 1 };
                let a = self.a.at(first, start);
                let add = self.accum == Accum::Add || start > 0;
                (kernels.along_rows.dots)(a, b, (n_rows, kc.min(k - start)), c, add);
            }
            kernels.apply(epilogue, (first, 0), (n_rows, 1), c, 1);
        }
    }
}
