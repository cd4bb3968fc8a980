//! From cells to numbers: what a network sees of a row.

mod fit;
mod stored;

use std::sync::OnceLock;

use anabranch_tensor::parallel::Part;
use anabranch_tensor::{Executor, Scalar};
use serde::{Deserialize, Serialize};

use crate::cell::{Cell, Reading, value_of};
use crate::column::out_of_range_error;
use crate::error::{DataError, RowError, excerpt, list};
use crate::table::Table;
use crate::warning::Warning;

pub(crate) use fit::{Fitted, ReadColumn, input_columns};

/// A text column with more distinct values than this is left out: it names rows more than it groups them.
pub const MAX_CATEGORIES: usize = 50;

/// Rows that one task encodes.
const CHUNK_ROWS: usize = 1024;

/// A fitted encoding of input columns: it turns a row of cells into [`width`](Encoder::width) numbers, the same ones
/// for the same cells wherever it is applied. A model file holds it (`serde`).
///
/// * A numeric cell v becomes (v − mean)/std with the mean and the population standard deviation of the numbers that
///   the training rows hold (before missing ones are filled); std counts as 1 where it is 0, so that a column constant
///   in training becomes zeros. A missing cell takes the training median; an indicator column (1 where missing, else
///   0) follows if training had missing cells in this column. If it had none, a missing cell is the median and
///   nothing more. A cell that is no number is missing.
/// * A text cell becomes one-hot over the training rows' categories in text order, and a category of its own for
///   missing cells if training had them. Any other category is encoded as all zeros, and counted.
///
/// An encoder has no interior state: all methods take `&self`, and threads can share it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<InputColumn>", into = "Vec<InputColumn>")]
pub struct Encoder {
    columns: Vec<InputColumn>,
    width: usize,
}

/// How one input column is encoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputColumn {
    /// The column's name in the table, without space around it.
    pub name: String,
    /// Its encoding.
    #[serde(flatten)]
    pub encoding: Encoding,
}

/// The encoding of a column, fitted on training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Encoding {
    /// Standardised numbers.
    Numeric {
        /// Mean of the training rows' numbers.
        mean: f64,
        /// Their population standard deviation, or 1 where it is 0.
        std: f64,
        /// Their median, which stands in for missing cells.
        median: f64,
        /// Whether an indicator column follows.
        missing: MissingColumn,
    },
    /// One-hot categories.
    Categorical {
        /// The training rows' categories, in text order.
        categories: Vec<String>,
        /// Whether missing cells are a category of their own, the last.
        missing: MissingColumn,
    },
}

/// Whether missing cells have an encoded column of their own: they have where training had missing cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingColumn {
    /// The last encoded column of this input is 1 where the cell is missing.
    Present,
    /// Training had no missing cells.
    Absent,
}

/// Cells of a row that were encoded though they are not what training saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowNotes {
    /// Cells with a category that training never saw, encoded as all zeros.
    pub unseen_categories: usize,
    /// Cells of numeric columns that are not numbers, counted as missing.
    pub not_numbers: usize,
}

/// Encoded rows of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded<T> {
    /// `[rows, width]`, row-major.
    pub x: Vec<T>,
    /// Cells that are not what training saw.
    pub warnings: Vec<Warning>,
}

/// What a cell turned out to be.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    AsTrained,
    UnseenCategory,
    NotANumber,
}

/// What has been read of a column's cells before they are encoded.
pub(crate) enum ReadCells {
    /// Nothing: they are read as text.
    Not,
    /// For each row of the table its number; NaN where there is none.
    Numbers(Vec<f64>),
    /// For each row of the table the encoded column that becomes 1; `None` for what training never saw.
    Hot(Vec<Option<u32>>),
}

/// Why a cell cannot be encoded.
enum CellError {
    OutOfRange,
    NumberForText,
}

impl Encoder {
    fn new(columns: Vec<InputColumn>) -> Self {
        let width = columns.iter().map(InputColumn::width).sum();
        Self { columns, width }
    }

    /// Number of encoded columns, at least 1.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The input columns, in the order in which [`encode_row`](Encoder::encode_row) takes their cells.
    pub fn input_columns(&self) -> &[InputColumn] {
        &self.columns
    }

    /// A name for each encoded column: `carat`, `carat is missing`, `cut=Ideal`.
    pub fn feature_names(&self) -> Vec<String> {
        let mut names = Vec::with_capacity(self.width);
        for InputColumn { name, encoding } in &self.columns {
            let (Encoding::Numeric { missing, .. } | Encoding::Categorical { missing, .. }) =
                encoding;
            match encoding {
                Encoding::Numeric { .. } => names.push(name.clone()),
                Encoding::Categorical { categories, .. } => {
                    names.extend(categories.iter().map(|category| format!("{name}={category}")));
                }
            }
            if *missing == MissingColumn::Present {
                names.push(format!("{name} is missing"));
            }
        }
        names
    }

    /// Encodes one row, given as the cells of [`input_columns`](Encoder::input_columns) in order, into `x` `[width]`.
    /// Allocates nothing.
    ///
    /// # Errors
    /// [`RowError`] for a wrong number of cells, an `x` of another length, a number that is infinite or too large,
    /// or a number for a column of categories. `x` is then partly written.
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

    /// Encodes one row, given as named fields in any order, into `x` `[width]`. Fields that are no input columns
    /// are passed over. Allocates nothing.
    ///
    /// # Errors
    /// As [`encode_row`](Encoder::encode_row), and [`RowError::MissingField`] when an input column has no field.
    pub fn encode_fields<T: Scalar>(
        &self,
        fields: &[(&str, Cell<'_>)],
        x: &mut [T],
    ) -> Result<RowNotes, RowError> {
        let find = |_, name: &str| fields.iter().find(|f| f.0.trim() == name).map(|f| f.1);
        self.encode_cells(find, x)
    }

    /// Encodes one row of plain numbers, those of [`input_columns`](Encoder::input_columns) in order, into `x`
    /// `[width]`; NaN is a missing cell. Allocates nothing.
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
            let name = || column.name.clone();
            let cell =
                cell(i, &column.name).ok_or_else(|| RowError::MissingField { column: name() })?;
            let (out, tail) = rest.split_at_mut(column.width());
            rest = tail;
            match column.encode(cell, out) {
                Ok(Outcome::AsTrained) => {}
                Ok(Outcome::UnseenCategory) => notes.unseen_categories += 1,
                Ok(Outcome::NotANumber) => notes.not_numbers += 1,
                Err(CellError::OutOfRange) => return Err(RowError::OutOfRange { column: name() }),
                Err(CellError::NumberForText) => {
                    return Err(RowError::NumberForText { column: name() });
                }
            }
        }
        Ok(notes)
    }

    /// Encodes rows of a table on the threads of `exec`: row `rows[i]` becomes row `i` of the result. The table may have
    /// more columns than the encoder needs, in any order.
    ///
    /// Unseen categories are counted in one warning; cells that are no numbers in one for each column.
    ///
    /// # Errors
    /// [`DataError::NoInputColumn`] when the table lacks an input column; [`DataError::OutOfRange`] for a number that
    /// is infinite or too large.
    ///
    /// # Panics
    /// If a row is out of the table's range.
    pub fn encode<T: Scalar>(
        &self,
        exec: &Executor,
        table: &Table,
        rows: &[usize],
    ) -> Result<Encoded<T>, DataError> {
        let cells: Vec<ReadCells> = self.columns.iter().map(|_| ReadCells::Not).collect();
        self.encode_read(exec, table, rows, &cells)
    }

    /// [`encode`](Self::encode), where the cells of some columns have been read before.
    pub(crate) fn encode_read<T: Scalar>(
        &self,
        exec: &Executor,
        table: &Table,
        rows: &[usize],
        cells: &[ReadCells],
    ) -> Result<Encoded<T>, DataError> {
        let places = self.columns.iter().map(|column| {
            table.column_index(&column.name).map_err(|_| DataError::NoInputColumn {
                file: table.name().to_owned(),
                column: column.name.clone(),
                found: list(table.columns()),
            })
        });
        let places: Vec<usize> = places.collect::<Result<_, _>>()?;
        let mut x = vec![T::ZERO; rows.len() * self.width];
        let chunks: Vec<_> = rows.chunks(CHUNK_ROWS).map(|rows| (rows, OnceLock::new())).collect();
        let parts = [Part::Rows(&mut x, self.width)];
        exec.for_each_large_chunk(rows.len(), CHUNK_ROWS, parts, |chunk, [x]| {
            let (rows, tally) = &chunks[chunk.start / CHUNK_ROWS];
            tally.get_or_init(|| self.encode_rows(table, &places, rows, cells, x));
        });
        // Every chunk has its tally: counts are added up, and what comes first is kept.
        let mut unseen: Option<(usize, usize, usize)> = None;
        let mut not_numbers: Vec<Option<(usize, usize)>> = vec![None; self.columns.len()];
        for tally in chunks.into_iter().filter_map(|(_, tally)| tally.into_inner()) {
            let tally = tally?;
            if let Some((n, row, i)) = tally.unseen {
                unseen.get_or_insert((0, row, i)).0 += n;
            }
            for (all, tally) in not_numbers.iter_mut().zip(tally.not_numbers) {
                if let Some((n, row)) = tally {
                    all.get_or_insert((0, row)).0 += n;
                }
            }
        }
        let name = |i: usize| self.columns[i].name.clone();
        let mut warnings: Vec<Warning> = (not_numbers.iter().enumerate())
            .filter_map(|(i, tally)| tally.map(|(cells, row)| (i, cells, row)))
            .map(|(i, cells, row)| Warning::NotNumbers {
                column: name(i),
                cells,
                line: table.line(row),
                first: excerpt(table.cell(row, places[i])),
            })
            .collect();
        warnings.extend(unseen.map(|(cells, row, i)| Warning::UnseenCategories {
            cells,
            column: name(i),
            line: table.line(row),
            first: excerpt(table.cell(row, places[i])),
        }));
        Ok(Encoded { x, warnings })
    }

    /// Encodes some rows into `x`; the cells of input column i are in the table's column `places[i]`.
    fn encode_rows<T: Scalar>(
        &self,
        table: &Table,
        places: &[usize],
        rows: &[usize],
        cells: &[ReadCells],
        x: &mut [T],
    ) -> Result<Tally, DataError> {
        let mut tally = Tally { unseen: None, not_numbers: vec![None; self.columns.len()] };
        for (x, &row) in x.chunks_exact_mut(self.width).zip(rows) {
            let mut rest = x;
            for (i, column) in self.columns.iter().enumerate() {
                let (out, tail) = rest.split_at_mut(column.width());
                rest = tail;
                let outcome = match &cells[i] {
                    ReadCells::Hot(hot) => Ok(one_hot(hot[row].map(|hot| hot as usize), out)),
                    ReadCells::Numbers(numbers) if !numbers[row].is_nan() => {
                        column.encode(Cell::Number(numbers[row]), out)
                    }
                    // What is no number may be missing or text.
                    _ => column.encode(Cell::Text(table.cell(row, places[i])), out),
                };
                match outcome {
                    Ok(Outcome::AsTrained) => {}
                    Ok(Outcome::UnseenCategory) => tally.unseen.get_or_insert((0, row, i)).0 += 1,
                    Ok(Outcome::NotANumber) => {
                        tally.not_numbers[i].get_or_insert((0, row)).0 += 1;
                    }
                    // Text is never a number for text.
                    Err(CellError::OutOfRange | CellError::NumberForText) => {
                        return Err(out_of_range_error(table, row, places[i]));
                    }
                }
            }
        }
        Ok(tally)
    }
}

/// Cells of some rows that are not what training saw: how many, and where the first is.
struct Tally {
    /// Its row and input column.
    unseen: Option<(usize, usize, usize)>,
    /// For each input column its row.
    not_numbers: Vec<Option<(usize, usize)>>,
}

/// Makes `out` zeros but for a one at `hot`.
fn one_hot<T: Scalar>(hot: Option<usize>, out: &mut [T]) -> Outcome {
    out.fill(T::ZERO);
    match hot {
        Some(hot) => {
            out[hot] = T::ONE;
            Outcome::AsTrained
        }
        None => Outcome::UnseenCategory,
    }
}

impl InputColumn {
    /// Number of encoded columns that this input becomes.
    pub fn width(&self) -> usize {
        let (values, missing) = match &self.encoding {
            Encoding::Numeric { missing, .. } => (1, missing),
            Encoding::Categorical { categories, missing } => (categories.len(), missing),
        };
        values + usize::from(*missing == MissingColumn::Present)
    }

    /// Writes the encoded cell to `out`, as long as the width.
    fn encode<T: Scalar>(&self, cell: Cell<'_>, out: &mut [T]) -> Result<Outcome, CellError> {
        match &self.encoding {
            Encoding::Numeric { mean, std, median, .. } => {
                let (value, outcome) = match cell.read_number() {
                    Reading::Number(value) => (Some(value), Outcome::AsTrained),
                    Reading::Missing => (None, Outcome::AsTrained),
                    Reading::Text => (None, Outcome::NotANumber),
                    Reading::OutOfRange => return Err(CellError::OutOfRange),
                };
                let z = T::from_f64((value.unwrap_or(*median) - mean) / std);
                // Far from all that training saw, a number can be too large for T.
                if !z.is_finite() {
                    return Err(CellError::OutOfRange);
                }
                out[0] = z;
                if let Some(indicator) = out.get_mut(1) {
                    *indicator = if value.is_none() { T::ONE } else { T::ZERO };
                }
                Ok(outcome)
            }
            Encoding::Categorical { categories, missing } => {
                let text = match cell {
                    Cell::Number(number) if !number.is_nan() => {
                        return Err(CellError::NumberForText);
                    }
                    Cell::Text(text) => value_of(text),
                    _ => None,
                };
                let hot = match text {
                    Some(text) => categories.binary_search_by(|c| c.as_str().cmp(text)).ok(),
                    None if *missing == MissingColumn::Present => Some(categories.len()),
                    None => None,
                };
                Ok(one_hot(hot, out))
            }
        }
    }
}
