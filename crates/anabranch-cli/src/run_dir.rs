//! The directory of a run: its model, and what tells how it came about.

use std::fs::{self, File, TryLockError};
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use anabranch::train::{MODEL_FILE, Model};

use crate::failure::Failure;
use crate::{folds, out_file, tensorboard};

/// Where runs without a given directory go.
pub(crate) const RUNS: &str = "runs";

/// The directory of a run's checkpoints.
pub(crate) const CHECKPOINTS: &str = "checkpoints";

/// The `--json` object of a finished run.
pub(crate) const SUMMARY: &str = "summary.json";

/// The page that tells of a run.
pub(crate) const REPORT: &str = "report.html";

/// The file that is locked while a run works in its directory: the lock ends with the process.
const LOCK: &str = ".lock";

/// How often to try again if other runs remove the directory.
const TRIES: usize = 100;

/// A directory that exists and can be written, and that no other run works in. Unless the run is
/// [kept](RunDir::keep), what was created is removed again.
#[derive(Debug)]
pub(crate) struct RunDir {
    path: PathBuf,
    /// The directories that did not exist before, outermost first.
    made: Vec<PathBuf>,
    /// Locked while it is open.
    lock: Option<File>,
}

impl RunDir {
    /// The directory `out`, or `runs/NAME-N` with the first N that is free, where NAME is the
    /// data's.
    pub(crate) fn reserve(out: Option<&Path>, data: &Path) -> Result<Self, Failure> {
        let path = out.unwrap_or(Path::new(RUNS));
        let mut tries = 1..TRIES;
        loop {
            match Self::try_reserve(path, out.is_none().then_some(data)) {
                Ok(dir) => return Ok(dir),
                // Another run ended and removed what this one was about to use.
                Err((_, error))
                    if error.kind() == ErrorKind::NotFound && tries.next().is_some() => {}
                Err((what, error)) => return Err(cannot(what, path, &error)),
            }
        }
    }

    /// [`reserve`](Self::reserve)s once: the directory `path`, or a numbered one for `data` in it.
    fn try_reserve(path: &Path, data: Option<&Path>) -> Result<Self, (&'static str, Error)> {
        let mut dir = Self { path: path.to_owned(), made: Vec::new(), lock: None };
        dir.make_all(path).map_err(|e| ("create the directory", e))?;
        if let Some(data) = data {
            dir.number(&name(data)).map_err(|e| ("create a directory in", e))?;
        }
        if dir.file(MODEL_FILE).is_dir() {
            let why = format!("its {MODEL_FILE}, where the model goes, is a directory");
            return Err(("write in", Error::other(why)));
        }
        dir.lock = Some(lock(&dir.file(LOCK)).map_err(|e| ("write in", e))?);
        Ok(dir)
    }

    /// Refuses to replace another run.
    pub(crate) fn check_free(&self) -> Result<(), Failure> {
        let (model, dir) = (self.file(MODEL_FILE), self.path.display());
        let message = if model.exists() {
            let model = model.display();
            format!(
                "{model} is the model of another run: choose another --out, or replace it with --force"
            )
        } else if self.file(CHECKPOINTS).exists() {
            format!(
                "{dir} has a run that is not complete: go on with --resume {dir}, or replace it with --force"
            )
        } else {
            return Ok(());
        };
        Err(Failure::input(message).coded("output"))
    }

    /// Whether there is a run that has come to its end.
    pub(crate) fn is_complete(&self) -> bool {
        self.file(SUMMARY).exists()
    }

    /// Removes the checkpoints and events of another run.
    pub(crate) fn begin_anew(&self) -> Result<(), Failure> {
        for name in [CHECKPOINTS, tensorboard::DIR] {
            match fs::remove_dir_all(self.file(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(cannot("replace the run in", &self.path, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Forgets the results of another run, which are not those of the model that is written next.
    pub(crate) fn clear(&self) -> Result<(), Failure> {
        for name in [SUMMARY, REPORT, folds::FILE] {
            match fs::remove_file(self.file(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(cannot("replace the run in", &self.path, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes a file of the run.
    pub(crate) fn write(&self, name: &str, contents: &[u8]) -> Result<(), Failure> {
        out_file::write(&self.file(name), contents)
    }

    /// Writes the model.
    pub(crate) fn save(&self, model: &Model) -> Result<(), Failure> {
        Ok(model.save(self.file(MODEL_FILE))?)
    }

    /// The path of a file of the run.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Keeps the directory.
    pub(crate) fn keep(mut self) {
        self.made.clear();
    }

    /// Creates `path` and whatever is missing above it.
    fn make_all(&mut self, path: &Path) -> std::io::Result<()> {
        let dirs: Vec<&Path> = path.ancestors().filter(|p| !p.as_os_str().is_empty()).collect();
        for dir in dirs.into_iter().rev() {
            match fs::create_dir(dir) {
                Ok(()) => self.made.push(dir.to_owned()),
                Err(_) if dir.is_dir() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Creates the first of `NAME-1`, `NAME-2` … that does not exist below the path: two runs at
    /// once get two directories.
    fn number(&mut self, name: &str) -> std::io::Result<()> {
        for n in 1u64.. {
            let path = self.path.join(format!("{name}-{n}"));
            match fs::create_dir(&path) {
                Ok(()) => {
                    self.made.push(path.clone());
                    self.path = path;
                    break;
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if self.lock.is_some() {
            let _ = fs::remove_file(self.file(LOCK));
        }
        for dir in self.made.iter().rev() {
            // One that is no longer empty stays.
            let _ = fs::remove_dir(dir);
        }
    }
}

/// Creates a file, and locks it.
fn lock(path: &Path) -> std::io::Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) if is_at(&file, path)? => Ok(file),
        // Whoever had it has removed it meanwhile.
        Ok(()) => Err(ErrorKind::NotFound.into()),
        Err(TryLockError::WouldBlock) => Err(Error::other("another run is at work there")),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether an open file is the one that `path` names.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (open, named) = (file.metadata()?, fs::metadata(path)?);
    Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
}

/// Whether an open file is the one that `path` names: elsewhere, an open file keeps its name.
#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> std::io::Result<bool> {
    Ok(true)
}

fn cannot(what: &str, path: &Path, error: &Error) -> Failure {
    let message = format!("cannot {what} {} ({error}): choose another --out", path.display());
    Failure::input(message).coded("output")
}

/// The data's name as part of a directory's name.
fn name(data: &Path) -> String {
    let stem = data.file_stem().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    match stem.chars().map(plain).take(100).collect::<String>() {
        name if name.is_empty() => "run".into(),
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_numbered_and_go_again_unless_kept() {
        let temp = tempfile::tempdir().unwrap();
        let runs = temp.path().join("runs");
        let reserve = || {
            let mut dir = RunDir { path: runs.clone(), made: Vec::new(), lock: None };
            dir.make_all(&runs).unwrap();
            dir.number("wine").unwrap();
            dir
        };
        let first = reserve();
        let second = reserve();
        assert!(second.path.ends_with("runs/wine-2") && second.path.is_dir());
        drop(second);
        assert!(!runs.join("wine-2").exists());
        first.keep();
        assert!(runs.join("wine-1").is_dir());
        drop(reserve());
        assert!(runs.join("wine-1").is_dir() && !runs.join("wine-2").exists());
    }

    #[test]
    fn missing_parents_are_made_and_go_again() {
        let temp = tempfile::tempdir().unwrap();
        let out = temp.path().join("a/b/c");
        let dir = RunDir::reserve(Some(&out), Path::new("wine")).unwrap();
        assert!(out.is_dir() && dir.file("a") == out.join("a"));
        let refused = RunDir::reserve(Some(&out), Path::new("wine")).unwrap_err().to_string();
        assert!(refused.contains("(another run is at work there)"), "{refused}");
        drop(dir);
        assert!(!temp.path().join("a").exists());
    }

    #[test]
    fn names_are_safe_in_paths() {
        for (data, expected) in [
            ("wine", "wine"),
            ("../a b/my data.v2.csv", "my-data.v2"),
            ("größe.csv", "größe"),
            ("..", "run"),
            ("", "run"),
        ] {
            assert_eq!(name(Path::new(data)), expected);
        }
    }
}
