//! Matrices that several threads work on at once, in shards of rows.

use std::marker::PhantomData;
use std::ops::Range;

use crate::buffer::{Buffer, CACHE_LINE};
use crate::scalar::Scalar;

/// Row-major matrices with the same number of rows in one block of memory, each starting at a cache
/// line.
///
/// [`Executor::for_each_shard`](crate::Executor::for_each_shard) hands out the same rows of all of
/// them.
#[derive(Debug)]
pub struct Arena<T> {
    memory: Buffer<T>,
    max_rows: usize,
    places: Vec<Place>,
}

/// Location of a matrix.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    width: usize,
}

impl Place {
    fn of_rows(self, rows: &Range<usize>) -> Range<usize> {
        self.start + rows.start * self.width..self.start + rows.end * self.width
    }
}

impl<T: Scalar> Arena<T> {
    /// Zero matrices of `max_rows` rows with these widths; fewer rows use the front of each.
    ///
    /// # Panics
    /// If the number of elements overflows.
    pub fn zeros(max_rows: usize, widths: impl IntoIterator<Item = usize>) -> Self {
        let line = CACHE_LINE / size_of::<T>();
        let mut len = 0;
        let mut places = Vec::new();
        for width in widths {
            places.push(Place { start: len, width });
            // The shards' pointers rely on this: no product of rows and width wraps around.
            let end = max_rows.checked_mul(width).and_then(|n| n.checked_next_multiple_of(line));
            len = end.and_then(|n| n.checked_add(len)).expect("an arena that can be counted");
        }
        Self { memory: Buffer::zeros(len), max_rows, places }
    }
}

impl<T> Arena<T> {
    /// Rows of each matrix.
    pub fn max_rows(&self) -> usize {
        self.max_rows
    }

    /// Columns of matrix `i`.
    ///
    /// # Panics
    /// If there is no such matrix.
    pub fn width(&self, i: usize) -> usize {
        self.places[i].width
    }

    /// A range of rows of matrix `i`.
    ///
    /// # Panics
    /// If the matrix or the rows do not exist.
    pub fn rows(&self, i: usize, rows: Range<usize>) -> &[T] {
        check_rows(&rows, self.max_rows);
        &self.memory[self.places[i].of_rows(&rows)]
    }

    /// Borrows the arena as a source of shards.
    pub(crate) fn shards(&mut self) -> Shards<'_, T> {
        Shards {
            memory: self.memory.as_mut_ptr(),
            max_rows: self.max_rows,
            places: &self.places,
            arena: PhantomData,
        }
    }
}

fn check_rows(rows: &Range<usize>, max_rows: usize) {
    assert!(rows.start <= rows.end && rows.end <= max_rows, "rows {rows:?} of {max_rows}");
}

/// A uniquely borrowed arena, to be split into shards.
pub(crate) struct Shards<'a, T> {
    memory: *mut T,
    max_rows: usize,
    places: &'a [Place],
    arena: PhantomData<&'a mut [T]>,
}

// SAFETY: threads only take disjoint rows, as if each were sent to its thread.
unsafe impl<T: Send> Sync for Shards<'_, T> {}

impl<'a, T> Shards<'a, T> {
    /// The rows `rows` of every matrix.
    ///
    /// # Safety
    /// Nobody else has or takes any of these rows while the shard lives.
    pub(crate) unsafe fn shard(&self, rows: Range<usize>) -> Shard<'a, T> {
        check_rows(&rows, self.max_rows);
        Shard { memory: self.memory, places: self.places, rows, arena: PhantomData }
    }
}

/// Some rows of every matrix of an arena.
#[derive(Debug)]
pub struct Shard<'a, T> {
    memory: *mut T,
    places: &'a [Place],
    rows: Range<usize>,
    arena: PhantomData<&'a mut [T]>,
}

impl<T> Shard<'_, T> {
    /// The range of these rows.
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// The shard's rows of matrix `i`.
    ///
    /// # Panics
    /// If there is no such matrix.
    pub fn matrix(&self, i: usize) -> &[T] {
        // SAFETY: the shard is borrowed, so nobody writes.
        unsafe { self.slice(i) }
    }

    /// The shard's rows of matrix `i`.
    ///
    /// # Panics
    /// If there is no such matrix.
    pub fn matrix_mut(&mut self, i: usize) -> &mut [T] {
        // SAFETY: the shard is borrowed uniquely.
        unsafe { self.slice(i) }
    }

    /// The shard's rows of two matrices at once.
    ///
    /// # Panics
    /// If a matrix does not exist, or both are the same.
    pub fn pair_mut(&mut self, [i, j]: [usize; 2]) -> [&mut [T]; 2] {
        assert!(i != j, "matrix {i} twice");
        // SAFETY: the shard is borrowed uniquely, and different matrices do not overlap.
        unsafe { [self.slice(i), self.slice(j)] }
    }

    /// # Safety
    /// Nobody else uses these rows of matrix `i` while the slice is used.
    unsafe fn slice<'s>(&self, i: usize) -> &'s mut [T] {
        let range = self.places[i].of_rows(&self.rows);
        // SAFETY: the arena's memory holds all rows of all matrices, and these belong to this shard
        // alone.
        unsafe { std::slice::from_raw_parts_mut(self.memory.add(range.start), range.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::{Executor, Part};

    #[test]
    fn shards_are_the_rows_of_every_matrix_once() {
        for threads in [1, 2, 3] {
            let exec = Executor::new(threads).unwrap();
            for (n_rows, rows_per_shard) in [(0usize, 4), (1, 4), (8, 4), (9, 4), (9, 9)] {
                let mut arena = Arena::<f32>::zeros(9, [3, 0, 1]);
                let n_shards = n_rows.div_ceil(rows_per_shard);
                let mut sums = vec![0.0; n_shards];
                exec.for_each_shard(
                    n_rows,
                    rows_per_shard,
                    [&mut arena],
                    [Part::Chunks(&mut sums, 1)],
                    |[mut shard], [sum]| {
                        let rows = shard.rows();
                        assert!(rows.start % rows_per_shard == 0 && rows.len() <= rows_per_shard);
                        assert!(shard.matrix(1).is_empty());
                        let [wide, narrow] = shard.pair_mut([0, 2]);
                        assert_eq!((wide.len(), narrow.len()), (3 * rows.len(), rows.len()));
                        for (i, row) in rows.enumerate() {
                            wide[3 * i..3 * i + 3].iter_mut().for_each(|v| *v += row as f32);
                            narrow[i] += 1.0;
                            sum[0] += 1.0;
                        }
                    },
                );
                let expected: Vec<f32> = (0..3 * n_rows).map(|i| (i / 3) as f32).collect();
                assert_eq!(arena.rows(0, 0..n_rows), expected);
                assert!(arena.rows(2, 0..n_rows).iter().all(|v| *v == 1.0));
                assert!(arena.rows(2, n_rows..9).iter().all(|v| *v == 0.0));
                assert_eq!(sums.iter().sum::<f32>(), n_rows as f32);
            }
        }
    }

    #[test]
    #[should_panic = "matrix 1 twice"]
    fn the_same_matrix_twice_is_refused() {
        let mut arena = Arena::<f32>::zeros(2, [1, 1]);
        // SAFETY: the only shard.
        let mut shard = unsafe { arena.shards().shard(0..2) };
        shard.pair_mut([1, 1]);
    }
}
