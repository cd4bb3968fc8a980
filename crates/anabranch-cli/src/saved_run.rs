//! What a run has left in its directory.

use std::path::Path;

use anabranch_report::Epoch;
use serde_json::{Map, Value, json};

use crate::config::{self, flat};
use crate::failure::Failure;
use crate::fit::Training;
use crate::history;
use crate::output;
use crate::run_dir::SUMMARY;

/// A run by its files.
#[derive(Debug)]
pub(crate) struct SavedRun {
    pub(crate) name: String,
    /// By `TABLE.KEY`, in the order of its config.
    pub(crate) settings: Vec<(String, String)>,
    /// The text of its config.
    pub(crate) config: String,
    /// The lines of its epochs; empty if it has no such file.
    pub(crate) lines: String,
    /// The `--json` object; none of a run that has not ended.
    summary: Option<Value>,
}

impl SavedRun {
    /// The run in a directory; none if there is no config in it.
    ///
    /// # Errors
    /// If a file cannot be read, or is damaged.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, Failure> {
        let Some(config) = text(&dir.join(config::FILE))? else { return Ok(None) };
        let settings = flat(&output::plain(&dir.join(config::FILE)), &config)?;
        let path = dir.join(SUMMARY);
        let parse = |text: String| {
            serde_json::from_str(&text).map_err(|error| {
                Failure::input(format!("{}: is damaged: {error}", output::plain(&path)))
            })
        };
        let summary = text(&path)?.map(parse).transpose()?;
        let lines = text(&dir.join(history::FILE))?.unwrap_or_default();
        Ok(Some(Self { name: output::plain(dir), settings, config, lines, summary }))
    }

    /// The run in a directory.
    ///
    /// # Errors
    /// As [`read`](Self::read), and if there is none.
    pub(crate) fn of(dir: &Path) -> Result<Self, Failure> {
        Self::read(dir)?.ok_or_else(|| {
            let message = format!("{}: there is no run in this directory", output::plain(dir));
            Failure::input(message).coded("read")
        })
    }

    /// Its epochs, and the names of its tasks.
    ///
    /// # Errors
    /// If their file is damaged.
    pub(crate) fn epochs(&self) -> Result<(Vec<Epoch>, Vec<String>), Failure> {
        history::epochs(&self.lines).map_err(|failure| failure.within(&self.name))
    }

    /// How its networks were trained.
    pub(crate) fn members(&self) -> Vec<Training> {
        let of_member = |member: &Value| {
            let best_epochs = member["best_epochs"].as_array().into_iter().flatten();
            let whole = |value: &Value| value.as_u64().map(|n| n as usize);
            Training {
                seed: member["seed"].as_u64().unwrap_or(0),
                epochs: whole(&member["epochs"]).unwrap_or(0),
                best_epochs: best_epochs.map(whole).collect(),
            }
        };
        self.summary("members").as_array().into_iter().flatten().map(of_member).collect()
    }

    /// A value of the summary; null if there is none.
    pub(crate) fn summary(&self, key: &str) -> &Value {
        self.summary.as_ref().map_or(&Value::Null, |summary| &summary[key])
    }

    /// What a setting was; none if the run does not know it.
    pub(crate) fn setting(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// The test scores by column and metric, in order.
    pub(crate) fn scores(&self) -> impl Iterator<Item = (&str, &str, Option<f64>)> {
        let columns = self.summary("test").as_object().into_iter().flatten();
        columns.flat_map(|(column, metrics)| {
            let metrics = metrics.as_object().into_iter().flatten();
            let metrics = metrics.filter(|(_, value)| value.is_number() || value.is_null());
            metrics.map(|(key, value)| (column.as_str(), key.as_str(), value.as_f64()))
        })
    }

    /// One of the [`scores`](Self::scores).
    pub(crate) fn score(&self, column: &str, metric: &str) -> Option<f64> {
        self.summary("test")[column][metric].as_f64()
    }

    /// The run for programs.
    pub(crate) fn json(&self) -> Value {
        let settings = self.settings.iter().map(|(key, value)| (key.clone(), json!(value)));
        json!({
            "run": self.name,
            "complete": self.summary.is_some(),
            "settings": settings.collect::<Map<_, _>>(),
            "test": self.summary("test"),
            "seconds": self.summary("seconds"),
            "weights_sha256": self.summary("weights_sha256"),
        })
    }
}

/// The text of a file, if there is one.
fn text(path: &Path) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let message = format!("{}: cannot be read: {error}", output::plain(path));
            Err(Failure::input(message).coded("read"))
        }
    }
}
