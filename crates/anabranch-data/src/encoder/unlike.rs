//! What a table's cells are to an encoder that was fitted on others.

use super::encode_cell::Outcome;
use super::encoding::{Encoding, InputColumn, MissingColumn};
use crate::cell::trimmed;
use crate::error::{DataError, excerpt};
use crate::number::{Mark, NumberDecision, NumberFormat, NumberVotes};
use crate::profile::Tally;
use crate::rules::ColumnRules;
use crate::table::Table;
use crate::warning::{Warning, WarningCode};

/// A column is refused when more than this percentage of its cells cannot be read or lie far
/// outside.
const REFUSED_PERCENT: usize = 50;

/// A column without any value is refused from so many rows on: in fewer, values can be missing by
/// chance.
const REFUSED_ROWS: usize = 10;

/// What to do about cells that cannot be read.
const AS_IN_TRAINING: &str = "write them as in training";

/// The cells of a column that are not what training saw, in some rows of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct ColumnTally {
    missing: Tally,
    unseen: Tally,
    unreadable: Tally,
    outside: Tally,
}

impl ColumnTally {
    pub(super) fn add(&mut self, outcome: Outcome, row: usize) {
        match outcome {
            Outcome::AsTrained => {}
            Outcome::Missing => self.missing.add(row),
            Outcome::UnseenCategory => self.unseen.add(row),
            Outcome::Unreadable => self.unreadable.add(row),
            Outcome::Outside => self.outside.add(row),
        }
    }

    /// Adds what was counted in later rows.
    pub(super) fn add_all(&mut self, later: &Self) {
        self.missing.add_all(later.missing);
        self.unseen.add_all(later.unseen);
        self.unreadable.add_all(later.unreadable);
        self.outside.add_all(later.outside);
    }
}

/// Cells of one sort, of which the first is known.
#[derive(Clone, Debug, Default)]
struct Found {
    count: usize,
    line: usize,
    cell: String,
}

impl Found {
    /// Adds cells of later rows, in the column `place` of `table`.
    fn add(&mut self, later: Tally, table: &Table, place: usize) {
        if self.count == 0 && later.count > 0 {
            self.line = table.line(later.first);
            self.cell = excerpt(table.cell(later.first, place));
        }
        self.count += later.count;
    }
}

/// The cells of a column that are not what training saw, in all rows so far of a table that may be
/// read piece by piece.
#[derive(Clone, Debug, Default)]
pub(super) struct ColumnFindings {
    missing: Found,
    unseen: Found,
    unreadable: Found,
    outside: Found,
    /// What to do where most cells of some rows cannot be read. If most of all cannot, there are
    /// such rows.
    advice: Option<String>,
}

impl ColumnFindings {
    /// Adds what was counted in `n_rows` rows of `table`, where the column is at `place`.
    pub(super) fn add(
        &mut self,
        tally: &ColumnTally,
        table: &Table,
        place: usize,
        column: &InputColumn,
        n_rows: usize,
    ) {
        self.missing.add(tally.missing, table, place);
        self.unseen.add(tally.unseen, table, place);
        self.unreadable.add(tally.unreadable, table, place);
        self.outside.add(tally.outside, table, place);
        if self.advice.is_none() && is_most(tally.unreadable.count, n_rows) {
            self.advice = Some(likely_format(table, place, column));
        }
    }

    /// Refuses a column of the table `file` that differs from what training saw in most of `n_rows`
    /// rows.
    pub(super) fn check(
        &self,
        file: &str,
        column: &InputColumn,
        n_rows: usize,
    ) -> Result<(), DataError> {
        let unlike = |found: &Found, problem: String, advice: &str| {
            let Found { line, cell, .. } = found;
            Err(DataError::Unlike {
                file: file.to_owned(),
                column: column.name.clone(),
                line: *line,
                problem: format!("{problem} (the first on line {line}: {cell:?}): {advice}"),
            })
        };
        let share = |found: &Found| format!("{} of {n_rows} cells", found.count);
        if is_most(self.unreadable.count, n_rows) {
            let expected = match &column.encoding {
                Encoding::Date { .. } => "are not dates as in training",
                _ => "are not numbers as in training",
            };
            let problem = format!("{} {expected}", share(&self.unreadable));
            let advice = self.advice.as_deref().unwrap_or(AS_IN_TRAINING);
            return unlike(&self.unreadable, problem, advice);
        }
        let had_all = column.encoding.missing() == MissingColumn::Absent;
        if had_all && self.missing.count == n_rows && n_rows >= REFUSED_ROWS {
            let problem = format!(
                "{} (100 %) are empty, though training had a value in every row",
                share(&self.missing)
            );
            return unlike(&self.missing, problem, "fill them in");
        }
        if is_most(self.outside.count, n_rows) {
            let problem = format!("{} lie far outside what training saw", share(&self.outside));
            return unlike(&self.outside, problem, "check their unit and format");
        }
        Ok(())
    }

    /// What is to be said about a column of `n_rows` rows.
    pub(super) fn warnings(&self, column: &InputColumn, n_rows: usize) -> Vec<Warning> {
        let name = &column.name;
        let had_all = column.encoding.missing() == MissingColumn::Absent;
        let stand_in = match &column.encoding {
            Encoding::Categorical { .. } => "encoded as zeros",
            _ => "replaced by the median",
        };
        let kind = match &column.encoding {
            Encoding::Date { .. } => "dates",
            _ => "numbers",
        };
        [
            (
                WarningCode::Unreadable,
                Some(&self.unreadable),
                format!("cells that are not {kind}"),
                "counted as missing",
            ),
            (
                WarningCode::UnseenCategories,
                Some(&self.unseen),
                "cells with a category that training saw rarely or never".into(),
                "encoded as different from all known ones",
            ),
            (
                WarningCode::NewlyMissing,
                had_all.then_some(&self.missing),
                "missing values, of which training had none".into(),
                stand_in,
            ),
            (
                WarningCode::OutsideTraining,
                Some(&self.outside),
                "values far outside what training saw".into(),
                "predictions for them are guesses",
            ),
        ]
        .into_iter()
        .filter_map(|(code, found, what, so)| {
            let Found { count, line, cell } = found.filter(|found| found.count > 0)?;
            let message = format!(
                "column {name:?}: {what}: {count} of {n_rows} (the first on line {line}: {cell:?}): {so}"
            );
            Some(Warning::new(code, message).column(name).cell(*line, cell).share(*count, n_rows))
        })
        .collect()
    }
}

/// Whether so many of `n_rows` cells have a column refused.
fn is_most(count: usize, n_rows: usize) -> bool {
    count * 100 > n_rows * REFUSED_PERCENT
}

/// How to have a column read that is written in another format than in training.
fn likely_format(table: &Table, place: usize, column: &InputColumn) -> String {
    let Some(format) = column.encoding.number_format() else {
        return AS_IN_TRAINING.into();
    };
    let mut votes = NumberVotes::default();
    for row in 0..table.n_rows() {
        votes.add(trimmed(table.cell(row, place)));
    }
    let NumberDecision::One { format: found, n_read, .. } = votes.decide(None) else {
        return AS_IN_TRAINING.into();
    };
    if n_read == 0 {
        return AS_IN_TRAINING.into();
    }
    let described = format!("they look like numbers with {}", found.describe());
    let by_flag = NumberFormat { decimal: found.decimal, ..with_decimal(format, found.decimal) };
    let n_read = (0..table.n_rows())
        .filter(|row| by_flag.parse(trimmed(table.cell(*row, place))).is_some())
        .count();
    let reads_most = is_most(n_read, table.n_rows());
    match (reads_most, found.decimal) {
        (true, Mark::Comma) => format!("{described}: give --decimal comma"),
        (true, _) => format!("{described}: give --decimal point"),
        (false, _) => format!("{described}: {AS_IN_TRAINING}"),
    }
}

/// A format with another decimal mark: what was the decimal mark may now group digits.
fn with_decimal(format: &NumberFormat, decimal: Mark) -> NumberFormat {
    if format.decimal == decimal {
        return format.clone();
    }
    let grouping = if decimal == Mark::Comma { Mark::Point } else { Mark::Comma };
    NumberFormat { decimal, grouping: Some(grouping), unit: format.unit.clone() }
}

/// An encoder's columns, with the decimal mark and the markers of missing values that the
/// rules name.
pub(super) fn columns_for(columns: &[InputColumn], rules: &ColumnRules) -> Vec<InputColumn> {
    let mut columns = columns.to_vec();
    for column in &mut columns {
        if let Some(missing) = &rules.missing {
            column.missing_markers = missing.clone();
        }
        let own = rules.column_missing.iter().find(|(name, _)| name.trim() == column.name);
        if let Some((_, markers)) = own {
            column.missing_markers = markers.clone();
        }
        if let (Some(format), Some(decimal)) = (column.encoding.number_format(), rules.decimal) {
            let format = with_decimal(format, decimal);
            column.encoding.set_number_format(format);
        }
    }
    columns
}
