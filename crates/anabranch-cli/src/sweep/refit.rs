//! The best trial as a run of its own, with all of its networks: `train`, as the user would.

use std::path::Path;

use anabranch::train::MODEL_FILE;
use clap::FromArgMatches;
use serde_json::Value;

use super::space::Space;
use crate::config::{self, Defaults, Settings};
use crate::failure::Failure;
use crate::run_dir::{CHECKPOINTS, SUMMARY};
use crate::{output, train};

/// The directory of the run in that of the search.
pub(super) const DIR: &str = "best";

/// The config file of the best trial.
pub(super) const FILE: &str = "best.toml";

/// The config file of a trial.
pub(super) fn config(space: &Space<'_>, trial: usize) -> Result<String, Failure> {
    let (command, matches) = (super::space::command(), space.matches(trial, &[])?);
    Settings::new(&command, &matches).text(Defaults::Commented, None)
}

/// Trains a trial in `dir`, unless that has been done; one that was stopped goes on. `flags` say
/// what is printed.
pub(super) fn refit(
    space: &Space<'_>,
    trial: usize,
    dir: &Path,
    flags: &[String],
) -> Result<(), Failure> {
    let command = super::space::command();
    let text = |more: &[String]| -> Result<_, Failure> {
        let matches = space.matches(trial, more)?;
        Ok((Settings::new(&command, &matches).text(Defaults::Kept, None)?, matches))
    };
    let is_same = match std::fs::read_to_string(dir.join(config::FILE)) {
        Ok(saved) => saved == text(&[])?.0,
        Err(_) => false,
    };
    if is_same && dir.join(SUMMARY).exists() {
        return Ok(());
    }
    let is_begun = dir.join(MODEL_FILE).exists() || dir.join(CHECKPOINTS).exists();
    let place = match (is_same, is_begun) {
        (true, true) => vec![format!("--resume={}", dir.display())],
        (false, true) => vec![format!("--out={}", dir.display()), "--force".to_owned()],
        _ => vec![format!("--out={}", dir.display())],
    };
    let (_, matches) = text(&[&place[..], flags].concat())?;
    let args = train::Args::from_arg_matches(&matches).map_err(|error| Failure::usage(&error))?;
    train::run(&args, &Settings::new(&command, &matches))?;
    Ok(())
}

/// The `--json` object of the run.
pub(super) fn summary(dir: &Path) -> Result<Value, Failure> {
    let path = dir.join(SUMMARY);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let message = format!("{}: cannot be read: {error}", output::plain(&path));
        Failure::input(message).coded("read")
    })?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::input(format!("{}: is damaged: {error}", output::plain(&path))).coded("read")
    })
}
