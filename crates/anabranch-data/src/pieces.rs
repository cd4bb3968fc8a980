//! A table piece by piece: files that are larger than memory.

use std::sync::Arc;

use crate::cells::MAX_ROW;
use crate::dialect::{Dialect, is_separator};
use crate::error::DataError;
use crate::rows::{Place, Rest, read_header, read_rows};
use crate::rules::ColumnRules;
use crate::source::{Source, is_utf8, line_ends, not_utf8};
use crate::table::{FileFormat, Header, LineEnd, Table};
use crate::warning::{Warning, WarningCode};

/// The pieces of a table, in order: each is a [`Table`] of the same columns with the next rows of
/// the file, at least one, and their lines. There is at least one piece, or an error.
///
/// [`ReadOptions::pieces`](crate::ReadOptions::pieces) makes it. The first piece tells how the file
/// is written: its encoding, separator, line end and header. So a file that is not UTF-8 is refused
/// if only a later piece shows it.
pub struct TablePieces<'a> {
    name: String,
    rules: ColumnRules,
    separator: Option<u8>,
    source: Source<'a>,
    n_bytes: usize,
    /// What the first piece tells.
    layout: Option<(FileFormat, Arc<Header>)>,
    /// What has been read, and is no row yet; and the line that it begins on.
    text: Vec<u8>,
    line: usize,
    /// Whether there was a row.
    has_rows: bool,
    is_done: bool,
}

impl std::fmt::Debug for TablePieces<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TablePieces").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<'a> TablePieces<'a> {
    /// The pieces of `source`, each of about `n_bytes`.
    pub(crate) fn new(
        name: String,
        source: Source<'a>,
        separator: Option<u8>,
        rules: ColumnRules,
        n_bytes: usize,
    ) -> Self {
        Self {
            name,
            rules,
            separator,
            source,
            n_bytes,
            layout: None,
            text: Vec::new(),
            line: 1,
            has_rows: false,
            is_done: false,
        }
    }

    /// The only piece of a table that is read at once.
    pub(crate) fn whole(mut self) -> Result<Table, DataError> {
        self.next().unwrap_or(Err(DataError::NoRows { file: self.name }))
    }

    /// The next piece; none at the end.
    fn read(&mut self) -> Result<Option<Table>, DataError> {
        loop {
            let n_old = self.text.len();
            // As much as there is already: so a long row is looked at in few steps.
            let n_bytes = self.n_bytes.max(n_old);
            self.source.read(&self.name, &mut self.text, n_bytes)?;
            let is_all = self.source.is_at_end();
            self.check(n_old, is_all)?;
            let rest = if is_all { Rest::Nothing } else { Rest::More };
            if let Some(table) = self.parse(rest)? {
                self.has_rows = true;
                self.is_done = is_all;
                return Ok(Some(table));
            }
            if is_all {
                let file = self.name.clone();
                return if self.has_rows { Ok(None) } else { Err(DataError::NoRows { file }) };
            }
            if self.text.len() > MAX_ROW {
                return Err(DataError::LongRow { file: self.name.clone(), line: self.line });
            }
        }
    }

    /// Refuses what is no text; the first `n_old` bytes have been looked at.
    fn check(&self, n_old: usize, is_all: bool) -> Result<(), DataError> {
        let Self { name, text, line, .. } = self;
        if !is_utf8(text, is_all) {
            return Err(not_utf8(name, text, *line));
        }
        if is_all && self.layout.is_none() && text.trim_ascii().is_empty() {
            return Err(DataError::Empty { file: name.clone() });
        }
        match memchr::memchr(0, &text[n_old..]) {
            Some(place) => {
                let line = line + line_ends(&text[..n_old + place]);
                Err(DataError::NulByte { file: name.clone(), line })
            }
            None => Ok(()),
        }
    }

    /// The rows that are whole as a table, if there is one; the rest of the text is left.
    fn parse(&mut self, rest: Rest) -> Result<Option<Table>, DataError> {
        let Self { name, text, .. } = self;
        // What follows may be the other half of a line end.
        let is_cut = rest == Rest::More && text.last() == Some(&b'\r');
        let end = text.len() - usize::from(is_cut);
        let mut at = Place { read: 0, line: self.line };
        let is_first = self.layout.is_none();
        let (format, header) = match &self.layout {
            Some((format, header)) => (*format, header.clone()),
            None => {
                let asked = self.separator;
                if let Some(separator) = asked.filter(|separator| !is_separator(*separator)) {
                    return Err(DataError::Separator { separator: char::from(separator) });
                }
                let Dialect { separator, start, extra } = Dialect::of(&text[..end], asked);
                at = Place { read: start, line: at.line + line_ends(&text[..start]) };
                let found = read_header(name, &text[..end], separator, &mut at, rest)?;
                let Some(found) = found else { return Ok(None) };
                let line_end = match memchr::memchr2(b'\n', b'\r', text) {
                    Some(end) if text[end..].starts_with(b"\r\n") => LineEnd::CrLf,
                    _ => LineEnd::Lf,
                };
                let format = FileFormat { separator, line_end, encoding: self.source.encoding };
                (format, Arc::new(Header::new(name, found, extra)?))
            }
        };
        let n_columns = header.n_columns();
        let cells = read_rows(name, &mut text[..end], format.separator, n_columns, &mut at, rest)?;
        if cells.n_rows() == 0 && is_first {
            // Read again with what follows: a header alone tells little of the separator.
            return Ok(None);
        }
        let left = text.split_off(at.read);
        let mut read = std::mem::replace(text, left);
        read.truncate(cells.text_len());
        self.line = at.line;
        self.layout = Some((format, header.clone()));
        if cells.n_rows() == 0 {
            return Ok(None);
        }
        // Valid it was, and cells were moved whole.
        let text = String::from_utf8(read)
            .map_err(|_| DataError::NotUtf8 { file: name.clone(), line: 1 })?;
        let mut warnings = Vec::new();
        if is_first && self.source.is_guess {
            let message = format!(
                "{name} is not UTF-8: read as {} (--encoding names another)",
                format.encoding.name()
            );
            warnings.push(Warning::new(WarningCode::Encoding, message));
        }
        let (name, rules) = (name.clone(), self.rules.clone());
        Ok(Some(Table { name, format, header, text, cells, rules, warnings }))
    }
}

impl Iterator for TablePieces<'_> {
    type Item = Result<Table, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let piece = self.read().transpose();
        self.is_done |= !matches!(piece, Some(Ok(_)));
        piece
    }
}
