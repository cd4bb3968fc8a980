//! The executor: which threads work, and how a loop is split between them. The only file that names rayon.
//!
//! A loop is split into tasks whose number and bounds are the caller's, from shapes and constants. The executor only
//! decides who runs a task, so no result depends on the number of threads.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use thiserror::Error;

use crate::arena::{Arena, Shard};
use crate::lanes::LANES;
use crate::scalar::Scalar;
use crate::simd::vectorized;
use crate::team::Team;

/// Elements that one task of an element-wise loop works on: enough to pay for a split, few enough to stay in the
/// level-one cache with a companion array. A constant, so that results do not depend on the machine.
const CHUNK_LEN: usize = 8192;

/// Fewest chunks of an element-wise loop that are worth a second thread: some ten microseconds of work. Measured: from two
/// chunks on, a step on 128 rows is a third slower, presumably because one core has to fetch what the other wrote.
const PARALLEL_CHUNKS: usize = 8;

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
    pool: Option<Pool>,
    threads: usize,
}

/// rayon's threads, as a team while the executor is entered.
#[derive(Debug)]
struct Pool {
    threads: rayon::ThreadPool,
    team: Team,
    /// Held while the executor is entered: the threads serve one program at a time.
    entered: Mutex<()>,
}

/// Sends the team home, also when its leader's program panics.
struct Ending<'a>(&'a Team);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
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
        let pool_threads = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("anabranch-{i}"))
            .build()
            .map_err(|source| ExecutorError::Pool { threads, source })?;
        let team = Team::new(threads);
        Ok(Self {
            pool: Some(Pool { threads: pool_threads, team, entered: Mutex::new(()) }),
            threads,
        })
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `f` on a thread of the executor, whose other threads stand by for the tasks that `f` splits its work into.
    ///
    /// Entering costs some ten microseconds and may allocate, a split inside costs a fraction of one: enter once per
    /// run. Programs that enter at the same time take turns, so `f` must not wait for another one; inside the executor, `f`
    /// simply runs.
    pub fn enter<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        let Some(Pool { threads, team, entered }) = &self.pool else { return f() };
        if threads.current_thread_index().is_some() {
            return f();
        }
        let _entered = entered.lock().unwrap_or_else(PoisonError::into_inner);
        team.begin();
        let program = Mutex::new(Some(f));
        let mut results = threads.broadcast(|thread| {
            if thread.index() > 0 {
                team.follow(thread.index());
                return None;
            }
            let _ending = Ending(team);
            let program = program.lock().unwrap_or_else(PoisonError::into_inner).take();
            program.map(|f| f())
        });
        let result = results.swap_remove(0);
        result.expect("the first thread runs the program, which is there")
    }

    /// Index of the executor's thread that is running, below [`threads`](Self::threads); 0 outside.
    pub fn worker(&self) -> usize {
        self.pool.as_ref().and_then(|pool| pool.threads.current_thread_index()).unwrap_or(0)
    }

    /// Runs `task(0)` … `task(n_tasks − 1)`, in any order and possibly at once.
    ///
    /// Allocates nothing when called inside [`enter`](Self::enter).
    pub fn run(&self, n_tasks: usize, task: impl Fn(usize) + Sync) {
        // Behind a reference without a type parameter: the code around a task is compiled once, not for every task.
        self.run_dyn(n_tasks, 2, &task);
    }

    /// Runs the tasks on this thread, or on all from `parallel_from` tasks on.
    fn run_dyn(&self, n_tasks: usize, parallel_from: usize, task: &(dyn Fn(usize) + Sync)) {
        match &self.pool {
            Some(Pool { team, .. }) if n_tasks >= parallel_from => {
                self.enter(|| team.run(n_tasks, task));
            }
            _ => (0..n_tasks).for_each(task),
        }
    }

    /// Cuts `n_rows` rows into chunks of `rows_per_chunk` and runs `f(rows, slices)` for each chunk, with its row
    /// numbers and its share of every array of `parts`. Few chunks are all run by the calling thread.
    ///
    /// The loops in `f` are compiled for the machine's vector instructions, if `f` is a closure marked
    /// `#[inline(always)]`: inlined into a function that has these instructions, it gets them too.
    ///
    /// # Panics
    /// If an array's length does not fit the number of rows or chunks, or `rows_per_chunk` is 0.
    pub fn for_each_chunk<P: Parts>(
        &self,
        n_rows: usize,
        rows_per_chunk: usize,
        parts: P,
        f: impl Fn(Range<usize>, P::Slices) + Sync,
    ) {
        // The chunks are the same on one thread or many, so the gate changes no result.
        self.for_each_of(PARALLEL_CHUNKS, (n_rows, rows_per_chunk), parts, vectorized_chunk(f));
    }

    /// [`for_each_chunk`](Self::for_each_chunk) on all threads from two chunks on: for chunks that the caller knows to be
    /// worth a thread each.
    ///
    /// # Panics
    /// As `for_each_chunk`.
    pub fn for_each_large_chunk<P: Parts>(
        &self,
        n_rows: usize,
        rows_per_chunk: usize,
        parts: P,
        f: impl Fn(Range<usize>, P::Slices) + Sync,
    ) {
        self.for_each_of(2, (n_rows, rows_per_chunk), parts, vectorized_chunk(f));
    }

    /// Cuts `n_rows` rows into shards of `rows_per_shard` and runs `f(shard, slices)` for each, on all threads from two
    /// shards on: with its rows of every matrix of `arenas`, and its share of every array of `parts`.
    ///
    /// # Panics
    /// If an arena has fewer rows, an array's length does not fit, or `rows_per_shard` is 0.
    pub fn for_each_shard<T: Scalar, P: Parts, const N: usize>(
        &self,
        (n_rows, rows_per_shard): (usize, usize),
        arenas: [&mut Arena<T>; N],
        parts: P,
        f: impl Fn([Shard<'_, T>; N], P::Slices) + Sync,
    ) {
        let arenas = arenas.map(Arena::shards);
        self.for_each_of(2, (n_rows, rows_per_shard), parts, move |rows, slices| {
            // SAFETY: each task has other rows, and the arenas stay borrowed until all tasks have ended.
            let shards = arenas.each_ref().map(|arena| unsafe { arena.shard(rows.clone()) });
            f(shards, slices);
        });
    }

    /// The tasks of the methods above, on all threads from `parallel_from` tasks on.
    fn for_each_of<P: Parts>(
        &self,
        parallel_from: usize,
        (n_rows, rows_per_chunk): (usize, usize),
        parts: P,
        f: impl Fn(Range<usize>, P::Slices) + Sync,
    ) {
        let n_chunks = n_rows.div_ceil(rows_per_chunk);
        let pieces = parts.cut(n_rows, n_chunks, rows_per_chunk);
        // All that a task needs is in the closure itself: another core fetches it at once, not reference by reference.
        let run_chunk = move |chunk: usize| {
            let start = chunk * rows_per_chunk;
            let rows = start..n_rows.min(start + rows_per_chunk);
            // SAFETY: the tasks have different chunk numbers, each below the number of chunks.
            let slices = unsafe { P::of_chunk(&pieces, chunk) };
            f(rows, slices);
        };
        self.run_dyn(n_chunks, parallel_from, &run_chunk);
    }
}

/// `f`, compiled for the machine's vector instructions.
#[inline(always)]
fn vectorized_chunk<S>(f: impl Fn(Range<usize>, S) + Sync) -> impl Fn(Range<usize>, S) + Sync {
    #[inline(always)]
    move |rows, slices| {
        vectorized(
            #[inline(always)]
            || f(rows, slices),
        );
    }
}

/// Rows of `width` elements that one task of an element-wise loop works on; depends on nothing but the width.
pub fn rows_per_chunk(width: usize) -> usize {
    (CHUNK_LEN / width.max(1)).max(1)
}

/// Length of chunks of at most `most` elements, whole vectors, that cut `len` elements evenly for two threads: in every step
/// each works on the same chunks then, which stay in its cache.
pub fn even_chunk_len(len: usize, most: usize) -> usize {
    let pairs = len.div_ceil(2 * most).max(1);
    len.div_ceil(2 * pairs).max(1).next_multiple_of(LANES)
}

/// An array that [`Executor::for_each_chunk`] hands out in pieces.
#[derive(Debug)]
pub enum Part<'a, T> {
    /// An array with so many elements for each row.
    Rows(&'a mut [T], usize),
    /// An array with so many elements for each chunk, such as partial sums.
    Chunks(&'a mut [T], usize),
}

/// What [`Executor::for_each_chunk`] hands out in pieces: arrays of [`Part`]s, or two of these whose numbers have different
/// types.
pub trait Parts: sealed::Cut {}

impl<T: Send, const N: usize> Parts for [Part<'_, T>; N] {}
impl<P: Parts, Q: Parts> Parts for (P, Q) {}

/// A uniquely borrowed array, cut into a piece for each chunk.
#[derive(Debug)]
pub struct Pieces<T> {
    start: *mut T,
    len: usize,
    per_chunk: usize,
}

// SAFETY: threads only take different pieces, which is as if each were sent to its thread.
unsafe impl<T: Send> Sync for Pieces<T> {}

mod sealed {
    use super::{Part, Pieces};

    /// How parts are cut: for the executor alone.
    pub trait Cut {
        /// The parts, cut.
        type Pieces: Sync;
        /// What one chunk gets.
        type Slices;

        fn cut(self, n_rows: usize, n_chunks: usize, rows_per_chunk: usize) -> Self::Pieces;

        /// The pieces of a chunk; those of the last one may be shorter.
        ///
        /// # Safety
        /// Nobody else has or takes this chunk's pieces.
        unsafe fn of_chunk(pieces: &Self::Pieces, chunk: usize) -> Self::Slices;
    }

    impl<'a, T: Send, const N: usize> Cut for [Part<'a, T>; N] {
        type Pieces = [Pieces<T>; N];
        type Slices = [&'a mut [T]; N];

        #[inline(always)]
        fn cut(self, n_rows: usize, n_chunks: usize, rows_per_chunk: usize) -> Self::Pieces {
            self.map(|part| {
                let (array, expected, per_chunk) = match part {
                    Part::Rows(array, width) => (array, n_rows * width, rows_per_chunk * width),
                    Part::Chunks(array, width) => (array, n_chunks * width, width),
                };
                let len = array.len();
                assert!(len == expected, "for_each_chunk: {len} elements instead of {expected}");
                Pieces { start: array.as_mut_ptr(), len, per_chunk }
            })
        }

        #[inline(always)]
        unsafe fn of_chunk(pieces: &Self::Pieces, chunk: usize) -> Self::Slices {
            pieces.each_ref().map(|Pieces { start, len, per_chunk }| {
                let first = (chunk * per_chunk).min(*len);
                let len = *per_chunk.min(&(len - first));
                // SAFETY: first + len is at most the length of the array, which is borrowed for 'a; pieces of different
                // chunks do not overlap.
                unsafe { std::slice::from_raw_parts_mut(start.add(first), len) }
            })
        }
    }

    impl<P: Cut, Q: Cut> Cut for (P, Q) {
        type Pieces = (P::Pieces, Q::Pieces);
        type Slices = (P::Slices, Q::Slices);

        #[inline(always)]
        fn cut(self, n_rows: usize, n_chunks: usize, rows_per_chunk: usize) -> Self::Pieces {
            let (p, q) = self;
            (p.cut(n_rows, n_chunks, rows_per_chunk), q.cut(n_rows, n_chunks, rows_per_chunk))
        }

        #[inline(always)]
        unsafe fn of_chunk((p, q): &Self::Pieces, chunk: usize) -> Self::Slices {
            // SAFETY: as the caller's.
            unsafe { (P::of_chunk(p, chunk), Q::of_chunk(q, chunk)) }
        }
    }
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
    fn chunks_are_even() {
        for (len, most, expected) in
            [(0, 64, 16), (1, 64, 16), (100, 64, 64), (4806, 1024, 816), (1 << 20, 1024, 1024)]
        {
            assert_eq!(even_chunk_len(len, most), expected, "{len}");
        }
    }

    #[test]
    fn no_threads_is_an_error() {
        assert!(matches!(Executor::new(0), Err(ExecutorError::Threads(0))));
    }
}
