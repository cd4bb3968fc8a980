//! A run as a report sees it.

use anabranch_data::{Prepared, Warning};
use anabranch_train::{Covered, Model, TaskMetrics, Validate};

use crate::groups::Grouping;
use crate::history::Epoch;

/// A run that has ended: its data, its model, and how it went.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// What it is called.
    pub name: &'a str,
    /// The data that it was trained on, as it saw them.
    pub prepared: &'a Prepared<f32>,
    /// What came of it.
    pub model: &'a Model,
    /// Which rows its members stopped by.
    pub validate: Validate,
    /// The metrics of the model, task by task, on the test rows.
    pub metrics: &'a [TaskMetrics],
    /// The lower and the upper ends of their 95 % bootstrap intervals, task by task
    /// ([`JudgedTask::intervals`](anabranch_train::JudgedTask::intervals)); none if nobody drew.
    pub intervals: &'a [[TaskMetrics; 2]],
    /// Which share of rows intervals and sets are to cover, and how well they cover the test rows,
    /// if that was asked for.
    pub coverage: Option<(f64, &'a [Covered])>,
    /// Those of linear models; none if there are none.
    pub linear: &'a [TaskMetrics],
    /// Those of the simplest predictions: the training mean, the most frequent class.
    pub baselines: &'a [TaskMetrics],
    /// The epochs of all members, in order.
    pub epochs: &'a [Epoch],
    /// The epoch whose weights predict each task, member by member.
    pub best_epochs: &'a [Vec<Option<usize>>],
    /// The learning rate before its schedule.
    pub lr: f64,
    /// Seeds what is drawn for the report.
    pub seed: u64,
    /// The line of each row of the data set in its file; empty where that is not known.
    pub lines: &'a [usize],
    /// What columns say about which rows of the data set belong together; the model is judged by
    /// those with few values.
    pub groupings: &'a [Grouping],
    /// What the run shows about itself.
    pub findings: &'a [Warning],
    /// What it takes to repeat the run: (what, which).
    pub facts: &'a [(&'a str, String)],
    /// The settings of the run as a file.
    pub config: &'a str,
}

impl Run<'_> {
    /// The rows that the model is judged by, and what part of the data they are: the test rows,
    /// or, where there are none, the validation rows, if no member was trained on them, or those of
    /// training.
    pub(crate) fn judged(&self) -> (&'static str, &[usize]) {
        let split = &self.prepared.dataset.split;
        let takes_turns = self.validate.n_turns(split, self.model.members().len()) > 1;
        if !split.test.is_empty() {
            ("test", &split.test)
        } else if !split.validation.is_empty() && !takes_turns {
            ("validation", &split.validation)
        } else {
            ("training", &split.train)
        }
    }
}
