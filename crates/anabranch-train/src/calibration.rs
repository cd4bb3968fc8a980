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
