//! Findings: what `train` notices about a run that did not fail.

use serde_json::Value;

use crate::program::{Dir, QUICK, shapes};

/// The warnings of a run with these codes: in `--json`, and on stderr in the same words.
fn findings(flags: &str, code: &str) -> Vec<Value> {
    findings_of(&format!("{QUICK} {flags}"), code)
}

fn findings_of(flags: &str, code: &str) -> Vec<Value> {
    let dir = Dir::new();
    dir.write("t.csv", shapes(300));
    let run = dir.succeed(&format!("train --data t.csv {flags} --out m --json"));
    let json = run.json();
    let found: Vec<Value> = json["warnings"].as_array().unwrap().clone();
    let found: Vec<Value> = found.into_iter().filter(|warning| warning["code"] == code).collect();
    for warning in &found {
        let message = warning["message"].as_str().unwrap();
        assert!(run.stderr.contains(&format!("warning: {message}\n")), "{}", run.stderr);
    }
    found
}

#[test]
fn a_sound_run_has_no_findings() {
    for code in
        ["absent_class", "few_rows", "loss_scales", "overfitting", "no_progress", "dead_units"]
    {
        assert_eq!(findings("--lr 0.05", code), Vec::<Value>::new(), "{code}");
    }
}

#[test]
fn losses_of_very_different_scale_are_a_finding() {
    let found = findings("--task-weight kind=0.0001", "loss_scales");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["column"], "kind");
}

/// A learning rate of 0 leaves the network as it was drawn.
#[test]
fn a_network_that_learns_nothing_is_a_finding() {
    let found = findings("--lr 0 --blend none", "no_progress");
    let columns: Vec<&str> = found.iter().filter_map(|found| found["column"].as_str()).collect();
    // What it was drawn as may be luckier than the shares of the classes.
    assert!(columns.contains(&"price"), "{columns:?}");
}

/// 210 training rows.
#[test]
fn a_network_far_too_large_is_a_finding() {
    let found = findings_of(&QUICK.replace("--hidden-a 6", "--hidden-a 40000"), "few_rows");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["count"], 210);
}
