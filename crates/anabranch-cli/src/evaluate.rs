//! `anabranch evaluate`: the scores of a model on a table.

use std::path::PathBuf;
use std::process::ExitCode;

use anabranch::train::{Model, TaskMetrics};
use serde_json::json;

use crate::covered::CoveredRows;
use crate::failure::Failure;
use crate::flags;
use crate::groups::Groups;
use crate::output::{self, Detail};
use crate::split_file;
use crate::table_args::DataArgs;

/// Score a model on the rows of a table, each task on those that have its target
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Model file, or the directory where `train` saved it
    #[arg(long, value_name = "DIR|FILE")]
    model: PathBuf,
    /// Also score the rows of each value of a column
    #[arg(long, value_name = "COL")]
    by: Option<String>,
    /// Share of rows that intervals and sets are to cover
    /// [default: what `train --coverage` said, if it did]
    #[arg(long, value_name = "P", verbatim_doc_comment,
        allow_hyphen_values = true, value_parser = flags::coverage())]
    coverage: Option<f64>,
    /// Print the result as one line of JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let model = Model::load(&args.model)?;
    let table = args.data.read()?;
    let evaluation = model.evaluate(&table)?;
    let seen = split_file::seen_rows(&args.model, model.encoder(), &table)?;
    let warnings = [table.warnings(), &evaluation.warnings, seen.as_slice()].concat();
    output::warn(&warnings);
    output::check_finite(model.targets(), &evaluation.metrics)?;
    let by = args.by.as_deref().map(|column| Groups::of(&model, &table, column, &evaluation));
    let by = by.transpose()?;
    let covered = CoveredRows::of(&model, args.coverage, &evaluation.judged)?;
    let (rows, left_out) = (evaluation.rows, evaluation.rows_left_out);
    if args.json {
        // A table has no seed.
        let judged = evaluation.judged.iter();
        let intervals: Vec<[TaskMetrics; 2]> = judged.map(|task| task.intervals(1)).collect();
        let mut result = json!({
            "rows": rows,
            "rows_left_out": left_out,
            "tasks": output::tasks_json(&model, |_| None, &evaluation.task_rows),
            "test": output::metrics_json(model.targets(), &evaluation.metrics),
            "intervals": output::intervals_json(model.targets(), &intervals),
            "baselines": output::baselines_json(model.targets(), &[], &evaluation.baselines),
            "warnings": warnings,
        });
        if let Some(covered) = &covered {
            result["coverage"] = covered.json();
        }
        if let Some(by) = &by {
            result["by"] = by.json(model.targets());
        }
        output::print(&result)?;
    } else {
        let (targets, metrics) = (model.targets(), &evaluation.metrics);
        output::print(&format!(
            "{}: {rows} rows, {left_out} skipped (no target)\n\n{}{}{}{}",
            args.data.data.display(),
            output::metrics_table(targets, Detail::All, metrics, &[], &evaluation.baselines),
            output::confusion_tables(targets, metrics),
            covered.map_or(String::new(), |covered| format!("\n\n{}", covered.table())),
            by.map_or(String::new(), |by| by.tables(targets)),
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
