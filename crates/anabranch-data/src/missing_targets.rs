//! What is said about rows that lack targets.

use crate::cell::value_of;
use crate::error::DataError;
use crate::missing::MissingMarkers;
use crate::presence::Presence;
use crate::raw_targets::TargetValues;
use crate::split::Split;
use crate::table::Table;
use crate::target::{Targets, TaskTarget};
use crate::warning::{Warning, WarningCode};

/// Which rows are left out, since they lack all targets, and which tasks lack the targets of some
/// of the others.
///
/// # Errors
/// [`DataError::NoTrainingTargets`] for a task of which no training row has a target.
pub(crate) fn about_missing(
    table: &Table,
    found: &TargetValues,
    targets: &Targets,
    split: &Split,
) -> Result<Vec<Warning>, DataError> {
    let mut warnings: Vec<Warning> = about_rows(table, found, targets).into_iter().collect();
    for (presence, target) in found.present.iter().zip(targets.tasks()) {
        if *presence == Presence::All {
            continue;
        }
        if presence.count(split.train.iter().copied()) == 0 {
            let (file, columns) = (table.name().to_owned(), target.name());
            return Err(DataError::NoTrainingTargets { file, columns });
        }
        let (n, of) = (found.rows.len() - presence.count(0..found.rows.len()), found.rows.len());
        let mut message = if target.columns().count() == 1 {
            format!("column {:?}: rows without it: {n} of {of}", target.name())
        } else {
            let cells = in_words(&missing_cells(table, target));
            format!(
                "columns {:?}: rows without all of them: {n} of {of} (missing is {cells})",
                target.name()
            )
        };
        message += ": it is learned from the others";
        for (part, rows) in [("validation", &split.validation), ("test", &split.test)] {
            if !rows.is_empty() && presence.count(rows.iter().copied()) == 0 {
                message += &format!("; no {part} row has it");
            }
        }
        let warning = Warning::new(WarningCode::MissingTarget, message).column(&target.name());
        warnings.push(warning.share(n, of));
    }
    Ok(warnings)
}

/// The rows that lack all targets.
fn about_rows(table: &Table, found: &TargetValues, targets: &Targets) -> Option<Warning> {
    let n = found.rows_left_out;
    if n == 0 {
        return None;
    }
    let cells: Vec<(&str, usize)> =
        targets.tasks().iter().flat_map(|task| missing_cells(table, task)).collect();
    let message = format!("rows without a target: {n}: left out (missing is {})", in_words(&cells));
    let warning = Warning::new(WarningCode::RowsWithoutTarget, message);
    Some(warning.share(n, table.n_rows()))
}

/// The columns of a task with the missing cells of each, if there are any.
fn missing_cells<'t>(table: &Table, target: &'t TaskTarget) -> Vec<(&'t str, usize)> {
    let n_missing = |column: &str, markers: &MissingMarkers| {
        let Ok(place) = table.column_index(column) else { return 0 };
        let is_missing = |row: &usize| value_of(table.cell(*row, place), markers).is_none();
        (0..table.n_rows()).filter(is_missing).count()
    };
    let columns: Vec<(&str, &MissingMarkers)> = match target {
        TaskTarget::Regression(columns) => {
            columns.iter().map(|target| (&*target.column, &target.missing_markers)).collect()
        }
        TaskTarget::Classification(class) => vec![(&class.column, &class.missing_markers)],
    };
    let counts = columns.into_iter().map(|(column, markers)| (column, n_missing(column, markers)));
    counts.filter(|(_, count)| *count > 0).collect()
}

fn in_words(cells: &[(&str, usize)]) -> String {
    let words = cells.iter().map(|(column, count)| format!("{column:?} in {count}"));
    words.collect::<Vec<_>>().join(", ")
}
