//! A table of text: a CSV file as it is, cell by cell.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use csv_core::ReadRecordResult;

use crate::dialect::{Dialect, Extra, is_separator};
use crate::error::{DataError, excerpt, list};
use crate::rules::ColumnRules;
use crate::source::{Source, TextEncoding, line_ends, read_source};
use crate::warning::{Warning, WarningCode};

/// The longest row that a table may have, in bytes.
const MAX_ROW: usize = 64 << 20;

/// The longest cell, in bytes.
const MAX_CELL: usize = 1 << 20;

/// The most columns that a table may have.
const MAX_COLUMNS: usize = 50_000;

/// The cells of a CSV file with a header, as text, and the lines that they come from.
///
/// A file may be compressed with gzip or zstd; its encoding is found from its bytes. The separator
/// is the one of `,` `;` tab and `|` that cuts the first rows most evenly, or the one that a first
/// line `sep=;` names. Cells follow RFC 4180: a cell in quotation marks may hold separators, line
/// ends and doubled quotation marks. Lines end with LF, CRLF or CR; blank ones are skipped; a byte
/// order mark is not part of the header. Where the header is one name short, the first column holds
/// the names of the rows, as R writes them.
#[derive(Clone, Debug)]
pub struct Table {
    name: String,
    format: FileFormat,
    columns: Vec<String>,
    /// The column of each name, without space around it.
    by_name: HashMap<String, usize>,
    /// Which columns the header does not name.
    unnamed: Vec<usize>,
    extra: Extra,
    /// All cells, row after row, with one byte behind each that belongs to none.
    text: String,
    cells: Cells,
    rules: ColumnRules,
    warnings: Vec<Warning>,
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

/// What is known about a table before it is read; by default nothing, and all is found from the
/// file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadOptions {
    /// What separates cells.
    pub separator: Option<u8>,
    /// How text is stored as bytes. A byte order mark is believed first.
    pub encoding: Option<TextEncoding>,
    /// How its columns are to be understood.
    pub rules: ColumnRules,
}

/// Where rows and cells lie in a table's text.
#[derive(Clone, Debug)]
struct Cells {
    n_columns: usize,
    /// Where each row starts.
    rows: Vec<usize>,
    /// Behind each cell, counted from the start of its row: small numbers, since writing them takes
    /// a large part of the time.
    ends: Vec<u32>,
    /// The line of the file on which each row starts, unless each is on a line of its own, from the
    /// second on.
    lines: Option<Vec<usize>>,
}

impl Cells {
    /// None yet, and room for `n_rows`.
    fn new(n_columns: usize, n_rows: usize) -> Self {
        let (rows, ends) = (Vec::with_capacity(n_rows), Vec::with_capacity(n_rows * n_columns));
        Self { n_columns, rows, ends, lines: None }
    }

    /// The place of a cell in the text.
    fn place(&self, row: usize, column: usize) -> Range<usize> {
        let (start, i) = (self.rows[row], row * self.n_columns + column);
        // One byte between two cells.
        let skip = if column == 0 { 0 } else { self.ends[i - 1] as usize + 1 };
        start + skip..start + self.ends[i] as usize
    }

    /// Ends a row that starts at `start` on `line`; its cells are those that were pushed since the
    /// last one.
    fn end_row(&mut self, file: &str, start: usize, line: usize) -> Result<(), DataError> {
        let first = self.rows.len() * self.n_columns;
        let (found, expected) = (self.ends.len() - first, self.n_columns);
        if found != expected {
            return Err(DataError::Ragged { file: file.to_owned(), line, found, expected });
        }
        let len = self.ends.last().map_or(0, |end| *end as usize);
        if len > MAX_CELL {
            self.check_lengths(file, len, line)?;
        }
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        } else if line != self.rows.len() + 2 {
            let mut lines: Vec<usize> = (2..self.rows.len() + 2).collect();
            lines.push(line);
            self.lines = Some(lines);
        }
        self.rows.push(start);
        Ok(())
    }

    /// Refuses a row of `len` bytes that is too long, or has a cell that is.
    fn check_lengths(&self, file: &str, len: usize, line: usize) -> Result<(), DataError> {
        if len > MAX_ROW {
            return Err(DataError::LongRow { file: file.to_owned(), line });
        }
        let ends = &self.ends[self.rows.len() * self.n_columns..];
        let starts = std::iter::once(0).chain(ends.iter().map(|end| end + 1));
        if starts.zip(ends).any(|(start, end)| (end - start) as usize > MAX_CELL) {
            return Err(DataError::LongCell { file: file.to_owned(), line });
        }
        Ok(())
    }
}

impl ReadOptions {
    /// Reads a file.
    ///
    /// # Errors
    /// [`DataError`] when the file cannot be read or decoded, is of another format, is empty, has
    /// no data rows, has more than 50,000 columns or two of one name, a row whose number of cells
    /// differs from the header's, a cell of more than 1 MiB or a row of more than 64 MiB, a quoted
    /// cell without end, or a NUL.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Table, DataError> {
        let name = path.as_ref().display().to_string();
        match File::open(path) {
            Ok(file) => self.from_reader(name, file),
            Err(reason) => Err(DataError::Read { file: name, reason }),
        }
    }

    /// Reads from `reader`; messages call the table `name`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_reader(
        &self,
        name: impl Into<String>,
        reader: impl Read,
    ) -> Result<Table, DataError> {
        let name = name.into();
        let source = read_source(&name, reader, self.encoding)?;
        Ok(Table::parse(name, source, self.separator)?.with_rules(self.rules.clone()))
    }
}

impl Table {
    /// Reads a file of which nothing is known.
    ///
    /// # Errors
    /// As [`ReadOptions::read`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, DataError> {
        ReadOptions::default().read(path)
    }

    /// Reads a table of which nothing is known from `reader`; messages call it `name`.
    ///
    /// # Errors
    /// As [`ReadOptions::read`].
    pub fn from_reader(name: impl Into<String>, reader: impl Read) -> Result<Self, DataError> {
        ReadOptions::default().from_reader(name, reader)
    }

    fn parse(name: String, source: Source, separator: Option<u8>) -> Result<Self, DataError> {
        let Source { mut text, encoding, is_guess } = source;
        if text.trim_ascii().is_empty() {
            return Err(DataError::Empty { file: name });
        }
        if let Some(place) = memchr::memchr(0, &text) {
            let line = 1 + line_ends(&text[..place]);
            return Err(DataError::NulByte { file: name, line });
        }
        if let Some(separator) = separator.filter(|separator| !is_separator(*separator)) {
            return Err(DataError::Separator { separator: char::from(separator) });
        }
        let dialect = Dialect::of(&text, separator);
        let line_end = match memchr::memchr2(b'\n', b'\r', &text) {
            Some(end) if text[end..].starts_with(b"\r\n") => LineEnd::CrLf,
            _ => LineEnd::Lf,
        };
        let is_plain = memchr::memchr(b'"', &text).is_none() && !has_lone_returns(&text);
        let read = match is_plain {
            true => read_lines(&name, &text, dialect),
            false => read_quoted(&name, &mut text, dialect),
        };
        let Header { columns, unnamed, cells } = read?;
        if cells.rows.is_empty() {
            return Err(DataError::NoRows { file: name });
        }
        // Valid it was, and cells were moved whole.
        let text = String::from_utf8(text)
            .map_err(|_| DataError::NotUtf8 { file: name.clone(), line: 1 })?;
        let by_name = (0..).zip(&columns).map(|(i, name)| (name.trim().to_owned(), i)).collect();
        let mut warnings = Vec::new();
        if is_guess {
            let message = format!(
                "{name} is not UTF-8: read as {} (--encoding names another)",
                encoding.name()
            );
            warnings.push(Warning::new(WarningCode::Encoding, message));
        }
        let format = FileFormat { separator: dialect.separator, line_end, encoding };
        let extra = dialect.extra;
        let rules = ColumnRules::default();
        Ok(Self { name, format, columns, by_name, unnamed, extra, text, cells, rules, warnings })
    }

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
        &self.columns
    }

    /// The header as the file has it: nameless columns without a name, and those that it leaves out
    /// missing.
    pub fn header(&self) -> impl Iterator<Item = &str> {
        let n_extra = [Extra::RowName, Extra::Last].map(|extra| usize::from(self.extra == extra));
        let columns = &self.columns[n_extra[0]..self.columns.len() - n_extra[1]];
        (n_extra[0]..).zip(columns).map(|(i, name)| if self.is_unnamed(i) { "" } else { name })
    }

    /// Whether the header gives a column no name.
    pub(crate) fn is_unnamed(&self, column: usize) -> bool {
        self.unnamed.contains(&column)
    }

    /// Whether the first column holds the names of rows, for which the header has no place.
    pub(crate) fn has_row_names(&self) -> bool {
        self.extra == Extra::RowName
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
        self.by_name.get(column.trim()).copied().ok_or_else(|| DataError::UnknownColumn {
            file: self.name.clone(),
            column: excerpt(column),
            found: list(&self.columns),
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

/// Names of columns, and the cells below.
struct Header {
    columns: Vec<String>,
    unnamed: Vec<usize>,
    cells: Cells,
}

impl Header {
    /// A header of these names on `line`, with room for `n_rows`.
    fn new(
        file: &str,
        line: usize,
        mut columns: Vec<String>,
        extra: Extra,
        n_rows: usize,
    ) -> Result<Self, DataError> {
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
        let cells = Cells::new(columns.len(), n_rows);
        Ok(Self { columns, unnamed, cells })
    }
}

/// Whether some CR is not followed by LF.
fn has_lone_returns(text: &[u8]) -> bool {
    memchr::memchr_iter(b'\r', text).any(|i| text.get(i + 1) != Some(&b'\n'))
}

/// Finds the cells of text without quotes, whose lines end with LF or CRLF, where they lie.
fn read_lines(file: &str, text: &[u8], dialect: Dialect) -> Result<Header, DataError> {
    let Dialect { separator, start, extra } = dialect;
    let mut line = 1 + line_ends(&text[..start]);
    let without_return = |start: usize, end: usize| {
        if end > start && text[end - 1] == b'\r' { end - 1 } else { end }
    };
    // The header is the first line that is not blank.
    let mut start = start;
    let header = loop {
        let end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |i| start + i);
        let header = &text[start..without_return(start, end)];
        (start, line) = (text.len().min(end + 1), line + 1);
        if !header.trim_ascii().is_empty() || start == text.len() {
            break header;
        }
    };
    let names = header.split(|byte| *byte == separator);
    let columns = names.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let n_lines = memchr::memchr_iter(b'\n', &text[start..]).count() + 1;
    let mut read = Header::new(file, line - 1, columns, extra, n_lines)?;
    let cells = &mut read.cells;
    let behind = start;
    let ends = memchr::memchr2_iter(separator, b'\n', &text[behind..]).map(|i| behind + i);
    // The last line may lack its end.
    let last = (text.last() != Some(&b'\n')).then_some(text.len());
    for end in ends.chain(last) {
        if text.get(end) == Some(&separator) {
            // Within 32 bits if the whole row is, which its end shows.
            cells.ends.push((end - start) as u32);
            continue;
        }
        let row_end = without_return(start, end);
        let is_alone = cells.ends.len() == cells.rows.len() * cells.n_columns;
        let is_blank = is_alone
            && (row_end == start
                || (cells.n_columns > 1 && text[start..row_end].trim_ascii().is_empty()));
        if !is_blank {
            if row_end - start > MAX_ROW {
                return Err(DataError::LongRow { file: file.to_owned(), line });
            }
            cells.ends.push((row_end - start) as u32);
            cells.end_row(file, start, line)?;
        }
        (start, line) = (end + 1, line + 1);
    }
    Ok(read)
}

/// Splits any text, and moves its cells to its front: without their quotes, they take less room
/// than they had.
fn read_quoted(file: &str, text: &mut Vec<u8>, dialect: Dialect) -> Result<Header, DataError> {
    let Dialect { separator, start, extra } = dialect;
    let mut reader = csv_core::ReaderBuilder::new().delimiter(separator).build();
    let (mut record, mut ends) = (vec![0; 1 << 16], vec![0; 64]);
    let (mut header, mut written) = (None::<Header>, 0);
    let (mut read, mut counted, mut line) = (start, start, 1 + line_ends(&text[..start]));
    loop {
        // The reader stands behind the last row, on what is left of its line end and on empty
        // lines.
        let row_start = read + text[read..].iter().take_while(|b| is_line_end(**b)).count();
        line += line_ends(&text[counted..row_start]);
        let (mut n_bytes, mut n_cells) = (0, 0);
        loop {
            let (result, n_in, n_out, n_ends) =
                reader.read_record(&text[read..], &mut record[n_bytes..], &mut ends[n_cells..]);
            (read, n_bytes, n_cells) = (read + n_in, n_bytes + n_out, n_cells + n_ends);
            match result {
                ReadRecordResult::OutputFull if record.len() > MAX_ROW => {
                    return Err(DataError::LongRow { file: file.to_owned(), line });
                }
                ReadRecordResult::OutputFull => record.resize(2 * record.len(), 0),
                ReadRecordResult::OutputEndsFull => ends.resize(2 * ends.len(), 0),
                // All of the input was there: asked once more, the reader ends the last record.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record | ReadRecordResult::End => break,
            }
        }
        if n_cells == 0 {
            break;
        }
        let row = &record[..n_bytes];
        let last_start = if n_cells > 1 { ends[n_cells - 2] } else { 0 };
        if read == text.len() && ends_in_quotes(&text[row_start..], &row[last_start..]) {
            return Err(DataError::UnclosedQuote { file: file.to_owned(), line });
        }
        // Line ends are counted before cells are moved over them; CRLF is one.
        let is_cut = text[..read].ends_with(b"\r") && text.get(read) == Some(&b'\n');
        counted = read + usize::from(is_cut);
        let next_line = line + line_ends(&text[row_start..counted]);
        let row_line = std::mem::replace(&mut line, next_line);
        let starts = std::iter::once(0).chain(ends[..n_cells].iter().copied());
        let places = starts.zip(&ends[..n_cells]);
        let Some(Header { cells, .. }) = &mut header else {
            if n_cells == 1 && row.trim_ascii().is_empty() {
                continue;
            }
            let names = places.map(|(start, end)| String::from_utf8_lossy(&row[start..*end]));
            let columns = names.map(|name| name.into_owned()).collect();
            let n_lines = memchr::memchr2_iter(b'\n', b'\r', &text[read..]).count() + 1;
            header = Some(Header::new(file, row_line, columns, extra, n_lines)?);
            continue;
        };
        if n_cells == 1 && cells.n_columns > 1 && row.trim_ascii().is_empty() {
            continue;
        }
        let row_written = written;
        for (start, end) in places {
            text[written..written + end - start].copy_from_slice(&row[start..*end]);
            written += end - start;
            cells.ends.push((written - row_written) as u32);
            // There is room where the file had a separator or a line end; the last line may lack
            // one.
            if let Some(gap) = text.get_mut(written) {
                *gap = b'\n';
            }
            written += 1;
        }
        cells.end_row(file, row_written, row_line)?;
    }
    text.truncate(written);
    header.ok_or_else(|| DataError::Empty { file: file.to_owned() })
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// Whether the last record of a file, `raw` in the file, stopped inside a quoted cell, its `last`:
/// an odd number of quotation marks, and the line end taken for part of the cell.
fn ends_in_quotes(raw: &[u8], last: &[u8]) -> bool {
    last.iter().any(|byte| is_line_end(*byte))
        && raw.iter().filter(|byte| **byte == b'"').count() % 2 == 1
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
