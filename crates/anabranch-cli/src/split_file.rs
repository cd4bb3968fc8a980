//! `split.csv`: what each row of a table was for.

use anabranch::data::{Prepared, Split, Table};

/// The name of the file in a run's directory.
pub(crate) const FILE: &str = "split.csv";

/// For each row that the data set has of `table`: the line on which it begins in its file, and its
/// part. Rows that lack all targets are in no part, and test rows of another file not in `table`.
pub(crate) fn split_csv<T>(table: &Table, prepared: &Prepared<T>) -> String {
    let Split { train, validation, test, .. } = &prepared.dataset.split;
    let mut parts = vec![""; prepared.dataset.n_rows];
    for (part, rows) in [("train", train), ("validation", validation), ("test", test)] {
        rows.iter().for_each(|row| parts[*row] = part);
    }
    let lines = prepared.rows.iter().map(|row| table.line(*row)).zip(parts);
    let mut csv = String::from("line,part\n");
    for (line, part) in lines {
        csv += &format!("{line},{part}\n");
    }
    csv
}
