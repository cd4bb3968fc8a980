//! The kinds of a table's columns in a config file: every column is there, with how its cells were
//! understood, and a run with the file is the same as without.

use std::fmt::Write;

use anabranch::data::{ColumnKind, ColumnSchema, Schema, Table};

use crate::config::{Written, scalar};

/// Cells that are shown of each column.
const EXAMPLES: usize = 3;

/// Rows in which different cells are looked for.
const ROWS: usize = 1000;

/// Characters of a cell that are shown.
const SHOWN: usize = 20;

/// The key `as` with the kind of each column, behind a comment that says why. What is not an input
/// stands there as a comment, and so do whole numbers: where their kind is given, they are no
/// names. `targets` are the columns to predict.
pub(crate) fn written(table: &Table, schema: &Schema, targets: &[usize]) -> Written {
    let mut value = String::from("[\n");
    for (i, column) in schema.columns().iter().enumerate() {
        let is_target = targets.contains(&i);
        value += &format!("    # {}\n", description(table, i, column, is_target));
        let asked = column.kind.asked();
        // An identifier whose kind is given is an input.
        let is_left_open = column.left_out.is_some() || may_be_names(table, i, column);
        let is_given = asked.is_some() && (!is_left_open || is_target);
        let mark = if is_given { "" } else { "# " };
        let kind = asked.map_or("category", |kind| kind.name());
        let assignment = scalar(&format!("{}={kind}", column.name));
        value += &format!("    {mark}{assignment},\n");
    }
    Written { key: "as", value: value + "]" }
}

/// How a column was understood, in a line.
fn description(table: &Table, i: usize, column: &ColumnSchema, is_target: bool) -> String {
    let mut words = match &column.left_out {
        _ if is_target => "to predict: ".to_owned(),
        Some(reason) => format!("not an input, as it {}: ", reason.describe()),
        None => String::new(),
    };
    words += &column.why;
    if !is_target && may_be_names(table, i, column) {
        words += ", which may be names too";
    }
    if column.missing > 0 {
        let percent = 100.0 * column.missing as f64 / table.n_rows() as f64;
        // Writing to a string cannot fail.
        _ = write!(words, "; {percent:.2} % missing");
    }
    let examples = examples(table, i);
    if !examples.is_empty() {
        _ = write!(words, "; such as {}", examples.join(", "));
    }
    crate::output::one_line(&words)
}

/// Whether training may find that numbers are names, which it is told by the targets.
fn may_be_names(table: &Table, i: usize, column: &ColumnSchema) -> bool {
    let is_whole = |row| match table.cell(row, i).trim() {
        "" => false,
        // In a format of its own, it may be whole.
        cell => cell.parse().is_ok_and(|number: f64| number.fract() == 0.0) || cell.contains(','),
    };
    column.left_out.is_none()
        && matches!(column.kind, ColumnKind::Number { .. })
        && (0..table.n_rows().min(ROWS)).any(is_whole)
}

/// Different cells of a column, shortened.
fn examples(table: &Table, column: usize) -> Vec<String> {
    let mut cells: Vec<&str> = Vec::new();
    for row in 0..table.n_rows().min(ROWS) {
        let cell = table.cell(row, column).trim();
        if cells.len() < EXAMPLES && !cell.is_empty() && !cells.contains(&cell) {
            cells.push(cell);
        }
    }
    let short = |cell: &&str| match cell.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", &cell[..end]),
        None => format!("{cell:?}"),
    };
    cells.iter().map(short).collect()
}
