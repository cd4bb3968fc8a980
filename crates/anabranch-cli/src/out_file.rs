//! The file that `--out` names: what it must not be, and how it is written.

use std::io::{ErrorKind, Write};
use std::path::Path;

use anabranch::train::replace_file;

use crate::failure::Failure;

/// Writes a file, or standard output, whose reader may have gone.
pub(crate) fn write(out: &Path, contents: &[u8]) -> Result<(), Failure> {
    let written = if is_stdout(out) {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(contents).and_then(|()| stdout.flush())
    } else {
        replace_file(out, contents)
    };
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(cannot_write(out, &error)),
        _ => Ok(()),
    }
}

/// The failure of writing `out`.
pub(crate) fn cannot_write(out: &Path, error: &dyn std::fmt::Display) -> Failure {
    let message = format!("cannot write {} ({error})", out.display());
    Failure::on_the_way(message).coded("write")
}

/// Whether a path stands for standard output, which may be a file that others write too: it is
/// never replaced.
pub(crate) fn is_stdout(out: &Path) -> bool {
    ["-", "/dev/stdout"].iter().any(|name| out == Path::new(name))
}

/// Refuses the output of `--json` and the file in one stream.
pub(crate) fn check_alone(out: &Path, is_json: bool) -> Result<(), Failure> {
    if !is_json || !is_stdout(out) {
        return Ok(());
    }
    let message =
        "--json and what --out names would both be on standard output: name a file with --out";
    Err(Failure::input(message).coded("output"))
}

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
