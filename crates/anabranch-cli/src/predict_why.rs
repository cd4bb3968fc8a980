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

/// Says why rows are predicted as they are.
pub(crate) struct Reasons<'a> {
    model: &'a Model,
    explainer: Explainer<'a>,
}

impl<'a> Reasons<'a> {
    /// Compared with the rows of `background`.
    pub(crate) fn new(
        model: &'a Model,
        background: &Table,
        exec: &Executor,
    ) -> Result<Self, Failure> {
        let rows: Vec<usize> = (0..background.n_rows()).collect();
        let x = model.encoder().encode::<f32>(exec, background, &rows)?.x;
        Ok(Self { model, explainer: Explainer::new(model, &x, SEED) })
    }

    /// Those of encoded rows: for each column that is predicted, an object of JSON.
    pub(crate) fn of(&self, x: &[f32], exec: &Executor) -> Vec<Vec<String>> {
        let rows = self.explainer.explain(x, exec);
        let of_row = |row: &Vec<Explanation>| row.iter().map(|why| text(self.model, why)).collect();
        rows.iter().map(of_row).collect()
    }
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
