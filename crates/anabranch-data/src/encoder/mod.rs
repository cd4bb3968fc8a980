//! From cells to numbers: what a network sees of a row.

mod encode_cell;
mod encoding;
mod fit;
mod fit_numbers;
mod fit_statistics;
mod normal_scores;
mod pieces;
mod record;
mod stored;
mod target_statistics;
mod unlike;

use anabranch_tensor::{Executor, Scalar};
use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::error::{DataError, RowError};
use crate::labels::PlacesByNumber;
use crate::number::Mark;
use crate::rules::{ColumnRules, Tolerance};
use crate::table::Table;

use encode_cell::{CellError, Outcome};
pub(crate) use encode_cell::{NOT_FINITE, TOO_FAR, read_date};
pub use encoding::{Cycle, Encoding, InputColumn, MissingColumn, OtherColumn};
pub(crate) use fit::FittedEncoder;
pub use fit::{MAX_CATEGORIES, MIN_CATEGORY_ROWS};
pub(crate) use fit_statistics::{Target, TrainingTargets};
pub use normal_scores::NormalScores;
pub use pieces::{Encoded, PieceEncoder, RowTallies};
pub use target_statistics::TargetStatistics;
use unlike::columns_for;

/// A fitted encoding of input columns: it turns a row of cells into [`width`](Encoder::width)
/// numbers, the same ones for the same cells wherever it is applied. A model file holds it
/// (`serde`).
///
/// * A number v becomes (v − mean)/std with the mean and the population standard deviation of the
///   numbers that the training rows hold (before missing ones are filled); std counts as 1 where it
///   is 0, so that a column constant in training becomes zeros. Where some value is absurdly far
///   away, or where it is asked for, the column is scaled [robustly](Encoding::Robust) instead. Its
///   [normal score](NormalScores) follows where it is asked for and the training rows hold more
///   than a few different numbers. A missing cell takes the training median; an indicator column (1
///   where missing, else 0) follows if training had missing cells in this column. If it had none, a
///   missing cell is the median and nothing more. A cell that is not a number is missing.
/// * A date becomes the [days that have passed](Encoding::Date) and its place in the year, the week
///   and the day, where training rows differ in these.
/// * A label becomes one-hot over the training rows' most frequent categories in text order, then a
///   column that rare ones share if there are any, and one for missing cells if training had them.
///   A category that training never saw counts as a rare one, or is all zeros if there were none.
///   Where more than [`MAX_CATEGORIES`] are no rare ones and targets are known, categories become
///   [statistics of the targets](TargetStatistics).
/// * Whole numbers that the targets show to be names become numbers and, behind these, categories.
///
/// An encoder has no interior state: all methods take `&self`, and threads can share it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<InputColumn>", into = "Vec<InputColumn>")]
pub struct Encoder {
    columns: Vec<InputColumn>,
    /// Of each column's labels.
    by_number: Vec<PlacesByNumber>,
    width: usize,
}

/// Cells of a row that were encoded though they are not what training saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowNotes {
    /// Cells with a category that training never saw, or that was rare.
    pub unseen_categories: usize,
    /// Cells of numbers or dates that are neither, counted as missing.
    pub unreadable: usize,
    /// Numbers far outside what training saw.
    pub outside: usize,
}

impl RowNotes {
    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::AsTrained | Outcome::Missing => {}
            Outcome::UnseenCategory => self.unseen_categories += 1,
            Outcome::Unreadable => self.unreadable += 1,
            Outcome::Outside => self.outside += 1,
        }
    }
}

impl Encoder {
    fn new(columns: Vec<InputColumn>) -> Self {
        let width = columns.iter().map(InputColumn::width).sum();
        let by_number = columns.iter().map(InputColumn::places_by_number).collect();
        Self { columns, by_number, width }
    }

    /// Number of encoded columns, at least 1.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The input columns, in the order in which [`encode_row`](Encoder::encode_row) takes their
    /// cells.
    pub fn input_columns(&self) -> &[InputColumn] {
        &self.columns
    }

    /// The decimal mark of the numbers in a table that is read by `rules`: the one that these name,
    /// or else the comma if training read numbers with decimal commas.
    pub fn decimal_mark(&self, rules: &ColumnRules) -> Mark {
        let has_commas = |column: &InputColumn| {
            column.encoding.number_format().is_some_and(|format| format.decimal == Mark::Comma)
        };
        let found = if self.columns.iter().any(has_commas) { Mark::Comma } else { Mark::Point };
        rules.decimal.unwrap_or(found)
    }

    /// A name for each encoded column: `carat`, `carat is missing`, `cut=Ideal`.
    pub fn feature_names(&self) -> Vec<String> {
        self.columns.iter().flat_map(InputColumn::feature_names).collect()
    }

    /// Encodes one row, given as the cells of [`input_columns`](Encoder::input_columns) in order,
    /// into `x` `[width]`. Allocates nothing.
    ///
    /// # Errors
    /// [`RowError`] for a wrong number of cells, an `x` of another length, a number that is
    /// infinite or too large, or a number for a column of dates, or of categories that are not
    /// numbers. `x` is then partly written.
    pub fn encode_row<T: Scalar>(
        &self,
        cells: &[Cell<'_>],
        x: &mut [T],
    ) -> Result<RowNotes, RowError> {
        if cells.len() != self.columns.len() {
            let (found, expected) = (cells.len(), self.columns.len());
            return Err(RowError::CellCount { found, expected });
        }
        self.encode_cells(|i, _| Some(cells[i]), x)
    }

    /// Encodes one row, given as named fields in any order, into `x` `[width]`. Fields that are no
    /// input columns are passed over. Allocates nothing.
    ///
    /// # Errors
    /// As [`encode_row`](Encoder::encode_row), and [`RowError::MissingField`] when an input column
    /// has no field.
    pub fn encode_fields<T: Scalar>(
        &self,
        fields: &[(&str, Cell<'_>)],
        x: &mut [T],
    ) -> Result<RowNotes, RowError> {
        let find = |_, name: &str| fields.iter().find(|f| f.0.trim() == name).map(|f| f.1);
        self.encode_cells(find, x)
    }

    /// Encodes one row of plain numbers, those of [`input_columns`](Encoder::input_columns) in
    /// order, into `x` `[width]`; NaN is a missing cell. Allocates nothing.
    ///
    /// # Errors
    /// As [`encode_row`](Encoder::encode_row).
    pub fn encode_numbers<T: Scalar>(
        &self,
        numbers: &[f64],
        x: &mut [T],
    ) -> Result<RowNotes, RowError> {
        if numbers.len() != self.columns.len() {
            let (found, expected) = (numbers.len(), self.columns.len());
            return Err(RowError::CellCount { found, expected });
        }
        self.encode_cells(|i, _| Some(Cell::Number(numbers[i])), x)
    }

    fn encode_cells<'c, T: Scalar>(
        &self,
        cell: impl Fn(usize, &str) -> Option<Cell<'c>>,
        x: &mut [T],
    ) -> Result<RowNotes, RowError> {
        if x.len() != self.width {
            return Err(RowError::OutputLen { found: x.len(), expected: self.width });
        }
        let mut notes = RowNotes::default();
        let mut rest = x;
        for (i, column) in self.columns.iter().enumerate() {
            let cell = cell(i, &column.name)
                .ok_or_else(|| RowError::MissingField { column: column.name.clone() })?;
            let (out, tail) = rest.split_at_mut(column.width());
            rest = tail;
            notes.count(self.encode_cell(i, cell, out)?);
        }
        Ok(notes)
    }

    /// Encodes the cell of a column, by its number.
    fn encode_cell<T: Scalar>(
        &self,
        column: usize,
        cell: Cell<'_>,
        x: &mut [T],
    ) -> Result<Outcome, RowError> {
        let (input, by_number) = (&self.columns[column], &self.by_number[column]);
        let name = || input.name.clone();
        input.encode(by_number, cell, x).map_err(|error| match error {
            CellError::OutOfRange(problem) => RowError::OutOfRange { column: name(), problem },
            CellError::NumberForText => RowError::NumberForText { column: name() },
        })
    }

    /// Encodes rows of a table on the threads of `exec`: row `rows[i]` becomes row `i` of the
    /// result. The table may have more columns than the encoder needs, in any order.
    ///
    /// The decimal mark and the markers of missing values that the [table's rules](Table::rules)
    /// name take the place of those of training. Cells that are not what training saw are counted,
    /// in one warning for each column and kind. A column of which most cells cannot be read, or lie
    /// far outside what training saw, or that has no values though training had one in every
    /// row, is refused, unless the rules are lenient.
    ///
    /// # Errors
    /// [`DataError::NoInputColumn`] when the table lacks an input column; [`DataError::OutOfRange`]
    /// for a number that is infinite or too large; [`DataError::Unlike`] for a column that differs
    /// from what training saw in most rows.
    ///
    /// # Panics
    /// If a row is out of the table's range.
    pub fn encode<T: Scalar>(
        &self,
        exec: &Executor,
        table: &Table,
        rows: &[usize],
    ) -> Result<Encoded<T>, DataError> {
        self.pieces(table.rules()).encode_all(exec, table, rows)
    }

    /// What encodes a table that is read piece by piece, by rules for its columns.
    pub fn pieces(&self, rules: &ColumnRules) -> PieceEncoder {
        PieceEncoder::new(columns_for(&self.columns, rules), rules.tolerance)
    }

    /// [`encode`](Self::encode) of the table that the encoder was fitted to: its cells are written
    /// as the encoder has it, and no column is refused.
    pub(crate) fn encode_own<T: Scalar>(
        &self,
        exec: &Executor,
        table: &Table,
        rows: &[usize],
    ) -> Result<Encoded<T>, DataError> {
        PieceEncoder::new(self.columns.clone(), Tolerance::Lenient).encode_all(exec, table, rows)
    }
}
