//! The file that `--out` names: what it must not be, and how it is written.

use std::io::{ErrorKind, Write};
use std::path::Path;

use anabranch::train::NewFile;

use crate::failure::Failure;

/// The file that `--out` names while it is written, or standard output.
pub(crate) struct OutFile<'a> {
    path: &'a Path,
    /// None for standard output.
    file: Option<NewFile>,
}

/// Who reads what is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    There,
    /// Of a pipe: nobody wants to know the rest.
    Gone,
}

impl<'a> OutFile<'a> {
    /// Begins it, under another name: nothing is replaced before [`finish`](Self::finish).
    pub(crate) fn create(path: &'a Path) -> Result<Self, Failure> {
        let file = if is_stdout(path) { Ok(None) } else { NewFile::create(path).map(Some) };
        Ok(Self { path, file: file.map_err(|error| cannot_write(path, &error))? })
    }

    /// Writes more of it, so that it can be read at once.
    pub(crate) fn write(&mut self, contents: &[u8]) -> Result<Reader, Failure> {
        let written = match &mut self.file {
            Some(file) => file.write_all(contents),
            None => {
                let mut stdout = std::io::stdout().lock();
                stdout.write_all(contents).and_then(|()| stdout.flush())
            }
        };
        self.reader_of(written)
    }

    /// Puts it in its place.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        let finished = self.file.take().map_or(Ok(()), NewFile::finish);
        self.reader_of(finished).map(|_| ())
    }

    fn reader_of(&self, written: std::io::Result<()>) -> Result<Reader, Failure> {
        match written {
            Ok(()) => Ok(Reader::There),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
            Err(error) => Err(cannot_write(self.path, &error)),
        }
    }
}

/// Writes all of a file, or of standard output, whose reader may have gone.
pub(crate) fn write(out: &Path, contents: &[u8]) -> Result<(), Failure> {
    let mut file = OutFile::create(out)?;
    file.write(contents)?;
    file.finish()
}

/// The failure of writing `out`.
pub(crate) fn cannot_write(out: &Path, error: &dyn std::fmt::Display) -> Failure {
    let what = if is_stdout(out) { "to stdout".into() } else { out.display().to_string() };
    let message = format!("cannot write {what} ({error})");
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
