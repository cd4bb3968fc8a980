//! The executor: which threads work, and how a loop is split between them. The only file that names rayon.
//!
//! A loop is split into tasks whose number and bounds are the caller's, from shapes and constants. The executor only
//! decides who runs a task, so no result depends on the number of threads.

use std::ops::Range;

use thiserror::Error;

use crate::simd::vectorized;

/// Elements that one task of an element-wise loop works on: enough to pay for a split, few enough to stay in the
/// level-one cache with a companion array. A constant, so that results do not depend on the machine.
const CHUNK_LEN: usize = 8192;

/// Why an executor could not be made.
#[derive(Debug, Error)]
pub enum ExecutorError {
    /// The thread pool could not start.
    #[error("could not start {threads} threads: {source}; try fewer (--threads 1 starts none)")]
    Pool {
        /// Threads asked for.
        threads: usize,
        /// What the thread pool said.
        source: rayon::ThreadPoolBuildError,
    },
    /// No thread at all, or more than an executor handles.
    #[error("the number of threads must be 1 to 1024, not {0}")]
    Threads(usize),
}

/// Runs tasks on a fixed number of threads, or on the calling thread alone.
#[derive(Debug)]
pub struct Executor {
    /// `None` when one thread does all the work.
    pool: Option<rayon::ThreadPool>,
    threads: usize,
}

impl Executor {
    /// An executor that works on the calling thread.
    pub const fn serial() -> Self {
        Self { pool: None, threads: 1 }
    }

    /// An executor with `threads` threads; one thread means the calling one.
    ///
    /// # Errors
    /// If `threads` is 0 or over 1024, or the threads cannot be started.
    pub fn new(threads: usize) -> Result<Self, ExecutorError> {
        if threads == 0 || threads > 1024 {
            return Err(ExecutorError::Threads(threads));
        }
        if threads == 1 {
            return Ok(Self::serial());
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("anabranch-{i}"))
            .build()
            .map_err(|source| ExecutorError::Pool { threads, source })?;
        Ok(Self { pool: Some(pool), threads })
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `f` on a thread of the executor.
    ///
    /// Entering costs microseconds and may allocate, a split inside costs a fraction of one: enter once per run.
    pub fn enter<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(f),
            None => f(),
        }
    }

    /// Index of the executor's thread that is running, below [`threads`](Self::threads); 0 outside.
    pub fn worker(&self) -> usize {
        self.pool.as_ref().and_then(rayon::ThreadPool::current_thread_index).unwrap_or(0)
    }

    /// Runs `task(0)` … `task(n_tasks − 1)`, in any order and possibly at once.
    ///
    /// Allocates nothing when called inside [`enter`](Self::enter).
    pub fn run(&self, n_tasks: usize, task: impl Fn(usize) + Sync) {
        if self.threads == 1 || n_tasks < 2 {
            (0..n_tasks).for_each(task);
        } else {
            self.enter_if_outside(|| split(0, n_tasks, &task));
        }
    }

    /// Cuts `n_rows` rows into chunks of `rows_per_chunk` and runs `f(rows, slices)` for each chunk, with its row
    /// numbers and its share of every array of `parts`.
    ///
    /// The loops in `f` are compiled for the machine's vector instructions, if `f` is a closure marked
    /// `#[inline(always)]`: inlined into a function that has these instructions, it gets them too.
    ///
    /// # Panics
    /// If an array's length does not fit the number of rows or chunks, or `rows_per_chunk` is 0.
    pub fn for_each_chunk<T: Send, const N: usize>(
        &self,
        n_rows: usize,
        rows_per_chunk: usize,
        parts: [Part<'_, T>; N],
        f: impl Fn(Range<usize>, [&mut [T]; N]) + Sync,
    ) {
        let n_chunks = n_rows.div_ceil(rows_per_chunk);
        for part in &parts {
            let (len, expected) = match part {
                Part::Rows(array, width) => (array.len(), n_rows * width),
                Part::Chunks(array, width) => (array.len(), n_chunks * width),
            };
            assert!(len == expected, "for_each_chunk: {len} elements instead of {expected}");
        }
        let chunks = Chunks { rows: 0..n_rows, rows_per_chunk, parts };
        if n_chunks <= 1 || self.threads == 1 {
            chunks.run(&f, Split::Loop);
        } else {
            self.enter_if_outside(|| chunks.run(&f, Split::Join));
        }
    }

    /// Runs `f` on this executor's threads, without the cost of entering where they already run it.
    fn enter_if_outside(&self, f: impl FnOnce() + Send) {
        match &self.pool {
            Some(pool) if pool.current_thread_index().is_none() => pool.install(f),
            _ => f(),
        }
    }
}

/// Rows of `width` elements that one task of an element-wise loop works on; depends on nothing but the width.
pub fn rows_per_chunk(width: usize) -> usize {
    (CHUNK_LEN / width.max(1)).max(1)
}

/// An array that [`Executor::for_each_chunk`] hands out in pieces.
#[derive(Debug)]
pub enum Part<'a, T> {
    /// An array with so many elements for each row.
    Rows(&'a mut [T], usize),
    /// An array with so many elements for each chunk, such as partial sums.
    Chunks(&'a mut [T], usize),
}

/// How the halves of a range are run.
#[derive(Clone, Copy)]
enum Split {
    /// One after the other, on this thread.
    Loop,
    /// Possibly at once, on two threads.
    Join,
}

/// A range of rows, and the parts of the arrays that belong to it.
struct Chunks<'a, T, const N: usize> {
    rows: Range<usize>,
    rows_per_chunk: usize,
    parts: [Part<'a, T>; N],
}

impl<T: Send, const N: usize> Chunks<'_, T, N> {
    /// Runs `f` on each chunk, halving the range at chunk bounds until one chunk is left.
    fn run(self, f: &(impl Fn(Range<usize>, [&mut [T]; N]) + Sync), split: Split) {
        let n_chunks = self.rows.len().div_ceil(self.rows_per_chunk);
        if n_chunks <= 1 {
            if n_chunks == 1 {
                let slices = self.parts.map(|part| match part {
                    Part::Rows(array, _) | Part::Chunks(array, _) => array,
                });
                vectorized(
                    #[inline(always)]
                    || f(self.rows, slices),
                );
            }
            return;
        }
        let (left, right) = self.halve(n_chunks / 2);
        match split {
            Split::Loop => {
                left.run(f, split);
                right.run(f, split);
            }
            Split::Join => {
                rayon::join(|| left.run(f, split), || right.run(f, split));
            }
        }
    }

    /// The first `n_chunks` chunks, and the others.
    fn halve(self, n_chunks: usize) -> (Self, Self) {
        let n_rows = n_chunks * self.rows_per_chunk;
        let mut left = std::array::from_fn(|_| Part::Rows(Default::default(), 0));
        let mut right = std::array::from_fn(|_| Part::Rows(Default::default(), 0));
        for (i, part) in self.parts.into_iter().enumerate() {
            (left[i], right[i]) = match part {
                Part::Rows(array, width) => {
                    let (l, r) = array.split_at_mut(n_rows * width);
                    (Part::Rows(l, width), Part::Rows(r, width))
                }
                Part::Chunks(array, width) => {
                    let (l, r) = array.split_at_mut(n_chunks * width);
                    (Part::Chunks(l, width), Part::Chunks(r, width))
                }
            };
        }
        let middle = self.rows.start + n_rows;
        let chunks = |rows, parts| Self { rows, rows_per_chunk: self.rows_per_chunk, parts };
        (chunks(self.rows.start..middle, left), chunks(middle..self.rows.end, right))
    }
}

/// Runs tasks `start..end`, halving the range until one task is left.
fn split(start: usize, end: usize, task: &(impl Fn(usize) + Sync)) {
    if end - start == 1 {
        task(start);
        return;
    }
    let middle = start + (end - start) / 2;
    rayon::join(|| split(start, middle, task), || split(middle, end, task));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_task_runs_once_inside_and_outside() {
        for threads in [1, 2, 3] {
            let exec = Executor::new(threads).unwrap();
            for n_tasks in [0, 1, 2, 7, 64] {
                let counts: Vec<AtomicUsize> = (0..n_tasks).map(|_| AtomicUsize::new(0)).collect();
                let count = |i: usize| {
                    assert!(exec.worker() < threads);
                    counts[i].fetch_add(1, Ordering::Relaxed);
                };
                exec.run(n_tasks, count);
                exec.enter(|| exec.run(n_tasks, count));
                assert!(
                    counts.iter().all(|c| c.load(Ordering::Relaxed) == 2),
                    "{threads} {n_tasks}"
                );
            }
        }
    }

    #[test]
    fn chunks_cover_every_row_of_every_array_once() {
        for threads in [1, 2, 3] {
            let exec = Executor::new(threads).unwrap();
            for (n_rows, rows_per_chunk) in [(0, 4), (1, 4), (4, 4), (9, 4), (33, 2)] {
                let mut a = vec![0usize; n_rows * 3];
                let mut b = vec![0usize; n_rows];
                let mut c = vec![0usize; n_rows.div_ceil(rows_per_chunk) * 2];
                let parts = [Part::Rows(&mut a, 3), Part::Rows(&mut b, 1), Part::Chunks(&mut c, 2)];
                exec.for_each_chunk(n_rows, rows_per_chunk, parts, |rows, [a, b, c]| {
                    assert!(rows.len() <= rows_per_chunk && rows.start % rows_per_chunk == 0);
                    assert_eq!(c, [0, 0]);
                    c[1] = rows.start / rows_per_chunk + 1;
                    for (i, row) in rows.enumerate() {
                        a[3 * i..3 * i + 3].iter_mut().for_each(|v| *v += row + 1);
                        b[i] += row + 1;
                    }
                });
                assert!(a.iter().enumerate().all(|(i, v)| *v == i / 3 + 1));
                assert!(b.iter().enumerate().all(|(i, v)| *v == i + 1));
                assert!(c.chunks(2).enumerate().all(|(i, v)| v == [0, i + 1]));
            }
        }
    }

    #[test]
    fn no_threads_is_an_error() {
        assert!(matches!(Executor::new(0), Err(ExecutorError::Threads(0))));
    }
}
