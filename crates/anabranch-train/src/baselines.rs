//! The scores of the simplest predictions.

use anabranch_data::{Dataset, Presence, RegressionTarget, Targets, TaskTarget, TaskValues};
use anabranch_tensor::Scalar;

use crate::metrics::{JudgedClasses, JudgedNumbers, RegressionMetrics, Unit};
use crate::task_metrics::{TaskMetrics, argmax, unit};

/// A network has diverged if its RMSE is so many times that of the training mean, and of its unit:
/// an R² of −8.
const RMSE_RATIO: f64 = 3.0;

/// A network has diverged if its log-loss is so many times that of the training frequencies, and
/// [`LOG_LOSS_ABOVE`] more: right answers have got probabilities around 10⁻⁹.
const LOG_LOSS_RATIO: f64 = 10.0;
const LOG_LOSS_ABOVE: f64 = 20.0;

/// Or so many times, and [`WRONG_ABOVE`] more, where it is also right less often than the most
/// frequent class: sure of itself, and wrong.
const WRONG_RATIO: f64 = 3.0;
const WRONG_ABOVE: f64 = 1.0;

/// The first task in which a network is so much worse than the simplest predictions that its
/// training must have diverged, although all of its numbers are finite. Both metrics are for the
/// same rows; undefined ones are skipped.
///
/// A network that has merely learned nothing is hardly worse. The limits are 3 times the RMSE of
/// the training mean, and 10 times the log-loss of the training frequencies and 20 more, or 3 times
/// and 1 more if the most frequent class is right more often.
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
                let accuracies = network.accuracy.zip(baseline.accuracy);
                let is_wrong = accuracies.is_some_and(|(network, baseline)| network < baseline);
                let (ratio, above) = match is_wrong {
                    true => (WRONG_RATIO, WRONG_ABOVE),
                    false => (LOG_LOSS_RATIO, LOG_LOSS_ABOVE),
                };
                is_within(network.log_loss, ratio * baseline.log_loss.unwrap_or(0.0) + above)
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
    let has_target = |task: usize| {
        let presence = dataset.presence(task);
        move |row: &&usize| presence.has(**row)
    };
    let of_task = |(task, values): (usize, &TaskValues<T>)| match values {
        TaskValues::Numbers { values, n_columns } => {
            let columns = targets.tasks().get(task).map_or(&[][..], |target| target.regression());
            let of_column = |j: usize| {
                let values = test
                    .iter()
                    .filter(has_target(task))
                    .map(|row| values[row * n_columns + j].to_f64());
                of_numbers(values, columns.get(j))
            };
            TaskMetrics::Regression((0..*n_columns).map(of_column).collect())
        }
        TaskValues::Classes { class, n_classes } => {
            let mut counts = vec![0; *n_classes];
            train.iter().filter(has_target(task)).for_each(|row| counts[class[*row] as usize] += 1);
            of_classes(test.iter().filter(has_target(task)).map(|row| class[*row]), &counts)
        }
    };
    dataset.tasks.iter().enumerate().map(of_task).collect()
}

/// What the simplest predictions are worth for those of these values that are `present`; undefined
/// where `target` does not know the training rows' mean, or how many there were of each label.
pub(crate) fn simplest(
    values: &TaskValues<f32>,
    present: &Presence,
    target: &TaskTarget,
) -> TaskMetrics {
    let is_there = |(row, _): &(usize, _)| present.has(*row);
    match (values, target) {
        (TaskValues::Classes { class, .. }, TaskTarget::Classification(target)) => {
            let is_known = target.rows.len() == target.labels.len();
            let class = class.iter().copied().enumerate();
            let class = class.filter(|(row, _)| is_known && present.has(*row));
            of_classes(class.map(|(_, class)| class), &target.rows)
        }
        (TaskValues::Numbers { values, n_columns }, TaskTarget::Regression(columns)) => {
            let of_column = |(j, target): (usize, &RegressionTarget)| {
                let values = values.iter().skip(j).step_by(*n_columns).enumerate();
                let values = values.filter(is_there).map(|(_, z)| f64::from(*z));
                match target.center {
                    Some(_) => of_numbers(values, Some(target)),
                    None => RegressionMetrics::default(),
                }
            };
            TaskMetrics::Regression(columns.iter().enumerate().map(of_column).collect())
        }
        // Values are read by their targets.
        _ => TaskMetrics::Regression(Vec::new()),
    }
}

/// What the training mean is worth for numbers in the network's units.
fn of_numbers(
    values: impl Iterator<Item = f64>,
    target: Option<&RegressionTarget>,
) -> RegressionMetrics {
    let judged = |z: f64| target.map_or(z, |target| target.judged(z, z)[0]);
    let center = target.and_then(|target| Some(target.standardise(target.center?)));
    // Where nothing else is known, targets are standardised on the training rows: their mean is 0.
    let mean = judged(center.unwrap_or(0.0));
    let mut rows = JudgedNumbers::default();
    values.for_each(|z| rows.add(judged(z), mean));
    rows.metrics(target.map_or(Unit::COLUMN, unit))
}

/// What the most frequent class is worth, with the training frequencies as probabilities; `counts`
/// are the training rows of each class.
fn of_classes(classes: impl Iterator<Item = u32>, counts: &[usize]) -> TaskMetrics {
    let n_classes = counts.len();
    let shares: Vec<f64> = counts.iter().map(|count| *count as f64).collect();
    let majority = argmax(&shares);
    // A class that training lacks would have probability 0: each counts as one row more.
    let total = (counts.iter().sum::<usize>() + n_classes) as f64;
    let probabilities: Vec<f64> = shares.iter().map(|share| (share + 1.0) / total).collect();
    let mut rows = JudgedClasses::new(n_classes);
    for class in classes.map(|class| class as usize).filter(|class| *class < n_classes) {
        rows.add(class, majority, &probabilities, Scalar::ln(probabilities[class]));
    }
    TaskMetrics::Classification(rows.metrics())
}

#[cfg(test)]
mod tests {
    use anabranch_data::{Fractions, Table, TargetColumns, prepare};
    use anabranch_tensor::Executor;

    use super::*;
    use crate::metrics::ClassificationMetrics;

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
        let worth_of = |rmse: f64, log_loss: f64, accuracy: Option<f64>| {
            let number = RegressionMetrics { rmse: Some(rmse), ..Default::default() };
            let log_loss = Some(log_loss);
            let class = ClassificationMetrics { log_loss, accuracy, ..Default::default() };
            let network =
                [TaskMetrics::Regression(vec![number]), TaskMetrics::Classification(class)];
            diverged(&network, &simplest, &data.targets)
        };
        let worth = |rmse: f64, log_loss: f64| worth_of(rmse, log_loss, None);
        assert_eq!((worth(2.0 * std, 20.0), worth(3.5 * std, 20.0)), (None, Some(0)));
        // Two classes: the training frequencies have a log-loss of about ln 2 = 0.69.
        assert_eq!((worth_of(std, 4.0, Some(0.1)), worth_of(std, 4.0, Some(0.9))), (Some(1), None));
        assert_eq!(worth_of(std, 2.5, Some(0.1)), None);
        assert_eq!((worth(1e3 * std, 0.5), worth(f64::NAN, 0.5)), (Some(0), Some(0)));
        assert_eq!((worth(std, 100.0), worth(std, f64::INFINITY)), (Some(1), Some(1)));
        // Rows that all lie at the mean are no measure.
        let mut few = simplest.clone();
        few[0] = TaskMetrics::Regression(vec![RegressionMetrics {
            rmse: Some(0.0),
            ..Default::default()
        }]);
        assert_eq!(diverged(&simplest, &few, &data.targets), None);
        // Undefined metrics are skipped.
        let undefined = [
            TaskMetrics::Regression(vec![RegressionMetrics::default()]),
            TaskMetrics::Classification(ClassificationMetrics::default()),
        ];
        assert_eq!(diverged(&undefined, &simplest, &data.targets), None);
    }
}
