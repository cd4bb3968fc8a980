//! What the results of a search depend on, as its files keep it.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::config::flat;
use crate::failure::Failure;

/// How a search goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Search {
    /// Every trial is trained for all epochs
    Random,
    /// All trials are trained briefly, the best third of them longer, and so on
    Halving,
}

/// A search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The config file's name, for messages.
    pub(super) file: String,
    /// Its text.
    pub(super) config: String,
    /// What `--set` says.
    pub(super) set: Vec<String>,
    pub(super) search: Search,
    pub(super) trials: usize,
    /// The seed of the draws.
    pub(super) seed: u64,
    /// The column that decides; all of them if none is named.
    pub(super) score: Option<String>,
    /// The rows that trials are scored on.
    pub(super) validation_rows: usize,
    pub(super) data_sha256: String,
}

impl Plan {
    /// Refuses results of another search, which are in the file called `place`. More trials of a
    /// random one are the same search: each is what it is by its number.
    pub(super) fn check_same(&self, saved: &Self, place: &str) -> Result<(), Failure> {
        match self.difference(saved)? {
            None => Ok(()),
            Some(what) => {
                let message = format!("{place} is of another search: {what}: choose another --out");
                Err(Failure::input(message).coded("resume"))
            }
        }
    }

    /// How a search differs from another one, in words.
    fn difference(&self, saved: &Self) -> Result<Option<String>, Failure> {
        let settings = |plan: &Self| flat(&plan.file, &plan.config);
        let (is, was) = (settings(self)?, settings(saved)?);
        let changed = is.iter().find(|setting| !was.contains(setting));
        let changed = changed.or(was.iter().find(|setting| !is.contains(setting)));
        if let Some((key, _)) = changed {
            return Ok(Some(format!("{key} was another")));
        }
        let is_halving = self.search == Search::Halving;
        let what = match saved {
            // Ranges are drawn in their order.
            _ if is != was => "its keys had another order",
            saved if saved.set != self.set => "--set was another",
            saved if saved.search != self.search => "--search was another",
            saved if saved.seed != self.seed => "--search-seed was another",
            saved if saved.score != self.score => "--score was another",
            saved if is_halving && saved.trials != self.trials => "--trials was another",
            saved if saved.data_sha256 != self.data_sha256 => "the data have changed",
            _ => return Ok(None),
        };
        Ok(Some(what.to_owned()))
    }
}
