//! What a straight line is worth: the scores of linear models of the same inputs.

mod logistic;
mod ridge;

use anabranch_data::{Dataset, Targets, TaskTarget, TaskValues};
use anabranch_layers::{Target, TargetKind};
use anabranch_tensor::gemm::dot;
use anabranch_tensor::ndarray::{Array1, Array2};
use anabranch_tensor::rows::gather_rows;
use anabranch_tensor::{Scalar, flat, matrix};

use crate::task_metrics::{JudgedTask, TaskMetrics};

/// Most multiplications that a fit may take; a model that takes more is left out. A core does them
/// in a second or two.
const MOST_MULTIPLICATIONS: f64 = 1e10;

/// A linear model of rows x: x·Wᵀ + b.
#[derive(Clone, Debug, PartialEq)]
struct Linear {
    /// `[outputs, inputs]`.
    w: Array2<f64>,
    /// `[outputs]`.
    b: Array1<f64>,
}

/// The scores of linear models on the test rows, task by task: ridge regression for numbers, in
/// closed form, and multinomial logistic regression for a class, both with half the sum of squared
/// weights as the penalty. They see the encoded inputs of the training rows, all of which count
/// alike.
///
/// The scores of a task are undefined where there is nothing to fit, or where a fit would take
/// more than 10¹⁰ multiplications.
///
/// # Panics
/// If the data set is not as it says ([`Dataset::check`]).
pub fn linear_baselines<T: Scalar>(dataset: &Dataset<T>, targets: &Targets) -> Vec<TaskMetrics> {
    let of_task = |(task, values): (usize, &TaskValues<T>)| {
        let presence = dataset.presence(task);
        let [train, test] = [&dataset.split.train, &dataset.split.test].map(|rows| {
            rows.iter().copied().filter(|row| presence.has(*row)).collect::<Vec<usize>>()
        });
        let is_short =
            multiplications(values, train.len(), dataset.n_inputs) <= MOST_MULTIPLICATIONS;
        let x = (is_short && !train.is_empty()).then(|| inputs(dataset, &train));
        match values {
            TaskValues::Numbers { values, n_columns } => {
                let columns = targets.tasks().get(task).map_or(&[][..], TaskTarget::regression);
                let mut judged = JudgedTask::new(TargetKind::Values, *n_columns, columns);
                let model = x.and_then(|x| ridge::fit(&x, &numbers(values, *n_columns, &train)));
                if let Some(model) = model {
                    let y = numbers(values, *n_columns, &test);
                    let predicted = model.predict(&inputs(dataset, &test));
                    judged.add(predicted.view(), Target::Values(y.view()), &[], |_| true);
                }
                judged.metrics()
            }
            TaskValues::Classes { class, n_classes } => {
                let class_of =
                    |rows: &[usize]| rows.iter().map(|row| class[*row]).collect::<Vec<u32>>();
                let mut judged = JudgedTask::new(TargetKind::Classes, *n_classes, &[]);
                if let Some(x) = x {
                    let model = logistic::fit(&x, &class_of(&train), *n_classes);
                    let predicted = model.predict(&inputs(dataset, &test));
                    judged.add(predicted.view(), Target::Classes(&class_of(&test)), &[], |_| true);
                }
                judged.metrics()
            }
        }
    };
    dataset.tasks.iter().enumerate().map(of_task).collect()
}

/// How many multiplications a fit takes, at most.
fn multiplications<T>(values: &TaskValues<T>, n_rows: usize, n_inputs: usize) -> f64 {
    let (n_rows, n_inputs) = (n_rows as f64, n_inputs as f64);
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

/// The inputs of these rows.
fn inputs<T: Scalar>(dataset: &Dataset<T>, rows: &[usize]) -> Array2<f64> {
    numbers(&dataset.x, dataset.n_inputs, rows)
}

/// These rows of a matrix with `width` columns.
fn numbers<T: Scalar>(all: &[T], width: usize, rows: &[usize]) -> Array2<f64> {
    let mut found = vec![T::ZERO; rows.len() * width];
    gather_rows(all, width, rows, &mut found);
    matrix(&found, rows.len(), width).mapv(|value| value.to_f64())
}

/// The mean of each column.
fn column_means(x: &Array2<f64>) -> Array1<f64> {
    let n_rows = x.nrows() as f64;
    let mut means = Array1::zeros(x.ncols());
    for row in flat(x.view()).chunks_exact(x.ncols()) {
        means.iter_mut().zip(row).for_each(|(mean, value)| *mean += value);
    }
    means / n_rows
}
