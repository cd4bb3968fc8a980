//! Metrics of predictions: RMSE, MAE and R² for numbers; accuracy, log-loss and macro-F1 for
//! classes.
//!
//! Rows are added one by one and sums kept in `f64` in row order, so that metrics do not depend on
//! how rows are batched.

/// How well numbers are predicted, in their own units. A metric that is undefined for the rows at
/// hand is `None`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegressionMetrics {
    /// Root of the mean squared error.
    pub rmse: Option<f64>,
    /// Mean absolute error.
    pub mae: Option<f64>,
    /// 1 − Σ(y−ŷ)²/Σ(y−ȳ)²; undefined when all y are equal.
    pub r2: Option<f64>,
}

/// How well classes are predicted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassificationMetrics {
    /// Fraction of rows whose most probable class is the true one.
    pub accuracy: Option<f64>,
    /// Mean of −log p(true class).
    pub log_loss: Option<f64>,
    /// Mean of the F1 scores of the classes that occur among the true or the predicted ones.
    pub macro_f1: Option<f64>,
}

/// Sums of one regression column.
#[derive(Clone, Debug, Default)]
pub struct RegressionSums {
    n: f64,
    squared_error: f64,
    absolute_error: f64,
    mean: f64,
    /// Σ(y − mean)².
    m2: f64,
}

impl RegressionSums {
    /// Adds a row: the true number `y` and the predicted one.
    pub fn add(&mut self, y: f64, predicted: f64) {
        let error = predicted - y;
        self.n += 1.0;
        self.squared_error += error * error;
        self.absolute_error += error.abs();
        // Welford's update.
        let d = y - self.mean;
        self.mean += d / self.n;
        self.m2 += d * (y - self.mean);
    }

    /// The metrics of the rows so far, where a column's unit is `unit` of the numbers taken in.
    pub fn metrics(&self, unit: f64) -> RegressionMetrics {
        let some = self.n > 0.0;
        RegressionMetrics {
            rmse: some.then(|| (self.squared_error / self.n).sqrt() * unit),
            mae: some.then(|| self.absolute_error / self.n * unit),
            r2: (self.m2 > 0.0).then(|| 1.0 - self.squared_error / self.m2),
        }
    }
}

/// Counts and sums of the class column.
#[derive(Clone, Debug)]
pub struct ClassSums {
    n: f64,
    log_loss: f64,
    /// For each class: rows of it, rows predicted as it, and rows where both hold.
    counts: Vec<[f64; 3]>,
}

impl ClassSums {
    /// Nothing yet, of `n_classes` classes.
    pub fn new(n_classes: usize) -> Self {
        Self { n: 0.0, log_loss: 0.0, counts: vec![[0.0; 3]; n_classes] }
    }

    /// Adds a row: its true class, the predicted one, and the logarithm of the true one's
    /// probability.
    ///
    /// # Panics
    /// If a class is not below the number of classes.
    pub fn add(&mut self, class: usize, predicted: usize, log_probability: f64) {
        self.n += 1.0;
        self.log_loss -= log_probability;
        self.counts[class][0] += 1.0;
        self.counts[predicted][1] += 1.0;
        if class == predicted {
            self.counts[class][2] += 1.0;
        }
    }

    /// The metrics of the rows so far.
    pub fn metrics(&self) -> ClassificationMetrics {
        let some = self.n > 0.0;
        let hits: f64 = self.counts.iter().map(|[_, _, hits]| hits).sum();
        let occurring = self.counts.iter().filter(|[rows, predicted, _]| rows + predicted > 0.0);
        let f1: Vec<f64> =
            occurring.map(|[rows, predicted, hits]| 2.0 * hits / (rows + predicted)).collect();
        ClassificationMetrics {
            accuracy: some.then(|| hits / self.n),
            log_loss: some.then(|| self.log_loss / self.n),
            macro_f1: some.then(|| f1.iter().sum::<f64>() / f1.len() as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regression_by_hand() {
        let mut sums = RegressionSums::default();
        assert_eq!(sums.metrics(1.0), RegressionMetrics { rmse: None, mae: None, r2: None });
        sums.add(1.0, 2.0);
        assert_eq!(sums.metrics(1.0).r2, None, "one row has no spread");
        sums.add(3.0, 3.0);
        sums.add(8.0, 6.0);
        // Errors 1, 0, −2; mean 4, Σ(y−4)² = 9 + 1 + 16.
        let metrics = sums.metrics(10.0);
        assert!((metrics.rmse.unwrap() - 10.0 * (5.0f64 / 3.0).sqrt()).abs() < 1e-14);
        assert!((metrics.mae.unwrap() - 10.0).abs() < 1e-14);
        assert!((metrics.r2.unwrap() - (1.0 - 5.0 / 26.0)).abs() < 1e-15);
    }

    /// scikit-learn: `f1_score([0, 0, 1, 2], [0, 1, 1, 0], average="macro")` is 0.3888…
    #[test]
    fn classification_by_hand() {
        let mut sums = ClassSums::new(5);
        for (class, predicted) in [(0, 0), (0, 1), (1, 1), (2, 0)] {
            sums.add(class, predicted, -0.25);
        }
        let metrics = sums.metrics();
        assert_eq!(metrics.accuracy, Some(0.5));
        assert_eq!(metrics.log_loss, Some(0.25));
        // F1 of the classes 0, 1, 2: 2/4, 2/3, 0; the classes 3 and 4 do not occur.
        assert!((metrics.macro_f1.unwrap() - (0.5 + 2.0 / 3.0) / 3.0).abs() < 1e-15);
        assert_eq!(ClassSums::new(2).metrics().macro_f1, None);
    }
}
