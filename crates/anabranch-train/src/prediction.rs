//! What a model predicts.

use std::ops::Range;

use anabranch_data::{RegressionTarget, TaskTarget};
use anabranch_layers::{Infer, Layer, Softmax};
use anabranch_tensor::{ArrayView2, Executor, flat, matrix_mut};

use crate::task_metrics::argmax;

/// What a model predicts for one row, task by task.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// One for each task.
    pub tasks: Vec<TaskPrediction>,
}

/// What a model predicts for one row in one task.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskPrediction {
    /// The columns of a regression in their order and units.
    Values(Vec<f64>),
    /// A class.
    Class {
        /// The most probable class: its place in the task's labels.
        class: usize,
        /// The probability of each class.
        probabilities: Vec<f32>,
    },
}

/// What a model predicts for the rows of a table or matrix, task by task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// Number of rows.
    pub n_rows: usize,
    /// One for each task.
    pub tasks: Vec<TaskPredictions>,
}

/// What a model predicts for some rows in one task.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskPredictions {
    /// The columns of a regression.
    Values {
        /// `[rows, n_columns]`, row by row, in the columns' units.
        values: Vec<f64>,
        /// Columns of the task.
        n_columns: usize,
    },
    /// A class.
    Classes {
        /// The most probable class of each row.
        classes: Vec<usize>,
        /// `[rows, n_classes]`, row by row.
        probabilities: Vec<f32>,
        /// Classes of the task.
        n_classes: usize,
    },
}

impl Prediction {
    /// The numbers of a regression task; none for a class, or if there is no such task.
    pub fn values(&self, task: usize) -> &[f64] {
        match self.tasks.get(task) {
            Some(TaskPrediction::Values(values)) => values,
            _ => &[],
        }
    }

    /// The class of a class task; `None` for numbers, or if there is no such task.
    pub fn class(&self, task: usize) -> Option<usize> {
        match self.tasks.get(task) {
            Some(TaskPrediction::Class { class, .. }) => Some(*class),
            _ => None,
        }
    }

    /// The probability of each class of a class task; none for numbers, or if there is no such
    /// task.
    pub fn probabilities(&self, task: usize) -> &[f32] {
        match self.tasks.get(task) {
            Some(TaskPrediction::Class { probabilities, .. }) => probabilities,
            _ => &[],
        }
    }
}

impl Predictions {
    /// What is predicted for one row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> Prediction {
        let tasks = self.tasks.iter().map(|task| match task {
            TaskPredictions::Values { values, n_columns } => {
                TaskPrediction::Values(values[row * n_columns..][..*n_columns].to_vec())
            }
            TaskPredictions::Classes { classes, probabilities, n_classes } => {
                TaskPrediction::Class {
                    class: classes[row],
                    probabilities: probabilities[row * n_classes..][..*n_classes].to_vec(),
                }
            }
        });
        Prediction { tasks: tasks.collect() }
    }

    /// Room for `n_rows` rows of these tasks.
    pub(crate) fn resize(&mut self, n_rows: usize, targets: &[TaskTarget]) {
        self.n_rows = n_rows;
        self.tasks.resize_with(targets.len(), || TaskPredictions::empty(false));
        for (task, target) in self.tasks.iter_mut().zip(targets) {
            let is_class = matches!(target, TaskTarget::Classification(_));
            if is_class != matches!(task, TaskPredictions::Classes { .. }) {
                *task = TaskPredictions::empty(is_class);
            }
            match task {
                TaskPredictions::Values { values, n_columns } => {
                    *n_columns = target.outputs();
                    values.resize(n_rows * *n_columns, 0.0);
                }
                TaskPredictions::Classes { classes, probabilities, n_classes } => {
                    *n_classes = target.outputs();
                    classes.resize(n_rows, 0);
                    probabilities.resize(n_rows * *n_classes, 0.0);
                }
            }
        }
    }
}

impl TaskPrediction {
    /// Room for the prediction of a task.
    pub(crate) fn new(target: &TaskTarget) -> Self {
        match target {
            TaskTarget::Regression(columns) => Self::Values(vec![0.0; columns.len()]),
            TaskTarget::Classification(class) => {
                Self::Class { class: 0, probabilities: vec![0.0; class.labels.len()] }
            }
        }
    }

    /// Reads the output `[1, outputs]` of the task's head.
    pub(crate) fn read(&mut self, output: ArrayView2<'_, f32>, target: &TaskTarget) {
        match self {
            Self::Values(values) => read_values(output, target.regression(), values),
            Self::Class { class, probabilities } => {
                read_classes(output, std::slice::from_mut(class), probabilities);
            }
        }
    }
}

impl TaskPredictions {
    fn empty(is_class: bool) -> Self {
        if is_class {
            Self::Classes { classes: Vec::new(), probabilities: Vec::new(), n_classes: 0 }
        } else {
            Self::Values { values: Vec::new(), n_columns: 0 }
        }
    }

    /// Reads the outputs `[rows, outputs]` of the task's head for the rows `rows`.
    pub(crate) fn read(
        &mut self,
        rows: Range<usize>,
        output: ArrayView2<'_, f32>,
        target: &TaskTarget,
    ) {
        let of_rows = |width: usize| rows.start * width..rows.end * width;
        match self {
            Self::Values { values, n_columns } => {
                read_values(output, target.regression(), &mut values[of_rows(*n_columns)]);
            }
            Self::Classes { classes, probabilities, n_classes } => {
                let probabilities = &mut probabilities[of_rows(*n_classes)];
                read_classes(output, &mut classes[rows], probabilities);
            }
        }
    }
}

/// The numbers of rows in the units of their columns.
fn read_values(output: ArrayView2<'_, f32>, columns: &[RegressionTarget], values: &mut [f64]) {
    let rows = values.chunks_exact_mut(columns.len()).zip(output.rows());
    for (values, y) in rows {
        for ((value, y), target) in values.iter_mut().zip(y).zip(columns) {
            *value = target.predicted(f64::from(*y));
        }
    }
}

/// The most probable class of rows, and the probability of each class.
fn read_classes(output: ArrayView2<'_, f32>, classes: &mut [usize], probabilities: &mut [f32]) {
    let (n_rows, n_classes) = output.dim();
    for (class, scores) in classes.iter_mut().zip(flat(output).chunks_exact(n_classes)) {
        *class = argmax(scores);
    }
    Softmax.infer(Infer {
        exec: &Executor::serial(),
        input: 0,
        x: output,
        y: matrix_mut(probabilities, n_rows, n_classes),
        params: &[],
        state: &[],
        scratch: &mut [],
    });
}
