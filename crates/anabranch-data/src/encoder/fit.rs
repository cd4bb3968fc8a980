//! Fitting an encoder: which columns become inputs, and with which statistics.

use anabranch_tensor::Executor;

use super::encoding::{
    Cycle, Encoding, InputColumn, MissingColumn, NOT_FINITE, OtherColumn, read_date,
};
use super::{CellError, Encoder};
use crate::cell::{Cell, Reading, value_of};
use crate::column::{mean_and_std, median, spread};
use crate::column_kind::ColumnKind;
use crate::date::{Calendar, DateFormat};
use crate::error::{DataError, excerpt, list};
use crate::labels::{Categories, Labels};
use crate::number::NumberFormat;
use crate::profile::Tally;
use crate::rules::Scaling;
use crate::schema::{ColumnSchema, Schema, for_each_column};
use crate::table::Table;
use crate::warning::{Warning, WarningCode};

/// Most categories of a column that have an encoded column of their own; of more, the most frequent
/// ones have, and the others share one.
pub const MAX_CATEGORIES: usize = 50;

/// A category of fewer training rows is rare: it shares an encoded column with other rare ones.
pub const MIN_CATEGORY_ROWS: usize = 2;

/// A value farther from its column's median than so many times the distance between the quartiles
/// is reported, and the column scaled robustly.
pub const FAR: f64 = 1000.0;

const SECONDS_A_DAY: f64 = 86_400.0;

impl Encoder {
    /// Fits an encoding of all columns of `table` but `leave_out` (the targets), in the table's
    /// order.
    ///
    /// What kind a column is of is read off the whole table ([`Schema`]). Every statistic (mean,
    /// deviation, median, categories, whether cells are missing) is taken from `rows` alone, the
    /// training rows, so that nothing leaks from the rows that the network is tested on.
    ///
    /// The warnings are about columns: how they were understood, and which were left out.
    ///
    /// # Errors
    /// [`DataError::UnknownColumn`] when `leave_out` names one; [`DataError::Unclear`] for a column
    /// that can be read in two ways; [`DataError::OutOfRange`] for infinity in a numeric column;
    /// [`DataError::NoInputs`] when no column is left.
    ///
    /// # Panics
    /// If a row is out of the table's range.
    pub fn fit<S: AsRef<str>>(
        exec: &Executor,
        table: &Table,
        rows: &[usize],
        leave_out: &[S],
    ) -> Result<(Self, Vec<Warning>), DataError> {
        let targets = leave_out.iter().map(|name| table.column_index(name.as_ref()));
        let targets: Vec<usize> = targets.collect::<Result<_, _>>()?;
        Self::fit_schema(exec, table, &Schema::infer(exec, table)?, rows, &targets)
    }

    /// [`fit`](Self::fit) of a table that has been understood.
    pub(crate) fn fit_schema(
        exec: &Executor,
        table: &Table,
        schema: &Schema,
        rows: &[usize],
        targets: &[usize],
    ) -> Result<(Self, Vec<Warning>), DataError> {
        let (inputs, mut warnings) = schema.inputs(table, targets)?;
        let fits = for_each_column(exec, inputs.len(), |i| {
            let place = inputs[i];
            Fit { table, place, schema: &schema.columns()[place], rows }.fit()
        });
        let mut columns = Vec::new();
        for fit in fits {
            let (column, about) = fit?;
            columns.extend(column);
            warnings.extend(about);
        }
        if columns.is_empty() {
            let left_out: Vec<&str> = schema
                .columns()
                .iter()
                .enumerate()
                .filter(|(i, column)| column.left_out.is_some() && !targets.contains(i))
                .map(|(_, column)| column.name.as_str())
                .collect();
            let left_out = match left_out.is_empty() {
                true => String::new(),
                false => format!(" (left out: {})", list(&left_out)),
            };
            return Err(DataError::NoInputs { file: table.name().to_owned(), left_out });
        }
        Ok((Self::new(columns), warnings))
    }
}

/// A column that is to be fitted.
struct Fit<'a> {
    table: &'a Table,
    place: usize,
    schema: &'a ColumnSchema,
    rows: &'a [usize],
}

/// The input that a column becomes, if any, and what is to be said about it.
type Fitted = (Option<InputColumn>, Option<Warning>);

impl Fit<'_> {
    fn fit(&self) -> Result<Fitted, DataError> {
        match &self.schema.kind {
            ColumnKind::Number { format } => self.numbers(format),
            ColumnKind::Date { format } => Ok(self.dates(*format)),
            ColumnKind::Category { labels } => Ok(self.categories(*labels)),
            ColumnKind::Empty | ColumnKind::Unclear { .. } => Ok(self.empty()),
        }
    }

    fn name(&self) -> &str {
        &self.schema.name
    }

    fn input(&self, encoding: Encoding) -> InputColumn {
        let missing_markers = self.schema.missing_markers.clone();
        InputColumn { name: self.name().to_owned(), encoding, missing_markers }
    }

    fn missing(&self, n_values: usize) -> MissingColumn {
        if n_values < self.rows.len() { MissingColumn::Present } else { MissingColumn::Absent }
    }

    fn empty(&self) -> Fitted {
        let message = format!("column {:?} has no values: left out", self.name());
        (None, Some(Warning::new(WarningCode::EmptyColumn, message).column(self.name())))
    }

    /// An input that is the same in all training rows, where it is.
    fn constant(&self, is_constant: bool, n_values: usize) -> Option<Warning> {
        // Where some cells are missing, that they are still tells rows apart.
        (is_constant && n_values == self.rows.len()).then(|| {
            let message = format!(
                "column {:?} has one value in all training rows: nothing to learn",
                self.name()
            );
            Warning::new(WarningCode::ConstantColumn, message).column(self.name())
        })
    }

    fn numbers(&self, format: &NumberFormat) -> Result<Fitted, DataError> {
        let values = (0..self.table.n_rows()).map(|row| {
            let cell = Cell::Text(self.table.cell(row, self.place));
            match cell.read_number(format, &self.schema.missing_markers) {
                Reading::Number(value) => Ok(value),
                Reading::Missing | Reading::Text => Ok(f64::NAN),
                Reading::OutOfRange => {
                    Err(DataError::out_of_range(self.table, row, self.place, NOT_FINITE))
                }
            }
        });
        let values: Vec<f64> = values.collect::<Result<_, _>>()?;
        let mut numbers: Vec<f64> =
            self.rows.iter().map(|row| values[*row]).filter(|value| !value.is_nan()).collect();
        if numbers.is_empty() {
            return Ok(self.empty());
        }
        let n_values = numbers.len();
        let (mean, std) = mean_and_std(numbers.iter().copied());
        let range = numbers.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[min, max], value| {
            [min.min(*value), max.max(*value)]
        });
        let is_constant = range[0] == range[1];
        let median = median(&mut numbers);
        let spread = spread(&numbers, median);
        let missing = self.missing(n_values);
        let format = format.clone();
        let scaling = self.table.rules().scaling;
        let outlier = self.outlier(&values, median, spread, scaling);
        let is_robust =
            scaling == Scaling::Robust || (scaling == Scaling::Auto && outlier.is_some());
        let encoding = if is_robust {
            Encoding::Robust { median, spread, missing, format }
        } else {
            Encoding::Numeric { mean, std, median, missing, format, range: Some(range) }
        };
        let warning = outlier.or_else(|| self.constant(is_constant, n_values));
        Ok((Some(self.input(encoding)), warning))
    }

    /// Values of the whole table that are far from all others.
    fn outlier(
        &self,
        values: &[f64],
        median: f64,
        spread: f64,
        scaling: Scaling,
    ) -> Option<Warning> {
        let mut far = Tally::default();
        for (row, value) in values.iter().enumerate() {
            if (value - median).abs() > FAR * spread {
                far.add(row);
            }
        }
        if far.count == 0 {
            return None;
        }
        let line = self.table.line(far.first);
        let text = excerpt(self.table.cell(far.first, self.place));
        let so = match scaling {
            Scaling::Standard => "correct them, or name them in --missing",
            Scaling::Auto | Scaling::Robust => {
                "scaled robustly; if they stand for missing values, name them in --missing"
            }
        };
        let message = format!(
            "column {:?}: values more than {FAR} times as far from the median as values usually are: {} (the first on line \
             {line}: {text:?}): {so}",
            self.name(),
            far.count
        );
        let warning = Warning::new(WarningCode::Outlier, message).column(self.name());
        Some(warning.cell(line, &text).share(far.count, values.len()))
    }

    fn dates(&self, format: DateFormat) -> Fitted {
        let seconds = self.rows.iter().filter_map(|row| {
            let cell = Cell::Text(self.table.cell(*row, self.place));
            match read_date(cell, format, &self.schema.missing_markers) {
                Ok((seconds, _)) => seconds,
                Err(CellError::NumberForText | CellError::OutOfRange(_)) => None,
            }
        });
        let seconds: Vec<f64> = seconds.collect();
        if seconds.is_empty() {
            return self.empty();
        }
        let mut days: Vec<f64> = seconds.iter().map(|seconds| seconds / SECONDS_A_DAY).collect();
        let (mean, std) = mean_and_std(days.iter().copied());
        let is_constant = days.iter().all(|day| *day == days[0]);
        let calendars: Vec<Calendar> =
            seconds.iter().filter_map(|seconds| Calendar::at(*seconds)).collect();
        let varies = |cycle: &Cycle| {
            let mut places = calendars.iter().map(|calendar| cycle.place(*calendar));
            let first = places.next();
            places.any(|place| Some(place) != first)
        };
        let cycles = Cycle::ALL.into_iter().filter(varies).collect();
        let (median, missing) = (median(&mut days), self.missing(days.len()));
        let encoding = Encoding::Date { format, mean, std, median, cycles, missing };
        (Some(self.input(encoding)), self.constant(is_constant, days.len()))
    }

    fn categories(&self, labels: Labels) -> Fitted {
        let texts = self
            .rows
            .iter()
            .map(|row| value_of(self.table.cell(*row, self.place), &self.schema.missing_markers));
        let trained = Categories::of(texts).merged(labels);
        let counts = trained.counts();
        let n_values: usize = counts.iter().sum();
        if n_values == 0 {
            return self.empty();
        }
        // The most frequent ones, the first in text order of equals.
        let mut by_count: Vec<usize> = (0..counts.len()).collect();
        by_count.sort_by_key(|i| std::cmp::Reverse(counts[*i]));
        let is_rare = |i: &usize| counts[*i] < MIN_CATEGORY_ROWS;
        let n_frequent = by_count.iter().filter(|i| !is_rare(i)).count();
        if n_frequent == 0 && counts.len() > MAX_CATEGORIES {
            return self.identifier(counts.len());
        }
        // So few that all have a column of their own are not told apart by luck alone.
        let n_own = if counts.len() <= MAX_CATEGORIES && n_frequent == 0 {
            counts.len()
        } else {
            n_frequent.min(MAX_CATEGORIES)
        };
        let mut own = by_count[..n_own].to_vec();
        own.sort_unstable();
        let n_rare = counts.len() - n_own;
        let other = if n_rare > 0 { OtherColumn::Present } else { OtherColumn::Absent };
        let categories: Vec<String> = own.iter().map(|i| trained.values[*i].to_owned()).collect();
        let missing = self.missing(n_values);
        let is_constant = counts.len() == 1;
        let encoding = Encoding::Categorical { categories, labels, other, missing };
        let n_rows = n_values - own.iter().map(|i| counts[*i]).sum::<usize>();
        let warning = (n_rare > 0).then(|| {
            let message = format!(
                "column {:?}: {n_rare} of {} categories are rare and share an input, which unseen ones will have too: {n_rows} \
                 rows",
                self.name(),
                counts.len()
            );
            let warning = Warning::new(WarningCode::RareCategories, message);
            warning.column(self.name()).share(n_rows, self.rows.len())
        });
        (Some(self.input(encoding)), warning.or_else(|| self.constant(is_constant, n_values)))
    }

    /// Text that hardly any row shares with another is no category.
    fn identifier(&self, n_distinct: usize) -> Fitted {
        let message = format!(
            "column {:?} is text of {n_distinct} values in {} training rows, none of them in {MIN_CATEGORY_ROWS}: left out",
            self.name(),
            self.rows.len()
        );
        let warning = Warning::new(WarningCode::Identifier, message).column(self.name());
        (None, Some(warning.count(n_distinct)))
    }
}
