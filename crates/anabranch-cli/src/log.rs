//! What the libraries log, on stderr: `-v`, or the variable `RUST_LOG`.
//!
//! | | shows |
//! |---|---|
//! | `-v` | what is read and written, and a line for each epoch |
//! | `-vv` | also how networks and their memory are laid out |
//! | `RUST_LOG=anabranch_train=debug` | what the directives say, whatever the flags |
//!
//! What `-v` shows is kept too, with the time since the start, for the `log.txt` of a run. There is
//! no event inside a training step.

use std::io::{IsTerminal, Write, stderr};
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::time::uptime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::failure::Failure;

/// The name of the variable.
const RUST_LOG: &str = "RUST_LOG";

/// The name of a run's log in its directory.
pub(crate) const FILE: &str = "log.txt";

/// The log so far.
static KEPT: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// The log so far.
pub(crate) fn kept() -> Vec<u8> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Writes to the log that is kept.
struct Keep;

impl Write for Keep {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        KEPT.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Shows events as `verbose` and the variable ask, and keeps a log.
///
/// # Errors
/// If the variable does not contain directives.
pub(crate) fn start(verbose: u8) -> Result<(), Failure> {
    let filter = match std::env::var(RUST_LOG) {
        Ok(directives) if !directives.is_empty() => {
            directives.parse::<Targets>().map_err(|why| {
                Failure::input(format!("{RUST_LOG}={directives:?}: {why} (try {RUST_LOG}=debug)"))
            })?
        }
        _ => {
            let level = match verbose {
                0 => LevelFilter::OFF,
                1 => LevelFilter::INFO,
                2 => LevelFilter::DEBUG,
                _ => LevelFilter::TRACE,
            };
            Targets::new().with_default(level)
        }
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .without_time()
        .with_filter(filter);
    let kept = tracing_subscriber::fmt::layer()
        .with_writer(|| Keep)
        .with_ansi(false)
        .with_timer(uptime())
        .with_filter(LevelFilter::INFO);
    tracing_subscriber::registry().with(lines).with(kept).init();
    Ok(())
}
