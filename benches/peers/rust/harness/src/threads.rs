//! One thread means one thread.

use std::env;
use std::process::{self, Command};

const VARIABLE: &str = "RAYON_NUM_THREADS";

/// Keeps the process on its first `threads` cores and has rayon, and the frameworks that read its
/// variable, use as many threads.
///
/// They read the variable when it suits them, and setting it in a running process is unsafe: the
/// program starts itself again with it set.
pub(crate) fn limit(threads: usize) {
    let wanted = threads.to_string();
    if env::var(VARIABLE).as_deref() == Ok(&wanted) {
        return;
    }
    use_cores(threads);
    let program = env::current_exe().expect("a running program has a path");
    let status = Command::new(program)
        .args(env::args_os().skip(1))
        .env(VARIABLE, wanted)
        .status()
        .expect("the program starts itself");
    process::exit(status.code().unwrap_or(1));
}

#[cfg(target_os = "linux")]
fn use_cores(threads: usize) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    let allowed = sched_getaffinity(None).expect("the process may read its own affinity");
    let mut first = CpuSet::new();
    let cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
    cores.take(threads).for_each(|core| first.set(core));
    sched_setaffinity(None, &first).expect("the process may narrow its own affinity");
}

#[cfg(not(target_os = "linux"))]
fn use_cores(_threads: usize) {}
