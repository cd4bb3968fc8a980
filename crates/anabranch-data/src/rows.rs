//! From text to rows of cells, where they lie.

use std::ops::Range;

use csv_core::ReadRecordResult;

use crate::cells::{Cells, CellsOfFile, MAX_ROW};
use crate::error::DataError;
use crate::source::line_ends;

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

/// Finds the rows of `text` from `at` on, which comes to stand behind the last whole one. Their
/// cells are moved to the front of the text; what follows the rows is untouched.
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

/// Splits text without quotes, whose lines end with LF or CRLF.
fn read_lines(
    file: &str,
    text: &mut [u8],
    separator: u8,
    n_columns: usize,
    at: &mut Place,
    rest: Rest,
) -> Result<Cells, DataError> {
    let len = match rest {
        Rest::Nothing => text.len(),
        Rest::More => memchr::memrchr(b'\n', text).map_or(0, |end| end + 1).max(at.read),
    };
    let text = &mut text[..len];
    let Place { read: mut start, mut line } = *at;
    let mut cells = CellsOfFile::new(n_columns, line, &text[start..]);
    while start < len {
        // The last line may lack its end.
        let mut end = len;
        for place in memchr::memchr2_iter(separator, b'\n', &text[start..]) {
            if text[start + place] == b'\n' {
                end = start + place;
                break;
            }
            cells.push(place);
        }
        let has_return = end > start && text[end - 1] == b'\r';
        let row_end = end - usize::from(has_return);
        let is_blank = cells.is_row_start()
            && (row_end == start
                || (n_columns > 1 && text[start..row_end].trim_ascii().is_empty()));
        if !is_blank {
            if row_end - start > MAX_ROW {
                return Err(DataError::LongRow { file: file.to_owned(), line });
            }
            cells.push(row_end - start);
            cells.end_row(file, text, start, line)?;
        }
        (start, line) = (end + 1, line + 1);
    }
    *at = Place { read: len, line };
    Ok(cells.finish(text))
}

/// Splits any text.
fn read_quoted(
    file: &str,
    text: &mut [u8],
    separator: u8,
    n_columns: usize,
    at: &mut Place,
    rest: Rest,
) -> Result<Cells, DataError> {
    let mut cells = CellsOfFile::new(n_columns, at.line, &text[at.read..]);
    let mut records = Records::new(separator);
    while let Some(Record { line, n_cells, .. }) = records.next(file, text, at, rest)? {
        let row = records.row(n_cells);
        if n_cells == 1 && n_columns > 1 && row.trim_ascii().is_empty() {
            continue;
        }
        // Without their quotes, cells take less room than they had.
        let start = cells.text_len();
        let mut written = start;
        for cell in records.cells(n_cells) {
            text[written..written + cell.len()].copy_from_slice(&row[cell.clone()]);
            written += cell.len();
            cells.push(written - start);
            // There was a separator or a line end.
            written += 1;
        }
        cells.end_row(file, text, start, line)?;
    }
    Ok(cells.finish(text))
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
