//! `anabranch verify`: an oracle case replayed.

use std::path::PathBuf;
use std::process::ExitCode;

use anabranch::graph::Fusion;
use anabranch::verify::oracle::{Case, Precision, verify};
use serde_json::json;

use crate::failure::Failure;
use crate::output;

/// Replays an oracle case, computed by an independent implementation
///
/// The exit code is 1 when a loss, a gradient, an update or a prediction is off
/// by more than 1e-9 in f64 or 1e-3 in f32, relative to its norm.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The case
    #[arg(value_name = "CASE.safetensors")]
    case: PathBuf,
    /// The numbers to replay it in
    #[arg(long, value_enum, default_value = "f64")]
    precision: PrecisionArg,
    /// Prints the result as one line of JSON instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum PrecisionArg {
    F64,
    F32,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let precision = match args.precision {
        PrecisionArg::F64 => Precision::F64,
        PrecisionArg::F32 => Precision::F32,
    };
    let report = Case::load(&args.case).and_then(|case| verify(&case, precision, Fusion::Fused));
    let report = report.map_err(|e| Failure::input(format!("{} {e}", args.case.display())))?;
    if args.json {
        output::print(&json!(report))?;
    } else {
        output::print(&report)?;
    }
    Ok(output::verdict(report.pass))
}
