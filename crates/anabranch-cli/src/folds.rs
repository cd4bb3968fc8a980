//! `--folds`: cross-validation, in which every row is predicted by a network that did not see it.

use anabranch::data::{Fold, Mark, Prepared, SplitBy, SplitRules, Targets};
use anabranch::tensor::Executor;
use anabranch::train::{LinearModels, NoObserver, TaskMetrics, Trainer};
use anabranch_report::{Named, figure};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::fit::Fitted;
use crate::output::{self, Detail};
use crate::predicted_columns::{prediction_columns, write_predictions};
use crate::setup::{SetupArgs, Source};

/// The name of the file with the predictions.
pub(crate) const FILE: &str = "folds.csv";

/// The results of all folds.
#[derive(Debug)]
pub(crate) struct Folds {
    /// The metrics of each fold.
    metrics: Vec<Vec<TaskMetrics>>,
    /// For every row of the table that has a target: its line, its fold and its predictions.
    pub(crate) csv: Vec<u8>,
}

/// The mean of a metric over the folds in which it is defined, and the deviation of these.
struct Summary {
    mean: f64,
    deviation: f64,
}

impl Folds {
    /// Trains a network for each of `n` folds.
    ///
    /// # Errors
    /// If the rows cannot be divided so, or a training fails.
    pub(crate) fn run(
        args: &SetupArgs,
        source: &Source,
        exec: &Executor,
        n: usize,
    ) -> Result<Self, Failure> {
        let group = match &source.rules.by {
            SplitBy::Class => None,
            SplitBy::Group(column) => Some(column.clone()),
            _ => {
                let message =
                    "--folds divides rows by chance or by --group, not as other flags say";
                return Err(Failure::input(message).coded("usage"));
            }
        };
        let (mut metrics, mut header, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..n {
            let by = SplitBy::Fold(Fold { index, of: n, group: group.clone() });
            let rules = SplitRules { by, ..source.rules.clone() };
            let setup = args.set_up(exec, source, &rules)?;
            let Prepared { dataset: data, targets, rows: lines, .. } = &setup.prepared;
            let run = |_, trainer: &mut Trainer<'_, f32>| Ok(trainer.run(&mut NoObserver)?);
            let fitted = Fitted::of(&setup, exec, run)?.0;
            let fitted = fitted.validated(&setup, &LinearModels::fit(data))?;
            let (test, width) = (&data.split.test, data.n_inputs);
            metrics.push(fitted.model.metrics(data, test, targets));
            let x = test.iter().flat_map(|row| &data.x[row * width..][..width]).copied();
            let predictions = fitted.model.predict_encoded(&x.collect::<Vec<f32>>());
            header = line(|csv| {
                let names = prediction_columns(&fitted.model, None);
                csv.write_record(["line".into(), "fold".into()].into_iter().chain(names))
            })?;
            for (i, row) in test.iter().enumerate() {
                let row = lines[*row];
                let bytes = line(|csv| {
                    csv.write_field(source.table.line(row).to_string())?;
                    csv.write_field((index + 1).to_string())?;
                    write_predictions(csv, i, &predictions, targets, None, Mark::Point, &[])
                })?;
                rows.push((row, bytes));
            }
        }
        rows.sort_by_key(|(row, _)| *row);
        let lines = std::iter::once(header).chain(rows.into_iter().map(|(_, bytes)| bytes));
        Ok(Self { metrics, csv: lines.flatten().collect() })
    }

    /// `{"n", "test": {COL: {METRIC: {"mean", "deviation"}}}}`; `null` for an undefined metric.
    pub(crate) fn json(&self, targets: &Targets) -> Value {
        let columns = self.summaries(targets).into_iter().map(|(column, metrics)| {
            let of_metric = metrics.into_iter().map(|(key, _, summary)| {
                let value = summary.map_or(
                    Value::Null,
                    |Summary { mean, deviation }| json!({ "mean": mean, "deviation": deviation }),
                );
                (key.to_owned(), value)
            });
            (column, Value::Object(of_metric.collect()))
        });
        json!({ "n": self.metrics.len(), "test": columns.collect::<Map<_, _>>() })
    }

    /// A table of the mean of each metric and its deviation.
    pub(crate) fn table(&self, targets: &Targets) -> String {
        let lines = self.summaries(targets).into_iter().flat_map(|(column, metrics)| {
            let metrics = metrics.into_iter().take(Detail::Headlines.most_metrics());
            metrics.enumerate().map(move |(i, (_, name, summary))| {
                let column = if i == 0 { column.clone() } else { String::new() };
                let mean = summary.as_ref().map(|summary| summary.mean);
                let deviation = summary.as_ref().map(|summary| summary.deviation);
                let [mean, deviation] = [mean, deviation].map(figure);
                [column, name.to_owned(), mean, deviation]
            })
        });
        let header = ["column", "metric", "mean", "deviation"];
        format!("{} folds\n\n{}", self.metrics.len(), output::text_table(header, lines))
    }

    /// The metrics of each column, by their key and name, over all folds.
    #[expect(clippy::type_complexity, reason = "a list of lists, read in two places")]
    fn summaries(
        &self,
        targets: &Targets,
    ) -> Vec<(String, Vec<(&'static str, &'static str, Option<Summary>)>)> {
        let folds: Vec<_> =
            self.metrics.iter().map(|metrics| output::values(targets, metrics)).collect();
        let Some(first) = folds.first() else { return Vec::new() };
        let of_column = |(i, (column, metrics)): (usize, &(String, Vec<Named>))| {
            let of_metric = |(j, metric): (usize, &Named)| {
                let values = folds.iter().filter_map(|fold| fold[i].1[j].value);
                (metric.key, metric.name, Summary::of(&values.collect::<Vec<f64>>()))
            };
            (column.clone(), metrics.iter().enumerate().map(of_metric).collect())
        };
        first.iter().enumerate().map(of_column).collect()
    }
}

impl Summary {
    /// Mean and sample deviation, which is 0 of one value; `None` if there are none.
    fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let deviation = f64::sqrt(squares / (n - 1.0).max(1.0));
        (!values.is_empty()).then_some(Self { mean, deviation })
    }
}

/// A line of CSV, as `write` writes it.
fn line(
    write: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> csv::Result<()>,
) -> Result<Vec<u8>, Failure> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let failed = |e: csv::Error| Failure::on_the_way(e).coded("write");
    write(&mut csv).map_err(failed)?;
    csv.into_inner().map_err(|e| failed(e.into_error().into()))
}
