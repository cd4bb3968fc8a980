//! Metrics of numbers.

/// Numbers smaller than their mean by this factor are taken as 0: single precision, in which
/// targets are stored, hardly tells them from it.
const NEAR_ZERO: f64 = 1e-6;

/// How well numbers are predicted, in their own units. A metric that is undefined for the rows at
/// hand is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RegressionMetrics {
    /// Root of the mean squared error.
    pub rmse: Option<f64>,
    /// Mean absolute error.
    pub mae: Option<f64>,
    /// 1 − Σ(y−ŷ)²/Σ(y−ȳ)²; undefined when all y are equal.
    pub r2: Option<f64>,
    /// Median of the absolute errors.
    pub median_absolute_error: Option<f64>,
    /// Mean of |y−ŷ|/|y|; undefined where some y is 0, or next to it.
    pub mape: Option<f64>,
    /// 1 − Var(y−ŷ)/Var(y): R² of predictions that are right on average; undefined when all y are
    /// equal.
    pub explained_variance: Option<f64>,
}

impl RegressionMetrics {
    /// The metrics in order.
    pub(crate) fn values(&self) -> [Option<f64>; 6] {
        let Self { rmse, mae, r2, median_absolute_error, mape, explained_variance } = *self;
        [rmse, mae, r2, median_absolute_error, mape, explained_variance]
    }

    /// Metrics with these [`values`](Self::values).
    pub(crate) fn of_values(values: [Option<f64>; 6]) -> Self {
        let [rmse, mae, r2, median_absolute_error, mape, explained_variance] = values;
        Self { rmse, mae, r2, median_absolute_error, mape, explained_variance }
    }
}

/// The units of judged numbers, in those of their column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    /// What a distance of 1 is in the column's units.
    pub size: f64,
    /// Where the column's 0 is among the judged numbers.
    pub zero: f64,
}

impl Unit {
    /// Numbers in the units of their column.
    pub const COLUMN: Self = Self { size: 1.0, zero: 0.0 };
}

/// The pinball loss of a number that is predicted as the quantile of `level`: the distance of y, by
/// `level` where y is above and by 1 − `level` where it is below (Koenker and Bassett, 1978).
pub(crate) fn pinball(y: f64, quantile: f64, level: f64) -> f64 {
    let above = y - quantile;
    if above > 0.0 { level * above } else { (level - 1.0) * above }
}

/// True numbers and the predicted ones, row by row.
#[derive(Clone, Debug, Default)]
pub struct JudgedNumbers {
    y: Vec<f64>,
    predicted: Vec<f64>,
}

impl JudgedNumbers {
    /// Adds a row: the true number `y` and the predicted one.
    pub fn add(&mut self, y: f64, predicted: f64) {
        self.y.push(y);
        self.predicted.push(predicted);
    }

    /// Adds the rows of another set.
    pub(crate) fn append(&mut self, other: Self) {
        self.y.extend(other.y);
        self.predicted.extend(other.predicted);
    }

    /// The metrics of all rows.
    pub fn metrics(&self, unit: Unit) -> RegressionMetrics {
        RankedNumbers::new(self).metrics(&vec![1.0; self.y.len()], unit)
    }

    /// The true number and the predicted one of each row.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = [f64; 2]> {
        self.y.iter().zip(&self.predicted).map(|(y, predicted)| [*y, *predicted])
    }

    fn error(&self, row: usize) -> f64 {
        self.predicted[row] - self.y[row]
    }
}

/// Rows with the order of their errors, from which metrics for any counts of rows follow in one
/// pass.
pub(crate) struct RankedNumbers<'a> {
    rows: &'a JudgedNumbers,
    /// From the smallest absolute error to the largest.
    by_error: Vec<usize>,
}

impl<'a> RankedNumbers<'a> {
    pub(crate) fn new(rows: &'a JudgedNumbers) -> Self {
        let mut by_error: Vec<usize> = (0..rows.y.len()).collect();
        by_error.sort_by(|a, b| rows.error(*a).abs().total_cmp(&rows.error(*b).abs()));
        Self { rows, by_error }
    }

    /// The metrics, where row i counts `counts[i]` times.
    pub(crate) fn metrics(&self, counts: &[f64], unit: Unit) -> RegressionMetrics {
        let Unit { size, zero } = unit;
        let (mut n, mut squared, mut absolute) = (0.0, 0.0, 0.0);
        let (mut y, mut error) = (Spread::default(), Spread::default());
        let (mut relative, mut magnitude, mut least) = (0.0, 0.0, f64::INFINITY);
        for (row, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0.0) {
            let (e, from_zero) = (self.rows.error(row), (self.rows.y[row] - zero).abs());
            n += count;
            squared += count * (e * e);
            absolute += count * e.abs();
            y.add(self.rows.y[row], *count);
            error.add(e, *count);
            relative += count * (e.abs() / from_zero);
            magnitude += count * from_zero;
            least = least.min(from_zero);
        }
        let (is_some, varies) = (n > 0.0, y.squares > 0.0);
        let is_relative = is_some && least > NEAR_ZERO * (magnitude / n);
        RegressionMetrics {
            rmse: is_some.then(|| (squared / n).sqrt() * size),
            mae: is_some.then(|| absolute / n * size),
            r2: varies.then(|| 1.0 - squared / y.squares),
            median_absolute_error: is_some.then(|| self.median(counts, n) * size),
            mape: is_relative.then(|| relative / n),
            explained_variance: varies.then(|| 1.0 - error.squares / y.squares),
        }
    }

    /// The median of the absolute errors: of an even number of rows, the mean of the middle two.
    fn median(&self, counts: &[f64], n: f64) -> f64 {
        let (mut below, mut lower) = (0.0, None);
        for row in self.by_error.iter().copied().filter(|row| counts[*row] > 0.0) {
            let error = self.rows.error(row).abs();
            below += counts[row];
            if let Some(lower) = lower {
                return (lower + error) / 2.0;
            }
            if below > n / 2.0 {
                return error;
            }
            if below == n / 2.0 {
                lower = Some(error);
            }
        }
        f64::NAN
    }
}

/// The mean of numbers and the sum of their squared distances from it, by Welford's update.
#[derive(Default)]
struct Spread {
    n: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    fn add(&mut self, x: f64, count: f64) {
        self.n += count;
        let d = x - self.mean;
        self.mean += count * d / self.n;
        self.squares += count * (d * (x - self.mean));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regression_by_hand() {
        let mut rows = JudgedNumbers::default();
        assert_eq!(rows.metrics(Unit::COLUMN), RegressionMetrics::default());
        rows.add(1.0, 2.0);
        assert_eq!(rows.metrics(Unit::COLUMN).r2, None, "one row has no spread");
        rows.add(3.0, 3.0);
        rows.add(8.0, 6.0);
        // Errors 1, 0, −2; mean 4, Σ(y−4)² = 9 + 1 + 16.
        let metrics = rows.metrics(Unit { size: 10.0, zero: 0.0 });
        assert!((metrics.rmse.unwrap() - 10.0 * (5.0f64 / 3.0).sqrt()).abs() < 1e-14);
        assert!((metrics.mae.unwrap() - 10.0).abs() < 1e-14);
        assert!((metrics.r2.unwrap() - (1.0 - 5.0 / 26.0)).abs() < 1e-15);
        assert_eq!(metrics.median_absolute_error, Some(10.0));
        assert!((metrics.mape.unwrap() - (1.0 + 0.0 + 0.25) / 3.0).abs() < 1e-15);
    }

    /// A number that is 0 in its column has no relative error, even where it is stored as something
    /// else.
    #[test]
    fn relative_errors_need_numbers_that_are_not_zero() {
        let mut rows = JudgedNumbers::default();
        [-1.0, 1.0, 3.0].into_iter().for_each(|y| rows.add(y, y + 1.0));
        let mape = |zero| rows.metrics(Unit { size: 1.0, zero }).mape;
        assert_eq!(mape(-2.0), Some((1.0 + 1.0 / 3.0 + 0.2) / 3.0));
        assert_eq!((mape(1.0), mape(1.0 + 1e-8)), (None, None));
    }

    #[test]
    fn a_row_that_counts_twice_is_two_rows() {
        let pairs = [(1.0, 2.5), (3.0, 3.25), (8.0, 6.0), (4.0, 4.0)];
        let (mut rows, mut twice) = (JudgedNumbers::default(), JudgedNumbers::default());
        for (i, (y, predicted)) in pairs.into_iter().enumerate() {
            rows.add(y, predicted);
            (0..i).for_each(|_| twice.add(y, predicted));
        }
        let counted = RankedNumbers::new(&rows).metrics(&[0.0, 1.0, 2.0, 3.0], Unit::COLUMN);
        let expected = twice.metrics(Unit::COLUMN);
        assert_eq!(counted.median_absolute_error, expected.median_absolute_error);
        let near = |a: Option<f64>, b: Option<f64>| (a.unwrap() - b.unwrap()).abs() < 1e-14;
        assert!(near(counted.rmse, expected.rmse) && near(counted.r2, expected.r2));
        assert!(near(counted.explained_variance, expected.explained_variance));
    }
}
