//! `anabranch report`: the page that tells of a run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anabranch::tensor::Executor;
use anabranch::train::{LinearModels, Model, data_sha256};
use anabranch_report::{Epoch, Findings, Grouping, Run, html, short};
use clap::{Args as _, Command, FromArgMatches};
use serde_json::{Value, json};

use crate::certificate;
use crate::config::{self, with_settings};
use crate::failure::Failure;
use crate::fit::Fitted;
use crate::out_file;
use crate::outcome::{Outcome, Work};
use crate::output;
use crate::row_facts::RowFacts;
use crate::run_dir::REPORT;
use crate::run_setup::Setup;
use crate::saved_run::SavedRun;
use crate::setup::SetupArgs;

/// Write the report of a run again, from its model, its files and its data
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Directory of the run
    dir: PathBuf,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

/// A report, and its short version.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) html: String,
    /// What it says in a few lines.
    pub(crate) short: String,
    findings: Findings,
}

/// What a report says of a run beside its outcome.
#[derive(Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) data: &'a Path,
    pub(crate) dir: &'a Path,
    /// The line of each row of the data set.
    pub(crate) lines: &'a [usize],
    /// What columns say about which of them belong together.
    pub(crate) groupings: &'a [Grouping],
    pub(crate) epochs: &'a [Epoch],
    pub(crate) config: &'a str,
    pub(crate) data_sha256: &'a str,
}

impl Report {
    /// The report of an outcome.
    pub(crate) fn new(
        outcome: &Outcome<'_>,
        setup: &Setup,
        origin: &Origin<'_>,
        exec: &Executor,
    ) -> Result<Self, Failure> {
        let best_epochs: Vec<Vec<Option<usize>>> =
            outcome.members().iter().map(|member| member.best_epochs.clone()).collect();
        let facts = facts(outcome, setup, origin);
        let [metrics, linear, baselines] = outcome.scores();
        let name = origin.data.file_name().map_or("table".into(), |name| name.to_string_lossy());
        let run = Run {
            name: &name,
            prepared: &setup.prepared,
            model: outcome.model(),
            validate: setup.validate,
            metrics,
            intervals: outcome.intervals(),
            coverage: outcome.covered(),
            linear,
            baselines,
            epochs: origin.epochs,
            best_epochs: &best_epochs,
            lr: setup.config.lr,
            seed: setup.config.seed,
            lines: origin.lines,
            groupings: origin.groupings,
            findings: outcome.findings(),
            facts: &facts,
            config: origin.config,
        };
        let findings = Findings::of(&run, exec)?;
        Ok(Self { html: html(&run, &findings), short: short(&run, &findings), findings })
    }

    /// What each input column is worth, by the column that is predicted.
    pub(crate) fn importance(&self) -> Value {
        let mut json = json!({});
        for importance in &self.findings.importance {
            json[&importance.target][&importance.column] =
                json!({ "mean": importance.mean, "deviation": importance.deviation });
        }
        json
    }
}

/// What it takes to repeat a run.
fn facts(outcome: &Outcome<'_>, setup: &Setup, origin: &Origin<'_>) -> Vec<(&'static str, String)> {
    let config = origin.dir.join(config::FILE);
    let seeds: Vec<String> =
        outcome.members().iter().map(|member| member.seed.to_string()).collect();
    let mut facts = vec![
        ("command", format!("anabranch train --config {}", output::plain(&config))),
        ("data", output::plain(origin.data)),
        ("data, SHA-256", origin.data_sha256.to_owned()),
        ("weights, SHA-256", outcome.model().weights_sha256()),
        ("parameters", outcome.model().graph().params_len().to_string()),
        ("seeds of the networks", seeds.join(", ")),
        ("optimizer", setup.config.optimizer.to_string()),
        ("anabranch", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    if outcome.n_audits() > 0 {
        facts.push((
            "gradients",
            format!("{} steps audited, all of them right", outcome.n_audits()),
        ));
    }
    facts.extend(outcome.certificate.as_ref().map(|it| ("certificate", certificate::words(it))));
    facts
}

/// The settings of the run in a directory.
fn settings(dir: &Path) -> Result<SetupArgs, Failure> {
    let command = SetupArgs::augment_args(Command::new("train"));
    let mut program = Command::new("anabranch").subcommand(command);
    let file = dir.join(config::FILE);
    let words = ["anabranch", "train", "--config"].map(OsString::from);
    let words: Vec<OsString> = words.into_iter().chain([file.into()]).collect();
    let given = program.clone().try_get_matches_from(&words).map_err(|e| Failure::usage(&e))?;
    let matches = with_settings(&mut program, &words, given)?;
    let settings = matches.subcommand().map_or(&matches, |(_, settings)| settings);
    SetupArgs::from_arg_matches(settings).map_err(|e| Failure::usage(&e))
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let saved = SavedRun::of(&args.dir)?;
    let model = Model::load(&args.dir)?;
    let train = settings(&args.dir)?;
    let exec = train.executor()?;
    let source = train.source()?;
    let setup = train.set_up(&exec, &source, &source.rules)?;
    let data_sha256 = data_sha256(&setup.prepared);
    if saved.summary("data_sha256").as_str().is_some_and(|known| known != data_sha256) {
        let message = format!("{}: the data are not those of the run", train.data().display());
        return Err(Failure::input(message).coded("input"));
    }
    let rows = RowFacts::of(&source, &setup.prepared)?;
    let (lines, groupings) = (rows.lines(), rows.groupings(&setup.prepared));
    let (epochs, _) = saved.epochs()?;
    let members = saved.members();
    let seconds = saved.summary("seconds").as_f64().unwrap_or(0.0);
    let n_audits = saved.summary("audited_steps").as_u64().unwrap_or(0) as usize;
    let fitted = Fitted { model, members, temperatures: Vec::new() };
    let work = Work { seconds, n_audits };
    let linear = LinearModels::fit(&setup.prepared.dataset);
    let mut outcome = Outcome::new(&setup, fitted, &linear, None, work, &saved.lines, &args.dir)?;
    outcome.certificate = Some(saved.summary("certificate")).filter(|it| it.is_object()).cloned();
    let origin = Origin {
        data: train.data(),
        dir: &args.dir,
        lines: &lines,
        groupings: &groupings,
        epochs: &epochs,
        config: &saved.config,
        data_sha256: &data_sha256,
    };
    let report = Report::new(&outcome, &setup, &origin, &exec)?;
    let path = args.dir.join(REPORT);
    let out = path.display();
    out_file::write(&path, report.html.as_bytes())?;
    if args.json {
        let (out, bytes) = (out.to_string(), report.html.len());
        output::print(&json!({ "out": out, "bytes": bytes, "importance": report.importance() }))?;
    } else {
        output::print(&format!("{}\nreport: {out}", report.short))?;
    }
    Ok(ExitCode::SUCCESS)
}
