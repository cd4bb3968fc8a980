//! The counting allocator: how often, and how much, a piece of code allocates on every thread that
//! works on it.
//!
//! A test or benchmark binary installs it once, then counts:
//!
//! ```
//! use anabranch_tensor::Executor;
//! use anabranch_tests::{CountingAllocator, count_allocations};
//!
//! #[global_allocator]
//! static ALLOCATOR: CountingAllocator = CountingAllocator;
//!
//! let exec = Executor::serial();
//! let (sum, allocations) = count_allocations(&exec, || [1, 2, 3].iter().sum::<i32>());
//! assert_eq!((sum, allocations.count), (6, 0));
//! ```
//!
//! Other threads of the process, such as tests that run beside this one, are not counted.
// An allocator cannot be written without it: the trait itself is unsafe.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex, PoisonError};

use anabranch_tensor::Executor;

/// The number of the count that runs, 0 for none.
static COUNTING: AtomicU64 = AtomicU64::new(0);
static COUNT: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
/// Bytes that are allocated, beyond those at the start; less than 0 when more are freed.
static LIVE: AtomicI64 = AtomicI64::new(0);
/// The most of them so far.
static PEAK: AtomicI64 = AtomicI64::new(0);
/// One count at a time; holds the number of the last one.
static LAST: Mutex<u64> = Mutex::new(0);

thread_local! {
    /// The last count that this thread takes part in. No destructor and a constant: asking for it
    /// never allocates.
    static PART_OF: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, with a count for [`count_allocations`].
#[derive(Clone, Copy, Debug)]
pub struct CountingAllocator;

/// Whether this thread takes part in the count that runs.
fn is_counted() -> bool {
    let counting = COUNTING.load(Ordering::Relaxed);
    counting != 0 && PART_OF.get() == counting
}

/// Adds one allocation.
fn record(bytes: usize) {
    if is_counted() {
        COUNT.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
        let bytes = bytes as i64;
        PEAK.fetch_max(LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes, Ordering::Relaxed);
    }
}

/// Takes away what is freed.
fn forget(bytes: usize) {
    if is_counted() {
        LIVE.fetch_sub(bytes as i64, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator with the same arguments; recording neither
// allocates nor unwinds.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        record(layout.size());
        // SAFETY: the caller's promises are those of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        record(layout.size());
        // SAFETY: the caller's promises are those of `System`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Where memory moves, it is there twice for a while.
        record(new_size);
        forget(layout.size());
        // SAFETY: the caller's promises are those of `System`, which `ptr` came from.
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        forget(layout.size());
        // SAFETY: the caller's promises are those of `System`, which `ptr` came from.
        unsafe { System.dealloc(ptr, layout) }
    }
}

/// What [`count_allocations`] saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocations {
    /// Calls of the allocator for new or larger memory.
    pub count: u64,
    /// Bytes asked for in these calls.
    pub bytes: u64,
    /// The most bytes at one time of those that were not freed yet.
    pub peak: u64,
}

/// Runs `f` inside [`Executor::enter`] and counts the allocations of all the executor's threads
/// meanwhile.
///
/// # Panics
/// If [`CountingAllocator`] is not the binary's global allocator, so that a count of zero would
/// mean nothing.
pub fn count_allocations<R: Send>(
    exec: &Executor,
    f: impl FnOnce() -> R + Send,
) -> (R, Allocations) {
    // A panic in another count leaves nothing behind that matters here.
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    *last += 1;
    let number = *last;
    exec.enter(|| {
        // As many tasks as threads, each waiting for the others: every thread runs one.
        let barrier = Barrier::new(exec.threads());
        exec.run(exec.threads(), |_| {
            PART_OF.set(number);
            barrier.wait();
        });
        // After the wait, which is not what is counted.
        let counting = Counting::start(number);
        drop(black_box(Box::new(0u8)));
        assert!(COUNT.load(Ordering::Relaxed) > 0, "CountingAllocator is not the global allocator");
        COUNT.store(0, Ordering::Relaxed);
        BYTES.store(0, Ordering::Relaxed);
        LIVE.store(0, Ordering::Relaxed);
        PEAK.store(0, Ordering::Relaxed);
        let result = f();
        drop(counting);
        let (count, bytes) = (COUNT.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed));
        let peak = PEAK.load(Ordering::Relaxed).max(0) as u64;
        (result, Allocations { count, bytes, peak })
    })
}

/// A count that runs until this is dropped, also by a panic.
struct Counting;

impl Counting {
    fn start(number: u64) -> Self {
        COUNT.store(0, Ordering::Relaxed);
        COUNTING.store(number, Ordering::Relaxed);
        Self
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        COUNTING.store(0, Ordering::Relaxed);
    }
}

/// Runs the example of the front page.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct FrontPage;
