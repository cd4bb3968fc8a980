//! The executor: which threads work, and how a loop is split between them. The only file that names rayon.
//!
//! A loop is split into tasks whose number and bounds are the caller's, from shapes and constants. The executor only
//! decides who runs a task, so no result depends on the number of threads.

use thiserror::Error;

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
        match &self.pool {
            Some(pool) if n_tasks > 1 => {
                if pool.current_thread_index().is_some() {
                    split(0, n_tasks, &task);
                } else {
                    pool.install(|| split(0, n_tasks, &task));
                }
            }
            _ => (0..n_tasks).for_each(task),
        }
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
    fn no_threads_is_an_error() {
        assert!(matches!(Executor::new(0), Err(ExecutorError::Threads(0))));
    }
}
