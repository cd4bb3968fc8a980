//! Printed numbers against the same numbers computed anew, from the table and from what `predict`
//! writes.

use anabranch::data::{Fractions, Split};
use anabranch::tensor::Executor;
use anabranch::{Fusion, Observer, Table, TargetColumns, TrainConfig, Trainer, TwoBranch, prepare};
use serde_json::Value;

use crate::program::{Dir, QUICK, shapes};

const ROWS: usize = 120;

/// The prices, and the kinds with `large` as class 0, in every row.
fn truth() -> (Vec<f64>, Vec<usize>) {
    let csv = shapes(ROWS);
    let rows = csv.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    rows.map(|row| (row[2].parse::<f64>().unwrap(), usize::from(row[3] == "small"))).unzip()
}

/// What a run of these flags and its columns are.
fn split() -> Split {
    let table = Table::from_reader("t", shapes(ROWS).as_bytes()).unwrap();
    let columns = TargetColumns::new().regress(["price"]).classify("kind");
    let exec = Executor::serial();
    prepare::<f32>(&exec, &table, &columns, Fractions::default(), 1).unwrap().dataset.split
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

/// RMSE, MAE and R².
fn of_numbers(y: &[f64], predicted: &[f64]) -> [f64; 3] {
    let errors = || y.iter().zip(predicted).map(|(y, p)| p - y);
    let of_mean = mean(y.iter().copied());
    let squares = mean(errors().map(|e| e * e));
    let spread = mean(y.iter().map(|y| (y - of_mean) * (y - of_mean)));
    [squares.sqrt(), mean(errors().map(f64::abs)), 1.0 - squares / spread]
}

/// Accuracy, log-loss and macro-F1 of two classes, from the probability of each.
fn of_classes(y: &[usize], p: &[[f64; 2]]) -> [f64; 3] {
    let predicted: Vec<usize> = p.iter().map(|p| usize::from(p[1] > p[0])).collect();
    let count = |holds: &dyn Fn(usize, usize) -> bool| {
        y.iter().zip(&predicted).filter(|(y, p)| holds(**y, **p)).count() as f64
    };
    let f1 = (0..2).filter_map(|k| {
        let both = count(&|y, _| y == k) + count(&|_, p| p == k);
        (both > 0.0).then(|| 2.0 * count(&|y, p| y == k && p == k) / both)
    });
    let log_loss = mean(y.iter().zip(p).map(|(y, p)| -p[*y].ln()));
    [count(&|y, p| y == p) / y.len() as f64, log_loss, mean(f1)]
}

const NUMBERS: [&str; 3] = ["rmse", "mae", "r2"];
const CLASSES: [&str; 3] = ["accuracy", "log_loss", "macro_f1"];

/// Compares a JSON object of metrics with those computed anew.
fn assert_metrics(json: &Value, names: [&str; 3], expected: [f64; 3]) {
    for (name, expected) in names.into_iter().zip(expected) {
        let found = json[name].as_f64().unwrap_or_else(|| panic!("no {name} in {json}"));
        // Predictions are f32, and `predict` writes all their digits.
        assert!(
            (found - expected).abs() <= 2e-6 * (1.0 + expected.abs()),
            "{name}: {found} {expected}"
        );
    }
}

/// A trained model, what `train` printed, and its predictions for all rows.
fn trained(dir: &Dir) -> (Value, Vec<f64>, Vec<[f64; 2]>) {
    dir.write("t.csv", shapes(ROWS));
    let json = dir.json(
        &format!("train --data t.csv {QUICK} --epochs 9 --lr 0.05 --out m")
            .replace("--epochs 3 ", ""),
    );
    dir.succeed("predict --model m --data t.csv --out p.csv");
    let csv = dir.read("p.csv");
    assert!(
        csv.starts_with("size,colour,price,kind,price_pred,kind_pred,kind_p_large,kind_p_small\n")
    );
    let numbers = csv.lines().skip(1).map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |i: usize| cells[i].parse::<f64>().unwrap();
        let (large, small) = (number(6), number(7));
        assert_eq!(cells[5], if small > large { "small" } else { "large" });
        assert!((large + small - 1.0).abs() < 1e-6);
        (number(4), [large, small])
    });
    let (prices, probabilities) = numbers.unzip();
    (json, prices, probabilities)
}

#[test]
fn scores_and_baselines_are_those_of_the_test_rows() {
    let dir = Dir::new();
    let (json, prices, probabilities) = trained(&dir);
    let ((price, kind), split) = (truth(), split());
    let of =
        |rows: &[usize], values: &[f64]| rows.iter().map(|row| values[*row]).collect::<Vec<_>>();
    let classes = |rows: &[usize]| rows.iter().map(|row| kind[*row]).collect::<Vec<_>>();
    let p: Vec<[f64; 2]> = split.test.iter().map(|row| probabilities[*row]).collect();
    let test_prices = of(&split.test, &price);
    let expected = of_numbers(&test_prices, &of(&split.test, &prices));
    assert_metrics(&json["test"]["price"], NUMBERS, expected);
    assert_metrics(&json["test"]["kind"], CLASSES, of_classes(&classes(&split.test), &p));
    assert!(expected[2] > 0.5, "a network that learns nothing tells little: {expected:?}");

    let train_mean = mean(of(&split.train, &price).into_iter());
    let means = vec![train_mean; split.test.len()];
    assert_metrics(&json["baselines"]["mean"]["price"], NUMBERS, of_numbers(&test_prices, &means));
    // Each class counts one row more.
    let small = classes(&split.train).iter().sum::<usize>() as f64;
    let n = split.train.len() as f64;
    let frequencies = [(n - small + 1.0) / (n + 2.0), (small + 1.0) / (n + 2.0)];
    let always = vec![frequencies; split.test.len()];
    let majority = &json["baselines"]["majority"]["kind"];
    assert_metrics(majority, CLASSES, of_classes(&classes(&split.test), &always));
    for (key, value) in
        [("rows", ROWS), ("train_rows", split.train.len()), ("test_rows", split.test.len())]
    {
        assert_eq!(json[key], value, "{key}");
    }
}

#[test]
fn evaluate_scores_every_row() {
    let dir = Dir::new();
    let (_, prices, probabilities) = trained(&dir);
    let (price, kind) = truth();
    let json = dir.json("evaluate --model m --data t.csv");
    assert_metrics(&json["test"]["price"], NUMBERS, of_numbers(&price, &prices));
    assert_metrics(&json["test"]["kind"], CLASSES, of_classes(&kind, &probabilities));
    assert_eq!((&json["rows"], &json["rows_left_out"]), (&ROWS.into(), &0.into()));
    let text = dir.succeed("evaluate --model m --data t.csv").stdout;
    let baselines = &json["baselines"];
    assert_table(&text, &[&json["test"], &baselines["mean"], &baselines["majority"]]);
}

/// The metric of the rows lies between the ends of its interval, which draws of the rows gave.
#[test]
fn metrics_have_intervals() {
    let dir = Dir::new();
    let (train, _, _) = trained(&dir);
    for json in [train, dir.json("evaluate --model m --data t.csv")] {
        for (column, metrics) in [("price", NUMBERS), ("kind", CLASSES)] {
            for metric in metrics {
                let ends = &json["intervals"][column][metric];
                let [low, high] = [0, 1].map(|end| ends[end].as_f64().unwrap());
                let value = json["test"][column][metric].as_f64().unwrap();
                assert!(low < high && (low..=high).contains(&value), "{metric}: {ends} {value}");
            }
        }
    }
}

#[test]
fn evaluate_scores_the_rows_of_each_value() {
    let dir = Dir::new();
    let (_, prices, probabilities) = trained(&dir);
    let (price, kind) = truth();
    let table = dir.read("t.csv");
    let colours: Vec<&str> =
        table.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
    let json = dir.json("evaluate --model m --data t.csv --by colour");
    let groups = json["by"]["groups"].as_array().unwrap();
    assert_eq!(json["by"]["column"], "colour");
    assert!(groups.len() > 1 && groups.is_sorted_by_key(|group| group["value"].as_str()));
    let text = dir.succeed("evaluate --model m --data t.csv --by colour").stdout;
    let mut n_rows = 0;
    for group in groups {
        let is_in = |row: &usize| group["value"] == colours[*row];
        let rows: Vec<usize> = (0..ROWS).filter(is_in).collect();
        let of = |values: &[f64]| rows.iter().map(|row| values[*row]).collect::<Vec<_>>();
        assert_metrics(&group["test"]["price"], NUMBERS, of_numbers(&of(&price), &of(&prices)));
        let classes: Vec<usize> = rows.iter().map(|row| kind[*row]).collect();
        let p: Vec<[f64; 2]> = rows.iter().map(|row| probabilities[*row]).collect();
        assert_metrics(&group["test"]["kind"], CLASSES, of_classes(&classes, &p));
        assert_eq!(group["rows"], rows.len());
        let line = format!("{} {}", group["value"].as_str().unwrap(), rows.len());
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.lines().any(|found| words(found).starts_with(&line)), "{line} in {text}");
        n_rows += rows.len();
    }
    assert_eq!(n_rows, ROWS);
    let error = dir.run("evaluate --model m --data t.csv --by weight").stderr;
    assert!(error.contains("weight") && error.contains("colour"), "{error}");
}

#[test]
fn a_confusion_matrix_counts_every_row() {
    let dir = Dir::new();
    let (_, _, probabilities) = trained(&dir);
    let (_, kind) = truth();
    let mut counts = [[0; 2]; 2];
    for (kind, p) in kind.iter().zip(&probabilities) {
        counts[*kind][usize::from(p[1] > p[0])] += 1;
    }
    let json = dir.json("evaluate --model m --data t.csv");
    let expected = serde_json::json!({ "labels": ["large", "small"], "rows": counts });
    assert_eq!(json["test"]["kind"]["confusion"], expected);
    let text = dir.succeed("evaluate --model m --data t.csv").stdout;
    for (label, [large, small]) in ["large", "small"].into_iter().zip(counts) {
        let line = format!("{label} {large} {small}");
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.lines().any(|found| words(found) == line), "{line} in {text}");
    }
}

/// Every cell of a table of metrics, against the JSON of the same: a line for each metric, a cell
/// for each of `columns` that has it.
fn assert_table(text: &str, columns: &[&Value]) {
    let lines: Vec<Vec<&str>> =
        text.lines().map(|line| line.split_whitespace().collect()).collect();
    let mut n_lines = 0;
    for (column, names, titles) in [
        ("price", NUMBERS, ["RMSE", "MAE", "R²"]),
        ("kind", CLASSES, ["accuracy", "log-loss", "macro-F1"]),
    ] {
        let first = lines.iter().position(|line| line.first() == Some(&column)).unwrap();
        for (i, (name, title)) in names.into_iter().zip(titles).enumerate() {
            let line = &lines[first + i][usize::from(i == 0)..];
            assert_eq!(line[0], title, "{text}");
            let values: Vec<f64> =
                columns.iter().filter_map(|json| json[column][name].as_f64()).collect();
            assert_eq!(line.len(), 1 + values.len(), "{line:?} in {text}");
            for (cell, value) in line[1..].iter().zip(values) {
                let cell: f64 = cell.parse().unwrap();
                // Four digits, of which the last is rounded.
                let unit = 10f64.powf(value.abs().log10().floor().max(-1.0) - 3.0);
                assert!((cell - value).abs() <= 0.51 * unit, "{title}: {cell}, not {value}");
            }
            n_lines += 1;
        }
    }
    assert_eq!(n_lines, 6);
}

#[test]
fn tables_show_the_numbers_of_the_json() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(ROWS));
    let train = format!("train --data t.csv {QUICK} --out m --force");
    let json = dir.json(&train);
    let text = dir.succeed(&train).stdout;
    let [linear, mean, majority] =
        ["linear", "mean", "majority"].map(|name| &json["baselines"][name]);
    assert_table(&text, &[&json["test"], linear, mean, majority]);
    // The shapes are what a straight line tells well; three epochs are too few to learn that.
    let is_better = |column: &str, error: &str| {
        json["test"][column][error].as_f64() < linear[column][error].as_f64()
    };
    assert!(!is_better("price", "rmse") && !is_better("kind", "log_loss"), "{json}");
    assert!(text.contains("\nnot better than a linear model: price, kind\n"), "{text}");
    let [train, validation, test] = [84, 12, 24];
    let sizes = format!("{train} rows to train, {validation} to validate, {test} to test");
    assert!(text.contains(&format!("t.csv: {ROWS} rows, 4 inputs\n{sizes}\n")), "{text}");
    assert!(text.contains("regress price, classify kind (2 classes)"), "{text}");
    assert!(text.contains("\n3 epochs in "), "{text}");
    let parameters = json["parameters"].as_u64().unwrap();
    assert!(text.contains(&parameters.to_string()), "{parameters} in {text}");
}

/// The losses that are logged are those that the library reports.
#[test]
fn logged_losses_are_the_trainers() {
    #[derive(Default)]
    struct Lines(Vec<String>);
    impl Observer<f32> for Lines {
        fn epoch(&mut self, report: &anabranch::train::EpochReport) -> std::ops::ControlFlow<()> {
            let validation = report.validation.as_ref().unwrap();
            self.0.push(format!(
                "epoch={} train={:?} validation={:?} lr_factor={} is_best={}",
                report.epoch,
                report.train,
                Some(validation),
                report.lr_factor,
                report.is_best
            ));
            std::ops::ControlFlow::Continue(())
        }
    }
    let dir = Dir::new();
    dir.write("t.csv", shapes(ROWS));
    let said = dir.succeed(&format!("train --data t.csv {QUICK} --out m -v")).stderr;
    let exec = Executor::serial();
    let table = Table::from_reader("t", shapes(ROWS).as_bytes()).unwrap();
    let columns = TargetColumns::new().regress(["price"]).classify("kind");
    let prepared = prepare::<f32>(&exec, &table, &columns, Fractions::default(), 1).unwrap();
    let network = TwoBranch { dropout: 0.05, ..TwoBranch::new(4, 6, 1, 5, 2) };
    let weight_decay = 0.01;
    let config = TrainConfig { epochs: 3, batch_size: 16, weight_decay, ..TrainConfig::default() };
    let graph = network.build(Fusion::Fused).unwrap();
    let mut trainer = Trainer::new(&prepared.dataset, graph, &config, &exec).unwrap();
    let mut lines = Lines::default();
    trainer.run(&mut lines).unwrap();
    assert_eq!(lines.0.len(), 3);
    for line in lines.0 {
        assert!(said.contains(&line), "{line} in {said}");
    }
}
