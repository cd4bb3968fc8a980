//! Bootstrap intervals: how much a metric owes to which rows happened to be judged.
//!
//! As many rows as there are get drawn with replacement, again and again; between which values the
//! metric of the drawn rows lies in 95 of 100 draws is its interval (the percentile interval of
//! Efron, *The Annals of Statistics*, 1979). It says nothing about another training.

use anabranch_tensor::random::{Purpose, Random};

use crate::metrics::{ClassificationMetrics, RegressionMetrics};
use crate::task_metrics::{JudgedTask, TaskMetrics};

/// Draws, and the most rows that are drawn in all of them: of more than 4,000 rows there are fewer
/// draws.
const DRAWS: usize = 1_000;
const FEWEST_DRAWS: usize = 200;
const MOST_ROWS: usize = 4_000_000;

/// Below and above these shares of the draws an interval ends.
const ENDS: [f64; 2] = [0.025, 0.975];

impl JudgedTask {
    /// The lower and the upper end of the 95 % bootstrap interval of each metric, by draws from
    /// `seed`; undefined where the metric is undefined in half of the draws. There is none of the
    /// confusion matrix.
    pub fn intervals(&self, seed: u64) -> [TaskMetrics; 2] {
        let (n_rows, ranked) = (self.n_judged(), self.ranked());
        let n_draws = (MOST_ROWS / n_rows.max(1)).clamp(FEWEST_DRAWS, DRAWS);
        let n_draws = if n_rows == 0 { 0 } else { n_draws };
        let mut counts = vec![0.0; n_rows];
        let mut draws: Vec<Vec<Option<f64>>> = Vec::with_capacity(n_draws);
        for draw in 0..n_draws {
            let mut random = Random::new(seed, Purpose::Sample, draw as u64);
            counts.fill(0.0);
            (0..n_rows).for_each(|_| counts[random.below(n_rows as u64) as usize] += 1.0);
            draws.push(values(&ranked.metrics(&counts)));
        }
        let all = ranked.metrics(&vec![1.0; n_rows]);
        let ends: Vec<[Option<f64>; 2]> =
            (0..values(&all).len()).map(|metric| percentiles(&draws, metric)).collect();
        [0, 1].map(|end| of_values(&all, &mut ends.iter().map(|ends| ends[end])))
    }
}

/// All metrics of a task, one after the other.
fn values(metrics: &TaskMetrics) -> Vec<Option<f64>> {
    match metrics {
        TaskMetrics::Regression(columns) => {
            columns.iter().flat_map(RegressionMetrics::values).collect()
        }
        TaskMetrics::Classification(class) => class.values().to_vec(),
        TaskMetrics::Binary(columns) => {
            columns.iter().flat_map(ClassificationMetrics::values).collect()
        }
    }
}

/// Metrics of the same task with other values.
fn of_values(like: &TaskMetrics, values: &mut dyn Iterator<Item = Option<f64>>) -> TaskMetrics {
    let mut next = || values.next().flatten();
    match like {
        TaskMetrics::Regression(columns) => {
            let column = |_| RegressionMetrics::of_values(std::array::from_fn(|_| next()));
            TaskMetrics::Regression(columns.iter().map(column).collect())
        }
        TaskMetrics::Classification(_) => {
            let values = std::array::from_fn(|_| next());
            TaskMetrics::Classification(ClassificationMetrics::of_values(values))
        }
        TaskMetrics::Binary(columns) => {
            let column = |_| ClassificationMetrics::of_values(std::array::from_fn(|_| next()));
            TaskMetrics::Binary(columns.iter().map(column).collect())
        }
    }
}

/// Both ends of the interval of a metric: between two draws, in a straight line.
fn percentiles(draws: &[Vec<Option<f64>>], metric: usize) -> [Option<f64>; 2] {
    let mut found: Vec<f64> = draws.iter().filter_map(|draw| draw[metric]).collect();
    if found.is_empty() || 2 * found.len() < draws.len() {
        return [None; 2];
    }
    found.sort_unstable_by(f64::total_cmp);
    let last = found.len() - 1;
    ENDS.map(|share| {
        let place = share * last as f64;
        let below = place.floor();
        let [low, high] = [below as usize, last.min(below as usize + 1)].map(|i| found[i]);
        Some(low + (place - below) * (high - low))
    })
}

#[cfg(test)]
mod tests {
    use anabranch_layers::{Target, TargetKind};
    use anabranch_tensor::ndarray::Array2;

    use super::*;

    /// Predictions that are off by e, for errors of both signs.
    fn numbers(errors: impl Iterator<Item = f64> + Clone) -> JudgedTask {
        let n = errors.clone().count();
        let y = Array2::from_shape_fn((n, 1), |(i, _)| i as f64);
        let mut predicted = y.clone();
        predicted.iter_mut().zip(errors).for_each(|(y, e)| *y += e);
        let mut task = JudgedTask::new(TargetKind::Values, 1, &[]);
        task.add(predicted.view(), Target::Values(y.view()), &[], |_| true);
        task
    }

    /// The mean of n absolute errors with deviation s is normal with deviation s/√n: 95 % lie
    /// within 1.96 of these. A thousand draws tell the ends to about 5 %.
    #[test]
    fn an_interval_is_that_of_a_mean() {
        let mut random = Random::new(3, Purpose::Sample, 0);
        let errors: Vec<f64> = (0..400).map(|_| random.normal()).collect();
        let (mean, square) = errors
            .iter()
            .fold((0.0, 0.0), |(mean, square), e| (mean + e.abs() / 400.0, square + e * e / 400.0));
        let expected = 1.96 * f64::sqrt((square - mean * mean) / 400.0);
        let task = numbers(errors.into_iter());
        let [low, high] = task.intervals(1).map(|ends| ends.regression()[0].mae.unwrap());
        assert!((high - mean - expected).abs() < 0.1 * expected, "{mean} {expected} {high}");
        assert!((mean - low - expected).abs() < 0.1 * expected, "{mean} {expected} {low}");
        assert_eq!(task.intervals(1), task.intervals(1));
        assert_ne!(task.intervals(1), task.intervals(2));
    }

    #[test]
    fn what_is_undefined_has_no_interval() {
        let [low, high] = numbers(std::iter::empty()).intervals(1);
        assert_eq!((low.regression()[0].rmse, high.regression()[0].r2), (None, None));
        // All rows of one class: no draw has an area under the curve.
        let mut task = JudgedTask::new(TargetKind::Classes, 2, &[]);
        let scores = Array2::from_shape_fn((9, 2), |(i, j)| (i * j) as f64 / 4.0 - 1.0);
        task.add(scores.view(), Target::Classes(&[1; 9]), &[], |_| true);
        let class = task.intervals(1)[0].classification().unwrap().clone();
        assert!(class.auroc.is_none() && class.log_loss.is_some(), "{class:?}");
    }

    /// numpy: `np.percentile([1, 2, 4, 8, 16], [2.5, 97.5])` is 1.1, 15.2.
    #[test]
    fn ends_lie_between_draws() {
        let draws: Vec<Vec<Option<f64>>> =
            [8.0, 1.0, 16.0, 2.0, 4.0].into_iter().map(|value| vec![Some(value)]).collect();
        let [low, high] = percentiles(&draws, 0).map(Option::unwrap);
        assert!((low - 1.1).abs() < 1e-14 && (high - 15.2).abs() < 1e-14, "{low} {high}");
        let rare = [vec![Some(1.0)], vec![None], vec![None]];
        assert_eq!(percentiles(&rare, 0), [None; 2]);
    }
}
