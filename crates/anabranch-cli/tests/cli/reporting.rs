//! The report of a run: its page, and what it says in a terminal.

use serde_json::Value;

use crate::program::{Dir, QUICK, shapes};

/// A number as the report writes it, to four digits.
fn figure(value: &Value) -> String {
    let value = value.as_f64().unwrap();
    let before_point = value.abs().log10().floor() as i32 + 1;
    format!("{value:.*}", (4 - before_point.max(0)).max(0) as usize)
}

#[test]
fn a_report_shows_the_numbers_of_json() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(120));
    let quick = QUICK.replace("--ensemble 1", "--ensemble 2");
    let asked = "--coverage 0.5 --certify";
    let json = dir.json(&format!("train --data t.csv {quick} {asked} --out m"));
    let page = dir.read("m/report.html");
    for (column, kind) in [("price", "mean"), ("kind", "majority")] {
        let metrics = json["test"][column].as_object().unwrap();
        assert!(metrics.len() > 5);
        for (key, value) in metrics.iter().filter(|(_, value)| value.is_number()) {
            let [linear, simplest] =
                ["linear", kind].map(|name| &json["baselines"][name][column][key]);
            let found = page.contains(&format!("<td><b>{}</b></td>", figure(value)))
                && [linear, simplest].iter().all(|v| {
                    v.as_f64() == Some(0.0) || page.contains(&format!("<td>{}</td>", figure(v)))
                });
            // Below a thousandth, numbers have an exponent.
            assert!(found || value.as_f64().unwrap().abs() < 1e-3, "{column} {key}: {value}");
        }
        for (key, ends) in json["intervals"][column].as_object().unwrap() {
            let Some(ends) = ends.as_array() else { continue };
            let is_plain = |end: &Value| end.as_f64().unwrap().abs() >= 1e-3;
            let cell = || format!("<td>{} to {}</td>", figure(&ends[0]), figure(&ends[1]));
            assert!(!ends.iter().all(is_plain) || page.contains(&cell()), "{column} {key}");
        }
        let covered = &json["coverage"]["test"][column];
        let share = format!("<b>{:.0} %</b> of them", 100.0 * covered["covered"].as_f64().unwrap());
        assert!(page.contains(&share), "{covered}");
        let importance = &json["importance"][column]["size"];
        let bar = format!("{} ± {}", figure(&importance["mean"]), figure(&importance["deviation"]));
        assert!(page.contains(&bar), "{bar}");
    }
    for key in ["weights_sha256", "data_sha256"] {
        assert!(page.contains(json[key].as_str().unwrap()), "{key}");
    }
    assert!(page.contains("anabranch train --config m/config.toml"));
    assert!(page.contains("certificate: the gradient is right at "));
    // And when it is made again.
    dir.succeed("report m");
    assert_eq!(dir.read("m/report.html"), page);
}

/// A run keeps no such certificate, but a file may hold anything.
#[test]
fn a_certificate_that_does_not_say_that_it_passed_is_not_called_right() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let mut summary = dir.json(&format!("train --data t.csv {QUICK} --certify --out m"));
    assert!(dir.read("m/report.html").contains("the gradient is right at 2 points"));
    for pass in [Value::Bool(false), Value::Null, "true".into()] {
        summary["certificate"]["certificate"]["pass"] = pass;
        dir.write("m/summary.json", summary.to_string());
        dir.succeed("report m");
        let page = dir.read("m/report.html");
        assert!(page.contains("the gradient is NOT right at 2 points"));
        assert!(!page.contains("the gradient is right"));
    }
}

#[test]
fn a_run_without_a_report_is_the_same_run() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let train = format!("train --data t.csv {QUICK}");
    let with = dir.json(&format!("{train} --out a"));
    let without = dir.json(&format!("{train} --out b --no-report"));
    assert_eq!(with["weights_sha256"], without["weights_sha256"]);
    assert!(with["importance"].is_object() && without.get("importance").is_none());
    assert!(dir.path("a/report.html").is_file() && !dir.path("b/report.html").exists());
    // A report of another run does not stay.
    dir.succeed(&format!("{train} --out a --no-report --force"));
    assert!(!dir.path("a/report.html").exists());
}

#[test]
fn a_report_is_made_again_from_what_the_run_left() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(90));
    let quick = QUICK.replace("--ensemble 1", "--ensemble 2");
    let train = format!("train --data t.csv {quick} --out m");
    let told = dir.succeed(&train).stdout;
    let page = dir.read("m/report.html");
    std::fs::remove_file(dir.path("m/report.html")).unwrap();
    let again = dir.succeed("report m").stdout;
    assert_eq!(dir.read("m/report.html"), page);
    // What is said in the terminal is the same, too.
    let (short, place) = again.split_once("\nreport: ").unwrap();
    assert_eq!(place, "m/report.html\n");
    assert!(told.ends_with(&format!("{short}\n")), "{told}\n{again}");
    assert!(short.lines().count() >= 5 && short.lines().all(|line| line.chars().count() <= 80));
    let summary: Value = serde_json::from_str(&dir.read("m/summary.json")).unwrap();
    assert_eq!(dir.json("report m")["importance"], summary["importance"]);

    dir.write("t.csv", shapes(90).replace("14.5", "15.5"));
    let run = dir.run("report m");
    assert_eq!(
        (run.code, run.stderr.as_str()),
        (2, "error: t.csv: the data are not those of the run\n")
    );
    assert_eq!(dir.run("report none").code, 2);
}

#[test]
fn two_runs_are_compared_on_a_page() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let train = format!("train --data t.csv {QUICK}");
    let runs =
        [dir.json(&format!("{train} --out a")), dir.json(&format!("{train} --out b --lr 0.1"))];
    dir.succeed("compare a b --html page.html");
    let page = dir.read("page.html");
    for run in &runs {
        for value in [&run["test"]["price"]["rmse"], &run["importance"]["kind"]["size"]["mean"]] {
            assert!(page.contains(&format!("<td>{}</td>", figure(value))), "{value}");
        }
    }
    assert!(page.contains("training.lr") && page.matches("<svg").count() == 2);
}

/// With 2 input columns, values are exact, whatever else they are; that they are Shapley's is for
/// the tests of the library.
#[test]
fn reasons_add_up_to_the_predictions() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(80));
    dir.write("few.csv", shapes(80).lines().take(4).fold(String::new(), |all, l| all + l + "\n"));
    dir.succeed(
        &format!("train --data t.csv {QUICK} --epochs 20 --out m --no-report")
            .replace("--epochs 3 ", ""),
    );
    for (background, is_other) in [("", true), (" --background few.csv", false)] {
        let table = dir.succeed(&format!("predict --model m --data t.csv --explain{background}"));
        let mut rows = csv::Reader::from_reader(table.stdout.as_bytes());
        let names = rows.headers().unwrap().clone();
        let place = |name: &str| names.iter().position(|n| n == name).unwrap();
        let mut bases = Vec::new();
        for row in rows.records().map(|row| row.unwrap()) {
            let why = |column: &str| -> Value {
                serde_json::from_str(&row[place(&format!("{column}_why"))]).unwrap()
            };
            let label = &row[place("kind_pred")];
            let probability = row[place(&format!("kind_p_{label}"))].parse::<f64>().unwrap();
            let price = row[place("price_pred")].parse::<f64>().unwrap();
            // A probability is written with the digits of single precision.
            for (column, predicted, limit) in [("price", price, 1e-9), ("kind", probability, 1e-7)]
            {
                let why = why(column);
                let columns = why["columns"].as_object().unwrap();
                let moved: Vec<f64> = columns.values().map(|v| v.as_f64().unwrap()).collect();
                let mut sorted = moved.clone();
                sorted.sort_by(|a, b| b.abs().total_cmp(&a.abs()));
                assert_eq!((&moved, columns.len()), (&sorted, 2), "the greatest first");
                let sum = why["base"].as_f64().unwrap() + moved.iter().sum::<f64>();
                assert!((sum - predicted).abs() <= limit, "{column}: {sum} for {predicted}");
            }
            bases.push(why("price")["base"].as_f64().unwrap());
        }
        assert_eq!(bases.len(), 80);
        let predicted = dir.succeed("predict --model m --data few.csv").stdout;
        let of_few: Vec<f64> = predicted
            .lines()
            .skip(1)
            .map(|l| l.split(',').nth(4).unwrap().parse().unwrap())
            .collect();
        let mean = of_few.iter().sum::<f64>() / of_few.len() as f64;
        assert_eq!((bases[0] - mean).abs() > 1e-9, is_other, "{} for {mean}", bases[0]);
    }
    assert_eq!(dir.run("predict --model m --data t.csv --background few.csv").code, 2);
}

/// By an input of few categories and by the column that the split keeps together; on test rows of
/// the table, and on those of another one.
#[test]
fn groups_are_judged_as_evaluate_judges_them() {
    let dir = Dir::new();
    let rows = |rows: std::ops::Range<usize>| -> Vec<String> {
        let row = |i: usize| {
            let (x, shop) = (i * 37 % 100, i * 5 % 22);
            let sort = ["old", "new", ""][i % 3];
            let sort = if i.is_multiple_of(50) { "rare" } else { sort };
            format!("{x},{sort},{shop},{},{}", 3 * x + i % 3 * 40, ["low", "high"][x / 50])
        };
        rows.map(row).collect()
    };
    let table = |rows: &[String]| format!("x,sort,shop,price,kind\n{}\n", rows.join("\n"));
    dir.write("t.csv", table(&rows(0..420)));
    dir.write("later.csv", table(&rows(420..600)));
    let train = format!("train --data t.csv {QUICK} --force --out m");
    for (split, columns) in
        [("--test later.csv", ["sort"].as_slice()), ("--group shop", &["sort", "shop"])]
    {
        dir.succeed(&format!("{} {split}", train.replace("--epochs 3", "--epochs 30")));
        let page = dir.read("m/report.html");
        if split.starts_with("--group") {
            let parts = dir.read("m/split.csv");
            let parts = parts.lines().skip(1).map(|line| line.split(',').nth(1).unwrap());
            let all = rows(0..420).into_iter().zip(parts).filter(|(_, part)| *part == "test");
            dir.write("later.csv", table(&all.map(|(row, _)| row).collect::<Vec<_>>()));
        }
        for column in columns {
            let json = dir.json(&format!("evaluate --model m --data later.csv --by {column}"));
            let groups = json["by"]["groups"].as_array().unwrap();
            let mut n_left_out = 0;
            for group in groups {
                let value = group["value"].as_str().unwrap();
                if group["rows"].as_u64().unwrap() < 10 {
                    n_left_out += 1;
                    let rows = &group["rows"];
                    let row = format!("<th scope=\"row\"><bdi>{value}</bdi></th><td>{rows}</td>");
                    assert!(!page.contains(&row), "{split} {row}");
                    continue;
                }
                let value =
                    if value.is_empty() { "(empty)".into() } else { format!("<bdi>{value}</bdi>") };
                for (target, keys) in [
                    ("price", ["rmse", "mae", "r2"]),
                    ("kind", ["accuracy", "log_loss", "macro_f1"]),
                ] {
                    let cells =
                        keys.map(|key| format!("<td>{}</td>", figure(&group["test"][target][key])));
                    let row = format!(
                        "<tr><th scope=\"row\">{value}</th><td>{}</td>{}</tr>",
                        group["rows"],
                        cells.concat()
                    );
                    assert!(page.contains(&row), "{split} {row}");
                }
            }
            assert!(groups.len() - n_left_out >= 2);
            let head = format!("<th scope=\"col\" class=\"words\"><bdi>{column}</bdi></th>");
            let left_out = "<p class=\"soft\">One group of a few rows is left out.</p>";
            let tables: Vec<&str> = page.split(&head).skip(1).collect();
            // Of each of two columns.
            assert_eq!((tables.len(), n_left_out < 2), (2, true), "{column}");
            for table in tables {
                let (_, behind) = table.split_once("</table></div>\n").unwrap();
                assert_eq!(behind.starts_with(left_out), n_left_out == 1, "{column}");
            }
        }
    }
}
