//! The setup of a run: the flags that `train` and `gradcheck` share.

use std::path::{Path, PathBuf};

use anabranch::data::{
    ColumnRules, Prepared, ScaleKind, Scaling, Split, SplitRules, Table, TargetColumns,
    TaskColumns, TaskTarget, prepare_split,
};
use anabranch::graph::Fusion;
use anabranch::optim::{OptimizerKind, ScheduleKind};
use anabranch::tensor::Executor;
use anabranch::train::{TaskBalance, TrainConfig, Validate, Watch, check_coverage, examine_split};
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::config::ConfigArgs;
use crate::failure::Failure;
use crate::flags::{assignment, count, coverage, non_negative, number, seed};
use crate::network::{NetworkArgs, check_memory};
use crate::output;
use crate::run_setup::{Blending, Setup};
use crate::split_args::SplitArgs;
use crate::table_args::{TableArgs, WINE};
use crate::target_scale::Asked;
use crate::task_flags::TaskFlags;
use crate::threads::ThreadArgs;

/// How numbers become inputs.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ScalingArg {
    Ranked,
    Auto,
    Standard,
    Robust,
}

/// Data, network and training.
#[derive(Debug, clap::Args)]
pub(crate) struct SetupArgs {
    /// CSV file with a header, or `wine`: 1,599 red wines, built in
    #[arg(long, value_name = "wine|FILE.csv", default_value = WINE, help_heading = "Data")]
    data: PathBuf,
    #[command(flatten)]
    tasks: TaskFlags,
    /// Scale of numbers to predict, by column: standard, log1p,
    /// rank-normal, none, or auto, which lets validation rows choose
    /// between the first two; may be repeated [default: standard]
    #[arg(long, value_name = "NAME=KIND", verbatim_doc_comment, help_heading = "Data",
        value_parser = assignment)]
    target_scale: Vec<(String, String)>,
    /// How numbers become inputs: standard, by mean and deviation; robust, by
    /// quartiles and smoothly clipped; auto, as standard, but robust where a
    /// value is very far away; ranked, as auto and by their place among all
    #[arg(
        long,
        value_name = "NAME",
        default_value = "ranked",
        verbatim_doc_comment,
        help_heading = "Data"
    )]
    scaling: ScalingArg,
    /// Column of numbers, at least 0: how much each row counts in the
    /// losses; it is not an input, and metrics count all rows alike
    #[arg(long, value_name = "COL", verbatim_doc_comment, help_heading = "Data")]
    sample_weight: Option<String>,
    #[command(flatten)]
    split: SplitArgs,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    network: NetworkArgs,

    /// Maximum number of passes over the training rows
    #[arg(long, value_name = "N", default_value_t = TrainConfig::default().epochs, help_heading = "Training",
        allow_hyphen_values = true, value_parser = count(1, usize::MAX))]
    epochs: usize,
    /// Rows in a training step
    /// [default: 128, or 32 where fewer than 2,000 rows train]
    #[arg(long, value_name = "N", help_heading = "Training", verbatim_doc_comment,
        allow_hyphen_values = true, value_parser = count(0, usize::MAX))]
    batch_size: Option<usize>,
    /// Optimizer
    #[arg(long, value_name = "NAME", default_value_t = TrainConfig::default().optimizer, help_heading = "Training",
        value_parser = PossibleValuesParser::new(OptimizerKind::ALL.map(|kind| kind.name()))
            .try_map(|name| name.parse::<OptimizerKind>()))]
    optimizer: OptimizerKind,
    /// Learning rate, before the schedule
    #[arg(long, value_name = "X", default_value_t = TrainConfig::default().lr, help_heading = "Training",
        allow_hyphen_values = true, value_parser = non_negative())]
    lr: f64,
    /// Learning-rate schedule
    #[arg(long, value_name = "NAME", default_value_t = TrainConfig::default().schedule, help_heading = "Training",
        value_parser = PossibleValuesParser::new(ScheduleKind::ALL.map(|kind| kind.name()))
            .try_map(|name| name.parse::<ScheduleKind>()))]
    schedule: ScheduleKind,
    /// Weight decay; biases and normalisation parameters have none
    /// [default: 10 over the number of training rows, at most 0.01]
    #[arg(long, value_name = "X", help_heading = "Training", verbatim_doc_comment,
        allow_hyphen_values = true, value_parser = non_negative())]
    weight_decay: Option<f64>,
    /// Clip the global gradient norm to this [default: no clipping]
    #[arg(long, value_name = "X", help_heading = "Training",
        allow_hyphen_values = true, value_parser = number("a number above 0", |v| v > 0.0))]
    clip: Option<f64>,
    /// Stop after this many epochs without a lower validation loss and
    /// keep the best weights; 0 disables early stopping
    /// [default: 15, or 0 if there are no validation rows]
    #[arg(long, value_name = "N", help_heading = "Training", verbatim_doc_comment,
        allow_hyphen_values = true, value_parser = count(0, usize::MAX))]
    patience: Option<usize>,
    /// Which validation loss decides what the best weights are: `sum` of all
    /// tasks, the NAME of a task, or `each`, which keeps the best weights of
    /// each task
    #[arg(
        long,
        value_name = "sum|NAME|each",
        default_value = "each",
        help_heading = "Training",
        verbatim_doc_comment
    )]
    watch: String,
    /// How the losses of tasks are weighed against each other, besides their
    /// weights: fixed, that is not at all; uncertainty, by a variance that is
    /// learned for each task; min-norm, for two tasks, so that no step makes
    /// one of them worse
    #[arg(long, value_name = "NAME", default_value_t = TrainConfig::default().task_balance,
        help_heading = "Training", verbatim_doc_comment,
        value_parser = PossibleValuesParser::new(TaskBalance::ALL.map(TaskBalance::name))
            .try_map(|name| name.parse::<TaskBalance>()))]
    task_balance: TaskBalance,
    /// Networks to train, with seeds of their own: the model predicts the
    /// mean of what they predict; 1 is a single network
    /// [default: 8, 4 from 2,000 training rows on, 2 from 10,000 on]
    #[arg(long, value_name = "K", help_heading = "Training", verbatim_doc_comment,
        allow_hyphen_values = true, value_parser = count(1, 1000))]
    ensemble: Option<usize>,
    /// What is averaged with the networks: linear, a linear model of each
    /// task, as much as the validation rows speak for it; or none
    #[arg(
        long,
        value_name = "NAME",
        default_value = "linear",
        help_heading = "Training",
        verbatim_doc_comment
    )]
    blend: Blending,
    /// Share of rows whose truth `predict` brackets unless asked for another
    /// one: intervals of numbers and sets of classes, by validation rows
    #[arg(long, value_name = "P", help_heading = "Training", verbatim_doc_comment,
        allow_hyphen_values = true, value_parser = coverage())]
    coverage: Option<f64>,
    /// Random seed
    #[arg(long, value_name = "N", default_value_t = TrainConfig::default().seed, help_heading = "Training",
        allow_hyphen_values = true, value_parser = seed)]
    seed: u64,
    #[command(flatten)]
    threads: ThreadArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Below so many training rows, larger batches would be too few steps: see
/// `docs/experiments.md`.
const FEW_ROWS: usize = 2_000;
const SMALL_BATCH: usize = 32;

/// Weight decay for so many training rows: what weights are worth is known before by as much as
/// some rows say, whatever their number. See `docs/training.md`.
fn weight_decay_for(n_rows: usize) -> f64 {
    (10.0 / n_rows.max(1) as f64).min(0.01)
}

/// Networks to train for so many training rows: of more rows, one more network gains less and takes
/// longer. See `docs/training.md`.
fn members_for(n_rows: usize) -> usize {
    match n_rows {
        0..2_000 => 8,
        2_000..10_000 => 4,
        _ => 2,
    }
}

/// What a run reads.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) table: Table,
    columns: TargetColumns,
    pub(crate) rules: SplitRules,
    /// The test rows, if they have a table of their own.
    pub(crate) test: Option<Table>,
    scales: Asked,
}

impl SetupArgs {
    /// Passes over the training rows at most.
    pub(crate) fn epochs(&self) -> usize {
        self.epochs
    }

    /// What the user calls the data.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Reads and prepares the data, prints warnings about it, and sizes the network.
    pub(crate) fn setup(&self, exec: &Executor) -> Result<Setup, Failure> {
        self.setup_of(exec, &self.source()?)
    }

    /// [`setup`](Self::setup) of data that have been read.
    pub(crate) fn setup_of(&self, exec: &Executor, source: &Source) -> Result<Setup, Failure> {
        let mut setup = self.set_up(exec, source, &source.rules)?;
        let Prepared { dataset, targets, .. } = &setup.prepared;
        let findings = examine_split(dataset, targets, setup.graph.params_len());
        setup.prepared.warnings.extend(findings);
        let Prepared { dataset, warnings, .. } = &setup.prepared;
        tracing::info!(
            rows = dataset.n_rows,
            inputs = dataset.n_inputs,
            tasks = dataset.tasks.len(),
            "table encoded"
        );
        output::warn(warnings);
        Ok(setup)
    }

    /// The table of the data.
    pub(crate) fn table(&self) -> Result<Table, Failure> {
        let table = self.table.read(&self.data)?;
        let scaling = match self.scaling {
            ScalingArg::Ranked => Scaling::Ranked,
            ScalingArg::Auto => Scaling::Auto,
            ScalingArg::Standard => Scaling::Standard,
            ScalingArg::Robust => Scaling::Robust,
        };
        let rules = ColumnRules { scaling, ..table.rules().clone() };
        Ok(table.with_rules(rules))
    }

    /// The columns that the flags name as targets.
    pub(crate) fn target_columns(&self) -> impl Iterator<Item = &str> {
        let tasks = self.tasks.columns().tasks.iter();
        let columns = tasks.flat_map(|task| match task {
            TaskColumns::Regress(columns) => &columns[..],
            TaskColumns::Classify(column) => std::slice::from_ref(column),
        });
        columns.map(String::as_str)
    }

    /// Reads the data.
    pub(crate) fn source(&self) -> Result<Source, Failure> {
        let table = self.table()?;
        let sample_weight = self.sample_weight.clone();
        let columns = TargetColumns { sample_weight, ..self.targets(&table)? };
        let (rules, test) = (self.split.rules(self.seed), self.split.test(&self.table)?);
        let scales = Asked::of(&self.target_scale, &columns)?;
        Ok(Source { table, columns, rules, test, scales })
    }

    /// Prepares the data by other rules, and sizes the network.
    pub(crate) fn set_up(
        &self,
        exec: &Executor,
        source: &Source,
        rules: &SplitRules,
    ) -> Result<Setup, Failure> {
        let Source { table, columns, test, .. } = source;
        let set_up = |scales: &[(String, ScaleKind)]| {
            let columns = TargetColumns { scales: scales.to_vec(), ..columns.clone() };
            let prepared = prepare_split(exec, table, &columns, rules, test.as_ref())?;
            self.on(exec, prepared)
        };
        let (mut setup, about_scales) = source.scales.set_up(exec, set_up)?;
        setup.prepared.warnings.extend(about_scales);
        Ok(setup)
    }

    /// A run on these data: sizes the network.
    pub(crate) fn on(&self, exec: &Executor, prepared: Prepared<f32>) -> Result<Setup, Failure> {
        let data = &prepared.dataset;
        let river = self.network.river(data.n_inputs, prepared.targets.tasks())?;
        let graph = river.build(Fusion::Fused)?;
        let config = self.config(&data.split, prepared.targets.tasks())?;
        let n_rows = data.split.train.len();
        let n_members = self.ensemble.unwrap_or_else(|| members_for(n_rows));
        let validate = self.split.validate();
        check_memory(&graph, data, &config, exec, n_members)?;
        if let Some(share) = self.coverage {
            check_coverage_of(share, &prepared, validate, n_members)?;
        }
        let (blending, coverage) = (self.blend, self.coverage);
        Ok(Setup { prepared, river, graph, config, n_members, validate, blending, coverage })
    }

    /// The threads asked for, or one for each core.
    pub(crate) fn executor(&self) -> Result<Executor, Failure> {
        self.threads.executor()
    }

    fn config(&self, split: &Split, tasks: &[TaskTarget]) -> Result<TrainConfig, Failure> {
        let defaults = TrainConfig::default();
        let patience = match self.patience {
            Some(patience) => patience,
            None if !split.validation.is_empty() => defaults.patience,
            None => 0,
        };
        let n_rows = split.train.len();
        let is_small = n_rows < FEW_ROWS;
        let batch_size = if is_small { SMALL_BATCH } else { defaults.batch_size };
        Ok(TrainConfig {
            epochs: self.epochs,
            batch_size: self.batch_size.unwrap_or(batch_size),
            optimizer: self.optimizer,
            lr: self.lr,
            schedule: self.schedule,
            weight_decay: self.weight_decay.unwrap_or_else(|| weight_decay_for(n_rows)),
            clip: self.clip,
            patience,
            watch: self.watch(tasks)?,
            task_balance: self.task_balance,
            seed: self.seed,
        })
    }

    /// What `--watch` means for these tasks.
    fn watch(&self, tasks: &[TaskTarget]) -> Result<Watch, Failure> {
        match self.watch.as_str() {
            "sum" => Ok(Watch::Sum),
            "each" => Ok(Watch::Each),
            name => {
                let place = tasks.iter().position(|task| task.name() == name);
                place.map(Watch::Task).ok_or_else(|| {
                    let tasks: Vec<String> = tasks.iter().map(TaskTarget::name).collect();
                    let message = format!(
                        "--watch {name:?}: expected sum, each, or a task: {}",
                        tasks.join(" or ")
                    );
                    Failure::input(message).coded("usage")
                })
            }
        }
    }

    /// The columns to predict: those asked for, or wine's own for wine. One regression and one
    /// class are put in this order.
    fn targets(&self, table: &Table) -> Result<TargetColumns, Failure> {
        let mut columns = self.tasks.columns().clone();
        match &mut columns.tasks[..] {
            [] if self.data == Path::new(WINE) => return Ok(TargetColumns::wine()),
            [] => {
                let found = table.columns().iter().map(|name| format!("{name:?}"));
                return Err(Failure::input(format!(
                    "{}: say what to predict with --regress, --classify or both: the columns found are {}",
                    table.name(),
                    found.collect::<Vec<_>>().join(", ")
                )));
            }
            [first @ TaskColumns::Classify(_), second @ TaskColumns::Regress(_)] => {
                std::mem::swap(first, second);
            }
            _ => {}
        }
        Ok(columns)
    }
}

/// Refuses a coverage for which there are too few validation rows with the target of some task.
fn check_coverage_of(
    share: f64,
    prepared: &Prepared<f32>,
    validate: Validate,
    n_members: usize,
) -> Result<(), Failure> {
    let Prepared { dataset, targets, .. } = prepared;
    let turns = 0..validate.n_turns(&dataset.split, n_members);
    let rows: Vec<usize> =
        turns.flat_map(|turn| dataset.split.of_member(turn).validation).collect();
    for (number, task) in targets.tasks().iter().enumerate() {
        let presence = dataset.presence(number);
        let rows = rows.iter().filter(|row| presence.has(**row));
        check_coverage(share, &task.name(), rows.count())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_follow_the_rows() {
        let of_rows = |n_rows| (members_for(n_rows), weight_decay_for(n_rows));
        assert_eq!([0, 1_000].map(of_rows), [(8, 0.01), (8, 0.01)]);
        assert_eq!([2_000, 5_000].map(of_rows), [(4, 0.005), (4, 0.002)]);
        assert_eq!(of_rows(20_000), (2, 0.0005));
    }
}
