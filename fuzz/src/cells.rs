//! Cells: numbers, labels and dates in the ways that people write them.

use anabranch::data::{AskedKind, ColumnRules, ReadOptions};

use super::tables::encode;

/// Every line is a cell of a column, which is read as what its cells show.
pub fn run(bytes: &[u8]) {
    column(bytes, None);
}

/// Every line but the first byte, which chooses a format, is a cell of a column of dates.
pub fn run_dates(bytes: &[u8]) {
    let dates: Vec<AskedKind> =
        AskedKind::ALL.into_iter().filter(|kind| matches!(kind, AskedKind::Date(_))).collect();
    if let Some((first, cells)) = bytes.split_first() {
        column(cells, Some(dates[usize::from(*first) % dates.len()]));
    }
}

/// Encodes a table of two columns, the second of which is always the same two labels.
fn column(bytes: &[u8], kind: Option<AskedKind>) {
    let mut csv = b"cell,other\n".to_vec();
    for (i, cell) in bytes.split(|byte| *byte == b'\n').enumerate() {
        csv.push(b'"');
        for byte in cell {
            csv.extend(std::iter::repeat_n(*byte, if *byte == b'"' { 2 } else { 1 }));
        }
        csv.extend_from_slice(if i % 2 == 0 { b"\",on\n" } else { b"\",off\n" });
    }
    let kinds = kind.map(|kind| ("cell".to_owned(), kind)).into_iter().collect();
    let rules = ColumnRules { kinds, ..ColumnRules::default() };
    let options = ReadOptions { rules, ..ReadOptions::default() };
    if let Ok(table) = options.from_reader("t.csv", &csv[..]) {
        encode(&table);
    }
}
