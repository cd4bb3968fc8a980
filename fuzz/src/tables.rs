//! Tables: a file of any bytes, packed or in any encoding.

use anabranch::data::{Cell, Encoded, Encoder, Executor, ReadOptions, Table};

/// Larger tables show nothing more, and take longer.
const MOST_CELLS: usize = 4000;

/// Reads a table at once and in pieces, and encodes it.
pub fn run(bytes: &[u8]) {
    let table = match Table::from_reader("t.csv", bytes) {
        Ok(table) => table,
        Err(error) => return assert_one_line(&error),
    };
    if table.n_rows() * table.columns().len() > MOST_CELLS {
        return;
    }
    for n_bytes in [1, 13, 100] {
        compare_pieces(&table, bytes, n_bytes);
    }
    encode(&table);
}

/// The pieces of a table hold its rows, if their first one shows the same layout.
fn compare_pieces(table: &Table, bytes: &[u8], n_bytes: usize) {
    let Ok(pieces) = ReadOptions::default().pieces_from("t.csv", bytes, n_bytes) else { return };
    let mut n_rows = 0;
    for piece in pieces {
        let Ok(piece) = piece else { return };
        if piece.columns() != table.columns() || piece.format() != table.format() {
            return;
        }
        for row in 0..piece.n_rows() {
            assert!(piece.row(row).eq(table.row(n_rows + row)), "row {}", n_rows + row);
            assert_eq!(piece.line(row), table.line(n_rows + row));
        }
        n_rows += piece.n_rows();
    }
    assert_eq!(n_rows, table.n_rows());
}

/// Encodes a table with an encoder that is fitted to it: every number is finite, and a row alone
/// is encoded as in the table.
pub(crate) fn encode(table: &Table) {
    let exec = Executor::serial();
    let rows: Vec<usize> = (0..table.n_rows()).collect();
    let (encoder, warnings) = match Encoder::fit::<&str>(&exec, table, &rows, &[]) {
        Ok(fitted) => fitted,
        Err(error) => return assert_one_line(&error),
    };
    warnings.iter().for_each(assert_one_line);
    let Encoded { x, warnings } = match encoder.encode::<f32>(&exec, table, &rows) {
        Ok(encoded) => encoded,
        Err(error) => return assert_one_line(&error),
    };
    warnings.iter().for_each(assert_one_line);
    assert!(x.iter().all(|number| number.is_finite()), "{x:?}");
    let places: Vec<usize> = encoder
        .input_columns()
        .iter()
        .map(|input| table.column_index(&input.name).expect("the encoder's table has its columns"))
        .collect();
    let mut alone = vec![0.0; encoder.width()];
    for (row, encoded) in x.chunks_exact(encoder.width()).enumerate() {
        let cells: Vec<Cell<'_>> =
            places.iter().map(|place| Cell::Text(table.cell(row, *place))).collect();
        encoder.encode_row(&cells, &mut alone).expect("the row was encoded in its table");
        assert_eq!(alone, encoded, "row {row}");
    }
}

/// Messages are one line, whatever a file holds.
fn assert_one_line(message: &impl ToString) {
    let message = message.to_string();
    assert!(!message.contains(['\n', '\r']), "{message:?}");
}
