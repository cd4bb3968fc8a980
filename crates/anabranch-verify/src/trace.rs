//! Traces: whole training runs, as PyTorch computed them.
//!
//! A trace is one JSON file, written by `traces/make_traces.py`: a river, the settings of a run,
//! its data, and the results. `anabranch verify` trains the same river with the trainer that
//! `train` uses, which is in a sibling of this crate, and [`Trace::judge`] compares. The order of
//! rows, the dropout masks and the initial weights are either in the file or drawn on both sides as
//! `docs/random.md` says, so nothing is left to chance.
//!
//! Expectations are arrays of numbers by name:
//!
//! | name | numbers |
//! |---|---|
//! | `epochs.train`, `epochs.validation` | the weighted loss of each task, epoch by epoch |
//! | `epochs.lr_factor`, `epochs.is_best` | for each epoch: the factor of the learning rate in its last step; 1 if its loss was the lowest so far |
//! | `best_epoch` | the epoch with the lowest loss, counted from 1 |
//! | `params.NAME`, `state.NAME` | parameters and running statistics after the run |
//! | `MOMENT.NAME` | the optimizer's moments, with PyTorch's names |
//! | `test.TASK`, `baselines.TASK` | metrics on the test rows: RMSE, MAE and R² of each column, or accuracy, log-loss and macro-F1 |
//! | `diverged` | the epoch in which numbers were no longer finite; there are no other expectations then |

use std::collections::BTreeMap;
use std::fmt;

use anabranch_graph::River;
use anabranch_optim::ScheduleKind;
use serde::{Deserialize, Serialize};

use crate::oracle::Precision;

/// Largest distance in f64, relative to the largest number of an array.
const LIMIT: f64 = 1e-12;
/// The same in f32: this many times the distance between PyTorch's f32 and its f64, plus a few
/// roundings.
const SINGLE_FACTOR: f64 = 8.0;
const SINGLE_FLOOR: f64 = 1e-6;

/// Arrays of numbers by name.
pub type Arrays = BTreeMap<String, Vec<f64>>;

/// A run, and its results elsewhere.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// The version of the format.
    pub format: Format,
    /// What computed the expectations.
    pub oracle: String,
    /// The network.
    pub river: River,
    /// The settings.
    pub train: Settings,
    /// What is learned.
    pub data: Data,
    /// The rows of each batch of each epoch; begins again when it is over. None: shuffled by the
    /// seed.
    #[serde(default)]
    pub order: Option<Vec<Vec<Vec<usize>>>>,
    /// What is expected.
    pub expect: Arrays,
    /// How far the oracle's own f32 is from its f64, in the measure of [`judge`](Self::judge): the
    /// farthest array of each kind, called by what is before its first point.
    pub single: BTreeMap<String, f64>,
}

/// The existing versions.
#[derive(Clone, Copy, Debug, Deserialize)]
pub enum Format {
    /// The first.
    #[serde(rename = "anabranch-trace-1")]
    One,
}

/// The settings of a trace's run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Passes over the training rows, at most.
    pub epochs: usize,
    /// Rows of a batch.
    pub batch_size: usize,
    /// The optimizer's name; its hyperparameters are PyTorch's defaults.
    pub optimizer: String,
    /// The learning rate before the schedule.
    pub lr: f64,
    /// The learning-rate schedule.
    pub schedule: ScheduleKind,
    /// Decay of the weights; biases and normalisations have none.
    pub weight_decay: f64,
    /// Limit of the gradients' global norm.
    pub clip: Option<f64>,
    /// Epochs without a lower loss after which the run stops; 0 for never.
    pub patience: usize,
    /// Seed of everything that is not in the file.
    pub seed: u64,
}

/// What a trace's run learns from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Inputs, row by row.
    pub x: Vec<Vec<f64>>,
    /// The targets of each head.
    pub tasks: Vec<Task>,
    /// Rows to train on.
    pub train: Vec<usize>,
    /// Rows for early stopping.
    pub validation: Vec<usize>,
    /// Rows for testing.
    pub test: Vec<usize>,
    /// Initial parameters by their names; none if the seed draws them.
    pub weights: Option<Arrays>,
}

/// The targets of a head.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Task {
    /// Numbers, row by row; 0 and 1 for a head of yes and no.
    Numbers {
        /// One for each column of each row.
        numbers: Vec<Vec<f64>>,
        /// Whether each row has the target; none if all rows have.
        has: Option<Vec<bool>>,
    },
    /// A class for each row.
    Classes {
        /// The classes, counted from 0.
        classes: Vec<u32>,
        /// How many there are.
        n_classes: usize,
        /// Whether each row has the target; none if all rows have.
        has: Option<Vec<bool>>,
    },
}

/// How far a run is from its trace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The name of the trace.
    pub case: String,
    /// The number type of the run.
    pub precision: Precision,
    /// The distance of each array; one that is missing, superfluous or of another length is
    /// infinitely far away, which JSON writes as `null`.
    pub max_error: BTreeMap<String, f64>,
    /// The largest distance of each array that passes.
    pub limits: BTreeMap<String, f64>,
    /// The array that is farthest beyond its limit, or closest to it.
    pub worst: String,
    /// Whether no array is beyond its limit.
    pub pass: bool,
}

impl Trace {
    /// Compares what was computed with what is expected. The distance of two arrays is the largest
    /// distance of their entries, relative to the largest expected entry.
    pub fn judge(&self, case: &str, precision: Precision, computed: &Arrays) -> Report {
        let names = self.expect.keys().chain(computed.keys());
        let max_error: BTreeMap<String, f64> = names
            .map(|name| {
                let both = self.expect.get(name).zip(computed.get(name));
                let distance = both.map_or(f64::INFINITY, |(e, c)| distance(c, e));
                (name.clone(), distance)
            })
            .collect();
        let limit = |name: &str| match precision {
            Precision::F64 => LIMIT,
            Precision::F32 => {
                let kind = name.split('.').next().unwrap_or(name);
                SINGLE_FLOOR + SINGLE_FACTOR * self.single.get(kind).copied().unwrap_or_default()
            }
        };
        let limits: BTreeMap<String, f64> =
            max_error.keys().map(|name| (name.clone(), limit(name))).collect();
        let share = |name: &String| max_error[name] / limits[name];
        let worst = max_error.keys().max_by(|a, b| share(a).total_cmp(&share(b)));
        let worst = worst.cloned().unwrap_or_default();
        // Written so that NaN fails, and a trace that expects nothing fails too.
        let pass = !max_error.is_empty() && max_error.iter().all(|(name, e)| *e <= limits[name]);
        Report { case: case.into(), precision, max_error, limits, worst, pass }
    }
}

fn distance(computed: &[f64], expected: &[f64]) -> f64 {
    if computed.len() != expected.len() {
        return f64::INFINITY;
    }
    let largest = |values: &mut dyn Iterator<Item = f64>| {
        // NaN is the largest of all.
        values.map(f64::abs).max_by(f64::total_cmp).unwrap_or(0.0)
    };
    let off = largest(&mut computed.iter().zip(expected).map(|(c, e)| c - e));
    match largest(&mut expected.iter().copied()) {
        0.0 => off,
        scale => off / scale,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, precision, max_error, limits, worst, pass } = self;
        let width = max_error.keys().map(String::len).max().unwrap_or(0);
        for (name, error) in max_error {
            let limit = limits[name];
            // Written so that NaN is marked.
            let mark = if *error <= limit { "" } else { "  <- off" };
            writeln!(f, "{name:<width$}  {error:.1e}  of {limit:.1e}{mark}")?;
        }
        let verdict = if *pass { "pass" } else { "FAIL" };
        write!(f, "{case} in {precision}: {verdict} (worst {worst})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_relative_to_the_largest_number_and_no_number_is_far() {
        assert_eq!(distance(&[1.0, 8.0], &[2.0, 8.0]), 0.125);
        assert_eq!(distance(&[0.5], &[0.0]), 0.5);
        assert_eq!(distance(&[], &[]), 0.0);
        assert_eq!(distance(&[1.0], &[1.0, 1.0]), f64::INFINITY);
        assert!(distance(&[f64::NAN, 1.0], &[1.0, 1.0]).is_nan());
        assert!(distance(&[1.0, 1.0], &[f64::NAN, 1.0]).is_nan());
    }

    #[test]
    fn what_is_missing_too_many_or_no_number_fails() {
        let json = include_str!("../traces/diverged.json");
        let trace: Trace = serde_json::from_str(json).unwrap();
        let pass = |computed: Arrays| trace.judge("t", Precision::F64, &computed).pass;
        let array = |name: &str, value| (name.to_owned(), vec![value]);
        let right = array("diverged", 1.0);
        assert!(pass(Arrays::from([right.clone()])));
        assert!(!pass(Arrays::new()));
        assert!(!pass(Arrays::from([array("diverged", 2.0)])));
        assert!(!pass(Arrays::from([array("diverged", f64::NAN)])));
        assert!(!pass(Arrays::from([right, array("best_epoch", 1.0)])));
    }
}
