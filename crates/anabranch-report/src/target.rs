//! The columns that are predicted, each for itself: what is true, and how wrong a prediction is.

use anabranch_data::{Dataset, RegressionTarget, Targets, TaskTarget, TaskValues};
use anabranch_tensor::Scalar;
use anabranch_train::{Predictions, TaskPredictions};

/// A column that is predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// The number of its task.
    pub task: usize,
    /// Its place among the columns of its task.
    pub place: usize,
    /// What it holds.
    pub kind: TargetKind,
}

/// What a column holds that is predicted.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetKind {
    /// Numbers.
    Number(RegressionTarget),
    /// A class of these labels.
    Class(Vec<String>),
}

/// What a row of a column holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Truth {
    Number(f64),
    Class(usize),
}

impl Target {
    /// The columns of all tasks, in order.
    pub fn all(targets: &Targets) -> Vec<Self> {
        let of_task = |(task, target): (usize, &TaskTarget)| -> Vec<Self> {
            let numbers = target.regression().iter().cloned().map(TargetKind::Number);
            let labels = target.labels().to_vec();
            let class = (!labels.is_empty()).then_some(TargetKind::Class(labels));
            let kinds = target.columns().zip(numbers.chain(class)).enumerate();
            kinds
                .map(|(place, (name, kind))| Self { name: name.to_owned(), task, place, kind })
                .collect()
        };
        targets.tasks().iter().enumerate().flat_map(of_task).collect()
    }

    /// What its error is called: the root mean squared error, in the column's unit, or the
    /// log-loss.
    pub fn error_name(&self) -> &'static str {
        match self.kind {
            TargetKind::Number(_) => "RMSE",
            TargetKind::Class(_) => "log-loss",
        }
    }

    /// Which of these rows have it, by their place among them, and what they hold.
    pub(crate) fn truths(&self, dataset: &Dataset<f32>, rows: &[usize]) -> Vec<(usize, Truth)> {
        let presence = dataset.presence(self.task);
        let of_row = |row: usize| match (&dataset.tasks[self.task], &self.kind) {
            (TaskValues::Numbers { values, n_columns }, TargetKind::Number(target)) => {
                let z = f64::from(values[row * n_columns + self.place]);
                Some(Truth::Number(target.unscale(z)))
            }
            (TaskValues::Classes { class, .. }, TargetKind::Class(_)) => {
                Some(Truth::Class(class[row] as usize))
            }
            // Data set and model have the same tasks.
            _ => None,
        };
        let present = rows.iter().enumerate().filter(|(_, row)| presence.has(**row));
        present.filter_map(|(place, row)| Some((place, of_row(*row)?))).collect()
    }

    /// The error of predictions in the rows that have the column: RMSE or log-loss; 0 of no row.
    pub(crate) fn error(&self, truths: &[(usize, Truth)], predictions: &Predictions) -> f64 {
        let of_row = |(place, truth): &(usize, Truth)| match truth {
            Truth::Number(y) => {
                let error = self.number(predictions, *place) - y;
                error * error
            }
            Truth::Class(class) => -Scalar::ln(self.probability(predictions, *place, *class)),
        };
        let mean = truths.iter().map(of_row).sum::<f64>() / truths.len().max(1) as f64;
        match self.kind {
            TargetKind::Number(_) => mean.sqrt(),
            TargetKind::Class(_) => mean,
        }
    }

    /// The number that is predicted for a row.
    pub(crate) fn number(&self, predictions: &Predictions, row: usize) -> f64 {
        match &predictions.tasks[self.task] {
            TaskPredictions::Values { values, n_columns, .. } => {
                values[row * n_columns + self.place]
            }
            TaskPredictions::Classes { .. } => f64::NAN,
        }
    }

    /// The class that is predicted for a row.
    pub(crate) fn class(&self, predictions: &Predictions, row: usize) -> usize {
        match &predictions.tasks[self.task] {
            TaskPredictions::Classes { classes, .. } => classes[row],
            TaskPredictions::Values { .. } => 0,
        }
    }

    /// The probability that a row has for a class, above 0.
    pub(crate) fn probability(&self, predictions: &Predictions, row: usize, class: usize) -> f64 {
        match &predictions.tasks[self.task] {
            TaskPredictions::Classes { probabilities, n_classes, .. } => {
                f64::from(probabilities[row * n_classes + class].max(f32::MIN_POSITIVE))
            }
            TaskPredictions::Values { .. } => f64::NAN,
        }
    }
}
