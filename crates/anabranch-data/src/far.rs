//! Numbers too far from all others to be meant.

use crate::column::{median, spread};
use crate::error::excerpt;
use crate::profile::Tally;
use crate::table::Table;
use crate::warning::{Warning, WarningCode};

/// A value farther from its column's median than so many times the distance between the quartiles
/// is reported, and the column scaled robustly.
pub const FAR: f64 = 1000.0;

/// A value so much farther away says nothing but that something went wrong: it counts as missing.
pub(crate) const ABSURD: f64 = 1e6;

/// Values count as missing if at most this percentage is so far away; more are how the column is.
const ABSURD_PERCENT: usize = 5;

/// Of so many different numbers at most.
const MAX_ABSURD: usize = 16;

/// Where most numbers of a column lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Middle {
    pub(crate) median: f64,
    pub(crate) spread: f64,
}

impl Middle {
    /// Of these numbers, without NaN; `None` if there are none.
    pub(crate) fn of(mut numbers: Vec<f64>) -> Option<Self> {
        if numbers.is_empty() {
            return None;
        }
        let median = median(&mut numbers);
        Some(Self { median, spread: spread(&numbers, median) })
    }

    /// Those of `values`, which may hold NaN, that are farther away than `times` the spread.
    pub(crate) fn beyond(self, values: impl Iterator<Item = f64>, times: f64) -> Tally {
        let mut far = Tally::default();
        for (row, value) in values.enumerate() {
            if self.is_beyond(value, times) {
                far.add(row);
            }
        }
        far
    }

    fn is_beyond(self, value: f64, times: f64) -> bool {
        (value - self.median).abs() > times * self.spread
    }

    /// The different numbers among the absurd ones of `values`, and how many these are; `None` if
    /// there are none, or too many to be slips.
    pub(crate) fn absurd(
        self,
        values: impl ExactSizeIterator<Item = f64> + Clone,
    ) -> Option<(Tally, Vec<f64>)> {
        let n = values.len();
        let tally = self.beyond(values.clone(), ABSURD);
        if tally.count == 0 || tally.count * 100 > n * ABSURD_PERCENT {
            return None;
        }
        let mut numbers: Vec<f64> = Vec::new();
        for value in values.skip(tally.first) {
            if self.is_beyond(value, ABSURD) && !numbers.contains(&value) {
                if numbers.len() == MAX_ABSURD {
                    return None;
                }
                numbers.push(value);
            }
        }
        Some((tally, numbers))
    }
}

/// What is to be said about `count` of `n_rows` values of a column, the first of them in `row`:
/// they are more than `times` the spread away, and `so` says what follows.
pub(crate) fn far_warning(
    (table, row, column): (&Table, usize, usize),
    (count, n_rows): (usize, usize),
    times: f64,
    so: &str,
) -> Warning {
    let (name, line) = (table.columns()[column].trim(), table.line(row));
    let text = excerpt(table.cell(row, column));
    let message = format!(
        "column {name:?}: values more than {times} times as far from the median as values usually are: {count} (the \
         first on line {line}: {text:?}): {so}"
    );
    let warning = Warning::new(WarningCode::Outlier, message).column(name);
    warning.cell(line, &text).share(count, n_rows)
}
