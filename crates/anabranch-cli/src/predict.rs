//! `anabranch predict`: a table in, the same table with predictions out.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anabranch::data::{LineEnd, Table, Targets, TaskTarget, Warning};
use anabranch::train::{Coverage, Model, Predictions, TaskPredictions, model_path};
use serde_json::json;

use crate::covered;
use crate::failure::Failure;
use crate::flags;
use crate::out_file::{self, cannot_write, is_stdout};
use crate::output;
use crate::predict_lines;
use crate::predict_why;
use crate::table_args::DataArgs;

/// What stands for standard input in `--data`.
const STDIN: &str = "-";

/// Write a table with a model's predictions as additional columns
///
/// Standard input may also hold lines of JSON, an object a row: each is written
/// with its predictions before the next one is read.
///
/// For a column of numbers, the new column is COL_pred. For a class, COL_pred
/// is the most probable label, and COL_p_LABEL the probability of each label.
/// COL_std tells how far the members of an ensemble are apart: the deviation of
/// the number, or of the probability of the predicted label. With --coverage,
/// COL_lower and COL_upper hold the true number, and the labels in COL_set the
/// true one, in this share of rows. COL_why, which
/// --explain adds, has the columns that moved the prediction most.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Model file, or the directory where `train` saved it
    #[arg(long, value_name = "DIR|FILE")]
    model: PathBuf,
    /// CSV file to write; an existing file is replaced; `-` is standard output
    #[arg(long, value_name = "FILE.csv|-", default_value = "-")]
    out: PathBuf,
    /// Share of rows whose truth is to be bracketed
    /// [default: what `train --coverage` said, if it did]
    #[arg(long, value_name = "P", verbatim_doc_comment,
        allow_hyphen_values = true, value_parser = flags::coverage())]
    coverage: Option<f64>,
    /// Say why each row is predicted as it is: COL_why has the Shapley values of
    /// the columns, exact where they are at most 10, else sampled
    #[arg(long, verbatim_doc_comment)]
    explain: bool,
    /// Table with rows that --explain compares with, such as the one that was
    /// trained on [default: the table itself]
    #[arg(long, value_name = "FILE.csv", verbatim_doc_comment, requires = "explain")]
    background: Option<PathBuf>,
    /// Allow --out to replace the input table
    #[arg(long)]
    force: bool,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArgs,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    check_out(args)?;
    let model = Model::load(&args.model)?;
    let share = args.coverage.or(model.calibration().coverage());
    let coverage = share.map(|share| model.coverage(share)).transpose()?;
    let coverage = coverage.as_ref();
    if args.data.data == Path::new(STDIN) && predict_lines::are_next() {
        if args.explain {
            let message = "--explain needs a table: lines of JSON are predicted one by one";
            return Err(Failure::input(message).coded("usage"));
        }
        return run_lines(args, &model, coverage);
    }
    let table = args.data.read()?;
    let names = new_columns(args, &model, coverage, &table)?;
    let (predictions, warnings) = model.predict_table(&table)?;
    let warnings = [table.warnings(), &warnings[..]].concat();
    output::warn(&warnings);
    check_finite(&table, &model, &predictions)?;
    let reasons = if args.explain {
        let background = args.background.as_ref().map(|path| args.data.table.read(path));
        predict_why::reasons(&model, &table, background.transpose()?.as_ref().unwrap_or(&table))?
    } else {
        Vec::new()
    };
    let csv = with_predictions(&table, &model, coverage, &names, &predictions, &reasons);
    out_file::write(&args.out, &csv.map_err(|error| cannot_write(&args.out, &error))?)?;
    report(args, table.n_rows(), &names, &warnings)
}

/// Predicts lines of JSON from standard input.
fn run_lines(
    args: &Args,
    model: &Model,
    coverage: Option<&Coverage<'_>>,
) -> Result<ExitCode, Failure> {
    let names = prediction_columns(model, coverage);
    let stdin = std::io::stdin().lock();
    let (n_rows, warnings) = if is_stdout(&args.out) {
        predict_lines::predict(model, coverage, &names, stdin, &mut std::io::stdout().lock())?
    } else {
        let mut lines = Vec::new();
        let done = predict_lines::predict(model, coverage, &names, stdin, &mut lines)?;
        out_file::write(&args.out, &lines)?;
        done
    };
    output::warn(&warnings);
    report(args, n_rows, &names, &warnings)
}

/// Says what was written where, unless the predictions themselves are on standard output.
fn report(
    args: &Args,
    n_rows: usize,
    names: &[String],
    warnings: &[Warning],
) -> Result<ExitCode, Failure> {
    let out = args.out.display();
    if args.json {
        output::print(&json!({
            "rows": n_rows,
            "columns": names,
            "out": out.to_string(),
            "warnings": warnings,
        }))?;
    } else if !is_stdout(&args.out) {
        output::print(&format!("{n_rows} rows predicted: {out}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses an impossible output before any work is done.
fn check_out(args: &Args) -> Result<(), Failure> {
    out_file::check_alone(&args.out, args.json)?;
    if is_stdout(&args.out) {
        return Ok(());
    }
    let model = model_path(&args.model);
    let mut taken = vec![(model.as_path(), "the model itself: choose another --out")];
    if !args.force {
        let what = "the input table: choose another --out, or replace it with --force";
        taken.push((&args.data.data, what));
    }
    out_file::check(&args.out, &taken)
}

/// Refuses predictions that are not finite: something is wrong with the model.
fn check_finite(table: &Table, model: &Model, predictions: &Predictions) -> Result<(), Failure> {
    for (task, target) in predictions.tasks.iter().zip(model.targets().tasks()) {
        let (wrong, width) = match task {
            TaskPredictions::Values { values, n_columns, .. } => {
                (values.iter().position(|value| !value.is_finite()), *n_columns)
            }
            TaskPredictions::Classes { probabilities, n_classes, .. } => {
                (probabilities.iter().position(|p| !p.is_finite()), *n_classes)
            }
        };
        if let Some(place) = wrong {
            let message = format!(
                "{}: line {}: the prediction of {:?} is not finite: is a cell of this row far outside what training saw, or the model damaged?",
                table.name(),
                table.line(place / width),
                target.name()
            );
            return Err(Failure::on_the_way(message).coded("not_finite"));
        }
    }
    Ok(())
}

/// The names of the prediction's columns.
fn new_columns(
    args: &Args,
    model: &Model,
    coverage: Option<&Coverage<'_>>,
    table: &Table,
) -> Result<Vec<String>, Failure> {
    let mut names = prediction_columns(model, coverage);
    if args.explain {
        let columns = model.targets().tasks().iter().flat_map(TaskTarget::columns);
        names.extend(columns.map(|column| format!("{column}_why")));
    }
    let mut taken: HashSet<&str> = table.columns().iter().map(|name| name.trim()).collect();
    for name in &names {
        if !taken.insert(name.trim()) {
            let file = table.name();
            return Err(Failure::input(format!(
                "{file}: a prediction would be named {name:?}, but the table has a column with that name: rename it"
            )));
        }
    }
    Ok(names)
}

/// The columns that a model's predictions are written to, with those of a coverage.
pub(crate) fn prediction_columns(model: &Model, coverage: Option<&Coverage<'_>>) -> Vec<String> {
    let of_task = |task: &TaskTarget| -> Vec<String> {
        let is_ensemble = model.members().len() > 1;
        let deviations = task.deviation_columns().take(if is_ensemble { usize::MAX } else { 0 });
        let covered = coverage.map_or(Vec::new(), |_| task.coverage_columns());
        task.prediction_columns().chain(deviations).chain(covered).collect()
    };
    model.targets().tasks().iter().flat_map(of_task).collect()
}

/// The table as it is in its file, with the predictions at the end of each row.
fn with_predictions(
    table: &Table,
    model: &Model,
    coverage: Option<&Coverage<'_>>,
    names: &[String],
    predictions: &Predictions,
    reasons: &[Vec<String>],
) -> csv::Result<Vec<u8>> {
    let format = table.format();
    let terminator = match format.line_end {
        LineEnd::Lf => csv::Terminator::Any(b'\n'),
        LineEnd::CrLf => csv::Terminator::CRLF,
    };
    let mut csv = csv::WriterBuilder::new()
        .delimiter(format.separator)
        .terminator(terminator)
        // Where the header leaves a column out, rows are longer.
        .flexible(true)
        .from_writer(Vec::new());
    csv.write_record(table.header().chain(names.iter().map(String::as_str)))?;
    for row in 0..table.n_rows() {
        table.row(row).try_for_each(|cell| csv.write_field(cell))?;
        let reasons = reasons.get(row).map_or(&[][..], |reasons| reasons);
        write_predictions(&mut csv, row, predictions, model.targets(), coverage, reasons)?;
    }
    let csv = csv.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    // All of it was text in the file.
    Ok(format.encoding.encode(&String::from_utf8_lossy(&csv)))
}

/// Writes the predictions of a row, and the reasons for them, behind the cells of the line, and
/// ends it.
pub(crate) fn write_predictions(
    csv: &mut csv::Writer<Vec<u8>>,
    row: usize,
    predictions: &Predictions,
    targets: &Targets,
    coverage: Option<&Coverage<'_>>,
    reasons: &[String],
) -> csv::Result<()> {
    for (number, (task, target)) in predictions.tasks.iter().zip(targets.tasks()).enumerate() {
        match task {
            TaskPredictions::Values { values, deviations, n_columns } => {
                let of_row = row * n_columns..(row + 1) * n_columns;
                let deviations = deviations.get(of_row.clone()).unwrap_or_default();
                let values = &values[of_row];
                for value in values.iter().chain(deviations) {
                    csv.write_field(value.to_string())?;
                }
                if let Some(coverage) = coverage {
                    for end in covered::intervals(coverage, number, values, deviations) {
                        csv.write_field(end.to_string())?;
                    }
                }
            }
            TaskPredictions::Classes { classes, probabilities, deviations, n_classes } => {
                csv.write_field(&target.labels()[classes[row]])?;
                let probabilities = &probabilities[row * n_classes..][..*n_classes];
                for probability in probabilities {
                    csv.write_field(probability.to_string())?;
                }
                if let Some(deviation) = deviations.get(row * n_classes + classes[row]) {
                    csv.write_field(deviation.to_string())?;
                }
                if let Some(coverage) = coverage {
                    csv.write_field(flags::joined(&covered::set(
                        coverage,
                        number,
                        target,
                        probabilities,
                    )))?;
                }
            }
        }
    }
    csv.write_record(reasons)
}
