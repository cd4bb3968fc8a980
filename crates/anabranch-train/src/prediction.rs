//! What a model predicts.

use std::ops::Range;

use anabranch_data::{RegressionTarget, TaskTarget};
use anabranch_layers::{Infer, Layer, Softmax};
use anabranch_tensor::{ArrayView2, Executor, flat, matrix_mut};

use crate::head_mean::HeadMean;
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
    Values {
        /// One for each column.
        values: Vec<f64>,
        /// How far the members of an ensemble are apart in each: their sample standard deviation;
        /// none for a single network.
        deviations: Vec<f64>,
    },
    /// A class.
    Class {
        /// The most probable class: its place in the task's labels.
        class: usize,
        /// The probability of each class.
        probabilities: Vec<f32>,
        /// How far the members of an ensemble are apart in each; none for a single network.
        deviations: Vec<f64>,
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
        /// How far the members of an ensemble are apart in each number: their sample standard
        /// deviation; none for a single network.
        deviations: Vec<f64>,
        /// Columns of the task.
        n_columns: usize,
    },
    /// A class.
    Classes {
        /// The most probable class of each row.
        classes: Vec<usize>,
        /// `[rows, n_classes]`, row by row.
        probabilities: Vec<f32>,
        /// How far the members of an ensemble are apart in each probability; none for a single
        /// network.
        deviations: Vec<f64>,
        /// Classes of the task.
        n_classes: usize,
    },
}

impl Prediction {
    /// The numbers of a regression task; none for a class, or if there is no such task.
    pub fn values(&self, task: usize) -> &[f64] {
        match self.tasks.get(task) {
            Some(TaskPrediction::Values { values, .. }) => values,
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

    /// How far the members of an ensemble are apart in each number or probability of a task: their
    /// sample standard deviation; none for a single network, or if there is no such task.
    pub fn deviations(&self, task: usize) -> &[f64] {
        match self.tasks.get(task) {
            Some(
                TaskPrediction::Values { deviations, .. }
                | TaskPrediction::Class { deviations, .. },
            ) => deviations,
            None => &[],
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
        // Deviations are none for a single network.
        let of_row = |all: &[f64], width: usize| {
            all.get(row * width..(row + 1) * width).unwrap_or_default().to_vec()
        };
        let tasks = self.tasks.iter().map(|task| match task {
            TaskPredictions::Values { values, deviations, n_columns } => TaskPrediction::Values {
                values: values[row * n_columns..][..*n_columns].to_vec(),
                deviations: of_row(deviations, *n_columns),
            },
            TaskPredictions::Classes { classes, probabilities, deviations, n_classes } => {
                TaskPrediction::Class {
                    class: classes[row],
                    probabilities: probabilities[row * n_classes..][..*n_classes].to_vec(),
                    deviations: of_row(deviations, *n_classes),
                }
            }
        });
        Prediction { tasks: tasks.collect() }
    }

    /// Room for `n_rows` rows of these tasks, predicted by so many members.
    pub(crate) fn resize(&mut self, n_rows: usize, targets: &[TaskTarget], n_members: usize) {
        self.n_rows = n_rows;
        self.tasks.resize_with(targets.len(), || TaskPredictions::empty(false));
        for (task, target) in self.tasks.iter_mut().zip(targets) {
            let is_class = matches!(target, TaskTarget::Classification(_));
            if is_class != matches!(task, TaskPredictions::Classes { .. }) {
                *task = TaskPredictions::empty(is_class);
            }
            let n_deviations = if n_members > 1 { n_rows * target.outputs() } else { 0 };
            match task {
                TaskPredictions::Values { values, deviations, n_columns } => {
                    *n_columns = target.outputs();
                    values.resize(n_rows * *n_columns, 0.0);
                    deviations.resize(n_deviations, 0.0);
                }
                TaskPredictions::Classes { classes, probabilities, deviations, n_classes } => {
                    *n_classes = target.outputs();
                    classes.resize(n_rows, 0);
                    probabilities.resize(n_rows * *n_classes, 0.0);
                    deviations.resize(n_deviations, 0.0);
                }
            }
        }
    }
}

impl TaskPrediction {
    /// Room for the prediction of a task by so many members.
    pub(crate) fn new(target: &TaskTarget, n_members: usize) -> Self {
        let width = target.outputs();
        let deviations = vec![0.0; if n_members > 1 { width } else { 0 }];
        match target {
            TaskTarget::Regression(_) => Self::Values { values: vec![0.0; width], deviations },
            TaskTarget::Classification(_) => {
                Self::Class { class: 0, probabilities: vec![0.0; width], deviations }
            }
        }
    }

    /// Reads what the task's head predicts for one row.
    pub(crate) fn read(&mut self, head: &HeadMean, target: &TaskTarget) {
        let output = head.output(1);
        let deviations = match self {
            Self::Values { values, deviations } => {
                read_values(output, target.regression(), values);
                deviations
            }
            Self::Class { class, probabilities, deviations } => {
                read_classes(output, std::slice::from_mut(class), probabilities);
                deviations
            }
        };
        read_deviations(head, 1, deviations);
    }
}

impl TaskPredictions {
    fn empty(is_class: bool) -> Self {
        let deviations = Vec::new();
        if is_class {
            let (classes, probabilities) = (Vec::new(), Vec::new());
            Self::Classes { classes, probabilities, deviations, n_classes: 0 }
        } else {
            Self::Values { values: Vec::new(), deviations, n_columns: 0 }
        }
    }

    /// Reads what the task's head predicts for the rows `rows`.
    pub(crate) fn read(&mut self, rows: Range<usize>, head: &HeadMean, target: &TaskTarget) {
        let (n_rows, width) = (rows.len(), target.outputs());
        let (output, all) = (head.output(n_rows), rows.start * width..rows.end * width);
        let deviations = match self {
            Self::Values { values, deviations, .. } => {
                read_values(output, target.regression(), &mut values[all.clone()]);
                deviations
            }
            Self::Classes { classes, probabilities, deviations, .. } => {
                read_classes(output, &mut classes[rows], &mut probabilities[all.clone()]);
                deviations
            }
        };
        read_deviations(head, n_rows, deviations.get_mut(all).unwrap_or_default());
    }
}

/// How far the members of an ensemble are apart.
fn read_deviations(head: &HeadMean, n_rows: usize, deviations: &mut [f64]) {
    for (to, from) in deviations.iter_mut().zip(head.deviations(n_rows)) {
        *to = from;
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
