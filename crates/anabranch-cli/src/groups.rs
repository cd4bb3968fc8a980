//! `evaluate --by`: metrics of the rows of each value of a column.

use anabranch::data::{Table, Targets};
use anabranch::train::{Evaluation, JudgedTask, Model, TaskMetrics};
use anabranch_report::{Grouping, Named, figure};
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
        let cells = evaluation.table_rows.iter().map(|row| table.cell(*row, place));
        let grouping = Grouping::of(column, cells);
        if grouping.values.len() > MOST_GROUPS {
            let message = format!(
                "{}: --by {column:?}: the column has {} values, expected at most {MOST_GROUPS}",
                table.name(),
                grouping.values.len()
            );
            return Err(Failure::input(message).coded("usage"));
        }
        let of_value = |(place, value): (usize, &String)| {
            let counts = grouping.counts(place, 0..evaluation.table_rows.len());
            let metrics = |task: &JudgedTask| task.metrics_of(&counts);
            let metrics: Vec<TaskMetrics> = evaluation.judged.iter().map(metrics).collect();
            output::check_finite(model.targets(), &metrics)?;
            let n_rows = counts.iter().filter(|count| **count > 0.0).count();
            Ok(Group { value: value.clone(), n_rows, metrics })
        };
        let groups = grouping.values.iter().enumerate().map(of_value);
        let groups = groups.collect::<Result<_, Failure>>()?;
        Ok(Self { column: grouping.column, groups })
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
