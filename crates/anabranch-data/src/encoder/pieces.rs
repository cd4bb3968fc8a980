//! Encoding a table that is read piece by piece, as if it were read at once.

use std::sync::OnceLock;

use anabranch_tensor::parallel::Part;
use anabranch_tensor::{Executor, Scalar};

use super::encode_cell::CellError;
use super::encoding::InputColumn;
use super::unlike::{ColumnFindings, ColumnTally};
use crate::cell::Cell;
use crate::error::{DataError, list};
use crate::labels::PlacesByNumber;
use crate::rules::Tolerance;
use crate::table::Table;
use crate::warning::Warning;

/// Rows that one task encodes.
const CHUNK_ROWS: usize = 1024;

/// Encoded rows of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded<T> {
    /// `[rows, width]`, row-major.
    pub x: Vec<T>,
    /// Cells that are not what training saw.
    pub warnings: Vec<Warning>,
}

/// Encodes the pieces of a table, one after the other, and judges all of their rows at the end:
/// together, the pieces are encoded, refused and warned about as by
/// [`Encoder::encode`](super::Encoder::encode). [`Encoder::pieces`](super::Encoder::pieces) makes
/// it.
#[derive(Clone, Debug)]
pub struct PieceEncoder {
    columns: Vec<InputColumn>,
    /// Of each column's labels.
    by_number: Vec<PlacesByNumber>,
    tolerance: Tolerance,
    /// What messages call the table.
    file: String,
    findings: Vec<ColumnFindings>,
    n_rows: usize,
}

/// What the cells of some rows of a piece are to the encoder.
#[derive(Clone, Debug)]
pub struct RowTallies {
    /// Where the table has the input columns.
    places: Vec<usize>,
    columns: Vec<ColumnTally>,
    n_rows: usize,
}

impl PieceEncoder {
    pub(super) fn new(columns: Vec<InputColumn>, tolerance: Tolerance) -> Self {
        let findings = vec![ColumnFindings::default(); columns.len()];
        let by_number = columns.iter().map(InputColumn::places_by_number).collect();
        Self { columns, by_number, tolerance, file: String::new(), findings, n_rows: 0 }
    }

    /// Encodes rows of a piece, which come behind those of all calls before, on the threads of
    /// `exec`: row `rows[i]` becomes row `i` of `x` `[rows, width]`, whose size follows.
    ///
    /// # Errors
    /// [`DataError::NoInputColumn`] when the table lacks an input column; [`DataError::OutOfRange`]
    /// for a number that is infinite or too large.
    ///
    /// # Panics
    /// If a row is out of the table's range.
    pub fn encode<T: Scalar>(
        &mut self,
        exec: &Executor,
        table: &Table,
        rows: &[usize],
        x: &mut Vec<T>,
    ) -> Result<(), DataError> {
        let places = self.places(table)?;
        let width = self.resize(rows.len(), x);
        let chunks: Vec<_> = rows.chunks(CHUNK_ROWS).map(|rows| (rows, OnceLock::new())).collect();
        exec.for_each_large_chunk(rows.len(), CHUNK_ROWS, [Part::Rows(x, width)], |chunk, [x]| {
            let (rows, tallies) = &chunks[chunk.start / CHUNK_ROWS];
            tallies.get_or_init(|| self.encode_chunk(table, &places, rows, x));
        });
        // Every chunk has its tallies: counts are added up, and what comes first is kept.
        let mut columns = vec![ColumnTally::default(); self.columns.len()];
        for chunk in chunks.into_iter().filter_map(|(_, tallies)| tallies.into_inner()) {
            for (all, tally) in columns.iter_mut().zip(chunk?) {
                all.add_all(&tally);
            }
        }
        self.add(table, &RowTallies { places, columns, n_rows: rows.len() });
        Ok(())
    }

    /// [`encode`](Self::encode) on the calling thread, as many of which may encode different rows
    /// at once. [`add`](Self::add) has to be given what is returned, in the order of the rows.
    ///
    /// # Errors
    /// As `encode`.
    ///
    /// # Panics
    /// As `encode`.
    pub fn encode_rows<T: Scalar>(
        &self,
        table: &Table,
        rows: &[usize],
        x: &mut Vec<T>,
    ) -> Result<RowTallies, DataError> {
        let places = self.places(table)?;
        self.resize(rows.len(), x);
        let columns = self.encode_chunk(table, &places, rows, x)?;
        Ok(RowTallies { places, columns, n_rows: rows.len() })
    }

    /// Counts rows of `table` that [`encode_rows`](Self::encode_rows) encoded.
    pub fn add(&mut self, table: &Table, rows: &RowTallies) {
        let columns = self.columns.iter().zip(rows.columns.iter().zip(&rows.places));
        for (found, (column, (tally, place))) in self.findings.iter_mut().zip(columns) {
            found.add(tally, table, *place, column, rows.n_rows);
        }
        self.file = table.name().to_owned();
        self.n_rows += rows.n_rows;
    }

    /// Where the table has the input columns.
    fn places(&self, table: &Table) -> Result<Vec<usize>, DataError> {
        let place = |column: &InputColumn| {
            table.column_index(&column.name).map_err(|_| DataError::NoInputColumn {
                file: table.name().to_owned(),
                column: column.name.clone(),
                found: list(table.columns()),
            })
        };
        self.columns.iter().map(place).collect()
    }

    /// Makes room for so many encoded rows, whose width it returns.
    fn resize<T: Scalar>(&self, n_rows: usize, x: &mut Vec<T>) -> usize {
        let width = self.columns.iter().map(InputColumn::width).sum();
        // The system's memory is zeros already.
        if x.is_empty() {
            *x = vec![T::ZERO; n_rows * width];
        } else {
            x.resize(n_rows * width, T::ZERO);
        }
        width
    }

    /// What is to be said about the cells of all rows.
    ///
    /// # Errors
    /// [`DataError::Unlike`] for a column that differs from what training saw in most of the rows,
    /// unless the rules are lenient.
    pub fn judge(&self) -> Result<Vec<Warning>, DataError> {
        let mut warnings = Vec::new();
        for (column, found) in self.columns.iter().zip(&self.findings) {
            if self.tolerance == Tolerance::Strict {
                found.check(&self.file, column, self.n_rows)?;
            }
            warnings.extend(found.warnings(column, self.n_rows));
        }
        Ok(warnings)
    }

    /// Encodes and judges a table that is the only piece.
    pub(super) fn encode_all<T: Scalar>(
        mut self,
        exec: &Executor,
        table: &Table,
        rows: &[usize],
    ) -> Result<Encoded<T>, DataError> {
        let mut x = Vec::new();
        self.encode(exec, table, rows, &mut x)?;
        Ok(Encoded { x, warnings: self.judge()? })
    }

    /// Encodes some rows into `x`; the cells of input column i are in the table's column
    /// `places[i]`.
    ///
    /// It goes column by column: the cells of one lie together, and are encoded in the same way.
    fn encode_chunk<T: Scalar>(
        &self,
        table: &Table,
        places: &[usize],
        rows: &[usize],
        x: &mut [T],
    ) -> Result<Vec<ColumnTally>, DataError> {
        let width = self.columns.iter().map(InputColumn::width).sum();
        let mut tallies = vec![ColumnTally::default(); self.columns.len()];
        let (mut start, mut rows, mut wrong) = (0, rows, None);
        let columns = self.columns.iter().zip(&self.by_number);
        for (((column, by_number), place), tally) in columns.zip(places).zip(&mut tallies) {
            let of_column = start..start + column.width();
            let out = x.chunks_exact_mut(width).map(|row| &mut row[of_column.clone()]);
            for ((i, text), out) in table.cells_of(*place, rows).enumerate().zip(out) {
                match column.encode(by_number, Cell::Text(text), out) {
                    Ok(outcome) => tally.add(outcome, rows[i]),
                    Err(CellError::OutOfRange(problem)) => {
                        wrong = Some(DataError::out_of_range(table, rows[i], *place, problem));
                        // The first such row is reported: of other columns, those before it count.
                        rows = &rows[..i];
                        break;
                    }
                    // Text is never a number for text.
                    Err(CellError::NumberForText) => {}
                }
            }
            start = of_column.end;
        }
        wrong.map_or(Ok(tallies), Err)
    }
}
