//! A plain row-major matrix: what the naive reference and the audit calculate with.

use std::ops::{Index, IndexMut};

/// A dense row-major matrix; a vector is a matrix of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix<T = f64> {
    rows: usize,
    cols: usize,
    data: Vec<T>,
}

impl<T> Matrix<T> {
    /// The matrix with these entries, row by row.
    ///
    /// # Panics
    /// When `data` does not hold `rows * cols` entries.
    pub fn new(rows: usize, cols: usize, data: Vec<T>) -> Self {
        assert_eq!(data.len(), rows * cols, "a {rows}×{cols} matrix from {} entries", data.len());
        Self { rows, cols, data }
    }

    /// The matrix whose entry (i, j) is `entry(i, j)`.
    pub fn from_fn(rows: usize, cols: usize, mut entry: impl FnMut(usize, usize) -> T) -> Self {
        let mut data = Vec::with_capacity(rows * cols);
        for i in 0..rows {
            for j in 0..cols {
                data.push(entry(i, j));
            }
        }
        Self { rows, cols, data }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// `[rows, columns]`.
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.cols]
    }

    /// The entries, row by row.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// The entries, row by row.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// Row `i`.
    ///
    /// # Panics
    /// When there is no row `i`.
    pub fn row(&self, i: usize) -> &[T] {
        &self.data[i * self.cols..(i + 1) * self.cols]
    }

    /// Applies `f` to every entry.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Matrix<U> {
        Matrix { rows: self.rows, cols: self.cols, data: self.data.iter().map(f).collect() }
    }
}

impl<T: Copy> Matrix<T> {
    /// A matrix with the same value everywhere.
    pub fn filled(rows: usize, cols: usize, value: T) -> Self {
        Self { rows, cols, data: vec![value; rows * cols] }
    }

    /// The transpose, `[cols, rows]`.
    pub fn transposed(&self) -> Self {
        Self::from_fn(self.cols, self.rows, |i, j| self[(j, i)])
    }

    /// Column `j` as a matrix `[rows, 1]`.
    ///
    /// # Panics
    /// When there is no column `j`.
    pub fn column(&self, j: usize) -> Self {
        Self::from_fn(self.rows, 1, |i, _| self[(i, j)])
    }
}

impl Matrix<f64> {
    /// Row vector `[1, cols]` of the sums over the rows.
    pub fn sum_over_rows(&self) -> Self {
        Self::from_fn(1, self.cols, |_, j| (0..self.rows).map(|i| self[(i, j)]).sum())
    }
}

impl<T> Index<(usize, usize)> for Matrix<T> {
    type Output = T;

    fn index(&self, (i, j): (usize, usize)) -> &T {
        debug_assert!(i < self.rows && j < self.cols);
        &self.data[i * self.cols + j]
    }
}

impl<T> IndexMut<(usize, usize)> for Matrix<T> {
    fn index_mut(&mut self, (i, j): (usize, usize)) -> &mut T {
        debug_assert!(i < self.rows && j < self.cols);
        &mut self.data[i * self.cols + j]
    }
}
