//! `predict --explain`: the columns that moved the prediction of each row most.

use anabranch::data::Table;
use anabranch::tensor::Executor;
use anabranch::train::Model;
use anabranch_report::{Explainer, Explanation};
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// Columns that are named, of each row.
const NAMED: usize = 5;

/// Seeds what is drawn: the same table always has the same reasons.
const SEED: u64 = 1;

/// Why each row of a table is predicted as it is, compared with the rows of `background`: for each
/// column that is predicted, an object of JSON.
pub(crate) fn reasons(
    model: &Model,
    table: &Table,
    background: &Table,
) -> Result<Vec<Vec<String>>, Failure> {
    let exec = Executor::new(std::thread::available_parallelism().map_or(1, usize::from))?;
    let encoded = |table: &Table| -> Result<Vec<f32>, Failure> {
        let rows: Vec<usize> = (0..table.n_rows()).collect();
        Ok(model.encoder().encode::<f32>(&exec, table, &rows)?.x)
    };
    let explainer = Explainer::new(model, &encoded(background)?, SEED);
    let rows = explainer.explain(&encoded(table)?, &exec);
    let of_row = |row: &Vec<Explanation>| row.iter().map(|why| text(model, why)).collect();
    Ok(rows.iter().map(of_row).collect())
}

/// The columns that moved a prediction most, the greatest first, and all others together: with
/// `base`, they add up to the prediction.
fn text(model: &Model, why: &Explanation) -> String {
    let inputs = model.encoder().input_columns();
    let mut moved: Vec<(&str, f64)> =
        inputs.iter().zip(&why.columns).map(|(input, moved)| (&*input.name, *moved)).collect();
    moved.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let (named, others) = moved.split_at(NAMED.min(moved.len()));
    let columns: Map<String, Value> =
        named.iter().map(|(name, moved)| ((*name).to_owned(), json!(moved))).collect();
    let others: f64 = others.iter().map(|(_, moved)| moved).sum();
    json!({ "base": why.base, "columns": columns, "others": others }).to_string()
}
