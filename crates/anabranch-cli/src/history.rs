//! `metrics.jsonl`: how a run went, epoch by epoch.

use anabranch::train::{EpochReport, LossCurve, Recovery};
use anabranch_report::Epoch;
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// The name of the file in a run's directory.
pub(crate) const FILE: &str = "metrics.jsonl";

/// How the losses of each member and task went, from the lines of a whole run.
pub(crate) fn curves(lines: &str) -> Vec<Vec<LossCurve>> {
    let mut members: Vec<Vec<LossCurve>> = Vec::new();
    for line in lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let (Some(member), Some(task)) = (line["member"].as_u64(), line["task"].as_str()) else {
            continue;
        };
        let member = usize::try_from(member).unwrap_or(usize::MAX);
        if member >= members.len() {
            members.resize(member + 1, Vec::new());
        }
        let place = members[member].iter().position(|curve| curve.task == task);
        let place = place.unwrap_or_else(|| {
            members[member].push(LossCurve { task: task.to_owned(), ..LossCurve::default() });
            members[member].len() - 1
        });
        let curve = &mut members[member][place];
        curve.train.extend(line["train"].as_f64());
        curve.validation.extend(line["validation"].as_f64());
    }
    members
}

/// How often each network went back to the beginning of an epoch, from the lines of a whole run.
pub(crate) fn recoveries(lines: &str) -> Vec<Vec<Recovery>> {
    let mut members: Vec<Vec<Recovery>> = Vec::new();
    for line in lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let whole = |key: &str| line[key].as_u64().and_then(|n| usize::try_from(n).ok());
        let (Some(member), Some(epoch)) = (whole("member"), whole("epoch")) else { continue };
        if member >= members.len() {
            members.resize(member + 1, Vec::new());
        }
        let recovery = &line["recovery"];
        members[member].extend(recovery["lr"].as_f64().map(|lr| {
            let loss = recovery["loss"].as_f64().unwrap_or(f64::INFINITY);
            let from = recovery["from"].as_u64().and_then(|from| usize::try_from(from).ok());
            Recovery { epoch, loss, from: from.unwrap_or(epoch), lr }
        }));
    }
    members
}

/// What is known of the epochs of a network: a line of JSON for each epoch and task.
#[derive(Clone, Debug)]
pub(crate) struct History {
    member: usize,
    tasks: Vec<String>,
    lines: String,
}

impl History {
    /// Before the first epoch of this member of an ensemble, or of a single network, which is 0.
    pub(crate) fn new(member: usize, tasks: Vec<String>) -> Self {
        Self { member, tasks, lines: String::new() }
    }

    /// The names of the tasks.
    pub(crate) fn tasks(&self) -> &[String] {
        &self.tasks
    }

    /// The number of the network.
    pub(crate) fn member(&self) -> usize {
        self.member
    }

    /// After the epochs of which these are the lines.
    pub(crate) fn go_on(&mut self, lines: String) {
        self.lines = lines;
    }

    /// Adds an epoch.
    pub(crate) fn add(&mut self, report: &EpochReport) {
        let EpochReport { epoch, train, validation, lr_factor, lr, is_best, .. } = report;
        for (i, (task, train)) in self.tasks.iter().zip(train).enumerate() {
            let mut line = json!({
                "member": self.member,
                "epoch": epoch,
                "task": task,
                "train": train,
                "validation": validation.as_ref().map(|losses| losses[i]),
                "lr_factor": lr_factor,
                "lr": lr,
                "grad_norm": report.grad_norm,
                "clipped_norm": report.clipped_norm,
                "best": is_best,
            });
            let cosines = self.cosines(i, &report.cosines);
            if !cosines.is_empty() {
                line["grad_cosines"] = Value::Object(cosines);
            }
            self.lines += &format!("{line}\n");
        }
    }

    /// Adds that the run has gone back: epochs that come again are gone.
    pub(crate) fn add_recovery(&mut self, recovery: &Recovery) {
        let Recovery { epoch, loss, from, lr } = recovery;
        let stays = |line: &&str| {
            let line: Value = serde_json::from_str(line).unwrap_or_default();
            line["recovery"].is_object() || line["epoch"].as_u64() < Some(*from as u64)
        };
        self.lines = self.lines.lines().filter(stays).fold(String::new(), |all, l| all + l + "\n");
        let recovery = json!({ "loss": loss, "from": from, "lr": lr });
        let line = json!({ "member": self.member, "epoch": epoch, "recovery": recovery });
        self.lines += &format!("{line}\n");
    }

    /// Those of a task with each other one, of the cosines of all pairs.
    fn cosines(&self, task: usize, of_pairs: &[f64]) -> Map<String, Value> {
        let pairs = (1..self.tasks.len()).flat_map(|j| (0..j).map(move |i| (i, j)));
        let others = pairs.zip(of_pairs).filter_map(|((i, j), cosine)| {
            let other = if i == task { j } else { i };
            (i == task || j == task).then(|| (self.tasks[other].clone(), json!(cosine)))
        });
        others.collect()
    }

    /// All lines.
    pub(crate) fn lines(&self) -> &str {
        &self.lines
    }
}

/// The epochs of all networks by the lines of the file, and the names of the tasks.
///
/// # Errors
/// If a line is none of its lines.
pub(crate) fn epochs(lines: &str) -> Result<(Vec<Epoch>, Vec<String>), Failure> {
    let (mut epochs, mut tasks): (Vec<Epoch>, Vec<String>) = Default::default();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line)
            .map_err(|error| Failure::input(format!("{FILE} is damaged: {error}")))?;
        let whole = |key: &str| line[key].as_u64().unwrap_or(0) as usize;
        let [member, epoch] = [whole("member"), whole("epoch")];
        if line["recovery"].is_object() {
            continue;
        }
        if !epochs.last().is_some_and(|last| last.member == member && last.epoch == epoch) {
            let lr_factor = line["lr_factor"].as_f64().unwrap_or(1.0);
            let validation = line["validation"].is_number().then(Vec::new);
            epochs.push(Epoch { member, epoch, train: Vec::new(), validation, lr_factor });
        }
        let Some(last) = epochs.last_mut() else { continue };
        last.train.extend(line["train"].as_f64());
        last.validation.iter_mut().for_each(|losses| losses.extend(line["validation"].as_f64()));
        let task = line["task"].as_str().unwrap_or_default();
        if !tasks.iter().any(|known| known == task) {
            tasks.push(task.to_owned());
        }
    }
    Ok((epochs, tasks))
}
