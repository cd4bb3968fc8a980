//! The files with the results of a search: its plan in the first line, then a line for each
//! trained trial, in the order in which they ended.
//!
//! A line is written in one call. If the program is killed while it writes, the last line has no
//! end: that trial is trained again.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::entry::Entry;
use super::plan::Plan;
use super::shard::Shard;
use crate::failure::Failure;
use crate::output;

/// What the names of all such files begin and end with.
const START: &str = "results";
const END: &str = ".jsonl";

/// Trained trials by rung and trial.
pub(super) type Entries = BTreeMap<(usize, usize), Entry>;

/// The file that this process adds to.
#[derive(Debug)]
pub(super) struct Results {
    path: PathBuf,
    file: Mutex<File>,
}

impl Results {
    /// The file of a shard, or of the whole search, in its directory; what is in it stays.
    ///
    /// # Errors
    /// If it cannot be written, another process writes it, or it is of another search.
    pub(super) fn open(dir: &Path, shard: Option<Shard>, plan: &Plan) -> Result<Self, Failure> {
        let path = dir.join(match shard {
            None => format!("{START}{END}"),
            Some(Shard { number, of }) => format!("{START}-{number}-of-{of}{END}"),
        });
        let failed = |error: std::io::Error| cannot_write(&path, &error);
        let mut file =
            File::options().read(true).append(true).create(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let message = format!("another sweep writes {}", output::plain(&path));
                return Err(Failure::input(message).coded("output"));
            }
            locked => locked.map_err(|error| failed(error.into()))?,
        }
        let text = fs::read_to_string(&path).map_err(failed)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).map_err(failed)?;
        match read(&path, &text[..whole])? {
            Some((saved, _)) => plan.check_same(&saved, &output::plain(&path))?,
            None => file.write_all(&line(plan)).map_err(failed)?,
        }
        Ok(Self { path, file: Mutex::new(file) })
    }

    /// Adds a trial.
    pub(super) fn add(&self, entry: &Entry) -> Result<(), Failure> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line(entry)).map_err(|error| cannot_write(&self.path, &error))
    }
}

/// All results in a directory, which are of this search.
pub(super) fn in_dir(dir: &Path, plan: &Plan) -> Result<Entries, Failure> {
    let mut all = Entries::new();
    for (path, saved, entries) in files(dir)? {
        plan.check_same(&saved, &output::plain(&path))?;
        all.extend(entries);
    }
    Ok(all)
}

/// The plan of the first file with results in a directory; of several, that with the most trials.
pub(super) fn plan_in(dir: &Path) -> Result<Plan, Failure> {
    let plans = files(dir)?.into_iter().map(|(_, plan, _)| plan);
    plans.max_by_key(|plan| plan.trials).ok_or_else(|| {
        let message = format!("{}: there are no results of a sweep", output::plain(dir));
        Failure::input(message).coded("read")
    })
}

/// Writes all results into one file.
pub(super) fn text(plan: &Plan, entries: &Entries) -> Vec<u8> {
    let lines = entries.values().map(line);
    std::iter::once(line(plan)).chain(lines).flatten().collect()
}

/// The files with results in a directory, with what they hold.
fn files(dir: &Path) -> Result<Vec<(PathBuf, Plan, Entries)>, Failure> {
    let entries = fs::read_dir(dir).map_err(|error| cannot_read(dir, &error))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| cannot_read(dir, &error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(START) && name.ends_with(END) {
            paths.push(path);
        }
    }
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).map_err(|error| cannot_read(&path, &error))?;
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        if let Some((plan, entries)) = read(&path, whole)? {
            files.push((path, plan, entries));
        }
    }
    Ok(files)
}

/// What whole lines say; none if there are none.
fn read(path: &Path, text: &str) -> Result<Option<(Plan, Entries)>, Failure> {
    let damaged = |line: usize, error: serde_json::Error| {
        let message = format!("{}: line {line} is damaged: {error}", output::plain(path));
        Failure::input(message).coded("read").on_line(line)
    };
    let mut lines = text.lines();
    let Some(plan) = lines.next() else { return Ok(None) };
    let plan = serde_json::from_str(plan).map_err(|error| damaged(1, error))?;
    let mut entries = Entries::new();
    for (i, line) in lines.enumerate() {
        let entry: Entry = serde_json::from_str(line).map_err(|error| damaged(i + 2, error))?;
        entries.insert((entry.rung, entry.trial), entry);
    }
    Ok(Some((plan, entries)))
}

fn line(value: &impl serde::Serialize) -> Vec<u8> {
    // Of numbers and texts: there is nothing in them that JSON cannot hold.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("cannot write {} ({error})", output::plain(path));
    Failure::on_the_way(message).coded("write")
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Failure {
    Failure::input(format!("{}: cannot be read: {error}", output::plain(path))).coded("read")
}
