//! `anabranch train`: a table in, a model file and its scores out.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anabranch::data::{Dataset, TaskTarget};
use anabranch::graph::Fusion;
use anabranch::tensor::Executor;
use anabranch::train::{LinearModels, TaskBalance, Trainer, data_sha256};
use indicatif::ProgressBar;
use serde_json::Value;

use crate::checkpoints::{self, Checkpoints, Every, every};
use crate::config::{self, Defaults, Settings};
use crate::failure::Failure;
use crate::fit::Fitted;
use crate::flags::count;
use crate::folds::{self, Folds};
use crate::history::{self, History};
use crate::outcome::{Outcome, Work};
use crate::report::{Origin, Report};
use crate::row_facts::RowFacts;
use crate::run_dir::{REPORT, RunDir, SUMMARY};
use crate::run_setup::Setup;
use crate::setup::SetupArgs;
use crate::single_task::SingleTasks;
use crate::split_file::{self, split_csv};
use crate::tensorboard::{self, Events};
use crate::watch::{Watch, progress_bar};
use crate::{certificate, log, output, resume, run_record, schema};

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
    /// its last checkpoint: to the same bits, with its own settings, or with
    /// more --epochs where the --schedule does not depend on their number
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
    /// Train each task alone too, in the same network with the same seeds, and
    /// say what sharing has gained or cost, by column, with an interval
    #[arg(long, verbatim_doc_comment)]
    single_task_baselines: bool,
    /// Write the losses and gradients of each epoch as event files too, in
    /// tensorboard/, for `tensorboard --logdir`
    #[arg(long, verbatim_doc_comment)]
    tensorboard: bool,
    /// Add to metrics.jsonl whether tasks pull the layers that they share in the
    /// same direction: the cosine of their gradients, in every 8th batch
    #[arg(long, verbatim_doc_comment)]
    grad_cosines: bool,
    /// Check the gradient of the first step before training, as `gradcheck` does,
    /// and keep what was found in the model file
    #[arg(long, verbatim_doc_comment)]
    certify: bool,
    /// Write no report.html, and find nothing out for it
    #[arg(long)]
    no_report: bool,
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
    let config_file = settings.text(Defaults::Kept, None)?;
    let exec = args.setup.executor()?;
    let source = args.setup.source()?;
    let folds = args.folds.map(|n| Folds::run(&args.setup, &source, &exec, n)).transpose()?;
    let setup = args.setup.setup_of(&exec, &source)?;
    let prepared = &setup.prepared;
    let schema = schema::json_of(&source.table, &prepared.schema);
    let row_facts = RowFacts::of(&source, prepared)?;
    let lines = row_facts.lines();
    let groupings = (!args.no_report).then(|| row_facts.groupings(prepared));
    let split = split_csv(&source.table, prepared)?;
    drop(source);
    // What cannot be trained is refused before anything is printed.
    if args.single_task_baselines {
        SingleTasks::check(&setup)?;
    }
    let is_checked = args.audit_every > 0 || args.certify;
    if is_checked && setup.config.task_balance != TaskBalance::Fixed {
        let message = "--audit-every and --certify check gradients of fixed weights: leave --task-balance out";
        return Err(Failure::input(message).coded("usage"));
    }
    let graph = setup.river.build(Fusion::Fused)?;
    let mut first = Trainer::new(&prepared.dataset, graph, &setup.config, &exec)?;
    // An impossible directory is better reported now than after hours of training.
    let out = args.resume.as_deref().or(args.out.as_deref());
    let dir = RunDir::reserve(out, args.setup.data())?;
    let beginning = if args.resume.is_some() {
        resume::found(&dir, &setup, config_file.clone())?
    } else {
        if args.force {
            dir.begin_anew()?;
        } else {
            dir.check_free()?;
        }
        checkpoints::beginning(config_file.clone(), setup.n_members)
    };
    let is_told = !args.json && !args.quiet;
    if is_told {
        let data = rows(args.setup.data().display(), &prepared.dataset);
        let n_rows = prepared.dataset.n_rows;
        let tasks = output::tasks(&prepared.targets, &setup.rows_of_tasks(), n_rows);
        output::print(&format!("{data}\n{tasks}\n\n{}", first.graph().summary()))?;
    }
    let certificate = args.certify.then(|| certify(args, &setup, &mut first, &exec)).transpose()?;
    drop(first);

    let checkpoints = Checkpoints::new(
        &dir,
        prepared,
        (args.setup.data(), &lines),
        args.checkpoint_every,
        beginning,
    )?;
    let (fitted, linear, work) = train(args, &setup, &exec, &checkpoints, &dir)?;
    let history = checkpoints.history();
    let mut outcome = Outcome::new(&setup, fitted, &linear, folds, work, &history, dir.path())?;
    outcome.certificate = certificate;
    if !args.force {
        outcome.check_worth()?;
    }
    output::warn(outcome.findings());
    let single_tasks = args.single_task_baselines;
    let single_tasks =
        single_tasks.then(|| SingleTasks::run(&setup, &exec, outcome.model(), &linear));
    let mut outcome = outcome.beside(single_tasks.transpose()?);
    let mut json = outcome.json();
    let data_sha256 = data_sha256(prepared);
    json["data_sha256"] = data_sha256.as_str().into();
    outcome.record(&run_record::of(&config_file, &schema, &json));

    dir.clear()?;
    // The settings first: whatever stops the program after that, the run can go on. What cannot be
    // written keeps nothing else from being written, least of all the model.
    let written = [
        dir.write(config::FILE, config_file.as_bytes()),
        dir.save(outcome.model()),
        dir.write(schema::FILE, format!("{schema}\n").as_bytes()),
        dir.write(split_file::FILE, split.as_bytes()),
        dir.write(history::FILE, history.as_bytes()),
        outcome.folds_csv().map_or(Ok(()), |predictions| dir.write(folds::FILE, predictions)),
        dir.write(log::FILE, &log::kept()),
    ];
    written.into_iter().collect::<Result<(), Failure>>()?;
    // Once the model is safe.
    let report = if let Some(groupings) = &groupings {
        let (epochs, _) = history::epochs(&history)?;
        let origin = Origin {
            data: args.setup.data(),
            dir: dir.path(),
            lines: &lines,
            groupings,
            epochs: &epochs,
            config: &config_file,
            data_sha256: &data_sha256,
        };
        let report = Report::new(&outcome, &setup, &origin, &exec)?;
        json["importance"] = report.importance();
        dir.write(REPORT, report.html.as_bytes())?;
        Some(report)
    } else {
        None
    };
    // Last: a run with a summary is complete.
    dir.write(SUMMARY, format!("{json}\n").as_bytes())?;
    let path = dir.file(REPORT);
    dir.keep();

    if args.json {
        output::print(&json)?;
    } else if is_told {
        output::print(&outcome)?;
        if let Some(report) = &report {
            output::print(&format!("report: {}\n\n{}", path.display(), report.short))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The certificate of the gradient in the first step of the first network.
///
/// # Errors
/// If that gradient does not pass.
fn certify(
    args: &Args,
    setup: &Setup,
    first: &mut Trainer<'_, f32>,
    exec: &Executor,
) -> Result<Value, Failure> {
    let certificate = certificate::of_step(first, &setup.river, 0, exec)?;
    if !certificate.pass() {
        return Err(Failure::on_the_way(
            "the gradient of the first step is not right (`anabranch gradcheck` with the same flags says more)",
        ));
    }
    Ok(certificate::with_run(&certificate, &args.setup, setup, &setup.config))
}

/// Trains all networks of a run, and linear models beside them.
fn train(
    args: &Args,
    setup: &Setup,
    exec: &Executor,
    checkpoints: &Checkpoints<'_>,
    dir: &RunDir,
) -> Result<(Fitted, LinearModels, Work), Failure> {
    let epochs = setup.n_members * setup.config.epochs;
    let bar = if args.quiet { ProgressBar::hidden() } else { progress_bar("epoch", epochs) };
    let start = Instant::now();
    let fitted = Fitted::of(setup, exec, |member, trainer| {
        let tasks: Vec<String> =
            setup.prepared.targets.tasks().iter().map(TaskTarget::name).collect();
        let events = args.tensorboard.then(|| {
            let dir = dir.file(tensorboard::DIR);
            let dir = if setup.n_members == 1 { dir } else { dir.join(format!("member-{member}")) };
            Events::create(&dir, tasks.clone())
        });
        let history = History::new(member, tasks);
        let events = events.transpose()?;
        let mut watch = Watch::new(&bar, history, events, &setup.river, args.audit_every);
        if args.grad_cosines {
            trainer.watch_cosines();
        }
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
    let linear = LinearModels::fit(&setup.prepared.dataset);
    let fitted = fitted.validated(setup, &linear)?;
    let seconds = start.elapsed().as_secs_f64();
    Ok((fitted, linear, Work { seconds, n_audits: n_audits.iter().sum() }))
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
