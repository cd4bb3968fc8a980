//! `anabranch predict` of a table, piece by piece: it need not fit into memory.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use anabranch::data::{FileFormat, LineEnd, Mark, Table, TaskTarget, Warning};
use anabranch::train::{Coverage, Model, Predictions, TablePredictor, TaskPredictions};

use crate::failure::Failure;
use crate::out_file::{OutFile, Reader, cannot_write};
use crate::output;
use crate::predict_why::Reasons;
use crate::predicted_columns::{prediction_columns, write_predictions};
use crate::table_args::DataArgs;

/// Bytes of the table that are in memory at a time. A table of no more is refused, if at all,
/// before anything is written.
const PIECE_BYTES: usize = 8 << 20;

/// Rows that are encoded at a time, which takes more memory than their text.
const ROWS_AT_ONCE: usize = 4096;

/// What is to be done.
pub(crate) struct Job<'a> {
    pub(crate) model: &'a Model,
    pub(crate) coverage: Option<&'a Coverage<'a>>,
    pub(crate) data: &'a DataArgs,
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
    let mut pieces = data.table.pieces(&data.data, n_bytes)?.peekable();
    let mut out = OutFile::create(out)?;
    let rules = data.table.rules()?;
    let mut writer = PieceWriter {
        job,
        names: Vec::new(),
        decimal: model.encoder().decimal_mark(&rules),
        predictor: TablePredictor::new(model, &rules),
        reasons: None,
        predictions: Predictions::default(),
    };
    let (mut n_rows, mut warnings, mut last) = (0, Vec::new(), Vec::new());
    while let Some(piece) = pieces.next() {
        let piece = piece?;
        let is_first = n_rows == 0;
        if is_first {
            writer.names = new_columns(job, &piece)?;
            writer.reasons = reasons(job, &piece)?;
        }
        let (text, not_finite) = writer.write(&piece, is_first)?;
        n_rows += piece.n_rows();
        warnings.extend_from_slice(piece.warnings());
        if let Some(failure) = not_finite {
            // What is wrong with the cells says more.
            output::warn(&[warnings, writer.predictor.judge()?].concat());
            return Err(failure);
        }
        let encoding = piece.format().encoding;
        // One piece is in memory at a time.
        drop(piece);
        last = if is_first { encoding.encode(&text) } else { encoding.encode_more(text) };
        if pieces.peek().is_some() && out.write(&std::mem::take(&mut last))? == Reader::Gone {
            break;
        }
    }
    warnings.extend(writer.predictor.judge()?);
    output::warn(&warnings);
    out.write(&last)?;
    out.finish()?;
    Ok(Predicted { n_rows, names: writer.names, warnings })
}

/// Writes the pieces of a table with their predictions.
struct PieceWriter<'a> {
    job: &'a Job<'a>,
    /// Of the columns that are predicted.
    names: Vec<String>,
    /// The decimal mark of the table's numbers.
    decimal: Mark,
    predictor: TablePredictor<'a>,
    reasons: Option<Reasons<'a>>,
    /// Of the last rows.
    predictions: Predictions,
}

impl PieceWriter<'_> {
    /// The piece as it is in its file, with the predictions at the end of each row, below the
    /// header if it is the first; and what is to be said if a prediction is not finite.
    fn write(
        &mut self,
        piece: &Table,
        is_first: bool,
    ) -> Result<(String, Option<Failure>), Failure> {
        let mut csv = csv_writer(piece.format());
        let failed = |error: csv::Error| cannot_write(self.job.out, &error);
        if is_first {
            let names = self.names.iter().map(String::as_str);
            csv.write_record(piece.header().chain(names)).map_err(failed)?;
        }
        let mut not_finite = None;
        for start in (0..piece.n_rows()).step_by(ROWS_AT_ONCE) {
            let rows = start..piece.n_rows().min(start + ROWS_AT_ONCE);
            self.predictor.predict(piece, rows.clone(), &mut self.predictions)?;
            not_finite = not_finite
                .or_else(|| not_finite_in(piece, rows.clone(), self.job.model, &self.predictions));
            if not_finite.is_none() {
                self.write_rows(&mut csv, piece, rows).map_err(failed)?;
            }
        }
        let csv = csv.into_inner().map_err(|error| failed(error.into_error().into()))?;
        // All of it was text in the file.
        Ok((String::from_utf8(csv).unwrap_or_default(), not_finite))
    }

    fn write_rows(
        &self,
        csv: &mut csv::Writer<Vec<u8>>,
        piece: &Table,
        rows: Range<usize>,
    ) -> csv::Result<()> {
        let reasons = self.reasons.as_ref().map(|reasons| reasons.of(self.predictor.encoded()));
        let (predictions, targets) = (&self.predictions, self.job.model.targets());
        for (i, row) in rows.enumerate() {
            piece.row(row).try_for_each(|cell| csv.write_field(cell))?;
            let reasons = reasons.as_ref().map_or(&[][..], |reasons| &reasons[i]);
            let Job { coverage, .. } = self.job;
            write_predictions(csv, i, predictions, targets, *coverage, self.decimal, reasons)?;
        }
        Ok(())
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
        Explain::ByItself => Reasons::new(job.model, piece).map(Some),
        Explain::By(path) => Reasons::new(job.model, &job.data.table.read(path)?).map(Some),
    }
}

/// The failure that a prediction of `rows` is not finite: something is wrong with the model.
fn not_finite_in(
    table: &Table,
    rows: Range<usize>,
    model: &Model,
    predictions: &Predictions,
) -> Option<Failure> {
    predictions.tasks.iter().zip(model.targets().tasks()).find_map(|(task, target)| {
        let (wrong, width) = match task {
            TaskPredictions::Values { values, n_columns, .. } => {
                (values.iter().position(|value| !value.is_finite()), *n_columns)
            }
            TaskPredictions::Classes { probabilities, n_classes, .. } => {
                (probabilities.iter().position(|p| !p.is_finite()), *n_classes)
            }
        };
        let message = format!(
            "{}: line {}: the prediction of {:?} is not finite: is a cell of this row far outside what training saw, or the model damaged?",
            table.name(),
            table.line(rows.start + wrong? / width),
            target.name()
        );
        Some(Failure::on_the_way(message).coded("not_finite"))
    })
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
