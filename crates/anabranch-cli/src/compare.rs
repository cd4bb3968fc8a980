//! `anabranch compare`: what differs between two runs.

use std::path::PathBuf;
use std::process::ExitCode;

use anabranch_report::{Comparison, figure, is_headline};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::out_file;
use crate::output;
use crate::saved_run::SavedRun;

/// Show which settings and scores of two runs differ
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Directory of a run
    a: PathBuf,
    /// Directory of another one
    b: PathBuf,
    /// Also write a page with both runs side by side
    #[arg(long, value_name = "FILE.html")]
    html: Option<PathBuf>,
    /// Print the differences as one line of JSON instead of tables
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let (a, b) = (SavedRun::of(&args.a)?, SavedRun::of(&args.b)?);
    let settings = settings(&a, &b);
    let scores: Vec<Score<'_>> = a.scores().map(|score| Score::of(score, &b)).collect();
    let weights = [&a, &b].map(|run| run.summary("weights_sha256"));
    let same_weights = weights[0] == weights[1] && !weights[0].is_null();
    if let Some(path) = &args.html {
        out_file::check_alone(path, args.json)?;
        out_file::check(path, &[])?;
        let page = page(&a, &b, &settings, &scores)?;
        out_file::write(path, page.as_bytes())?;
    }
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
        let scores = scores.iter().filter(|score| is_headline(score.metric));
        let rows = scores.map(|Score { column, metric, a, b }| {
            let difference = a.zip(*b).map(|(a, b)| b - a);
            let [a, b, difference] = [*a, *b, difference].map(figure);
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

/// Both runs side by side.
fn page(
    a: &SavedRun,
    b: &SavedRun,
    settings: &[(&str, &str, &str)],
    scores: &[Score<'_>],
) -> Result<String, Failure> {
    let ((epochs_a, tasks_a), (epochs_b, tasks_b)) = (a.epochs()?, b.epochs()?);
    let comparison = Comparison {
        names: [&a.name, &b.name],
        settings: settings.iter().map(|(key, a, b)| (*key, [*a, *b])).collect(),
        scores: scores.iter().map(|s| (s.column, s.metric, [s.a, s.b])).collect(),
        tasks: [tasks_a, tasks_b],
        epochs: [&epochs_a, &epochs_b],
        importance: importance(a, b),
    };
    Ok(comparison.html())
}

/// What each input column is worth in both runs: input, target, growth of the error. An input or a
/// target that only one run has counts too.
fn importance<'a>(a: &'a SavedRun, b: &'a SavedRun) -> Vec<(&'a str, &'a str, [Option<f64>; 2])> {
    let mut found: Vec<(&str, &str, [Option<f64>; 2])> = Vec::new();
    for (side, run) in [a, b].into_iter().enumerate() {
        for (target, columns) in run.summary("importance").as_object().into_iter().flatten() {
            for (column, importance) in columns.as_object().into_iter().flatten() {
                let known = found.iter().position(|(c, t, _)| c == column && t == target);
                let place = known.unwrap_or_else(|| {
                    found.push((column, target, [None; 2]));
                    found.len() - 1
                });
                found[place].2[side] = importance["mean"].as_f64();
            }
        }
    }
    found
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
