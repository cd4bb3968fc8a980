//! `anabranch verify`: an oracle case or a trace, replayed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anabranch::graph::Fusion;
use anabranch::tensor::Executor;
use anabranch::verify::oracle::{Case, Precision, verify};
use anabranch::verify::trace::Trace;
use serde_json::json;

use crate::failure::Failure;
use crate::output;
use crate::verify_trace::replay;

/// Replay what an independent implementation computed: a case or a trace
///
/// A case is a few steps. The exit code is 1 if a loss, a gradient, an update or
/// a prediction is off by more than 1e-9 in f64 or 1e-3 in f32, relative to its
/// norm. A trace is a whole training run, with its schedule, clipping, early
/// stopping and metrics. It may be off by 1e-12 in f64, and in f32 by eight
/// times as much as the other implementation's own f32 is.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The case, or the trace
    #[arg(value_name = "CASE.safetensors|TRACE.json")]
    case: PathBuf,
    /// Number type of the replay
    #[arg(long, value_enum, default_value = "f64")]
    precision: PrecisionArg,
    /// Print the result as one line of JSON instead of a table
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
    if args.case.extension().is_some_and(|extension| extension == "json") {
        return run_trace(&args.case, precision, args.json);
    }
    let report = Case::load(&args.case).and_then(|case| verify(&case, precision, Fusion::Fused));
    let report = report.map_err(|e| Failure::input(format!("{} {e}", args.case.display())))?;
    if args.json {
        output::print(&json!(report))?;
    } else {
        output::print(&report)?;
    }
    Ok(output::verdict(report.pass))
}

fn run_trace(path: &Path, precision: Precision, json: bool) -> Result<ExitCode, Failure> {
    let of_file = |why: String| Failure::input(format!("{}: {why}", path.display()));
    let text =
        std::fs::read_to_string(path).map_err(|e| of_file(format!("cannot be read ({e})")))?;
    let trace: Trace =
        serde_json::from_str(&text).map_err(|e| of_file(format!("is not a trace: {e}")))?;
    let exec = Executor::serial();
    let computed = match precision {
        Precision::F64 => replay::<f64>(&trace, &exec),
        Precision::F32 => replay::<f32>(&trace, &exec),
    };
    let computed = computed.map_err(|why| of_file(why.to_string()))?;
    let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
    let report = trace.judge(&name, precision, &computed);
    if json {
        output::print(&json!(report))?;
    } else {
        output::print(&report)?;
    }
    Ok(output::verdict(report.pass))
}
