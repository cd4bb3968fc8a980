//! `anabranch init`: a config file for a table.

use std::path::PathBuf;
use std::process::ExitCode;

use anabranch::data::Schema;
use anabranch::tensor::Executor;
use serde_json::json;

use crate::config::{Defaults, Settings};
use crate::failure::Failure;
use crate::init_kinds;
use crate::out_file::{self, is_stdout};
use crate::output;
use crate::setup::SetupArgs;

/// Write a config file for `train --config`, with every setting and what it means
///
/// It takes the flags of `train`. What is not given is in the file as a comment,
/// and each column of the table with its kind.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, next_line_help = true)]
pub(crate) struct Args {
    /// File to write
    #[arg(long, value_name = "FILE.toml")]
    out: PathBuf,
    /// Replace the file if there is one
    #[arg(long)]
    force: bool,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    setup: SetupArgs,
}

pub(crate) fn run(args: &Args, settings: &Settings<'_>) -> Result<ExitCode, Failure> {
    out_file::check_alone(&args.out, args.json)?;
    let out = args.out.display();
    if args.out.exists() && !args.force {
        let message = format!("{out} exists: choose another --out, or replace it with --force");
        return Err(Failure::input(message).coded("output"));
    }
    let table = args.setup.table()?;
    output::warn(table.warnings());
    let targets = args.setup.target_columns().map(|column| table.column_index(column));
    let targets: Vec<usize> = targets.collect::<Result<_, _>>()?;
    let schema = Schema::infer(&Executor::serial(), &table)?;
    let kinds = init_kinds::written(&table, &schema, &targets);
    let text = format!(
        "# Settings of a run: `anabranch train --config {out}`. Flags and --set count more.\n{}",
        settings.text(Defaults::Commented, Some(&kinds))?
    );
    out_file::write(&args.out, text.as_bytes())?;
    if args.json {
        let out = out.to_string();
        output::print(&json!({ "out": out, "warnings": table.warnings() }))?;
    } else if !is_stdout(&args.out) {
        output::print(&format!("{out} written: anabranch train --config {out}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
