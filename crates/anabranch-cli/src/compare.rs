//! `anabranch compare`: what differs between two runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::output;
use crate::saved_run::SavedRun;

/// Show which settings and scores of two runs differ
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Directory of a run
    a: PathBuf,
    /// Directory of another one
    b: PathBuf,
    /// Print the differences as one line of JSON instead of tables
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let (a, b) = (read(&args.a)?, read(&args.b)?);
    let settings = settings(&a, &b);
    let scores: Vec<Score<'_>> = a.scores().map(|score| Score::of(score, &b)).collect();
    let weights = [&a, &b].map(|run| run.summary("weights_sha256"));
    let same_weights = weights[0] == weights[1] && !weights[0].is_null();
    if args.json {
        let mut columns = Map::new();
        for Score { column, metric, a, b } in &scores {
            let column = columns.entry(*column).or_insert_with(|| json!({}));
            column[metric] = json!([a, b]);
        }
        let of_key = |(key, a, b): &(&str, &str, &str)| ((*key).to_owned(), json!([a, b]));
        output::print(&json!({
            "settings": settings.iter().map(of_key).collect::<Map<String, Value>>(),
            "test": columns,
            "same_weights": same_weights,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let tables = if settings.is_empty() {
        "the settings are the same".to_owned()
    } else {
        let rows = settings.iter().map(|(key, a, b)| [*key, *a, *b].map(str::to_owned));
        output::text_table(["setting", &a.name, &b.name], rows)
    };
    output::print(&tables)?;
    if same_weights {
        output::print(&"\nthe weights are the same")?;
    } else if !scores.is_empty() {
        let scores = scores.iter().filter(|score| output::is_headline(score.metric));
        let rows = scores.map(|Score { column, metric, a, b }| {
            let difference = a.zip(*b).map(|(a, b)| b - a);
            let [a, b, difference] = [*a, *b, difference].map(output::figure);
            [format!("{column} {metric}"), a, b, difference]
        });
        let header = ["test score", &a.name, &b.name, "difference"];
        output::print(&format!("\n{}", output::text_table(header, rows)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A test score of both runs.
struct Score<'a> {
    column: &'a str,
    metric: &'a str,
    a: Option<f64>,
    b: Option<f64>,
}

impl<'a> Score<'a> {
    fn of((column, metric, a): (&'a str, &'a str, Option<f64>), b: &SavedRun) -> Self {
        Self { column, metric, a, b: b.score(column, metric) }
    }
}

fn read(dir: &Path) -> Result<SavedRun, Failure> {
    SavedRun::read(dir)?.ok_or_else(|| {
        let message = format!("{}: there is no run in this directory", output::plain(dir));
        Failure::input(message).coded("read")
    })
}

/// The settings that differ, with both values; a dash where a run has none.
fn settings<'a>(a: &'a SavedRun, b: &'a SavedRun) -> Vec<(&'a str, &'a str, &'a str)> {
    let known = a.settings.iter().map(|(key, _)| key.as_str());
    let added =
        b.settings.iter().map(|(key, _)| key.as_str()).filter(|key| a.setting(key).is_none());
    let both = known.chain(added).map(|key| {
        let [a, b] = [a, b].map(|run| run.setting(key).unwrap_or("–"));
        (key, a, b)
    });
    both.filter(|(_, a, b)| a != b).collect()
}
