//! `anabranch train`: a table in, a model file and its scores out.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anabranch::data::{Dataset, Split, Targets, TaskTarget};
use anabranch::graph::Fusion;
use anabranch::train::{
    MODEL_FILE, Model, Trainer, baselines, baselines_on, diverged, linear_baselines,
};
use indicatif::ProgressBar;
use serde_json::json;

use crate::checkpoints::{self, Checkpoints, Every, every};
use crate::config::{self, Defaults, Settings};
use crate::failure::Failure;
use crate::fit::Fitted;
use crate::flags::count;
use crate::folds::{self, Folds};
use crate::history::{self, History};
use crate::run_dir::{RunDir, SUMMARY};
use crate::run_setup::Setup;
use crate::setup::SetupArgs;
use crate::split_file::{self, split_csv};
use crate::watch::{Watch, progress_bar};
use crate::{log, output, schema};

/// Train a network on a table and save it
///
/// The rows are split by class into training, validation and test rows. The
/// network is scored on the test rows, which are used for nothing else, and
/// its scores are printed next to those of linear models and of two baselines.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, next_line_help = true)]
pub(crate) struct Args {
    /// Directory for the model and what tells of the run, created if missing
    /// [default: runs/NAME-1, runs/NAME-2 …, the first that is free]
    #[arg(long, value_name = "DIR", verbatim_doc_comment)]
    out: Option<PathBuf>,
    /// Replace a model that is already in --out, and keep the new one even if
    /// it is far worse than the simplest predictions
    #[arg(long, verbatim_doc_comment)]
    force: bool,
    /// Go on with the run in this directory, which was stopped or killed, from
    /// its last checkpoint: to the same bits, with its own settings
    #[arg(long, value_name = "DIR", verbatim_doc_comment, conflicts_with_all = ["out", "config"])]
    resume: Option<PathBuf>,
    /// Steps, seconds (60s) or epochs (1epoch) from one checkpoint to the next
    #[arg(long, value_name = "N|Ns|Nepoch", default_value = "60s", value_parser = every)]
    checkpoint_every: Every,
    /// Cross-validate before, with so many folds: mean and deviation of every
    /// metric, and in folds.csv, next to the model, a prediction of each row by
    /// a network that did not see it
    #[arg(long, value_name = "K", verbatim_doc_comment,
        conflicts_with_all = ["test", "split_column", "time"],
        allow_hyphen_values = true, value_parser = count(2, usize::MAX))]
    folds: Option<usize>,
    /// Check the gradient of every Nth step by identities and against f64; 0 disables the checks
    #[arg(long, value_name = "N", default_value_t = 0,
        allow_hyphen_values = true, value_parser = count(0, usize::MAX))]
    audit_every: usize,
    /// Print the result as one line of JSON instead of tables
    #[arg(long)]
    json: bool,
    /// Print nothing but warnings and errors
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    setup: SetupArgs,
}

pub(crate) fn run(args: &Args, settings: &Settings<'_>) -> Result<ExitCode, Failure> {
    let config_file = settings.text(Defaults::Kept)?;
    let exec = args.setup.executor()?;
    let source = args.setup.source()?;
    let folds = args.folds.map(|n| Folds::run(&args.setup, &source, &exec, n)).transpose()?;
    let setup = args.setup.setup_of::<f32>(&exec, &source)?;
    let Setup { prepared, river, config, n_members, .. } = &setup;
    let schema_file = schema::json_of(&source.table, &prepared.schema);
    let split = split_csv(&source.table, prepared);
    drop(source);
    let (data, targets) = (&prepared.dataset, &prepared.targets);
    let task_rows: Vec<usize> =
        (0..data.tasks.len()).map(|task| data.presence(task).count(0..data.n_rows)).collect();
    // What cannot be trained is refused before anything is printed.
    let first = Trainer::new(data, river.build(Fusion::Fused)?, config, &exec)?;
    // An impossible directory is better reported now than after hours of training.
    let out = args.resume.as_deref().or(args.out.as_deref());
    let dir = RunDir::reserve(out, args.setup.data())?;
    let mut beginning = checkpoints::beginning(config_file.clone(), *n_members);
    if args.resume.is_some() {
        dir.check_unfinished()?;
        beginning = checkpoints::found(&dir, prepared, beginning)?;
    } else if args.force {
        dir.begin_anew()?;
    } else {
        dir.check_free()?;
    }
    let is_told = !args.json && !args.quiet;
    if is_told {
        output::print(&format!(
            "{}\n{}\n\n{}",
            rows(args.setup.data().display(), data),
            output::tasks(targets, &task_rows, data.n_rows),
            first.graph().summary()
        ))?;
    }
    drop(first);

    let epochs = n_members * config.epochs;
    let bar = if args.quiet { ProgressBar::hidden() } else { progress_bar(epochs) };
    let checkpoints = Checkpoints::new(&dir, prepared, args.checkpoint_every, beginning)?;
    let start = Instant::now();
    let fitted = Fitted::of(&setup, &exec, |member, trainer| {
        let tasks = targets.tasks().iter().map(TaskTarget::name).collect();
        let history = History::new(member, tasks);
        let mut watch = Watch::new(&bar, history, river, args.audit_every);
        let trained = checkpoints.run(member, trainer, &mut watch);
        let n_audits = watch.finish()?;
        trained?;
        Ok(n_audits)
    });
    bar.finish_and_clear();
    if let Some(interrupted) = checkpoints.interrupted() {
        return Err(interrupted);
    }
    let (fitted, n_audits) = fitted?;
    let seconds = start.elapsed().as_secs_f64();
    let n_audits: usize = n_audits.iter().sum();

    let model = &fitted.model;

    if !args.force {
        check_worth(model, data, targets)?;
    }
    let metrics = model.metrics(data, &data.split.test, targets);
    let (linear, baselines) = (linear_baselines(data, targets), baselines(data, targets));
    let epochs = fitted.epochs();
    let rows_per_second = (data.split.train.len() * epochs) as f64 / seconds;
    let path = dir.file(MODEL_FILE);
    let mut result = json!({
        "rows": data.n_rows,
        "train_rows": data.split.train.len(),
        "test_rows": data.split.test.len(),
        "inputs": data.n_inputs,
        "epochs": fitted.members.iter().map(|member| member.epochs).max(),
        "seconds": seconds,
        "rows_per_second": rows_per_second,
        "parameters": model.graph().params_len(),
        "weights_sha256": model.weights_sha256(),
        "model": path.display().to_string(),
        "test": output::metrics_json(targets, &metrics),
        "tasks": output::tasks_json(targets, |task| fitted.best_epoch(task), &task_rows),
        "members": output::members_json(&fitted.members),
        "baselines": output::baselines_json(targets, &linear, &baselines),
        "warnings": prepared.warnings,
    });
    if let Some(folds) = &folds {
        result["folds"] = folds.json(targets);
    }

    dir.clear()?;
    dir.save(model)?;
    dir.write(config::FILE, config_file.as_bytes())?;
    dir.write(schema::FILE, format!("{schema_file}\n").as_bytes())?;
    dir.write(split_file::FILE, split.as_bytes())?;
    dir.write(history::FILE, checkpoints.history().as_bytes())?;
    if let Some(folds) = &folds {
        dir.write(folds::FILE, &folds.csv)?;
    }
    dir.write(log::FILE, &log::kept())?;
    // Last: a run with a summary is complete.
    dir.write(SUMMARY, format!("{result}\n").as_bytes())?;
    dir.keep();

    if args.json {
        output::print(&result)?;
    } else if is_told {
        if n_audits > 0 {
            output::print(&format!("audited {n_audits} steps: every gradient is right"))?;
        }
        let against = output::against_linear(targets, &metrics, &linear);
        output::print(&format!(
            "{}{epochs} epochs in {seconds:.2} s, {rows_per_second:.0} rows/s\n\n{}\n\n{}model: {}",
            of_members(*n_members),
            output::metrics_table(targets, &metrics, &linear, &baselines),
            against.map_or(String::new(), |against| format!("{against}\n")),
            path.display()
        ))?;
        if let Some(folds) = &folds {
            let file = path.with_file_name(folds::FILE);
            output::print(&format!(
                "\n{}\n\npredictions: {}",
                folds.table(targets),
                file.display()
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses a network that is far worse than the simplest predictions on the test rows, or on
/// whatever rows there are.
fn check_worth(model: &Model, data: &Dataset<f32>, targets: &Targets) -> Result<(), Failure> {
    let Split { train, validation, test, .. } = &data.split;
    let parts = [("test", test), ("validation", validation), ("training", train)];
    let Some((part, rows)) = parts.into_iter().find(|(_, rows)| !rows.is_empty()) else {
        return Ok(());
    };
    let metrics = model.metrics(data, rows, &targets.unbounded());
    let simplest = baselines_on(data, targets, rows);
    let Some(task) = diverged(&metrics, &simplest, targets) else { return Ok(()) };
    let message = format!(
        "training diverged: {:?} is predicted far worse on the {part} rows than without looking at them ({}): a lower --lr \
         may help; --force keeps the model",
        targets.tasks()[task].name(),
        output::worth(&metrics[task], &simplest[task])
    );
    Err(Failure::on_the_way(message).coded("diverged"))
}

/// What the figures of a run begin with: how many networks there are, unless it is one.
fn of_members(n_members: usize) -> String {
    if n_members == 1 { String::new() } else { format!("{n_members} networks: ") }
}

/// The sizes of the data in words.
fn rows(name: impl std::fmt::Display, data: &Dataset<f32>) -> String {
    let [train, validation, test] =
        [&data.split.train, &data.split.validation, &data.split.test].map(Vec::len);
    format!(
        "{name}: {} rows, {} inputs\n{train} rows to train, {validation} to validate, {test} to test",
        data.n_rows, data.n_inputs
    )
}
