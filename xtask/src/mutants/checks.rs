//! The checks: what cargo builds of them, once, and a run of one of them.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::Result;
use crate::cargo::{cargo, output};

/// A check that takes longer has run into the mistake as into a wall.
const PATIENCE: Duration = Duration::from_secs(60);

/// The executables that checks are run by.
pub(super) struct Checks {
    executables: Vec<Executable>,
}

/// What cargo has built.
struct Executable {
    package: String,
    /// The name of its tests; none for a program.
    tests: Option<String>,
    path: PathBuf,
    /// Where its package lies; cargo runs tests there.
    folder: PathBuf,
}

/// What came of running a check.
pub(super) struct Outcome {
    /// How it failed and what it said, if it failed.
    pub(super) failure: Option<String>,
    pub(super) seconds: f64,
}

/// What cargo says about something that it has built, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl Message {
    fn executable(self) -> Option<Executable> {
        let folder = self.manifest_path?.parent()?.to_owned();
        // A crate's folder has its name.
        let package = folder.file_name()?.display().to_string();
        let (name, is_test) = (self.target?.name, self.profile?.test);
        let (tests, path) = (is_test.then_some(name), self.executable?);
        Some(Executable { package, tests, path, folder })
    }
}

impl Checks {
    /// Builds what the named checks need, from the copy of the tree in `folder`.
    pub(super) fn build(folder: &Path, names: &BTreeSet<&str>) -> Result<Self> {
        let places: Vec<Place<'_>> = names.iter().map(|name| Place::of(name)).collect();
        let mut command = cargo(&["test", "--no-run", "--quiet", "--test", "*"]);
        command.args(["--message-format", "json-render-diagnostics"]);
        // Not `--tests`: nobody runs the program's own unit tests, which take long to build.
        if places.iter().any(|place| matches!(place.which, Which::AllTests)) {
            command.arg("--lib");
        }
        for package in places.iter().map(|place| place.package).collect::<BTreeSet<_>>() {
            command.args(["--package", package]);
        }
        command.current_dir(folder.join("tree")).env("CARGO_TARGET_DIR", folder.join("target"));
        // Nobody reads a backtrace, and what it takes costs time.
        command.env("RUSTFLAGS", "--cap-lints=allow").env("CARGO_PROFILE_DEV_DEBUG", "0");
        let mut executables = Vec::new();
        for line in output(&mut command)?.lines() {
            executables.extend(serde_json::from_str::<Message>(line)?.executable());
        }
        Ok(Self { executables })
    }

    /// Runs a check with mistake `number`; 0 is none.
    pub(super) fn run(&self, check: &str, number: usize) -> io::Result<Outcome> {
        let start = Instant::now();
        let place = Place::of(check);
        let mut failure = None;
        for executable in self.executables.iter().filter(|executable| place.has(executable)) {
            let mut command = Command::new(&executable.path);
            command.args(&place.words).current_dir(&executable.folder);
            failure = failure_of(command.env("MUTANT", number.to_string()))?;
            if failure.is_some() {
                break;
            }
        }
        Ok(Outcome { failure, seconds: start.elapsed().as_secs_f64() })
    }
}

/// Which executables a check runs.
struct Place<'a> {
    package: &'a str,
    which: Which<'a>,
    words: Option<String>,
}

enum Which<'a> {
    Program,
    Tests(&'a str),
    AllTests,
}

impl<'a> Place<'a> {
    /// A check is a package, or a module of the program's tests, or has a name of its own.
    fn of(check: &'a str) -> Self {
        let (package, which, words) = match check {
            "gradcheck" => ("anabranch-cli", Which::Program, Some(check.to_owned())),
            "program" => ("anabranch-cli", Which::Tests("cli"), None),
            "oracle" => ("anabranch-verify", Which::Tests("oracle"), None),
            package if package.starts_with("anabranch") => (package, Which::AllTests, None),
            module => ("anabranch-cli", Which::Tests("cli"), Some(format!("{module}::"))),
        };
        Self { package, which, words }
    }

    fn has(&self, executable: &Executable) -> bool {
        let tests = executable.tests.as_deref();
        executable.package == self.package
            && match self.which {
                Which::Program => tests.is_none(),
                Which::Tests(name) => tests == Some(name),
                Which::AllTests => tests.is_some(),
            }
    }
}

/// Runs a command; how it failed and what it said, if it failed.
fn failure_of(command: &mut Command) -> io::Result<Option<String>> {
    // A file takes what is said without anybody reading along.
    let mut said = tempfile::tempfile()?;
    command.stdout(said.try_clone()?).stderr(said.try_clone()?);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let mut child = command.spawn()?;
    let start = Instant::now();
    let how = loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(None),
            Some(status) => break status.to_string(),
            None if start.elapsed() > PATIENCE => {
                end(&mut child)?;
                break format!("it does not end within {} s", PATIENCE.as_secs());
            }
            None => thread::sleep(Duration::from_millis(10)),
        }
    };
    let mut text = Vec::new();
    said.rewind()?;
    said.read_to_end(&mut text)?;
    Ok(Some(format!("{how}\n{}", String::from_utf8_lossy(&text))))
}

/// Ends a child, and on Unix the programs that it has started: they would take time from others.
fn end(child: &mut Child) -> io::Result<()> {
    if cfg!(unix) {
        let group = format!("-{}", child.id());
        Command::new("kill").args(["-KILL", "--", &group]).status()?;
    }
    child.kill()?;
    child.wait().map(|_| ())
}
