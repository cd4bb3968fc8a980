//! A trial and its score, as a line of JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A trained trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Its number, counted from 1.
    pub(super) trial: usize,
    /// How often it had been among the best before, with halving.
    pub(super) rung: usize,
    /// How long it was trained at most.
    pub(super) epochs: usize,
    /// The drawn settings by their keys.
    pub(super) settings: Map<String, Value>,
    /// Lower is better; none of a trial that failed.
    pub(super) score: Option<f64>,
    /// By column and metric, on the validation rows.
    pub(super) validation: Map<String, Value>,
    /// Why it failed.
    pub(super) error: Option<String>,
    pub(super) seconds: f64,
}

impl Entry {
    /// The better one is less; of equal scores, the earlier trial.
    pub(super) fn better(&self, other: &Self) -> std::cmp::Ordering {
        let score = |entry: &Self| entry.score.unwrap_or(f64::INFINITY);
        score(self).total_cmp(&score(other)).then(self.trial.cmp(&other.trial))
    }
}
