//! What the libraries log, on stderr: `-v`, or the variable `RUST_LOG`.
//!
//! | | shows |
//! |---|---|
//! | `-v` | what is read and written, and a line for each epoch |
//! | `-vv` | also how networks and their memory are laid out |
//! | `RUST_LOG=anabranch_train=debug` | what the directives say, whatever the flags |
//!
//! Without either, nothing listens: an event then costs one load from memory, and there is no event
//! inside a training step.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::failure::Failure;

/// The name of the variable.
const RUST_LOG: &str = "RUST_LOG";

/// Shows events as `verbose` and the variable ask; nothing without either.
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
                0 => return Ok(()),
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
        .without_time();
    tracing_subscriber::registry().with(filter).with(lines).init();
    Ok(())
}
