//! How a table is read: the flags that every command with a table has.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anabranch::data::{
    AskedKind, ColumnRules, DataError, Mark, MissingMarkers, ReadOptions, Table, TextEncoding,
    Tolerance,
};
use clap::ValueEnum;

use crate::failure::Failure;
use crate::flags::{assignment, list};

/// The name of the built-in table.
pub(crate) const WINE: &str = "wine";

/// The pieces of a table, at least one unless there is an error.
pub(crate) type Pieces = Box<dyn Iterator<Item = Result<Table, DataError>> + Send>;

/// Names of columns, or markers.
type Names = Vec<String>;

/// What the user says about a table and its columns.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Columns")]
pub(crate) struct TableArgs {
    /// Columns that are not inputs, separated by commas ("quoted" if a name
    /// contains one)
    #[arg(long, value_name = "COL[,COL…]", value_parser = list, verbatim_doc_comment)]
    drop: Option<Names>,
    /// The only columns that may be inputs
    #[arg(long, value_name = "COL[,COL…]", value_parser = list)]
    keep: Option<Names>,
    /// Kind of a column: number, category, text, date, or a date in the
    /// format date:ymd, date:dmy, date:mdy, date:s or date:ms; may be repeated
    #[arg(long = "as", value_name = "COL=KIND", value_parser = assignment, verbatim_doc_comment)]
    kinds: Vec<(String, String)>,
    /// Markers of missing values, besides empty cells; +LIST adds to the usual ones
    #[arg(long, value_name = "[+]LIST", allow_hyphen_values = true)]
    missing: Option<String>,
    /// Markers of missing values in one column; may be repeated
    #[arg(long, value_name = "COL=[+]LIST", value_parser = assignment)]
    missing_in: Vec<(String, String)>,
    /// Separator of cells: one character, or tab [default: detected]
    #[arg(long, value_name = "CHAR", value_parser = separator)]
    separator: Option<u8>,
    /// Decimal mark of all numbers [default: detected for each column]
    #[arg(long, value_name = "MARK")]
    decimal: Option<Decimal>,
    /// Text encoding, such as utf-8, utf-16le or windows-1252 [default: detected]
    #[arg(long, value_name = "NAME", value_parser = encoding)]
    encoding: Option<TextEncoding>,
    /// If a column differs in most rows from what training saw, warn instead
    /// of refusing the table
    #[arg(long, verbatim_doc_comment)]
    lenient: bool,
}

/// A decimal mark.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Decimal {
    Point,
    Comma,
}

impl TableArgs {
    /// The table that `data` means: a file, standard input for `-`, or the built-in one.
    pub(crate) fn read(&self, data: &Path) -> Result<Table, Failure> {
        let table = self.pieces(data, usize::MAX)?.next();
        let table =
            table.ok_or_else(|| DataError::NoRows { file: data.display().to_string() })??;
        tracing::info!(file = ?data, rows = table.n_rows(), columns = table.columns().len(), "table read");
        Ok(table)
    }

    /// The table that `data` means in pieces of about so many bytes.
    pub(crate) fn pieces(&self, data: &Path, n_bytes: usize) -> Result<Pieces, Failure> {
        if data == Path::new(WINE) && data.is_file() {
            return Err(Failure::input(
                "wine is the built-in table, but there is a file with this name too: write ./wine for the file, or work in \
                 another directory for the table",
            ));
        }
        let (separator, encoding, rules) = (self.separator, self.encoding, self.rules()?);
        let options = ReadOptions { separator, encoding, rules };
        Ok(match data.to_str() {
            Some(WINE) => {
                Box::new(std::iter::once(Table::wine().map(|wine| wine.with_rules(options.rules))))
            }
            Some("-") => Box::new(options.pieces_from("stdin", std::io::stdin(), n_bytes)?),
            _ => Box::new(options.pieces(data, n_bytes)?),
        })
    }

    /// How the columns are to be understood.
    pub(crate) fn rules(&self) -> Result<ColumnRules, Failure> {
        let kind = |(column, kind): &(String, String)| match kind.parse::<AskedKind>() {
            Ok(asked) => Ok((column.clone(), asked)),
            Err(why) => Err(Failure::input(format!("--as {column}={kind}: {why}"))),
        };
        let missing = self.missing.as_deref().map(markers).transpose();
        let missing = missing.map_err(|why| Failure::input(format!("--missing: {why}")))?;
        let missing_in = |(column, text): &(String, String)| match markers(text) {
            Ok(markers) => Ok((column.clone(), markers)),
            Err(why) => Err(Failure::input(format!("--missing-in {column}={text}: {why}"))),
        };
        check_once("--as", &self.kinds)?;
        check_once("--missing-in", &self.missing_in)?;
        Ok(ColumnRules {
            drop: self.drop.clone().unwrap_or_default(),
            keep: self.keep.clone().unwrap_or_default(),
            kinds: self.kinds.iter().map(kind).collect::<Result<_, _>>()?,
            missing,
            column_missing: self.missing_in.iter().map(missing_in).collect::<Result<_, _>>()?,
            decimal: self.decimal.map(|mark| match mark {
                Decimal::Point => Mark::Point,
                Decimal::Comma => Mark::Comma,
            }),
            tolerance: if self.lenient { Tolerance::Lenient } else { Tolerance::Strict },
            ..ColumnRules::default()
        })
    }
}

/// The data and how it is read, for commands that need nothing else of it.
#[derive(Debug, clap::Args)]
pub(crate) struct DataArgs {
    /// CSV file with a header, `-` for standard input, or `wine`, which is built in
    #[arg(long, value_name = "wine|FILE.csv|-")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) table: TableArgs,
}

impl DataArgs {
    pub(crate) fn read(&self) -> Result<Table, Failure> {
        self.table.read(&self.data)
    }
}

/// The markers that a list names, with the usual ones if it begins with a plus sign.
fn markers(text: &str) -> Result<MissingMarkers, String> {
    match text.strip_prefix('+') {
        Some(more) => list(more).map(|more| MissingMarkers::default().with(more)),
        None => list(text).map(MissingMarkers::new),
    }
}

/// Refuses a flag that says two things about a column.
fn check_once(flag: &str, given: &[(String, String)]) -> Result<(), Failure> {
    let mut seen = HashSet::new();
    match given.iter().find(|(column, _)| !seen.insert(column.trim())) {
        Some((column, _)) => Err(Failure::input(format!("{flag} {column:?}: given twice"))),
        None => Ok(()),
    }
}

fn separator(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && *byte != b'"' => Ok(*byte),
        _ => Err("expected one character, such as `,` `;` or `|`, or tab".into()),
    }
}

fn encoding(name: &str) -> Result<TextEncoding, String> {
    TextEncoding::named(name)
        .ok_or_else(|| "expected the name of an encoding, such as utf-8 or windows-1252".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_one_character_or_tab() {
        assert_eq!((separator(";"), separator("tab")), (Ok(b';'), Ok(b'\t')));
        for text in ["", ";;", "a", "\"", "ä"] {
            assert!(separator(text).is_err(), "{text:?}");
        }
        assert!(encoding("utf-16le").is_ok() && encoding("rot13").is_err());
    }
}
