//! The rows that a linear model is fitted to.

use anabranch_tensor::rows::gather_rows;
use anabranch_tensor::{ArrayView2, Scalar, matrix};

/// Some rows of a matrix of inputs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inputs<'a, T> {
    /// `[rows, width]`.
    pub(super) x: &'a [T],
    pub(super) width: usize,
    /// Which of its rows, in this order.
    pub(super) row_idx: &'a [usize],
}

impl<T: Scalar> Inputs<'_, T> {
    /// Calls `read` with so many rows at a time, in order.
    pub(super) fn for_each_chunk(&self, n_rows: usize, mut read: impl FnMut(ArrayView2<'_, T>)) {
        let mut found = vec![T::ZERO; n_rows.min(self.row_idx.len()) * self.width];
        for row_idx in self.row_idx.chunks(n_rows) {
            let found = &mut found[..row_idx.len() * self.width];
            gather_rows(self.x, self.width, row_idx, found);
            read(matrix(found, row_idx.len(), self.width));
        }
    }
}
