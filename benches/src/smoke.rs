//! The suite `smoke`: every case on tiny sizes with few repetitions, for continuous integration.
//! Its times mean nothing.

use std::fs;

use clap::Parser;
use serde_json::Value;

use crate::report::say;
use crate::{Cli, Result};

/// The command lines; `FILE` is the file for the results.
const COMMANDS: [&str; 7] = [
    "step --shape 4,3,5,2,3 --shape 8,4,4,4,2 --threads 1,2 --seconds 0 --instructions off --json FILE",
    "step --shape 4,3,5,2,3 --threads 1 --optimizer adam --precision f64 --seconds 0 --json FILE",
    "parts --shape 4,3,5,2,3 --seconds 0 --json FILE",
    "gemm --shape 4,3,5,2,3 --max-width 17 --seconds 0 --json FILE",
    "infer --rows 5 --seconds 0 --json FILE",
    "train --rows 300 --epochs 2 --repeats 1 --python no-python-here --json FILE",
    "read --rows 20000 --repeats 1 --python no-python-here --json FILE",
];

/// Runs all of them, then compares one with itself.
pub(crate) fn run() -> Result<()> {
    for command in COMMANDS {
        say(&format_args!("\n{command}"));
        results(command)?;
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("step.json");
    let file = file.to_str().ok_or("the name of the temporary folder is not valid text")?;
    crate::run(parse(COMMANDS[0], file)?)?;
    crate::run(Cli::try_parse_from(["bench", "compare", file, file])?)
}

/// Runs one command; returns its records.
fn results(command: &str) -> Result<Vec<Value>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("results.json");
    let name = file.to_str().ok_or("the name of the temporary folder is not valid text")?;
    crate::run(parse(command, name)?)?;
    Ok(serde_json::from_str(&fs::read_to_string(&file)?)?)
}

fn parse(command: &str, file: &str) -> Result<Cli> {
    let words = command.split(' ').map(|word| if word == "FILE" { file } else { word });
    Ok(Cli::try_parse_from(["bench"].into_iter().chain(words))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys that scripts read, in their order.
    const STEP_KEYS: [&str; 9] = [
        "suite",
        "shape",
        "threads",
        "optimizer",
        "median_us",
        "gflops",
        "peak_share",
        "allocations",
        "gemm_us",
    ];

    fn is_positive(record: &Value, key: &str) -> bool {
        record[key].as_f64().is_some_and(|figure| figure > 0.0 && figure.is_finite())
    }

    #[test]
    fn a_step_has_the_keys_that_scripts_read_and_allocates_nothing() {
        let records = [results(COMMANDS[0]).unwrap(), results(COMMANDS[1]).unwrap()].concat();
        assert_eq!(records.len(), 2 * 2 + 1);
        for record in &records {
            let keys: Vec<&String> = record.as_object().unwrap().keys().take(9).collect();
            assert_eq!(keys, STEP_KEYS);
            assert_eq!(record["suite"], "step");
            assert_eq!(record["allocations"], 0, "{record}");
            for key in ["median_us", "gflops", "peak_share", "gemm_us"] {
                assert!(is_positive(record, key), "{key} of {record}");
            }
        }
        let cases: Vec<_> = records.iter().map(|r| (&r["threads"], &r["optimizer"])).collect();
        assert_eq!(cases[..2], [(&1.into(), &"sgd".into()), (&2.into(), &"sgd".into())]);
        assert_eq!(cases[4], (&1.into(), &"adam".into()));
        assert_eq!(records[0]["shape"], Value::from(vec![4, 3, 5, 2, 3]));
    }

    #[test]
    fn the_parts_of_a_step_are_positive_where_they_are_timed() {
        let records = results(COMMANDS[2]).unwrap();
        assert_eq!(records[0]["case"], "step");
        for case in ["step", "forward GEMMs", "losses (softmax)", "backward GEMMs", "optimizer"] {
            let record = records.iter().find(|record| record["case"] == case).unwrap();
            assert!(is_positive(record, "median_us"), "{record}");
        }
    }

    #[test]
    fn every_product_is_multiplied_by_every_library() {
        let records = results(COMMANDS[3]).unwrap();
        let of = |backend: &str| records.iter().filter(|r| r["backend"] == backend).count();
        // Ten products, and 12 widths up to 17 in three forms as square and panel.
        assert_eq!(of("anabranch"), 10 + 12 * 3 * 2);
        assert_eq!(of("anabranch"), of("matrixmultiply"));
        assert!(records.iter().all(|r| is_positive(r, "gflops") || is_positive(r, "worst_ratio")));
        assert_eq!(records.iter().filter(|r| r["worst_width"].is_u64()).count(), 3 + 3 + 1);
    }

    #[test]
    fn predictions_on_one_thread_allocate_nothing() {
        let records = results(COMMANDS[4]).unwrap();
        assert_eq!(records.len(), 6);
        for record in records {
            assert!(is_positive(&record, "rows_per_second"));
            assert_eq!(record["allocations"], 0, "{record}");
        }
    }

    #[test]
    fn a_training_run_has_scores_and_does_without_python() {
        let records = results(COMMANDS[5]).unwrap();
        let record = &records[0];
        assert_eq!(record["inputs"], 21);
        assert_eq!(record["torch"], Value::Null);
        assert!(is_positive(record, "seconds") && is_positive(&record["anabranch"], "accuracy"));
    }

    #[test]
    fn reading_takes_no_more_memory_than_the_file_and_two_matrices() {
        let records = results(COMMANDS[6]).unwrap();
        let record = &records[0];
        assert!(is_positive(record, "mb_per_second") && is_positive(record, "cells_mb_per_second"));
        let bytes = |key: &str| record[key].as_u64().unwrap();
        // 24 numbers but the target, one of them with its indicator, two cycles of a date, and
        // labels: 23 + 1 + 5 + 52 inputs.
        assert_eq!(bytes("matrix_bytes"), 20000 * 4 * (23 + 1 + 5 + 52));
        assert!(bytes("peak_bytes") <= bytes("bytes") + 2 * bytes("matrix_bytes"), "{record}");
    }

    #[test]
    fn bad_flags_are_refused() {
        for command in [
            "step --shape 1,2,3",
            "step --optimizer lion",
            "train --data x.csv",
            "fly",
            "--save step",
        ] {
            assert!(parse(command, "").is_err(), "{command}");
        }
    }
}
