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

/// At a rate at which numbers do not stay finite, the run goes on at half of it: that is a finding,
/// a line of its history, and said in the report.
#[test]
fn a_run_that_went_back_to_the_beginning_of_an_epoch_says_so() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(300));
    let train = format!("train --data t.csv {QUICK} --optimizer sgd --force --out m");
    let of_rate = |exponent: i32| {
        let run = dir.run(&format!("{train} --lr {} --json", f64::from(exponent).exp2()));
        (run.json(), run)
    };
    let recovered = |json: &Value| {
        let warnings = json["warnings"].as_array().cloned().unwrap_or_default();
        warnings.into_iter().find(|warning| warning["code"] == "recovered")
    };
    let found = (0..80).find_map(|exponent| {
        let (json, run) = of_rate(exponent);
        recovered(&json).map(|warning| (exponent, json, run, warning))
    });
    let (exponent, json, run, warning) = found.unwrap();
    let halved = f64::from(exponent - 1).exp2();
    let message = warning["message"].as_str().unwrap();
    let start = "numbers were no longer finite in epoch 1: training went back and on at half";
    assert!(message.starts_with(start), "{message}");
    assert!(message.contains(&format!("came down to {halved}: set a lower --lr")), "{message}");
    assert_eq!(warning["count"], 1);
    assert!(run.stderr.contains(&format!("warning: {message}\n")), "{}", run.stderr);
    let page = dir.read("m/report.html");
    assert!(page.contains(&message[..50]));
    let history = dir.read("m/metrics.jsonl");
    let lines: Vec<Value> = history.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 3 * 2 + 1, "{history}");
    let line = &lines[0];
    assert_eq!((&line["member"], &line["epoch"]), (&0.into(), &1.into()));
    assert_eq!(line["recovery"]["lr"].as_f64(), Some(halved));
    assert_eq!(
        (line["recovery"]["from"].as_u64(), line["recovery"].get("loss").is_some()),
        (Some(1), true)
    );
    // It is the run of that rate, and its report is made again from what it left.
    let (low, _) = of_rate(exponent - 1);
    assert_eq!(low["weights_sha256"], json["weights_sha256"]);
    assert_eq!(recovered(&low), None);
    of_rate(exponent);
    dir.succeed("report m");
    assert_eq!(dir.read("m/report.html"), page);
    dir.succeed("compare m m");
}

/// A price whose square single precision does not hold, among others that are nearly as large.
#[test]
fn a_row_that_no_rate_helps_is_named_by_its_line() {
    let dir = Dir::new();
    let large = shapes(300).replace(".5,", ".5e15,");
    let mut lines: Vec<&str> = large.lines().collect();
    lines[201] = "6,blue,1e20,small";
    dir.write("t.csv", lines.join("\n"));
    let run = dir.run(&format!("train --data t.csv {QUICK} --target-scale price=none --json"));
    let error = run.json()["error"].clone();
    assert_eq!((run.code, &error["code"]), (2, &"row_without_loss".into()), "{}", run.stderr);
    assert_eq!(error["line"], 202);
    let start =
        "t.csv: line 202: the loss of \"price\" is not finite, though it is in other rows: ";
    assert!(error["message"].as_str().unwrap().starts_with(start), "{error}");
    assert!(!dir.path("runs").exists());
}
