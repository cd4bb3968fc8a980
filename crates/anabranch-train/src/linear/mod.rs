//! What a straight line is worth: linear models of the same inputs.

mod inputs;
mod logistic;
mod ridge;

use anabranch_data::{Dataset, Targets, TaskTarget, TaskValues};
use anabranch_layers::{Target, TargetKind};
use anabranch_tensor::gemm::dot;
use anabranch_tensor::ndarray::{Array1, Array2};
use anabranch_tensor::rows::gather_rows;
use anabranch_tensor::{Scalar, matrix};

use self::inputs::Inputs;
use crate::task_metrics::{JudgedTask, TaskMetrics};

/// Most multiplications that a fit may take; a model that takes more is left out. A core does them
/// in ten seconds or so, and most large fits end long before.
const MOST_MULTIPLICATIONS: f64 = 1e11;

/// How large a derivative of the mean loss may be at the end of a fit: as scikit-learn has it.
const TOLERANCE: f64 = 1e-4;

/// The same for models that count beside networks.
const COARSE_TOLERANCE: f64 = 1e-3;

/// A linear model of rows x: x·Wᵀ + b.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Linear {
    /// `[outputs, inputs]`.
    pub(crate) w: Array2<f64>,
    /// `[outputs]`.
    pub(crate) b: Array1<f64>,
}

/// Linear models of the tasks of a data set: ridge regression for numbers, in closed form, and
/// multinomial logistic regression for a class, both with half the sum of squared weights as the
/// penalty.
///
/// They see the encoded inputs, and predict in a network's units.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearModels {
    of_tasks: Vec<Option<Linear>>,
}

impl LinearModels {
    /// Fits a model of each task to the training rows that have its target, all of which count
    /// alike. A task has none where there is nothing to fit, or where a fit would take more than
    /// 10¹¹ multiplications.
    ///
    /// # Panics
    /// If the data set is not as it says ([`Dataset::check`]).
    pub fn fit<T: Scalar>(dataset: &Dataset<T>) -> Self {
        Self::fit_to(dataset, &dataset.split.train, TOLERANCE)
    }

    /// [`fit`](Self::fit), less exactly, to other rows.
    pub(crate) fn fit_coarsely<T: Scalar>(dataset: &Dataset<T>, row_idx: &[usize]) -> Self {
        Self::fit_to(dataset, row_idx, COARSE_TOLERANCE)
    }

    fn fit_to<T: Scalar>(dataset: &Dataset<T>, row_idx: &[usize], tolerance: f64) -> Self {
        let of_task = |(task, values): (usize, &TaskValues<T>)| {
            let presence = dataset.presence(task);
            let train = row_idx.iter().copied().filter(|row| presence.has(*row));
            let train: Vec<usize> = train.collect();
            if train.is_empty() {
                return None;
            }
            let inputs = Inputs { x: &dataset.x, width: dataset.n_inputs, row_idx: &train };
            if multiplications(values, inputs) > MOST_MULTIPLICATIONS {
                return None;
            }
            match values {
                TaskValues::Numbers { values, n_columns } => {
                    ridge::fit(inputs, &numbers(values, *n_columns, &train))
                }
                TaskValues::Classes { class, n_classes } => {
                    let class: Vec<u32> = train.iter().map(|row| class[*row]).collect();
                    Some(logistic::fit(inputs, &class, *n_classes, tolerance))
                }
            }
        };
        Self { of_tasks: dataset.tasks.iter().enumerate().map(of_task).collect() }
    }

    /// The model of a task, if there is one.
    pub(crate) fn of_task(&self, task: usize) -> Option<&Linear> {
        self.of_tasks.get(task)?.as_ref()
    }

    /// What is predicted in each task for some rows of the data set, and what is true; nothing for
    /// a task without a model. Numbers are in the units of `targets`.
    ///
    /// # Panics
    /// If the data set lacks a row or has other inputs than the models.
    pub fn judged<T: Scalar>(
        &self,
        dataset: &Dataset<T>,
        row_idx: &[usize],
        targets: &Targets,
    ) -> Vec<JudgedTask> {
        let x = numbers(&dataset.x, dataset.n_inputs, row_idx);
        let of_task = |(task, values): (usize, &TaskValues<T>)| {
            let presence = dataset.presence(task);
            let has_target = |place: usize| presence.has(row_idx[place]);
            let predicted = self.of_task(task).map(|model| model.predict(&x));
            match values {
                TaskValues::Numbers { values, n_columns } => {
                    let columns = targets.tasks().get(task).map_or(&[][..], TaskTarget::regression);
                    let mut judged = JudgedTask::new(TargetKind::Values, *n_columns, columns);
                    if let Some(predicted) = predicted {
                        let y = numbers(values, *n_columns, row_idx);
                        judged.add(predicted.view(), Target::Values(y.view()), &[], has_target);
                    }
                    judged
                }
                TaskValues::Classes { class, n_classes } => {
                    let mut judged = JudgedTask::new(TargetKind::Classes, *n_classes, &[]);
                    if let Some(predicted) = predicted {
                        let class: Vec<u32> = row_idx.iter().map(|row| class[*row]).collect();
                        judged.add(predicted.view(), Target::Classes(&class), &[], has_target);
                    }
                    judged
                }
            }
        };
        dataset.tasks.iter().enumerate().map(of_task).collect()
    }

    /// The metrics of each task on some rows of the data set, in the units of `targets`; undefined
    /// for a task without a model.
    ///
    /// # Panics
    /// As [`judged`](Self::judged).
    pub fn metrics<T: Scalar>(
        &self,
        dataset: &Dataset<T>,
        row_idx: &[usize],
        targets: &Targets,
    ) -> Vec<TaskMetrics> {
        self.judged(dataset, row_idx, targets).iter().map(JudgedTask::metrics).collect()
    }
}

/// How many multiplications a fit takes, at most.
fn multiplications<T>(values: &TaskValues<T>, inputs: Inputs<'_, T>) -> f64 {
    let (n_rows, n_inputs) = (inputs.row_idx.len() as f64, inputs.width as f64);
    match values {
        TaskValues::Numbers { .. } => (n_rows + n_inputs) * n_inputs * n_inputs,
        TaskValues::Classes { n_classes, .. } => {
            2.0 * logistic::MOST_STEPS as f64 * n_rows * n_inputs * *n_classes as f64
        }
    }
}

impl Linear {
    /// `[rows, outputs]` of the rows `x` `[rows, inputs]`.
    fn predict(&self, x: &Array2<f64>) -> Array2<f64> {
        dot(x, self.w.t()) + &self.b
    }
}

/// These rows of a matrix with `width` columns.
fn numbers<T: Scalar>(all: &[T], width: usize, rows: &[usize]) -> Array2<f64> {
    let mut found = vec![T::ZERO; rows.len() * width];
    gather_rows(all, width, rows, &mut found);
    matrix(&found, rows.len(), width).mapv(|value| value.to_f64())
}
