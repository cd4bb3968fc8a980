//! Benchmarks of Anabranch, in one binary: `cargo xtask bench`.
//!
//! `docs/performance.md` says what each figure means, and what it cannot tell.
#![forbid(unsafe_code)]

mod backends;
mod build_cost;
mod cliffs;
mod compare;
mod gemm;
mod generate;
mod infer;
mod instructions;
mod memory;
mod network;
mod overview;
mod parts;
mod peak;
mod peers;
mod products;
mod read;
mod report;
mod shape;
mod smoke;
mod step;
mod timing;
mod train;
mod versus;
mod workload;

use std::process::ExitCode;

use anabranch_tests::CountingAllocator;
use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The result of a benchmark; an error ends the program with one line.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Benchmarks of Anabranch; without a suite, an overview in about a minute
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    suite: Option<Suite>,
    #[command(flatten)]
    overview: overview::Args,
}

#[derive(Subcommand)]
enum Suite {
    /// One training step: forward, losses, backward and update
    Step(step::Args),
    /// Where the time of a step goes, pass by pass
    Parts(parts::Args),
    /// Matrix products, next to matrixmultiply and faer
    Gemm(gemm::Args),
    /// From a CSV file to a trained model, next to PyTorch
    Train(train::Args),
    /// From a CSV file to a matrix, next to pandas and polars
    Read(read::Args),
    /// Prediction of one row and of many
    Infer(infer::Args),
    /// A clean release build: seconds, crates, size
    Build(build_cost::Args),
    /// Compare two files of results, figure by figure
    Compare(compare::Args),
    /// Run every case on tiny sizes, to see that it works
    Smoke,
    #[command(hide = true)]
    StepsOnly(instructions::ChildArgs),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let Some(suite) = cli.suite else { return overview::run(&cli.overview) };
    match suite {
        Suite::Step(args) => step::run(&args),
        Suite::Parts(args) => parts::run(&args),
        Suite::Gemm(args) => gemm::run(&args),
        Suite::Train(args) => train::run(&args),
        Suite::Read(args) => read::run(&args),
        Suite::Infer(args) => infer::run(&args),
        Suite::Build(args) => build_cost::run(&args),
        Suite::Compare(args) => compare::run(&args),
        Suite::Smoke => smoke::run(),
        Suite::StepsOnly(args) => instructions::run_child(&args),
    }
}
