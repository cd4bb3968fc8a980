//! What the validation rows tell about a model: how far it is off, and how sure it may be.

use anabranch_data::{Targets, TaskTarget};
use serde::{Deserialize, Serialize};

use crate::conformal::{
    Coverage, CoverageError, IntervalScores, Scores, TaskScores, class_scores, set,
};
use crate::error::TrainError;
use crate::metrics::pinball;
use crate::task_metrics::{JudgedColumn, JudgedNumber, JudgedTask};
use crate::temperature::TemperatureTrial;

/// The coverage for which one kind of interval is compared with the other.
const COMPARED_AT: f64 = 0.9;

/// Intervals follow the members' spread if they are then narrower by this factor, on average, and
/// at least so many rows say so.
const NARROWER: f64 = 0.95;
const FEWEST_ROWS: usize = 100;

/// The calibration of a model's tasks, which its file holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The coverage that predictions state if nobody asks for another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) coverage: Option<f64>,
    /// For each task, what the scores of its classes are divided by, if anything.
    pub(crate) temperatures: Vec<Option<f64>>,
    /// For each task, how far predictions are off.
    pub(crate) scores: Vec<TaskScores>,
}

/// How well intervals or sets cover the truth of some rows, in one column.
#[derive(Clone, Debug, PartialEq)]
pub struct Covered {
    /// The column.
    pub column: String,
    /// The share of rows whose truth lies inside; undefined without rows.
    pub share: Option<f64>,
    /// The mean width of the intervals in the column's units, or the mean number of classes.
    pub size: Option<f64>,
    /// The mean pinball loss of both ends of the intervals, as quantiles; undefined for classes.
    pub pinball: Option<f64>,
}

impl Calibration {
    /// Calibrates on rows that trained nothing, which the model has judged without a calibration;
    /// and what temperatures are worth in each task, none for numbers.
    pub fn fit(judged: &[JudgedTask]) -> (Self, Vec<Option<TemperatureTrial>>) {
        let trial = |task: &JudgedTask| task.classes().map(TemperatureTrial::new);
        let trials: Vec<Option<TemperatureTrial>> = judged.iter().map(trial).collect();
        let temperatures: Vec<Option<f64>> =
            trials.iter().map(|trial| trial.as_ref().and_then(TemperatureTrial::used)).collect();
        let of_task = |(task, temperature): (&JudgedTask, &Option<f64>)| match task.classes() {
            Some(classes) => {
                let tempered = temperature.map(|temperature| classes.tempered(temperature));
                let classes = tempered.as_ref().unwrap_or(classes);
                let score = |(probabilities, truth): (&[f64], usize)| {
                    let mut scores = class_scores(probabilities);
                    scores.find(|(class, _)| *class == truth).map_or(1.0, |(_, score)| score)
                };
                TaskScores::Class(Scores::new(classes.rows().map(score).collect()))
            }
            None => TaskScores::Numbers(task.columns().iter().map(interval_scores).collect()),
        };
        let scores = judged.iter().zip(&temperatures).map(of_task).collect();
        (Self { coverage: None, temperatures, scores }, trials)
    }

    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Checks that this can be the calibration of these tasks.
    pub(crate) fn check(&self, targets: &Targets) -> Result<(), TrainError> {
        if self.is_none() {
            return Ok(());
        }
        let tasks = targets.tasks();
        let is_temperature = |t: &f64| t.is_finite() && *t > 0.0;
        let is_share = |share: f64| share > 0.0 && share < 1.0;
        let fits = self.scores.len() == tasks.len()
            && self.temperatures.len() == tasks.len()
            && self.temperatures.iter().flatten().all(is_temperature)
            && self.coverage.is_none_or(is_share)
            && self.scores.iter().zip(tasks).all(|(scores, task)| scores.fit(task));
        if fits { Ok(()) } else { Err(TrainError::Calibration) }
    }

    /// The same, with the coverage that predictions state if nobody asks for another one.
    #[must_use]
    pub fn stating(self, coverage: Option<f64>) -> Self {
        Self { coverage, ..self }
    }

    /// The coverage that predictions state if nobody asks for another one.
    pub fn coverage(&self) -> Option<f64> {
        self.coverage
    }

    /// What the scores of a task's classes are divided by, if anything.
    pub fn temperature(&self, task: usize) -> Option<f64> {
        *self.temperatures.get(task)?
    }

    /// What belongs to a coverage.
    pub(crate) fn at<'a>(
        &self,
        share: f64,
        targets: &'a Targets,
    ) -> Result<Coverage<'a>, CoverageError> {
        if self.scores.is_empty() {
            return Err(CoverageError::NotCalibrated);
        }
        Coverage::new(share, &self.scores, targets)
    }
}

impl Coverage<'_> {
    /// How well the intervals and sets cover the truth of rows that the model has judged, column by
    /// column.
    ///
    /// # Panics
    /// If the rows are those of other tasks.
    pub fn judge(&self, judged: &[JudgedTask], targets: &Targets) -> Vec<Covered> {
        let tasks = judged.iter().zip(targets.tasks()).enumerate();
        let of_task =
            |(number, (task, target)): (usize, (&JudgedTask, &TaskTarget))| match task.classes() {
                Some(classes) => {
                    let (mut n, mut hits, mut sizes) = (0.0, 0.0, 0.0);
                    for (probabilities, truth) in classes.rows() {
                        let set = set(probabilities, self.class_limit(number));
                        n += 1.0;
                        hits += f64::from(u8::from(set.contains(&truth)));
                        sizes += set.len() as f64;
                    }
                    let some = |sum: f64| (n > 0.0).then(|| sum / n);
                    let (share, size) = (some(hits), some(sizes));
                    vec![Covered { column: target.name(), share, size, pinball: None }]
                }
                None => {
                    let columns = task.columns();
                    let of_column = |(j, column)| self.judge_numbers(number, j, column);
                    columns.iter().enumerate().map(of_column).collect::<Vec<Covered>>()
                }
            };
        tasks.flat_map(of_task).collect()
    }

    fn judge_numbers(&self, task: usize, j: usize, column: &JudgedColumn<'_>) -> Covered {
        let tail = (1.0 - self.share()) / 2.0;
        let (mut n, mut hits, mut widths, mut losses) = (0.0, 0.0, 0.0, 0.0);
        for row in &column.rows {
            let [low, high] = self.interval(task, j, row.predicted, row.deviation);
            n += 1.0;
            hits += f64::from(u8::from((low..=high).contains(&row.y)));
            widths += high - low;
            losses += (pinball(row.y, low, tail) + pinball(row.y, high, 1.0 - tail)) / 2.0;
        }
        let some = |sum: f64| (n > 0.0).then(|| sum / n);
        let (share, size, pinball) = (some(hits), some(widths), some(losses));
        Covered { column: column.target.column.clone(), share, size, pinball }
    }
}

/// How far a column's predictions are off: on the scale of the network, or where the members of an
/// ensemble tell the rows that are off from the others, in how far they are apart.
fn interval_scores(column: &JudgedColumn<'_>) -> IntervalScores {
    let JudgedColumn { target, rows } = column;
    let distance =
        |row: &JudgedNumber| (target.standardise(row.y) - target.standardise(row.predicted)).abs();
    let scores = Scores::new(rows.iter().map(distance).collect());
    let plain = IntervalScores { spread: None, scores };
    let n = rows.len() as f64;
    let spread = rows.iter().map(|row| row.deviation).sum::<f64>() / n;
    if rows.len() < FEWEST_ROWS || spread.is_nan() || spread <= 0.0 {
        return plain;
    }
    let score = |row: &JudgedNumber| (row.y - row.predicted).abs() / (row.deviation + spread);
    let scores = Scores::new(rows.iter().map(score).collect());
    let by_spread = IntervalScores { spread: Some(spread), scores };
    let width = |scores: &IntervalScores| {
        let width = |[low, high]: [f64; 2]| high - low;
        let around = scores.at(target, COMPARED_AT)?;
        Some(rows.iter().map(|row| width(around.around(row.predicted, row.deviation))).sum::<f64>())
    };
    match (width(&plain), width(&by_spread)) {
        (Some(plain_width), Some(width)) if width < NARROWER * plain_width => by_spread,
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use anabranch_layers::{Target, TargetKind};
    use anabranch_tensor::matrix;

    use super::*;

    fn numbers() -> Targets {
        let json = r#"{"tasks": [{"regression": [{"column": "y", "mean": 0.0, "std": 1.0}]}]}"#;
        serde_json::from_str(json).unwrap()
    }

    /// A column of numbers, predicted as 0 by members that are `apart`.
    fn judged(targets: &Targets, y: &[f64], apart: &[f64]) -> JudgedTask {
        let columns = targets.tasks()[0].regression();
        let mut task = JudgedTask::new(TargetKind::Values, 1, columns);
        let zeros = vec![0.0; y.len()];
        let (n, target) = (y.len(), Target::Values(matrix(y, y.len(), 1)));
        task.add(matrix(&zeros, n, 1), target, apart, |_| true);
        task
    }

    /// By hand: half of the rows lie within ±1, with a quarter on each side. The pinball losses of
    /// 0 are ¼·1 and (1 − ¾)·1; those of 3 are ¼·4 and ¾·2.
    #[test]
    fn both_ends_of_an_interval_are_judged() {
        let (targets, scores) = (numbers(), Scores::new(vec![1.0]));
        let column = IntervalScores { spread: None, scores };
        let scores = [TaskScores::Numbers(vec![column])];
        let coverage = Coverage::new(0.5, &scores, &targets).unwrap();
        let task = judged(&targets, &[0.0, 3.0], &[]);
        let [found] = &coverage.judge(&[task], &targets)[..] else { panic!("one column") };
        let expected = (0.25 + 0.25 + 1.0 + 1.5) / 4.0;
        assert!((found.pinball.unwrap() - expected).abs() < 1e-5, "{found:?}");
        assert!(found.share == Some(0.5) && (found.size.unwrap() - 2.0).abs() < 1e-5, "{found:?}");
    }

    /// Errors as large as the members are apart, in rows of two kinds: widths that follow them are
    /// two thirds of plain ones. With errors of 1, they follow nothing.
    #[test]
    fn widths_follow_the_members_where_that_is_narrower_on_enough_rows() {
        let targets = numbers();
        let is_by_spread = |n: usize, error: fn(f64) -> f64| {
            let apart: Vec<f64> = (0..n).map(|i| [0.1, 3.0][i % 2]).collect();
            let y: Vec<f64> = apart.iter().map(|apart| error(*apart)).collect();
            let (calibration, _) = Calibration::fit(&[judged(&targets, &y, &apart)]);
            let TaskScores::Numbers(columns) = &calibration.scores[0] else { panic!("numbers") };
            columns[0].spread.is_some()
        };
        assert!(is_by_spread(FEWEST_ROWS, |apart| apart));
        assert!(!is_by_spread(FEWEST_ROWS - 1, |apart| apart));
        assert!(!is_by_spread(FEWEST_ROWS, |_| 1.0));
    }

    /// A coin that falls on one side in three of four rows, and is taken for one of nine in ten:
    /// the temperature, near 2, makes three quarters of it. The scores of the sides are ⅜ and ⅞,
    /// but for a quarter of a row: by at most half of 0.25·0.25/402.
    #[test]
    fn sets_are_of_the_probabilities_that_are_told() {
        let mut task = JudgedTask::new(TargetKind::Classes, 2, &[]);
        let n = 400;
        let class: Vec<u32> = (0..n).map(|i| u32::from(i / 2 < 3 * n / 8)).collect();
        let z: Vec<f64> = (0..n).flat_map(|_| [0.0, f64::ln(9.0)]).collect();
        task.add(matrix(&z, n, 2), Target::Classes(&class), &[], |_| true);
        let (calibration, _) = Calibration::fit(&[task]);
        assert!((calibration.temperature(0).unwrap() - 2.0).abs() < 2e-3);
        let TaskScores::Class(scores) = &calibration.scores[0] else { panic!("a class") };
        let json = r#"{"tasks": [{"classification": {"column": "c", "labels": ["a", "b"]}}]}"#;
        let targets: Targets = serde_json::from_str(json).unwrap();
        for (share, score) in [(0.5, 0.375), (0.9, 0.875)] {
            let scores = [TaskScores::Class(scores.clone())];
            let limit = Coverage::new(share, &scores, &targets).unwrap().class_limit(0);
            assert!((limit - score).abs() < 7.8e-5, "{share} {limit}");
        }
    }
}
