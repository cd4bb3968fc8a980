//! What targets are not: a class of almost as many labels as rows, a number that never changes, an
//! input that a prediction will be called as.

use std::collections::HashSet;

use crate::column::{median, spread};
use crate::column_kind::ColumnKind;
use crate::encoder::{Encoder, FAR};
use crate::error::{DataError, excerpt};
use crate::raw_targets::{TargetValues, TaskValues};
use crate::schema::Schema;
use crate::split::Split;
use crate::table::Table;
use crate::target::{ClassTarget, RegressionTarget, Targets, TaskTarget};
use crate::warning::{Warning, WarningCode};

/// So few classes are never too many.
const FEW_CLASSES: usize = 20;

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
    for (values, target) in found.tasks.iter().zip(targets.tasks()) {
        let (TaskValues::Classes { class, n_classes }, TaskTarget::Classification(target)) =
            (values, target)
        else {
            continue;
        };
        if *n_classes <= FEW_CLASSES {
            continue;
        }
        let ClassTarget { column, .. } = target;
        let kind = &schema.columns()[table.column_index(column)?].kind;
        let problem = if matches!(kind, ColumnKind::Number { .. }) {
            if class.len() >= ROWS_PER_NUMBER * n_classes {
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
            if 2 * alone <= class.len() {
                continue;
            }
            "hardly two rows in one: nothing can be learned about them: choose a column whose values repeat"
                .to_owned()
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
    for (values, target) in found.tasks.iter().zip(targets.tasks()) {
        let TaskValues::Numbers { values, n_columns } = values else { continue };
        for (j, target) in target.regression().iter().enumerate() {
            let value = |row: &usize| values[row * n_columns + j];
            let trained: Vec<f64> = split.train.iter().map(value).collect();
            warnings.extend(constant(target, &trained));
            let all = (0..found.rows.len()).map(|row| value(&row));
            warnings.extend(outlier(table, found, target, trained, all));
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

/// Targets far from all others, which errors in squares give all the weight.
fn outlier(
    table: &Table,
    found: &TargetValues,
    target: &RegressionTarget,
    mut trained: Vec<f64>,
    all: impl Iterator<Item = f64>,
) -> Option<Warning> {
    if trained.is_empty() {
        return None;
    }
    let median = median(&mut trained);
    let limit = FAR * spread(&trained, median);
    let mut far = all.enumerate().filter(|(_, value)| (value - median).abs() > limit);
    let (first, _) = far.next()?;
    let count = 1 + far.count();
    let column = &target.column;
    let (row, n_rows) = (found.rows[first], found.rows.len());
    let (line, place) = (table.line(row), table.column_index(column).ok()?);
    let text = excerpt(table.cell(row, place));
    let message = format!(
        "column {column:?}: values to predict that are more than {FAR} times as far from the median as values usually \
         are: {count} (the first on line {line}: {text:?}): they rule the loss; correct them, or name them in --missing"
    );
    let warning = Warning::new(WarningCode::Outlier, message).column(column);
    Some(warning.cell(line, &text).share(count, n_rows))
}
