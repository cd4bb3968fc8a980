//! How good a model is, beside simpler ones.

use anabranch_train::{Model, TaskMetrics, TrainError};

use crate::named::{Better, Named, named};
use crate::run::Run;
use crate::target::Target;

/// A score of a column that is predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The column.
    pub target: String,
    /// The score as it is called in programs: `rmse`, `log_loss` …
    pub key: &'static str,
    /// The score as it is called in words.
    pub name: &'static str,
    /// Which way is better.
    pub better: Better,
    /// Of the model.
    pub model: Option<f64>,
    /// The ends of its 95 % bootstrap interval, if they are known.
    pub interval: Option<[f64; 2]>,
    /// The least and the largest of its members; none of a single network.
    pub members: Option<[f64; 2]>,
    /// Of a linear model.
    pub linear: Option<f64>,
    /// Of the training mean, or the most frequent class.
    pub simplest: Option<f64>,
}

/// The scores of all columns that are predicted, in order.
///
/// # Errors
/// If a member of the model is no model by itself, which it is.
pub(crate) fn scores(run: &Run<'_>, targets: &[Target]) -> Result<Vec<Score>, TrainError> {
    let members = members(run)?;
    let named = |metrics: &[TaskMetrics], target: &Target| -> Vec<Named> {
        let task = &run.model.targets().tasks()[target.task];
        let columns = metrics.get(target.task).map(|metrics| named(task, metrics));
        columns.and_then(|columns| columns.get(target.place).cloned()).unwrap_or_default()
    };
    let of_target = |target: &Target| -> Vec<Score> {
        let [linear, simplest] = [run.linear, run.baselines].map(|all| named(all, target));
        let ends = [0, 1].map(|end| {
            let ends = run.intervals.iter().map(|ends| ends[end].clone()).collect::<Vec<_>>();
            named(&ends, target)
        });
        let members: Vec<Vec<Named>> = members.iter().map(|all| named(all, target)).collect();
        let value = |all: &[Named], i: usize| all.get(i).and_then(|metric| metric.value);
        let scores = named(run.metrics, target).into_iter().enumerate().map(|(i, metric)| {
            let of_members = members.iter().filter_map(|all| value(all, i)).map(|v| [v, v]);
            Score {
                target: target.name.clone(),
                key: metric.key,
                name: metric.name,
                better: metric.better,
                model: metric.value,
                interval: value(&ends[0], i).zip(value(&ends[1], i)).map(<[f64; 2]>::from),
                members: of_members.reduce(|a, b| [a[0].min(b[0]), a[1].max(b[1])]),
                linear: value(&linear, i),
                simplest: value(&simplest, i),
            }
        });
        scores.collect()
    };
    Ok(targets.iter().flat_map(of_target).collect())
}

/// The metrics of each member of an ensemble on the test rows; none of a single network.
fn members(run: &Run<'_>) -> Result<Vec<Vec<TaskMetrics>>, TrainError> {
    let (model, dataset) = (run.model, &run.prepared.dataset);
    let members = if model.members().len() > 1 { model.members() } else { &[] };
    let metrics = members.iter().map(|member| {
        let (encoder, targets) = (model.encoder().clone(), model.targets().clone());
        let member = Model::new(model.river().clone(), vec![member.clone()], encoder, targets)?;
        Ok(member.metrics(dataset, &dataset.split.test, model.targets()))
    });
    metrics.collect()
}
