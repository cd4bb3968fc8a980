//! The columns that predictions are written to.

use std::fmt::{Display, Write as _};

use anabranch::data::{Mark, Targets, TaskTarget};
use anabranch::train::{Coverage, Model, Predictions, TaskPredictions};

use crate::covered;
use crate::flags;

/// The columns that a model's predictions are written to, with those of a coverage.
pub(crate) fn prediction_columns(model: &Model, coverage: Option<&Coverage<'_>>) -> Vec<String> {
    let of_task = |task: &TaskTarget| -> Vec<String> {
        let is_ensemble = model.members().len() > 1;
        let deviations = task.deviation_columns().take(if is_ensemble { usize::MAX } else { 0 });
        let covered = coverage.map_or(Vec::new(), |_| task.coverage_columns());
        task.prediction_columns().chain(deviations).chain(covered).collect()
    };
    model.targets().tasks().iter().flat_map(of_task).collect()
}

/// Writes the predictions of a row, with numbers as the others of the table are written, and the
/// reasons for them, behind the cells of the line, and ends it.
pub(crate) fn write_predictions(
    csv: &mut csv::Writer<Vec<u8>>,
    row: usize,
    predictions: &Predictions,
    targets: &Targets,
    coverage: Option<&Coverage<'_>>,
    decimal: Mark,
    reasons: &[String],
) -> csv::Result<()> {
    let mut text = String::new();
    let mut write_number = |csv: &mut csv::Writer<Vec<u8>>, number: &dyn Display| {
        text.clear();
        // A string takes all that is written.
        _ = write!(text, "{number}");
        match decimal {
            Mark::Comma => csv.write_field(text.replace('.', ",")),
            _ => csv.write_field(&text),
        }
    };
    for (number, (task, target)) in predictions.tasks.iter().zip(targets.tasks()).enumerate() {
        match task {
            TaskPredictions::Values { values, deviations, n_columns } => {
                let of_row = row * n_columns..(row + 1) * n_columns;
                let deviations = deviations.get(of_row.clone()).unwrap_or_default();
                let values = &values[of_row];
                for value in values.iter().chain(deviations) {
                    write_number(csv, value)?;
                }
                if let Some(coverage) = coverage {
                    for end in covered::intervals(coverage, number, values, deviations) {
                        write_number(csv, &end)?;
                    }
                }
            }
            TaskPredictions::Classes { classes, probabilities, deviations, n_classes } => {
                csv.write_field(&target.labels()[classes[row]])?;
                let probabilities = &probabilities[row * n_classes..][..*n_classes];
                for probability in probabilities {
                    write_number(csv, probability)?;
                }
                if let Some(deviation) = deviations.get(row * n_classes + classes[row]) {
                    write_number(csv, deviation)?;
                }
                if let Some(coverage) = coverage {
                    csv.write_field(flags::joined(&covered::set(
                        coverage,
                        number,
                        target,
                        probabilities,
                    )))?;
                }
            }
        }
    }
    csv.write_record(reasons)
}
