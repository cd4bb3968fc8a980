//! Inputs that give a target away: alone they say almost all of it, as another name for it does, or
//! what is known only after it.

use std::collections::HashMap;

use crate::cell::{Cell, Reading, value_of};
use crate::column_kind::ColumnKind;
use crate::encoder::{Encoder, read_date};
use crate::error::DataError;
use crate::raw_targets::{TargetValues, TaskValues};
use crate::schema::{ColumnSchema, Schema};
use crate::split::Split;
use crate::table::Table;
use crate::target::Targets;
use crate::warning::{Warning, WarningCode};

/// So many training rows are looked at, at most: more would show the same.
const MAX_ROWS: usize = 10_000;

/// In fewer rows, columns fit each other by chance.
const MIN_ROWS: usize = 30;

/// In fewer rows, ranges of a number divide classes that are merely easy to tell apart.
const MIN_ROWS_IN_RANGES: usize = 200;

/// So many rows have to be of other classes than the most frequent one: a few are apart from all
/// others by chance.
const MIN_OTHERS: usize = 10;

/// The share of a target's variance that an input has to explain alone.
const SHARE: f64 = 0.999;

/// Labels explain a target only if there are at least so many rows for each, on average.
const ROWS_PER_LABEL: usize = 10;

/// What an input says about some rows.
enum Clue {
    /// A number or a date; NaN where it is missing.
    Numbers(Vec<f64>),
    /// A label, as the place of its text among all; one more where it is missing.
    Labels(Vec<usize>),
}

/// A loud warning for each input that gives a target away.
pub(crate) fn about_giveaways(
    table: &Table,
    schema: &Schema,
    encoder: &Encoder,
    (found, targets): (&TargetValues, &Targets),
    split: &Split,
) -> Result<Vec<Warning>, DataError> {
    let step = split.train.len().div_ceil(MAX_ROWS).max(1);
    let rows: Vec<usize> = split.train.iter().copied().step_by(step).collect();
    let mut warnings = Vec::new();
    for input in encoder.input_columns() {
        let place = table.column_index(&input.name)?;
        let table_rows = rows.iter().map(|row| found.rows[*row]);
        let Some(clue) = Clue::read(table, place, &schema.columns()[place], table_rows) else {
            continue;
        };
        for (task, (values, target)) in found.tasks.iter().zip(targets.tasks()).enumerate() {
            let has = |i: &usize| found.present[task].has(rows[*i]);
            let there: Vec<usize> = (0..rows.len()).filter(has).collect();
            match values {
                TaskValues::Numbers { values, n_columns } => {
                    for (j, target) in target.regression().iter().enumerate() {
                        let y = |i: &usize| (*i, values[rows[*i] * n_columns + j]);
                        let explained = clue.explains(there.iter().map(y));
                        if explained > SHARE {
                            warnings.push(warning(&input.name, &target.column));
                        }
                    }
                }
                TaskValues::Classes { class, .. } => {
                    let class = |i: &usize| (*i, class[rows[*i]]);
                    if clue.separates(there.iter().map(class)) {
                        warnings.push(warning(&input.name, &target.name()));
                    }
                }
            }
        }
    }
    Ok(warnings)
}

fn warning(input: &str, target: &str) -> Warning {
    let message = format!(
        "column {input:?} GIVES THE TARGET {target:?} AWAY: alone, it says almost all of it: if it is known only together \
         with the target, leave it out with --drop"
    );
    Warning::new(WarningCode::TargetGiveaway, message).column(input)
}

impl Clue {
    /// What a column says about these rows of the table; `None` for one that cannot be read.
    fn read(
        table: &Table,
        column: usize,
        about: &ColumnSchema,
        rows: impl Iterator<Item = usize>,
    ) -> Option<Self> {
        let markers = &about.missing_markers;
        let cell = |row| Cell::Text(table.cell(row, column));
        match &about.kind {
            ColumnKind::Number { format } => {
                let number = |row| match cell(row).read_number(format, markers) {
                    Reading::Number(number) => number,
                    _ => f64::NAN,
                };
                Some(Self::Numbers(rows.map(number).collect()))
            }
            ColumnKind::Date { format } => {
                let time = |row| {
                    let read = read_date(cell(row), *format, markers).ok();
                    read.and_then(|(seconds, _)| seconds).unwrap_or(f64::NAN)
                };
                Some(Self::Numbers(rows.map(time).collect()))
            }
            ColumnKind::Category { .. } => {
                let mut places = HashMap::new();
                let label = |row| {
                    let n = places.len();
                    *places.entry(value_of(table.cell(row, column), markers)).or_insert(n)
                };
                Some(Self::Labels(rows.map(label).collect()))
            }
            ColumnKind::Empty | ColumnKind::Unclear { .. } => None,
        }
    }

    /// The share of the variance of a number that it explains: by a straight line, on the scale of
    /// the values or of their ranks, or by the mean for each label.
    fn explains(&self, target: impl Iterator<Item = (usize, f64)>) -> f64 {
        match self {
            Self::Numbers(x) => {
                let pairs = target.map(|(i, y)| (x[i], y)).filter(|(x, _)| !x.is_nan());
                let (x, y): (Vec<f64>, Vec<f64>) = pairs.unzip();
                if x.len() < MIN_ROWS {
                    return 0.0;
                }
                squared_correlation(&x, &y).max(squared_correlation(&ranks(&x), &ranks(&y)))
            }
            Self::Labels(labels) => {
                let pairs: Vec<(usize, f64)> = target.map(|(i, y)| (labels[i], y)).collect();
                let mut groups: HashMap<usize, (f64, f64)> = HashMap::new();
                for (label, y) in &pairs {
                    let (n, sum) = groups.entry(*label).or_default();
                    (*n, *sum) = (*n + 1.0, *sum + y);
                }
                if pairs.len() < MIN_ROWS || groups.len() * ROWS_PER_LABEL > pairs.len() {
                    return 0.0;
                }
                let means = pairs.iter().map(|(label, _)| groups[label].1 / groups[label].0);
                let (means, y): (Vec<f64>, Vec<f64>) = means.zip(pairs.iter().map(|p| p.1)).unzip();
                squared_correlation(&means, &y)
            }
        }
    }

    /// Whether it tells all classes apart: each label has one class, or each class one range of
    /// numbers.
    fn separates(&self, target: impl Iterator<Item = (usize, u32)>) -> bool {
        match self {
            Self::Numbers(x) => {
                let pairs = target.map(|(i, class)| (x[i], class)).filter(|(x, _)| !x.is_nan());
                let mut pairs: Vec<(f64, u32)> = pairs.collect();
                let Some(n_classes) = enough(pairs.iter().map(|pair| pair.1)) else { return false };
                pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
                let changes = || pairs.windows(2).filter(|pair| pair[0].1 != pair[1].1);
                pairs.len() >= MIN_ROWS_IN_RANGES
                    && changes().count() < n_classes
                    && changes().all(|pair| pair[0].0 != pair[1].0)
            }
            Self::Labels(labels) => {
                let pairs: Vec<(usize, u32)> =
                    target.map(|(i, class)| (labels[i], class)).collect();
                let mut class_of: HashMap<usize, u32> = HashMap::new();
                let is_same = |(label, class): &(usize, u32)| {
                    class_of.entry(*label).or_insert(*class) == class
                };
                enough(pairs.iter().map(|pair| pair.1)).is_some()
                    && pairs.iter().all(is_same)
                    && class_of.len() * ROWS_PER_LABEL <= pairs.len()
            }
        }
    }
}

/// The number of classes, if so many rows of them show anything.
fn enough(classes: impl Iterator<Item = u32>) -> Option<usize> {
    let mut rows_of: HashMap<u32, usize> = HashMap::new();
    classes.for_each(|class| *rows_of.entry(class).or_default() += 1);
    let (n, most) = (rows_of.values().sum::<usize>(), rows_of.values().max()?);
    (n >= MIN_ROWS && n - most >= MIN_OTHERS).then_some(rows_of.len())
}

/// The square of Pearson's correlation; 0 where one of the two is constant.
fn squared_correlation(x: &[f64], y: &[f64]) -> f64 {
    let largest = |v: &[f64]| v.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
    // Neither squares nor their products are too small or large for a number.
    let (x_unit, y_unit) = (largest(x), largest(y));
    let n = x.len() as f64;
    let mean = |v: &[f64], unit: f64| v.iter().map(|v| v / unit).sum::<f64>() / n;
    let (x_mean, y_mean) = (mean(x, x_unit), mean(y, y_unit));
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        let (dx, dy) = (x / x_unit - x_mean, y / y_unit - y_mean);
        (xx, xy, yy) = (xx + dx * dx, xy + dx * dy, yy + dy * dy);
    }
    if xx > 0.0 && yy > 0.0 { xy * xy / (xx * yy) } else { 0.0 }
}

/// The place of each value among all, of equal ones the mean of their places.
pub(crate) fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let (mut ranks, mut first) = (vec![0.0; values.len()], 0);
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = first as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|i| ranks[*i] = rank);
        first += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy.stats.rankdata([3, 1, 3, 2]) - 1
    #[test]
    fn equal_values_share_a_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [2.5, 0.0, 2.5, 1.0]);
    }

    /// numpy.corrcoef([1, 2, 3, 4], [1, 3, 2, 4])[0, 1] ** 2 = 0.64
    #[test]
    fn correlations_of_any_scale() {
        for unit in [1.0, 1e-200, 1e99] {
            let y: Vec<f64> = [1.0, 3.0, 2.0, 4.0].map(|y| y * unit).to_vec();
            let squared = squared_correlation(&[1.0, 2.0, 3.0, 4.0], &y);
            // A few roundings.
            assert!((squared - 0.64).abs() < 1e-12, "{squared}");
        }
        assert_eq!(squared_correlation(&[1.0; 3], &[1.0, 2.0, 3.0]), 0.0);
        assert_eq!(squared_correlation(&[0.0; 3], &[1.0, 2.0, 3.0]), 0.0);
    }

    #[test]
    fn a_class_has_one_range_or_labels_of_its_own() {
        let separates =
            |clue: &Clue, n: usize| clue.separates((0..n).map(|i| (i, u32::from(i >= n / 2))));
        let numbers = |n: u32| Clue::Numbers((0..n).map(f64::from).collect());
        assert!(separates(&numbers(200), 200));
        assert!(!separates(&numbers(198), 198), "so few may be easy to tell apart");
        // One row is on the other side, or between.
        let swapped = (0..200).map(|i| f64::from(if i == 7 { 150 } else { i })).collect();
        assert!(!separates(&Clue::Numbers(swapped), 200));
        let tied = (0..200).map(|i| f64::from(if i == 99 { 100 } else { i })).collect();
        assert!(!separates(&Clue::Numbers(tied), 200));
        let labels = |of: fn(usize) -> usize| Clue::Labels((0..40).map(of).collect());
        assert!(separates(&labels(|i| i / 20), 40));
        assert!(!separates(&labels(|i| i / 21), 40));
        assert!(!separates(&labels(|i| i / 2), 40), "a label for two rows says nothing");
        // Of a rare class, some column has the largest numbers by chance.
        assert!(!numbers(200).separates((0..200).map(|i| (i, u32::from(i > 195)))));
    }

    #[test]
    fn a_number_is_explained_by_a_line_by_ranks_or_by_labels() {
        let y = |i: usize| (i, f64::exp(i as f64 / 4.0));
        let explains = |clue: Clue| clue.explains((0..40).map(y));
        assert!(explains(Clue::Numbers((0..40).map(f64::from).collect())) > SHARE);
        assert!(explains(Clue::Numbers((0..40).map(|i| f64::from(i * 7 % 40)).collect())) < 0.5);
        let step = |i: usize| (i, (i / 20) as f64);
        let labels = Clue::Labels((0..40).map(|i| i / 20).collect());
        assert!(labels.explains((0..40).map(step)) > SHARE);
        assert_eq!(labels.explains((0..20).map(step)), 0.0, "too few rows");
    }
}
