//! The directory where a run saves its model.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anabranch::train::{MODEL_FILE, Model, ModelError};

use crate::failure::Failure;

/// Where runs without a given directory go.
const RUNS: &str = "runs";

/// How often to try again if other runs remove the directory.
const TRIES: usize = 100;

/// A directory that exists and can be written. Unless the run is [kept](RunDir::keep), what was
/// created is removed again.
#[derive(Debug)]
pub(crate) struct RunDir {
    path: PathBuf,
    /// The directories that did not exist before, outermost first.
    made: Vec<PathBuf>,
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
                // Another run ended and removed the directory that this one was about to use.
                Err((_, error))
                    if error.kind() == ErrorKind::NotFound && tries.next().is_some() => {}
                Err((what, error)) => return Err(cannot(what, path, &error)),
            }
        }
    }

    /// [`reserve`](Self::reserve)s once: the directory `path`, or a numbered one for `data` in it.
    fn try_reserve(
        path: &Path,
        data: Option<&Path>,
    ) -> Result<Self, (&'static str, std::io::Error)> {
        let mut dir = Self { path: path.to_owned(), made: Vec::new() };
        dir.make_all(path).map_err(|e| ("create the directory", e))?;
        if let Some(data) = data {
            dir.number(&name(data)).map_err(|e| ("create a directory in", e))?;
        }
        if dir.model().is_dir() {
            let why = format!("its {MODEL_FILE}, where the model goes, is a directory");
            return Err(("write in", std::io::Error::other(why)));
        }
        let probe = dir.path.join(format!(".{}.probe", std::process::id()));
        fs::write(&probe, b"").map_err(|e| ("write in", e))?;
        let _ = fs::remove_file(&probe);
        Ok(dir)
    }

    /// Refuses to replace the model of another run.
    pub(crate) fn check_free(&self) -> Result<(), Failure> {
        let model = self.model();
        if !model.exists() {
            return Ok(());
        }
        let message = format!(
            "{} is the model of another run: choose another --out, or replace it with --force",
            model.display()
        );
        Err(Failure::input(message).coded("output"))
    }

    /// Writes the model, and keeps the directory; its path.
    pub(crate) fn save(out: Option<&Path>, data: &Path, model: &Model) -> Result<PathBuf, Failure> {
        let mut tries = 1..TRIES;
        loop {
            let dir = Self::reserve(out, data)?;
            let path = dir.model();
            match model.save(&path) {
                Ok(()) => {
                    dir.keep();
                    return Ok(path);
                }
                Err(ModelError::Io { reason, .. })
                    if reason.kind() == ErrorKind::NotFound && tries.next().is_some() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The model's file.
    pub(crate) fn model(&self) -> PathBuf {
        self.path.join(MODEL_FILE)
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
        for dir in self.made.iter().rev() {
            // One that is no longer empty stays.
            let _ = fs::remove_dir(dir);
        }
    }
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
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
            let mut dir = RunDir { path: runs.clone(), made: Vec::new() };
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
        assert!(out.is_dir() && dir.model() == out.join("model.safetensors"));
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
