//! `metrics.jsonl`: how a run went, epoch by epoch.

use anabranch::train::EpochReport;
use serde_json::json;

/// The name of the file in a run's directory.
pub(crate) const FILE: &str = "metrics.jsonl";

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
        let EpochReport { epoch, train, validation, lr_factor, is_best, .. } = report;
        for (i, (task, train)) in self.tasks.iter().zip(train).enumerate() {
            let line = json!({
                "member": self.member,
                "epoch": epoch,
                "task": task,
                "train": train,
                "validation": validation.as_ref().map(|losses| losses[i]),
                "lr_factor": lr_factor,
                "best": is_best,
            });
            self.lines += &format!("{line}\n");
        }
    }

    /// All lines.
    pub(crate) fn lines(&self) -> &str {
        &self.lines
    }
}
