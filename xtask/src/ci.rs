//! The checks that have to pass before a change lands, in named stages.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use clap::ValueEnum;

use crate::Result;
use crate::cargo::{cargo, output, root, run as call};
use crate::{exports, mutants, package};

/// A part of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// The code is formatted
    Format,
    /// Clippy finds nothing
    Lints,
    /// The documentation builds without warnings
    Docs,
    /// All tests pass
    Tests,
    /// Every example runs
    Examples,
    /// The program builds for release
    Program,
    /// Exported models predict the same in the programs they are for
    Exports,
    /// Each crate can be packaged, and its README's example runs against the package alone
    Packages,
    /// The program compiles for every target that rustup has installed
    Targets,
    /// Every benchmark runs on tiny sizes
    Benchmarks,
    /// Every mistake on purpose is noticed
    Mutants,
}

/// Runs the named stages, or all of them.
pub(crate) fn run(stages: &[Stage]) -> Result<()> {
    let stages = if stages.is_empty() { Stage::value_variants() } else { stages };
    let start = Instant::now();
    for stage in stages {
        let name = stage.to_possible_value().map_or(String::new(), |v| v.get_name().to_owned());
        println!("== {name}");
        let begin = Instant::now();
        stage.run().map_err(|error| format!("stage {name}: {error}"))?;
        println!("== {name}: passed in {:.0} s", begin.elapsed().as_secs_f64());
    }
    println!("== all passed in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

impl Stage {
    fn run(self) -> Result<()> {
        match self {
            Self::Format => call(&mut cargo(&["fmt", "--all", "--check"])),
            Self::Lints => {
                let clippy = ["clippy", "--workspace", "--all-targets", "--quiet"];
                call(cargo(&clippy).args(["--", "-D", "warnings"]))
            }
            Self::Docs => call(
                cargo(&["doc", "--workspace", "--no-deps", "--quiet"])
                    .env("RUSTDOCFLAGS", "-D warnings"),
            ),
            Self::Tests => call(&mut cargo(&["test", "--workspace"])),
            Self::Examples => examples(),
            Self::Program => call(&mut cargo(&["build", "--release", "--quiet"])),
            Self::Exports => exports::run(),
            Self::Packages => package::run(),
            Self::Targets => targets(),
            Self::Benchmarks => {
                let smoke = ["run", "--quiet", "--release", "--package", "anabranch-benches"];
                call(cargo(&smoke).args(["--", "smoke"]).stdout(Stdio::null()))
            }
            Self::Mutants => mutants::run(&[]),
        }
    }
}

/// The files and folders in `folder`, sorted.
fn entries(folder: PathBuf) -> Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    Ok(paths)
}

/// Runs every example of every crate.
fn examples() -> Result<()> {
    for folder in entries(root().join("crates"))? {
        let examples = folder.join("examples");
        if !examples.is_dir() {
            continue;
        }
        for file in entries(examples)? {
            let (Some(package), Some(name)) = (folder.file_name(), file.file_stem()) else {
                continue;
            };
            println!("-- {}: {}", package.display(), name.display());
            let mut command = cargo(&["run", "--quiet", "--package"]);
            call(command.arg(package).arg("--example").arg(name).stdout(Stdio::null()))?;
        }
    }
    Ok(())
}

/// Checks the program for each installed target except the host's.
fn targets() -> Result<()> {
    let rustup = Command::new("rustup").args(["target", "list", "--installed"]).output();
    let Some(installed) = rustup.ok().filter(|output| output.status.success()) else {
        println!("rustup is not installed: only this machine's target was built");
        return Ok(());
    };
    let host = output(cargo(&["--version", "--verbose"]).stdin(Stdio::null()))?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    for target in String::from_utf8(installed.stdout)?.lines().filter(|line| *line != host) {
        println!("-- {target}");
        let check = ["check", "--quiet", "--package", "anabranch-cli", "--target", target];
        call(&mut cargo(&check))?;
    }
    Ok(())
}
