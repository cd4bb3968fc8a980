//! `anabranch predict`: a table in, the same table with predictions out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anabranch::data::Warning;
use anabranch::train::{Coverage, Model, model_path};
use serde_json::json;

use crate::failure::Failure;
use crate::flags;
use crate::out_file::{self, OutFile, is_stdout};
use crate::output;
use crate::predict_lines;
use crate::predict_table::{self, Explain, Job, Predicted};
use crate::predicted_columns::prediction_columns;
use crate::table_args::DataArgs;
use crate::threads::ThreadArgs;

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
    threads: ThreadArgs,
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
    let job = Job {
        model: &model,
        coverage,
        data: &args.data,
        exec: &args.threads.executor()?,
        out: &args.out,
        explain: match (args.explain, &args.background) {
            (false, _) => Explain::Nothing,
            (true, None) => Explain::ByItself,
            (true, Some(path)) => Explain::By(path),
        },
    };
    let Predicted { n_rows, names, warnings } = predict_table::predict(&job)?;
    report(args, n_rows, &names, &warnings)
}

/// Predicts lines of JSON from standard input.
fn run_lines(
    args: &Args,
    model: &Model,
    coverage: Option<&Coverage<'_>>,
) -> Result<ExitCode, Failure> {
    let names = prediction_columns(model, coverage);
    let mut out = OutFile::create(&args.out)?;
    let stdin = std::io::stdin().lock();
    let (n_rows, warnings) = predict_lines::predict(model, coverage, &names, stdin, &mut out)?;
    out.finish()?;
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
