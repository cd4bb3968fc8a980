//! Running the program in a directory of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// A directory that the program runs in.
pub(crate) struct Dir(tempfile::TempDir);

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Dir {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), contents).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Runs `anabranch` with the words of `flags`.
    pub(crate) fn run(&self, flags: &str) -> Run {
        let output = self.command(flags).output().unwrap();
        Run {
            code: output.status.code().expect("no signal ends the program"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The program with the words of `flags`, not yet run.
    pub(crate) fn command(&self, flags: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_anabranch"));
        command.args(flags.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// Runs what has to succeed.
    pub(crate) fn succeed(&self, flags: &str) -> Run {
        let run = self.run(flags);
        assert_eq!(run.code, 0, "{flags}: {}", run.stderr);
        run
    }

    /// The last line of stdout as JSON, from a run that has to succeed.
    pub(crate) fn json(&self, flags: &str) -> Value {
        self.succeed(&format!("{flags} --json")).json()
    }

    /// Every file and directory, by its path.
    pub(crate) fn listing(&self) -> Vec<String> {
        fn add(dir: &Path, paths: &mut Vec<String>) {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                paths.push(path.display().to_string());
                if path.is_dir() {
                    add(&path, paths);
                }
            }
        }
        let mut paths = Vec::new();
        add(self.0.path(), &mut paths);
        paths.sort();
        paths
    }
}

impl Run {
    /// The last line of stdout as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.stdout.lines().last().unwrap()).unwrap()
    }
}

/// The keys of a JSON object in their order.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// A table of shapes: the price is a sum over size and colour, the kind says which sizes are large.
pub(crate) fn shapes(n_rows: usize) -> String {
    let mut csv = String::from("size,colour,price,kind\n");
    for i in 0..n_rows {
        let (size, colour) = ((i * 7) % 17, i % 3);
        let price = 2 * size + 5 * colour;
        let kind = if size > 8 { "large" } else { "small" };
        csv += &format!("{size},{},{price}.5,{kind}\n", ["red", "green", "blue"][colour]);
    }
    csv
}

/// Flags that train on [`shapes`] in no time.
pub(crate) const QUICK: &str = "--regress price --classify kind --epochs 3 --hidden-a 6 --hidden-b 5 --batch-size 16 --ensemble 1 --watch sum";
