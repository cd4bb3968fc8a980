//! Reading CSV files: what is accepted, and the whole message of what is not.

use anabranch_data::{LineEnd, ReadOptions, Table};
use proptest::prelude::*;

fn table(csv: &str) -> Table {
    Table::from_reader("t.csv", csv.as_bytes()).unwrap()
}

fn error(csv: impl AsRef<[u8]>) -> String {
    Table::from_reader("t.csv", csv.as_ref()).unwrap_err().to_string()
}

fn rows(table: &Table) -> Vec<Vec<&str>> {
    (0..table.n_rows()).map(|row| table.row(row).collect()).collect()
}

#[test]
fn separator_is_found_from_the_header() {
    for separator in [",", ";", "\t"] {
        let csv = ["a", "b", "c\n1", "2", "3\n"].join(separator);
        assert_eq!(table(&csv).columns(), ["a", "b", "c"], "{separator:?}");
        assert_eq!(rows(&table(&csv)), [["1", "2", "3"]], "{separator:?}");
    }
    // The most frequent one outside quotes wins, whatever the cells below hold.
    assert_eq!(rows(&table("a;\"b,c,d\";e\n1,5;2,5;3,5\n")), [["1,5", "2,5", "3,5"]]);
    assert_eq!(rows(&table("a\tb,c\td\n1\t2\t3")), [["1", "2", "3"]]);
    assert_eq!(rows(&table("only\n1\n2\n")), [["1"], ["2"]]);
}

#[test]
fn byte_order_mark_line_ends_and_quotes() {
    for csv in ["\u{feff}a,b\r\n1,2\r\n3,4", "a,b\r1,2\r3,4\r", "\n\na,b\n\n1,2\n\r\n3,4\n\n"] {
        assert_eq!(table(csv).columns(), ["a", "b"], "{csv:?}");
        assert_eq!(rows(&table(csv)), [["1", "2"], ["3", "4"]], "{csv:?}");
    }
    let quoted = table("\"a, x\",b\n\"1\n1\",\"say \"\"so\"\"\"\n , 4 \n");
    assert_eq!(quoted.columns(), ["a, x", "b"]);
    assert_eq!(rows(&quoted), [["1\n1", "say \"so\""], [" ", " 4 "]]);
}

#[test]
fn lines_are_those_of_the_file() {
    let lines = |csv: &str| {
        let table = table(csv);
        (0..table.n_rows()).map(|row| table.line(row)).collect::<Vec<_>>()
    };
    assert_eq!(lines("a,b\n1,2\n3,4\n5,6"), [2, 3, 4]);
    assert_eq!(lines("a,b\r\n1,2\r\n3,4\r\n5,6"), [2, 3, 4]);
    assert_eq!(lines("a,b\r1,2\r3,4\r5,6"), [2, 3, 4]);
    assert_eq!(lines("\r\n\r\na,b\r\n\r\n1,2\n3,4"), [5, 6]);
    assert_eq!(lines("\"a\n\n\",b\n\"1\r\n1\",2\n3,4\n"), [4, 6]);
}

#[test]
fn columns_are_found_by_name() {
    let table = table("a, b ,c\n1,2,3\n");
    assert_eq!(table.columns(), ["a", " b ", "c"]);
    assert_eq!(table.column_index("b").unwrap(), 1);
    assert_eq!(
        table.column_index("B").unwrap_err().to_string(),
        r#"t.csv: no column "B": the columns found are "a", " b ", "c""#
    );
}

#[test]
fn what_cannot_be_read_is_refused_in_one_line() {
    let empty =
        "t.csv: the file is empty: expected a header line with column names, then data rows";
    assert_eq!(error(""), empty);
    assert_eq!(error("\u{feff}\r\n \n"), empty);
    assert_eq!(
        error("a,b\n\n"),
        "t.csv: no data rows: expected at least one line below the header"
    );
    assert_eq!(
        error(b"a,b\r\n1,2\r\n3,\x81\r\n"),
        "t.csv: line 3: not UTF-8 text, nor in any other recognised encoding: save the file as UTF-8, or name its encoding with --encoding"
    );
    assert_eq!(
        error("a,b\n1,2\n3,\0\n"),
        "t.csv: line 3: a NUL byte: is this a table? If it is, name its encoding with --encoding"
    );
    let long = "x".repeat((1 << 20) + 1);
    for cell in [long.clone(), format!("\"{long}\"")] {
        assert_eq!(
            error(format!("a,b\n1,2\n{cell},2\n")),
            "t.csv: line 3: a cell of more than 1 MiB: is a quotation mark missing?"
        );
    }
    let ragged = |line, found| {
        format!(
            "t.csv: line {line}: cells found: {found}, columns in the header: 2: correct the line, and quote cells \
             that contain the separator"
        )
    };
    assert_eq!(error("a,b\n1,2\n3\n"), ragged(3, 1));
    assert_eq!(error("a,b\r\n1,\"2\r\n2\"\r\n\r\n3,4,5\r\n"), ragged(5, 3));
    assert_eq!(
        error("\na,b, a\n1,2,3\n"),
        "t.csv: line 2: two columns are named \"a\": rename one of them"
    );
    let unclosed =
        "t.csv: line 3: a quoted cell of this row is never closed: add the missing quotation mark";
    assert_eq!(error("a,b\n1,2\n3,\"4\n5,6\n"), unclosed);
    assert_eq!(error("a,b\n1,2\n\"3,4\n5,6\n"), unclosed);
    // A quotation mark inside an unquoted cell is a character as any other.
    assert_eq!(rows(&table("a,b\n1,5\"\n")), [["1", "5\""]]);
}

#[test]
fn more_columns_than_a_table_may_have_are_refused_before_any_row_is_read() {
    let header = |n: usize| (0..n).map(|i| format!("c{i}")).collect::<Vec<_>>().join(",");
    // The row is too short, which would be said of a header that passes.
    assert_eq!(
        error(&(header(50_001) + "\n1\n")),
        "t.csv: 50001 columns, more than the 50000 that a table may have: choose some, or divide the table"
    );
    assert!(error(&(header(50_000) + "\n1\n")).contains("line 2: cells found: 1"));
}

#[test]
fn files_that_cannot_be_opened_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.csv");
    for path in [missing.as_path(), folder.path()] {
        let message = Table::read(path).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{}: cannot be read (", path.display())), "{message}");
        assert!(message.ends_with("): check the path") && !message.contains('\n'), "{message}");
    }
    let file = folder.path().join("t.csv");
    std::fs::write(&file, "a,b\n1,2\n").unwrap();
    assert_eq!(Table::read(&file).unwrap().name(), file.display().to_string());
}

#[test]
fn columns_without_a_name_get_one() {
    let nameless = table(",a,,column 3\n1,2,3,4\n");
    assert_eq!(nameless.columns(), ["column 1", "a", "column 3_", "column 3"]);
    assert_eq!(nameless.header().collect::<Vec<_>>(), ["", "a", "", "column 3"]);
    // As R writes a table, and as programs do that end every line with a separator.
    for csv in ["a,b\nr1,1,2\nr2,3,4\n", "\"a\",\"b\"\n\"r1\",1,2\n\"r2\",3,4\n"] {
        let named = table(csv);
        assert_eq!(named.columns(), ["row names", "a", "b"]);
        assert_eq!(named.header().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(rows(&named), [["r1", "1", "2"], ["r2", "3", "4"]]);
    }
    let ended = table("a,b\n1,2,\n3,4,\n");
    assert_eq!(
        (ended.columns(), rows(&ended)[1].clone()),
        (&["a", "b", "column 3"].map(String::from)[..], vec!["3", "4", ""])
    );
    assert_eq!(ended.header().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn blank_lines_are_passed_over() {
    for quote in ["", "\""] {
        let csv = format!("\n \n{quote}a{quote},b\n1,2\n   \n3,4\n \t \n");
        let table = table(&csv);
        assert_eq!(rows(&table), [["1", "2"], ["3", "4"]], "{csv:?}");
        assert_eq!((table.line(0), table.line(1)), (4, 6));
    }
    // In a single column, spaces are a cell.
    assert_eq!(rows(&table("a\n1\n \n2\n")), [["1"], [" "], ["2"]]);
}

#[test]
fn a_first_line_may_name_the_separator() {
    for (csv, line) in [("sep=;\r\na;b\r\n1;2\r\n", 3), ("sep=;\n\"a\";b\n1;2\n", 3)] {
        let table = table(csv);
        assert_eq!((table.columns(), table.line(0)), (&["a", "b"].map(String::from)[..], line));
    }
    let options = ReadOptions { separator: Some(b'|'), ..ReadOptions::default() };
    let table = options.from_reader("t.csv", "a|b\n1;2|3;4\n".as_bytes()).unwrap();
    assert_eq!(rows(&table), [["1;2", "3;4"]]);
    let options = ReadOptions { separator: Some(0xff), ..ReadOptions::default() };
    assert!(options.from_reader("t.csv", "a\n1\n".as_bytes()).is_err());
}

#[test]
fn all_cells_of_large_tables_come_back() {
    // Many short rows; few long ones; one above and one below a power of two.
    for (n_rows, n_columns, len) in [(5000, 3, 1), (70, 2, 20_000), (1025, 1, 4), (2047, 5, 9)] {
        let cell = |row: usize, column: usize| format!("{row}.{column}{}", "x".repeat(row % len));
        let names: Vec<String> = (0..n_columns).map(|i| format!("c{i}")).collect();
        for quote in ["", "\""] {
            let mut csv = names.join(",");
            for row in 0..n_rows {
                let cells = (0..n_columns).map(|i| format!("{quote}{}{quote}", cell(row, i)));
                csv += &format!("\n{}", cells.collect::<Vec<_>>().join(","));
            }
            let table = table(&csv);
            assert_eq!(table.n_rows(), n_rows);
            for row in 0..n_rows {
                assert_eq!(table.line(row), row + 2);
                for (i, found) in table.row(row).enumerate() {
                    assert_eq!(found, cell(row, i));
                }
            }
        }
    }
}

/// Room for cells is that of cells that the file can have, not rows times columns.
#[test]
fn blank_lines_below_a_wide_header_take_no_memory() {
    let names: Vec<String> = (0..50_000).map(|i| i.to_string()).collect();
    let csv = names.join(",") + &"\n".repeat(20_000_000);
    assert_eq!(error(csv), "t.csv: no data rows: expected at least one line below the header");
}

#[test]
fn how_a_file_is_written_is_kept() {
    let format = table("\u{feff}a;b\r\n1;2\r\n").format();
    assert_eq!((format.separator, format.line_end), (b';', LineEnd::CrLf));
    assert_eq!(format.encoding.encode("x"), "\u{feff}x".as_bytes());
    assert_eq!(table("a\n1\r\n").format().line_end, LineEnd::Lf);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(prop_oneof![
        4 => prop::sample::select(b"ab1,;\t\"\r\n ".to_vec()),
        1 => any::<u8>(),
    ], 0..60)) {
        match Table::from_reader("t.csv", &bytes[..]) {
            Ok(table) => {
                prop_assert!(table.n_rows() > 0);
                let last = table.n_rows() - 1;
                prop_assert!(table.row(last).count() == table.columns().len());
                prop_assert!(table.line(last) <= 1 + bytes.len());
            }
            Err(error) => prop_assert!(!error.to_string().contains('\n'), "{error}"),
        }
    }

    /// A quoted name in the header has no other effect than that the text is read as text with
    /// quotes.
    #[test]
    fn plain_text_is_read_as_text_with_quotes_is(
        body in "[a1é.,;\n\r]{0,40}", header in prop::sample::select(vec!["a,b", "a", "a;b", "a,b,c"]),
    ) {
        let read = |csv: String| {
            let table = Table::from_reader("t.csv", csv.as_bytes()).map_err(|e| e.to_string())?;
            let lines: Vec<usize> = (0..table.n_rows()).map(|row| table.line(row)).collect();
            let cells: Vec<String> = rows(&table).concat().into_iter().map(str::to_owned).collect();
            Ok::<_, String>((table.columns().to_owned(), cells, lines))
        };
        let quoted = header.replacen('a', "\"a\"", 1);
        for line_end in ["\n", "\r\n"] {
            let csv = |header: &str| format!("{header}\n{body}").replace('\n', line_end);
            prop_assert_eq!(read(csv(header)), read(csv(&quoted)));
        }
    }

    #[test]
    fn quoted_cells_come_back_as_they_were(
        cells in prop::collection::vec("[a,;\t\"\r\n é]{0,6}", 3 * 4),
        line_end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
    ) {
        let mut csv = "a,b,c".to_owned();
        let (mut line, mut lines) = (1, Vec::new());
        for row in cells.chunks(3) {
            line += 1;
            lines.push(line);
            let quoted: Vec<String> =
                row.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
            csv += &format!("{line_end}{}", quoted.join(","));
            // Line ends inside a cell count: CRLF once, CR and LF alone once each.
            line += quoted.join(",").replace("\r\n", "\n").matches(['\r', '\n']).count();
        }
        let table = table(&csv);
        prop_assert_eq!(table.n_rows(), 4);
        for (row, cells) in cells.chunks(3).enumerate() {
            prop_assert_eq!(table.row(row).collect::<Vec<_>>(), cells);
            prop_assert_eq!(table.line(row), lines[row]);
        }
    }
}
