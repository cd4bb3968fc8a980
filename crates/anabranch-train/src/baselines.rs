//! The scores of the simplest predictions.

use anabranch_data::{Dataset, RegressionTarget, TargetScale, Targets, TaskTarget, TaskValues};
use anabranch_tensor::Scalar;

use crate::metrics::{ClassSums, RegressionSums};
use crate::task_metrics::{TaskMetrics, argmax};

/// A network has diverged if its RMSE is so many times that of the training mean, and of its unit.
const RMSE_RATIO: f64 = 10.0;

/// A network has diverged if its log-loss is so many times that of the training frequencies, and
/// [`LOG_LOSS_ABOVE`] more: right answers have got probabilities around 10⁻⁹.
const LOG_LOSS_RATIO: f64 = 10.0;
const LOG_LOSS_ABOVE: f64 = 20.0;

/// The first task in which a network is so much worse than the simplest predictions that its
/// training must have diverged, although all of its numbers are finite. Both metrics are for the
/// same rows; undefined ones are skipped.
///
/// A network that has merely learned nothing, or something wrong, is a few times worse; the limits
/// are 10 times the RMSE of the training mean, and 10 times the log-loss of the training
/// frequencies and 20 more.
pub fn diverged(
    network: &[TaskMetrics],
    baselines: &[TaskMetrics],
    targets: &Targets,
) -> Option<usize> {
    // Written so that NaN has diverged too.
    let is_within = |value: Option<f64>, limit: f64| value.is_none_or(|value| value <= limit);
    let is_good = |network: &TaskMetrics, baseline: &TaskMetrics, target: &TaskTarget| {
        let mut columns = network.regression().iter().zip(baseline.regression());
        let units = target.regression().iter().map(RegressionTarget::unit);
        let are_numbers_good = columns.by_ref().zip(units).all(|((network, baseline), std)| {
            is_within(network.rmse, RMSE_RATIO * baseline.rmse.unwrap_or(0.0).max(std))
        });
        let is_class_good = match (network.classification(), baseline.classification()) {
            (Some(network), Some(baseline)) => {
                let limit = LOG_LOSS_RATIO * baseline.log_loss.unwrap_or(0.0) + LOG_LOSS_ABOVE;
                is_within(network.log_loss, limit)
            }
            _ => true,
        };
        are_numbers_good && is_class_good
    };
    let tasks = network.iter().zip(baselines).zip(targets.tasks());
    tasks.map(|((network, baseline), target)| is_good(network, baseline, target)).position(|x| !x)
}

/// The scores of the simplest predictions on the test rows, task by task: for every number the
/// training mean; for every class the most frequent one in the training rows, with the training
/// frequencies as probabilities.
pub fn baselines<T: Scalar>(dataset: &Dataset<T>, targets: &Targets) -> Vec<TaskMetrics> {
    baselines_on(dataset, targets, &dataset.split.test)
}

/// [`baselines`] on other rows of the data set.
///
/// # Panics
/// If the data set lacks a row.
pub fn baselines_on<T: Scalar>(
    dataset: &Dataset<T>,
    targets: &Targets,
    test: &[usize],
) -> Vec<TaskMetrics> {
    let train = &dataset.split.train;
    let of_task = |(task, values): (usize, &TaskValues<T>)| match values {
        TaskValues::Numbers { values, n_columns } => {
            let columns = targets.tasks().get(task).map_or(&[][..], |target| target.regression());
            let of_column = |j: usize| {
                let target = columns.get(j);
                let judged = |row: &usize| {
                    let z = values[row * n_columns + j].to_f64();
                    target.map_or(z, |target| target.judged(z, z)[0])
                };
                // Where targets are just standardised on the training rows, their mean is 0.
                let mean = match target {
                    Some(RegressionTarget { scale: TargetScale::Standard, .. }) | None => 0.0,
                    Some(_) => train.iter().map(judged).sum::<f64>() / train.len().max(1) as f64,
                };
                let mut sums = RegressionSums::default();
                test.iter().for_each(|row| sums.add(judged(row), mean));
                sums.metrics(target.map_or(1.0, RegressionTarget::unit))
            };
            TaskMetrics::Regression((0..*n_columns).map(of_column).collect())
        }
        TaskValues::Classes { class, n_classes } => {
            let mut counts = vec![0.0f64; *n_classes];
            for row in train {
                counts[class[*row] as usize] += 1.0;
            }
            let majority = argmax(&counts);
            // A class that training lacks would have probability 0: each counts as one row more.
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

#[cfg(test)]
mod tests {
    use anabranch_data::{Fractions, Table, TargetColumns, prepare};
    use anabranch_tensor::Executor;

    use super::*;
    use crate::metrics::{ClassificationMetrics, RegressionMetrics};

    #[test]
    fn far_worse_than_the_simplest_predictions_is_diverged() {
        let csv: String =
            (0..60).map(|i| format!("{}.5,{},{}\n", i * 7 % 31, i % 9, i % 2)).collect();
        let table = Table::from_reader("t", format!("x,y,c\n{csv}").as_bytes()).unwrap();
        let columns = TargetColumns::new().regress(["y"]).classify("c");
        let exec = Executor::serial();
        let data = prepare::<f64>(&exec, &table, &columns, Fractions::default(), 1).unwrap();
        let simplest = baselines(&data.dataset, &data.targets);
        let std = data.targets.tasks()[0].regression()[0].std;
        let worth = |rmse: f64, log_loss: f64| {
            let number = RegressionMetrics { rmse: Some(rmse), mae: None, r2: None };
            let class =
                ClassificationMetrics { accuracy: None, log_loss: Some(log_loss), macro_f1: None };
            let network =
                [TaskMetrics::Regression(vec![number]), TaskMetrics::Classification(class)];
            diverged(&network, &simplest, &data.targets)
        };
        assert_eq!(worth(9.9 * std, 20.0), None);
        assert_eq!((worth(1e3 * std, 0.5), worth(f64::NAN, 0.5)), (Some(0), Some(0)));
        assert_eq!((worth(std, 100.0), worth(std, f64::INFINITY)), (Some(1), Some(1)));
        // Rows that all lie at the mean are no measure.
        let mut few = simplest.clone();
        few[0] = TaskMetrics::Regression(vec![RegressionMetrics {
            rmse: Some(0.0),
            mae: None,
            r2: None,
        }]);
        assert_eq!(diverged(&simplest, &few, &data.targets), None);
        // Undefined metrics are skipped.
        let undefined: Vec<TaskMetrics> =
            simplest.iter().map(|m| m.clone().of_weight(0.0)).collect();
        assert_eq!(diverged(&undefined, &simplest, &data.targets), None);
    }
}
