//! `compare A.json B.json`: what changed from one run to another.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Result;
use crate::report::{Report, digits};

/// Keys that identify a record; two records are compared if all of them agree.
const IDENTITY: [&str; 11] = [
    "suite",
    "shape",
    "threads",
    "optimizer",
    "precision",
    "case",
    "form",
    "m",
    "n",
    "k",
    "backend",
];

/// Figures that are compared, all of them better when smaller, and the ratio from which a change is
/// worth a look.
const FIGURES: [(&str, f64); 6] = [
    ("median_us", 1.05),
    ("gemm_us", 1.05),
    ("seconds", 1.05),
    ("instructions", 1.01),
    ("allocations", 1.0),
    ("bytes", 1.01),
];

/// Options of `compare`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Results before the change
    before: PathBuf,
    /// Results after the change
    after: PathBuf,
}

/// One figure from both files.
#[derive(Debug, PartialEq)]
struct Change {
    what: String,
    figure: &'static str,
    before: f64,
    after: f64,
    mark: &'static str,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    let mut report = Report::new(["what", "figure", "before", "after", "after/before", ""]);
    let changes = changes(&before, &after);
    if changes.is_empty() {
        return Err("the files have no case in common".into());
    }
    for Change { what, figure, before, after, mark } in changes {
        let ratio = if before == after { 1.0 } else { after / before };
        let [before, after] = [before, after].map(whole_or_digits);
        report.row([what, figure.to_owned(), before, after, digits(ratio), mark.to_owned()]);
    }
    report.print();
    Ok(())
}

pub(crate) fn read(path: &Path) -> Result<Vec<Value>> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| named(&error))?;
    Ok(serde_json::from_str(&text).map_err(|error| named(&error))?)
}

/// The figures of the cases that both runs have, in the order of the second.
fn changes(before: &[Value], after: &[Value]) -> Vec<Change> {
    let before: HashMap<String, &Value> = before.iter().map(|r| (identity(r), r)).collect();
    let mut changes = Vec::new();
    for record in after {
        let what = identity(record);
        let Some(old) = before.get(&what) else { continue };
        for (figure, threshold) in FIGURES {
            if let (Some(old), Some(new)) = (old[figure].as_f64(), record[figure].as_f64()) {
                let mark = match () {
                    () if new > old * threshold => "worse",
                    () if new * threshold < old => "better",
                    () => "",
                };
                changes.push(Change { what: what.clone(), figure, before: old, after: new, mark });
            }
        }
    }
    changes
}

/// Counts in full, other figures in short.
fn whole_or_digits(figure: f64) -> String {
    if figure.fract() == 0.0 { figure.to_string() } else { digits(figure) }
}

/// The values that identify a record, in words.
pub(crate) fn identity(record: &Value) -> String {
    let word = |key: &&str| match &record[*key] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(sizes) => {
            Some(sizes.iter().map(Value::to_string).collect::<Vec<_>>().join(","))
        }
        Value::Number(number) => Some(format!("{key}={number}")),
        other => Some(other.to_string()),
    };
    IDENTITY.iter().filter_map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn records_are_matched_and_changes_marked() {
        let record = |threads: u32, median_us: f64, allocations: u32| {
            json!({
                "suite": "step", "shape": [4, 3], "threads": threads, "median_us": median_us,
                "allocations": allocations, "instructions": null,
            })
        };
        let before = [record(1, 100.0, 0), record(2, 80.0, 1)];
        let after = [record(2, 60.0, 1), record(1, 103.0, 1), record(4, 1.0, 0)];
        let changes = changes(&before, &after);
        let seen: Vec<_> = changes.iter().map(|c| (c.what.as_str(), c.figure, c.mark)).collect();
        let (one, two) = ("step 4,3 threads=1", "step 4,3 threads=2");
        let expected = [
            (two, "median_us", "better"),
            (two, "allocations", ""),
            (one, "median_us", ""),
            (one, "allocations", "worse"),
        ];
        assert_eq!(seen, expected);
    }
}
