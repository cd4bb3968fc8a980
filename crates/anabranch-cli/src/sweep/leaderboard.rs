//! All trials, the best first.

use anabranch_report::{figure, is_headline};
use serde_json::{Value, json};

use super::entry::Entry;
use super::results::Entries;
use super::space::Space;
use crate::failure::Failure;
use crate::output;

/// The name of the file.
pub(super) const FILE: &str = "leaderboard.csv";

/// Trials that a table shows.
const SHOWN: usize = 10;

/// The metrics that a table has room for.
const METRICS: [&str; 2] = ["r2", "accuracy"];

/// Each trial as it was trained for longest, the best first.
#[derive(Debug)]
pub(super) struct Leaderboard<'a> {
    keys: Vec<&'a str>,
    entries: Vec<&'a Entry>,
}

impl<'a> Leaderboard<'a> {
    /// That of all results; trials that have come further are better than others.
    pub(super) fn of(known: &'a Entries, space: &'a Space<'_>) -> Self {
        let is_last = |entry: &&Entry| {
            known.range((entry.rung + 1, 0)..).all(|(_, later)| later.trial != entry.trial)
        };
        let mut entries: Vec<&Entry> = known.values().filter(is_last).collect();
        entries.sort_by(|a, b| b.rung.cmp(&a.rung).then(a.better(b)));
        Self { keys: space.ranges.iter().map(|range| range.name()).collect(), entries }
    }

    /// The best trial.
    ///
    /// # Errors
    /// If all have failed.
    pub(super) fn best(&self) -> Result<&'a Entry, Failure> {
        match self.entries.first() {
            Some(best) if best.score.is_some() => Ok(best),
            first => {
                let why = first.and_then(|entry| entry.error.as_deref());
                let why = why.unwrap_or("none has a score");
                Err(Failure::on_the_way(format!("no trial could be trained: {why}")))
            }
        }
    }

    /// How many trials there are, and how many of them have no score.
    pub(super) fn counts(&self) -> (usize, usize) {
        let failed = self.entries.iter().filter(|entry| entry.score.is_none());
        (self.entries.len(), failed.count())
    }

    /// A line for each trial: rank, trial, epochs, score, drawn settings, metrics.
    pub(super) fn csv(&self) -> Result<Vec<u8>, Failure> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let failed = |error: csv::Error| Failure::on_the_way(error).coded("write");
        let metrics = self.metrics();
        let names = metrics.iter().map(|(column, key)| format!("{column} {key}"));
        let header = ["rank", "trial", "epochs", "score"].into_iter().chain(self.keys.clone());
        let header = header.map(str::to_owned).chain(names).chain(["error".to_owned()]);
        csv.write_record(header).map_err(failed)?;
        for (i, entry) in self.entries.iter().enumerate() {
            let Entry { trial, epochs, score, error, .. } = entry;
            let number = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
            let place = [(i + 1).to_string(), trial.to_string(), epochs.to_string()];
            let values = self.values(entry);
            let of_metric = metrics.iter().map(|metric| number(value(entry, metric)));
            let cells = place.into_iter().chain([number(*score)]).chain(values).chain(of_metric);
            csv.write_record(cells.chain([error.clone().unwrap_or_default()])).map_err(failed)?;
        }
        csv.into_inner().map_err(|error| failed(error.into_error().into()))
    }

    /// A table of the best trials.
    pub(super) fn table(&self) -> String {
        let mut metrics = self.metrics();
        metrics.retain(|(_, key)| METRICS.contains(&key.as_str()));
        let mut table = comfy_table::Table::new();
        let names = metrics.iter().map(|(column, key)| format!("{column} {key}"));
        let header = ["rank", "trial", "epochs"].into_iter().chain(self.keys.clone());
        let header = header.chain(["score"]).map(str::to_owned);
        table.set_header(header.chain(names));
        for (i, entry) in self.entries.iter().take(SHOWN).enumerate() {
            let Entry { trial, epochs, score, .. } = entry;
            let place = [(i + 1).to_string(), trial.to_string(), epochs.to_string()];
            let cells = place.into_iter().chain(self.values(entry));
            let score = [figure(*score)];
            let of_metric = metrics.iter().map(|metric| figure(value(entry, metric)));
            table.add_row(cells.chain(score).chain(of_metric));
        }
        output::layout(table, 0)
    }

    /// A trial for programs.
    pub(super) fn json(entry: &Entry) -> Value {
        let Entry { trial, epochs, score, settings, validation, .. } = entry;
        json!({
            "trial": trial,
            "epochs": epochs,
            "score": score,
            "settings": settings,
            "validation": validation,
        })
    }

    /// The drawn settings of a trial, in the order of their keys.
    fn values(&self, entry: &Entry) -> Vec<String> {
        let value = |key: &&str| entry.settings.get(*key).and_then(Value::as_str);
        self.keys.iter().map(|key| value(key).unwrap_or_default().to_owned()).collect()
    }

    /// The metrics of the trials by column and key.
    fn metrics(&self) -> Vec<(String, String)> {
        let mut names = Vec::new();
        for (column, metrics) in self.entries.iter().flat_map(|entry| &entry.validation) {
            let metrics = metrics.as_object().into_iter().flatten();
            for (key, _) in metrics.filter(|(key, _)| is_headline(key)) {
                let name = (column.clone(), key.clone());
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }
}

fn value(entry: &Entry, (column, key): &(String, String)) -> Option<f64> {
    entry.validation.get(column)?.get(key)?.as_f64()
}
