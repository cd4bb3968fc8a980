//! The metrics of tasks of every kind, from predictions and targets.

use anabranch_data::RegressionTarget;
use anabranch_layers::{CrossEntropy, Loss, LossGradient, Target, TargetKind};
use anabranch_tensor::{ArrayView2, Executor, Scalar, flat, matrix, matrix_mut};

use crate::metrics::{ClassSums, ClassificationMetrics, RegressionMetrics, RegressionSums};

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

impl TaskMetrics {
    /// These, or undefined ones for a task that is not trained, since its weight is 0.
    pub(crate) fn of_weight(self, weight: f64) -> Self {
        if weight != 0.0 {
            return self;
        }
        let number = RegressionMetrics { rmse: None, mae: None, r2: None };
        let class = ClassificationMetrics { accuracy: None, log_loss: None, macro_f1: None };
        match self {
            Self::Regression(columns) => Self::Regression(vec![number; columns.len()]),
            Self::Classification(_) => Self::Classification(class),
            Self::Binary(columns) => Self::Binary(vec![class; columns.len()]),
        }
    }
}

/// Sums over rows for one task.
#[derive(Clone, Debug)]
pub(crate) enum TaskSums {
    Regression { sums: Vec<RegressionSums>, columns: Vec<RegressionTarget> },
    Classification { sums: ClassSums, log_losses: LogLosses },
    Binary(Vec<ClassSums>),
}

impl TaskSums {
    /// Sums for a head with this many outputs, which predict `columns`; without columns, numbers
    /// are in the network's units.
    pub(crate) fn new(kind: TargetKind, outputs: usize, columns: &[RegressionTarget]) -> Self {
        match kind {
            TargetKind::Values => Self::Regression {
                sums: vec![RegressionSums::default(); outputs],
                columns: columns.to_vec(),
            },
            TargetKind::Classes => Self::Classification {
                sums: ClassSums::new(outputs),
                log_losses: LogLosses::default(),
            },
            TargetKind::Binary => Self::Binary(vec![ClassSums::new(2); outputs]),
        }
    }

    /// Adds those of the rows that have a target: a head's predictions `[rows, outputs]`, and what
    /// they are compared with.
    pub(crate) fn add<T: Scalar>(
        &mut self,
        prediction: ArrayView2<'_, T>,
        target: Target<'_, T>,
        has_target: impl Fn(usize) -> bool,
    ) {
        let width = prediction.ncols();
        match (self, target) {
            (Self::Regression { sums, columns }, Target::Values(y)) => {
                let rows = flat(prediction).chunks_exact(width).zip(flat(y).chunks_exact(width));
                for (_, (predicted, y)) in rows.enumerate().filter(|(row, _)| has_target(*row)) {
                    for (j, ((sums, predicted), y)) in
                        sums.iter_mut().zip(predicted).zip(y).enumerate()
                    {
                        let pair = [y.to_f64(), predicted.to_f64()];
                        let [y, predicted] = match columns.get(j) {
                            Some(column) => column.judged(pair[0], pair[1]),
                            None => pair,
                        };
                        sums.add(y, predicted);
                    }
                }
            }
            (Self::Classification { sums, log_losses }, Target::Classes(class)) => {
                let log_losses = log_losses.of(prediction, class);
                let rows = flat(prediction).chunks_exact(width).zip(class).zip(log_losses);
                let rows = rows.enumerate().filter(|(row, _)| has_target(*row));
                for (_, ((scores, class), log_loss)) in rows {
                    sums.add(*class as usize, argmax(scores), -log_loss);
                }
            }
            (Self::Binary(columns), Target::Values(y)) => {
                let rows = flat(prediction).chunks_exact(width).zip(flat(y).chunks_exact(width));
                for (_, (scores, y)) in rows.enumerate().filter(|(row, _)| has_target(*row)) {
                    for ((sums, z), y) in columns.iter_mut().zip(scores).zip(y) {
                        let (z, yes) = (z.to_f64(), y.to_f64() > 0.5);
                        // log σ(z) or log σ(−z), neither of which overflows this way.
                        let z_of_truth = if yes { z } else { -z };
                        let log_p = z_of_truth.min(0.0) - Scalar::ln(1.0 + Scalar::exp(-z.abs()));
                        sums.add(usize::from(yes), usize::from(z > 0.0), log_p);
                    }
                }
            }
            // Trainer and model compare heads only with targets of their kind.
            _ => {}
        }
    }

    /// The metrics, those of a regression in the units of its columns.
    pub(crate) fn metrics(&self) -> TaskMetrics {
        match self {
            Self::Regression { sums, columns } => {
                let units =
                    columns.iter().map(RegressionTarget::unit).chain(std::iter::repeat(1.0));
                let metrics = sums.iter().zip(units).map(|(sums, unit)| sums.metrics(unit));
                TaskMetrics::Regression(metrics.collect())
            }
            Self::Classification { sums, .. } => TaskMetrics::Classification(sums.metrics()),
            Self::Binary(sums) => {
                TaskMetrics::Binary(sums.iter().map(ClassSums::metrics).collect())
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
        CrossEntropy::default().gradient(LossGradient {
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

/// The first of the largest scores; 0 if all are NaN.
pub(crate) fn argmax<T: Scalar>(z: &[T]) -> usize {
    let max = anabranch_tensor::rows::row_max(z);
    z.iter().position(|z| *z == max).unwrap_or(0)
}
