//! A table in pieces is the table that is read at once.

use std::io::Write;

use anabranch_data::{
    ColumnRules, DataError, Encoder, Executor, ReadOptions, Table, TextEncoding, Tolerance, Warning,
};
use proptest::prelude::*;

/// The rows with their lines, of a table in pieces of `n_bytes`; or the message of an error.
fn in_pieces(csv: &[u8], n_bytes: usize) -> Result<Vec<(usize, Vec<String>)>, String> {
    let encoding = TextEncoding::named("utf-8");
    let options = ReadOptions { separator: Some(b','), encoding, ..ReadOptions::default() };
    let pieces = options.pieces_from("t.csv", csv, n_bytes).map_err(|e| e.to_string())?;
    let mut rows = Vec::new();
    for piece in pieces {
        let piece = piece.map_err(|error| error.to_string())?;
        assert_eq!(piece.columns(), ["a", "b"]);
        rows.extend(lines(&piece));
    }
    Ok(rows)
}

fn lines(table: &Table) -> Vec<(usize, Vec<String>)> {
    let row = |row| (table.line(row), table.row(row).map(str::to_owned).collect());
    (0..table.n_rows()).map(row).collect()
}

fn assert_same(csv: &[u8]) {
    let at_once = in_pieces(csv, usize::MAX);
    for n_bytes in [1, 2, 3, 5, 8, 13, 21, 34, 55, 1000] {
        assert_eq!(in_pieces(csv, n_bytes), at_once, "{n_bytes}: {:?}", csv.escape_ascii());
    }
}

#[test]
fn pieces_end_with_rows_however_they_are_written() {
    for csv in [
        "a,b\n1,2\n3,4\n",
        "a,b\r\n1,2\r\n\r\n3,4",
        "a,b\r1,2\r3,4\r\r5,6",
        "\u{feff}\n\na,b\n1,2\n",
        "a,b\nØ,\u{feff}\n\u{feff}3,ü\n",
        "\"a\",b\n\"1\n1\",\"say \"\"so\"\"\"\n , 4 \n\"ü\",\"\r\n\"\r\n",
        "a,b\n   \n\t\n\"1\",2\n  \n3,4",
        "a,b\n1,2\n3\n",
        "a,b\n1,2\n3,\"4\n5,6\n",
        "a,b\n1,2\n3,\0\n",
        "a,b\n\n",
        "a,b",
        " \n",
        "",
    ] {
        assert_same(csv.as_bytes());
    }
    assert_same(b"a,b\n1,2\n3,\xff\n");
    assert_eq!(in_pieces(b"a,b\n1,2\n3,4\n", 5).unwrap().len(), 2);
}

proptest! {
    #[test]
    fn pieces_together_are_the_table(
        rows in proptest::collection::vec(("[a\"ü, \r\n]{0,6}", "[b\"\r ]{0,3}"), 1..12),
        line_end in proptest::sample::select(vec!["\n", "\r\n", "\r", "\n\n"]),
    ) {
        let quoted = |cell: &str| match cell.contains(['"', ',', '\r', '\n']) {
            true => format!("\"{}\"", cell.replace('"', "\"\"")),
            false => cell.to_owned(),
        };
        let rows = rows.iter().map(|(a, b)| format!("{},{}{line_end}", quoted(a), quoted(b)));
        assert_same(format!("a,b{line_end}{}", rows.collect::<String>()).as_bytes());
    }
}

/// Each piece has the bytes that were asked for, but for the row that they cut; one piece at a time
/// is in memory.
#[test]
fn pieces_are_as_long_as_was_asked_for() {
    let csv = "a,b\n".to_owned() + &"12345,1234\n".repeat(1000);
    let options = ReadOptions::default();
    let pieces = options.pieces_from("t.csv", csv.as_bytes(), 1000).unwrap();
    let rows: Vec<usize> = pieces.map(|piece| piece.unwrap().n_rows()).collect();
    assert_eq!(rows.iter().sum::<usize>(), 1000);
    let all_but_last = &rows[..rows.len() - 1];
    assert!(all_but_last.iter().all(|n| (90..=91).contains(n)), "{rows:?}");
}

#[test]
fn the_first_piece_tells_how_the_file_is_written() {
    let text = "name;x\nÅrhus;1\nZürich;2\n";
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin1: Vec<u8> = text.chars().map(|c| c as u8).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    for (bytes, n_warnings) in [(&utf16, [1, 0]), (&latin1, [1, 0]), (&gzip, [0, 0])] {
        let pieces = ReadOptions::default().pieces_from("t.csv", &bytes[..], 32).unwrap();
        let pieces: Vec<Table> = pieces.collect::<Result<_, _>>().unwrap();
        let cells: Vec<&str> = pieces.iter().map(|piece| piece.cell(0, 0)).collect();
        assert_eq!(cells[0], "Århus", "{bytes:?}");
        let warnings: Vec<usize> = pieces.iter().map(|piece| piece.warnings().len()).collect();
        assert!(n_warnings.starts_with(&warnings), "{warnings:?}");
    }
    // Only a later piece shows that it is not UTF-8.
    let late = b"name;x\nA;1\nB;2\n\xc5rhus;3\n";
    let pieces = ReadOptions::default().pieces_from("t.csv", &late[..], 12).unwrap();
    let error = pieces.last().unwrap().unwrap_err().to_string();
    assert!(error.starts_with("t.csv: line 4: not UTF-8 text"), "{error}");
    let at_once = Table::from_reader("t.csv", &late[..]).unwrap();
    assert_eq!(at_once.cell(2, 0), "Århus");
}

/// A row that never ends is refused as soon as it is too long.
#[test]
fn a_row_without_end_is_not_read_to_its_end() {
    let endless = std::io::Read::chain(&b"a,b\n1,2\n"[..], std::io::repeat(b'x'));
    let pieces = ReadOptions::default().pieces_from("t.csv", endless, 1 << 22).unwrap();
    let error = pieces.last().unwrap().unwrap_err().to_string();
    assert!(error.starts_with("t.csv: line 3: "), "{error}");
}

/// The encoded rows of a table in pieces of `n_bytes`, and what is said about them.
fn encoded(
    encoder: &Encoder,
    csv: &str,
    rules: &ColumnRules,
    n_bytes: usize,
) -> Result<(Vec<f32>, Vec<Warning>), DataError> {
    let options = ReadOptions { rules: rules.clone(), ..ReadOptions::default() };
    let (mut all, mut x) = (Vec::new(), Vec::new());
    let mut pieces = encoder.pieces(rules);
    for table in options.pieces_from("t.csv", csv.as_bytes(), n_bytes)? {
        let table = table?;
        let rows: Vec<usize> = (0..table.n_rows()).collect();
        pieces.encode(&Executor::serial(), &table, &rows, &mut x)?;
        all.extend_from_slice(&x);
    }
    Ok((all, pieces.judge()?))
}

/// Counts, first lines and shares are those of the whole table, and so are refusals: a column is
/// judged by all of its rows, not by those of a piece.
#[test]
fn cells_are_judged_over_all_pieces() {
    let trained =
        "n,s,d\n".to_owned() + &"1,x,2020-01-02\n2.5,y,2021-03-04\n4,x,2022-05-06\n".repeat(9);
    let trained = Table::from_reader("t", trained.as_bytes()).unwrap();
    let rows: Vec<usize> = (0..trained.n_rows()).collect();
    let encoder = Encoder::fit::<&str>(&Executor::serial(), &trained, &rows, &[]).unwrap().0;
    let rows = |n_good: usize, bad: &str| {
        let good = "2,x,2020-07-08\n".repeat(n_good);
        format!("n,s,d\n{}{good}", format!("{bad}\n").repeat(20))
    };
    let same = |csv: &str, rules: &ColumnRules| {
        // Without what is advised, which is told from fewer rows.
        let message = |error: DataError| error.to_string().split("): ").next().unwrap().to_owned();
        let at_once = encoded(&encoder, csv, rules, usize::MAX).map_err(message);
        for n_bytes in [10, 64, 300] {
            assert_eq!(encoded(&encoder, csv, rules, n_bytes).map_err(message), at_once);
        }
        at_once
    };
    let strict = ColumnRules::default();
    // The first pieces hold nothing but bad cells: over all rows they are less than half.
    let (_, warnings) = same(&rows(21, "one,z,soon"), &strict).unwrap();
    let shares: Vec<_> = warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(shares.len(), 3, "{shares:?}");
    assert!(shares.iter().all(|text| text.contains("20 of 41 (the first on line 2: ")));
    // One row less, and they are most of them.
    for (bad, message) in [
        ("one,x,2020-01-02", "20 of 39 cells are not numbers as in training"),
        ("1e4,x,2020-01-02", "20 of 39 cells lie far outside what training saw"),
        ("1,x,soon", "20 of 39 cells are not dates as in training"),
    ] {
        let error = same(&rows(19, bad), &strict).unwrap_err();
        assert!(error.contains(message) && error.contains("line 2: "), "{error}");
        let lenient = ColumnRules { tolerance: Tolerance::Lenient, ..ColumnRules::default() };
        assert_eq!(same(&rows(19, bad), &lenient).unwrap().1.len(), 1);
    }
    let error = same(&rows(0, "1,x,").replace("x,\n", "x, \n"), &strict).unwrap_err();
    assert!(error.contains("20 of 20 cells (100 %) are empty"), "{error}");
    // What to do is told from rows where most cells are so.
    let csv = rows(19, "\"1,5\",x,2020-01-02");
    let error = encoded(&encoder, &csv, &strict, 64).unwrap_err().to_string();
    assert!(error.contains("give --decimal comma"), "{error}");
}
