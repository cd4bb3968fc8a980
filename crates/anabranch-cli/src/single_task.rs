//! `--single-task-baselines`: each task trained without the others, to tell what sharing has gained
//! or cost.
//!
//! A task is trained alone in the same network, with the same seeds: the weights of the other
//! losses are 0. So what differs is what the network learns from, not what it could learn.

use std::fmt::{self, Display, Formatter};

use anabranch::graph::River;
use anabranch::tensor::Executor;
use anabranch::tensor::random::{Purpose, Random};
use anabranch::train::{
    JudgedTask, LinearModels, Model, NoObserver, TaskBalance, TaskMetrics, TrainConfig, Trainer,
    Watch,
};
use anabranch_report::figure;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::fit::Fitted;
use crate::output;
use crate::run_setup::Setup;

/// Samples of the test rows, drawn with replacement.
const SAMPLES: u64 = 400;

/// Of the samples' differences, so many are beside the interval on each side.
const BESIDE: f64 = 0.025;

/// What sharing has gained or cost, by column.
#[derive(Debug)]
pub(crate) struct SingleTasks(Vec<Sharing>);

/// What it has gained or cost one column.
#[derive(Debug)]
struct Sharing {
    column: String,
    key: &'static str,
    name: &'static str,
    /// The error of the network of all tasks.
    together: f64,
    /// That of the network of this task alone.
    alone: f64,
    /// Where 95 % of the samples have the relative difference.
    interval: [f64; 2],
}

/// The error of a column of a task.
struct Error {
    key: &'static str,
    name: &'static str,
    value: Option<f64>,
}

impl SingleTasks {
    /// Refuses a run in which there is nothing to compare.
    pub(crate) fn check(setup: &Setup) -> Result<(), Failure> {
        let why = if setup.prepared.targets.tasks().len() < 2 {
            "there is only one task"
        } else if setup.prepared.dataset.split.test.is_empty() {
            "there are no test rows to compare on"
        } else {
            return Ok(());
        };
        Err(Failure::input(format!("--single-task-baselines: {why}")).coded("usage"))
    }

    /// Trains each task alone, and compares it with the model of all of them.
    pub(crate) fn run(
        setup: &Setup,
        exec: &Executor,
        together: &Model,
        linear: &LinearModels,
    ) -> Result<Self, Failure> {
        let (data, targets) = (&setup.prepared.dataset, &setup.prepared.targets);
        let test = &data.split.test;
        let together = together.judged(data, test, targets);
        let mut columns = Vec::new();
        for (task, (target, together)) in targets.tasks().iter().zip(&together).enumerate() {
            let Some(river) = alone(&setup.river, task) else { continue };
            // Nothing to balance, and nothing else to watch.
            let config = TrainConfig {
                task_balance: TaskBalance::Fixed,
                watch: Watch::Each,
                ..setup.config.clone()
            };
            let run = |_, trainer: &mut Trainer<'_, f32>| Ok(trainer.run(&mut NoObserver)?);
            let fitted = Fitted::with(setup, &river, &config, exec, run)?.0;
            let fitted = fitted.validated(setup, linear)?;
            let judged = fitted.model.judged(data, test, targets);
            let of_columns = compare(together, &judged[task], test.len(), setup.config.seed);
            let named = target.columns().zip(of_columns);
            columns.extend(named.filter_map(|(column, sharing)| {
                sharing.map(|sharing| Sharing { column: column.to_owned(), ..sharing })
            }));
        }
        Ok(Self(columns))
    }

    /// `{COL: {"metric", "together", "alone", "difference", "interval"}}`; the difference is
    /// relative.
    pub(crate) fn json(&self) -> Value {
        let of_column = |sharing: &Sharing| {
            let Sharing { column, key, together, alone, interval, .. } = sharing;
            let value = json!({
                "metric": key,
                "together": together,
                "alone": alone,
                "difference": sharing.difference(),
                "interval": interval,
            });
            (column.clone(), value)
        };
        Value::Object(self.0.iter().map(of_column).collect::<Map<_, _>>())
    }

    /// The columns that are `verdict`, in words; none if there are none.
    fn words(&self, words: &str, is_meant: fn(&[f64; 2]) -> bool) -> Option<String> {
        let meant = self.0.iter().filter(|sharing| is_meant(&sharing.interval));
        let columns: Vec<&str> = meant.map(|sharing| sharing.column.as_str()).collect();
        (!columns.is_empty()).then(|| format!("{words}: {}", columns.join(", ")))
    }
}

impl Display for SingleTasks {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let percent = |share: f64| format!("{:+.1} %", 100.0 * share);
        let rows = self.0.iter().map(|sharing| {
            let [low, high] = sharing.interval.map(percent);
            [
                sharing.column.clone(),
                sharing.name.to_owned(),
                figure(Some(sharing.together)),
                figure(Some(sharing.alone)),
                percent(sharing.difference()),
                format!("{low} … {high}"),
            ]
        });
        let header = ["column", "metric", "together", "alone", "difference", "95 %"];
        writeln!(f, "each task alone\n\n{}\n", output::text_table(header, rows))?;
        let parts = [
            self.words("sharing gains", |[_, high]| *high < 0.0),
            self.words("sharing costs", |[low, _]| *low > 0.0),
            self.words("no clear difference", |[low, high]| *low <= 0.0 && *high >= 0.0),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
    }
}

impl Sharing {
    /// How much larger the error is with all tasks, as a share.
    fn difference(&self) -> f64 {
        relative(self.together, self.alone)
    }
}

/// The network with a weight for this task alone; none if it has none in the run.
fn alone(river: &River, task: usize) -> Option<River> {
    let mut river = river.clone();
    let heads = river.branches.iter_mut().filter_map(|branch| branch.head.as_mut());
    let mut weight = 0.0;
    for (i, head) in heads.enumerate() {
        if i == task {
            weight = head.weight;
        } else {
            head.weight = 0.0;
        }
    }
    (weight > 0.0).then_some(river)
}

/// The errors of a task's columns, together and alone, on the same samples of `n_rows` rows; none
/// of a column without a defined error.
fn compare(
    together: &JudgedTask,
    alone: &JudgedTask,
    n_rows: usize,
    seed: u64,
) -> Vec<Option<Sharing>> {
    let both = [together, alone];
    let whole = both.map(|judged| errors(&judged.metrics()));
    let mut differences: Vec<Vec<f64>> = vec![Vec::new(); whole[0].len()];
    let mut counts = vec![0.0; n_rows];
    for sample in 0..SAMPLES {
        let mut random = Random::new(seed, Purpose::Sample, sample);
        counts.fill(0.0);
        for _ in 0..n_rows {
            counts[random.below(n_rows as u64) as usize] += 1.0;
        }
        let [together, alone] = both.map(|judged| errors(&judged.metrics_of(&counts)));
        for ((differences, together), alone) in differences.iter_mut().zip(together).zip(alone) {
            let pair = together.value.zip(alone.value);
            differences.extend(pair.map(|(together, alone)| relative(together, alone)));
        }
    }
    let [together, alone] = whole;
    let columns = together.into_iter().zip(alone).zip(differences);
    columns
        .map(|((together, alone), mut differences)| {
            differences.sort_by(f64::total_cmp);
            let at = |share: f64| {
                let place = share * differences.len().checked_sub(1)? as f64;
                differences.get(place.round() as usize).copied()
            };
            Some(Sharing {
                column: String::new(),
                key: together.key,
                name: together.name,
                together: together.value?,
                alone: alone.value?,
                interval: [at(BESIDE)?, at(1.0 - BESIDE)?],
            })
        })
        .collect()
}

/// The error by which each column is compared.
fn errors(metrics: &TaskMetrics) -> Vec<Error> {
    let numbers = metrics.regression().iter().map(|column| column.rmse);
    let numbers = numbers.map(|value| Error { key: "rmse", name: "RMSE", value });
    let class = metrics.classification().map(|class| class.log_loss);
    let class = class.map(|value| Error { key: "log_loss", name: "log-loss", value });
    numbers.chain(class).collect()
}

/// How much larger an error is than another one, as a share of that.
fn relative(error: f64, than: f64) -> f64 {
    if than > 0.0 { error / than - 1.0 } else { 0.0 }
}
