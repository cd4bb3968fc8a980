//! Fitting an encoder: which columns become inputs, and with which statistics.

use anabranch_tensor::Executor;

use super::encode_cell::read_date;
use super::encoding::{Cycle, Encoding, InputColumn, MissingColumn, OtherColumn};
use super::fit_statistics::{CrossFitted, TrainingTargets};
use super::{CellError, Encoder};
use crate::cell::{Cell, Reading, value_of};
use crate::column::{mean_and_std, median};
use crate::column_kind::ColumnKind;
use crate::date::{Calendar, DateFormat};
use crate::error::{DataError, list};
use crate::labels::{Categories, Labels, prefix};
use crate::number::whole;
use crate::schema::{Codes, ColumnSchema, Schema};
use crate::table::Table;
use crate::warning::{Warning, WarningCode};

/// Most categories of a column that have an encoded column of their own; of more, the most frequent
/// ones have, and the others share one.
pub const MAX_CATEGORIES: usize = 128;

/// Categories of a column have an encoded column of their own even if they are hardly frequent, up
/// to so many.
const FEW_CATEGORIES: usize = 50;

/// Any more of them have one if they are the category of so many training rows.
const MANY_CATEGORY_ROWS: usize = 8;

/// Of so many categories it is known what the targets were, at most.
const MAX_KNOWN_CATEGORIES: usize = 10_000;

/// A category of fewer training rows is rare: it shares an encoded column with other rare ones.
pub const MIN_CATEGORY_ROWS: usize = 2;

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
        let schema = Schema::infer(exec, table)?;
        let fitted = Self::fit_schema(exec, table, &schema, rows, (&targets, None), &[])?;
        Ok((fitted.encoder, fitted.warnings))
    }

    /// [`fit`](Self::fit) of a table that has been understood; `targets` are their columns, and
    /// what the training rows `rows` have there, if it is known; `passed_over` are columns that are
    /// neither inputs nor targets.
    pub(crate) fn fit_schema(
        exec: &Executor,
        table: &Table,
        schema: &Schema,
        rows: &[usize],
        (targets, found): (&[usize], Option<&TrainingTargets<'_>>),
        passed_over: &[usize],
    ) -> Result<FittedEncoder, DataError> {
        let (inputs, mut warnings) = schema.inputs(table, targets, passed_over)?;
        let fits = exec.map(inputs.len(), |i| {
            let place = inputs[i];
            Fit { table, place, schema: &schema.columns()[place], rows, targets: found }.fit()
        });
        let (mut columns, mut cross_fitted, mut start) = (Vec::new(), Vec::new(), 0);
        for fit in fits {
            let ((column, about), values) = fit?;
            warnings.extend(about);
            let Some(column) = column else { continue };
            if let Some(of_column) = column.encoding.statistics_start() {
                cross_fitted.push(CrossFitted { start: start + of_column, values });
            }
            start += column.width();
            columns.push(column);
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
        Ok(FittedEncoder { encoder: Self::new(columns), cross_fitted, warnings })
    }
}

/// An encoder, and what else was found when it was fitted.
pub(crate) struct FittedEncoder {
    pub(crate) encoder: Encoder,
    /// What rows that train and validate are encoded as otherwise than by the encoder.
    pub(crate) cross_fitted: Vec<CrossFitted>,
    pub(crate) warnings: Vec<Warning>,
}

/// A column that is to be fitted.
pub(super) struct Fit<'a> {
    pub(super) table: &'a Table,
    pub(super) place: usize,
    pub(super) schema: &'a ColumnSchema,
    pub(super) rows: &'a [usize],
    targets: Option<&'a TrainingTargets<'a>>,
}

/// The most frequent ones first, of equals the first in text order.
fn by_frequency(counts: &[usize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(counts[*i]));
    order
}

/// The input that a column becomes, if any, and what is to be said about it.
pub(super) type Fitted = (Option<InputColumn>, Vec<Warning>);

impl Fit<'_> {
    /// What the column becomes, and the statistics of its training rows if targets stand for
    /// its categories.
    fn fit(&self) -> Result<(Fitted, Vec<f32>), DataError> {
        let fitted = match &self.schema.kind {
            ColumnKind::Number { format } => {
                let fitted = self.numbers(format)?;
                return Ok(if self.schema.are_names {
                    self.named(fitted)
                } else {
                    (fitted, Vec::new())
                });
            }
            ColumnKind::Date { format } => self.dates(*format),
            ColumnKind::Category { labels } => {
                return Ok(self.categories(*labels, &|row| self.text(row)));
            }
            ColumnKind::Empty | ColumnKind::Unclear { .. } => self.empty(),
        };
        Ok((fitted, Vec::new()))
    }

    pub(super) fn name(&self) -> &str {
        &self.schema.name
    }

    pub(super) fn input(&self, encoding: Encoding) -> InputColumn {
        let missing_markers = self.schema.missing_markers.clone();
        InputColumn { name: self.name().to_owned(), encoding, missing_markers }
    }

    pub(super) fn missing(&self, n_values: usize) -> MissingColumn {
        if n_values < self.rows.len() { MissingColumn::Present } else { MissingColumn::Absent }
    }

    /// Whether missing categories have an encoded column: those of numbers have theirs among these.
    fn missing_category(&self, n_missing: usize) -> MissingColumn {
        if n_missing > 0 && !self.schema.are_names {
            MissingColumn::Present
        } else {
            MissingColumn::Absent
        }
    }

    pub(super) fn empty(&self) -> Fitted {
        let message = format!("column {:?} has no values: left out", self.name());
        (None, vec![Warning::new(WarningCode::EmptyColumn, message).column(self.name())])
    }

    /// An input that is the same in all training rows, where it is.
    pub(super) fn constant(&self, is_constant: bool, n_values: usize) -> Option<Warning> {
        // Where some cells are missing, that they are still tells rows apart.
        (is_constant && n_values == self.rows.len()).then(|| {
            let message = format!(
                "column {:?} has one value in all training rows: nothing to learn",
                self.name()
            );
            Warning::new(WarningCode::ConstantColumn, message).column(self.name())
        })
    }

    /// Numbers, and what each of them names.
    fn named(&self, (number, mut warnings): Fitted) -> (Fitted, Vec<f32>) {
        let Some(number) = number else { return ((None, warnings), Vec::new()) };
        let Some(format) = number.encoding.number_format() else {
            return ((Some(number), warnings), Vec::new());
        };
        let read = |text| match Cell::Text(text).read_number(format, &number.missing_markers) {
            Reading::Number(x) => whole(x).map(|x| x.to_string()),
            _ => None,
        };
        let texts: Vec<Option<String>> = self.table.column(self.place).map(read).collect();
        let text = |row: usize| texts[row].as_deref();
        let ((name, about_name), values) = self.categories(Labels::Numbers, &text);
        let Some(name) = name else { return ((Some(number), warnings), Vec::new()) };
        warnings.extend(about_name);
        let encoding = Encoding::NamedNumber {
            number: Box::new(number.encoding),
            names: Box::new(name.encoding),
        };
        ((Some(InputColumn { encoding, ..number }), warnings), values)
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
        (Some(self.input(encoding)), Vec::from_iter(self.constant(is_constant, days.len())))
    }

    /// Categories by what `text` says of each row of the table.
    fn categories<'t>(
        &self,
        labels: Labels,
        text: &impl Fn(usize) -> Option<&'t str>,
    ) -> (Fitted, Vec<f32>) {
        let texts = self.rows.iter().map(|row| text(*row));
        let trained = Categories::of(texts).merged(labels);
        let counts = trained.counts();
        let by_count = by_frequency(&counts);
        let is_rare = |i: &usize| counts[*i] < MIN_CATEGORY_ROWS;
        let n_frequent = by_count.iter().filter(|i| !is_rare(i)).count();
        match self.targets {
            Some(targets)
                if n_frequent > MAX_CATEGORIES && targets.n_statistics() <= MAX_CATEGORIES =>
            {
                self.statistics(labels, text, targets)
            }
            _ => (self.one_hot(&trained, labels, &counts, &by_count, n_frequent), Vec::new()),
        }
    }

    /// Categories, too many to have a column each, by what the targets are in their rows.
    fn statistics<'t>(
        &self,
        labels: Labels,
        text: &impl Fn(usize) -> Option<&'t str>,
        targets: &TrainingTargets<'_>,
    ) -> (Fitted, Vec<f32>) {
        let texts = targets.rows.iter().map(|row| text(targets.found.rows[*row]));
        let trained = Categories::of(texts).merged(labels);
        let mut known = by_frequency(&trained.counts());
        known.truncate(MAX_KNOWN_CATEGORIES);
        known.sort_unstable();
        let mut place_of = vec![None; trained.values.len()];
        (0..).zip(&known).for_each(|(place, i)| place_of[*i] = Some(place));
        let place = |number: &Option<u32>| number.and_then(|number| place_of[number as usize]);
        let places: Vec<Option<u32>> = trained.numbers.iter().map(place).collect();
        let (statistics, values) = targets.statistics(&places, known.len());
        let n_missing = trained.numbers.iter().filter(|number| number.is_none()).count();
        let message = format!(
            "column {:?}: its {} categories are too many for an input each: they are told apart by what the targets were in \
             their training rows",
            self.name(),
            trained.values.len()
        );
        let warning = Warning::new(WarningCode::TargetStatistics, message).column(self.name());
        let warning = warning.count(trained.values.len());
        let categories = known.iter().map(|i| trained.values[*i].to_owned()).collect();
        let missing = self.missing_category(n_missing);
        let encoding = Encoding::TargetStatistics { categories, labels, statistics, missing };
        ((Some(self.input(encoding)), vec![warning]), values)
    }

    fn one_hot(
        &self,
        trained: &Categories<'_>,
        labels: Labels,
        counts: &[usize],
        by_count: &[usize],
        n_frequent: usize,
    ) -> Fitted {
        let n_values: usize = counts.iter().sum();
        if n_values == 0 {
            return self.empty();
        }
        if n_frequent == 0 && counts.len() > FEW_CATEGORIES {
            return match self.common_prefix(&trained.values) {
                Some(len) if labels == Labels::Text => self.codes(counts.len(), len),
                _ => self.identifier(counts.len()),
            };
        }
        // So few that all have a column of their own are not told apart by luck alone.
        let n_own = if n_frequent == 0 {
            counts.len()
        } else {
            let n_many = counts.iter().filter(|count| **count >= MANY_CATEGORY_ROWS).count();
            n_frequent.min(n_many.clamp(FEW_CATEGORIES, MAX_CATEGORIES))
        };
        let mut own = by_count[..n_own].to_vec();
        own.sort_unstable();
        let n_rare = counts.len() - n_own;
        let other = if n_rare > 0 { OtherColumn::Present } else { OtherColumn::Absent };
        let categories: Vec<String> = own.iter().map(|i| trained.values[*i].to_owned()).collect();
        let missing = self.missing_category(self.rows.len() - n_values);
        let is_constant = counts.len() == 1;
        let encoding = Encoding::Categorical { categories, labels, other, missing };
        let n_rows = n_values - own.iter().map(|i| counts[*i]).sum::<usize>();
        let warning = (n_rare > 0).then(|| {
            let message = format!(
                "column {:?}: {n_rare} of {} categories are rare and share an input, which unseen ones will use too: {n_rows} \
                 rows",
                self.name(),
                counts.len()
            );
            let warning = Warning::new(WarningCode::RareCategories, message);
            warning.column(self.name()).share(n_rows, self.rows.len())
        });
        let warning = warning.or_else(|| self.constant(is_constant, n_values));
        (Some(self.input(encoding)), Vec::from_iter(warning))
    }

    /// The longest prefix by which codes that are all different fall into so few groups that each
    /// can have an encoded column of its own.
    fn common_prefix(&self, codes: &[&str]) -> Option<u8> {
        if self.schema.codes == Codes::Absent {
            return None;
        }
        let longest = codes.iter().map(|code| code.chars().count()).max()?.min(u8::MAX.into());
        // Codes are in text order: those of one prefix lie next to each other.
        let n_groups = |len: u8| codes.chunk_by(|a, b| prefix(a, len) == prefix(b, len)).count();
        (1..longest as u8).rev().find(|len| (2..=FEW_CATEGORIES).contains(&n_groups(*len)))
    }

    /// Codes of which hardly two are alike, told apart by their first `len` characters.
    fn codes(&self, n_distinct: usize, len: u8) -> Fitted {
        let mut texts: Vec<&str> = self.rows.iter().filter_map(|row| self.text(*row)).collect();
        let missing = self.missing(texts.len());
        texts.iter_mut().for_each(|text| *text = prefix(text, len));
        texts.sort_unstable();
        texts.dedup();
        let categories: Vec<String> = texts.into_iter().map(str::to_owned).collect();
        let message = format!(
            "column {:?}: hardly any two of {n_distinct} codes are the same: grouped by their prefix of length {len}, \
             into {} groups",
            self.name(),
            categories.len()
        );
        let (labels, other) = (Labels::Prefix(len), OtherColumn::Absent);
        let encoding = Encoding::Categorical { categories, labels, other, missing };
        let warning = Warning::new(WarningCode::Codes, message).column(self.name());
        (Some(self.input(encoding)), vec![warning.count(n_distinct)])
    }

    /// What a categorical cell says.
    fn text(&self, row: usize) -> Option<&str> {
        value_of(self.table.cell(row, self.place), &self.schema.missing_markers)
    }

    /// Text that hardly any two rows share is not a category.
    fn identifier(&self, n_distinct: usize) -> Fitted {
        let message = format!(
            "column {:?} is text with {n_distinct} values in {} training rows, none of them in {MIN_CATEGORY_ROWS} or more: left out",
            self.name(),
            self.rows.len()
        );
        let warning = Warning::new(WarningCode::Identifier, message).column(self.name());
        (None, vec![warning.count(n_distinct)])
    }
}
