//! `evaluate --by`: metrics of the rows of each value of a column.

use std::collections::BTreeMap;

use anabranch::data::{Table, Targets};
use anabranch::train::{Evaluation, JudgedTask, Model, TaskMetrics};
use anabranch_report::{Named, figure};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{self, Detail};

/// Most values that a column may have: more are no groups, but rows.
const MOST_GROUPS: usize = 100;

/// Metrics by the values of a column.
#[derive(Debug)]
pub(crate) struct Groups {
    column: String,
    groups: Vec<Group>,
}

/// The rows with one value.
#[derive(Debug)]
struct Group {
    value: String,
    n_rows: usize,
    metrics: Vec<TaskMetrics>,
}

impl Groups {
    /// Judges the rows of each value that `column` has among the rows of an evaluation.
    ///
    /// # Errors
    /// If there is no such column, it has too many values, or a metric is not finite.
    pub(crate) fn of(
        model: &Model,
        table: &Table,
        column: &str,
        evaluation: &Evaluation,
    ) -> Result<Self, Failure> {
        let place = table.column_index(column)?;
        let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, row) in evaluation.table_rows.iter().enumerate() {
            rows.entry(table.cell(*row, place).trim()).or_default().push(i);
        }
        if rows.len() > MOST_GROUPS {
            let message = format!(
                "{}: --by {column:?}: the column has {} values, expected at most {MOST_GROUPS}",
                table.name(),
                rows.len()
            );
            return Err(Failure::input(message).coded("usage"));
        }
        let of_value = |(value, rows): (&str, Vec<usize>)| {
            let mut counts = vec![0.0; evaluation.table_rows.len()];
            rows.iter().for_each(|row| counts[*row] = 1.0);
            let metrics = |task: &JudgedTask| task.metrics_of(&counts);
            let metrics: Vec<TaskMetrics> = evaluation.judged.iter().map(metrics).collect();
            output::check_finite(model.targets(), &metrics)?;
            Ok(Group { value: value.to_owned(), n_rows: rows.len(), metrics })
        };
        let mut groups: Vec<Group> =
            rows.into_iter().map(of_value).collect::<Result<_, Failure>>()?;
        let number = |group: &Group| group.value.parse::<f64>().ok();
        if groups.iter().all(|group| number(group).is_some()) {
            groups.sort_by(|a, b| {
                number(a).partial_cmp(&number(b)).unwrap_or_else(|| a.value.cmp(&b.value))
            });
        }
        Ok(Self { column: column.trim().to_owned(), groups })
    }

    /// `{"column", "groups": [{"value", "rows", "test"}]}`.
    pub(crate) fn json(&self, targets: &Targets) -> Value {
        let of_group = |group: &Group| {
            let test = output::metrics_json(targets, &group.metrics);
            json!({ "value": group.value, "rows": group.n_rows, "test": test })
        };
        let groups: Vec<Value> = self.groups.iter().map(of_group).collect();
        json!({ "column": self.column, "groups": groups })
    }

    /// For each target column, a table of the metrics that say most, a line for each value.
    pub(crate) fn tables(&self, targets: &Targets) -> String {
        let values: Vec<_> =
            self.groups.iter().map(|group| output::values(targets, &group.metrics)).collect();
        let Some(first) = values.first() else { return String::new() };
        let n_metrics = Detail::Headlines.most_metrics();
        let of_column = |(i, (name, metrics)): (usize, &(String, Vec<Named>))| {
            let mut table = comfy_table::Table::new();
            let header = [format!("{name}, by {}", self.column), "rows".to_owned()].into_iter();
            let names = metrics.iter().take(n_metrics).map(|metric| metric.name.to_owned());
            table.set_header(header.chain(names));
            for (group, values) in self.groups.iter().zip(&values) {
                let value = if group.value.is_empty() { "(empty)" } else { &group.value };
                let figures = values[i].1.iter().take(n_metrics);
                let figures = figures.map(|metric| figure(metric.value));
                let cells = [value.to_owned(), group.n_rows.to_string()].into_iter();
                table.add_row(cells.chain(figures));
            }
            format!("\n\n{}", output::layout(table, 1))
        };
        first.iter().enumerate().map(of_column).collect()
    }
}
