//! `train`: its JSON, its files, and that it repeats to the bit.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::program::{Dir, QUICK, keys, shapes};

#[test]
fn json_has_exactly_the_documented_keys() {
    let dir = Dir::new();
    // One row lacks both targets, one its kind.
    dir.write(
        "t.csv",
        shapes(60).replacen(",14.5,small", ",,", 1).replacen(",large\n", ",NA\n", 1),
    );
    let run = dir.succeed(
        &format!("train --data t.csv {QUICK} --regress price,size --out m --json")
            .replace("--regress price ", ""),
    );
    assert_eq!(
        run.stderr,
        "warning: rows without a target: 1: left out (missing is \"price\" in 1, \"kind\" in 2)\n\
         warning: column \"kind\": rows without it: 1 of 59: it is learned from the others\n"
    );
    let json = run.json();
    assert_eq!(
        keys(&json),
        [
            "rows",
            "train_rows",
            "test_rows",
            "inputs",
            "epochs",
            "seconds",
            "rows_per_second",
            "parameters",
            "weights_sha256",
            "audited_steps",
            "model",
            "test",
            "intervals",
            "tasks",
            "members",
            "baselines",
            "calibration",
            "warnings",
            "data_sha256",
            "importance"
        ]
    );
    assert_eq!(keys(&json["test"]), ["price", "size", "kind"]);
    for column in ["price", "size"] {
        let numbers =
            ["kind", "rmse", "mae", "r2", "median_absolute_error", "mape", "explained_variance"];
        assert_eq!(keys(&json["test"][column]), numbers);
        assert_eq!(json["test"][column]["kind"], "regression");
    }
    let class = [
        "kind",
        "accuracy",
        "log_loss",
        "macro_f1",
        "balanced_accuracy",
        "auroc",
        "average_precision",
        "brier",
        "calibration_error",
        "quadratic_kappa",
        "confusion",
    ];
    assert_eq!(keys(&json["test"]["kind"]), class);
    assert_eq!(json["test"]["kind"]["quadratic_kappa"], json!(null), "labels have no order");
    assert_eq!(json["test"]["kind"]["kind"], "classification");
    // 31 small and 27 large are left: 3 + 3 validate, 6 + 5 test; the one without a kind trains.
    // The colour is one of three.
    let int = |key: &str| json[key].as_u64().unwrap();
    assert_eq!((int("rows"), int("train_rows"), int("test_rows")), (59, 42, 11));
    assert_eq!((int("inputs"), int("epochs")), (3, 3));
    // θ1a b1a, θ2a b2a, θ1b b1b, γ β, join, θ2b b2b.
    assert_eq!(int("parameters"), 6 * 3 + 6 + 2 * 6 + 2 + 5 * 3 + 5 + 2 * 5 + 5 * 2 + 2 * 5 + 2);
    assert_eq!(
        json["tasks"],
        json!([
            {
                "name": "price,size", "kind": "regression", "columns": ["price", "size"],
                "best_epoch": json["tasks"][0]["best_epoch"], "scale": "standard", "rows": 59,
                "linear_share": json["tasks"][0]["linear_share"],
            },
            {
                "name": "kind", "kind": "classification", "columns": ["kind"],
                "best_epoch": json["tasks"][0]["best_epoch"], "scale": null, "rows": 58,
                "linear_share": json["tasks"][1]["linear_share"],
            },
        ])
    );
    let best_epoch = json["tasks"][0]["best_epoch"].as_u64().unwrap();
    assert!((1..=3).contains(&best_epoch), "{best_epoch}");
    let warning = &json["warnings"][0];
    assert_eq!(keys(warning), ["code", "column", "line", "text", "count", "share", "message"]);
    assert_eq!((&warning["code"], &warning["count"]), (&"rows_without_target".into(), &1.into()));
    assert_eq!(keys(&json["baselines"]), ["mean", "majority", "linear"]);
    assert_eq!(keys(&json["baselines"]["linear"]), ["price", "size", "kind"]);
    assert_eq!(keys(&json["baselines"]["mean"]), ["price", "size"]);
    assert_eq!(keys(&json["baselines"]["majority"]["kind"]), keys(&json["test"]["kind"]));
    let rate = 42.0 * 3.0 / json["seconds"].as_f64().unwrap();
    assert!((json["rows_per_second"].as_f64().unwrap() / rate - 1.0).abs() < 1e-9);
    assert_eq!(json["model"], "m/model.safetensors");
    assert_eq!(json["weights_sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn threads_do_not_matter_and_seeds_do() {
    let dir = Dir::new();
    // Steps wide enough to be worth sharing, in a network alone and in three side by side.
    let wide = "train --epochs 1 --batch-size 512 --hidden-a 512 --hidden-b 300 --force --out m";
    for members in [1, 3] {
        let hash = |flags: &str| {
            dir.json(&format!("{wide} --ensemble {members} {flags}"))["weights_sha256"].clone()
        };
        let one = hash("--threads 1");
        for threads in [1, 2, 3, 4] {
            assert_eq!(hash(&format!("--threads {threads}")), one, "{threads} threads");
        }
        assert_eq!(hash(""), one, "a thread for each core");
        assert_ne!(hash("--seed 2"), one);
    }
}

#[test]
fn the_hash_is_that_of_the_weights_in_the_file() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let train = |seed: u32| {
        let flags = format!("train --data t.csv {QUICK} --force --out m --seed {seed}");
        let hash = dir.json(&flags)["weights_sha256"].clone();
        (hash, dir.bytes("m/model.safetensors"))
    };
    let (first, second, other) = (train(1), train(1), train(2));
    assert_eq!(first, second);
    assert!(first.0 != other.0 && first.1 != other.1);
}

#[test]
fn runs_without_a_directory_are_numbered() {
    let dir = Dir::new();
    dir.write("my shapes.csv", shapes(60));
    let json = |run: std::process::Output| -> Value {
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        serde_json::from_slice(run.stdout.trim_ascii_end()).unwrap()
    };
    for n in 1..=2 {
        let mut command = dir.command(&format!("train {QUICK} --json --data"));
        let model = json(command.arg("my shapes.csv").output().unwrap())["model"].clone();
        assert_eq!(model, format!("runs/my-shapes-{n}/model.safetensors"));
        assert!(dir.path(model.as_str().unwrap()).is_file());
    }
}

#[test]
fn the_model_is_replaced_in_one_rename() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    dir.succeed(&format!("train --data t.csv {QUICK} --out m"));
    let before = dir.bytes("m/model.safetensors");
    // A second name for the old file: writing in place would change it too.
    fs::hard_link(dir.path("m/model.safetensors"), dir.path("old")).unwrap();
    dir.succeed(&format!("train --data t.csv {QUICK} --force --out m --seed 2"));
    assert_eq!(dir.bytes("old"), before);
    assert_ne!(dir.bytes("m/model.safetensors"), before);
    // A run that fails leaves the model as it is.
    let now = dir.bytes("m/model.safetensors");
    let run =
        dir.run(&format!("train --data t.csv {QUICK} --optimizer sgd --lr 1e30 --force --out m"));
    assert_eq!((run.code, dir.bytes("m/model.safetensors")), (1, now));
    assert!(!dir.path("m/.lock").exists());
}

#[test]
fn people_get_a_summary_and_a_table_beside_two_baselines() {
    let dir = Dir::new();
    let run = dir.succeed("train --epochs 2 --hidden-a 4 --hidden-b 3");
    assert_eq!(run.stderr, "", "no bar where there is no terminal");
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "wine: 1599 rows, 20 inputs",
            "1118 rows to train, 160 to validate, 321 to test",
            "regress alcohol, classify quality (6 classes)",
        ]
    );
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{}", run.stdout);
    assert!(run.stdout.contains("join broadcast"), "{}", run.stdout);
    let line = |start: &str| {
        let line = lines.iter().find(|line| line.trim_start().starts_with(start));
        line.unwrap().split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(
        line("column"),
        ["column", "metric", "network", "linear", "model", "training", "mean", "majority", "class"]
    );
    // The most frequent grade, 5, has 136 of the 321 test rows.
    assert_eq!((line("quality")[1], line("quality")[4]), ("accuracy", "0.4237"));
    assert_eq!(line("alcohol").len(), 5);
    for line in ["model: runs/wine-1/model.safetensors", "report: runs/wine-1/report.html"] {
        assert!(lines.contains(&line), "{line}");
    }
}

#[test]
fn early_stopping_needs_validation_rows_only_if_asked_for() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let json = dir.json(&format!("train --data t.csv {QUICK} --out m --validation-fraction 0"));
    assert_eq!((json["train_rows"].as_u64(), json["epochs"].as_u64()), (Some(48), Some(3)));
}

/// Rows are divided by a fraction, a file, a column, groups or time.
#[test]
fn rows_are_for_what_the_flags_say() {
    let dir = Dir::new();
    let rows = |from: usize, to: usize| {
        let lines = shapes(to);
        let lines = lines.lines().skip(1 + from).enumerate();
        lines.fold(String::from("part,who,when,size,colour,price,kind\n"), |csv, (i, line)| {
            let part = ["train", "validation", "test"][i / 3 % 3];
            csv + &format!("{part},g{},2024-01-{:02},{line}\n", i % 10, 1 + i % 30)
        })
    };
    dir.write("t.csv", rows(0, 60));
    dir.write("later.csv", rows(60, 80));
    let train = format!("train --data t.csv {QUICK} --drop part,who,when --force --out m");
    let sizes = |flags: &str| {
        let json = dir.json(&format!("{train} {flags}"));
        ["rows", "train_rows", "test_rows", "inputs"].map(|key| json[key].as_u64().unwrap())
    };
    // The size and three colours.
    assert_eq!(sizes(""), [60, 42, 12, 4]);
    assert_eq!(sizes("--test-fraction 0"), [60, 54, 0, 4]);
    assert_eq!(sizes("--test later.csv"), [80, 54, 20, 4]);
    assert_eq!(sizes("--split-column part"), [60, 21, 18, 4]);
    assert_eq!(sizes("--group who"), [60, 42, 12, 4]);
    assert_eq!(sizes("--time when"), [60, 42, 12, 4]);
    // Without a test there is nothing to judge by.
    let json = dir.json(&format!("{train} --test-fraction 0"));
    assert!(json["test"]["price"]["r2"].is_null(), "{json}");
    assert!(json["baselines"]["mean"]["price"]["r2"].is_null(), "{json}");
    let hash = |flags: &str| dir.json(&format!("{train} {flags}"))["weights_sha256"].clone();
    assert_ne!(hash("--split-seed 2"), hash(""));
    assert_eq!(hash("--split-seed 1 --seed 1"), hash(""));
    for flags in [
        "--group who --time when",
        "--split-column part --group who",
        "--test later.csv --test-fraction 0.1",
    ] {
        let run = dir.run(&format!("{train} {flags}"));
        assert!(run.code == 2 && run.stderr.contains("cannot be used with"), "{}", run.stderr);
    }
}

/// Numbers that span orders of magnitude, and what is made of them.
#[test]
fn validation_rows_choose_the_scale_of_a_target() {
    let dir = Dir::new();
    // From 2⁰ to about 2¹⁶, the exponent a sum of two inputs.
    let rows: String = (0..400)
        .map(|i| {
            let [a, b] = [i * 7 % 81, i * 11 % 83].map(f64::from);
            format!("{a}.5,{b}.5,{},{}\n", 2f64.powf((a + b) / 10.0), i % 2)
        })
        .collect();
    dir.write("t.csv", format!("a,b,y,c\n{rows}"));
    let train = "train --data t.csv --regress y --classify c --threads 1 --force --out m";
    let worth = |flags: &str| {
        let json = dir.json(&format!("{train} {flags}"));
        (json["test"]["y"]["r2"].as_f64().unwrap(), json["tasks"][0]["scale"].clone(), json)
    };
    let (standard, scale, _) = worth("--target-scale y=standard");
    assert_eq!(scale, "standard");
    let (auto, scale, json) = worth("--target-scale y=auto");
    assert!(auto > standard && scale != "standard", "{auto} {standard} {scale}");
    let warning = &json["warnings"][0];
    assert_eq!((&warning["code"], &warning["column"]), (&json!("target_scale"), &json!("y")));
    // The metrics are those of the predictions, in the column's units.
    let (_, _, json) = worth("--target-scale y=log1p --test-fraction 0.5");
    assert_eq!(json["tasks"][0]["scale"], "log1p");
    let json = dir.json("evaluate --model m --data t.csv");
    dir.succeed("predict --model m --data t.csv --out p.csv");
    let text = dir.read("p.csv");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let (mut n, mut squares, mut largest) = (0.0, 0.0, 0.0f64);
    for row in reader.records().map(Result::unwrap) {
        let number = |i: usize| row[i].parse::<f64>().unwrap();
        n += 1.0;
        squares += (number(4) - number(2)).powi(2);
        largest = largest.max(number(4));
    }
    let rmse = json["test"]["y"]["rmse"].as_f64().unwrap();
    assert!((rmse / f64::sqrt(squares / n) - 1.0).abs() < 1e-4, "{rmse}");
    // No prediction is far from what training saw.
    dir.write("far.csv", "a,b\n200,200\n-200,-200\n");
    dir.succeed("predict --model m --data far.csv --out p.csv --lenient");
    let text = dir.read("p.csv");
    let far: Vec<f64> =
        text.lines().skip(1).map(|l| l.split(',').nth(2).unwrap().parse().unwrap()).collect();
    assert!(far[0] <= 1.5 * 2f64.powf(16.3) && far[1] >= 0.0 && largest > 1e3, "{far:?}");
}

#[test]
fn every_row_is_predicted_by_a_network_that_did_not_see_it() {
    let dir = Dir::new();
    // One row lacks its kind; columns for groups.
    let lines = shapes(60).replacen(",large\n", ",NA\n", 1);
    let csv = lines.lines().enumerate().fold(String::new(), |csv, (i, line)| {
        csv + &if i == 0 { format!("who,{line}\n") } else { format!("g{},{line}\n", i % 7) }
    });
    dir.write("t.csv", csv);
    let train = format!("train --data t.csv {QUICK} --out m --force");
    let plain = dir.json(&train);
    assert!(plain["folds"].is_null());
    for flags in ["--folds 4", "--folds 3 --group who"] {
        let json = dir.json(&format!("{train} {flags}"));
        let n = json["folds"]["n"].as_u64().unwrap() as usize;
        let text = dir.read("m/folds.csv");
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = ["line", "fold", "price_pred", "kind_pred", "kind_p_large", "kind_p_small"];
        assert_eq!(reader.headers().unwrap(), header.as_slice());
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let number = |row: &csv::StringRecord, i: usize| row[i].parse::<usize>().unwrap();
        let numbers: Vec<usize> = rows.iter().map(|row| number(row, 0)).collect();
        assert!(numbers.is_sorted() && numbers.len() == 60 && numbers[0] == 2);
        // The deviation is that of the folds, whose scores follow from the file.
        let table = dir.read("t.csv");
        let lines: Vec<&str> = table.lines().collect();
        let mut hits = vec![(0.0, 0.0); n];
        for row in &rows {
            let (line, fold) = (number(row, 0), number(row, 1) - 1);
            let cells: Vec<&str> = lines[line - 1].split(',').collect();
            if cells[4] == "NA" {
                continue;
            }
            hits[fold].0 += f64::from(cells[4] == &row[3]);
            hits[fold].1 += 1.0;
            if flags.contains("group") {
                let same = |other: &&csv::StringRecord| {
                    lines[number(other, 0) - 1].split(',').next() == Some(cells[0])
                };
                assert!(rows.iter().filter(same).all(|other| other[1] == row[1]), "{}", cells[0]);
            }
        }
        let scores: Vec<f64> = hits.iter().map(|(hits, rows)| hits / rows).collect();
        let mean = scores.iter().sum::<f64>() / n as f64;
        let squares: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
        let deviation = (squares / (n as f64 - 1.0)).sqrt();
        let found = &json["folds"]["test"]["kind"]["accuracy"];
        for (key, expected) in [("mean", mean), ("deviation", deviation)] {
            assert!((found[key].as_f64().unwrap() - expected).abs() < 1e-12, "{flags} {found}");
        }
    }
    // The standard input can be read only once.
    let mut command =
        dir.command(&format!("{train} --folds 2 --data -").replace("--data t.csv", ""));
    let stdin = fs::File::open(dir.path("t.csv")).unwrap();
    assert!(command.stdin(stdin).output().unwrap().status.success());
    // The model itself is what it is without.
    let json = dir.json(&format!("{train} --folds 2"));
    assert_eq!(json["weights_sha256"], plain["weights_sha256"]);
    let text = dir.succeed(&format!("{train} --folds 2")).stdout;
    assert!(text.contains("\n2 folds\n\ncolumn") && text.contains("predictions: m/folds.csv\n"));
}

#[test]
fn other_targets_of_wine() {
    let dir = Dir::new();
    let json = dir.json("train --regress pH,density --epochs 1 --out m");
    // Wine's own tasks apply only where none is named.
    assert_eq!(keys(&json["test"]), ["pH", "density"]);
    let json = dir.json("train --classify quality --regress pH,density --epochs 1 --force --out m");
    assert_eq!(keys(&json["test"]), ["pH", "density", "quality"]);
}

/// One regression and one class are the same network in either order; other tasks are a branch
/// each, in the order of their flags, and the last one is joined by all before it.
#[test]
fn tasks_are_branches_in_the_order_of_their_flags() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(90));
    // The same with one input more, for four tasks.
    let lines = shapes(90)
        .lines()
        .enumerate()
        .map(|(i, line)| format!("{},{line}\n", i * 13 % 29))
        .collect::<String>();
    dir.write("four.csv", lines.replacen('0', "number", 1));
    let quick = "train --data t.csv --epochs 2 --batch-size 16 --force --out m";
    let hash = |flags: &str| dir.json(&format!("{quick} {flags}"))["weights_sha256"].clone();
    let two = hash("--regress price --classify kind");
    assert_eq!(hash("--classify kind --regress price"), two);
    assert_ne!(hash("--regress price --classify kind --task-weight price=0.5"), two);
    assert_eq!(
        hash("--regress price --classify kind --task-weight price=0.5"),
        hash("--regress price --classify kind --weight-a 0.5")
    );
    assert_ne!(hash("--regress price --classify kind --loss price=huber"), two);

    let json = dir.json(
        &format!("{quick} --classify colour --regress price --regress size --classify kind")
            .replace("t.csv", "four.csv"),
    );
    assert_eq!(keys(&json["test"]), ["colour", "price", "size", "kind"]);
    let kinds: Vec<&str> = json["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["classification", "regression", "regression", "classification"]);
    let table =
        dir.succeed(&format!("{quick} --regress price --regress size --classify kind")).stdout;
    assert!(table.contains("regress price, regress size, classify kind (2 classes)"), "{table}");
    for node in ["price.0", "size.head", "kind.0.bn", "kind.join.price", "kind.join.size"] {
        assert!(table.contains(node), "{node} in {table}");
    }
    // A model of three tasks predicts and is judged as one of two.
    dir.succeed("predict --model m --data t.csv --out p.csv");
    let header = dir.read("p.csv").lines().next().unwrap().to_owned();
    assert_eq!(
        header,
        "size,colour,price,kind,price_pred,price_std,size_pred,size_std,\
         kind_pred,kind_p_large,kind_p_small,kind_std"
    );
    let judged = dir.json("evaluate --model m --data t.csv");
    assert_eq!(keys(&judged["test"]), ["price", "size", "kind"]);

    // One task is a plain network.
    let json = dir.json(&format!("{quick} --regress price --hidden 7,5"));
    assert_eq!(
        (keys(&json["test"]), json["parameters"].as_u64()),
        (vec!["price"], Some(6 * 7 + 7 + 7 * 5 + 5 + 5 + 1))
    );
}

/// `anabranch train | head -1`: the reader goes, the work is done all the same.
#[test]
fn a_reader_that_goes_is_no_failure() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let mut command = dir.command(&format!("train --data t.csv {QUICK} --out m"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(child.wait().unwrap().success(), "{stderr}");
    assert_eq!(stderr, "");
    assert!(dir.path("m/model.safetensors").is_file());
}

#[test]
fn help_shows_the_defaults() {
    let dir = Dir::new();
    let help = dir.succeed("train --help").stdout;
    for flag in [
        "--data",
        "--regress",
        "--classify",
        "--epochs",
        "--batch-size",
        "--hidden-a",
        "--hidden-b",
        "--dropout",
        "--join",
        "--optimizer",
        "--lr",
        "--weight-a",
        "--weight-b",
        "--weight-decay",
        "--schedule",
        "--clip",
        "--seed",
        "--threads",
        "--patience",
        "--test-fraction",
        "--validation-fraction",
        "--out",
    ] {
        let start = help.find(&format!("{flag} <")).unwrap_or_else(|| panic!("no {flag}"));
        let text = &help[start..];
        let end = text[2..].find("      --").map_or(text.len(), |end| end + 2);
        assert!(text[..end].contains("[default"), "{flag} has no default: {}", &text[..end]);
    }
    assert!(help.contains("--json"));
    assert!(dir.succeed("--version").stdout.starts_with("anabranch "));
}

#[test]
fn verbose_runs_say_what_they_do_on_stderr_alone() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let quiet = dir.succeed(&format!("train --data t.csv {QUICK} --out m --json"));
    let verbose = dir.succeed(&format!("train --data t.csv {QUICK} --force --out m --json -v"));
    assert_eq!(quiet.stderr, "");
    assert_eq!(verbose.json()["weights_sha256"], quiet.json()["weights_sha256"]);
    for said in [
        "table read file=\"t.csv\" rows=60",
        "table encoded",
        "training",
        "epoch=3",
        "file written",
    ] {
        assert!(verbose.stderr.contains(said), "{said} in {}", verbose.stderr);
    }
    assert!(!verbose.stderr.contains("network built"));
    let log = |directives: &str| {
        let mut command = dir.command("evaluate --model m --data t.csv -v");
        let output = command.env("RUST_LOG", directives).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = log("anabranch_graph=debug");
    assert!(
        code == Some(0) && said.contains("network built") && !said.contains("table read"),
        "{said}"
    );
    let (code, said) = log("anabranch=loud");
    assert!(code == Some(2) && said.starts_with("error: RUST_LOG=\"anabranch=loud\": "), "{said}");
}

/// The column of numbers alone is what a run without a class gives, since the class is predicted
/// from it and not the other way round.
#[test]
fn each_task_is_trained_alone_too() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(90));
    let train = format!("train --data t.csv {QUICK} --seed 3 --out m --force");
    let without = dir.json(&train);
    let json = dir.json(&format!("{train} --single-task-baselines"));
    assert_eq!(json["weights_sha256"], without["weights_sha256"]);
    assert_eq!(without.get("single_task"), None);
    let alone = dir.json(&format!("{train} --task-weight kind=0"));
    let columns = &json["single_task"];
    assert_eq!(keys(columns), ["price", "kind"]);
    for (column, metric) in [("price", "rmse"), ("kind", "log_loss")] {
        let of = &columns[column];
        assert_eq!(of["metric"], metric);
        assert_eq!(of["together"], json["test"][column][metric]);
        let [together, alone] = ["together", "alone"].map(|key| of[key].as_f64().unwrap());
        assert_eq!(of["difference"].as_f64(), Some(together / alone - 1.0));
        let [low, high] = [0, 1].map(|end| of["interval"][end].as_f64().unwrap());
        assert!(low < high && (low..high).contains(&(together / alone - 1.0)), "{of}");
    }
    assert_eq!(columns["price"]["alone"], alone["test"]["price"]["rmse"]);
    let told = dir.succeed(&format!("{train} --single-task-baselines")).stdout;
    assert!(told.contains("each task alone") && told.contains("together"), "{told}");
    for (flags, why) in [
        ("--test-fraction 0", "there are no test rows to compare on"),
        ("--set tasks.regress=price", "there is only one task"),
    ] {
        let train = format!("train --data t.csv --epochs 2 --out m --force {flags}");
        let tasks = if flags.contains("tasks") { "" } else { "--regress price --classify kind" };
        let run = dir.run(&format!("{train} {tasks} --single-task-baselines"));
        assert_eq!(run.code, 2, "{flags}: {run:?}");
        assert!(run.stderr.contains(why), "{}", run.stderr);
    }
}

#[test]
fn a_very_skewed_number_may_be_learned_as_its_logarithm_unasked() {
    let dir = Dir::new();
    // From exp(0) to exp(12.5): the deviation is 2.3 times the mean.
    let row = |i: usize| format!("{}.5,{}\n", i * 37 % 200, f64::exp((i * 37 % 200) as f64 / 16.0));
    dir.write("t.csv", "x,y\n".to_owned() + &(0..200).map(row).collect::<String>());
    let trained = |flags: &str| {
        let train = format!("train --data t.csv --regress y --epochs 40 --seed 1 {flags}");
        let json = dir.json(&format!("{train} --ensemble 1 --out m --force"));
        let is_said =
            json["warnings"].as_array().unwrap().iter().any(|w| w["code"] == "target_scale");
        (json["tasks"][0]["scale"].as_str().unwrap().to_owned(), is_said)
    };
    assert_eq!(trained(""), ("log1p".to_owned(), true));
    assert_eq!(trained("--target-scale y=standard"), ("standard".to_owned(), false));
}

#[test]
fn of_many_warnings_of_a_kind_the_first_are_printed() {
    let dir = Dir::new();
    let constants = |cell: &dyn Fn(usize) -> String| (0..25).map(cell).collect::<String>();
    let rows =
        (0..40).map(|i| format!("{}.5,{}{}\n", i % 13, i % 7, constants(&|j| format!(",{j}"))));
    let header = format!("x,y{}\n", constants(&|j| format!(",c{j}")));
    dir.write("t.csv", header + &rows.collect::<String>());
    let run = dir.succeed("train --data t.csv --regress y --epochs 3 --ensemble 1 --json --out m");
    assert_eq!(run.stderr.matches("has one value in all").count(), 20, "{}", run.stderr);
    let rest = "warning: 5 more of the kind \"constant_column\": --json lists all\n";
    assert!(run.stderr.contains(rest), "{}", run.stderr);
    assert_eq!(run.stdout.matches("has one value in all").count(), 25);
}
