//! `anabranch runs`: the runs in a directory, with their settings and scores.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anabranch_report::figure;
use comfy_table::Table;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output;
use crate::run_dir::RUNS;
use crate::saved_run::SavedRun;

/// The metrics that a list has room for.
const METRICS: [&str; 3] = ["r2", "accuracy", "log_loss"];

/// List the runs in a directory with their settings and test scores
///
/// Of the settings, those are shown that are not the same in all runs.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Directory in which each run has its own
    #[arg(value_name = "DIR", default_value = RUNS)]
    dir: PathBuf,
    /// Print the runs as one line of JSON instead of a table
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let runs = runs_in(&args.dir)?;
    if args.json {
        let runs: Vec<Value> = runs.iter().map(SavedRun::json).collect();
        output::print(&json!({ "runs": runs }))?;
    } else if runs.is_empty() {
        output::print(&format!("{}: no runs", output::plain(&args.dir)))?;
    } else {
        output::print(&table(&runs))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The runs in the order of their names and numbers.
fn runs_in(dir: &Path) -> Result<Vec<SavedRun>, Failure> {
    let unread = |error: std::io::Error| {
        let message = format!("{}: cannot be read: {error}", output::plain(dir));
        Failure::input(message).coded("read")
    };
    let entries = std::fs::read_dir(dir).map_err(unread)?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<Result<_, _>>().map_err(unread)?;
    paths.retain(|path| path.is_dir());
    paths.sort_by_cached_key(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
        let number: u64 = name[stem.len()..].parse().unwrap_or(0);
        (stem, number, name)
    });
    let runs = paths.iter().filter_map(|path| SavedRun::read(path).transpose());
    runs.collect()
}

fn table(runs: &[SavedRun]) -> String {
    let mut keys: Vec<&str> = Vec::new();
    let mut scores: Vec<(&str, &str)> = Vec::new();
    for run in runs {
        for (key, value) in &run.settings {
            let differs = runs.iter().any(|other| other.setting(key) != Some(value));
            if differs && !keys.contains(&key.as_str()) {
                keys.push(key);
            }
        }
        for (column, metric, _) in run.scores() {
            if METRICS.contains(&metric) && !scores.contains(&(column, metric)) {
                scores.push((column, metric));
            }
        }
    }
    let mut table = Table::new();
    let header = ["run".to_owned(), "settings".to_owned()].into_iter();
    let of_score = scores.iter().map(|(column, metric)| format!("{column} {metric}"));
    table.set_header(header.chain(of_score));
    for run in runs {
        let of_key = |key: &&str| {
            let name = key.rsplit('.').next().unwrap_or(key);
            run.setting(key).map(|value| format!("{name}={value}"))
        };
        let settings = keys.iter().filter_map(of_key).collect::<Vec<_>>().join(" ");
        let cells = [run.name.clone(), settings].into_iter();
        let of_score = scores.iter().map(|(column, metric)| figure(run.score(column, metric)));
        table.add_row(cells.chain(of_score));
    }
    output::layout(table, 2)
}
