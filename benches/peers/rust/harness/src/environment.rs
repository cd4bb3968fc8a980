//! What has to hold before a framework looks: one thread means one thread, and memory is kept.

use std::env;
use std::process::{self, Command};

/// Keeps the process on its first `threads` cores, has rayon (and the frameworks that read its
/// variable) use as many threads, and mimalloc never give a page back.
///
/// They read the variables when it suits them, and setting one in a running process is unsafe: the
/// program starts itself again with them set.
pub(crate) fn prepare(threads: usize) {
    use_cores(threads);
    let wanted =
        [("RAYON_NUM_THREADS", threads.to_string()), ("MIMALLOC_PURGE_DELAY", "-1".into())];
    if wanted.iter().all(|(name, value)| env::var(name).as_ref() == Ok(value)) {
        return;
    }
    let program = env::current_exe().expect("a running program has a path");
    let status = Command::new(program)
        .args(env::args_os().skip(1))
        .envs(wanted)
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
