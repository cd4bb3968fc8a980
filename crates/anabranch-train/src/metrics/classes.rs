//! Metrics of classes.

use anabranch_tensor::Scalar;

use super::ranking::{Ranked, Ranking};

/// Bins of the confidence in the expected calibration error.
const BINS: usize = 15;

/// How well classes are predicted. A metric that is undefined for the rows at hand is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassificationMetrics {
    /// Fraction of rows whose most probable class is the true one.
    pub accuracy: Option<f64>,
    /// Mean of −log p(true class).
    pub log_loss: Option<f64>,
    /// Mean of the F1 scores of the classes that occur among the true or the predicted ones.
    pub macro_f1: Option<f64>,
    /// Mean of the recalls of the classes that occur.
    pub balanced_accuracy: Option<f64>,
    /// Area under the receiver operating characteristic: of two classes, of the second one; of
    /// more, the mean over the classes that occur, each against the rest. Undefined where one class
    /// has all rows.
    pub auroc: Option<f64>,
    /// Average precision, of the same classes.
    pub average_precision: Option<f64>,
    /// Mean of Σ(p − [true class])² over the classes; of two classes, half of it.
    pub brier: Option<f64>,
    /// Cohen's kappa, by the squared distance of two classes in their order; undefined where all
    /// rows are, and are predicted as, one class. It means little where classes have no order.
    pub quadratic_kappa: Option<f64>,
    /// Expected calibration error: the mean distance, by rows, of confidence and accuracy in 15
    /// bins of the confidence, which is the probability of the predicted class (Guo et al., *On
    /// Calibration of Modern Neural Networks*, 2017).
    pub calibration_error: Option<f64>,
    /// `[n_classes, n_classes]`: rows of each class, by the class that they are predicted as.
    pub confusion: Vec<f64>,
}

impl ClassificationMetrics {
    /// The metrics in order, without the confusion matrix.
    pub(crate) fn values(&self) -> [Option<f64>; 9] {
        [
            self.accuracy,
            self.log_loss,
            self.macro_f1,
            self.balanced_accuracy,
            self.auroc,
            self.average_precision,
            self.brier,
            self.quadratic_kappa,
            self.calibration_error,
        ]
    }

    /// Metrics with these [`values`](Self::values).
    pub(crate) fn of_values(values: [Option<f64>; 9]) -> Self {
        let [accuracy, log_loss, macro_f1, balanced_accuracy, auroc, average_precision, ..] =
            values;
        let [.., brier, quadratic_kappa, calibration_error] = values;
        Self {
            accuracy,
            log_loss,
            macro_f1,
            balanced_accuracy,
            auroc,
            average_precision,
            brier,
            quadratic_kappa,
            calibration_error,
            confusion: Vec::new(),
        }
    }
}

/// True classes of rows, and what was predicted for them.
#[derive(Clone, Debug)]
pub struct JudgedClasses {
    n_classes: usize,
    class: Vec<usize>,
    predicted: Vec<usize>,
    /// Of the true class.
    log_probability: Vec<f64>,
    /// `[rows, n_classes]`.
    probabilities: Vec<f64>,
}

impl JudgedClasses {
    /// Nothing yet, of `n_classes` classes.
    pub fn new(n_classes: usize) -> Self {
        let (class, predicted) = (Vec::new(), Vec::new());
        let (log_probability, probabilities) = (Vec::new(), Vec::new());
        Self { n_classes, class, predicted, log_probability, probabilities }
    }

    /// Adds a row: its true class, the predicted one, the probability of each class, and the
    /// logarithm of the true one's.
    ///
    /// # Panics
    /// If a class is not below the number of classes, or there are not as many probabilities.
    pub fn add(
        &mut self,
        class: usize,
        predicted: usize,
        probabilities: &[f64],
        log_probability: f64,
    ) {
        assert!(class.max(predicted) < self.n_classes, "{class}, {predicted} of {self:?}");
        assert_eq!(probabilities.len(), self.n_classes, "probabilities of a row");
        self.class.push(class);
        self.predicted.push(predicted);
        self.log_probability.push(log_probability);
        self.probabilities.extend(probabilities);
    }

    /// Adds the rows of another set, of the same classes.
    pub(crate) fn append(&mut self, other: Self) {
        self.class.extend(other.class);
        self.predicted.extend(other.predicted);
        self.log_probability.extend(other.log_probability);
        self.probabilities.extend(other.probabilities);
    }

    /// Every second row, from the first or the second on.
    pub(crate) fn every_other(&self, first: usize) -> Self {
        let mut half = Self::new(self.n_classes);
        (first..self.class.len()).step_by(2).for_each(|row| half.copy(self, row));
        half
    }

    /// The rows of two sets by turns.
    pub(crate) fn interleaved(a: &Self, b: &Self) -> Self {
        let mut all = Self::new(a.n_classes);
        for row in 0..a.class.len() {
            all.copy(a, row);
            if row < b.class.len() {
                all.copy(b, row);
            }
        }
        all
    }

    fn copy(&mut self, from: &Self, row: usize) {
        let (class, predicted) = (from.class[row], from.predicted[row]);
        let probabilities = &from.probabilities[row * self.n_classes..][..self.n_classes];
        self.add(class, predicted, probabilities, from.log_probability[row]);
    }

    /// The rows with the logarithms of their probabilities divided by a temperature.
    pub(crate) fn tempered(&self, temperature: f64) -> Self {
        let mut tempered = Self::new(self.n_classes);
        let logs: Vec<f64> = self.log_probabilities().map(|z| z / temperature).collect();
        let rows = logs.chunks_exact(self.n_classes.max(1)).zip(&self.class).zip(&self.predicted);
        for ((logs, class), predicted) in rows {
            let max = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum = logs.iter().map(|z| Scalar::exp(z - max)).sum::<f64>();
            let log_sum = max + Scalar::ln(sum);
            let probabilities: Vec<f64> = logs.iter().map(|z| Scalar::exp(*z - log_sum)).collect();
            tempered.add(*class, *predicted, &probabilities, logs[*class] - log_sum);
        }
        tempered
    }

    pub(crate) fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// The true class of each row.
    pub(crate) fn classes(&self) -> impl Iterator<Item = usize> {
        self.class.iter().copied()
    }

    /// The log-loss of each row.
    pub(crate) fn log_losses(&self) -> impl Iterator<Item = f64> {
        self.log_probability.iter().map(|log_p| -log_p)
    }

    /// The logarithm of each probability, `[rows, n_classes]`, of a class that cannot be that of
    /// the smallest number that there is.
    pub(crate) fn log_probabilities(&self) -> impl Iterator<Item = f64> {
        self.probabilities.iter().map(|p| Scalar::ln(p.max(f64::MIN_POSITIVE)))
    }

    /// The probabilities and the true class of each row.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&[f64], usize)> {
        self.probabilities.chunks_exact(self.n_classes.max(1)).zip(self.classes())
    }

    /// The metrics of all rows.
    pub fn metrics(&self) -> ClassificationMetrics {
        RankedClasses::new(self).metrics(&vec![1.0; self.class.len()])
    }
}

/// Rows with their order by the probability of each class, from which metrics for any counts of
/// rows follow in one pass.
pub(crate) struct RankedClasses<'a> {
    rows: &'a JudgedClasses,
    /// The classes that are told from the rest, with the order of rows by their probability.
    rankings: Vec<(usize, Ranking)>,
    /// The squared distance of each row's probabilities from the truth.
    squares: Vec<f64>,
}

impl<'a> RankedClasses<'a> {
    pub(crate) fn new(rows: &'a JudgedClasses) -> Self {
        let n_classes = rows.n_classes;
        let classes = if n_classes == 2 { 1..2 } else { 0..n_classes };
        let ranking = |class: usize| {
            let of_class = rows.probabilities.iter().skip(class).step_by(n_classes);
            (class, Ranking::new(&of_class.copied().collect::<Vec<f64>>()))
        };
        let distance = |(probabilities, class): (&[f64], &usize)| {
            let squares = probabilities.iter().enumerate().map(|(k, p)| {
                let d = if k == *class { p - 1.0 } else { *p };
                d * d
            });
            squares.sum::<f64>() / if n_classes == 2 { 2.0 } else { 1.0 }
        };
        let squares = rows.probabilities.chunks_exact(n_classes.max(1)).zip(&rows.class);
        Self {
            rows,
            rankings: classes.map(ranking).collect(),
            squares: squares.map(distance).collect(),
        }
    }

    /// The metrics, where row i counts `counts[i]` times.
    pub(crate) fn metrics(&self, counts: &[f64]) -> ClassificationMetrics {
        let n_classes = self.rows.n_classes;
        let (mut n, mut log_loss, mut squares) = (0.0, 0.0, 0.0);
        let mut confusion = vec![0.0; n_classes * n_classes];
        // Rows, hits and the sum of confidences.
        let mut bins = [[0.0; 3]; BINS];
        for (row, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0.0) {
            let (class, predicted) = (self.rows.class[row], self.rows.predicted[row]);
            n += count;
            log_loss -= count * self.rows.log_probability[row];
            squares += count * self.squares[row];
            confusion[class * n_classes + predicted] += count;
            let confidence = self.rows.probabilities[row * n_classes + predicted];
            let bin = &mut bins[bin(confidence)];
            bin[0] += count;
            bin[1] += if class == predicted { *count } else { 0.0 };
            bin[2] += count * confidence;
        }
        let some = |value: f64| (n > 0.0).then_some(value);
        let Counts { rows, predicted, hits } = Counts::of(&confusion, n_classes);
        let classes = || rows.iter().zip(&predicted).zip(&hits);
        let f1 = classes().filter(|((rows, predicted), _)| *rows + *predicted > 0.0);
        let f1 = f1.map(|((rows, predicted), hits)| 2.0 * hits / (rows + predicted));
        let recalls = classes().filter(|((rows, _), _)| **rows > 0.0);
        let recalls = recalls.map(|((rows, _), hits)| hits / rows);
        let gaps = bins.iter().map(|[_, hits, confidence]| (hits - confidence).abs());
        let (auroc, average_precision) = self.ranked(counts);
        ClassificationMetrics {
            accuracy: some(hits.iter().sum::<f64>() / n),
            log_loss: some(log_loss / n),
            macro_f1: mean(f1),
            balanced_accuracy: mean(recalls),
            auroc,
            average_precision,
            brier: some(squares / n),
            quadratic_kappa: quadratic_kappa(&confusion, &rows, &predicted, n),
            calibration_error: some(gaps.sum::<f64>() / n),
            confusion,
        }
    }

    /// The area under the curve and the average precision.
    fn ranked(&self, counts: &[f64]) -> (Option<f64>, Option<f64>) {
        let judge = |(class, ranking): &(usize, Ranking)| {
            ranking.judge(counts, |row| self.rows.class[row] == *class)
        };
        let ranked: Vec<Ranked> = self.rankings.iter().filter_map(judge).collect();
        let of = |metric: fn(&Ranked) -> f64| mean(ranked.iter().map(metric));
        (of(|ranked| ranked.auroc), of(|ranked| ranked.average_precision))
    }
}

/// For each class: rows of it, rows predicted as it, and rows where both hold.
struct Counts {
    rows: Vec<f64>,
    predicted: Vec<f64>,
    hits: Vec<f64>,
}

impl Counts {
    fn of(confusion: &[f64], n_classes: usize) -> Self {
        let row = |class: usize| &confusion[class * n_classes..][..n_classes];
        let column = |class: usize| confusion.iter().skip(class).step_by(n_classes);
        Self {
            rows: (0..n_classes).map(|class| row(class).iter().sum()).collect(),
            predicted: (0..n_classes).map(|class| column(class).sum()).collect(),
            hits: (0..n_classes).map(|class| row(class)[class]).collect(),
        }
    }
}

/// The bin of a confidence; each holds its upper end.
fn bin(confidence: f64) -> usize {
    // Also where a confidence is NaN.
    ((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1
}

/// 1 − Σ(i−j)²Oᵢⱼ/Σ(i−j)²Eᵢⱼ: O are the rows of class i that are predicted as j, E those to be
/// expected if the two had nothing to do with each other.
fn quadratic_kappa(confusion: &[f64], rows: &[f64], predicted: &[f64], n: f64) -> Option<f64> {
    let (n_classes, mut observed, mut expected) = (rows.len(), 0.0, 0.0);
    for (i, rows) in rows.iter().enumerate() {
        for (j, predicted) in predicted.iter().enumerate() {
            let distance = i.abs_diff(j) as f64;
            observed += distance * distance * confusion[i * n_classes + j];
            expected += distance * distance * rows * predicted / n;
        }
    }
    (expected > 0.0).then(|| 1.0 - observed / expected)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0.0, 0.0), |(n, sum), value| (n + 1.0, sum + value));
    (n > 0.0).then(|| sum / n)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn: `f1_score([0, 0, 1, 2], [0, 1, 1, 0], average="macro")` is 0.3888…
    #[test]
    fn classification_by_hand() {
        let mut rows = JudgedClasses::new(5);
        for (class, predicted) in [(0, 0), (0, 1), (1, 1), (2, 0)] {
            let mut probabilities = [0.0; 5];
            probabilities[predicted] = 1.0;
            rows.add(class, predicted, &probabilities, -0.25);
        }
        let metrics = rows.metrics();
        assert_eq!(metrics.accuracy, Some(0.5));
        assert_eq!(metrics.log_loss, Some(0.25));
        // F1 of the classes 0, 1, 2: 2/4, 2/3, 0; the classes 3 and 4 do not occur.
        assert!((metrics.macro_f1.unwrap() - (0.5 + 2.0 / 3.0) / 3.0).abs() < 1e-15);
        // Recalls ½, 1 and 0. All rows have confidence 1.
        assert_eq!(metrics.balanced_accuracy, Some(0.5));
        assert_eq!((metrics.brier, metrics.calibration_error), (Some(1.0), Some(0.5)));
    }

    #[test]
    fn what_is_undefined_is_none() {
        let none = JudgedClasses::new(2).metrics();
        assert_eq!(none, ClassificationMetrics { confusion: vec![0.0; 4], ..Default::default() });
        let mut rows = JudgedClasses::new(2);
        rows.add(1, 1, &[0.25, 0.75], 0.75f64.ln());
        let one_class = rows.metrics();
        assert_eq!((one_class.auroc, one_class.average_precision), (None, None));
        assert_eq!((one_class.quadratic_kappa, one_class.accuracy), (None, Some(1.0)));
    }

    #[test]
    fn each_bin_holds_its_upper_end() {
        assert_eq!([0.0, 1.0 / 15.0, 0.0667, 1.0, f64::NAN].map(bin), [0, 0, 1, 14, 0]);
    }
}
