//! What targets are not: a class of almost as many labels as rows, a number that never changes, an
//! input that a prediction will be called as.

use std::collections::HashSet;

use crate::column_kind::ColumnKind;
use crate::encoder::Encoder;
use crate::error::DataError;
use crate::far::{ABSURD, FAR, Middle, far_warning};
use crate::raw_targets::{TargetValues, TaskValues};
use crate::regression_target::RegressionTarget;
use crate::schema::Schema;
use crate::split::Split;
use crate::table::Table;
use crate::target::{ClassTarget, Targets, TaskTarget};
use crate::warning::{Warning, WarningCode};

/// So few classes are never too many.
const FEW_CLASSES: usize = 20;

/// A network has an output for each class.
const MAX_CLASSES: usize = 10_000;

/// Numbers are classes if there are at least so many rows for each of them, on average.
const ROWS_PER_NUMBER: usize = 10;

/// A class of fewer rows cannot be in all parts of a split.
const ROWS_PER_LABEL: usize = 3;

/// Refuses a class column that has too many labels for its rows: measurements, or names.
///
/// # Errors
/// [`DataError::TooManyClasses`].
pub(crate) fn check_classes(
    table: &Table,
    schema: &Schema,
    targets: &Targets,
    found: &TargetValues,
) -> Result<(), DataError> {
    for (task, (values, target)) in found.tasks.iter().zip(targets.tasks()).enumerate() {
        let (TaskValues::Classes { class, n_classes }, TaskTarget::Classification(target)) =
            (values, target)
        else {
            continue;
        };
        if *n_classes <= FEW_CLASSES {
            continue;
        }
        let class: Vec<u32> = found.rows_with(task).map(|row| class[row]).collect();
        let ClassTarget { column, .. } = target;
        let kind = &schema.columns()[table.column_index(column)?].kind;
        let problem = if matches!(kind, ColumnKind::Number { .. }) {
            if class.len() >= ROWS_PER_NUMBER * n_classes && *n_classes <= MAX_CLASSES {
                continue;
            }
            format!(
                "and they are numbers: regress it with --regress {column:?}, or say --as '{column}=category' if they are \
                 codes"
            )
        } else {
            let mut rows = vec![0; *n_classes];
            class.iter().for_each(|class| rows[*class as usize] += 1);
            let alone: usize = rows.iter().filter(|rows| **rows < ROWS_PER_LABEL).sum();
            if 2 * alone > class.len() {
                "hardly two rows in each: nothing can be learned about them: choose a column whose values repeat"
                    .to_owned()
            } else if *n_classes > MAX_CLASSES {
                format!("more than the {MAX_CLASSES} that a network can tell apart: group them")
            } else {
                continue;
            }
        };
        let (file, column) = (table.name().to_owned(), column.clone());
        let (labels, rows) = (*n_classes, class.len());
        return Err(DataError::TooManyClasses { file, column, labels, rows, problem });
    }
    Ok(())
}

/// Refuses an input that is called as a column of predictions will be.
///
/// # Errors
/// [`DataError::InputIsPrediction`].
pub(crate) fn check_names(
    table: &Table,
    encoder: &Encoder,
    targets: &Targets,
) -> Result<(), DataError> {
    let inputs: HashSet<&str> =
        encoder.input_columns().iter().map(|column| column.name.as_str()).collect();
    let mut names = targets.tasks().iter().flat_map(TaskTarget::prediction_columns);
    match names.find(|name| inputs.contains(name.trim())) {
        None => Ok(()),
        Some(column) => Err(DataError::InputIsPrediction { file: table.name().to_owned(), column }),
    }
}

/// What a user should know about the numbers to be predicted.
pub(crate) fn about_numbers(
    table: &Table,
    found: &TargetValues,
    targets: &Targets,
    split: &Split,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (task, (values, target)) in found.tasks.iter().zip(targets.tasks()).enumerate() {
        let TaskValues::Numbers { values, n_columns } = values else { continue };
        let presence = &found.present[task];
        let rows: Vec<usize> = found.rows_with(task).collect();
        for (j, target) in target.regression().iter().enumerate() {
            let value = |row: &usize| values[row * n_columns + j];
            let trained = split.train.iter().filter(|row| presence.has(**row)).map(value);
            let trained: Vec<f64> = trained.collect();
            warnings.extend(constant(target, &trained));
            let all = rows.iter().map(value);
            let places: Vec<usize> = rows.iter().map(|row| found.rows[*row]).collect();
            warnings.extend(outlier((table, &places), target, trained, all));
        }
    }
    warnings
}

/// A target that is the same in all training rows.
fn constant(target: &RegressionTarget, trained: &[f64]) -> Option<Warning> {
    let first = trained.first()?;
    trained.iter().all(|value| value == first).then(|| {
        let column = &target.column;
        let message = format!(
            "column {column:?} is {first} in all training rows: there is nothing to learn about it"
        );
        Warning::new(WarningCode::ConstantTarget, message).column(column)
    })
}

/// Targets far from all others, which errors in squares give all the weight; `all` are those of
/// these rows of the table.
fn outlier(
    (table, rows): (&Table, &[usize]),
    target: &RegressionTarget,
    trained: Vec<f64>,
    all: impl Iterator<Item = f64>,
) -> Option<Warning> {
    let far = Middle::of(trained)?.beyond(all, FAR);
    if far.count == 0 {
        return None;
    }
    let first = (table, rows[far.first], table.column_index(&target.column).ok()?);
    let so = "they dominate the loss; correct them, or name them in --missing";
    Some(far_warning(first, (far.count, rows.len()), FAR, so))
}

/// `targets` with the absurd numbers among those that were `found` as markers of missing values,
/// and what is to be said about them; `None` where there are none.
pub(crate) fn without_absurd(
    table: &Table,
    found: &TargetValues,
    targets: &Targets,
) -> Option<(Targets, Vec<Warning>)> {
    let mut warnings = Vec::new();
    let tasks =
        found.tasks.iter().zip(targets.tasks()).enumerate().map(|(task, (values, target))| {
            let (TaskValues::Numbers { values, n_columns }, TaskTarget::Regression(columns)) =
                (values, target)
            else {
                return target.clone();
            };
            let rows: Vec<usize> = found.rows_with(task).collect();
            let columns = columns.iter().enumerate().map(|(j, target)| {
                let of_rows = rows.iter().map(|row| values[row * n_columns + j]);
                let absurd = Middle::of(of_rows.clone().collect())
                    .and_then(|middle| middle.absurd(of_rows))
                    .zip(table.column_index(&target.column).ok());
                let Some(((tally, numbers), place)) = absurd else { return target.clone() };
                let first = (table, found.rows[rows[tally.first]], place);
                let so = "counted as missing";
                warnings.push(far_warning(first, (tally.count, rows.len()), ABSURD, so));
                let numbers = numbers.iter().map(|number| format!("{number:?}"));
                let missing_markers = target.missing_markers.with(numbers);
                RegressionTarget { missing_markers, ..target.clone() }
            });
            TaskTarget::Regression(columns.collect())
        });
    let targets = Targets::new(tasks.collect());
    (!warnings.is_empty()).then_some((targets, warnings))
}
