//! Writing files so that nobody ever sees half of one.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Most symbolic links that are followed from one to the next, as Linux does.
const MAX_LINKS: usize = 40;

/// Writes `contents` to a new file of random name in the directory of `path`, which then takes its
/// place in one rename: a reader sees the old file or the new one, and after a failure the old one
/// is still there and the new one gone. When it returns, the contents and the name are on the disk.
///
/// Permissions of a file that is replaced are kept. A symbolic link is followed, also where it
/// points to nothing yet. What is not a regular file, such as `/dev/stdout`, is written in place.
///
/// # Errors
/// What the file system says.
pub fn replace_file(path: &Path, contents: &[u8]) -> io::Result<()> {
    // Links of `/dev/stdout` end in a name that no file has: asked first what it is.
    let old = match fs::metadata(path) {
        Ok(found) if !found.is_file() && !found.is_dir() => {
            return File::options().write(true).open(path)?.write_all(contents);
        }
        Ok(found) => Some(found.permissions()),
        Err(_) => None,
    };
    let path = follow_links(path)?;
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    // Removed when it is dropped, unless it has become the file.
    let mut file = builder(old.as_ref()).tempfile_in(dir)?;
    file.write_all(contents)?;
    if let Some(permissions) = old {
        file.as_file().set_permissions(permissions)?;
    }
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    sync_dir(dir)?;
    tracing::info!(file = ?path, bytes = contents.len(), "file written");
    Ok(())
}

/// Names of temporary files begin with a dot, and end so that people can tell what they are.
fn builder(old: Option<&Permissions>) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".new");
    #[cfg(unix)]
    if old.is_none() {
        use std::os::unix::fs::PermissionsExt;
        // As for any new file: what the process's mask leaves of it.
        builder.permissions(Permissions::from_mode(0o666));
    }
    let _ = old;
    builder
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
