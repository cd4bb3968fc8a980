//! Where the cells of a table lie in its text.
//!
//! A file has its cells row after row, but they are mostly looked at column after column, several
//! times. In a large file, each look at a cell would then wait for memory. So the text is cut into
//! blocks of rows that fit in a core's cache, and in a block the cells of a column lie together.

use std::ops::Range;

use crate::error::DataError;
use crate::source::line_ends;

/// The longest row that a table may have, in bytes.
pub(crate) const MAX_ROW: usize = 64 << 20;

/// The longest cell, in bytes.
const MAX_CELL: usize = 1 << 20;

/// What a block is to have, in bytes, a part of the usual second-level cache.
const BLOCK_BYTES: usize = 1 << 18;

/// Fewest and most rows of a block. Even one of the longest cells stays within 32 bits.
const BLOCK_ROWS: [usize; 2] = [1 << 4, 1 << 10];

/// Where rows and cells lie in a table's text.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    n_columns: usize,
    n_rows: usize,
    /// The binary logarithm of the number of rows in each block but the last.
    block_shift: u32,
    /// Where the cells of each column of each block start.
    starts: Vec<usize>,
    /// Behind each cell, counted from the start of its column in its block: small numbers, since
    /// writing them takes a large part of the time.
    ends: Vec<u32>,
    /// The length of the text.
    text_len: usize,
    /// The line of the file on which the first row may start.
    first_line: usize,
    /// The line on which each row starts, unless each is on a line of its own, from the first line
    /// on.
    lines: Option<Vec<usize>>,
}

impl Cells {
    pub(crate) fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Behind the last cell: what follows in the text is in none.
    pub(crate) fn text_len(&self) -> usize {
        self.text_len
    }

    /// The place of a cell in the text.
    pub(crate) fn place(&self, row: usize, column: usize) -> Range<usize> {
        let block = row >> self.block_shift;
        let first_row = block << self.block_shift;
        let n_rows = (self.n_rows - first_row).min(1 << self.block_shift);
        let start = self.starts[block * self.n_columns + column];
        let i = first_row * self.n_columns + column * n_rows + (row - first_row);
        let skip = if row == first_row { 0 } else { self.ends[i - 1] as usize };
        start + skip..start + self.ends[i] as usize
    }

    /// The places of a column's cells, row by row.
    pub(crate) fn places(&self, column: usize) -> impl Iterator<Item = Range<usize>> {
        let columns = self.starts.iter().skip(column).step_by(self.n_columns);
        columns.enumerate().flat_map(move |(block, start)| {
            let first_row = block << self.block_shift;
            let n_rows = (self.n_rows - first_row).min(1 << self.block_shift);
            let first = first_row * self.n_columns + column * n_rows;
            let mut place = *start;
            self.ends[first..first + n_rows].iter().map(move |end| {
                let end = start + *end as usize;
                std::mem::replace(&mut place, end)..end
            })
        })
    }

    /// The places of a column's cells in these rows.
    pub(crate) fn places_of(
        &self,
        column: usize,
        rows: &[usize],
    ) -> impl Iterator<Item = Range<usize>> {
        // The rows of the last block, where its cells begin in the text, and what ends them.
        let (mut block, mut start, mut ends) = (0..0, 0, &[][..]);
        rows.iter().map(move |row| {
            if !block.contains(row) {
                let number = row >> self.block_shift;
                let first_row = number << self.block_shift;
                let n_rows = (self.n_rows - first_row).min(1 << self.block_shift);
                let first = first_row * self.n_columns + column * n_rows;
                block = first_row..first_row + n_rows;
                start = self.starts[number * self.n_columns + column];
                ends = &self.ends[first..first + n_rows];
            }
            let i = row - block.start;
            let skip = if i == 0 { 0 } else { ends[i - 1] as usize };
            start + skip..start + ends[i] as usize
        })
    }

    /// The line of the file on which a row starts.
    pub(crate) fn line(&self, row: usize) -> usize {
        self.lines.as_ref().map_or(self.first_line + row, |lines| lines[row])
    }
}

/// The cells of a file while it is read.
#[derive(Debug)]
pub(crate) struct CellsOfFile {
    cells: Cells,
    /// Where the rows of the last block start in the text, as long as they lie there row by row.
    rows: Vec<usize>,
    /// Behind each cell of these rows, counted from the start of its row. Between two cells lies
    /// one byte.
    ends: Vec<u32>,
    /// Room for a block.
    block: Vec<u8>,
}

impl CellsOfFile {
    /// None yet, of `text`, in which the first row may start on `first_line`.
    pub(crate) fn new(n_columns: usize, first_line: usize, text: &[u8]) -> Self {
        let (n_rows, n_bytes) = (line_ends(text) + 1, text.len());
        let [least, most] = BLOCK_ROWS;
        let row_len = n_bytes / n_rows.max(1) + 1;
        let block_shift = (BLOCK_BYTES / row_len).clamp(least, most).ilog2();
        // Each cell has a separator behind it, or the end of a line or of the file.
        let n_cells = n_rows.saturating_mul(n_columns).min(n_bytes + 1);
        let cells = Cells {
            n_columns,
            n_rows: 0,
            block_shift,
            starts: Vec::new(),
            ends: Vec::with_capacity(n_cells),
            text_len: 0,
            first_line,
            lines: None,
        };
        Self { cells, rows: Vec::new(), ends: Vec::new(), block: Vec::new() }
    }

    /// Whether no cell was pushed since the last row ended.
    pub(crate) fn is_row_start(&self) -> bool {
        self.ends.len() == self.rows.len() * self.cells.n_columns
    }

    /// Behind the last row: where the next one may be written in the text at the earliest.
    pub(crate) fn text_len(&self) -> usize {
        let row_len = self.ends.last().map_or(0, |end| *end as usize + 1);
        self.rows.last().map_or(self.cells.text_len, |start| start + row_len)
    }

    /// Adds a cell, which ends so many bytes behind the start of its row. The number is right if
    /// the whole row is within 32 bits, which its end shows.
    pub(crate) fn push(&mut self, end: usize) {
        self.ends.push(end as u32);
    }

    /// Ends a row that starts at `start` in `text` and on `line` of the file; its cells are those
    /// that were pushed since the last one. Of the text up to its end, all may be moved.
    pub(crate) fn end_row(
        &mut self,
        file: &str,
        text: &mut [u8],
        start: usize,
        line: usize,
    ) -> Result<(), DataError> {
        let n_columns = self.cells.n_columns;
        let ends = &self.ends[self.rows.len() * n_columns..];
        if ends.len() != n_columns {
            let (file, found) = (file.to_owned(), ends.len());
            return Err(DataError::Ragged { file, line, found, expected: n_columns });
        }
        check_lengths(file, ends, line)?;
        let next = self.cells.n_rows;
        if let Some(lines) = &mut self.cells.lines {
            lines.push(line);
        } else if line != self.cells.first_line + next {
            self.cells.lines = Some((self.cells.first_line..).take(next).chain([line]).collect());
        }
        self.cells.n_rows += 1;
        self.rows.push(start);
        if self.rows.len() == 1 << self.cells.block_shift {
            self.end_block(text);
        }
        Ok(())
    }

    /// Puts the cells of the last block in the order of their columns.
    fn end_block(&mut self, text: &mut [u8]) {
        let Cells { n_columns, text_len, .. } = self.cells;
        self.block.clear();
        for column in 0..n_columns {
            let column_start = self.block.len();
            self.cells.starts.push(text_len + column_start);
            for (start, ends) in self.rows.iter().zip(self.ends.chunks_exact(n_columns)) {
                let skip = if column == 0 { 0 } else { ends[column - 1] as usize + 1 };
                let cell = &text[start + skip..start + ends[column] as usize];
                self.block.extend_from_slice(cell);
                self.cells.ends.push((self.block.len() - column_start) as u32);
            }
        }
        self.cells.text_len += self.block.len();
        text[text_len..self.cells.text_len].copy_from_slice(&self.block);
        self.rows.clear();
        self.ends.clear();
    }

    /// The cells, when all rows have ended.
    pub(crate) fn finish(mut self, text: &mut [u8]) -> Cells {
        self.end_block(text);
        self.cells
    }
}

/// Refuses a row on `line` that is too long, or has a cell that is; its cells end at `ends`.
fn check_lengths(file: &str, ends: &[u32], line: usize) -> Result<(), DataError> {
    let len = ends.last().map_or(0, |end| *end as usize);
    if len <= MAX_CELL {
        return Ok(());
    }
    if len > MAX_ROW {
        return Err(DataError::LongRow { file: file.to_owned(), line });
    }
    let starts = std::iter::once(0).chain(ends.iter().map(|end| end + 1));
    if starts.zip(ends).any(|(start, end)| (end - start) as usize > MAX_CELL) {
        return Err(DataError::LongCell { file: file.to_owned(), line });
    }
    Ok(())
}
