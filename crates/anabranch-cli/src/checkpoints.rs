//! Checkpoints of a run: when they are written, and of what.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anabranch::data::Prepared;
use anabranch::train::{
    Checkpoint, CheckpointError, EpochReport, MemberState, Observer, Recovery, StepView,
    TrainError, Trainer, data_sha256,
};

use crate::config;
use crate::failure::Failure;
use crate::run_dir::{CHECKPOINTS, RunDir};
use crate::signals::Signals;
use crate::watch::Watch;
use crate::{log, output};

/// How many are kept: if the last one is damaged, the one before it still is a run.
const KEPT: usize = 2;

/// Steps from one look at the clock to the next.
const CLOCK_EVERY: u64 = 16;

/// How often a network's state is saved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Every {
    Steps(u64),
    Time(Duration),
    Epochs(usize),
}

/// A parser of `N` steps, `Ns` seconds or `Nepoch`.
pub(crate) fn every(text: &str) -> Result<Every, String> {
    let error = || "expected a number of steps (100), seconds (60s) or epochs (1epoch)".to_owned();
    let (number, unit) = text.split_at(text.trim_end_matches(char::is_alphabetic).len());
    let number: u64 = number.trim().parse().ok().filter(|n| *n > 0).ok_or_else(error)?;
    match unit {
        "" => Ok(Every::Steps(number)),
        "s" => Ok(Every::Time(Duration::from_secs(number))),
        "epoch" | "epochs" => Ok(Every::Epochs(usize::try_from(number).map_err(|_| error())?)),
        _ => Err(error()),
    }
}

/// The checkpoints of a run at work. Its networks save their states one by one, each when it is
/// due: they do not depend on each other.
#[derive(Debug)]
pub(crate) struct Checkpoints<'a> {
    dir: &'a RunDir,
    data: &'a Prepared<f32>,
    /// Where those are from, and on which line each begins.
    table: &'a Path,
    lines: &'a [usize],
    every: Every,
    signals: Signals,
    saved: Mutex<Saved>,
}

/// The checkpoint as it will be written next.
#[derive(Debug)]
struct Saved {
    number: u64,
    checkpoint: Checkpoint<f32>,
    /// If a signal has stopped the run: whether it has been saved then.
    stopped: Option<Result<(), Failure>>,
}

impl<'a> Checkpoints<'a> {
    /// Of a run that begins as `start` says.
    pub(crate) fn new(
        dir: &'a RunDir,
        data: &'a Prepared<f32>,
        (table, lines): (&'a Path, &'a [usize]),
        every: Every,
        start: (u64, Checkpoint<f32>),
    ) -> Result<Self, Failure> {
        let (number, checkpoint) = start;
        let saved = Mutex::new(Saved { number, checkpoint, stopped: None });
        Ok(Self { dir, data, table, lines, every, signals: Signals::noted()?, saved })
    }

    /// Trains a network from where it is, and saves its state whenever that is due. Returns early
    /// where a signal has come; [`interrupted`](Self::interrupted) says so.
    pub(crate) fn run(
        &self,
        member: usize,
        trainer: &mut Trainer<'_, f32>,
        watch: &mut Watch,
    ) -> Result<(), Failure> {
        let MemberState { run, history } = self.saved().checkpoint.members[member].clone();
        if let Some(state) = run {
            trainer.restore(&state)?;
            watch.resume(history, state.position.epochs);
        }
        let mut since = Instant::now();
        loop {
            if !self.signals.have_come() {
                let mut pausing = Pausing { watch, of: self, since, is_paused: false };
                trainer.run(&mut pausing).map_err(|error| self.on_its_line(error))?;
                let is_paused = pausing.is_paused;
                let (run, history) = (Some(trainer.run_state()), watch.history().to_owned());
                self.saved().checkpoint.members[member] = MemberState { run, history };
                if !is_paused {
                    return Ok(());
                }
            }
            let mut saved = self.saved();
            let written = self.write(&mut saved);
            if self.signals.have_come() {
                saved.stopped = Some(written);
                return Ok(());
            }
            // A later one may succeed; the one before is still there.
            if let Err(failure) = written {
                output::caution(&format!("{failure}: the run goes on without this checkpoint"));
            }
            since = Instant::now();
        }
    }

    /// Why a network could not be trained, with the line of the row that it is about.
    fn on_its_line(&self, error: TrainError) -> Failure {
        let TrainError::RowWithoutLoss { row, task, .. } = &error else { return error.into() };
        let Some(line) = self.lines.get(*row) else { return error.into() };
        let message = format!(
            "{}: line {line}: the loss of {:?} is not finite, though it is in other rows: some number of the row is far \
             too large for single precision",
            output::plain(self.table),
            self.data.targets.tasks()[*task].name()
        );
        Failure::input(message).coded("row_without_loss").on_line(*line)
    }

    /// How a run ends that a signal has stopped before it was complete.
    pub(crate) fn interrupted(&self) -> Option<Failure> {
        let message = match self.saved().stopped.as_ref()? {
            Ok(()) => {
                let dir = self.dir.path().display();
                format!("stopped by a signal: `anabranch train --resume {dir}` goes on")
            }
            Err(why) => format!("stopped by a signal, and not saved: {why}"),
        };
        Some(Failure::interrupted(self.signals.exit_code(), message))
    }

    /// The contents of `metrics.jsonl`: the epochs of all networks.
    pub(crate) fn history(&self) -> String {
        self.saved().history()
    }

    /// Writes the next checkpoint, and what else tells of the run so far.
    fn write(&self, saved: &mut Saved) -> Result<(), Failure> {
        let (number, checkpoints) = (saved.number + 1, self.dir.file(CHECKPOINTS));
        // First, so that whoever finds the directory finds the settings too, and can go on.
        self.dir.write(config::FILE, saved.checkpoint.config.as_bytes())?;
        match fs::create_dir(&checkpoints) {
            Err(error) if !checkpoints.is_dir() => {
                let message = format!("cannot create {} ({error})", checkpoints.display());
                return Err(Failure::on_the_way(message).coded("write"));
            }
            _ => {}
        }
        if saved.checkpoint.data_sha256.is_empty() {
            saved.checkpoint.data_sha256 = data_sha256(self.data);
        }
        saved.checkpoint.save(&checkpoints.join(number.to_string()))?;
        saved.number = number;
        for (old, path) in numbered(&checkpoints)? {
            if old + KEPT as u64 <= number {
                let _ = fs::remove_file(path);
            }
        }
        tracing::info!(number, "checkpoint");
        self.dir.write(crate::history::FILE, saved.history().as_bytes())?;
        self.dir.write(log::FILE, &log::kept())
    }

    fn saved(&self) -> MutexGuard<'_, Saved> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Saved {
    fn history(&self) -> String {
        self.checkpoint.members.iter().map(|member| member.history.as_str()).collect()
    }
}

/// Where a run begins: before the first step. Its data are hashed with the first checkpoint: many
/// runs end before.
pub(crate) fn beginning(config: String, n_members: usize) -> (u64, Checkpoint<f32>) {
    let members = vec![MemberState { run: None, history: String::new() }; n_members];
    (0, Checkpoint { config, data_sha256: String::new(), members })
}

/// The checkpoints of a directory by their numbers, ascending; none if there is no such directory.
pub(crate) fn numbered(dir: &Path) -> Result<Vec<(u64, PathBuf)>, Failure> {
    let unread = |error: std::io::Error| {
        Failure::input(format!("{}: cannot be read: {error}", output::plain(dir))).coded("read")
    };
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unread)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unread)?;
        if let Ok(number) = entry.file_name().to_string_lossy().parse() {
            files.push((number, entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

/// Watches a network, and pauses it when its state is to be saved.
struct Pausing<'w, 'c> {
    watch: &'w mut Watch,
    of: &'c Checkpoints<'c>,
    /// When its state was saved last.
    since: Instant,
    is_paused: bool,
}

impl Pausing<'_, '_> {
    /// Whether to pause after a step, by the number of steps before it.
    fn is_due(&self, step: u64) -> bool {
        let is_time = match self.of.every {
            Every::Steps(n) => (step + 1).is_multiple_of(n),
            Every::Time(time) => step.is_multiple_of(CLOCK_EVERY) && self.since.elapsed() >= time,
            Every::Epochs(_) => false,
        };
        is_time || self.of.signals.have_come()
    }
}

impl Observer<f32> for Pausing<'_, '_> {
    fn watches(&self, step: u64) -> bool {
        self.watch.watches(step) || self.is_due(step)
    }

    fn step(&mut self, view: &StepView<'_, f32>) -> ControlFlow<()> {
        if self.watch.watches(view.step) {
            self.watch.step(view)?;
        }
        self.is_paused = self.is_due(view.step);
        if self.is_paused { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, report: &EpochReport) -> ControlFlow<()> {
        self.watch.epoch(report)?;
        self.is_paused = matches!(self.of.every, Every::Epochs(n) if report.epoch.is_multiple_of(n))
            || self.of.signals.have_come();
        if self.is_paused { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn recovery(&mut self, recovery: &Recovery) {
        self.watch.recovery(recovery);
    }
}

impl From<CheckpointError> for Failure {
    fn from(error: CheckpointError) -> Self {
        match error {
            CheckpointError::Io { action: "write", .. } => Self::on_the_way(error).coded("write"),
            CheckpointError::Io { .. } => Self::input(error).coded("read"),
            _ => Self::input(error).coded("resume"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_steps_seconds_or_epochs() {
        assert_eq!(every("100"), Ok(Every::Steps(100)));
        assert_eq!(every("60s"), Ok(Every::Time(Duration::from_secs(60))));
        assert_eq!(every("1epoch"), Ok(Every::Epochs(1)));
        assert_eq!(every("2epochs"), Ok(Every::Epochs(2)));
        for text in ["", "0", "s", "-1", "1.5s", "10m", "1 hour"] {
            assert!(every(text).is_err(), "{text:?}");
        }
    }
}
