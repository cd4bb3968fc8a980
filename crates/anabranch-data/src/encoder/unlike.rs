//! What a table's cells are to an encoder that was fitted on others.

use super::encoding::{Encoding, InputColumn, MissingColumn, Outcome};
use crate::cell::trimmed;
use crate::error::{DataError, excerpt};
use crate::number::{Mark, NumberDecision, NumberFormat, NumberVotes};
use crate::profile::Tally;
use crate::table::Table;
use crate::warning::{Warning, WarningCode};

/// A column is refused when more than this percentage of its cells cannot be read or lie far
/// outside.
const REFUSED_PERCENT: usize = 50;

/// A column without any value is refused from so many rows on: in fewer, values can be missing by
/// chance.
const REFUSED_ROWS: usize = 10;

/// The cells of a column that are not what training saw.
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

    /// Refuses a column that differs from what training saw in most of `n_rows` rows.
    pub(super) fn check(
        &self,
        table: &Table,
        place: usize,
        column: &InputColumn,
        n_rows: usize,
    ) -> Result<(), DataError> {
        let is_most = |tally: Tally| tally.count * 100 > n_rows * REFUSED_PERCENT;
        let unlike = |tally: Tally, problem: String, advice: String| {
            let (line, cell) = (table.line(tally.first), excerpt(table.cell(tally.first, place)));
            Err(DataError::Unlike {
                file: table.name().to_owned(),
                column: column.name.clone(),
                line,
                problem: format!("{problem} (the first on line {line}: {cell:?}): {advice}"),
            })
        };
        let share = |tally: Tally| format!("{} of {n_rows} cells", tally.count);
        if is_most(self.unreadable) {
            let expected = match &column.encoding {
                Encoding::Date { .. } => "are not dates as in training",
                _ => "are not numbers as in training",
            };
            let problem = format!("{} {expected}", share(self.unreadable));
            return unlike(self.unreadable, problem, likely_format(table, place, column));
        }
        let had_all = column.missing() == MissingColumn::Absent;
        if had_all && self.missing.count == n_rows && n_rows >= REFUSED_ROWS {
            let problem = format!(
                "{} (100 %) are empty, though training had a value in every row",
                share(self.missing)
            );
            return unlike(self.missing, problem, "fill them in".into());
        }
        if is_most(self.outside) {
            let problem = format!("{} lie far outside what training saw", share(self.outside));
            return unlike(self.outside, problem, "check their unit and format".into());
        }
        Ok(())
    }

    pub(super) fn warnings(
        &self,
        table: &Table,
        place: usize,
        column: &InputColumn,
        n_rows: usize,
    ) -> Vec<Warning> {
        let name = &column.name;
        let had_all = column.missing() == MissingColumn::Absent;
        let stand_in = match &column.encoding {
            Encoding::Categorical { .. } => "encoded as zeros",
            _ => "replaced by the median",
        };
        let kind = match &column.encoding {
            Encoding::Date { .. } => "dates",
            _ => "numbers",
        };
        let missing = if had_all { self.missing } else { Tally::default() };
        [
            (
                WarningCode::Unreadable,
                self.unreadable,
                format!("cells that are not {kind}"),
                "counted as missing",
            ),
            (
                WarningCode::UnseenCategories,
                self.unseen,
                "cells with a category that training saw rarely or never".into(),
                "encoded as different from all known ones",
            ),
            (
                WarningCode::NewlyMissing,
                missing,
                "missing values, of which training had none".into(),
                stand_in,
            ),
            (
                WarningCode::OutsideTraining,
                self.outside,
                "values far outside what training saw".into(),
                "predictions for them are guesses",
            ),
        ]
        .into_iter()
        .filter(|(_, tally, ..)| tally.count > 0)
        .map(|(code, tally, what, so)| {
            let (line, text) = (table.line(tally.first), excerpt(table.cell(tally.first, place)));
            let message = format!(
                "column {name:?}: {what}: {} of {n_rows} (the first on line {line}: {text:?}): {so}",
                tally.count
            );
            Warning::new(code, message).column(name).cell(line, &text).share(tally.count, n_rows)
        })
        .collect()
    }
}

/// How to have a column read that is written in another format than in training.
fn likely_format(table: &Table, place: usize, column: &InputColumn) -> String {
    let (Encoding::Numeric { format, .. } | Encoding::Robust { format, .. }) = &column.encoding
    else {
        return "write them as in training".into();
    };
    let mut votes = NumberVotes::default();
    for row in 0..table.n_rows() {
        votes.add(trimmed(table.cell(row, place)));
    }
    let NumberDecision::One { format: found, n_read, .. } = votes.decide(None) else {
        return "write them as in training".into();
    };
    if n_read == 0 {
        return "write them as in training".into();
    }
    let described = format!("they look like numbers with {}", found.describe());
    let by_flag = NumberFormat { decimal: found.decimal, ..with_decimal(format, found.decimal) };
    let reads_most = (0..table.n_rows())
        .filter(|row| by_flag.parse(trimmed(table.cell(*row, place))).is_some())
        .count()
        * 100
        > table.n_rows() * REFUSED_PERCENT;
    match (reads_most, found.decimal) {
        (true, Mark::Comma) => format!("{described}: give --decimal comma"),
        (true, _) => format!("{described}: give --decimal point"),
        (false, _) => format!("{described}: write them as in training"),
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
/// rules of `table` name.
pub(super) fn columns_for(columns: &[InputColumn], table: &Table) -> Vec<InputColumn> {
    let rules = table.rules();
    let mut columns = columns.to_vec();
    for column in &mut columns {
        if let Some(missing) = &rules.missing {
            column.missing_markers = missing.clone();
        }
        let own = rules.column_missing.iter().find(|(name, _)| name.trim() == column.name);
        if let Some((_, markers)) = own {
            column.missing_markers = markers.clone();
        }
        if let (Encoding::Numeric { format, .. } | Encoding::Robust { format, .. }, Some(decimal)) =
            (&mut column.encoding, rules.decimal)
        {
            *format = with_decimal(format, decimal);
        }
    }
    columns
}
