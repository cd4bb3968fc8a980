//! `anabranch evaluate`: what a model is worth on a table.

use std::path::PathBuf;
use std::process::ExitCode;

use anabranch::train::Model;
use serde_json::json;

use crate::failure::Failure;
use crate::output;
use crate::setup::read_table;

/// Scores a model on the rows of a table that have all targets
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A model file, or the directory that `train` left it in
    #[arg(long, value_name = "DIR|FILE")]
    model: PathBuf,
    /// A CSV file with the model's input and target columns, or `wine`
    #[arg(long, value_name = "FILE.csv")]
    data: PathBuf,
    /// Prints the result as one line of JSON instead of a table
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let model = Model::load(&args.model)?;
    let evaluation = model.evaluate(&read_table(&args.data)?)?;
    output::warn(&evaluation.warnings);
    let (rows, left_out) = (evaluation.rows, evaluation.rows_left_out);
    if args.json {
        output::print(&json!({
            "rows": rows,
            "rows_left_out": left_out,
            "test": output::metrics_json(model.targets(), &evaluation.metrics),
        }))?;
    } else {
        output::print(&format!(
            "{}: {rows} rows, {left_out} skipped (no target)\n\n{}",
            args.data.display(),
            output::metrics_table(model.targets(), &evaluation.metrics, None)
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
