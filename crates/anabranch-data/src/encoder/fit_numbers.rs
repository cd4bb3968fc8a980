//! Fitting the encoding of a column of numbers: its scale, and what is too far away for one.

use super::encode_cell::NOT_FINITE;
use super::fit::{Fit, Fitted};
use super::{Encoding, NormalScores};
use crate::cell::{Cell, Reading};
use crate::column::mean_and_std;
use crate::error::DataError;
use crate::far::{ABSURD, FAR, Middle, far_warning};
use crate::missing::MissingMarkers;
use crate::number::NumberFormat;
use crate::profile::Tally;
use crate::rules::Scaling;
use crate::warning::Warning;

/// A column of numbers, row by row; NaN where one is missing.
struct Numbers {
    of_rows: Vec<f64>,
    /// Those of the training rows.
    trained: Vec<f64>,
    middle: Middle,
}

impl Numbers {
    /// `None` if no training row has one.
    fn new(of_rows: Vec<f64>, rows: &[usize]) -> Option<Self> {
        let trained = rows.iter().map(|row| of_rows[*row]);
        let trained: Vec<f64> = trained.filter(|value| !value.is_nan()).collect();
        let middle = Middle::of(trained.clone())?;
        Some(Self { of_rows, trained, middle })
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
        let is_auto = matches!(scaling, Scaling::Auto | Scaling::Ranked);
        if is_auto
            && let Some((tally, absurd)) = numbers.middle.absurd(numbers.of_rows.iter().copied())
        {
            // They are markers from here on: a table to predict may hold them too.
            markers = markers.with(absurd.iter().map(|number| format!("{number:?}")));
            warnings.push(self.far(tally, ABSURD, "counted as missing"));
            match Numbers::new(self.read_numbers(format, &markers)?, self.rows) {
                Some(others) => numbers = others,
                None => return Ok((None, warnings)),
            }
        }
        let Numbers { of_rows, trained, middle } = &numbers;
        let (mean, std) = mean_and_std(trained.iter().copied());
        let range = trained.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[min, max], value| {
            [min.min(*value), max.max(*value)]
        });
        let is_constant = range[0] == range[1];
        let far = middle.beyond(of_rows.iter().copied(), FAR);
        if far.count > 0 {
            let so = match scaling {
                Scaling::Standard => "correct them, or name them in --missing",
                Scaling::Auto | Scaling::Ranked | Scaling::Robust => {
                    "scaled robustly; if they stand for missing values, name them in --missing"
                }
            };
            warnings.push(self.far(far, FAR, so));
        }
        let is_robust = scaling == Scaling::Robust || (is_auto && far.count > 0);
        let (missing, format) = (self.missing(trained.len()), format.clone());
        let Middle { median, spread } = *middle;
        let scores =
            (scaling == Scaling::Ranked).then(|| NormalScores::fit(trained.clone())).flatten();
        let encoding = if is_robust {
            Encoding::Robust { median, spread, missing, format, scores }
        } else {
            let range = Some(range);
            Encoding::Numeric { mean, std, median, missing, format, range, scores }
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
        let number = |(row, text)| match Cell::Text(text).read_number(format, markers) {
            Reading::Number(value) => Ok(value),
            Reading::Missing | Reading::Text => Ok(f64::NAN),
            Reading::OutOfRange => {
                Err(DataError::out_of_range(self.table, row, self.place, NOT_FINITE))
            }
        };
        self.table.column(self.place).enumerate().map(number).collect()
    }

    /// What is to be said about values that are far from all others.
    fn far(&self, far: Tally, times: f64, so: &str) -> Warning {
        let first = (self.table, far.first, self.place);
        far_warning(first, (far.count, self.table.n_rows()), times, so)
    }
}
