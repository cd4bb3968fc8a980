//! `anabranch audit`: verdicts on printed gradient formulas.

use std::path::PathBuf;
use std::process::ExitCode;

use anabranch::audit::{Formula, Verdict, as_expected, audit, report, source_derivation};
use serde_json::json;

use crate::failure::Failure;
use crate::output;

/// Judges printed gradient formulas
///
/// A formula is exact, off by a factor, of the wrong shape, averaged too early,
/// or wrong. The exit code is 0 when all formulas of FILE are exact, and 1
/// otherwise. Without FILE, the derivation that the network grew from is judged,
/// and the exit code is 0 when every verdict is the expected one.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// TOML: tables `[[formula]]` with name, target and expression
    file: Option<PathBuf>,
    /// Prints the verdicts as one line of JSON instead of sentences
    #[arg(long)]
    json: bool,
    /// What the networks that formulas are tried on are drawn by
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let formulas = match &args.file {
        Some(file) => Formula::read(file).map_err(Failure::input)?,
        None => source_derivation(),
    };
    let findings = audit(&formulas, args.seed);
    if args.json {
        output::print(&json!(findings))?;
    } else {
        output::print(&report(&formulas, &findings).trim_end())?;
    }
    Ok(output::verdict(match args.file {
        Some(_) => findings.iter().all(|finding| finding.verdict == Verdict::Exact),
        None => as_expected(&formulas, &findings),
    }))
}
