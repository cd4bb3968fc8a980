//! What a run leaves in its directory, and what `runs` and `compare` say about it.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::program::{Dir, QUICK, shapes};

/// A table that says of each row what it is for.
fn parts() -> String {
    let mut csv = String::new();
    for (i, line) in shapes(40).lines().enumerate() {
        let part = match i {
            0 => "part",
            _ => ["train", "test", "train", "validation"][i % 4],
        };
        csv += &format!("{line},{part}\n");
    }
    csv
}

#[test]
fn a_run_leaves_what_tells_of_it() {
    let dir = Dir::new();
    dir.write("t.csv", parts());
    let train = format!("train --data t.csv {QUICK} --split-column part --out m");
    let run = dir.succeed(&format!("{train} --json -v"));
    let mut files: Vec<String> = std::fs::read_dir(dir.path("m"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let expected = [
        "config.toml",
        "log.txt",
        "metrics.jsonl",
        "model.safetensors",
        "report.html",
        "schema.json",
        "split.csv",
        "summary.json",
    ];
    assert_eq!(files, expected);

    assert_eq!(dir.read("m/summary.json"), run.stdout);
    assert_eq!(dir.read("m/schema.json"), dir.succeed("schema --data t.csv --json").stdout);
    let parts = parts();
    let rows = parts.lines().enumerate().skip(1);
    let expected = rows.map(|(i, row)| format!("{},{}\n", i + 1, row.rsplit(',').next().unwrap()));
    let split = dir.read("m/split.csv");
    let without_hash = |line: &str| format!("{}\n", line.rsplit_once(',').unwrap().0);
    let found: String = split.lines().map(without_hash).collect();
    assert_eq!(found, format!("line,part\n{}", expected.collect::<String>()));

    // The log has what -v prints, and when.
    let log = dir.read("m/log.txt");
    let epochs = |text: &str| text.lines().filter(|l| l.contains("epoch=")).count();
    assert_eq!((epochs(&log), epochs(&run.stderr)), (3, 3), "{log}");
    let lines: Vec<Value> = dir
        .read("m/metrics.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |key: &str| lines.iter().map(|line| line[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("epoch"), [1, 1, 2, 2, 3, 3]);
    assert_eq!(of("task"), ["price", "kind", "price", "kind", "price", "kind"]);
    let said = run.stderr.lines().filter(|line| line.contains("epoch="));
    for (line, pair) in said.zip(lines.chunks(2)) {
        for key in ["train", "validation"] {
            let [price, kind] = [0, 1].map(|i| pair[i][key].as_f64().unwrap());
            assert!(line.contains(&format!("{price:?}, {kind:?}")), "{pair:?} in {line}");
        }
        assert!(line.contains(&format!("is_best={}", pair[0]["best"])));
        assert!(line.contains(&format!("lr_factor={}", pair[0]["lr_factor"])));
    }
    // Without clipping, and with the schedule's first factor, nearly 1, of 0.01.
    assert_eq!(of("grad_norm"), of("clipped_norm"));
    for norm in of("grad_norm") {
        assert!(norm.as_f64().is_some_and(|norm| norm > 0.0), "{norm}");
    }
    for (lr, factor) in of("lr").iter().zip(of("lr_factor")) {
        assert_eq!(lr.as_f64(), factor.as_f64().map(|factor| 0.01 * factor));
    }
    assert_eq!(lines[0].get("grad_cosines"), None);
}

#[test]
fn event_files_and_cosines_are_asked_for() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let train = format!("train --data t.csv {QUICK} --out m --force --tensorboard --grad-cosines");
    let files = |place: &str| -> Vec<String> {
        let entries = std::fs::read_dir(dir.path(place)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    dir.succeed(&train);
    let lines = dir.read("m/metrics.jsonl");
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let other = if line["task"] == "price" { "kind" } else { "price" };
        let cosine = line["grad_cosines"][other].as_f64().unwrap();
        assert!((-1.0..=1.0).contains(&cosine) && cosine != 0.0, "{line}");
    }
    let names = files("m/tensorboard");
    assert!(names.len() == 1 && names[0].contains("tfevents"), "{names:?}");
    // The first record holds the version, and one follows for each epoch.
    let bytes = dir.bytes(&format!("m/tensorboard/{}", names[0]));
    let (mut place, mut records) = (0, 0);
    while place < bytes.len() {
        let length = u64::from_le_bytes(bytes[place..place + 8].try_into().unwrap());
        place += 16 + usize::try_from(length).unwrap();
        records += 1;
    }
    assert_eq!((place, records), (bytes.len(), 4));
    // Networks of an ensemble are curves of their own; those of another run are gone.
    let train = train.replace("--ensemble 1", "--ensemble 2");
    dir.succeed(&train);
    let mut members = files("m/tensorboard");
    members.sort();
    assert_eq!(members, ["member-0", "member-1"]);
}

#[test]
fn shells_get_their_completions() {
    let dir = Dir::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = dir.succeed(&format!("completions {shell}")).stdout;
        assert!(script.contains("task-balance") && script.contains("sweep"), "{shell}");
    }
    assert_eq!(dir.run("completions sh").code, 2);
}

/// With folds and another run's files there.
#[test]
fn no_result_of_another_run_stays() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let train = format!("train --data t.csv {QUICK} --out m --force");
    dir.succeed(&format!("{train} --folds 2"));
    assert!(dir.path("m/folds.csv").is_file());
    let json = dir.json(&format!("{train} --seed 2"));
    assert!(!dir.path("m/folds.csv").exists());
    let summary: Value = serde_json::from_str(&dir.read("m/summary.json")).unwrap();
    assert_eq!(summary["weights_sha256"], json["weights_sha256"]);
}

#[test]
fn a_quiet_run_says_nothing() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let run = dir.succeed(&format!("train --data t.csv {QUICK} --quiet --out m"));
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    assert!(dir.path("m/model.safetensors").is_file());
}

#[test]
fn runs_are_listed_and_compared() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let train = format!("train --data t.csv {QUICK}");
    let first = dir.json(&train);
    let second = dir.json(&format!("{train} --lr 0.02 --loss price=huber"));
    dir.json(&train);
    // One that was killed, something else, and a number of two digits.
    std::fs::remove_file(dir.path("runs/t-3/summary.json")).unwrap();
    std::fs::create_dir(dir.path("runs/other")).unwrap();
    std::fs::rename(dir.path("runs/t-1"), dir.path("runs/t-10")).unwrap();

    let json = dir.json("runs");
    let runs = json["runs"].as_array().unwrap();
    let of = |key: &str| runs.iter().map(|run| run[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("run"), ["runs/t-2", "runs/t-3", "runs/t-10"]);
    assert_eq!(of("complete"), [true, false, true]);
    assert_eq!(of("test"), [second["test"].clone(), Value::Null, first["test"].clone()]);
    assert_eq!(runs[0]["settings"]["training.lr"], "0.02");
    assert_eq!(runs[0]["settings"]["tasks"], "regress price, classify kind");

    let table = dir.succeed("runs").stdout;
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0][2..], ["price", "r2", "kind", "accuracy", "kind", "log_loss"]);
    assert_eq!(rows[2][..3], ["runs/t-2", "loss=price=huber", "lr=0.02"]);
    assert_eq!(rows[3][..3], ["runs/t-3", "lr=0.01", "–"]);
    let r2 = first["test"]["price"]["r2"].as_f64().unwrap();
    let shown: f64 = rows[4][2].parse().unwrap();
    // Four digits are shown.
    assert!((shown - r2).abs() <= 5e-4 * r2.abs(), "{shown} for {r2}");
    assert_eq!(dir.succeed("runs runs/t-2").stdout, "runs/t-2: no runs\n");
    assert_eq!(dir.run("runs none").code, 2);

    let json = dir.json("compare runs/t-10 runs/t-2");
    let settings = json!({
        "network.loss": ["–", "price=huber"],
        "training.lr": ["0.01", "0.02"],
    });
    assert_eq!((&json["settings"], &json["same_weights"]), (&settings, &json!(false)));
    let mae = |run: &Value| run["test"]["price"]["mae"].clone();
    assert_eq!(json["test"]["price"]["mae"], json!([mae(&first), mae(&second)]));
    let text = dir.succeed("compare runs/t-10 runs/t-2").stdout;
    let line = text.lines().find(|line| line.starts_with("training.lr")).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["training.lr", "0.01", "0.02"]);
    assert!(text.contains("price mae"), "{text}");
    assert_eq!(dir.json("compare runs/t-2 runs/t-2")["same_weights"], true);
    assert_eq!(
        dir.succeed("compare runs/t-2 runs/t-2").stdout,
        "the settings are the same\n\nthe weights are the same\n"
    );
    assert_eq!(dir.run("compare runs/t-2 runs/other").code, 2);
}

#[test]
fn a_directory_has_one_run_at_a_time() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let train = format!("train --data t.csv {QUICK} --out m");
    // Far longer than this test; what it prints first, it prints with the directory taken.
    let endless =
        format!("{train} --patience 0 --hidden 300,300").replace("--epochs 3", "--epochs 9999999");
    let mut child = dir.command(&endless).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "t.csv: 60 rows, 4 inputs\n");
    let run = dir.run(&train);
    let refused = "error: cannot write in m (another run is at work there): choose another --out\n";
    assert_eq!((run.code, run.stderr.as_str()), (2, refused));
    child.kill().unwrap();
    child.wait().unwrap();
    // The lock has died with the process.
    dir.succeed(&train);
    assert!(!dir.path("m/.lock").exists());
}

#[test]
fn rows_that_training_saw_are_known_again() {
    let dir = Dir::new();
    // No two rows have the same inputs.
    let numbered = |from: usize| -> String {
        let row = |i: usize| format!("{}.5,{},{}\n", from + i * 7 % 40, i % 11, ["a", "b"][i % 2]);
        "x,y,c\n".to_owned() + &(0..40).map(row).collect::<String>()
    };
    dir.write("t.csv", numbered(0));
    dir.write("new.csv", numbered(40));
    dir.write("half.csv", numbered(20));
    let train = "train --data t.csv --regress y --classify c --epochs 3 --ensemble 1";
    dir.succeed(&format!("{train} --test-fraction 0 --out m"));
    let seen = |data: &str| {
        let json = dir.json(&format!("evaluate --model m --data {data}"));
        let warnings = json["warnings"].as_array().unwrap().iter();
        warnings.filter(|w| w["code"] == "seen_rows").map(|w| w["count"].clone()).next()
    };
    assert_eq!(
        (seen("t.csv"), seen("half.csv"), seen("new.csv")),
        (Some(json!(40)), Some(json!(20)), None)
    );
    std::fs::remove_file(dir.path("m/split.csv")).unwrap();
    assert_eq!(seen("t.csv"), None, "nothing tells");
}
