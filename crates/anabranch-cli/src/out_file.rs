//! The file that `--out` names: what it must not be.

use std::path::Path;

use crate::failure::Failure;

/// Refuses an impossible output before any work is done. `taken` are files that it must not be,
/// each with what is to be said about it.
pub(crate) fn check(out: &Path, taken: &[(&Path, &str)]) -> Result<(), Failure> {
    let is_same = |other: &Path| match (out.canonicalize(), other.canonicalize()) {
        (Ok(out), Ok(other)) => out == other,
        _ => false,
    };
    let refused = |message: String| Err(Failure::input(message).coded("output"));
    let place = out.display();
    if let Some((_, what)) = taken.iter().find(|(path, _)| is_same(path)) {
        return refused(format!("{place} is {what}"));
    }
    if out.is_dir() {
        return refused(format!("{place} is a directory: name a file in it with --out"));
    }
    match out.parent() {
        Some(dir) if !dir.as_os_str().is_empty() && !dir.is_dir() => refused(format!(
            "the directory {} does not exist: create it, or choose another --out",
            dir.display()
        )),
        _ => Ok(()),
    }
}
