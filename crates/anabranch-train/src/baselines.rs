//! What the simplest predictions are worth.

use anabranch_data::{Dataset, Targets, TaskValues};
use anabranch_tensor::Scalar;

use crate::metrics::{ClassSums, RegressionSums};
use crate::task_metrics::{TaskMetrics, argmax};

/// What the simplest predictions are worth on the test rows, task by task: the training mean for
/// every number; for every class the most frequent one of the training rows, with the training
/// frequencies as probabilities.
pub fn baselines<T: Scalar>(dataset: &Dataset<T>, targets: &Targets) -> Vec<TaskMetrics> {
    let (train, test) = (&dataset.split.train, &dataset.split.test);
    let of_task = |(task, values): (usize, &TaskValues<T>)| match values {
        TaskValues::Numbers { values, n_columns } => {
            let columns = targets.tasks().get(task).map_or(&[][..], |target| target.regression());
            let of_column = |j: usize| {
                let mut sums = RegressionSums::default();
                for row in test {
                    // Targets are standardised on the training rows: their mean is 0.
                    sums.add(values[row * n_columns + j].to_f64(), 0.0);
                }
                sums.metrics(columns.get(j).map_or(1.0, |target| target.std))
            };
            TaskMetrics::Regression((0..*n_columns).map(of_column).collect())
        }
        TaskValues::Classes { class, n_classes } => {
            let mut counts = vec![0.0f64; *n_classes];
            for row in train {
                counts[class[*row] as usize] += 1.0;
            }
            let majority = argmax(&counts);
            // A class that training lacks would have probability 0: each counts one row more.
            let total = (train.len() + n_classes) as f64;
            let mut sums = ClassSums::new(*n_classes);
            for row in test {
                let class = class[*row] as usize;
                sums.add(class, majority, Scalar::ln((counts[class] + 1.0) / total));
            }
            TaskMetrics::Classification(sums.metrics())
        }
    };
    dataset.tasks.iter().enumerate().map(of_task).collect()
}
