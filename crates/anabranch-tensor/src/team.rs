//! A team: threads that wait for tasks at the ready while one of them, the leader, runs a program.
//!
//! A training step splits its work some twenty times, for a few microseconds each. A thread pool whose threads sleep in
//! between takes longer to wake one than such a piece of work lasts; threads that look for work all the time start
//! within a fraction of a microsecond. A member that finds nothing to do for a millisecond or so goes to sleep after
//! all.
//!
//! # How tasks are handed out
//! The tasks of a job are dealt to the members as ranges, in order, so that in every job the same member touches the
//! same part of the rows, which then are in its cache. A member that is done takes tasks from the others' ranges: what
//! a slow member has not begun delays nobody.
//!
//! Each member's range is one word: the number of the job, and how many tasks are left. Taking a task is one
//! compare-and-swap on it. A word with tasks left belongs to the job that runs, because a job is over only when all its
//! tasks are done, and the number makes every word unique: so a successful swap says at once that the job is alive, that
//! the task is ours, and that whatever the leader wrote before it published the word can be read.

use std::any::Any;
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Thread};

/// Turns of an idle loop before a thread offers its core to others between them: some ten microseconds.
const SPINS: u32 = 200;
/// Offers after which a member goes to sleep: a millisecond where nobody else wants the core.
const YIELDS: u32 = 2000;

/// The work on a range of task numbers.
type Task<'a> = &'a (dyn Fn(usize) + Sync);

/// What one member knows of its tasks; a cache line of its own, so that members do not slow each other down, and all that
/// it needs to begin, so that it waits for one line only.
#[repr(align(128))]
struct Member {
    /// The job's number in the upper half, the tasks left in the lower.
    range: AtomicU64,
    /// What the range is of; written by the leader while no job runs.
    job: UnsafeCell<Job>,
    is_asleep: AtomicBool,
    /// Whom to wake.
    thread: Mutex<Option<Thread>>,
}

/// A number of tasks.
#[derive(Clone, Copy)]
struct Job {
    task: Option<Task<'static>>,
    n_tasks: usize,
}

/// The threads of one executor while it is entered.
pub(crate) struct Team {
    members: Box<[Member]>,
    /// Turns of an idle loop before yielding; none where there are more threads than cores.
    spins: u32,
    /// Tasks of the running job that are not done.
    pending: AtomicUsize,
    /// The number of the last job.
    number: AtomicU32,
    /// Whether a job runs: a task that asks for more tasks runs them itself.
    is_busy: AtomicBool,
    /// Whether the leader's program is over.
    is_over: AtomicBool,
    /// What a task panicked with.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: the cells are written by the leader while no job runs, and read by members that hold a task of a job that was
// published afterwards. The task is `Sync`.
unsafe impl Sync for Team {}
// SAFETY: as above; nothing belongs to a thread.
unsafe impl Send for Team {}

impl std::fmt::Debug for Team {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Team").field("members", &self.members.len()).finish_non_exhaustive()
    }
}

impl Team {
    /// A team of `threads` members, at least one; member 0 leads.
    pub(crate) fn new(threads: usize) -> Self {
        let member = |_| Member {
            range: AtomicU64::new(0),
            job: UnsafeCell::new(Job { task: None, n_tasks: 0 }),
            is_asleep: AtomicBool::new(false),
            thread: Mutex::new(None),
        };
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            members: (0..threads).map(member).collect(),
            spins: if threads <= cores { SPINS } else { 0 },
            pending: AtomicUsize::new(0),
            number: AtomicU32::new(0),
            is_busy: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            panic: Mutex::new(None),
        }
    }

    /// Before the members come together.
    pub(crate) fn begin(&self) {
        self.is_over.store(false, Ordering::Release);
    }

    /// The leader's program is over: the members leave.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.wake();
    }

    /// Runs `task(0)` … `task(n_tasks − 1)` on the whole team; called by the leader. A call from inside a task runs them
    /// on the calling thread.
    ///
    /// # Panics
    /// If a task does.
    pub(crate) fn run(&self, n_tasks: usize, task: Task<'_>) {
        // The lower half of a member's word counts its tasks.
        assert!(n_tasks <= u32::MAX as usize, "more tasks than a team can count");
        if self.is_busy.swap(true, Ordering::Acquire) {
            (0..n_tasks).for_each(task);
            return;
        }
        // SAFETY: the lifetime is made up, but nobody uses the task once `pending` is 0, which is waited for below whatever
        // happens.
        let task = unsafe { std::mem::transmute::<Task<'_>, Task<'static>>(task) };
        self.pending.store(n_tasks, Ordering::Relaxed);
        let number = self.number.load(Ordering::Relaxed).wrapping_add(1);
        self.number.store(number, Ordering::Relaxed);
        for (i, member) in self.members.iter().enumerate() {
            // SAFETY: no task of this member's range is left or runs, so nobody reads the cell.
            unsafe { *member.job.get() = Job { task: Some(task), n_tasks } };
            let left = self.start_of(i + 1, n_tasks) - self.start_of(i, n_tasks);
            member.range.store(u64::from(number) << 32 | left as u64, Ordering::Release);
        }
        self.wake();
        self.take_tasks(0);
        let mut turns = 0;
        while self.pending.load(Ordering::Acquire) > 0 {
            self.idle(&mut turns);
        }
        self.is_busy.store(false, Ordering::Release);
        let panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// The life of member `i`, not the leader: takes tasks until [`end`](Self::end).
    pub(crate) fn follow(&self, i: usize) {
        let me = &self.members[i];
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
                // Either this load sees the leader's word, or the leader sees that this member is asleep.
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

    /// Wakes the members that are asleep, after they have been given something to see.
    fn wake(&self) {
        fence(Ordering::SeqCst);
        for member in &self.members[1..] {
            if member.is_asleep.load(Ordering::Relaxed) {
                let thread = member.thread.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(thread) = &*thread {
                    thread.unpark();
                }
            }
        }
    }

    /// Runs the tasks of member `i`, then those that others have left.
    fn take_tasks(&self, i: usize) {
        let n = self.members.len();
        let mut done = 0;
        for victim in (i..n).chain(0..i) {
            while let Some((work, task)) = self.claim(victim) {
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(task))) {
                    *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
                }
                done += 1;
            }
        }
        if done > 0 {
            self.pending.fetch_sub(done, Ordering::Release);
        }
    }

    /// Takes a task out of a member's range: the work and its number. The work lasts until the task is counted as done.
    fn claim(&self, member: usize) -> Option<(Task<'static>, usize)> {
        let Member { range, job, .. } = &self.members[member];
        let mut word = range.load(Ordering::Relaxed);
        while word as u32 > 0 {
            match range.compare_exchange_weak(word, word - 1, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => {
                    // SAFETY: as the claimed task is not done, the job runs and nobody writes the cell.
                    let Job { task, n_tasks } = unsafe { *job.get() };
                    let left = (word as u32) as usize;
                    return Some((task?, self.start_of(member + 1, n_tasks) - left));
                }
                Err(seen) => word = seen,
            }
        }
        None
    }

    /// Where the range of member `i` of `n_tasks` tasks begins.
    fn start_of(&self, i: usize, n_tasks: usize) -> usize {
        n_tasks * i / self.members.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Executor;

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
    fn members_that_fell_asleep_are_woken_for_a_job_and_for_the_end() {
        let team = Team::new(2);
        team.begin();
        let until_asleep = || {
            while !team.members[1].is_asleep.load(Ordering::Relaxed) {
                thread::yield_now();
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| team.follow(1));
            for _ in 0..3 {
                until_asleep();
                // The tasks wait for each other: both members have to run one.
                let barrier = std::sync::Barrier::new(2);
                team.run(2, &|_| {
                    barrier.wait();
                });
            }
            until_asleep();
            team.end();
        });
    }

    #[test]
    fn a_slow_member_delays_nobody() {
        let exec = Executor::new(2).unwrap();
        exec.enter(|| {
            let (n_done, n_before_first) = (AtomicUsize::new(0), AtomicUsize::new(0));
            // The first task of a member's range waits for all others, among them those of the same range; some minutes
            // at most.
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
    fn a_panic_in_a_task_reaches_the_caller_and_the_team_goes_on() {
        let exec = Executor::new(3).unwrap();
        for bad in 0..6 {
            let result = catch_unwind(AssertUnwindSafe(|| {
                exec.run(6, |task| assert!(task != bad, "task {bad}"));
            }));
            let message = *result.unwrap_err().downcast::<String>().unwrap();
            assert_eq!(message, format!("task {bad}"));
            assert_eq!(run_counted(&exec, 9), [1; 9]);
        }
        let result = catch_unwind(AssertUnwindSafe(|| exec.enter(|| panic!("the program"))));
        assert!(result.is_err());
        assert_eq!(run_counted(&exec, 9), [1; 9]);
    }

    #[test]
    fn a_task_may_ask_for_tasks_and_programs_take_turns() {
        let exec = Executor::new(2).unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let n_inner = AtomicUsize::new(0);
                        exec.enter(|| {
                            exec.run(5, |_| {
                                exec.run(3, |_| {
                                    n_inner.fetch_add(1, Ordering::Relaxed);
                                });
                            });
                        });
                        assert_eq!(n_inner.into_inner(), 15);
                    }
                });
            }
        });
    }
}
