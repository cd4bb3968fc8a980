//! The metrics of tasks of every kind, from predictions and targets.

use anabranch_data::RegressionTarget;
use anabranch_graph::Head;
use anabranch_layers::{Loss, LossGradient, LossKind, Target, TargetKind};
use anabranch_tensor::{ArrayView2, Executor, Scalar, flat, matrix, matrix_mut};

use crate::metrics::{
    ClassificationMetrics, JudgedClasses, JudgedNumbers, RankedClasses, RankedNumbers,
    RegressionMetrics, Unit,
};

/// The metrics of one task.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskMetrics {
    /// Of each column of numbers.
    Regression(Vec<RegressionMetrics>),
    /// Of a class.
    Classification(ClassificationMetrics),
    /// Of each yes/no column, as a class of two.
    Binary(Vec<ClassificationMetrics>),
}

impl TaskMetrics {
    /// Of each column of numbers; none for other tasks.
    pub fn regression(&self) -> &[RegressionMetrics] {
        match self {
            Self::Regression(columns) => columns,
            _ => &[],
        }
    }

    /// Of the class; `None` for other tasks.
    pub fn classification(&self) -> Option<&ClassificationMetrics> {
        match self {
            Self::Classification(class) => Some(class),
            _ => None,
        }
    }
}

/// What was predicted in one task for rows that have its target, and what was true.
#[derive(Clone, Debug)]
pub struct JudgedTask {
    values: JudgedValues,
    is_trained: bool,
    /// Rows that came, judged or not.
    n_rows: usize,
    /// Which of them are judged.
    rows: Vec<usize>,
}

#[derive(Clone, Debug)]
enum JudgedValues {
    Regression {
        columns: Vec<JudgedNumbers>,
        /// How far the members of an ensemble are apart, `[rows, columns]` in the columns' units;
        /// none for a single network.
        deviations: Vec<f64>,
        targets: Vec<RegressionTarget>,
    },
    Classification {
        rows: JudgedClasses,
        log_losses: LogLosses,
    },
    Binary(Vec<JudgedClasses>),
}

/// A column of numbers that were predicted.
pub(crate) struct JudgedColumn<'a> {
    pub(crate) target: &'a RegressionTarget,
    pub(crate) rows: Vec<JudgedNumber>,
}

/// A row of a column of numbers, in the column's units.
pub(crate) struct JudgedNumber {
    pub(crate) y: f64,
    pub(crate) predicted: f64,
    /// How far the members of an ensemble are apart; 0 for a single network.
    pub(crate) deviation: f64,
}

/// The rows of a task in the orders that metrics need, from which those for any counts of rows
/// follow in one pass.
pub(crate) enum RankedTask<'a> {
    Regression(Vec<(RankedNumbers<'a>, Unit)>),
    Classification(RankedClasses<'a>),
    Binary(Vec<RankedClasses<'a>>),
}

impl JudgedTask {
    /// No rows yet, of a head with this many outputs, which predict `targets`; without targets,
    /// numbers are in the network's units.
    pub(crate) fn new(kind: TargetKind, outputs: usize, targets: &[RegressionTarget]) -> Self {
        let values = match kind {
            TargetKind::Values => JudgedValues::Regression {
                columns: vec![JudgedNumbers::default(); outputs],
                deviations: Vec::new(),
                targets: targets.to_vec(),
            },
            TargetKind::Classes => JudgedValues::Classification {
                rows: JudgedClasses::new(outputs),
                log_losses: LogLosses::default(),
            },
            TargetKind::Binary => JudgedValues::Binary(vec![JudgedClasses::new(2); outputs]),
        };
        Self { values, is_trained: true, n_rows: 0, rows: Vec::new() }
    }

    /// No rows yet, of a head that predicts `targets`; there will be none where its weight is 0 and
    /// it is not trained.
    pub(crate) fn of_head<T: Scalar>(head: &Head<T>, targets: &[RegressionTarget]) -> Self {
        let nothing = Self::new(head.loss().target_kind(), head.outputs(), targets);
        Self { is_trained: head.weight() != 0.0, ..nothing }
    }

    /// Adds those of the rows that have a target: a head's predictions `[rows, outputs]`, what they
    /// are compared with, and how far the members of an ensemble are apart, `[rows, outputs]`, none
    /// for a single network.
    pub(crate) fn add<T: Scalar>(
        &mut self,
        prediction: ArrayView2<'_, T>,
        target: Target<'_, T>,
        apart: &[f64],
        has_target: impl Fn(usize) -> bool,
    ) {
        let (n_rows, width) = prediction.dim();
        let judged: Vec<usize> =
            (0..n_rows).filter(|row| self.is_trained && has_target(*row)).collect();
        self.rows.extend(judged.iter().map(|row| self.n_rows + row));
        self.n_rows += n_rows;
        let of_row = |all: ArrayView2<'_, T>, row: usize| -> Vec<f64> {
            flat(all)[row * width..(row + 1) * width].iter().map(|x| x.to_f64()).collect()
        };
        match (&mut self.values, target) {
            (JudgedValues::Regression { columns, deviations, targets }, Target::Values(y)) => {
                for row in judged {
                    deviations
                        .extend(apart.get(row * width..(row + 1) * width).unwrap_or_default());
                    let pairs = of_row(y, row).into_iter().zip(of_row(prediction, row));
                    for (j, (column, (y, predicted))) in columns.iter_mut().zip(pairs).enumerate() {
                        let [y, predicted] = match targets.get(j) {
                            Some(target) => target.judged(y, predicted),
                            None => [y, predicted],
                        };
                        column.add(y, predicted);
                    }
                }
            }
            (JudgedValues::Classification { rows, log_losses }, Target::Classes(class)) => {
                let log_losses = log_losses.of(prediction, class);
                for row in judged {
                    let scores = of_row(prediction, row);
                    let predicted = argmax(&scores);
                    rows.add(class[row] as usize, predicted, &softmax(scores), -log_losses[row]);
                }
            }
            (JudgedValues::Binary(columns), Target::Values(y)) => {
                for row in judged {
                    let pairs = of_row(prediction, row).into_iter().zip(of_row(y, row));
                    for (rows, (z, y)) in columns.iter_mut().zip(pairs) {
                        // log σ(z) and log σ(−z), neither of which overflows this way.
                        let log_sigma =
                            |z: f64| z.min(0.0) - Scalar::ln(1.0 + Scalar::exp(-z.abs()));
                        let logs = [log_sigma(-z), log_sigma(z)];
                        let yes = usize::from(y > 0.5);
                        rows.add(yes, usize::from(z > 0.0), &logs.map(Scalar::exp), logs[yes]);
                    }
                }
            }
            // Trainer and model compare heads only with targets of their kind.
            _ => {}
        }
    }

    /// Adds the rows of another set of the same task.
    pub(crate) fn append(&mut self, other: Self) {
        self.rows.extend(other.rows.iter().map(|row| self.n_rows + row));
        self.n_rows += other.n_rows;
        match (&mut self.values, other.values) {
            (
                JudgedValues::Regression { columns, deviations, .. },
                JudgedValues::Regression { columns: more, deviations: apart, .. },
            ) => {
                columns.iter_mut().zip(more).for_each(|(column, more)| column.append(more));
                deviations.extend(apart);
            }
            (
                JudgedValues::Classification { rows, .. },
                JudgedValues::Classification { rows: more, .. },
            ) => rows.append(more),
            (JudgedValues::Binary(columns), JudgedValues::Binary(more)) => {
                columns.iter_mut().zip(more).for_each(|(rows, more)| rows.append(more));
            }
            // A task is of one kind.
            _ => {}
        }
    }

    /// Has rows say how far the members are apart that predict the same rows in `other`.
    pub(crate) fn take_deviations(&mut self, other: Self) {
        if let JudgedValues::Regression { deviations, .. } = &mut self.values
            && let JudgedValues::Regression { deviations: of_all, .. } = other.values
        {
            *deviations = of_all;
        }
    }

    /// The metrics, those of a regression in the units of its columns.
    pub fn metrics(&self) -> TaskMetrics {
        self.ranked().metrics(&vec![1.0; self.rows.len()])
    }

    /// The metrics where the i-th of all rows that came, with a target or without, counts
    /// `counts[i]` times.
    ///
    /// # Panics
    /// If fewer rows have a count.
    pub fn metrics_of(&self, counts: &[f64]) -> TaskMetrics {
        let counts: Vec<f64> = self.rows.iter().map(|row| counts[*row]).collect();
        self.ranked().metrics(&counts)
    }

    /// Number of rows that have a target.
    pub fn n_judged(&self) -> usize {
        self.rows.len()
    }

    /// The rows of a class; none of numbers.
    pub(crate) fn classes(&self) -> Option<&JudgedClasses> {
        match &self.values {
            JudgedValues::Classification { rows, .. } => Some(rows),
            _ => None,
        }
    }

    /// The columns of numbers whose targets are known, in their units; none of a class.
    pub(crate) fn columns(&self) -> Vec<JudgedColumn<'_>> {
        let JudgedValues::Regression { columns, deviations, targets } = &self.values else {
            return Vec::new();
        };
        let of_column = |(j, (rows, target)): (usize, (&JudgedNumbers, &'_ RegressionTarget))| {
            // None for a single network.
            let deviations = deviations.iter().skip(j).step_by(columns.len()).copied();
            let deviations = deviations.chain(std::iter::repeat(0.0));
            let rows = rows.pairs().zip(deviations).map(|(pair, deviation)| {
                let [y, predicted] = pair.map(|judged| target.from_judged(judged));
                JudgedNumber { y, predicted, deviation }
            });
            rows.collect()
        };
        let rows = columns.iter().zip(targets).enumerate().map(of_column);
        targets.iter().zip(rows).map(|(target, rows)| JudgedColumn { target, rows }).collect()
    }

    pub(crate) fn ranked(&self) -> RankedTask<'_> {
        match &self.values {
            JudgedValues::Regression { columns, targets, .. } => {
                let units = targets.iter().map(unit).chain(std::iter::repeat(Unit::COLUMN));
                RankedTask::Regression(columns.iter().map(RankedNumbers::new).zip(units).collect())
            }
            JudgedValues::Classification { rows, .. } => {
                RankedTask::Classification(RankedClasses::new(rows))
            }
            JudgedValues::Binary(columns) => {
                RankedTask::Binary(columns.iter().map(RankedClasses::new).collect())
            }
        }
    }
}

impl RankedTask<'_> {
    /// The metrics, where the i-th judged row counts `counts[i]` times.
    pub(crate) fn metrics(&self, counts: &[f64]) -> TaskMetrics {
        match self {
            Self::Regression(columns) => {
                let metrics = columns.iter().map(|(column, unit)| column.metrics(counts, *unit));
                TaskMetrics::Regression(metrics.collect())
            }
            Self::Classification(rows) => TaskMetrics::Classification(rows.metrics(counts)),
            Self::Binary(columns) => {
                TaskMetrics::Binary(columns.iter().map(|rows| rows.metrics(counts)).collect())
            }
        }
    }
}

/// −log softmax(z)\[class\] of rows, in f64.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogLosses {
    z: Vec<f64>,
    d: Vec<f64>,
    of_rows: Vec<f64>,
}

impl LogLosses {
    fn of<T: Scalar>(&mut self, scores: ArrayView2<'_, T>, class: &[u32]) -> &[f64] {
        let (n_rows, n_classes) = scores.dim();
        let Self { z, d, of_rows } = self;
        z.clear();
        z.extend(flat(scores).iter().map(|z| z.to_f64()));
        d.resize(z.len(), 0.0);
        of_rows.resize(n_rows, 0.0);
        // The plain loss of training; its derivative is not needed here.
        let loss: Box<dyn Loss<f64>> = LossKind::CROSS_ENTROPY.boxed();
        loss.gradient(LossGradient {
            exec: &Executor::serial(),
            prediction: matrix(z, n_rows, n_classes),
            target: Target::Classes(class),
            scale: 1.0,
            d: matrix_mut(d, n_rows, n_classes),
            row_losses: of_rows,
        });
        of_rows
    }
}

/// The units in which a column's numbers are judged.
pub(crate) fn unit(target: &RegressionTarget) -> Unit {
    Unit { size: target.unit(), zero: target.zero() }
}

/// The probabilities of classes with these scores.
fn softmax(mut scores: Vec<f64>) -> Vec<f64> {
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores.iter_mut().for_each(|z| *z = Scalar::exp(*z - max));
    let sum: f64 = scores.iter().sum();
    scores.iter_mut().for_each(|p| *p /= sum);
    scores
}

/// The first of the largest scores; 0 if all are NaN.
pub(crate) fn argmax<T: Scalar>(z: &[T]) -> usize {
    let max = anabranch_tensor::rows::row_max(z);
    z.iter().position(|z| *z == max).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use anabranch_tensor::ndarray::Array2;
    use serde_json::Value;

    use super::*;
    use crate::metrics::pinball;

    fn numbers(value: &Value) -> Vec<f64> {
        match value.as_array() {
            Some(values) => values.iter().flat_map(numbers).collect(),
            None => vec![value.as_f64().unwrap()],
        }
    }

    /// Adds the rows of a case, with a row of nonsense after each that has no target.
    fn judged(kind: TargetKind, case: &Value) -> TaskMetrics {
        let is_number = kind == TargetKind::Values;
        let truth = numbers(&case[if is_number { "y" } else { "class" }]);
        let outputs = numbers(&case[if is_number { "predicted" } else { "scores" }]);
        let width = outputs.len() / truth.len();
        let mut task = JudgedTask::new(kind, width, &[]);
        for (y, z) in truth.iter().zip(outputs.chunks_exact(width)) {
            let z = Array2::from_shape_fn((2, width), |(i, j)| if i == 0 { z[j] } else { 1e3 });
            let (class, y) = ([*y as u32, 0], Array2::from_shape_vec((2, 1), vec![*y, 0.0]));
            let y = y.unwrap();
            let target = if is_number { Target::Values(y.view()) } else { Target::Classes(&class) };
            task.add(z.view(), target, &[], |row| row == 0);
        }
        assert_eq!((task.n_rows, task.n_judged()), (2 * truth.len(), truth.len()));
        task.metrics()
    }

    fn near(key: &str, found: Option<f64>, case: &Value) {
        match (found, case[key].as_f64()) {
            (Some(found), Some(expected)) => {
                assert!((found - expected).abs() < 1e-12, "{key}: {found} {expected}");
            }
            (found, expected) => assert_eq!(found, expected, "{key}"),
        }
    }

    /// Sums of a hundred terms in another order.
    #[test]
    fn metrics_are_those_of_scikit_learn() {
        let cases: Value =
            serde_json::from_str(include_str!("../tests/fixtures/metrics.json")).unwrap();
        for case in cases["numbers"].as_array().unwrap() {
            let task = judged(TargetKind::Values, case);
            let m = task.regression()[0];
            near("rmse", m.rmse, case);
            near("mae", m.mae, case);
            near("r2", m.r2, case);
            near("median_absolute_error", m.median_absolute_error, case);
            near("mape", m.mape, case);
            near("explained_variance", m.explained_variance, case);
            let pairs: Vec<(f64, f64)> =
                numbers(&case["y"]).into_iter().zip(numbers(&case["predicted"])).collect();
            for (level, expected) in [0.05, 0.5, 0.9].into_iter().zip(numbers(&case["pinball"])) {
                let losses = pairs.iter().map(|(y, predicted)| pinball(*y, *predicted, level));
                let mean = losses.sum::<f64>() / pairs.len() as f64;
                assert!((mean - expected).abs() < 1e-12, "pinball {level}: {mean} {expected}");
            }
        }
        for case in cases["classes"].as_array().unwrap() {
            let task = judged(TargetKind::Classes, case);
            let m = task.classification().unwrap();
            near("accuracy", m.accuracy, case);
            near("log_loss", m.log_loss, case);
            near("macro_f1", m.macro_f1, case);
            near("balanced_accuracy", m.balanced_accuracy, case);
            near("auroc", m.auroc, case);
            near("average_precision", m.average_precision, case);
            near("brier", m.brier, case);
            near("quadratic_kappa", m.quadratic_kappa, case);
            near("calibration_error", m.calibration_error, case);
            assert_eq!(m.confusion, numbers(&case["confusion"]));
        }
    }
}
