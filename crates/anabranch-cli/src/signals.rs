//! The signals that ask a run to stop: the first lets it save what it has, the second ends it at
//! once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::failure::Failure;

/// What a shell makes of a signal's number.
const EXIT: i32 = 128;

/// Whether a signal has come.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    has_come: Arc<AtomicBool>,
    number: Arc<AtomicUsize>,
}

impl Signals {
    /// From now on, SIGINT (Ctrl-C) and SIGTERM are noted instead of ending the program, unless one
    /// has come before.
    pub(crate) fn noted() -> Result<Self, Failure> {
        let signals = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag unset.
            let ends = flag::register_conditional_shutdown(
                signal,
                EXIT + signal,
                Arc::clone(&signals.has_come),
            );
            ends.and_then(|_| {
                flag::register_usize(signal, Arc::clone(&signals.number), signal as usize)
            })
            .and_then(|_| flag::register(signal, Arc::clone(&signals.has_come)))
            .map_err(|error| Failure::on_the_way(format!("cannot wait for signals ({error})")))?;
        }
        Ok(signals)
    }

    /// Whether one has come.
    pub(crate) fn have_come(&self) -> bool {
        self.has_come.load(Ordering::Relaxed)
    }

    /// The exit code of a program that a signal has stopped.
    pub(crate) fn exit_code(&self) -> u8 {
        u8::try_from(EXIT as usize + self.number.load(Ordering::Relaxed)).unwrap_or(1)
    }
}
