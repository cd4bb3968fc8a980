//! Results as a table for people and as JSON for scripts.

use std::fmt::{self, Display};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;

use crate::Result;

/// A table of text: the first column is left-aligned, numbers are right-aligned.
#[derive(Debug)]
pub(crate) struct Report {
    table: Table,
}

impl Report {
    pub(crate) fn new<const N: usize>(header: [&str; N]) -> Self {
        Self::with_header(header.map(ToOwned::to_owned).into())
    }

    pub(crate) fn with_header(header: Vec<String>) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(header);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        Self { table }
    }

    pub(crate) fn row(&mut self, cells: impl Into<Vec<String>>) {
        self.table.add_row(cells.into());
    }

    pub(crate) fn print(&self) {
        say(self);
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table.trim_fmt())
    }
}

/// Prints `text` and a line end on stdout. If the reader has gone (`cargo xtask bench gemm |
/// head`), the measurements continue for whatever else is to be written.
pub(crate) fn say(text: &dyn Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Three significant digits or more: `4.18`, `12.3`, `5170`.
pub(crate) fn digits(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// `81 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Writes an array of records, one per line, if a file was asked for.
pub(crate) fn write_json(path: Option<&Path>, records: &[Value]) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    let text = format!("[\n{}\n]\n", lines.join(",\n"));
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!([4.183, 12.345, 5170.4].map(digits), ["4.18", "12.3", "5170"]);
        assert_eq!(percent(0.806), "81 %");
    }
}
