//! Fitting the encoding of a column of numbers: its scale, and what is too far away for one.

use super::Encoding;
use super::encoding::NOT_FINITE;
use super::fit::{FAR, Fit, Fitted};
use crate::cell::{Cell, Reading};
use crate::column::{mean_and_std, median, spread};
use crate::error::{DataError, excerpt};
use crate::missing::MissingMarkers;
use crate::number::NumberFormat;
use crate::profile::Tally;
use crate::rules::Scaling;
use crate::warning::{Warning, WarningCode};

/// A value farther from its column's median than so many times the distance between the quartiles
/// says nothing but that something went wrong: it counts as missing.
const ABSURD: f64 = 1e6;

/// Values count as missing if at most this percentage is so far away; more are how the column is.
const ABSURD_PERCENT: usize = 5;

/// Of so many different numbers at most.
const MAX_ABSURD: usize = 16;

/// A column of numbers, row by row; NaN where one is missing.
struct Numbers {
    of_rows: Vec<f64>,
    /// Those of the training rows, in no order, and their middle and spread.
    trained: Vec<f64>,
    median: f64,
    spread: f64,
}

impl Numbers {
    /// `None` if no training row has one.
    fn new(of_rows: Vec<f64>, rows: &[usize]) -> Option<Self> {
        let trained = rows.iter().map(|row| of_rows[*row]);
        let trained: Vec<f64> = trained.filter(|value| !value.is_nan()).collect();
        if trained.is_empty() {
            return None;
        }
        let mut sorted = trained.clone();
        let median = median(&mut sorted);
        let spread = spread(&sorted, median);
        Some(Self { of_rows, trained, median, spread })
    }

    /// The values farther from the median than `times` the spread.
    fn beyond(&self, times: f64) -> Tally {
        let mut far = Tally::default();
        for (row, value) in self.of_rows.iter().enumerate() {
            if (value - self.median).abs() > times * self.spread {
                far.add(row);
            }
        }
        far
    }

    /// The different numbers among the [absurd](ABSURD) ones, and how many values these are; `None`
    /// if there are none, or too many to be slips.
    fn absurd(&self) -> Option<(Tally, Vec<f64>)> {
        let tally = self.beyond(ABSURD);
        if tally.count == 0 || tally.count * 100 > self.of_rows.len() * ABSURD_PERCENT {
            return None;
        }
        let mut numbers: Vec<f64> = Vec::new();
        for value in &self.of_rows[tally.first..] {
            let is_absurd = (value - self.median).abs() > ABSURD * self.spread;
            if is_absurd && !numbers.contains(value) {
                if numbers.len() == MAX_ABSURD {
                    return None;
                }
                numbers.push(*value);
            }
        }
        Some((tally, numbers))
    }
}

impl Fit<'_> {
    pub(super) fn numbers(&self, format: &NumberFormat) -> Result<Fitted, DataError> {
        let mut markers = self.schema.missing_markers.clone();
        let mut warnings = Vec::new();
        let scaling = self.table.rules().scaling;
        let Some(mut numbers) = Numbers::new(self.read_numbers(format, &markers)?, self.rows)
        else {
            return Ok(self.empty());
        };
        if scaling == Scaling::Auto
            && let Some((tally, absurd)) = numbers.absurd()
        {
            // They are markers from here on: a table to predict may hold them too.
            markers = markers.with(absurd.iter().map(|number| format!("{number:?}")));
            let so = "counted as missing";
            warnings.push(self.far_warning(tally, ABSURD, numbers.of_rows.len(), so));
            match Numbers::new(self.read_numbers(format, &markers)?, self.rows) {
                Some(others) => numbers = others,
                None => return Ok((None, warnings)),
            }
        }
        let Numbers { of_rows, trained, median, spread } = &numbers;
        let (mean, std) = mean_and_std(trained.iter().copied());
        let range = trained.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[min, max], value| {
            [min.min(*value), max.max(*value)]
        });
        let is_constant = range[0] == range[1];
        let far = numbers.beyond(FAR);
        if far.count > 0 {
            let so = match scaling {
                Scaling::Standard => "correct them, or name them in --missing",
                Scaling::Auto | Scaling::Robust => {
                    "scaled robustly; if they stand for missing values, name them in --missing"
                }
            };
            warnings.push(self.far_warning(far, FAR, of_rows.len(), so));
        }
        let is_robust = scaling == Scaling::Robust || (scaling == Scaling::Auto && far.count > 0);
        let (missing, format) = (self.missing(trained.len()), format.clone());
        let (median, spread) = (*median, *spread);
        let encoding = if is_robust {
            Encoding::Robust { median, spread, missing, format }
        } else {
            Encoding::Numeric { mean, std, median, missing, format, range: Some(range) }
        };
        warnings.extend(self.constant(is_constant, trained.len()));
        let mut input = self.input(encoding);
        input.missing_markers = markers;
        Ok((Some(input), warnings))
    }

    /// The column's numbers; NaN where one is missing or cannot be read.
    fn read_numbers(
        &self,
        format: &NumberFormat,
        markers: &MissingMarkers,
    ) -> Result<Vec<f64>, DataError> {
        let number = |row| {
            let cell = Cell::Text(self.table.cell(row, self.place));
            match cell.read_number(format, markers) {
                Reading::Number(value) => Ok(value),
                Reading::Missing | Reading::Text => Ok(f64::NAN),
                Reading::OutOfRange => {
                    Err(DataError::out_of_range(self.table, row, self.place, NOT_FINITE))
                }
            }
        };
        (0..self.table.n_rows()).map(number).collect()
    }

    /// Values of the whole table that are far from all others.
    fn far_warning(&self, far: Tally, times: f64, n_rows: usize, so: &str) -> Warning {
        let line = self.table.line(far.first);
        let text = excerpt(self.table.cell(far.first, self.place));
        let message = format!(
            "column {:?}: values more than {times} times as far from the median as values usually are: {} (the first on \
             line {line}: {text:?}): {so}",
            self.name(),
            far.count
        );
        let warning = Warning::new(WarningCode::Outlier, message).column(self.name());
        warning.cell(line, &text).share(far.count, n_rows)
    }
}
