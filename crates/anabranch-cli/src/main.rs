//! The program `anabranch`: trains a multi-task network on a table, predicts with it, and checks its gradients.
//!
//! One file for each subcommand; [`setup`] has what training and checking share, [`output`] everything that is printed,
//! [`failure`] what goes wrong and the exit codes.
#![forbid(unsafe_code)]

mod audit;
mod evaluate;
mod failure;
mod flags;
mod gradcheck;
mod network;
mod output;
mod predict;
mod run_dir;
mod setup;
mod task_flags;
mod train;
mod verify;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;

/// One small network for the numbers and classes of a table, trained in seconds
#[derive(Debug, Parser)]
#[command(name = "anabranch", version, subcommand_required = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(train::Args),
    Predict(predict::Args),
    Evaluate(evaluate::Args),
    Verify(verify::Args),
    Gradcheck(gradcheck::Args),
    Audit(audit::Args),
}

fn main() -> ExitCode {
    let result = match Cli::try_parse() {
        Ok(cli) => match cli.command {
            Command::Train(args) => train::run(&args),
            Command::Predict(args) => predict::run(&args),
            Command::Evaluate(args) => evaluate::run(&args),
            Command::Verify(args) => verify::run(&args),
            Command::Gradcheck(args) => gradcheck::run(&args),
            Command::Audit(args) => audit::run(&args),
        },
        Err(error) if error.use_stderr() => Err(Failure::usage(&error)),
        // --help and --version come as errors too.
        Err(error) => output::print(&error.render().to_string()).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|failure| failure.report())
}
