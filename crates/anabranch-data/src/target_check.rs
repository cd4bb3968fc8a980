//! What targets are not: a class of almost as many labels as rows, a number that never changes, an
//! input that a prediction will be called as.

use std::collections::HashSet;

use crate::cell::value_of;
use crate::column_kind::ColumnKind;
use crate::encoder::Encoder;
use crate::error::DataError;
use crate::far::{ABSURD, FAR, Middle, far_warning};
use crate::missing::MissingMarkers;
use crate::raw_targets::{TargetValues, TaskValues};
use crate::regression_target::RegressionTarget;
use crate::schema::Schema;
use crate::split::Split;
use crate::table::Table;
use crate::target::{ClassTarget, Targets, TaskTarget};
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
            "hardly two rows in each: nothing can be learned about them: choose a column whose values repeat"
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

/// Which rows are left out, since they lack a target, and in which columns.
pub(crate) fn about_missing(
    table: &Table,
    found: &TargetValues,
    targets: &Targets,
) -> Option<Warning> {
    if found.rows_left_out == 0 {
        return None;
    }
    let n_missing = |column: &str, markers: &MissingMarkers| {
        let Ok(place) = table.column_index(column) else { return 0 };
        let is_missing = |row: &usize| value_of(table.cell(*row, place), markers).is_none();
        (0..table.n_rows()).filter(is_missing).count()
    };
    let columns = targets.tasks().iter().flat_map(|task| match task {
        TaskTarget::Regression(columns) => {
            columns.iter().map(|target| (&target.column, &target.missing_markers)).collect()
        }
        TaskTarget::Classification(class) => vec![(&class.column, &class.missing_markers)],
    });
    let counts = columns.map(|(column, markers)| (column, n_missing(column, markers)));
    let counts: Vec<String> = counts
        .filter(|(_, count)| *count > 0)
        .map(|(column, count)| format!("{column:?} in {count}"))
        .collect();
    let n = found.rows_left_out;
    let message =
        format!("rows without a target: {n}: left out (missing is {})", counts.join(", "));
    let warning = Warning::new(WarningCode::RowsWithoutTarget, message);
    Some(warning.share(n, table.n_rows()))
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
    trained: Vec<f64>,
    all: impl Iterator<Item = f64>,
) -> Option<Warning> {
    let far = Middle::of(trained)?.beyond(all, FAR);
    if far.count == 0 {
        return None;
    }
    let first = (table, found.rows[far.first], table.column_index(&target.column).ok()?);
    let so = "they dominate the loss; correct them, or name them in --missing";
    Some(far_warning(first, (far.count, found.rows.len()), FAR, so))
}

/// `targets` with the absurd numbers among those that were `found` as markers of missing values,
/// and what is to be said about them; `None` where there are none.
pub(crate) fn without_absurd(
    table: &Table,
    found: &TargetValues,
    targets: &Targets,
) -> Option<(Targets, Vec<Warning>)> {
    let mut warnings = Vec::new();
    let tasks = found.tasks.iter().zip(targets.tasks()).map(|(values, target)| {
        let (TaskValues::Numbers { values, n_columns }, TaskTarget::Regression(columns)) =
            (values, target)
        else {
            return target.clone();
        };
        let columns = columns.iter().enumerate().map(|(j, target)| {
            let of_rows = (0..found.rows.len()).map(|row| values[row * n_columns + j]);
            let absurd = Middle::of(of_rows.clone().collect())
                .and_then(|middle| middle.absurd(of_rows))
                .zip(table.column_index(&target.column).ok());
            let Some(((tally, numbers), place)) = absurd else { return target.clone() };
            let first = (table, found.rows[tally.first], place);
            let so = "counted as missing";
            warnings.push(far_warning(first, (tally.count, found.rows.len()), ABSURD, so));
            let numbers = numbers.iter().map(|number| format!("{number:?}"));
            let missing_markers = target.missing_markers.with(numbers);
            RegressionTarget { missing_markers, ..target.clone() }
        });
        TaskTarget::Regression(columns.collect())
    });
    let targets = Targets::new(tasks.collect());
    (!warnings.is_empty()).then_some((targets, warnings))
}
