//! Training a trial, and its score on the validation rows.

use std::time::Instant;

use anabranch::data::Prepared;
use anabranch::tensor::Executor;
use anabranch::train::{NoObserver, TaskMetrics};
use anabranch::train::{Trainer, baselines_on};
use anabranch_report::Named;
use serde_json::{Map, Value, json};

use super::entry::Entry;
use super::space::Space;
use crate::failure::Failure;
use crate::fit::Fitted;
use crate::output;

/// The data of a search, and what the simplest predictions are worth on its validation rows.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) prepared: Prepared<f32>,
    simplest: Vec<TaskMetrics>,
    /// The column that decides; all of them if none is named.
    column: Option<String>,
}

impl Bench {
    /// That of these data, on which `column` decides, or all.
    ///
    /// # Errors
    /// If there are no validation rows, or no such column.
    pub(super) fn new(prepared: Prepared<f32>, column: Option<&str>) -> Result<Self, Failure> {
        let rows = &prepared.dataset.split.validation;
        if rows.is_empty() {
            let message = "a search is scored on validation rows, and there are none: set validation-fraction in [split]";
            return Err(Failure::input(message).coded("setting"));
        }
        let simplest = baselines_on(&prepared.dataset, &prepared.targets, rows);
        let columns = output::values(&prepared.targets, &simplest);
        if let Some(column) = column
            && columns.iter().all(|(known, _)| known != column)
        {
            let known: Vec<&str> = columns.iter().map(|(known, _)| known.as_str()).collect();
            let known = known.join(", ");
            let message = format!("--score {column:?}: expected a column to predict: {known}");
            return Err(Failure::input(message).coded("usage"));
        }
        Ok(Self { prepared, simplest, column: column.map(str::to_owned) })
    }

    /// Trains one network with the settings of a trial, for a share of its epochs, and scores it.
    /// What cannot be trained has failed, and has no score.
    pub(super) fn run(
        &self,
        space: &Space<'_>,
        trial: usize,
        rung: usize,
        epochs: impl Fn(usize) -> usize,
        exec: &Executor,
    ) -> Entry {
        let start = Instant::now();
        let drawn = space.drawn(trial);
        let settings = drawn.iter().map(|setting| {
            let (key, value) = setting.named();
            (key.to_owned(), json!(value))
        });
        let mut entry = Entry {
            trial,
            rung,
            epochs: 0,
            settings: settings.collect(),
            score: None,
            validation: Map::new(),
            error: None,
            seconds: 0.0,
        };
        match self.train(space, trial, epochs, exec, &mut entry.epochs) {
            Ok(metrics) => {
                entry.score = self.score(&metrics);
                entry.validation = self.json(&metrics);
            }
            Err(failure) => entry.error = Some(failure.to_string()),
        }
        entry.seconds = start.elapsed().as_secs_f64();
        entry
    }

    /// The metrics of a trial on the validation rows.
    fn train(
        &self,
        space: &Space<'_>,
        trial: usize,
        epochs: impl Fn(usize) -> usize,
        exec: &Executor,
        trained: &mut usize,
    ) -> Result<Vec<TaskMetrics>, Failure> {
        let mut setup = space.setup(trial)?.on(exec, self.prepared.clone())?;
        setup.n_members = 1;
        setup.config.epochs = epochs(setup.config.epochs);
        *trained = setup.config.epochs;
        let run = |_, trainer: &mut Trainer<'_, f32>| Ok(trainer.run(&mut NoObserver)?);
        let (fitted, _) = Fitted::of(&setup, exec, run)?;
        let (data, targets) = (&self.prepared.dataset, &self.prepared.targets);
        let metrics = fitted.model.metrics(data, &data.split.validation, targets);
        output::check_finite(targets, &metrics)?;
        Ok(metrics)
    }

    /// The mean over the columns of how much of the simplest predictions' error is left: of their
    /// mean squared error for numbers, of their log-loss for a class. 0 is perfect, and 1 as good
    /// as not looking at the inputs; so is a task that is not trained.
    fn score(&self, metrics: &[TaskMetrics]) -> Option<f64> {
        let targets = &self.prepared.targets;
        let pairs = output::values(targets, metrics)
            .into_iter()
            .zip(output::values(targets, &self.simplest));
        let counts = |name: &str| self.column.as_ref().is_none_or(|column| column == name);
        let share = |((name, network), (_, simplest)): ((String, Vec<_>), (_, Vec<_>))| {
            if !counts(&name) {
                return None;
            }
            let error = |metrics: &[Named]| {
                let of = |metric: &Named| match metric.key {
                    "rmse" => metric.value.map(|rmse| rmse * rmse),
                    "log_loss" => metric.value,
                    _ => None,
                };
                metrics.iter().find_map(of)
            };
            // Validation rows of a single value leave nothing to compare with.
            let simplest = error(&simplest).filter(|error| *error > 0.0)?;
            Some(error(&network).map_or(1.0, |error| error / simplest))
        };
        let shares: Vec<f64> = pairs.filter_map(share).collect();
        (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
    }

    fn json(&self, metrics: &[TaskMetrics]) -> Map<String, Value> {
        match output::metrics_json(&self.prepared.targets, metrics) {
            Value::Object(columns) => columns,
            _ => Map::new(),
        }
    }
}
