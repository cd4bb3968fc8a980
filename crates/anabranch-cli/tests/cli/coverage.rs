//! `--coverage`: intervals and sets that hold the truth of a share of rows.

use serde_json::Value;

use crate::program::{Dir, QUICK, keys, shapes};

/// 40 validation rows.
const ROWS: usize = 400;

fn trained(flags: &str) -> Dir {
    let dir = Dir::new();
    dir.write("t.csv", shapes(ROWS));
    dir.succeed(&format!("train --data t.csv {QUICK} --out m --quiet {flags}"));
    dir
}

/// The predictions of a table by the names of their columns.
fn rows(csv: &str) -> Vec<std::collections::HashMap<String, String>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn predictions_state_the_coverage_that_training_was_told() {
    let dir = trained("--coverage 0.8");
    dir.succeed("predict --model m --data t.csv --out p.csv");
    let csv = dir.read("p.csv");
    let header = "size,colour,price,kind,price_pred,price_lower,price_upper,kind_pred,kind_p_large,kind_p_small,kind_set\n";
    assert!(csv.starts_with(header), "{csv}");
    let (mut covered, mut in_set, mut width, mut size) = (0, 0, 0.0, 0);
    for row in rows(&csv) {
        let number = |name: &str| row[name].parse::<f64>().unwrap();
        let (low, high) = (number("price_lower"), number("price_upper"));
        assert!((low..=high).contains(&number("price_pred")), "{row:?}");
        covered += u32::from((low..=high).contains(&number("price")));
        width += high - low;
        let set: Vec<&str> = row["kind_set"].split(',').collect();
        assert_eq!(set[0], row["kind_pred"]);
        in_set += u32::from(set.contains(&row["kind"].as_str()));
        size += set.len();
    }
    let json = dir.json("evaluate --model m --data t.csv")["coverage"].clone();
    assert_eq!(json["asked"], 0.8);
    let n = ROWS as f64;
    // The row that gave the limit, and one like it, lies at the end of its interval, where the last
    // bit tells on which side.
    let at_the_end = 2.5 / n;
    for (column, key, expected, tolerance) in [
        ("price", "covered", f64::from(covered) / n, at_the_end),
        ("price", "width", width / n, 1e-9 * width),
        ("kind", "covered", f64::from(in_set) / n, at_the_end),
        ("kind", "size", size as f64 / n, at_the_end),
    ] {
        let found = json["test"][column][key].as_f64().unwrap();
        assert!((found - expected).abs() <= tolerance, "{column} {key} {expected}: {json}");
    }
    assert_eq!(keys(&json["test"]["price"]), ["covered", "width", "pinball"]);
    let text = dir.succeed("evaluate --model m --data t.csv").stdout;
    assert!(text.contains("to cover 0.8"), "{text}");
}

#[test]
fn any_coverage_can_be_asked_for_later() {
    let dir = trained("");
    let header = |flags: &str| {
        dir.succeed(&format!("predict --model m --data t.csv --out p.csv {flags}"));
        dir.read("p.csv")
    };
    assert!(!header("").contains("_lower"));
    let widths = ["--coverage 0.5", "--coverage 0.9"].map(|flags| {
        let rows = rows(&header(flags));
        let ends = rows.iter().map(|row| {
            row["price_upper"].parse::<f64>().unwrap() - row["price_lower"].parse::<f64>().unwrap()
        });
        ends.sum::<f64>()
    });
    assert!(widths[0] < widths[1], "{widths:?}");
    assert_eq!(
        dir.json("evaluate --model m --data t.csv --coverage 0.9")["coverage"]["asked"],
        0.9
    );
    assert!(dir.json("evaluate --model m --data t.csv")["coverage"].is_null());
}

#[test]
fn lines_of_json_have_the_same_intervals_and_sets() {
    let dir = trained("--coverage 0.9");
    dir.succeed("predict --model m --data t.csv --out p.csv");
    let csv = dir.read("p.csv");
    let table = dir.read("t.csv");
    let mut lines = String::new();
    for row in rows(&table) {
        lines += &serde_json::json!({ "size": row["size"].parse::<f64>().ok(), "colour": row["colour"] }).to_string();
        lines.push('\n');
    }
    dir.write("in.jsonl", lines);
    let mut command = dir.command("predict --model m --data -");
    let output =
        command.stdin(std::fs::File::open(dir.path("in.jsonl")).unwrap()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), ROWS);
    for (answer, row) in answers.iter().zip(rows(&csv)) {
        assert_eq!(answer["price_lower"].as_f64(), row["price_lower"].parse().ok());
        assert_eq!(answer["price_upper"].as_f64(), row["price_upper"].parse().ok());
        let set: Vec<&str> = row["kind_set"].split(',').collect();
        assert_eq!(answer["kind_set"], serde_json::json!(set));
    }
}

#[test]
fn without_enough_validation_rows_there_is_no_coverage() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(ROWS));
    let refused = |command: &str, words: &[&str]| {
        let run = dir.run(&format!("{command} --json"));
        let error = &run.json()["error"];
        assert_eq!((run.code, &error["code"]), (2, &"coverage".into()), "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    let train = format!("train --data t.csv {QUICK} --out m");
    let more = ["price", "--validation-fraction"];
    refused(&format!("{train} --coverage 0.9 --validation-fraction 0"), &more);
    refused(&format!("{train} --coverage 0.99"), &["price", "99 validation rows"]);
    assert_eq!(dir.listing().len(), 1, "nothing was begun: {:?}", dir.listing());
    dir.succeed(&format!("{train} --validation-fraction 0"));
    refused("predict --model m --data t.csv --out p.csv --coverage 0.9", &more[1..]);
    dir.succeed(&format!("{train} --test-fraction 0 --coverage 0.9 --force"));
    dir.succeed("predict --model m --data t.csv --out p.csv");
}

/// What a temperature is worth on validation rows, and whether it is used.
#[test]
fn temperatures_are_told() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(ROWS));
    let json = dir.json(&format!("train --data t.csv {QUICK} --out m"));
    let kind = &json["calibration"]["kind"];
    assert_eq!(keys(kind), ["temperature", "tried", "before", "after"]);
    assert_eq!(keys(&kind["before"]), ["log_loss", "brier", "calibration_error"]);
    assert_eq!(keys(&json["calibration"]), ["kind"]);
    // Forty rows are too few to tell.
    assert!(kind["temperature"].is_null() && kind["tried"].as_f64().unwrap() > 0.0, "{kind}");
}
