//! The directory that a run leaves its model in.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anabranch::train::MODEL_FILE;

use crate::failure::Failure;

/// Where runs go that are given no directory.
const RUNS: &str = "runs";

/// A directory that exists and can be written. Unless the run is [kept](RunDir::keep), what was
/// made goes again.
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
        let mut dir = Self { path: path.to_owned(), made: Vec::new() };
        dir.make_all(path).map_err(|e| cannot("make the directory", path, &e))?;
        if out.is_none() {
            dir.number(&name(data)).map_err(|e| cannot("make a directory in", path, &e))?;
        }
        let model = dir.model();
        if model.is_dir() {
            let message = format!(
                "{} is a directory, and the model's file goes there: choose another --out",
                model.display()
            );
            return Err(Failure::input(message).coded("output"));
        }
        let probe = dir.path.join(format!(".{}.probe", std::process::id()));
        fs::write(&probe, b"").map_err(|e| cannot("write in", &dir.path, &e))?;
        let _ = fs::remove_file(&probe);
        Ok(dir)
    }

    /// The model's file.
    pub(crate) fn model(&self) -> PathBuf {
        self.path.join(MODEL_FILE)
    }

    /// Keeps the directory.
    pub(crate) fn keep(mut self) {
        self.made.clear();
    }

    /// Makes `path` and what is missing above it.
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

    /// Makes `NAME-1`, `NAME-2` … below the path, whichever does not exist: two runs at once get
    /// two directories.
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
