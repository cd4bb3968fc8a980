//! A table of text: a CSV file as it is, cell by cell.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cells::Cells;
use crate::dialect::Extra;
use crate::error::{DataError, excerpt, list};
use crate::rows;
use crate::rules::ColumnRules;
use crate::source::TextEncoding;
use crate::warning::Warning;

/// The most columns that a table may have.
const MAX_COLUMNS: usize = 50_000;

/// The cells of a CSV file with a header, as text, and the lines that they come from; or of a piece
/// of such a file, as [`ReadOptions::pieces`](crate::ReadOptions::pieces) gives them.
///
/// A file may be compressed with gzip or zstd; its encoding is found from its bytes. The separator
/// is the one of `,` `;` tab and `|` that cuts the first rows most evenly, or the one that a first
/// line `sep=;` names. Cells follow RFC 4180: a cell in quotation marks may hold separators, line
/// ends and doubled quotation marks. Lines end with LF, CRLF or CR; blank ones are skipped; a byte
/// order mark is not part of the header. Where the header is one name short, the first column holds
/// the names of the rows, as R writes them.
#[derive(Clone, Debug)]
pub struct Table {
    pub(crate) name: String,
    pub(crate) format: FileFormat,
    pub(crate) header: Arc<Header>,
    /// All cells, one behind the other.
    pub(crate) text: String,
    pub(crate) cells: Cells,
    pub(crate) rules: ColumnRules,
    pub(crate) warnings: Vec<Warning>,
}

/// The columns of a table.
#[derive(Debug)]
pub(crate) struct Header {
    columns: Vec<String>,
    /// The column of each name, without space around it.
    by_name: HashMap<String, usize>,
    /// Which columns the file does not name.
    unnamed: Vec<usize>,
    extra: Extra,
}

/// How a table is written in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFormat {
    /// What separates cells.
    pub separator: u8,
    /// Whether lines end with CRLF, or with LF.
    pub line_end: LineEnd,
    /// How text is stored as bytes.
    pub encoding: TextEncoding,
}

/// What ends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnd {
    /// As on Unix.
    Lf,
    /// As on Windows.
    CrLf,
}

impl Table {
    /// The table with other rules for its columns.
    pub fn with_rules(self, rules: ColumnRules) -> Self {
        Self { rules, ..self }
    }

    /// What the user says about its columns.
    pub fn rules(&self) -> &ColumnRules {
        &self.rules
    }

    /// What messages call the table: its path, as a rule.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the table is written in its file.
    pub fn format(&self) -> FileFormat {
        self.format
    }

    /// What a user should know about the file.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Column names as the header has them. A column without a name is called by its number, as
    /// `column 3`, and names of rows `row names`.
    pub fn columns(&self) -> &[String] {
        &self.header.columns
    }

    /// The header as the file has it: nameless columns without a name, and those that it leaves out
    /// missing.
    pub fn header(&self) -> impl Iterator<Item = &str> {
        let Header { columns, extra, .. } = &*self.header;
        let n_extra = [Extra::RowName, Extra::Last].map(|of| usize::from(*extra == of));
        let columns = &columns[n_extra[0]..columns.len() - n_extra[1]];
        (n_extra[0]..).zip(columns).map(|(i, name)| if self.is_unnamed(i) { "" } else { name })
    }

    /// Whether the header gives a column no name.
    pub(crate) fn is_unnamed(&self, column: usize) -> bool {
        self.header.unnamed.contains(&column)
    }

    /// Whether the first column holds the names of rows, for which the header has no place.
    pub(crate) fn has_row_names(&self) -> bool {
        self.header.extra == Extra::RowName
    }

    /// Number of data rows, at least 1.
    pub fn n_rows(&self) -> usize {
        self.cells.n_rows()
    }

    /// Index of the column of that name. Space around a name means nothing.
    ///
    /// # Errors
    /// [`DataError::UnknownColumn`], which names the columns there are.
    pub fn column_index(&self, column: &str) -> Result<usize, DataError> {
        self.header.by_name.get(column.trim()).copied().ok_or_else(|| DataError::UnknownColumn {
            file: self.name.clone(),
            column: excerpt(column),
            found: list(self.columns()),
        })
    }

    /// The text of a cell, without its quotes.
    ///
    /// # Panics
    /// If the row or the column is out of range.
    pub fn cell(&self, row: usize, column: usize) -> &str {
        let n_columns = self.header.columns.len();
        assert!(column < n_columns, "column {column} of {n_columns}");
        &self.text[self.cells.place(row, column)]
    }

    /// The cells of a column, row by row.
    pub(crate) fn column(&self, column: usize) -> impl Iterator<Item = &str> {
        self.cells.places(column).map(|place| &self.text[place])
    }

    /// The cells of a column in these rows.
    ///
    /// # Panics
    /// If a row is out of range.
    pub(crate) fn cells_of(&self, column: usize, rows: &[usize]) -> impl Iterator<Item = &str> {
        self.cells.places_of(column, rows).map(|place| &self.text[place])
    }

    /// The cells of a row, in the header's order.
    ///
    /// # Panics
    /// If the row is out of range.
    pub fn row(&self, row: usize) -> impl Iterator<Item = &str> {
        (0..self.header.columns.len()).map(move |column| self.cell(row, column))
    }

    /// The line of the file on which a row starts, counted from 1 (the header's, as a rule).
    ///
    /// # Panics
    /// If the row is out of range.
    pub fn line(&self, row: usize) -> usize {
        assert!(row < self.n_rows(), "row {row} of {}", self.n_rows());
        self.cells.line(row)
    }
}

impl Header {
    /// The columns that a file names, with the one that it does not.
    pub(crate) fn new(file: &str, header: rows::Header, extra: Extra) -> Result<Self, DataError> {
        let rows::Header { names: mut columns, line } = header;
        match extra {
            Extra::None => {}
            Extra::RowName => columns.insert(0, String::new()),
            Extra::Last => columns.push(String::new()),
        }
        if columns.len() > MAX_COLUMNS {
            let (file, found) = (file.to_owned(), columns.len());
            return Err(DataError::TooManyColumns { file, found, most: MAX_COLUMNS });
        }
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (i, column) in columns.iter().enumerate() {
            let name = column.trim();
            if !name.is_empty() && seen.insert(name.to_owned(), i).is_some() {
                let (file, column) = (file.to_owned(), name.to_owned());
                return Err(DataError::DuplicateColumn { file, line, column });
            }
        }
        let mut unnamed = Vec::new();
        for (i, column) in columns.iter_mut().enumerate() {
            if !column.trim().is_empty() {
                continue;
            }
            unnamed.push(i);
            *column = match extra {
                Extra::RowName if i == 0 => "row names".to_owned(),
                _ => format!("column {}", i + 1),
            };
            while seen.contains_key(column) {
                column.push('_');
            }
            seen.insert(column.clone(), i);
        }
        let by_name = (0..).zip(&columns).map(|(i, name)| (name.trim().to_owned(), i)).collect();
        Ok(Self { columns, by_name, unnamed, extra })
    }

    pub(crate) fn n_columns(&self) -> usize {
        self.columns.len()
    }
}

impl DataError {
    /// A number that cannot be used.
    pub(crate) fn out_of_range(
        table: &Table,
        row: usize,
        column: usize,
        problem: &'static str,
    ) -> Self {
        Self::OutOfRange {
            file: table.name().to_owned(),
            line: table.line(row),
            column: table.columns()[column].trim().to_owned(),
            cell: excerpt(table.cell(row, column)),
            problem,
        }
    }
}
