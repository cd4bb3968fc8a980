//! The program `anabranch`: trains a multi-task network on a table, predicts with it, and checks
//! its gradients. What it does is a library's, [`main`]; from Rust, use the crate `anabranch`.
//!
//! There is one file for each subcommand; `setup` has what training and checking share, `output`
//! everything that is printed, and `failure` errors and exit codes.
#![forbid(unsafe_code)]

mod audit;
mod certificate;
mod check;
mod checkpoints;
mod class_weights;
mod compare;
mod completions;
mod config;
mod covered;
mod evaluate;
mod explain;
mod export;
mod failure;
mod fit;
mod flags;
mod folds;
mod gradcheck;
mod groups;
mod history;
mod init;
mod init_kinds;
mod inspect;
mod log;
mod network;
mod out_file;
mod outcome;
mod output;
mod predict;
mod predict_lines;
mod predict_table;
mod predict_why;
mod predicted_columns;
mod report;
mod resume;
mod row_facts;
mod run_dir;
mod run_record;
mod run_setup;
mod runs;
mod saved_run;
mod schema;
mod setup;
mod signals;
mod single_task;
mod split_args;
mod split_file;
mod sweep;
mod table_args;
mod target_scale;
mod task_flags;
mod tensorboard;
mod threads;
mod train;
mod verify;
mod verify_trace;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use config::Settings;
use failure::{Failure, Readers};

/// Train one small network for the numbers and classes of a table, in seconds
#[derive(Debug, Parser)]
#[command(name = "anabranch", version, subcommand_required = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Log to stderr: -v files and epochs, -vv details; RUST_LOG overrides it
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(train::Args),
    Predict(predict::Args),
    Evaluate(evaluate::Args),
    Schema(schema::Args),
    Init(init::Args),
    Sweep(sweep::Args),
    Runs(runs::Args),
    Compare(compare::Args),
    Report(report::Args),
    Inspect(inspect::Args),
    Check(check::Args),
    Export(export::Args),
    Verify(verify::Args),
    Gradcheck(gradcheck::Args),
    #[command(mut_args = explain::flag)]
    Explain(explain::Args),
    Audit(audit::Args),
    Completions(completions::Args),
}

/// Does what the process's arguments say, and gives its exit code.
pub fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let result = match Cli::command().try_get_matches_from(&args) {
        Ok(matches) => run(&args, matches),
        Err(error) if error.use_stderr() => Err(Failure::usage(&error)),
        // --help and --version come as errors too.
        Err(error) => output::print(&error.render().to_string()).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|failure| failure.report(Readers::asked_for()))
}

/// Reads a config file of `train`, or of `sweep` if it has ranges.
///
/// # Errors
/// What is wrong with it: the program's message, with line and column.
pub fn check_config(text: &str) -> Result<(), String> {
    let program = Cli::command();
    let command = program.find_subcommand("train").unwrap_or(&program);
    let read = config::space(command, ("config", text), &[]);
    read.map(|_| ()).map_err(|failure| failure.to_string())
}

fn run(args: &[OsString], matches: ArgMatches) -> Result<ExitCode, Failure> {
    let mut program = Cli::command();
    let matches = config::with_settings(&mut program, args, matches)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| Failure::usage(&error))?;
    log::start(cli.verbose)?;
    cli.command.run(&Settings::of(&program, &matches))
}

impl Command {
    fn run(&self, settings: &Settings<'_>) -> Result<ExitCode, Failure> {
        match self {
            Self::Train(args) => train::run(args, settings),
            Self::Predict(args) => predict::run(args),
            Self::Evaluate(args) => evaluate::run(args),
            Self::Schema(args) => schema::run(args),
            Self::Init(args) => init::run(args, settings),
            Self::Sweep(args) => sweep::run(args),
            Self::Runs(args) => runs::run(args),
            Self::Compare(args) => compare::run(args),
            Self::Report(args) => report::run(args),
            Self::Inspect(args) => inspect::run(args),
            Self::Check(args) => check::run(args),
            Self::Export(args) => export::run(args),
            Self::Verify(args) => verify::run(args),
            Self::Gradcheck(args) => gradcheck::run(args),
            Self::Explain(args) => explain::run(args),
            Self::Audit(args) => audit::run(args),
            Self::Completions(args) => completions::run(args, Cli::command()),
        }
    }
}
