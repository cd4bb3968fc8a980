//! A table of text: a CSV file as it is, cell by cell.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use crate::error::{DataError, list};

/// The cells of a CSV file with a header, as text, and the lines that they come from.
///
/// The separator is the one of `,` `;` and tab that the header has most of outside quotes (a comma when it has none).
/// Cells follow RFC 4180: a cell in quotation marks may hold separators, line ends and doubled quotation marks. Lines
/// end with LF, CRLF or CR; empty ones are skipped; a byte order mark is no part of the header.
#[derive(Clone, Debug)]
pub struct Table {
    name: String,
    separator: u8,
    columns: Vec<String>,
    /// All cells, row after row, with one byte behind each that belongs to none.
    text: String,
    cells: Cells,
}

/// Where rows and cells lie in a table's text.
#[derive(Clone, Debug)]
struct Cells {
    n_columns: usize,
    /// Where each row starts.
    rows: Vec<usize>,
    /// Behind each cell, counted from the start of its row: small numbers, since writing them takes a large part of the time.
    ends: Vec<u32>,
    /// The line of the file on which each row starts, unless each is on a line of its own, from the second on.
    lines: Option<Vec<usize>>,
}

impl Cells {
    /// None yet.
    fn new(n_columns: usize) -> Self {
        Self { n_columns, rows: Vec::new(), ends: Vec::new(), lines: None }
    }

    /// The place of a cell in the text.
    fn place(&self, row: usize, column: usize) -> Range<usize> {
        let (start, i) = (self.rows[row], row * self.n_columns + column);
        // One byte between two cells.
        let skip = if column == 0 { 0 } else { self.ends[i - 1] as usize + 1 };
        start + skip..start + self.ends[i] as usize
    }
}

impl Table {
    /// Reads a CSV file.
    ///
    /// # Errors
    /// [`DataError`] when the file cannot be read, is empty, has no data rows, is not UTF-8, has a column without a
    /// name or two of one name, a row whose number of cells differs from the header's or that is longer than 4 GiB, or a quoted
    /// cell without end.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let name = path.as_ref().display().to_string();
        match File::open(path) {
            Ok(file) => Self::from_reader(name, file),
            Err(source) => Err(DataError::Read { file: name, source }),
        }
    }

    /// Reads CSV text from `reader`; messages call it `name`.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub fn from_reader(name: impl Into<String>, mut reader: impl Read) -> Result<Self, DataError> {
        let name = name.into();
        let mut bytes = Vec::new();
        if let Err(source) = reader.read_to_end(&mut bytes) {
            return Err(DataError::Read { file: name, source });
        }
        match String::from_utf8(bytes) {
            Ok(mut text) => {
                if text.starts_with(BYTE_ORDER_MARK) {
                    text.drain(..BYTE_ORDER_MARK.len_utf8());
                }
                Self::parse(name, text)
            }
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let line = 1 + line_ends(&error.as_bytes()[..valid]);
                Err(DataError::NotUtf8 { file: name, line })
            }
        }
    }

    fn parse(name: String, mut source: String) -> Result<Self, DataError> {
        if source.trim().is_empty() {
            return Err(DataError::Empty { file: name });
        }
        let separator = separator(&source);
        if source.contains('"') {
            return Self::parse_quoted(name, separator, &source);
        }
        if source.contains('\r') {
            // Without quotes nothing but line ends changes by it, and no line its number.
            let unix = source.replace("\r\n", "\n");
            if unix.contains('\r') {
                return Self::parse_quoted(name, separator, &source);
            }
            source = unix;
        }
        match cells_of_lines(&name, separator, &source)? {
            Some((columns, cells)) => Ok(Self { name, separator, columns, text: source, cells }),
            None => Self::parse_quoted(name, separator, &source),
        }
    }

    /// Splits any text.
    fn parse_quoted(name: String, separator: u8, source: &str) -> Result<Self, DataError> {
        let file = || name.clone();
        // Rows of any length are let through, so that a ragged one can be reported with its line in the file.
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator)
            .from_reader(source.as_bytes());
        let mut record = csv::StringRecord::new();
        let mut columns: Vec<String> = Vec::new();
        let (mut text, mut cells) = (String::with_capacity(source.len()), Cells::new(0));
        let mut lines = Vec::new();
        let (mut line, mut counted) = (1, 0);
        loop {
            // The reader stands behind the last row, on what is left of its line end and on empty lines.
            let start = reader.position().byte() as usize;
            let more = reader
                .read_record(&mut record)
                .map_err(|error| DataError::Read { file: file(), source: error.into() })?;
            if !more {
                break;
            }
            let start = start + leading_line_ends(&source.as_bytes()[start..]);
            line += line_ends(&source.as_bytes()[counted..start]);
            counted = start;
            let end = reader.position().byte() as usize;
            if end == source.len() && ends_in_quotes(&source[start..], &record) {
                return Err(DataError::UnclosedQuote { file: file(), line });
            }
            if columns.is_empty() {
                columns = record.iter().map(str::to_owned).collect();
                check_names(&name, line, &columns)?;
                cells.n_columns = columns.len();
                continue;
            }
            if record.len() != columns.len() {
                let (found, expected) = (record.len(), columns.len());
                return Err(DataError::Ragged { file: file(), line, found, expected });
            }
            let start = text.len();
            for cell in &record {
                text.push_str(cell);
                cells.ends.push(end_of_cell(&name, line, text.len() - start)?);
                text.push('\n');
            }
            cells.rows.push(start);
            lines.push(line);
        }
        if lines.is_empty() {
            return Err(DataError::NoRows { file: name });
        }
        cells.lines = Some(lines);
        Ok(Self { name, separator, columns, text, cells })
    }

    /// What messages call the table: its path, as a rule.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What separates its cells in the file: a comma, a semicolon or a tab.
    pub fn separator(&self) -> u8 {
        self.separator
    }

    /// Column names as the header has them.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Number of data rows, at least 1.
    pub fn n_rows(&self) -> usize {
        self.cells.rows.len()
    }

    /// Index of the column of that name. Space around a name means nothing.
    ///
    /// # Errors
    /// [`DataError::UnknownColumn`], which names the columns there are.
    pub fn column_index(&self, column: &str) -> Result<usize, DataError> {
        self.columns.iter().position(|c| c.trim() == column.trim()).ok_or_else(|| {
            DataError::UnknownColumn {
                file: self.name.clone(),
                column: column.trim().to_owned(),
                found: list(&self.columns),
            }
        })
    }

    /// The text of a cell, without its quotes.
    ///
    /// # Panics
    /// If the row or the column is out of range.
    pub fn cell(&self, row: usize, column: usize) -> &str {
        assert!(column < self.columns.len(), "column {column} of {}", self.columns.len());
        &self.text[self.cells.place(row, column)]
    }

    /// The cells of a row, in the header's order.
    ///
    /// # Panics
    /// If the row is out of range.
    pub fn row(&self, row: usize) -> impl Iterator<Item = &str> {
        (0..self.columns.len()).map(move |column| self.cell(row, column))
    }

    /// The line of the file on which a row starts, counted from 1 (the header's, as a rule).
    ///
    /// # Panics
    /// If the row is out of range.
    pub fn line(&self, row: usize) -> usize {
        assert!(row < self.n_rows(), "row {row} of {}", self.n_rows());
        self.cells.lines.as_ref().map_or(row + 2, |lines| lines[row])
    }
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Names of columns and the cells of text without quotes, whose lines all end with LF; `None` if a line is empty.
fn cells_of_lines(
    file: &str,
    separator: u8,
    text: &str,
) -> Result<Option<(Vec<String>, Cells)>, DataError> {
    let header = text.split('\n').next().unwrap_or(text);
    if header.is_empty() {
        return Ok(None);
    }
    let columns: Vec<String> = header.split(char::from(separator)).map(str::to_owned).collect();
    check_names(file, 1, &columns)?;
    let mut start = header.len() + 1;
    let bytes = text.as_bytes();
    let mut cells = Cells::new(columns.len());
    cells.ends.reserve(text.len() / start * columns.len());
    // The last line may lack its end.
    let end = (text.len() > start && !text.ends_with('\n')).then_some(text.len());
    let body = bytes.get(start..).unwrap_or_default();
    let ends = memchr::memchr2_iter(separator, b'\n', body).map(|i| header.len() + 1 + i);
    for end in ends.chain(end) {
        // Within 32 bits if the whole row is, which its end shows.
        cells.ends.push((end - start) as u32);
        if bytes.get(end) == Some(&separator) {
            continue;
        }
        if end == start {
            return Ok(None);
        }
        let (expected, line) = (columns.len(), cells.rows.len() + 2);
        let found = cells.ends.len() - cells.rows.len() * expected;
        if found != expected {
            return Err(DataError::Ragged { file: file.to_owned(), line, found, expected });
        }
        end_of_cell(file, line, end - start)?;
        cells.rows.push(start);
        start = end + 1;
    }
    if cells.rows.is_empty() {
        return Err(DataError::NoRows { file: file.to_owned() });
    }
    Ok(Some((columns, cells)))
}

/// `end`, of a cell in a row that starts on `line`, as it is kept.
fn end_of_cell(file: &str, line: usize, end: usize) -> Result<u32, DataError> {
    u32::try_from(end).map_err(|_| DataError::LongRow { file: file.to_owned(), line })
}

/// The separator: whichever of the three the header line has most of, outside quotes.
fn separator(source: &str) -> u8 {
    let (mut counts, mut quoted) = ([0; 3], false);
    for byte in source.trim_start_matches(['\r', '\n']).bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\r' | b'\n' if !quoted => break,
            b',' if !quoted => counts[0] += 1,
            b';' if !quoted => counts[1] += 1,
            b'\t' if !quoted => counts[2] += 1,
            _ => {}
        }
    }
    let [commas, semicolons, tabs] = counts;
    if commas >= semicolons && commas >= tabs {
        b','
    } else if semicolons >= tabs {
        b';'
    } else {
        b'\t'
    }
}

fn check_names(file: &str, line: usize, columns: &[String]) -> Result<(), DataError> {
    let mut seen = HashSet::new();
    for (i, column) in columns.iter().enumerate() {
        let (file, column) = (file.to_owned(), column.trim());
        if column.is_empty() {
            return Err(DataError::UnnamedColumn { file, line, position: i + 1 });
        }
        if !seen.insert(column) {
            return Err(DataError::DuplicateColumn { file, line, column: column.to_owned() });
        }
    }
    Ok(())
}

/// Whether the last record of a file, `raw` in the file, stopped inside a quoted cell: an odd number of quotation
/// marks, and the line end taken for part of the cell.
fn ends_in_quotes(raw: &str, record: &csv::StringRecord) -> bool {
    let last = record.iter().next_back().unwrap_or("");
    last.contains(['\r', '\n']) && raw.bytes().filter(|b| *b == b'"').count() % 2 == 1
}

fn leading_line_ends(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count()
}

/// Number of line ends (LF, CRLF or CR). `bytes` must not stop between CR and LF.
fn line_ends(bytes: &[u8]) -> usize {
    let feeds = bytes.iter().filter(|b| **b == b'\n').count();
    let returns = bytes.iter().filter(|b| **b == b'\r').count();
    if returns == 0 {
        return feeds;
    }
    feeds + returns - bytes.windows(2).filter(|pair| pair == b"\r\n").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_an_end_that_can_be_kept() {
        assert_eq!(end_of_cell("t.csv", 3, 4_294_967_295).unwrap(), u32::MAX);
        let error = end_of_cell("t.csv", 3, 4_294_967_296).unwrap_err().to_string();
        assert_eq!(error, "t.csv: line 3: a row of more than 4 GiB: is this a table?");
    }
}
