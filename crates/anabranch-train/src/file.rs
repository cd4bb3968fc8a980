//! Writing files so that nobody ever sees half of one.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// What the names of temporary files begin with, and end with: hidden, and telling what they are.
const TEMPORARY: (&str, &str) = (".anabranch-", ".new");

/// Most symbolic links that are followed from one to the next, as Linux does.
const MAX_LINKS: usize = 40;

/// Writes `contents` to the file `path`, as a [`NewFile`] does.
///
/// # Errors
/// What the file system says.
pub fn replace_file(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = NewFile::create(path)?;
    file.write_all(contents)?;
    file.finish()
}

/// A file that is written under a random name in the directory of its path, and then takes its
/// place in one rename: a reader sees the old file or the new one, and after a failure the old one
/// is still there and the new one gone. What a process that was killed has left of this in the
/// directory is removed.
///
/// Permissions of a file that is replaced are kept. A symbolic link is followed, also where it
/// points to nothing yet. What is not a regular file, such as `/dev/null`, is written in place.
#[derive(Debug)]
pub struct NewFile(Place);

/// Where a [`NewFile`] is written.
#[derive(Debug)]
enum Place {
    Beside { file: NamedTempFile, path: PathBuf, old: Option<Permissions>, len: usize },
    InPlace(File),
}

impl NewFile {
    /// Begins the file `path`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(path: &Path) -> io::Result<Self> {
        let old = match fs::metadata(path) {
            Ok(found) if !found.is_file() && !found.is_dir() => {
                return Ok(Self(Place::InPlace(File::options().write(true).open(path)?)));
            }
            Ok(found) => Some(found.permissions()),
            Err(_) => None,
        };
        let path = follow_links(path)?;
        let dir = dir_of(&path);
        // First, because they may be what fills the disk.
        remove_stale(dir);
        // Removed when it is dropped, unless it has become the file.
        let file = temporary_in(dir, old.as_ref())?;
        Ok(Self(Place::Beside { file, path, old, len: 0 }))
    }

    /// Puts the file in its place. When it returns, contents and name are on the disk.
    ///
    /// # Errors
    /// What the file system says.
    pub fn finish(self) -> io::Result<()> {
        let Place::Beside { file, path, old, len } = self.0 else { return Ok(()) };
        if let Some(permissions) = old {
            file.as_file().set_permissions(permissions)?;
        }
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        sync_dir(dir_of(&path))?;
        tracing::info!(file = ?path, bytes = len, "file written");
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Place::Beside { file, len, .. } => file.write(bytes).inspect(|n| *len += n),
            Place::InPlace(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // Nothing is held back.
        Ok(())
    }
}

fn dir_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// A new file of random name in `dir`, locked for as long as it is open: so long it is in use.
fn temporary_in(dir: &Path, old: Option<&Permissions>) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY.0).suffix(TEMPORARY.1);
    #[cfg(unix)]
    if old.is_none() {
        use std::os::unix::fs::PermissionsExt;
        // As for any new file: what the process's mask leaves of it.
        builder.permissions(Permissions::from_mode(0o666));
    }
    let _ = old;
    loop {
        let file = builder.tempfile_in(dir)?;
        // Where a file system has no locks, no other process finds it unlocked and removes it.
        let _ = file.as_file().lock();
        // One that was removed as stale before it was locked is no use.
        if file.path().exists() {
            return Ok(file);
        }
    }
}

/// Removes temporary files in `dir` whose processes were killed, and with them their locks. What
/// cannot be removed stays: it is in nobody's way.
fn remove_stale(dir: &Path) {
    let is_temporary = |name: &str| name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1);
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && entry.file_name().to_str().is_some_and(is_temporary) {
            let file = File::options().write(true).open(entry.path());
            if file.is_ok_and(|file| file.try_lock().is_ok()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// The file that `path` means at the end of all links, whether or not it exists.
fn follow_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::read_link(&path) else { return Ok(path) };
        // A relative link is relative to the directory that it lies in.
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Syncs a rename in `dir` to the disk. Only Unix lets a program open a directory for that.
fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        for contents in [&b"one"[..], b"", b"two"] {
            replace_file(&path, contents).unwrap();
            assert_eq!(fs::read(&path).unwrap(), contents);
            assert_eq!(names(dir.path()), ["a"]);
        }
        // A directory has the name: nothing changes.
        fs::create_dir(dir.path().join("b")).unwrap();
        replace_file(&dir.path().join("b"), b"three").unwrap_err();
        replace_file(&dir.path().join("none/c"), b"three").unwrap_err();
        assert_eq!(names(dir.path()), ["a", "b"]);
    }

    #[test]
    fn what_the_dead_have_left_is_removed_and_what_is_at_work_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let at_work = temporary_in(dir.path(), None).unwrap();
        // As after a kill: there, but not locked.
        let dead = temporary_in(dir.path(), None).unwrap().keep().unwrap().1;
        let others = [".anabranch-1.old", ".1.new", "anabranch-1.new"];
        others.iter().for_each(|name| fs::write(dir.path().join(name), b"").unwrap());
        fs::create_dir(dir.path().join(".anabranch-2.new")).unwrap();
        replace_file(&path, b"one").unwrap();
        assert!(!dead.exists() && at_work.path().exists());
        assert_eq!(names(dir.path()).len(), 6);
        at_work.persist(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_also_where_they_dangle() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("there")).unwrap();
        let link = |name: &str, target: &str| {
            std::os::unix::fs::symlink(target, dir.path().join(name)).unwrap();
        };
        link("first", "second");
        link("second", "there/file");
        for contents in [b"one", b"two"] {
            replace_file(&dir.path().join("first"), contents).unwrap();
            assert_eq!(fs::read(dir.path().join("there/file")).unwrap(), contents);
            assert!(dir.path().join("first").is_symlink());
        }
        link("circle", "circle");
        let error = replace_file(&dir.path().join("circle"), b"three").unwrap_err();
        assert_eq!(error.to_string(), "too many symbolic links");
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_kept_and_those_of_a_new_file_are_the_usual_ones() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let mode =
            |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
        fs::write(dir.path().join("usual"), b"").unwrap();
        replace_file(&dir.path().join("new"), b"one").unwrap();
        assert_eq!(mode("new"), mode("usual"));
        fs::set_permissions(dir.path().join("new"), Permissions::from_mode(0o640)).unwrap();
        replace_file(&dir.path().join("new"), b"two").unwrap();
        assert_eq!(mode("new"), 0o640);
    }
}
