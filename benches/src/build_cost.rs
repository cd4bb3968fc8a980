//! The suite `build`: how long a user who builds the program from source waits, and what they get.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::json;

use crate::Result;
use crate::report::{Report, digits, write_json};

/// The workspace.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const PROGRAM: &str = "anabranch";

/// Options of `build`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Write the results here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the suite. Crates are fetched before the clock starts.
pub(crate) fn run(args: &Args) -> Result<()> {
    cargo(&["fetch", "--locked", "--quiet"], None)?;
    let target = tempfile::tempdir()?;
    let start = Instant::now();
    cargo(&["build", "--release", "--locked", "--quiet"], Some(target.path()))?;
    let seconds = start.elapsed().as_secs_f64();
    let tree =
        ["tree", "--package", "anabranch-cli", "--edges", "normal,build", "--prefix", "none"];
    let crates = count_crates(&cargo(&tree, None)?);
    let program =
        target.path().join("release").join(PROGRAM).with_extension(env::consts::EXE_EXTENSION);
    let bytes = fs::metadata(&program)?.len();
    let stripped_bytes = stripped_size(&program)?;

    let megabytes = |bytes: u64| digits(bytes as f64 / 1e6);
    let mut report = Report::new(["clean release build", ""]);
    report.row(["seconds".to_owned(), digits(seconds)]);
    report.row(["crates".to_owned(), crates.to_string()]);
    report.row(["program, MB".to_owned(), megabytes(bytes)]);
    report.row(["stripped, MB".to_owned(), stripped_bytes.map_or("–".to_owned(), megabytes)]);
    report.print();
    let record = json!({
        "suite": "build",
        "seconds": seconds,
        "crates": crates,
        "bytes": bytes,
        "stripped_bytes": stripped_bytes,
    });
    write_json(args.json.as_deref(), &[record])
}

/// Runs cargo in the workspace; returns what it printed.
fn cargo(args: &[&str], target: Option<&Path>) -> Result<String> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(ROOT);
    if let Some(target) = target {
        command.env("CARGO_TARGET_DIR", target);
    }
    let output = command.output()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo {} failed: {}", args[0], why.trim()).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Lines of `cargo tree`, each crate once: a repeated one is marked with a star.
fn count_crates(tree: &str) -> usize {
    tree.lines().filter(|line| !line.trim().is_empty() && !line.ends_with("(*)")).count()
}

/// Bytes of the program without symbols, if `strip` is installed.
fn stripped_size(program: &Path) -> Result<Option<u64>> {
    let stripped = program.with_extension("stripped");
    let done = Command::new("strip").arg("-o").arg(&stripped).arg(program).status();
    match done {
        Ok(status) if status.success() => Ok(Some(fs::metadata(&stripped)?.len())),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_counted_once() {
        assert_eq!(count_crates("a v1.0.0\nb v0.2.0 (/path)\n\na v1.0.0 (*)\n"), 2);
    }
}
