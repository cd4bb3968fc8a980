//! The rows of a data set that are worked on together.

use anabranch_data::Dataset;
use anabranch_tensor::{ArrayView2, Buffer, Scalar, matrix};

/// Some rows of a data set, next to each other.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    x: Buffer<T>,
    y: Buffer<T>,
    class: Vec<u32>,
    /// Columns of x and y.
    widths: [usize; 2],
    n_rows: usize,
}

impl<T: Scalar> Rows<T> {
    /// Memory for up to `max_rows` rows of `dataset`.
    pub(crate) fn new(dataset: &Dataset<T>, max_rows: usize) -> Self {
        Self {
            x: Buffer::zeros(max_rows * dataset.n_inputs),
            y: Buffer::zeros(max_rows * dataset.n_outputs),
            class: vec![0; max_rows],
            widths: [dataset.n_inputs, dataset.n_outputs],
            n_rows: 0,
        }
    }

    /// Copies the rows `row_idx` of `dataset` here.
    pub(crate) fn gather(&mut self, dataset: &Dataset<T>, row_idx: &[usize]) {
        let [n_inputs, n_outputs] = self.widths;
        let n_rows = row_idx.len();
        self.n_rows = n_rows;
        let (x, y) = (&mut self.x[..n_rows * n_inputs], &mut self.y[..n_rows * n_outputs]);
        dataset.gather(row_idx, x, y, &mut self.class[..n_rows]);
    }

    /// `[rows, inputs]`.
    pub(crate) fn x(&self) -> ArrayView2<'_, T> {
        let n_inputs = self.widths[0];
        matrix(&self.x[..self.n_rows * n_inputs], self.n_rows, n_inputs)
    }

    /// `[rows, outputs]`.
    pub(crate) fn y(&self) -> ArrayView2<'_, T> {
        let n_outputs = self.widths[1];
        matrix(&self.y[..self.n_rows * n_outputs], self.n_rows, n_outputs)
    }

    /// The class of each row.
    pub(crate) fn class(&self) -> &[u32] {
        &self.class[..self.n_rows]
    }
}
