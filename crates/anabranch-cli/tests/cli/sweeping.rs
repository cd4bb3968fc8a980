//! Searches: which settings are tried, how they are scored, and that neither threads, nor shards,
//! nor an interruption change the result.

use std::collections::BTreeSet;

use anabranch::data::{SplitRules, Table, TargetColumns, prepare_split};
use anabranch::graph::{Fusion, TwoBranch};
use anabranch::tensor::Executor;
use anabranch::train::{Model, NoObserver, TaskMetrics, TrainConfig, Trainer, baselines_on};
use serde_json::{Value, json};

use crate::program::{Dir, shapes};

/// A search that takes no time.
const SPACE: &str = r#"
[data]
data = "t.csv"
[[tasks]]
regress = "price"
[[tasks]]
classify = "kind"
[training]
epochs = 3
batch-size = 16
watch = "sum"
lr = { log-uniform = [1e-3, 1e-1] }
[network]
hidden-a = { int = [4, 9] }
hidden-b = 5
dropout = { choice = [0.0, 0.1] }
"#;

fn dir() -> Dir {
    let dir = Dir::new();
    dir.write("t.csv", shapes(90));
    dir.write("space.toml", SPACE);
    dir
}

/// The lines of a file of results after the first, as they are known after the search.
fn outcomes(dir: &Dir, file: &str) -> Vec<Value> {
    let text = dir.read(file);
    let mut lines: Vec<Value> =
        text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &mut lines {
        assert!(line["seconds"].take().as_f64().unwrap() > 0.0);
    }
    lines.sort_by_key(|line| (line["rung"].as_u64(), line["trial"].as_u64()));
    lines
}

#[test]
fn neither_threads_nor_shards_nor_an_interruption_change_the_result() {
    for (search, trials, rounds) in [("random", 7, 1), ("halving", 9, 2)] {
        let dir = dir();
        let epochs = if search == "halving" { "--set training.epochs=9" } else { "" };
        let sweep =
            format!("sweep --config space.toml --trials {trials} --search {search} {epochs}");
        let one = dir.json(&format!("{sweep} --threads 1 --out one"));
        let expected = outcomes(&dir, "one/results.jsonl");
        let board = dir.read("one/leaderboard.csv");
        assert_eq!(board.lines().count(), 1 + trials);
        let same = |out: &str, json: &Value| {
            assert_eq!(dir.read(&format!("{out}/leaderboard.csv")), board, "{search} {out}");
            assert_eq!(outcomes(&dir, &format!("{out}/results.jsonl")), expected);
            let hash = |json: &Value| json["refit"]["weights_sha256"].clone();
            assert!(hash(&one).is_string());
            assert_eq!(hash(json), hash(&one));
            assert_eq!(json["best"], one["best"]);
        };
        if search == "halving" {
            let rung = |rung: u64| {
                let lines = expected.iter().filter(move |line| line["rung"] == rung);
                let score = |line: &Value| (line["score"].as_f64().unwrap(), line["trial"].clone());
                let mut scores: Vec<(f64, Value)> = lines.map(score).collect();
                scores.sort_by(|(a, _), (b, _)| a.total_cmp(b));
                scores.into_iter().map(|(_, trial)| trial.to_string()).collect::<Vec<_>>()
            };
            let best: BTreeSet<String> = rung(0)[..3].iter().cloned().collect();
            assert_eq!(BTreeSet::from_iter(rung(1)), best, "the best third goes on");
        }
        same("three", &dir.json(&format!("{sweep} --threads 3 --out three")));

        // Killed while it wrote its third result: that one and all later ones are missing.
        let text = dir.read("one/results.jsonl");
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let half = lines[..3].concat() + &lines[3][..lines[3].len() / 2];
        std::fs::create_dir(dir.path("killed")).unwrap();
        dir.write("killed/results.jsonl", half);
        same("killed", &dir.json(&format!("{sweep} --out killed")));
        // Another call has nothing left to train.
        let bytes = dir.bytes("killed/results.jsonl");
        same("killed", &dir.json(&format!("{sweep} --out killed")));
        assert_eq!(dir.bytes("killed/results.jsonl"), bytes);

        // In any order, each in a directory of its own or all in one.
        for round in 1..=rounds {
            for shard in [3, 1, 2] {
                if round == 1 {
                    let run = dir.run("sweep merge shared");
                    assert_eq!(run.code, 2, "{run:?}");
                }
                dir.succeed(&format!("{sweep} --shard {shard}/3 --out shared --threads {round}"));
            }
        }
        same("merged", &dir.json("sweep merge shared --out merged"));
    }
    let dir = dir();
    let sweep = "sweep --config space.toml --trials 5";
    let whole = dir.json(&format!("{sweep} --out whole"));
    for shard in 1..=2 {
        dir.succeed(&format!("{sweep} --shard {shard}/2 --out part-{shard}"));
    }
    let merged = dir.json("sweep merge part-2 part-1 --out both");
    assert_eq!(merged["best"], whole["best"]);
    assert_eq!(dir.read("both/leaderboard.csv"), dir.read("whole/leaderboard.csv"));
}

/// The scores of the second round are made worse than all of the first: they lead all the same.
#[test]
fn trials_that_came_further_lead_whatever_their_score() {
    let dir = dir();
    let sweep = "sweep --config space.toml --trials 9 --search halving --set training.epochs=9 \
                 --no-refit --out s";
    dir.succeed(sweep);
    let mut further = Vec::new();
    let text = dir.read("s/results.jsonl");
    let lines = text.lines().enumerate().map(|(i, line)| {
        let mut entry: Value = serde_json::from_str(line).unwrap();
        if i > 0 && entry["rung"] == 1 {
            let score = 1000.0 + entry["score"].as_f64().unwrap();
            entry["score"] = score.into();
            further.push((score, entry["trial"].to_string()));
        }
        entry.to_string() + "\n"
    });
    let lines: String = lines.collect();
    dir.write("s/results.jsonl", lines);
    let json = dir.json(sweep);
    further.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    assert_eq!(further.len(), 3);
    let board = dir.read("s/leaderboard.csv");
    let trials = board.lines().skip(1).map(|line| line.split(',').nth(1).unwrap());
    let leaders: Vec<&str> = trials.take(3).collect();
    assert_eq!(leaders, further.iter().map(|(_, trial)| trial.as_str()).collect::<Vec<_>>());
    assert_eq!(json["best"]["trial"].to_string(), further[0].1);
}

#[test]
fn a_trial_is_one_network_scored_on_validation_rows() {
    let dir = dir();
    let json = dir.json("sweep --config space.toml --trials 1 --no-refit --out s");
    let settings = &json["best"]["settings"];
    let number = |key: &str| settings[key].as_str().unwrap().parse::<f64>().unwrap();

    let exec = Executor::serial();
    let table = Table::read(dir.path("t.csv")).unwrap();
    let columns = TargetColumns::new().regress(["price"]).classify("kind");
    let rules = SplitRules { seed: 1, ..SplitRules::default() };
    let prepared = prepare_split::<f32>(&exec, &table, &columns, &rules, None).unwrap();
    let data = &prepared.dataset;
    let network = TwoBranch::new(data.n_inputs, number("hidden-a") as usize, 1, 5, 2);
    let river = TwoBranch { dropout: number("dropout"), ..network }.river();
    let (lr, weight_decay) = (number("lr"), 0.01);
    let config =
        TrainConfig { epochs: 3, batch_size: 16, lr, weight_decay, ..TrainConfig::default() };
    let graph = river.build(Fusion::Fused).unwrap();
    let mut trainer = Trainer::new(data, graph, &config, &exec).unwrap();
    trainer.run(&mut NoObserver).unwrap();
    let members = vec![trainer.member()];
    let targets = &prepared.targets;
    let model = Model::new(river, members, prepared.encoder.clone(), targets.clone()).unwrap();
    let rows = &data.split.validation;
    let metrics = model.metrics(data, rows, targets);
    let simplest = baselines_on(data, targets, rows);
    let errors = |metrics: &[TaskMetrics]| {
        let rmse = metrics[0].regression()[0].rmse.unwrap();
        [rmse * rmse, metrics[1].classification().unwrap().log_loss.unwrap()]
    };
    let (network, simplest) = (errors(&metrics), errors(&simplest));
    let shares = [network[0] / simplest[0], network[1] / simplest[1]];
    assert_eq!(json["best"]["score"], json!((shares[0] + shares[1]) / 2.0));
    let rmse = metrics[0].regression()[0].rmse;
    assert_eq!(json["best"]["validation"]["price"]["rmse"], json!(rmse));
    // One column alone.
    let price = dir.json("sweep --config space.toml --trials 1 --no-refit --out p --score price");
    assert_eq!(price["best"]["score"], json!(shares[0]));
}

/// The best settings are in a file that `train` takes, and which it has been told by the search.
#[test]
fn the_best_settings_are_kept_and_trained_again() {
    let dir = dir();
    let json = dir.json("sweep --config space.toml --trials 3 --out s");
    let again = dir.json("train --config s/best.toml --out again");
    assert_eq!(again["weights_sha256"], json["refit"]["weights_sha256"]);
    assert_eq!(again["test"], json["refit"]["test"]);
    assert_eq!(again["members"].as_array().unwrap().len(), 8);
    // More trials: those before are kept, and the best one is trained anew if it is another.
    let more = dir.json("sweep --config space.toml --trials 12 --out s");
    assert_eq!(outcomes(&dir, "s/results.jsonl").len(), 12);
    let again = dir.json("train --config s/best.toml --out again --force");
    assert_eq!(again["weights_sha256"], more["refit"]["weights_sha256"]);
    let told = dir.succeed("sweep --config space.toml --trials 12 --out s").stdout;
    for words in ["12 trials, each of one network", "rank  trial", "test rows were looked at"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

/// Test rows play no part in a search.
#[test]
fn test_rows_change_no_score() {
    let dir = Dir::new();
    let table = |price_of_tests: &str| {
        let mut csv = String::from("size,price,kind,part\n");
        for i in 0..60 {
            let part = ["train", "train", "validation", "test"][i % 4];
            let price = if part == "test" { price_of_tests.into() } else { format!("{}", i % 13) };
            csv += &format!("{},{price},{},{part}\n", i * 7 % 13, ["a", "b"][i / 2 % 2]);
        }
        csv
    };
    dir.write("space.toml", format!("{SPACE}[split]\nsplit-column = \"part\"\n"));
    let scores = |price: &str, out: &str| {
        dir.write("t.csv", table(price));
        dir.succeed(&format!("sweep --config space.toml --trials 4 --no-refit --out {out}"));
        dir.read(&format!("{out}/leaderboard.csv"))
    };
    assert_eq!(scores("1", "one"), scores("999", "two"));
    // The results are of other data all the same.
    let run = dir.run("sweep --config space.toml --trials 4 --out one");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("is of another search: the data have changed"), "{}", run.stderr);
}

#[test]
fn a_trial_that_fails_is_the_last_and_says_why() {
    let dir = dir();
    let space = SPACE.replace("log-uniform = [1e-3, 1e-1]", "choice = [1e30, 0.01]");
    dir.write("space.toml", space.replace("watch = \"sum\"", "optimizer = \"sgd\""));
    let json = dir.json("sweep --config space.toml --trials 8 --no-refit --out s");
    let board = dir.read("s/leaderboard.csv");
    let failed: Vec<&str> = board.lines().filter(|line| line.contains("diverged")).collect();
    assert_eq!(json["failed"], json!(failed.len()));
    assert!((1..8).contains(&failed.len()), "{board}");
    assert_eq!(board.lines().last(), failed.last().copied());
    assert_eq!(json["best"]["settings"]["lr"], json!("0.01"));
    dir.write("space.toml", SPACE.replace("log-uniform = [1e-3, 1e-1]", "choice = [1e30]"));
    let run =
        dir.run("sweep --config space.toml --trials 2 --out none --set training.optimizer=sgd");
    assert_eq!(run.code, 1);
    assert!(run.stderr.starts_with("error: no trial could be trained: training diverged"));
}

#[test]
fn mistakes_are_named_with_their_line_and_key() {
    let dir = dir();
    let head = "[training]\n";
    for (text, message) in [
        (
            "lr = { log-uniform = [0, 1] }",
            "line 2, column 6: lr: log-uniform: expected numbers above 0",
        ),
        (
            "lr = { uniform = [-1, 1] }",
            "line 2, column 1: invalid value '-1' for '--lr <X>': expected a number, at least 0",
        ),
        (
            "epochs = { uniform = [1, 5] }",
            "line 2, column 10: epochs: it is a whole number: use int or log-uniform",
        ),
        (
            "optimizer = { choice = ['adam', 'adm'] }",
            "line 2, column 1: invalid value 'adm' for '--optimizer <NAME>' [possible values: sgd, momentum, nesterov, adam, adamw, rmsprop, adagrad, lion] tip: a similar value exists: 'adam'",
        ),
        (
            "lr = { normal = [0, 1] }",
            "line 2, column 6: lr: there is no range \"normal\": expected choice, uniform, log-uniform or int",
        ),
        ("lr = { choice = 3 }", "line 2, column 17: expected a list, found integer"),
        ("lr = {}", "line 2, column 6: lr: expected a range, such as { choice = [1, 2] }"),
        (
            "seed = { int = [1, 5] }",
            "line 2, column 1: seed: the seed cannot be searched: scores would be of other rows",
        ),
        ("ensemble = { int = [1, 5] }", "line 2, column 1: ensemble: a trial trains one network"),
        (
            "lr = 1\n[split]\ntest-fraction = { uniform = [0.1, 0.2] }",
            "line 4, column 1: test-fraction: only keys of [network] and [training] can be searched: scores would be of other rows",
        ),
    ] {
        dir.write("run.toml", format!("{head}{text}"));
        let run = dir.run("sweep --config run.toml --out m");
        assert_eq!((run.code, run.stderr), (2, format!("error: run.toml: {message}\n")), "{text}");
    }
    dir.write("run.toml", "[training]\nlr = 0.1\n");
    for (flags, message) in [
        ("--config run.toml", "run.toml: no key has a range to search"),
        ("--config none.toml", "none.toml: cannot be read"),
        (
            "--config space.toml --score size",
            "--score \"size\": expected a column to predict: price, kind",
        ),
        ("--config space.toml --shard 0/2", "invalid value '0/2' for '--shard <I/N>'"),
        (
            "--config space.toml --set split.validation-fraction=0",
            "a search is scored on validation rows, and there are none",
        ),
        ("--config space.toml --set data.data=-", "a search reads its data twice"),
        ("merge none", "none: cannot be read"),
        ("merge .", ".: there are no results of a sweep"),
        ("", "the following required arguments were not provided: --config <FILE.toml>"),
    ] {
        let run = dir.run(&format!("sweep {flags}"));
        assert_eq!(run.code, 2, "{flags}: {run:?}");
        assert!(run.stderr.contains(message), "{flags}: {}", run.stderr);
    }
}

#[test]
fn another_search_does_not_mix_with_it() {
    let dir = dir();
    let sweep = "sweep --config space.toml --trials 2 --no-refit --out s";
    dir.succeed(sweep);
    for (flags, what) in [
        ("--set training.epochs=2", "--set was another"),
        ("--search halving", "--search was another"),
        ("--search-seed 2", "--search-seed was another"),
        ("--score price", "--score was another"),
    ] {
        let run = dir.run(&format!("{sweep} {flags}"));
        assert_eq!(run.code, 2, "{flags}");
        let expected =
            format!("s/results.jsonl is of another search: {what}: choose another --out");
        assert!(run.stderr.contains(&expected), "{}", run.stderr);
    }
    dir.write("space.toml", SPACE.replace("[4, 9]", "[4, 8]"));
    let stderr = dir.run(sweep).stderr;
    assert!(stderr.contains("another search: network.hidden-a was another"), "{stderr}");
    // What is no setting may change.
    dir.write("space.toml", format!("# {SPACE}").replace("hidden-b = 5", "hidden-b = 5 # units"));
    dir.succeed(sweep);
    let text = dir.read("s/results.jsonl").replacen("\"trial\"", "\"trail\"", 1);
    dir.write("s/results.jsonl", text);
    let run = dir.run(sweep);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("s/results.jsonl: line 2 is damaged"), "{}", run.stderr);
}
