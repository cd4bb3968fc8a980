//! Split-conformal prediction: intervals and sets that hold the truth in a stated share of rows.
//!
//! n rows that trained nothing have scores: how far their truth is from what was predicted. A new
//! row's score is one more of the same kind, so with probability P or more it is at most the k-th
//! smallest of the n, k = ⌈(n+1)·P⌉ (Vovk et al., *Algorithmic Learning in a Random World*, 2005;
//! Lei et al., *JASA* 2018). All values with such scores are the interval, or the set.
//!
//! The rows trained no weights, but told when to stop and what to mix, so their scores are a little
//! smaller than a new row's: k is half a standard error of a share of n rows higher,
//! ½·√(n·P·(1−P)), and n at most. What is best of several on n rows is better on them than on
//! others by about as much as scores of n rows vary; the half is measured (`docs/uncertainty.md`).
//!
//! The score of a number y is |z − ẑ| on the scale that the network learns (Lei et al.), or
//! |y − ŷ|/(σ + σ̄), where σ is how far the members of an ensemble are apart in the row, and σ̄ the
//! mean of that.
//!
//! The score of a class is the probability of all that are more probable, and half its own: with
//! the other half drawn by chance, this is the score of adaptive prediction sets (Romano, Sesia and
//! Candès, *NeurIPS* 2020); here nothing is drawn, and the same row always has the same set. It
//! has at least the most probable class.

use anabranch_data::{RegressionTarget, Targets, TaskTarget};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a score may exceed a limit by: rows that repeat those of the limit belong to it, whatever
/// single precision made of them.
const ROUNDING: f64 = 1e-6;

/// Standard errors by which the rank of a score is higher than that of rows that told nothing.
const MARGIN: f64 = 0.5;

/// Most scores that are kept.
const MOST_SCORES: usize = 400;

/// The score of a row is at most the k-th smallest of these with the probability that belongs to
/// k.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scores {
    /// Rows that were scored.
    n_rows: usize,
    /// The smallest, next … of all scores; of more than 400 rows, 400 of them, the i-th of which,
    /// counted from 1, has the rank ⌈i·n/400⌉.
    sorted: Vec<f32>,
}

/// How the intervals of a column of numbers come from predictions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct IntervalScores {
    /// σ̄, if intervals are as wide as the members of an ensemble are apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spread: Option<f64>,
    pub(crate) scores: Scores,
}

impl IntervalScores {
    /// The intervals that belong to a coverage; none if there are too few rows.
    pub(crate) fn at<'a>(&self, target: &'a RegressionTarget, share: f64) -> Option<Interval<'a>> {
        Some(Interval { target, limit: self.scores.limit(share)?, spread: self.spread })
    }
}

/// Why there are no intervals or sets.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum CoverageError {
    /// A share that is none.
    #[error("expected a coverage above 0 and below 1, got {0}")]
    Share(f64),
    /// A model that was not calibrated.
    #[error(
        "the model has no intervals: it was trained without validation rows, or by an earlier version; train it with a \
         --validation-fraction above 0"
    )]
    NotCalibrated,
    /// Too few rows for so high a coverage.
    #[error(
        "a coverage of {share} takes {needed} validation rows with a value of {column:?}, but there are {n_rows}: ask for \
         a lower coverage, or train with a larger --validation-fraction"
    )]
    TooFewRows {
        /// What was asked for.
        share: f64,
        /// What is predicted.
        column: String,
        /// Validation rows that have it.
        n_rows: usize,
        /// Rows that it takes.
        needed: usize,
    },
}

impl Scores {
    pub(crate) fn new(mut scores: Vec<f64>) -> Self {
        scores.sort_by(f64::total_cmp);
        let n_rows = scores.len();
        let n = n_rows.min(MOST_SCORES);
        let sorted = (1..=n).map(|i| rounded_up(scores[(i * n_rows).div_ceil(n) - 1]));
        Self { n_rows, sorted: sorted.collect() }
    }

    /// What the score of another row is at most, with probability `share`; none if there are too
    /// few rows.
    fn limit(&self, share: f64) -> Option<f64> {
        // A share such as 0.9 is not exactly that.
        let whole = |rank: f64| (rank - 1e-9).ceil().max(1.0) as usize;
        let (n, rank) = (self.n_rows as f64, (self.n_rows + 1) as f64 * share);
        if whole(rank) > self.n_rows {
            return None;
        }
        let margin = MARGIN * (n * share * (1.0 - share)).sqrt();
        let rank = whole(rank + margin).min(self.n_rows);
        let place = (rank * self.sorted.len()).div_ceil(self.n_rows);
        // Of two ranks, the i-th score has at least the one that is asked for.
        self.sorted.get(place - 1).map(|score| f64::from(*score))
    }

    pub(crate) fn is_sound(&self) -> bool {
        let is_score = |score: &f32| score.is_finite() && *score >= 0.0;
        self.sorted.len() == self.n_rows.min(MOST_SCORES)
            && self.sorted.iter().all(is_score)
            && self.sorted.is_sorted()
    }
}

/// The single-precision number next to this one that is not below it.
fn rounded_up(score: f64) -> f32 {
    let near = score as f32;
    if f64::from(near) < score { near.next_up() } else { near }
}

/// Rows that a coverage takes: the fewest n with ⌈(n+1)·P⌉ ≤ n.
fn rows_needed(share: f64) -> usize {
    (share / (1.0 - share) - 1e-9).ceil().max(1.0) as usize
}

/// Refuses a share that is none, or takes more rows than `n_rows` of a column.
///
/// # Errors
/// [`CoverageError`].
pub fn check_coverage(share: f64, column: &str, n_rows: usize) -> Result<(), CoverageError> {
    if !(share > 0.0 && share < 1.0) {
        return Err(CoverageError::Share(share));
    }
    let needed = rows_needed(share);
    if n_rows < needed {
        return Err(CoverageError::TooFewRows { share, column: column.to_owned(), n_rows, needed });
    }
    Ok(())
}

/// What is added to predictions for a stated coverage.
#[derive(Clone, Debug)]
pub struct Coverage<'a> {
    share: f64,
    tasks: Vec<TaskLimits<'a>>,
}

/// The largest scores that belong to a coverage.
#[derive(Clone, Debug)]
enum TaskLimits<'a> {
    Numbers(Vec<Interval<'a>>),
    Class(f64),
}

/// The intervals of a column.
#[derive(Clone, Debug)]
pub(crate) struct Interval<'a> {
    target: &'a RegressionTarget,
    limit: f64,
    spread: Option<f64>,
}

/// How the intervals or sets of a task come from predictions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TaskScores {
    /// Of each column of numbers.
    Numbers(Vec<IntervalScores>),
    /// Of a class.
    Class(Scores),
}

impl TaskScores {
    /// The scores of each column.
    fn columns(&self) -> impl Iterator<Item = &Scores> {
        let (numbers, class) = match self {
            Self::Numbers(columns) => (&columns[..], None),
            Self::Class(scores) => (&[][..], Some(scores)),
        };
        numbers.iter().map(|column| &column.scores).chain(class)
    }

    /// Whether they can be those of a task.
    pub(crate) fn fit(&self, target: &TaskTarget) -> bool {
        let is_same = match (self, target) {
            (Self::Numbers(columns), TaskTarget::Regression(targets)) => {
                let is_width = |width: f64| width.is_finite() && width > 0.0;
                let are_widths = columns.iter().all(|column| column.spread.is_none_or(is_width));
                columns.len() == targets.len() && are_widths
            }
            (Self::Class(_), TaskTarget::Classification(_)) => true,
            _ => false,
        };
        is_same && self.columns().all(Scores::is_sound)
    }
}

/// How the interval of a column comes from a prediction, for programs that do it themselves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntervalRule {
    /// How far the ends are from the prediction: on the scale that the network learns
    /// ([`RegressionTarget::standardise`], [`RegressionTarget::predicted`]); or, where there is a
    /// `spread`, in the column's units, as a multiple of the deviation of the members and that.
    pub limit: f64,
    /// The mean deviation of the members of an ensemble, where intervals are as wide as they are
    /// apart. Ends are then within the [`RegressionTarget::bounds`].
    pub spread: Option<f64>,
}

impl<'a> Coverage<'a> {
    /// What belongs to `share`.
    pub(crate) fn new(
        share: f64,
        scores: &[TaskScores],
        targets: &'a Targets,
    ) -> Result<Self, CoverageError> {
        let too_few = |column: &str, scores: &Scores| {
            let (n_rows, needed) = (scores.n_rows, rows_needed(share));
            CoverageError::TooFewRows { share, column: column.to_owned(), n_rows, needed }
        };
        let of_task = |(scores, target): (&TaskScores, &'a TaskTarget)| match scores {
            TaskScores::Numbers(columns) => {
                let columns = columns.iter().zip(target.regression());
                let interval = |(column, target): (&IntervalScores, &'a RegressionTarget)| {
                    check_coverage(share, &target.column, column.scores.n_rows)?;
                    let found = column.at(target, share);
                    found.ok_or_else(|| too_few(&target.column, &column.scores))
                };
                Ok(TaskLimits::Numbers(columns.map(interval).collect::<Result<_, _>>()?))
            }
            TaskScores::Class(scores) => {
                let column = target.name();
                check_coverage(share, &column, scores.n_rows)?;
                let limit = scores.limit(share).ok_or_else(|| too_few(&column, scores))?;
                Ok(TaskLimits::Class(limit))
            }
        };
        let tasks = scores.iter().zip(targets.tasks()).map(of_task);
        Ok(Self { share, tasks: tasks.collect::<Result<_, _>>()? })
    }

    /// The share of rows that are to be covered.
    pub fn share(&self) -> f64 {
        self.share
    }

    /// The interval around a predicted number in the units of its column; `deviation` tells how far
    /// the members of an ensemble are apart, 0 for a single network.
    ///
    /// # Panics
    /// If there is no such task or column.
    pub fn interval(&self, task: usize, column: usize, predicted: f64, deviation: f64) -> [f64; 2] {
        let TaskLimits::Numbers(columns) = &self.tasks[task] else {
            panic!("task {task} is a class")
        };
        columns[column].around(predicted, deviation)
    }

    /// How the interval of a column comes from its prediction.
    ///
    /// # Panics
    /// If there is no such task or column.
    pub fn interval_rule(&self, task: usize, column: usize) -> IntervalRule {
        let TaskLimits::Numbers(columns) = &self.tasks[task] else {
            panic!("task {task} is a class")
        };
        columns[column].rule()
    }

    /// What the probability of all classes that are more probable than one of the set, and half its
    /// own, is at most; the most probable class is always in the set.
    ///
    /// # Panics
    /// If there is no such task.
    pub fn set_limit(&self, task: usize) -> f64 {
        self.class_limit(task) + ROUNDING
    }

    /// The classes of the set, from the most probable on.
    ///
    /// # Panics
    /// If there is no such task.
    pub fn set(&self, task: usize, probabilities: &[f32]) -> Vec<usize> {
        let probabilities: Vec<f64> = probabilities.iter().map(|p| f64::from(*p)).collect();
        set(&probabilities, self.class_limit(task))
    }

    /// The largest score of the classes of a set.
    pub(crate) fn class_limit(&self, task: usize) -> f64 {
        let TaskLimits::Class(limit) = self.tasks[task] else {
            panic!("task {task} is a regression")
        };
        limit
    }
}

impl Interval<'_> {
    fn rule(&self) -> IntervalRule {
        IntervalRule { limit: self.limit + ROUNDING, spread: self.spread }
    }

    /// That of a prediction, both in the column's units.
    pub(crate) fn around(&self, predicted: f64, deviation: f64) -> [f64; 2] {
        let target = self.target;
        let IntervalRule { limit, spread } = self.rule();
        match spread {
            None => {
                let z = target.standardise(predicted);
                [target.predicted(z - limit), target.predicted(z + limit)]
            }
            Some(mean) => {
                let half = limit * (deviation + mean);
                let [low, high] = target.bounds().unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
                [(predicted - half).max(low), (predicted + half).min(high)]
            }
        }
    }
}

/// The classes whose scores are at most `limit`, and the most probable one, in falling order of
/// their probabilities.
pub(crate) fn set(probabilities: &[f64], limit: f64) -> Vec<usize> {
    let mut found = Vec::new();
    for (class, score) in class_scores(probabilities) {
        if score > limit + ROUNDING && !found.is_empty() {
            break;
        }
        found.push(class);
    }
    found
}

/// Each class with its score, in falling order of their probabilities.
pub(crate) fn class_scores(probabilities: &[f64]) -> impl Iterator<Item = (usize, f64)> {
    let mut classes: Vec<usize> = (0..probabilities.len()).collect();
    classes.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]));
    let mut above = 0.0;
    classes.into_iter().map(move |class| {
        let p = probabilities[class];
        above += p;
        (class, above - p / 2.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(n: usize) -> Scores {
        // In no order.
        Scores::new((1..=n).map(|i| (i * 7919 % (n + 1)) as f64).collect())
    }

    /// Of n scores 1 … n, the limit is the rank itself: (n+1)·P and half of √(n·P·(1−P)), rounded
    /// up. By hand: 90 + ½·2.98, 95 + ½·2.17, 50.5 + ½·5, 18 + ½·1.31 of 19.
    #[test]
    fn the_limit_has_the_rank_of_its_share() {
        for (n, share, rank) in
            [(9, 0.9, 9.0), (19, 0.9, 19.0), (99, 0.9, 92.0), (99, 0.95, 97.0), (100, 0.5, 53.0)]
        {
            assert_eq!(scores(n).limit(share), Some(rank), "{n} {share}");
        }
        assert_eq!((scores(8).limit(0.9), Scores::default().limit(0.5)), (None, None));
        for share in [0.5, 0.75, 0.9, 0.95, 0.99] {
            let needed = rows_needed(share);
            assert!(scores(needed).limit(share).is_some(), "{share} {needed}");
            assert!(needed == 1 || scores(needed - 1).limit(share).is_none(), "{share} {needed}");
        }
    }

    /// Ranks between those that are kept are rounded up, by 1/400 of the rows at most.
    #[test]
    fn of_many_scores_four_hundred_are_enough() {
        let scores = scores(7000);
        assert_eq!(scores.sorted.len(), MOST_SCORES);
        assert!(scores.is_sound());
        for i in 1..1000 {
            let share = f64::from(i) / 1000.0;
            let margin = (7000.0 * share * (1.0 - share)).sqrt() / 2.0;
            let (limit, rank) = (scores.limit(share).unwrap(), 7001.0 * share + margin);
            assert!(
                limit >= rank - 1e-6 && limit <= rank + 1.0 + 7000.0 / 400.0,
                "{share} {limit}"
            );
        }
    }

    #[test]
    fn a_set_has_the_most_probable_classes() {
        // Scores 0.25, 0.65, 0.9 of the classes 1, 2, 0.
        let probabilities = [0.2, 0.5, 0.3];
        let in_order: Vec<(usize, f64)> = class_scores(&probabilities).collect();
        for ((class, score), (expected, near)) in
            in_order.iter().zip([(1, 0.25), (2, 0.65), (0, 0.9)])
        {
            assert!(*class == expected && (score - near).abs() < 1e-15, "{in_order:?}");
        }
        assert_eq!(set(&probabilities, 0.7), [1, 2]);
        assert_eq!(set(&probabilities, 0.95), [1, 2, 0]);
        assert_eq!(set(&probabilities, 0.1), [1], "no set is empty");
    }

    /// By hand: 3 ± 2·(1 + 0.5), where only numbers from 1 to 5 were seen: half as far again, and
    /// not below 0.
    #[test]
    fn intervals_keep_to_the_numbers_that_are_predicted() {
        let json = r#"{"column": "y", "mean": 0.0, "std": 1.0, "range": [1.0, 5.0]}"#;
        let target: RegressionTarget = serde_json::from_str(json).unwrap();
        let [least, most] = target.bounds().unwrap();
        let interval = Interval { target: &target, limit: 2.0, spread: Some(0.5) };
        let [low, high] = interval.around(3.0, 1.0);
        assert!((low - 3.0 + 3.0).abs() < 1e-5 && (high - 6.0).abs() < 1e-5, "{low} {high}");
        assert_eq!(interval.around(3.0, 100.0), [least, most]);
    }
}
