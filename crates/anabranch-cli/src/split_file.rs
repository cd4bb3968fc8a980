//! `split.csv`: what each row of a table was for.

use std::collections::HashSet;
use std::path::Path;

use anabranch::data::{Encoder, InputColumn, Prepared, Split, Table, Warning, WarningCode};
use anabranch::train::model_path;

use crate::failure::Failure;

/// The name of the file in a run's directory.
pub(crate) const FILE: &str = "split.csv";

/// For each row that the data set has of `table`: the line on which it begins in its file, its
/// part, and a hash of its inputs. Rows that lack all targets are in no part, and test rows of
/// another file not in `table`.
///
/// # Errors
/// If the table lacks an input.
pub(crate) fn split_csv(table: &Table, prepared: &Prepared<f32>) -> Result<String, Failure> {
    let Split { train, validation, test, .. } = &prepared.dataset.split;
    let mut parts = vec![""; prepared.dataset.n_rows];
    for (part, rows) in [("train", train), ("validation", validation), ("test", test)] {
        rows.iter().for_each(|row| parts[*row] = part);
    }
    let hashes = input_hashes(table, &prepared.encoder)?;
    let mut csv = String::from("line,part,inputs\n");
    for (row, part) in prepared.rows.iter().zip(parts) {
        csv += &format!("{},{part},{:016x}\n", table.line(*row), hashes[*row]);
    }
    Ok(csv)
}

/// What is to be said if rows of a table have the inputs of rows that trained or validated the
/// model, which the file beside it tells.
pub(crate) fn seen_rows(
    model: &Path,
    encoder: &Encoder,
    table: &Table,
) -> Result<Option<Warning>, Failure> {
    let path = model_path(model).with_file_name(FILE);
    let Ok(csv) = std::fs::read_to_string(path) else { return Ok(None) };
    let hash = |line: &str| match line.split(',').collect::<Vec<_>>()[..] {
        [_, "train" | "validation", hash] => u64::from_str_radix(hash, 16).ok(),
        _ => None,
    };
    let seen: HashSet<u64> = csv.lines().filter_map(hash).collect();
    let hashes = input_hashes(table, encoder)?;
    let mut rows = (0..table.n_rows()).filter(|row| seen.contains(&hashes[*row]));
    let Some(first) = rows.next() else { return Ok(None) };
    let (count, of) = (rows.count() + 1, table.n_rows());
    let message = format!(
        "{}: rows with the inputs of a row that the model was trained on: {count} of {of} (the first on line {}): scores on \
         them do not tell how new rows are predicted",
        table.name(),
        table.line(first)
    );
    let warning = Warning::new(WarningCode::SeenRows, message).share(count, of);
    Ok(Some(Warning { line: Some(table.line(first)), ..warning }))
}

fn input_hashes(table: &Table, encoder: &Encoder) -> Result<Vec<u64>, Failure> {
    let names = encoder.input_columns().iter().map(|InputColumn { name, .. }| name.as_str());
    Ok(table.row_hashes(names)?)
}
