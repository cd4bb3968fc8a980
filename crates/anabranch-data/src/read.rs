//! Reading tables: at once, or piece by piece.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::DataError;
use crate::pieces::TablePieces;
use crate::rules::ColumnRules;
use crate::source::{Source, TextEncoding};
use crate::table::Table;

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

impl ReadOptions {
    /// Reads a file.
    ///
    /// # Errors
    /// [`DataError`] when the file cannot be read or decoded, is of another format, is empty, has
    /// no data rows, has more than 50,000 columns or two of one name, a row whose number of cells
    /// differs from the header's, a cell of more than 1 MiB or a row of more than 64 MiB, a quoted
    /// cell without end, or a NUL.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Table, DataError> {
        self.pieces(path, usize::MAX)?.whole()
    }

    /// Reads from `reader`; messages call the table `name`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_reader(
        &self,
        name: impl Into<String>,
        reader: impl Read + Send,
    ) -> Result<Table, DataError> {
        self.pieces_from(name, reader, usize::MAX)?.whole()
    }

    /// Reads a file piece by piece, each of about so many bytes of it: a table that need not fit
    /// into memory.
    ///
    /// # Errors
    /// [`DataError`] when the file cannot be read, or its first piece shows that it cannot be read
    /// as a table.
    pub fn pieces(
        &self,
        path: impl AsRef<Path>,
        n_bytes: usize,
    ) -> Result<TablePieces<'static>, DataError> {
        let (name, file) = open(path.as_ref())?;
        self.pieces_from(name, file, n_bytes)
    }

    /// Reads from `reader` piece by piece, each of about so many bytes; messages call the table
    /// `name`.
    ///
    /// # Errors
    /// As [`pieces`](Self::pieces).
    pub fn pieces_from<'a>(
        &self,
        name: impl Into<String>,
        reader: impl Read + Send + 'a,
        n_bytes: usize,
    ) -> Result<TablePieces<'a>, DataError> {
        self.pieces_of(name.into(), Box::new(reader), n_bytes.max(1))
    }

    fn pieces_of<'a>(
        &self,
        name: String,
        reader: Box<dyn Read + Send + 'a>,
        n_bytes: usize,
    ) -> Result<TablePieces<'a>, DataError> {
        let source = Source::new(&name, reader, self.encoding, n_bytes)?;
        Ok(TablePieces::new(name, source, self.separator, self.rules.clone(), n_bytes))
    }
}

/// A file and its name.
fn open(path: &Path) -> Result<(String, File), DataError> {
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => Ok((name, file)),
        Err(reason) => Err(DataError::Read { file: name, reason }),
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
    pub fn from_reader(
        name: impl Into<String>,
        reader: impl Read + Send,
    ) -> Result<Self, DataError> {
        ReadOptions::default().from_reader(name, reader)
    }
}
