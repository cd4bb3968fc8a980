//! What a run has found out: its model, how that was trained, and its scores beside those of
//! simpler predictions.

use std::cell::OnceCell;
use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use anabranch::data::{Split, Warning};
use anabranch::train::{
    Covered, JudgedTask, LinearModels, MODEL_FILE, Model, StopsEarly, TaskMetrics, baselines,
    baselines_on, diverged, examine_curves, examine_model, examine_recoveries,
};
use serde_json::{Value, json};

use crate::certificate;
use crate::covered::{self, CoveredRows};
use crate::failure::Failure;
use crate::fit::{Fitted, Training};
use crate::folds::{self, Folds};
use crate::history;
use crate::output::{self, Detail};
use crate::run_setup::Setup;
use crate::single_task::SingleTasks;

/// The outcome of a run; it is shown as the tables that a user reads.
#[derive(Debug)]
pub(crate) struct Outcome<'a> {
    setup: &'a Setup,
    fitted: Fitted,
    folds: Option<Folds>,
    single_tasks: Option<SingleTasks>,
    work: Work,
    /// Where the model is saved.
    path: PathBuf,
    /// Of the gradient, if it was asked for.
    pub(crate) certificate: Option<Value>,
    /// What is predicted for the test rows.
    judged: Vec<JudgedTask>,
    /// On the test rows: those of the network, of linear models, and of the simplest predictions.
    metrics: Vec<TaskMetrics>,
    /// Bootstrap intervals of those of the network, drawn when somebody asks for them.
    intervals: OnceCell<Vec<[TaskMetrics; 2]>>,
    linear: Vec<TaskMetrics>,
    simplest: Vec<TaskMetrics>,
    /// What the training and the model show about themselves.
    findings: Vec<Warning>,
    /// How well they are covered, if a coverage was asked for.
    covered: Option<CoveredRows>,
}

/// What it took to train all networks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) seconds: f64,
    pub(crate) n_audits: usize,
}

impl<'a> Outcome<'a> {
    /// Scores what was trained, which is to be saved in `dir`, beside `linear` models of the same
    /// rows.
    pub(crate) fn new(
        setup: &'a Setup,
        fitted: Fitted,
        linear: &LinearModels,
        folds: Option<Folds>,
        work: Work,
        history: &str,
        dir: &Path,
    ) -> Result<Self, Failure> {
        let (data, targets) = (&setup.prepared.dataset, &setup.prepared.targets);
        let judged = fitted.model.judged(data, &data.split.test, targets);
        let metrics = judged.iter().map(JudgedTask::metrics).collect();
        let covered = CoveredRows::of(&fitted.model, setup.coverage, &judged)?;
        let linear = linear.metrics(data, &data.split.test, targets);
        let simplest = baselines(data, targets);
        let stops = if setup.config.patience > 0 { StopsEarly::Yes } else { StopsEarly::No };
        let mut findings = examine_curves(&history::curves(history), stops);
        findings.extend(examine_recoveries(&history::recoveries(history)));
        findings.extend(examine_model(&fitted.model, data));
        let path = dir.join(MODEL_FILE);
        let (single_tasks, certificate) = (None, None);
        Ok(Self {
            setup,
            fitted,
            folds,
            single_tasks,
            work,
            path,
            certificate,
            judged,
            metrics,
            intervals: OnceCell::new(),
            linear,
            simplest,
            findings,
            covered,
        })
    }

    /// The same beside each task alone.
    pub(crate) fn beside(self, single_tasks: Option<SingleTasks>) -> Self {
        Self { single_tasks, ..self }
    }

    pub(crate) fn model(&self) -> &Model {
        &self.fitted.model
    }

    /// Has the model file tell this of the run.
    pub(crate) fn record(&mut self, record: &Value) {
        self.fitted.model.record_run(record);
    }

    /// What the training and the model show about themselves.
    pub(crate) fn findings(&self) -> &[Warning] {
        &self.findings
    }

    /// How each network was trained.
    pub(crate) fn members(&self) -> &[Training] {
        &self.fitted.members
    }

    /// The metrics on the test rows: of the model, of linear models, of the simplest predictions.
    pub(crate) fn scores(&self) -> [&[TaskMetrics]; 3] {
        [&self.metrics, &self.linear, &self.simplest]
    }

    /// The ends of the bootstrap intervals of the model's metrics.
    pub(crate) fn intervals(&self) -> &[[TaskMetrics; 2]] {
        let seed = self.setup.config.seed;
        let draw = || self.judged.iter().map(|task| task.intervals(seed)).collect();
        self.intervals.get_or_init(draw)
    }

    /// Which share is to be covered, and how well the test rows are, if that was asked for.
    pub(crate) fn covered(&self) -> Option<(f64, &[Covered])> {
        self.covered.as_ref().map(CoveredRows::columns)
    }

    /// Steps whose gradient was audited.
    pub(crate) fn n_audits(&self) -> usize {
        self.work.n_audits
    }

    /// The file of predictions of the folds, if there are any.
    pub(crate) fn folds_csv(&self) -> Option<&[u8]> {
        self.folds.as_ref().map(|folds| folds.csv.as_slice())
    }

    /// # Errors
    /// If the network is far worse than the simplest predictions on the test or the validation
    /// rows, or on the training rows if there are no others.
    pub(crate) fn check_worth(&self) -> Result<(), Failure> {
        let Split { train, validation, test, .. } = &self.setup.prepared.dataset.split;
        if test.is_empty() && validation.is_empty() {
            return self.check_worth_on("training", train);
        }
        let parts = [("test", test), ("validation", validation)];
        let mut parts = parts.into_iter().filter(|(_, rows)| !rows.is_empty());
        parts.try_for_each(|(part, rows)| self.check_worth_on(part, rows))
    }

    fn check_worth_on(&self, part: &str, rows: &[usize]) -> Result<(), Failure> {
        let (data, targets) = (&self.setup.prepared.dataset, &self.setup.prepared.targets);
        let metrics = self.model().metrics(data, rows, &targets.unbounded());
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

    /// The outcome as `--json` prints it, and `summary.json` holds it.
    pub(crate) fn json(&self) -> Value {
        let Self { setup, fitted, metrics, linear, simplest, .. } = self;
        let (data, targets) = (&setup.prepared.dataset, &setup.prepared.targets);
        let best_epoch = |task| fitted.best_epoch(task);
        let warnings = [&setup.prepared.warnings[..], &self.findings].concat();
        let mut json = json!({
            "rows": data.n_rows,
            "train_rows": data.split.train.len(),
            "test_rows": data.split.test.len(),
            "inputs": data.n_inputs,
            "epochs": fitted.members.iter().map(|member| member.epochs).max(),
            "seconds": self.work.seconds,
            "rows_per_second": self.rows_per_second(),
            "parameters": self.model().graph().params_len(),
            "weights_sha256": self.model().weights_sha256(),
            "audited_steps": self.work.n_audits,
            "model": self.path.display().to_string(),
            "test": output::metrics_json(targets, metrics),
            "intervals": output::intervals_json(targets, self.intervals()),
            "tasks": output::tasks_json(self.model(), best_epoch, &setup.rows_of_tasks()),
            "members": output::members_json(&fitted.members),
            "baselines": output::baselines_json(targets, linear, simplest),
            "calibration": covered::temperatures_json(targets, &fitted.temperatures),
            "warnings": warnings,
        });
        if let Some(covered) = &self.covered {
            json["coverage"] = covered.json();
        }
        if let Some(certificate) = &self.certificate {
            json["certificate"] = certificate.clone();
        }
        if let Some(folds) = &self.folds {
            json["folds"] = folds.json(targets);
        }
        if let Some(single_tasks) = &self.single_tasks {
            json["single_task"] = single_tasks.json();
        }
        json
    }

    fn rows_per_second(&self) -> f64 {
        let n_rows = self.setup.prepared.dataset.split.train.len();
        (n_rows * self.fitted.epochs()) as f64 / self.work.seconds
    }
}

impl Display for Outcome<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { setup, fitted, work, metrics, linear, simplest, .. } = self;
        let targets = &setup.prepared.targets;
        if work.n_audits > 0 {
            writeln!(f, "audited {} steps: every gradient is right", work.n_audits)?;
        }
        if let Some(certificate) = &self.certificate {
            writeln!(f, "{}", certificate::words(certificate))?;
        }
        if setup.n_members > 1 {
            write!(f, "{} networks: ", setup.n_members)?;
        }
        let (epochs, speed) = (fitted.epochs(), self.rows_per_second());
        writeln!(f, "{epochs} epochs in {:.2} s, {speed:.0} rows/s\n", work.seconds)?;
        let table = output::metrics_table(targets, Detail::Headlines, metrics, linear, simplest);
        writeln!(f, "{table}\n")?;
        if let Some(against) = output::against_linear(targets, metrics, linear) {
            writeln!(f, "{against}")?;
        }
        if let Some(blended) = output::blended(self.model()) {
            writeln!(f, "{blended}")?;
        }
        if let Some(single_tasks) = &self.single_tasks {
            writeln!(f, "\n{single_tasks}\n")?;
        }
        if let Some(covered) = &self.covered {
            writeln!(f, "{}\n", covered.table())?;
        }
        write!(f, "model: {}", self.path.display())?;
        if let Some(folds) = &self.folds {
            let path = self.path.with_file_name(folds::FILE);
            write!(f, "\n\n{}\n\npredictions: {}", folds.table(targets), path.display())?;
        }
        Ok(())
    }
}
