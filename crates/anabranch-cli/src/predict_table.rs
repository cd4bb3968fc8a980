//! `anabranch predict` of a table, piece by piece: it need not fit into memory.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use anabranch::data::{FileFormat, LineEnd, Mark, Table, TaskTarget, Warning, read_ahead};
use anabranch::tensor::Executor;
use anabranch::train::{
    Coverage, Model, PredictedRows, Predictions, TablePredictor, TaskPredictions,
};

use crate::failure::Failure;
use crate::out_file::{OutFile, Reader, cannot_write};
use crate::output;
use crate::predict_why::Reasons;
use crate::predicted_columns::{prediction_columns, write_predictions};
use crate::table_args::DataArgs;

/// Bytes of the table that are in memory at a time. A table of no more is refused, if at all,
/// before anything is written.
const PIECE_BYTES: usize = 8 << 20;

/// What is to be done.
pub(crate) struct Job<'a> {
    pub(crate) model: &'a Model,
    pub(crate) coverage: Option<&'a Coverage<'a>>,
    pub(crate) data: &'a DataArgs,
    pub(crate) exec: &'a Executor,
    pub(crate) out: &'a Path,
    pub(crate) explain: Explain<'a>,
}

/// Whether reasons are given, by comparison with which rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Explain<'a> {
    Nothing,
    /// Those of the table itself.
    ByItself,
    /// Those of another table.
    By(&'a Path),
}

/// What was predicted.
pub(crate) struct Predicted {
    pub(crate) n_rows: usize,
    pub(crate) names: Vec<String>,
    pub(crate) warnings: Vec<Warning>,
}

/// Does it.
pub(crate) fn predict(job: &Job<'_>) -> Result<Predicted, Failure> {
    let Job { model, data, out, explain, .. } = *job;
    // Rows that are drawn from all of the table are there at once.
    let n_bytes = if explain == Explain::ByItself { usize::MAX } else { PIECE_BYTES };
    let pieces = read_ahead(data.table.pieces(&data.data, n_bytes)?);
    let no_thread = |error| Failure::input(format!("cannot start a thread ({error})"));
    let mut pieces = pieces.map_err(no_thread)?.peekable();
    let mut out = OutFile::create(out)?;
    let rules = data.table.rules()?;
    let mut predictor = TablePredictor::new(model, &rules);
    let decimal = model.encoder().decimal_mark(&rules);
    let mut writer = PieceWriter { job, names: Vec::new(), decimal, reasons: None };
    let (mut n_rows, mut warnings, mut last) = (0, Vec::new(), Vec::new());
    while let Some(piece) = pieces.next() {
        let piece = piece?;
        let is_first = n_rows == 0;
        if is_first {
            writer.names = new_columns(job, &piece)?;
            writer.reasons = reasons(job, &piece)?;
        }
        let rows = predictor.predict(job.exec, &piece, |some| writer.rows(&piece, &some))?;
        n_rows += piece.n_rows();
        warnings.extend_from_slice(piece.warnings());
        let mut text = if is_first { writer.header(&piece)? } else { String::new() };
        for rows in rows {
            match rows {
                Ok(rows) => text.push_str(&rows),
                Err(failure) => {
                    // What is wrong with the cells says more.
                    output::warn(&[warnings, predictor.judge()?].concat());
                    return Err(failure);
                }
            }
        }
        let encoding = piece.format().encoding;
        // Few pieces are in memory at a time.
        drop(piece);
        last = if is_first { encoding.encode(&text) } else { encoding.encode_more(text) };
        if pieces.peek().is_some() && out.write(&std::mem::take(&mut last))? == Reader::Gone {
            break;
        }
    }
    warnings.extend(predictor.judge()?);
    output::warn(&warnings);
    out.write(&last)?;
    out.finish()?;
    Ok(Predicted { n_rows, names: writer.names, warnings })
}

/// Writes the rows of a table with their predictions.
struct PieceWriter<'a> {
    job: &'a Job<'a>,
    /// Of the columns that are predicted.
    names: Vec<String>,
    /// The decimal mark of the table's numbers.
    decimal: Mark,
    reasons: Option<Reasons<'a>>,
}

impl PieceWriter<'_> {
    /// The header, with the predictions at its end.
    fn header(&self, piece: &Table) -> Result<String, Failure> {
        let names = self.names.iter().map(String::as_str);
        let mut csv = csv_writer(piece.format());
        let written = csv.write_record(piece.header().chain(names));
        self.text_of(csv, written)
    }

    /// Rows as they are in their file, with the predictions at the end of each.
    fn rows(&self, piece: &Table, predicted: &PredictedRows<'_>) -> Result<String, Failure> {
        let Job { model, coverage, exec, .. } = *self.job;
        let PredictedRows { rows, encoded, predictions } = predicted;
        check_finite(piece, rows, model, predictions)?;
        let reasons = self.reasons.as_ref().map(|reasons| reasons.of(encoded, exec));
        let mut csv = csv_writer(piece.format());
        let mut write = |(i, row): (usize, usize)| {
            piece.row(row).try_for_each(|cell| csv.write_field(cell))?;
            let reasons = reasons.as_ref().map_or(&[][..], |reasons| &reasons[i]);
            let (targets, decimal) = (model.targets(), self.decimal);
            write_predictions(&mut csv, i, predictions, targets, coverage, decimal, reasons)
        };
        let written = rows.clone().enumerate().try_for_each(&mut write);
        self.text_of(csv, written)
    }

    /// What was written.
    fn text_of(
        &self,
        csv: csv::Writer<Vec<u8>>,
        written: csv::Result<()>,
    ) -> Result<String, Failure> {
        let bytes = written.and_then(|()| Ok(csv.into_inner().map_err(|e| e.into_error())?));
        let bytes = bytes.map_err(|error| cannot_write(self.job.out, &error))?;
        // All of it was text in the file.
        Ok(String::from_utf8(bytes).unwrap_or_default())
    }
}

/// What writes rows as they are written in the file that they come from.
fn csv_writer(format: FileFormat) -> csv::Writer<Vec<u8>> {
    let terminator = match format.line_end {
        LineEnd::Lf => csv::Terminator::Any(b'\n'),
        LineEnd::CrLf => csv::Terminator::CRLF,
    };
    csv::WriterBuilder::new()
        .delimiter(format.separator)
        .terminator(terminator)
        // Where the header leaves a column out, rows are longer.
        .flexible(true)
        .from_writer(Vec::new())
}

/// What says why rows are predicted as they are, if that is asked for; `piece` is the first.
fn reasons<'a>(job: &Job<'a>, piece: &Table) -> Result<Option<Reasons<'a>>, Failure> {
    match job.explain {
        Explain::Nothing => Ok(None),
        Explain::ByItself => Reasons::new(job.model, piece, job.exec).map(Some),
        Explain::By(path) => {
            Reasons::new(job.model, &job.data.table.read(path)?, job.exec).map(Some)
        }
    }
}

/// Refuses predictions of `rows` that are not finite: something is wrong with the model.
fn check_finite(
    table: &Table,
    rows: &Range<usize>,
    model: &Model,
    predictions: &Predictions,
) -> Result<(), Failure> {
    for (task, target) in predictions.tasks.iter().zip(model.targets().tasks()) {
        let (wrong, width) = match task {
            TaskPredictions::Values { values, n_columns, .. } => {
                (values.iter().position(|value| !value.is_finite()), *n_columns)
            }
            TaskPredictions::Classes { probabilities, n_classes, .. } => {
                (probabilities.iter().position(|p| !p.is_finite()), *n_classes)
            }
        };
        if let Some(wrong) = wrong {
            let message = format!(
                "{}: line {}: the prediction of {:?} is not finite: is a cell of this row far outside what training saw, or the model damaged?",
                table.name(),
                table.line(rows.start + wrong / width),
                target.name()
            );
            return Err(Failure::on_the_way(message).coded("not_finite"));
        }
    }
    Ok(())
}

/// The names of the prediction's columns.
fn new_columns(job: &Job<'_>, table: &Table) -> Result<Vec<String>, Failure> {
    let mut names = prediction_columns(job.model, job.coverage);
    if job.explain != Explain::Nothing {
        let columns = job.model.targets().tasks().iter().flat_map(TaskTarget::columns);
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
