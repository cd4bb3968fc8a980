//! What went in?

use anabranch_data::{ColumnKind, ColumnSchema};
use anabranch_verify::page::escaped;

use super::parts::{Head, card, folded, name, table, warnings};
use crate::figures::{percent, whole};
use crate::run::Run;

/// Columns that a table shows at once.
const SHOWN: usize = 30;

pub(super) fn part(run: &Run<'_>) -> String {
    rows(run) + &columns(run) + &odd(run)
}

fn rows(run: &Run<'_>) -> String {
    let prepared = run.prepared;
    let split = &prepared.dataset.split;
    let n_rows = prepared.dataset.n_rows.max(1);
    let parts = [
        ("training", &split.train, "fit the weights, and the scales of columns"),
        ("validation", &split.validation, "say when to stop, and which weights are best"),
        ("test", &split.test, "judge the model, and nothing else"),
    ];
    let rows = parts.into_iter().map(|(part, rows, what)| {
        let share = percent(rows.len() as f64 / n_rows as f64);
        vec![part.to_owned(), whole(rows.len()), share, what.to_owned()]
    });
    let mut body = table(
        &[
            Head::Words("part"),
            Head::Numbers("rows"),
            Head::Numbers("share"),
            Head::Words("what they do"),
        ],
        rows,
    );
    if prepared.rows_left_out > 0 {
        let left_out = whole(prepared.rows_left_out);
        body += &format!(
            "<p>Left out, since nothing that is predicted is known of them: {left_out} rows.</p>\n"
        );
    }
    card("Rows", &body)
}

fn columns(run: &Run<'_>) -> String {
    let targets: Vec<String> = run
        .model
        .targets()
        .tasks()
        .iter()
        .flat_map(|task| task.columns().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let inputs = run.model.encoder().input_columns();
    let columns = run.prepared.schema.columns();
    let row = |column: &ColumnSchema| {
        let use_of = match inputs.iter().find(|input| input.name == column.name) {
            _ if targets.contains(&column.name) => "predicted".into(),
            Some(input) => format!("input, {} wide", input.width()),
            None => "not used".into(),
        };
        let missing = if column.missing == 0 { "–".into() } else { whole(column.missing) };
        vec![
            name(&column.name),
            kind_of(&column.kind).into(),
            use_of,
            missing,
            escaped(&column.why),
        ]
    };
    let [column, kind, used, why] = ["column", "kind", "use", "why"].map(Head::Words);
    let heads = [column, kind, used, Head::Numbers("missing"), why];
    let mut body = table(&heads, columns.iter().take(SHOWN).map(row));
    if columns.len() > SHOWN {
        let rest = table(&heads, columns.iter().skip(SHOWN).map(row));
        body += &folded(&format!("{} more columns", columns.len() - SHOWN), &rest);
    }
    card("Columns, as they are understood", &body)
}

fn kind_of(kind: &ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Empty => "empty",
        ColumnKind::Number { .. } => "number",
        ColumnKind::Date { .. } => "date",
        ColumnKind::Category { .. } => "category",
        ColumnKind::Unclear { .. } => "unclear",
    }
}

fn odd(run: &Run<'_>) -> String {
    match &run.prepared.warnings[..] {
        [] => String::new(),
        all => card("What is odd about it", &warnings(all)),
    }
}
