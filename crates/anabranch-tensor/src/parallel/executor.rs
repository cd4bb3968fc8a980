//! The executor: which threads work, and how a loop is split between them.
//!
//! The caller splits a loop into tasks, by shapes and constants. The executor only decides which
//! thread runs a task, so no result depends on the number of threads.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::thread;

use thiserror::Error;

use super::arena::{Arena, Shard};
use super::parts::Parts;
use super::workers::Workers;
use crate::lanes::LANES;
use crate::scalar::Scalar;
use crate::simd::vectorized;

/// Elements per task of an element-wise loop: enough to pay for a split, few enough to stay in L1
/// with a companion array. A constant, so that results do not depend on the machine.
const CHUNK_LEN: usize = 8192;

/// Fewest chunks of an element-wise loop that are worth a second thread: some ten microseconds of
/// work. Measured: splitting from two chunks on makes a step on 128 rows a third slower, presumably
/// because one core has to fetch what the other wrote.
const PARALLEL_CHUNKS: usize = 8;

/// Most threads started per core: beyond one per core, they only wait for each other.
const THREADS_PER_CORE: usize = 4;

/// Why an executor could not be created.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExecutorError {
    /// The operating system did not start the threads.
    #[error("could not start {threads} threads: {reason}; try fewer (--threads 1 starts none)")]
    Start {
        /// Threads to start.
        threads: usize,
        /// The system's reason.
        reason: String,
    },
    /// Too few or too many threads.
    #[error("the number of threads must be 1 to 1024, not {0}")]
    Threads(usize),
}

/// Runs tasks on a fixed number of threads, or on the calling thread alone.
///
/// It may be shared, and used from any thread, including threads of other rayon pools: the workers
/// serve one caller at a time, and a caller that finds them busy does the work alone, to the same
/// bits. A task must not wait for another task, nor for all threads of the pool it runs in, as
/// `rayon::broadcast` does.
///
/// Threads do not survive a `fork`: create a new executor in the child process.
#[derive(Debug)]
pub struct Executor {
    /// `None` if one thread does all the work.
    pool: Option<Pool>,
}

/// rayon's threads, which are workers while the executor is entered.
#[derive(Debug)]
struct Pool {
    threads: rayon::ThreadPool,
    workers: Workers,
}

/// [`Executor::serial`]: results do not depend on the number of threads.
impl Default for Executor {
    fn default() -> Self {
        Self::serial()
    }
}

impl Executor {
    /// An executor that runs everything on the calling thread.
    pub const fn serial() -> Self {
        Self { pool: None }
    }

    /// An executor with `threads` threads: the calling one, and workers. At most four threads per
    /// core are started, as more would only wait for each other.
    ///
    /// # Errors
    /// If `threads` is 0 or over 1024, or the workers cannot be started.
    pub fn new(threads: usize) -> Result<Self, ExecutorError> {
        if threads == 0 || threads > 1024 {
            return Err(ExecutorError::Threads(threads));
        }
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.min(THREADS_PER_CORE * cores);
        if threads == 1 {
            return Ok(Self::serial());
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads - 1)
            .thread_name(|i| format!("anabranch-{}", i + 1))
            .build()
            .map_err(|error| ExecutorError::Start { threads, reason: error.to_string() })?;
        Ok(Self { pool: Some(Pool { threads: pool, workers: Workers::new(threads, cores) }) })
    }

    /// The number of threads, including the calling one.
    pub fn threads(&self) -> usize {
        self.pool.as_ref().map_or(1, |pool| pool.workers.threads())
    }

    /// Runs `f` on this thread, while the workers stand by for tasks that `f` splits off.
    ///
    /// Entering costs some ten microseconds and may allocate, a split inside costs a fraction of
    /// one: enter once per run. If the workers already serve another thread, or this one, `f`
    /// simply runs; in the first case all of its tasks run on this thread.
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        let Some(Pool { threads, workers }) = &self.pool else { return f() };
        let Some(_turn) = workers.take_turn() else { return f() };
        // The scope ends when all workers have left.
        threads.in_place_scope(|scope| {
            let _stay = workers.stay();
            scope.spawn_broadcast(|_, thread| workers.work(thread.index() + 1));
            f()
        })
    }

    /// Index of the running thread, below [`threads`](Self::threads): 0 for the caller, from 1 on
    /// for workers.
    pub fn worker(&self) -> usize {
        let worker = self.pool.as_ref().and_then(|pool| pool.threads.current_thread_index());
        worker.map_or(0, |index| index + 1)
    }

    /// Runs `task(0)` … `task(n_tasks − 1)`, in any order and possibly concurrently.
    ///
    /// Allocates nothing when called inside [`enter`](Self::enter).
    pub fn run(&self, n_tasks: usize, task: impl Fn(usize) + Sync) {
        // Type-erased: the code around a task is compiled once, not for every task.
        self.run_dyn(n_tasks, 2, &task);
    }

    /// [`run`](Self::run), with what each task makes, in their order.
    pub fn map<R: Send>(&self, n_tasks: usize, task: impl Fn(usize) -> R + Sync) -> Vec<R> {
        let slots: Vec<Mutex<Option<R>>> = (0..n_tasks).map(|_| Mutex::new(None)).collect();
        // Nothing panics while a slot is locked.
        self.run(n_tasks, |i| {
            let made = task(i);
            *slots[i].lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
        });
        let made = slots.into_iter().map(|slot| slot.into_inner());
        made.map(|made| made.unwrap_or_else(PoisonError::into_inner).expect("every task ran"))
            .collect()
    }

    /// Runs the tasks on this thread, or on all threads if there are at least `parallel_from`.
    fn run_dyn(&self, n_tasks: usize, parallel_from: usize, task: &(dyn Fn(usize) + Sync)) {
        match &self.pool {
            Some(Pool { workers, .. }) if n_tasks >= parallel_from => {
                self.enter(|| workers.run(n_tasks, task));
            }
            _ => (0..n_tasks).for_each(task),
        }
    }

    /// Splits `n_rows` rows into chunks of `rows_per_chunk` and runs `f(rows, slices)` for each
    /// chunk, with its range of rows and its share of every array of `parts`. A few chunks all run
    /// on the calling thread.
    ///
    /// If `f` is a closure marked `#[inline(always)]`, its loops are compiled for the machine's
    /// vector instructions: it is inlined into a function that enables them.
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

    /// [`for_each_chunk`](Self::for_each_chunk) over the rows of matrices `[n_rows, width]`, as
    /// many at a time as suit an element-wise loop: `f` gets the range of their elements. The
    /// chunks depend on the shape alone.
    ///
    /// # Panics
    /// As `for_each_chunk`.
    pub fn for_each_span<P: Parts>(
        &self,
        (n_rows, width): (usize, usize),
        parts: P,
        f: impl Fn(Range<usize>, P::Slices) + Sync,
    ) {
        self.for_each_chunk(
            n_rows,
            rows_per_chunk(width),
            parts,
            #[inline(always)]
            move |rows, slices| f(rows.start * width..rows.end * width, slices),
        );
    }

    /// [`for_each_chunk`](Self::for_each_chunk) on all threads from two chunks on: for chunks known
    /// to be worth a thread each.
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

    /// Splits `n_rows` rows into shards of `rows_per_shard` and runs `f(shard, slices)` for each,
    /// on all threads from two shards on, with its rows of every matrix of `arenas` and its share
    /// of every array of `parts`.
    ///
    /// # Panics
    /// If an arena has fewer rows, an array's length does not fit, or `rows_per_shard` is 0.
    pub fn for_each_shard<T: Scalar, P: Parts, const N: usize>(
        &self,
        n_rows: usize,
        rows_per_shard: usize,
        arenas: [&mut Arena<T>; N],
        parts: P,
        f: impl Fn([Shard<'_, T>; N], P::Slices) + Sync,
    ) {
        let arenas = arenas.map(Arena::shards);
        self.for_each_of(2, (n_rows, rows_per_shard), parts, move |rows, slices| {
            // SAFETY: tasks have disjoint rows, and the arenas stay borrowed until all tasks have
            // ended.
            let shards = arenas.each_ref().map(|arena| unsafe { arena.shard(rows.clone()) });
            f(shards, slices);
        });
    }

    /// The tasks of the methods above, on all threads if there are at least `parallel_from`.
    fn for_each_of<P: Parts>(
        &self,
        parallel_from: usize,
        (n_rows, rows_per_chunk): (usize, usize),
        parts: P,
        f: impl Fn(Range<usize>, P::Slices) + Sync,
    ) {
        assert!(rows_per_chunk > 0, "rows must be cut into chunks of at least one");
        let rows_per_chunk = rows_per_chunk.min(n_rows.max(1));
        let n_chunks = n_rows.div_ceil(rows_per_chunk);
        let pieces = parts.cut(n_rows, n_chunks, rows_per_chunk);
        // The closure itself holds all that a task needs: another core fetches it at once, not
        // reference by reference.
        let run_chunk = move |chunk: usize| {
            let start = chunk * rows_per_chunk;
            let rows = start..n_rows.min(start + rows_per_chunk);
            // SAFETY: each task has its own chunk number, below the number of chunks.
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

/// Rows of `width` elements per task of an element-wise loop; depends on the width alone.
pub fn rows_per_chunk(width: usize) -> usize {
    (CHUNK_LEN / width.max(1)).max(1)
}

/// Length of chunks of at most `most` elements, in whole vectors, that split `len` elements evenly
/// between two threads: in every step each then works on the same chunks, which stay in its cache.
pub fn even_chunk_len(len: usize, most: usize) -> usize {
    let pairs = len.div_ceil(2 * most).max(1);
    len.div_ceil(2 * pairs).max(1).next_multiple_of(LANES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::Part;
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
    fn what_tasks_make_is_in_their_order() {
        for threads in [1, 2, 3] {
            let exec = Executor::new(threads).unwrap();
            for n_tasks in [0, 1, 2, 64] {
                let made = exec.map(n_tasks, |i| format!("{i}"));
                assert!(made.iter().enumerate().all(|(i, text)| *text == i.to_string()));
                assert_eq!(made.len(), n_tasks);
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
    fn numbers_of_threads_are_checked() {
        for threads in [0, 1025] {
            assert!(
                matches!(Executor::new(threads), Err(ExecutorError::Threads(n)) if n == threads)
            );
        }
        let cores = thread::available_parallelism().unwrap().get();
        assert_eq!(Executor::new(1024).unwrap().threads(), 1024.min(4 * cores));
    }

    /// (2⁶³ + 1)·4 wraps around to 4.
    #[test]
    #[should_panic = "4 elements instead of 4 times 9223372036854775809"]
    fn widths_whose_product_wraps_around_are_refused() {
        let mut data = [0u8; 4];
        Executor::serial().for_each_chunk(4, 1, [Part::Rows(&mut data, (1 << 63) + 1)], |_, _| {});
    }

    #[test]
    fn chunks_may_be_longer_than_all_rows() {
        let mut data = [0u8; 6];
        let parts = [Part::Rows(&mut data, 2)];
        Executor::serial().for_each_chunk(3, usize::MAX, parts, |rows, [all]| {
            assert_eq!((rows, all.len()), (0..3, 6));
        });
    }

    #[test]
    #[should_panic = "chunks of at least one"]
    fn chunks_without_rows_are_refused() {
        Executor::serial().for_each_chunk(4, 0, [Part::Rows(&mut [0u8; 4], 1)], |_, _| {});
    }
}
