//! Temperature scaling: probabilities that are as often right as they say.
//!
//! Scores z are divided by a temperature T before the softmax, which softens all probabilities of a
//! network that is too sure of itself (T > 1) and never changes which class is the most probable
//! (Guo et al., *On Calibration of Modern Neural Networks*, 2017).
//!
//! Sixty rows that are all predicted right would have T → 0, though the next one may well be wrong.
//! So the true class of a row is not certain but 1 − ε, and ε is shared out among all K classes:
//! ε = ¼/(n + 2) of n rows, as if a quarter of a row more had been any class. (Platt,
//! *Probabilistic Outputs for Support Vector Machines*, 1999, has 1/(n + 2) of each class: a whole
//! row.) With β = 1/T, z = log p and the true class t, the loss
//!
//! ```text
//! −Σ [(1 − ε)·log softmax(βz)ₜ + ε/K·Σₖ log softmax(βz)ₖ]
//! ∂/∂β = Σ [Σₖ pₖ(β)·zₖ − (1 − ε)·zₜ − ε/K·Σₖ zₖ]
//! ```
//!
//! is convex in β, so that halving finds its least value.

use anabranch_tensor::Scalar;

use crate::metrics::{ClassificationMetrics, JudgedClasses};

/// Between which β is looked for.
const INVERSE_RANGE: [f64; 2] = [0.1, 10.0];

/// Halvings: β is then known to 10⁻⁹.
const HALVINGS: usize = 34;

/// How many rows more could have been any class.
const UNSEEN_ROWS: f64 = 0.25;

/// Rows below which a temperature that makes a network surer is chance.
const FEWEST_ROWS: usize = 50;

/// A temperature below softens too little to be worth a word.
const LEAST_SOFTENING: f64 = 1.02;

/// What a temperature is worth on rows that trained nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct TemperatureTrial {
    /// The temperature that is best on all of the rows.
    pub temperature: f64,
    /// Whether it is used.
    pub verdict: Verdict,
    /// The metrics of the rows as the network predicts them.
    pub before: ClassificationMetrics,
    /// With a temperature: each half of the rows with that of the other half.
    pub after: ClassificationMetrics,
}

/// Whether a temperature is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It softens; or the log-loss of each half of the rows, with the other half's temperature, is
    /// lower by more than its standard error.
    Used,
    /// The network is as sure as it should be; or it should be surer, but there are too few rows to
    /// tell.
    Unused,
}

impl TemperatureTrial {
    /// Tries temperatures on these rows.
    pub(crate) fn new(rows: &JudgedClasses) -> Self {
        let halves = [0, 1].map(|half| rows.every_other(half));
        let [a, b] = [0, 1].map(|half| halves[half].tempered(temperature(&halves[1 - half])));
        let after = JudgedClasses::interleaved(&a, &b);
        let gains: Vec<f64> =
            rows.log_losses().zip(after.log_losses()).map(|(a, b)| a - b).collect();
        let is_gain = gains.len() >= FEWEST_ROWS && is_above_its_error(&gains);
        let temperature = temperature(rows);
        let is_used = is_gain || temperature >= LEAST_SOFTENING;
        let verdict = if is_used { Verdict::Used } else { Verdict::Unused };
        Self { temperature, verdict, before: rows.metrics(), after: after.metrics() }
    }

    /// The temperature, if it is used.
    pub fn used(&self) -> Option<f64> {
        (self.verdict == Verdict::Used).then_some(self.temperature)
    }
}

/// Whether the mean is larger than its standard error.
fn is_above_its_error(values: &[f64]) -> bool {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    mean > 0.0 && mean * mean > squares / (n * (n - 1.0))
}

/// The temperature with which the loss of these rows is lowest.
fn temperature(rows: &JudgedClasses) -> f64 {
    let logs: Vec<f64> = rows.log_probabilities().collect();
    let n_classes = rows.n_classes();
    let unseen = UNSEEN_ROWS / ((logs.len() / n_classes) as f64 + 2.0);
    let slope = |beta: f64| -> f64 {
        let of_row = |(logs, class): (&[f64], usize)| {
            let max = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let (mut sum, mut weighted, mut of_any) = (0.0, 0.0, 0.0);
            for z in logs {
                let weight = Scalar::exp(beta * (z - max));
                sum += weight;
                weighted += weight * z;
                of_any += z / n_classes as f64;
            }
            weighted / sum - (1.0 - unseen) * logs[class] - unseen * of_any
        };
        logs.chunks_exact(n_classes).zip(rows.classes()).map(of_row).sum()
    };
    let [mut low, mut high] = INVERSE_RANGE;
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        if slope(middle) > 0.0 { high = middle } else { low = middle }
    }
    2.0 / (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows whose probabilities are those of a coin that falls as `p` says, taken for one of
    /// `claimed`.
    fn rows(p: f64, claimed: f64, n: usize) -> JudgedClasses {
        let mut rows = JudgedClasses::new(2);
        for i in 0..n {
            // In a pattern that gives both halves the same share.
            let class = usize::from(((i / 2) as f64 + 0.5) / ((n / 2) as f64) < p);
            rows.add(class, 1, &[1.0 - claimed, claimed], [1.0 - claimed, claimed][class].ln());
        }
        rows
    }

    fn logit(p: f64) -> f64 {
        (p / (1.0 - p)).ln()
    }

    /// By hand: σ(logit(0.9)/T) = 0.75, but for a quarter of a row: T = 2·ln 3/ln 3 = 2, nearly.
    #[test]
    fn a_network_that_is_too_sure_gets_a_temperature_above_one() {
        let trial = TemperatureTrial::new(&rows(0.75, 0.9, 400));
        let unseen = 0.25 / 402.0;
        let expected = logit(0.9) / logit((1.0 - unseen) * 0.75 + unseen / 2.0);
        assert!((trial.temperature - expected).abs() < 1e-7, "{trial:?}");
        assert!((trial.temperature - 2.0).abs() < 2e-3);
        assert_eq!(trial.used(), Some(trial.temperature));
        // Each half has a probability that is wrong by (0.75 − 0.5)·0.25/202 = 3.1e-4, which costs
        // half of its square over 0.75·0.25: 2.6e-7.
        let entropy = -(0.75 * 0.75f64.ln() + 0.25 * 0.25f64.ln());
        assert!((trial.after.log_loss.unwrap() - entropy - 2.6e-7).abs() < 1e-8);
        assert!(trial.before.log_loss.unwrap() > entropy + 0.05);
        assert!((trial.after.calibration_error.unwrap() - 3.1e-4).abs() < 1e-5);
        assert_eq!(trial.before.accuracy, trial.after.accuracy);
    }

    /// A quarter of a row more is no certainty: σ(logit(p)/T) = 1 − ε/2.
    #[test]
    fn a_few_right_predictions_are_no_certainty() {
        let claimed = 1.0 - 1e-9;
        let trial = TemperatureTrial::new(&rows(1.0, claimed, 30));
        let expected = logit(claimed) / logit(1.0 - 0.25 / 32.0 / 2.0);
        assert!((trial.temperature - expected).abs() < 1e-6, "{trial:?}, {expected}");
        assert_eq!(trial.used(), Some(trial.temperature));
    }

    #[test]
    fn a_network_that_is_too_unsure_gets_a_temperature_below_one() {
        let trial = TemperatureTrial::new(&rows(0.9, 0.75, 400));
        assert!((trial.used().unwrap() - 0.5).abs() < 1e-2, "{trial:?}");
        assert_eq!(TemperatureTrial::new(&rows(0.9, 0.75, 40)).used(), None, "too few rows");
    }

    /// One half is too sure of itself and the other one too unsure: what helps one harms the other.
    #[test]
    fn a_temperature_has_to_help_rows_that_did_not_choose_it() {
        let [sure, unsure] = [rows(0.55, 0.75, 200), rows(0.95, 0.75, 200)];
        let trial = TemperatureTrial::new(&JudgedClasses::interleaved(&sure, &unsure));
        assert_eq!(trial.used(), None);
        assert!(trial.after.log_loss > trial.before.log_loss, "{trial:?}");
    }

    /// By hand: the mean of 2.8 and −0.8 is 1, its standard error 1.8; that of 3 and 1 is 2 and 1.
    #[test]
    fn a_gain_has_to_be_larger_than_its_error() {
        assert!(is_above_its_error(&[3.0, 1.0]));
        assert!(!is_above_its_error(&[2.8, -0.8]));
        assert!(!is_above_its_error(&[-3.0, -1.0]));
    }

    #[test]
    fn what_is_right_or_cannot_be_told_is_left_as_it_is() {
        assert_eq!(TemperatureTrial::new(&rows(0.75, 0.75, 400)).used(), None);
        assert_eq!(TemperatureTrial::new(&JudgedClasses::new(3)).used(), None);
    }
}
