//! `anabranch init`: a config file for a table.

use std::path::PathBuf;
use std::process::ExitCode;

use anabranch::data::{Schema, Table};
use anabranch::tensor::Executor;
use serde_json::json;

use crate::config::{Defaults, Settings};
use crate::failure::Failure;
use crate::out_file::{self, is_stdout};
use crate::output;
use crate::setup::SetupArgs;

/// Write a config file for `train --config`, with every setting and what it means
///
/// It takes the flags of `train`. What is not given is in the file as a comment.
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
    for column in args.setup.target_columns() {
        table.column_index(column)?;
    }
    let text = format!(
        "# Settings of a run: `anabranch train --config {out}`. Flags and --set count more.\n{}{}",
        columns(&table)?,
        settings.text(Defaults::Commented)?
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

/// The table's columns and their kinds, as comments.
fn columns(table: &Table) -> Result<String, Failure> {
    let schema = Schema::infer(&Executor::serial(), table)?;
    let mut text = format!("#\n# Columns of {:?}:\n", table.name());
    for column in schema.columns() {
        let kind = serde_json::to_value(&column.kind).unwrap_or_default();
        let kind = kind["kind"].as_str().unwrap_or_default();
        text += &format!("#   {:?}: {kind}\n", column.name);
    }
    Ok(text)
}
