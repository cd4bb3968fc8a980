//! From text to rows of cells, where they lie.

use std::ops::Range;

use csv_core::ReadRecordResult;

use crate::error::DataError;
use crate::source::line_ends;

/// The longest row that a table may have, in bytes.
pub(crate) const MAX_ROW: usize = 64 << 20;

/// The longest cell, in bytes.
const MAX_CELL: usize = 1 << 20;

/// What follows a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing: its last row may lack a line end.
    Nothing,
    /// More of the table: a row without a line end is not whole.
    More,
}

/// A place in a file: how much of a text was read, and the line that follows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) read: usize,
    pub(crate) line: usize,
}

/// Where rows and cells lie in a table's text.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    n_columns: usize,
    /// Where each row starts.
    rows: Vec<usize>,
    /// Behind each cell, counted from the start of its row: small numbers, since writing them takes
    /// a large part of the time.
    ends: Vec<u32>,
    /// The line of the file on which the first row may start.
    first_line: usize,
    /// The line on which each row starts, unless each is on a line of its own, from the first line
    /// on.
    lines: Option<Vec<usize>>,
}

impl Cells {
    /// None yet, and room for `n_rows`.
    fn new(n_columns: usize, first_line: usize, n_rows: usize) -> Self {
        let (rows, ends) = (Vec::with_capacity(n_rows), Vec::with_capacity(n_rows * n_columns));
        Self { n_columns, rows, ends, first_line, lines: None }
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.rows.len()
    }

    /// The place of a cell in the text.
    pub(crate) fn place(&self, row: usize, column: usize) -> Range<usize> {
        let (start, i) = (self.rows[row], row * self.n_columns + column);
        // One byte between two cells.
        let skip = if column == 0 { 0 } else { self.ends[i - 1] as usize + 1 };
        start + skip..start + self.ends[i] as usize
    }

    /// The line of the file on which a row starts.
    pub(crate) fn line(&self, row: usize) -> usize {
        self.lines.as_ref().map_or(self.first_line + row, |lines| lines[row])
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
        } else if line != self.first_line + self.rows.len() {
            let mut lines: Vec<usize> = (self.first_line..).take(self.rows.len()).collect();
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

/// The names in the header, which is the first line that is not blank; `at` comes to stand behind
/// it. None if the text ends before it does.
pub(crate) fn read_header(
    file: &str,
    text: &[u8],
    separator: u8,
    at: &mut Place,
    rest: Rest,
) -> Result<Option<Header>, DataError> {
    let mut records = Records::new(separator);
    while let Some(Record { start, line, n_cells }) = records.next(file, text, at, rest)? {
        let (row, raw) = (records.row(n_cells), &text[start..at.read]);
        let is_blank = n_cells == 1 && row.trim_ascii().is_empty();
        if is_blank || raw.trim_ascii().is_empty() {
            continue;
        }
        let names = records.cells(n_cells).map(|cell| String::from_utf8_lossy(&row[cell]));
        return Ok(Some(Header { names: names.map(|name| name.into_owned()).collect(), line }));
    }
    Ok(None)
}

/// The names of columns, and the line they are on.
pub(crate) struct Header {
    pub(crate) names: Vec<String>,
    pub(crate) line: usize,
}

/// Finds the rows of `text` from `at` on, which comes to stand behind the last whole one. What is
/// left of the text has its cells where they are said to be, and what follows them untouched.
pub(crate) fn read_rows(
    file: &str,
    text: &mut [u8],
    separator: u8,
    n_columns: usize,
    at: &mut Place,
    rest: Rest,
) -> Result<Cells, DataError> {
    let below = &text[at.read..];
    if memchr::memchr(b'"', below).is_none() && !has_lone_returns(below) {
        read_lines(file, text, separator, n_columns, at, rest)
    } else {
        read_quoted(file, text, separator, n_columns, at, rest)
    }
}

/// Whether some CR is not followed by LF.
fn has_lone_returns(text: &[u8]) -> bool {
    memchr::memchr_iter(b'\r', text).any(|i| text.get(i + 1) != Some(&b'\n'))
}

/// Finds the cells of text without quotes, whose lines end with LF or CRLF, where they lie.
fn read_lines(
    file: &str,
    text: &[u8],
    separator: u8,
    n_columns: usize,
    at: &mut Place,
    rest: Rest,
) -> Result<Cells, DataError> {
    let text = match rest {
        Rest::Nothing => text,
        Rest::More => &text[..memchr::memrchr(b'\n', text).map_or(0, |end| end + 1).max(at.read)],
    };
    let without_return = |start: usize, end: usize| {
        if end > start && text[end - 1] == b'\r' { end - 1 } else { end }
    };
    let Place { read: mut start, mut line } = *at;
    if start == text.len() {
        return Ok(Cells::new(n_columns, line, 0));
    }
    let n_lines = memchr::memchr_iter(b'\n', &text[start..]).count() + 1;
    let mut cells = Cells::new(n_columns, line, n_lines);
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
        let is_alone = cells.ends.len() == cells.rows.len() * n_columns;
        let is_blank = is_alone
            && (row_end == start
                || (n_columns > 1 && text[start..row_end].trim_ascii().is_empty()));
        if !is_blank {
            if row_end - start > MAX_ROW {
                return Err(DataError::LongRow { file: file.to_owned(), line });
            }
            cells.ends.push((row_end - start) as u32);
            cells.end_row(file, start, line)?;
        }
        (start, line) = (end + 1, line + 1);
    }
    *at = Place { read: text.len(), line };
    Ok(cells)
}

/// Splits any text, and moves its cells towards its front: without their quotes, they take less
/// room than they had.
fn read_quoted(
    file: &str,
    text: &mut [u8],
    separator: u8,
    n_columns: usize,
    at: &mut Place,
    rest: Rest,
) -> Result<Cells, DataError> {
    let n_lines = memchr::memchr2_iter(b'\n', b'\r', &text[at.read..]).count() + 1;
    let mut cells = Cells::new(n_columns, at.line, n_lines);
    let (mut records, mut written) = (Records::new(separator), at.read);
    while let Some(Record { line, n_cells, .. }) = records.next(file, text, at, rest)? {
        let row = records.row(n_cells);
        if n_cells == 1 && n_columns > 1 && row.trim_ascii().is_empty() {
            continue;
        }
        let row_written = written;
        for cell in records.cells(n_cells) {
            text[written..written + cell.len()].copy_from_slice(&row[cell.clone()]);
            written += cell.len();
            cells.ends.push((written - row_written) as u32);
            // There is room where the file had a separator or a line end; the last line may lack
            // one.
            if let Some(gap) = text.get_mut(written) {
                *gap = b'\n';
            }
            written += 1;
        }
        cells.end_row(file, row_written, line)?;
    }
    if cells.n_rows() > 0 && written < at.read {
        // Cells were moved away from here: what is left may begin within a character.
        text[written..at.read].fill(b'\n');
    }
    Ok(cells)
}

/// Splits text into rows of any form.
struct Records {
    reader: csv_core::Reader,
    /// The cells of the last row without their quotes, one after the other.
    row: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

/// A row: where it starts, its line, and the number of its cells.
struct Record {
    start: usize,
    line: usize,
    n_cells: usize,
}

impl Records {
    fn new(separator: u8) -> Self {
        let mut reader = csv_core::ReaderBuilder::new().delimiter(separator).build();
        let (mut row, mut ends) = (vec![0; 1 << 16], vec![0; 64]);
        // A row is read that is none: at the start of its input, the reader would pass over a byte
        // order mark, but this may be the middle of a file.
        reader.read_record(b"\n", &mut row, &mut ends);
        Self { reader, row, ends }
    }

    /// Reads the next row of `text` from `at` on, which comes to stand behind it; none if there is
    /// no more whole one.
    fn next(
        &mut self,
        file: &str,
        text: &[u8],
        at: &mut Place,
        rest: Rest,
    ) -> Result<Option<Record>, DataError> {
        // The reader stands behind the last row, on what is left of its line end and on empty
        // lines.
        let n_blank = text[at.read..].iter().take_while(|byte| is_line_end(**byte)).count();
        let start = at.read + n_blank;
        let line = at.line + line_ends(&text[at.read..start]);
        let (mut read, mut n_bytes, mut n_cells) = (at.read, 0, 0);
        loop {
            if read == text.len() && rest == Rest::More {
                return Ok(None);
            }
            let (row, ends) = (&mut self.row[n_bytes..], &mut self.ends[n_cells..]);
            let (result, n_in, n_out, n_ends) = self.reader.read_record(&text[read..], row, ends);
            (read, n_bytes, n_cells) = (read + n_in, n_bytes + n_out, n_cells + n_ends);
            match result {
                ReadRecordResult::OutputFull if self.row.len() > MAX_ROW => {
                    return Err(DataError::LongRow { file: file.to_owned(), line });
                }
                ReadRecordResult::OutputFull => self.row.resize(2 * self.row.len(), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                // If nothing follows, the reader ends the last record when it is asked once more.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record | ReadRecordResult::End => break,
            }
        }
        if n_cells == 0 {
            *at = Place { read, line };
            return Ok(None);
        }
        let last = self.ends[..n_cells - 1].last().copied().unwrap_or(0)..n_bytes;
        let is_last = rest == Rest::Nothing && read == text.len();
        if is_last && ends_in_quotes(&text[start..], &self.row[last]) {
            return Err(DataError::UnclosedQuote { file: file.to_owned(), line });
        }
        // CRLF is one line end.
        let is_cut = text[..read].ends_with(b"\r") && text.get(read) == Some(&b'\n');
        let read = read + usize::from(is_cut);
        *at = Place { read, line: line + line_ends(&text[start..read]) };
        Ok(Some(Record { start, line, n_cells }))
    }

    /// The text of the last row, which has `n_cells`.
    fn row(&self, n_cells: usize) -> &[u8] {
        &self.row[..self.ends[n_cells - 1]]
    }

    /// Where the cells of the last row are in its text.
    fn cells(&self, n_cells: usize) -> impl Iterator<Item = Range<usize>> {
        let ends = &self.ends[..n_cells];
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts.zip(ends).map(|(start, end)| start..*end)
    }
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
