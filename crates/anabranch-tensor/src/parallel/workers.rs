//! Workers: threads that stand by for tasks while a caller runs a closure.
//!
//! A training step splits its work some twenty times, for a few microseconds each. Waking a
//! sleeping pool thread takes longer than such a piece of work lasts; threads that keep looking for
//! work start within a fraction of a microsecond. A worker that finds nothing for a millisecond or
//! so goes to sleep after all.
//!
//! # How tasks are handed out
//! The caller takes part as thread 0. The tasks of a job are dealt to the threads as ranges, in
//! order, so that in every job the same thread touches the same rows, which are then in its cache.
//! A thread that is done takes tasks from the others' ranges, so a slow thread holds up only the
//! task it has begun.
//!
//! Each thread's range is one word: the job's number, and how many tasks are left. Taking a task is
//! one compare-and-swap on it. A word with tasks left belongs to the running job, because a job is
//! over only when all its tasks are done, and the number makes every word unique. A successful swap
//! therefore shows that the job is alive, that the task is ours, and that whatever the caller wrote
//! before publishing the word can be read.

use std::any::Any;
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Thread};

/// Idle turns before a thread yields its core between turns: some ten microseconds.
const SPINS: u32 = 200;
/// Yields before a worker goes to sleep: a millisecond if nobody else wants the core.
const YIELDS: u32 = 2000;

/// The work on a range of task numbers.
type Task<'a> = &'a (dyn Fn(usize) + Sync);

/// One thread's view of its tasks: on a cache line of its own, so that threads do not slow each
/// other down, with all that it needs to begin, so that it waits for one line only.
#[repr(align(128))]
struct Place {
    /// The job's number in the upper half, the tasks left in the lower.
    range: AtomicU64,
    /// The job of the range; written by the caller while no job runs.
    job: UnsafeCell<Job>,
    is_asleep: AtomicBool,
    /// The thread to wake.
    thread: Mutex<Option<Thread>>,
}

/// A number of tasks.
#[derive(Clone, Copy)]
struct Job {
    task: Option<Task<'static>>,
    n_tasks: usize,
}

/// The threads of one executor: place 0 is the caller's, the others the workers'.
pub(super) struct Workers {
    places: Box<[Place]>,
    /// Idle turns before yielding; none if there are more threads than cores.
    spins: u32,
    /// The thread that the workers serve, 0 if none.
    caller: AtomicUsize,
    /// Tasks of the running job that are not done.
    pending: AtomicUsize,
    /// The number of the last job.
    number: AtomicU32,
    /// Whether a job is running: a task that asks for more tasks runs them itself.
    is_busy: AtomicBool,
    /// Whether the caller's closure has returned.
    is_over: AtomicBool,
    /// The payload of the first task to panic.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: the cells are written by the caller while no job runs, and read by threads that hold a
// task of a job that was published afterwards. The task is `Sync`.
unsafe impl Sync for Workers {}
// SAFETY: as above; nothing belongs to a thread.
unsafe impl Send for Workers {}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers").field("threads", &self.places.len()).finish_non_exhaustive()
    }
}

/// The exclusive right to the workers.
pub(super) struct Turn<'a>(&'a Workers);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.caller.store(0, Ordering::Release);
    }
}

/// Lets the workers leave, even if the caller's closure panics.
pub(super) struct Stay<'a>(&'a Workers);

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Release);
        self.0.wake();
    }
}

/// A number that no other living thread has, and that is not 0.
fn this_thread() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

impl Workers {
    /// Places for `threads` threads, at least one.
    pub(super) fn new(threads: usize, cores: usize) -> Self {
        let place = |_| Place {
            range: AtomicU64::new(0),
            job: UnsafeCell::new(Job { task: None, n_tasks: 0 }),
            is_asleep: AtomicBool::new(false),
            thread: Mutex::new(None),
        };
        Self {
            places: (0..threads).map(place).collect(),
            spins: if threads <= cores { SPINS } else { 0 },
            caller: AtomicUsize::new(0),
            pending: AtomicUsize::new(0),
            number: AtomicU32::new(0),
            is_busy: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            panic: Mutex::new(None),
        }
    }

    /// The number of threads, including the caller's.
    pub(super) fn threads(&self) -> usize {
        self.places.len()
    }

    /// Makes this thread the caller, unless there is one already.
    pub(super) fn take_turn(&self) -> Option<Turn<'_>> {
        let me = this_thread();
        let free = self.caller.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed);
        free.ok().map(|_| Turn(self))
    }

    /// Call before the workers come: they stay until the result is dropped.
    pub(super) fn stay(&self) -> Stay<'_> {
        self.is_over.store(false, Ordering::Release);
        Stay(self)
    }

    /// Runs `task(0)` … `task(n_tasks − 1)`: on all threads if the caller asks, on this thread if
    /// another thread or a task of the caller asks.
    ///
    /// # Panics
    /// If a task does.
    pub(super) fn run(&self, n_tasks: usize, task: Task<'_>) {
        // The lower half of a place's word counts its tasks.
        assert!(n_tasks <= u32::MAX as usize, "more tasks than the workers can count");
        let is_caller = self.caller.load(Ordering::Relaxed) == this_thread();
        if !is_caller || self.is_busy.swap(true, Ordering::Relaxed) {
            (0..n_tasks).for_each(task);
            return;
        }
        // SAFETY: the lifetime is extended, but nobody uses the task once `pending` is 0, and the
        // code below always waits for that.
        let task = unsafe { std::mem::transmute::<Task<'_>, Task<'static>>(task) };
        self.pending.store(n_tasks, Ordering::Relaxed);
        let number = self.number.load(Ordering::Relaxed).wrapping_add(1);
        self.number.store(number, Ordering::Relaxed);
        for (i, place) in self.places.iter().enumerate() {
            // SAFETY: no task of this place's range is left or runs, so nobody reads the cell.
            unsafe { *place.job.get() = Job { task: Some(task), n_tasks } };
            let left = self.start_of(i + 1, n_tasks) - self.start_of(i, n_tasks);
            place.range.store(u64::from(number) << 32 | left as u64, Ordering::Release);
        }
        self.wake();
        self.take_tasks(0);
        let mut turns = 0;
        while self.pending.load(Ordering::Acquire) > 0 {
            self.idle(&mut turns);
        }
        self.is_busy.store(false, Ordering::Relaxed);
        let panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// The loop of worker `i`, from 1 on: takes tasks until the caller's closure has returned.
    pub(super) fn work(&self, i: usize) {
        let me = &self.places[i];
        *me.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current());
        let mut turns = 0;
        loop {
            if me.range.load(Ordering::Relaxed) as u32 > 0 {
                self.take_tasks(i);
                turns = 0;
            } else if self.is_over.load(Ordering::Acquire) {
                return;
            } else if turns < self.spins + YIELDS {
                self.idle(&mut turns);
            } else {
                me.is_asleep.store(true, Ordering::Relaxed);
                // Either this load sees the caller's word, or the caller sees that this worker is
                // asleep.
                fence(Ordering::SeqCst);
                if me.range.load(Ordering::Relaxed) as u32 == 0
                    && !self.is_over.load(Ordering::Relaxed)
                {
                    thread::park();
                }
                me.is_asleep.store(false, Ordering::Relaxed);
            }
        }
    }

    /// One turn of waiting.
    fn idle(&self, turns: &mut u32) {
        *turns = turns.saturating_add(1);
        if *turns <= self.spins { spin_loop() } else { thread::yield_now() }
    }

    /// Wakes sleeping workers, once there is something for them to see.
    fn wake(&self) {
        fence(Ordering::SeqCst);
        for place in &self.places[1..] {
            if place.is_asleep.load(Ordering::Relaxed) {
                let thread = place.thread.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(thread) = &*thread {
                    thread.unpark();
                }
            }
        }
    }

    /// Runs the tasks of place `i`, then what others have left.
    fn take_tasks(&self, i: usize) {
        let n = self.places.len();
        let mut done = 0;
        for victim in (i..n).chain(0..i) {
            while let Some((work, task)) = self.claim(victim) {
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(task))) {
                    self.keep_first(panic);
                }
                done += 1;
            }
        }
        if done > 0 {
            self.pending.fetch_sub(done, Ordering::Release);
        }
    }

    /// Keeps the payload of the first panic for the caller. Others are leaked: dropping one could
    /// panic once more.
    fn keep_first(&self, panic: Box<dyn Any + Send>) {
        let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
        match *first {
            None => *first = Some(panic),
            Some(_) => std::mem::forget(panic),
        }
    }

    /// Takes a task from a place's range: the work and its number. The work stays valid until the
    /// task is counted as done.
    fn claim(&self, place: usize) -> Option<(Task<'static>, usize)> {
        let Place { range, job, .. } = &self.places[place];
        let mut word = range.load(Ordering::Relaxed);
        while word as u32 > 0 {
            match range.compare_exchange_weak(word, word - 1, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => {
                    // SAFETY: as the claimed task is not done, the job runs and nobody writes the
                    // cell.
                    let Job { task, n_tasks } = unsafe { *job.get() };
                    let left = (word as u32) as usize;
                    return Some((task?, self.start_of(place + 1, n_tasks) - left));
                }
                Err(seen) => word = seen,
            }
        }
        None
    }

    /// Start of place `i`'s range among `n_tasks` tasks.
    fn start_of(&self, i: usize, n_tasks: usize) -> usize {
        (n_tasks as u64 * i as u64 / self.places.len() as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::Executor;

    /// Counts the runs of each of `n` tasks.
    fn run_counted(exec: &Executor, n: usize) -> Vec<usize> {
        let counts: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(0)).collect();
        exec.run(n, |task| {
            counts[task].fetch_add(1, Ordering::Relaxed);
        });
        counts.into_iter().map(AtomicUsize::into_inner).collect()
    }

    #[test]
    fn many_jobs_of_changing_sizes_run_every_task_once() {
        for threads in [2, 3, 7] {
            let exec = Executor::new(threads).unwrap();
            exec.enter(|| {
                for job in 0..5_000 {
                    let n = job % 23;
                    assert_eq!(run_counted(&exec, n), vec![1; n], "{threads} threads, job {job}");
                }
            });
        }
    }

    #[test]
    fn workers_that_fell_asleep_are_woken_for_a_job_and_for_the_end() {
        let workers = Workers::new(2, 2);
        let _turn = workers.take_turn().unwrap();
        let stay = workers.stay();
        let until_asleep = || {
            while !workers.places[1].is_asleep.load(Ordering::Relaxed) {
                thread::yield_now();
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| workers.work(1));
            for _ in 0..3 {
                until_asleep();
                // The tasks wait for each other: both threads have to run one.
                let barrier = std::sync::Barrier::new(2);
                workers.run(2, &|_| {
                    barrier.wait();
                });
            }
            until_asleep();
            drop(stay);
        });
    }

    #[test]
    fn a_slow_thread_holds_up_nothing_that_it_has_not_begun() {
        let exec = Executor::new(2).unwrap();
        exec.enter(|| {
            let (n_done, n_before_first) = (AtomicUsize::new(0), AtomicUsize::new(0));
            // The first task of a thread's range waits for all others, among them those of the same
            // range; some minutes at most.
            exec.run(10, |task| {
                if task == 0 {
                    for _ in 0..500_000_000_u64 {
                        if n_done.load(Ordering::Relaxed) == 9 {
                            break;
                        }
                        thread::yield_now();
                    }
                    n_before_first.store(n_done.load(Ordering::Relaxed), Ordering::Relaxed);
                }
                n_done.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!([n_before_first, n_done].map(AtomicUsize::into_inner), [9, 10]);
        });
    }

    #[test]
    fn a_panic_in_a_task_reaches_the_caller_and_the_workers_go_on() {
        let exec = Executor::new(3).unwrap();
        for bad in 0..6 {
            let result = catch_unwind(AssertUnwindSafe(|| {
                exec.run(6, |task| assert!(task != bad, "task {bad}"));
            }));
            let message = *result.unwrap_err().downcast::<String>().unwrap();
            assert_eq!(message, format!("task {bad}"));
            assert_eq!(run_counted(&exec, 9), [1; 9]);
        }
        let result = catch_unwind(AssertUnwindSafe(|| exec.enter(|| panic!("the closure"))));
        assert_eq!(*result.unwrap_err().downcast::<&str>().unwrap(), "the closure");
        assert_eq!(run_counted(&exec, 9), [1; 9]);
    }

    /// A payload that panics when it is dropped.
    struct Explosive;

    impl Drop for Explosive {
        fn drop(&mut self) {
            if !thread::panicking() {
                panic!("dropped");
            }
        }
    }

    #[test]
    fn what_tasks_panic_with_is_not_dropped() {
        let exec = Executor::new(2).unwrap();
        let result = catch_unwind(AssertUnwindSafe(|| {
            exec.run(8, |_| std::panic::panic_any(Explosive));
        }));
        std::mem::forget(result.unwrap_err());
        assert_eq!(run_counted(&exec, 9), [1; 9]);
    }

    #[test]
    fn a_task_may_ask_for_tasks_and_callers_do_not_wait_for_each_other() {
        let exec = Executor::new(2).unwrap();
        // Both are inside at the same time, or they would wait forever.
        let both = std::sync::Barrier::new(2);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    exec.enter(|| {
                        both.wait();
                        for _ in 0..50 {
                            let n_inner = AtomicUsize::new(0);
                            exec.run(5, |_| {
                                exec.run(3, |_| {
                                    n_inner.fetch_add(1, Ordering::Relaxed);
                                });
                            });
                            assert_eq!(n_inner.into_inner(), 15);
                        }
                        both.wait();
                    });
                });
            }
        });
    }
}
