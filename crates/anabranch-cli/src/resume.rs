//! Where a run goes on, and whether it may: with its own settings and data, or with more epochs.

use std::fs;
use std::path::Path;

use anabranch::train::{Checkpoint, data_sha256};

use crate::checkpoints::{beginning, numbered};
use crate::config::{self, flat};
use crate::failure::Failure;
use crate::output;
use crate::run_dir::{CHECKPOINTS, RunDir};
use crate::run_setup::Setup;

/// The setting that may grow.
const EPOCHS: &str = "training.epochs";

/// Where the run in a directory goes on with the settings `config`: at its newest checkpoint that
/// is whole, or at the beginning if it has not come to its first. A damaged one is said.
///
/// # Errors
/// If the run is complete, all checkpoints are damaged, or settings or data are not those of the
/// run.
pub(crate) fn found(
    dir: &RunDir,
    setup: &Setup,
    config: String,
) -> Result<(u64, Checkpoint<f32>), Failure> {
    let resumed = Resumed { dir: dir.path(), setup, config: &config };
    let path = dir.file(config::FILE);
    let before = fs::read_to_string(&path).map_err(|error| {
        Failure::input(format!("{}: cannot be read: {error}", output::plain(&path))).coded("read")
    })?;
    let has_more_epochs = resumed.check_settings(&before)?;
    if dir.is_complete() && !has_more_epochs {
        return Err(resumed.refused("the run is complete (it goes on with more --epochs)"));
    }
    let mut files = numbered(&dir.file(CHECKPOINTS))?;
    let last = files.last().map_or(0, |(number, _)| *number);
    while let Some((_, path)) = files.pop() {
        match Checkpoint::load(&path) {
            Ok(checkpoint) => {
                resumed.check(&checkpoint)?;
                tracing::info!(file = ?path, "going on");
                return Ok((last, Checkpoint { config, ..checkpoint }));
            }
            Err(error) if files.is_empty() => return Err(error.into()),
            Err(error) => output::caution(&format!("{error}: going on from the one before")),
        }
    }
    Ok(beginning(config, setup.n_members))
}

/// A run that is to go on.
#[derive(Clone, Copy)]
struct Resumed<'a> {
    dir: &'a Path,
    setup: &'a Setup,
    /// Its settings now.
    config: &'a str,
}

impl Resumed<'_> {
    fn refused(self, why: impl std::fmt::Display) -> Failure {
        Failure::input(format!("{}: {why}", self.dir.display())).coded("resume")
    }

    /// Refuses the checkpoint of another run.
    fn check(self, saved: &Checkpoint<f32>) -> Result<(), Failure> {
        self.check_settings(&saved.config)?;
        if saved.data_sha256 != data_sha256(&self.setup.prepared) {
            return Err(self.refused("the data have changed since the run began"));
        }
        if saved.members.len() != self.setup.n_members {
            return Err(self.refused("its checkpoint is of another number of networks"));
        }
        Ok(())
    }

    /// Refuses settings other than those `before`, except more epochs; whether there are more.
    fn check_settings(self, before: &str) -> Result<bool, Failure> {
        let [was, is] = [before, self.config].map(|config| flat(config::FILE, config));
        let (was, is) = (was?, is?);
        let mut has_more_epochs = false;
        for (key, value) in is.iter().filter(|setting| !was.contains(setting)) {
            let old = was.iter().find(|(known, _)| known == key);
            let old = old.map_or("not set", |(_, value)| value.as_str());
            if key == EPOCHS && value.parse::<usize>().ok() > old.parse().ok() {
                self.check_schedule(old)?;
                has_more_epochs = true;
                continue;
            }
            let why = format!("{key} is {value} now, but was {old} when the run began");
            return Err(self.refused(why));
        }
        let is_gone = |(key, _): &&(String, String)| !is.iter().any(|(known, _)| known == key);
        if let Some((key, value)) = was.iter().find(is_gone) {
            let why = format!("{key} is not set now, but was {value} when the run began");
            return Err(self.refused(why));
        }
        Ok(has_more_epochs)
    }

    /// Refuses more epochs than `old` where that would have changed those before.
    fn check_schedule(self, old: &str) -> Result<(), Failure> {
        let schedule = self.setup.config.schedule;
        if !schedule.depends_on_length() {
            return Ok(());
        }
        Err(self.refused(format!(
            "the run cannot go on for more than {old} epochs: with --schedule {schedule}, the learning rate of \
             every step depends on how many there are"
        )))
    }
}
