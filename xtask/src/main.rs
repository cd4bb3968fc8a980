//! The automation of the workspace; `cargo xtask` lists the tasks.
#![forbid(unsafe_code)]

mod cargo;
mod ci;
mod exports;
mod mutants;
mod package;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use cargo::cargo;

/// The result of a task; an error ends the program with one line.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The automation of the workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// Run the benchmarks: an overview, or the named suite (see `cargo xtask bench --help`)
    #[command(disable_help_flag = true)]
    Bench {
        /// Passed on to the benchmarks
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run the checks that have to pass before a change lands
    Ci {
        /// Only these stages, in this order [default: all]
        stages: Vec<ci::Stage>,
    },
    /// Put mistakes into the code on purpose, and see which checks notice
    Mutants {
        /// Only those whose name or file contains one of these [default: all]
        words: Vec<String>,
    },
    /// Package every crate, then build and run its README's example against the package alone
    Package,
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Some(Task::Bench { args }) => bench(&args),
        Some(Task::Ci { stages }) => ci::run(&stages).map(|()| ExitCode::SUCCESS),
        Some(Task::Mutants { words }) => mutants::run(&words).map(|()| ExitCode::SUCCESS),
        Some(Task::Package) => package::run().map(|()| ExitCode::SUCCESS),
        None => Cli::command().print_help().map(|()| ExitCode::SUCCESS).map_err(Into::into),
    };
    done.unwrap_or_else(|error| {
        eprintln!("cargo xtask: {error}");
        ExitCode::FAILURE
    })
}

/// Builds and runs the benchmarks, and exits with their exit code.
fn bench(args: &[OsString]) -> Result<ExitCode> {
    let mut command = cargo(&["run", "--quiet", "--release", "--package", "anabranch-benches"]);
    // faer takes a long time to build, and only this suite needs it.
    if args.first().is_some_and(|suite| suite == "gemm") {
        command.args(["--features", "faer"]);
        // The profile does not optimise in the program's build what only this suite runs.
        command.args(["--config", "profile.release.package.matrixmultiply.opt-level=3"]);
    }
    let status = command.arg("--").args(args).status()?;
    // A process killed by a signal has no code.
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, Into::into))
}
