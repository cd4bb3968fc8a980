//! Without a suite: an overview for a person, in about a minute, next to the last saved run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anabranch_tensor::InstructionSet;
use clap::CommandFactory;
use serde_json::Value;

use crate::compare::{identity, read};
use crate::report::{Report, percent, say, write_json};
use crate::shape::Shape;
use crate::train::cores;
use crate::{Cli, Result, infer, step, train};

/// What to measure, and for how long.
struct Plan {
    shapes: Vec<Shape>,
    /// For each case of `step` and `infer`.
    seconds: f64,
    /// Of the training run's table.
    train_rows: usize,
    epochs: usize,
    repeats: usize,
    predict_rows: usize,
}

/// Options of the overview.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Save this run for comparison with later ones (the first run is always saved)
    #[arg(long)]
    save: bool,
    /// Where to save runs
    #[arg(long, value_name = "FILE", default_value = saved_file(), hide_default_value = true)]
    saved: PathBuf,
}

fn saved_file() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/saved.json")
}

/// Runs the overview.
pub(crate) fn run(args: &Args) -> Result<()> {
    // All shapes except xlarge, whose step takes seconds.
    let shapes = Shape::NAMED.iter().filter(|(name, _)| *name != "xlarge");
    let plan = Plan {
        shapes: shapes.map(|(_, shape)| *shape).collect(),
        seconds: 2.0,
        train_rows: 54_000,
        epochs: 20,
        repeats: 5,
        predict_rows: 10_000,
    };
    overview(&plan, &args.saved, args.save)?;
    say(&"\nTimes are medians; P is the processor's peak. A step can exceed it, since products\n\
          with zeros are skipped where that pays. For more:\n");
    for suite in Cli::command().get_subcommands().filter(|suite| !suite.is_hide_set()) {
        let about = suite.get_about().map(ToString::to_string).unwrap_or_default();
        say(&format_args!("  cargo xtask bench {:<8} {about}", suite.get_name()));
    }
    Ok(())
}

/// Measures, prints the table, and saves the records if asked to, or if nothing was saved yet.
fn overview(plan: &Plan, saved_file: &Path, save: bool) -> Result<()> {
    let threads: &[usize] = if cores() > 1 { &[1, cores()] } else { &[1] };
    let mut records = step::quick(&plan.shapes, threads, plan.seconds)?;
    for &threads in threads {
        records.push(train::quick(plan.train_rows, plan.epochs, threads, plan.repeats)?);
    }
    records.extend(infer::quick(plan.predict_rows, cores(), plan.seconds / 2.0)?);

    let is_first = !saved_file.exists();
    let saved = if is_first { Vec::new() } else { read(saved_file)? };
    say(&format_args!("{}, {} cores\n", InstructionSet::detected().name(), cores()));
    report(&records, &saved).print();
    if save || is_first {
        write_json(Some(saved_file), &records)?;
        say(&format_args!("\nSaved for comparison with later runs: {}", saved_file.display()));
    } else {
        say(&"\n`cargo xtask bench --save` makes this run the saved one.");
    }
    Ok(())
}

/// One line for each record, next to the saved one of the same case.
fn report(records: &[Value], saved: &[Value]) -> Report {
    let saved: HashMap<String, &Value> = saved.iter().map(|r| (identity(r), r)).collect();
    let mut report = Report::new(["", "threads", "time", "saved", "change", "of P", "allocs"]);
    for record in records {
        let (now, before) =
            (seconds(record), saved.get(&identity(record)).and_then(|r| seconds(r)));
        let dash = || "–".to_owned();
        report.row([
            name(record),
            record["threads"].to_string(),
            now.map_or_else(dash, time),
            before.map_or_else(dash, time),
            now.zip(before).map_or_else(dash, |(now, before)| change(now / before)),
            record["peak_share"].as_f64().map_or_else(dash, percent),
            record["allocations"].as_u64().map_or_else(dash, |n| n.to_string()),
        ]);
    }
    report
}

/// The case of a record, in a few words.
fn name(record: &Value) -> String {
    let rows = || record["rows"].as_u64().unwrap_or_default();
    match record["suite"].as_str() {
        Some("step") => {
            let sizes = record["shape"].as_array().map(Vec::as_slice).unwrap_or_default();
            let sizes: Vec<String> = sizes.iter().map(Value::to_string).collect();
            let sizes = sizes.join(",");
            let shape = sizes.parse::<Shape>().map_or(sizes, Shape::name);
            format!("step, {shape}")
        }
        Some("train") => format!("train, {} rows, {} epochs", rows(), record["epochs"]),
        _ => {
            let what = match record["case"].as_str() {
                Some(case) if case.ends_with("the network alone") => "network alone",
                _ => "predict",
            };
            format!("{what}, {} row{}", rows(), if rows() == 1 { "" } else { "s" })
        }
    }
}

fn seconds(record: &Value) -> Option<f64> {
    record["seconds"].as_f64().or_else(|| record["median_us"].as_f64().map(|us| us / 1e6))
}

/// `4.18 µs`, `12.3 ms`.
fn time(seconds: f64) -> String {
    let (factor, unit) = match seconds {
        s if s < 1e-6 => (1e9, "ns"),
        s if s < 1e-3 => (1e6, "µs"),
        s if s < 1.0 => (1e3, "ms"),
        _ => (1.0, "s"),
    };
    format!("{} {unit}", crate::report::digits(seconds * factor))
}

/// `+12 %`: slower.
fn change(ratio: f64) -> String {
    format!("{:+.0} %", (ratio - 1.0) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_and_changes_are_short() {
        assert_eq!(
            [5e-7, 4.183e-6, 0.0123, 2.5].map(time),
            ["500 ns", "4.18 µs", "12.3 ms", "2.50 s"]
        );
        assert_eq!([1.124, 0.5, 1.0].map(change), ["+12 %", "-50 %", "+0 %"]);
    }

    #[test]
    fn a_record_has_a_name_and_finds_the_saved_one() {
        let tiny = json!({"suite": "step", "shape": [32, 16, 32, 16, 4], "threads": 1,
            "median_us": 5.0, "peak_share": 0.3, "allocations": 0});
        let slower = json!({"suite": "step", "shape": [32, 16, 32, 16, 4], "threads": 1,
            "median_us": 10.0});
        let many = json!({"suite": "infer", "case": "matrix, the network alone", "rows": 10,
            "threads": 2, "median_us": 7.0, "allocations": 3});
        let table = report(&[tiny, many], &[slower]).to_string();
        let words = |line: usize| -> Vec<&str> {
            table.lines().nth(line).unwrap_or_default().split_whitespace().collect()
        };
        assert_eq!(words(1).join(" "), "step, tiny 1 5.00 µs 10.0 µs -50 % 30 % 0");
        assert_eq!(words(2).join(" "), "network alone, 10 rows 2 7.00 µs – – – 3");
    }

    /// On tiny sizes: everything runs, the first run is saved, and each line fits a terminal of 80
    /// columns.
    #[test]
    fn the_first_overview_is_saved_and_the_next_compared_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("saved.json");
        let plan = Plan {
            shapes: vec!["4,3,5,2,3".parse().unwrap()],
            seconds: 0.0,
            train_rows: 300,
            epochs: 1,
            repeats: 1,
            predict_rows: 5,
        };
        overview(&plan, &file, false).unwrap();
        let records = read(&file).unwrap();
        let suites: Vec<&str> = records.iter().filter_map(|r| r["suite"].as_str()).collect();
        let threads = if cores() > 1 { 2 } else { 1 };
        let expected = [vec!["step"; threads], vec!["train"; threads], vec!["infer"; 6]].concat();
        assert_eq!(suites, expected);
        let table = report(&records, &records).to_string();
        assert_eq!(table.matches("+0 %").count(), records.len());
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    }
}
