//! `predict` and `evaluate`: what a model says about other tables.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::program::{Dir, QUICK, keys, shapes};

/// A directory with `t.csv` and a model of it in `m`.
fn trained() -> Dir {
    let dir = Dir::new();
    dir.write("t.csv", shapes(90));
    dir.succeed(&format!("train --data t.csv {QUICK} --out m"));
    dir
}

/// As pandas reads it with `sep=";", decimal=","`, for example.
#[test]
fn predictions_have_the_decimal_mark_of_the_table() {
    let dir = Dir::new();
    let table = |separator: &str, quote: &str| {
        let cell = |text: String| format!("{quote}{text}{quote}");
        let row = |i: usize| {
            [cell(format!("{i},5")), cell(format!("{},2", i * 7 % 40)), format!("k{}", i % 2)]
                .join(separator)
        };
        let rows: Vec<String> = (0..60).map(row).collect();
        format!("{}\n{}\n", ["a", "y", "k"].join(separator), rows.join("\n"))
    };
    for (separator, quote) in [(";", ""), (",", "\"")] {
        dir.write("t.csv", table(separator, quote));
        let small = "--epochs 2 --hidden-a 4 --batch-size 16 --force";
        dir.succeed(&format!("train --data t.csv --regress y --classify k {small} --out m"));
        dir.succeed("predict --model m --data t.csv --out p.csv --force");
        let text = dir.read("p.csv");
        let line = text.lines().nth(1).unwrap();
        // Each number between quotation marks where commas separate cells.
        let mut csv = csv::ReaderBuilder::new()
            .delimiter(separator.as_bytes()[0])
            .from_reader(text.as_bytes());
        let columns = csv.headers().unwrap().clone();
        let cells = csv.records().next().unwrap().unwrap();
        for (name, cell) in columns.iter().zip(&cells).skip(3) {
            let is_number = cell.replace(',', ".").parse::<f64>().is_ok() && !cell.contains('.');
            assert_eq!(is_number, name != "k_pred", "{name}: {line}");
        }
        // The model's own mark is not that of another table.
        dir.write("points.csv", "a;y;k\n1.5;2;k0\n");
        dir.succeed("predict --model m --data points.csv --decimal point --out p.csv --force");
        assert!(!dir.read("p.csv").contains(','));
    }
}

#[test]
fn every_column_stays_as_it_is_and_predictions_follow() {
    let dir = trained();
    // A byte order mark, CRLF, semicolons, quotes, space, missing cells, an unseen colour, no
    // target columns.
    let csv = "\u{feff}\"my; note\";colour;size\r\n\
               \" a \"\"quoted\"\" word\";red;3\r\n\
               ;purple;\r\n\
               \"two\r\nlines\"; blue ;1e1\r\n\
               x;;NA\r\n";
    dir.write("new.csv", csv);
    let run = dir.succeed("predict --model m --data new.csv --out p.csv");
    assert_eq!(run.stdout, "4 rows predicted: p.csv\n");
    assert_eq!(
        run.stderr,
        "warning: column \"size\": missing values, of which training had none: 2 of 4 (the first on line 3: \"\"): replaced by the median\n\
         warning: column \"colour\": cells with a category that training saw rarely or never: 1 of 4 (the first on line 3: \
         \"purple\"): encoded as different from all known ones\n\
         warning: column \"colour\": missing values, of which training had none: 1 of 4 (the first on line 6: \"\"): encoded \
         as zeros\n"
    );

    // The byte order mark and the line ends stay too.
    let text = dir.read("p.csv");
    let text = text.strip_prefix('\u{feff}').unwrap();
    assert_eq!(text.matches("\r\n").count(), text.matches('\n').count());
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(text.as_bytes());
    assert_eq!(
        reader.headers().unwrap(),
        ["my; note", "colour", "size", "price_pred", "kind_pred", "kind_p_large", "kind_p_small"]
            .as_slice()
    );
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let inputs: Vec<Vec<&str>> = rows.iter().map(|row| row.iter().take(3).collect()).collect();
    assert_eq!(
        inputs,
        [
            [" a \"quoted\" word", "red", "3"],
            ["", "purple", ""],
            ["two\r\nlines", " blue ", "1e1"],
            ["x", "", "NA"],
        ]
    );
    for row in &rows {
        let number = |i: usize| row[i].parse::<f64>().unwrap();
        assert!(number(3).is_finite());
        assert!((number(5) + number(6) - 1.0).abs() < 1e-6, "{row:?}");
        assert_eq!(&row[4], if number(5) >= number(6) { "large" } else { "small" });
    }
}

#[test]
fn evaluate_agrees_with_the_predictions() {
    let dir = trained().succeed_with_more_rows();
    let json = dir.json("evaluate --model m/model.safetensors --data more.csv");
    assert_eq!(
        keys(&json),
        ["rows", "rows_left_out", "tasks", "test", "intervals", "baselines", "warnings"]
    );
    assert_eq!((json["rows"].as_u64(), json["rows_left_out"].as_u64()), (Some(50), Some(0)));
    assert_eq!((&json["tasks"][0]["rows"], &json["tasks"][1]["rows"]), (&49.into(), &50.into()));
    assert_eq!(keys(&json["test"]), ["price", "kind"]);

    // The same metrics from what `predict` wrote.
    dir.succeed("predict --model m --data more.csv --out p.csv");
    let text = dir.read("p.csv");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let (mut n, mut squares, mut hits, mut log_loss) = ([0.0; 2], 0.0, 0.0, 0.0);
    for row in reader.records().map(Result::unwrap) {
        let number = |i: usize| row[i].parse::<f64>().unwrap();
        if !row[2].is_empty() {
            n[0] += 1.0;
            squares += (number(4) - number(2)).powi(2);
        }
        n[1] += 1.0;
        hits += f64::from(row[5] == row[3]);
        log_loss -= number(if &row[3] == "large" { 6 } else { 7 }).ln();
    }
    let close = |key: [&str; 2], expected: f64| {
        let value = json["test"][key[0]][key[1]].as_f64().unwrap();
        assert!((value / expected - 1.0).abs() < 1e-5, "{key:?}: {value} instead of {expected}");
    };
    close(["price", "rmse"], (squares / n[0]).sqrt());
    close(["kind", "accuracy"], hits / n[1]);
    close(["kind", "log_loss"], log_loss / n[1]);
}

impl Dir {
    /// Adds `more.csv`, in which one price is missing.
    fn succeed_with_more_rows(self) -> Self {
        self.write("more.csv", shapes(50).replacen(",14.5,", ",,", 1));
        self
    }
}

#[test]
fn what_is_undefined_is_null() {
    let dir = trained();
    dir.write("one.csv", "size,colour,price,kind\n3,red,6,small\n");
    let json = dir.json("evaluate --model m --data one.csv");
    assert!(json["test"]["price"]["r2"].is_null(), "one row has no spread: {json}");
    assert!(json["test"]["price"]["rmse"].is_f64());
    let text = dir.succeed("evaluate --model m --data one.csv").stdout;
    assert!(text.lines().any(|line| line.split_whitespace().eq(["R²", "–", "–"])), "{text}");
}

/// A table is judged by what it has, beside what its training rows alone would predict.
#[test]
fn what_can_be_judged_is() {
    let dir = trained();
    let all = dir.json("evaluate --model m --data t.csv");
    // Of the 90 rows 63 trained; the baselines know their mean and classes, not those of the table.
    let r2 = all["baselines"]["mean"]["price"]["r2"].as_f64().unwrap();
    assert!(r2 < 0.0 && r2 > -0.1, "{r2}");
    let majority = &all["baselines"]["majority"]["kind"];
    assert!(majority["accuracy"].as_f64().unwrap() > 0.5);
    // Without the price, with a class that training never saw in two rows.
    let csv: String = shapes(90)
        .lines()
        .enumerate()
        .map(|(i, line)| {
            let cells: Vec<&str> = line.split(',').collect();
            let kind = if [4, 40].contains(&i) { "tiny" } else { cells[3] };
            format!("{},{},{kind}\n", cells[0], cells[1])
        })
        .collect();
    dir.write("new.csv", csv);
    let json = dir.json("evaluate --model m --data new.csv");
    assert_eq!((&json["rows"], &json["rows_left_out"]), (&88.into(), &2.into()));
    assert_eq!((&json["tasks"][0]["rows"], &json["tasks"][1]["rows"]), (&0.into(), &88.into()));
    assert!(json["test"]["price"]["rmse"].is_null() && json["test"]["kind"]["accuracy"].is_f64());
    assert!(json["baselines"]["mean"]["price"]["rmse"].is_null());
    let warnings = json["warnings"].as_array().unwrap();
    let messages: Vec<&str> = warnings.iter().map(|w| w["message"].as_str().unwrap()).collect();
    assert_eq!(
        messages,
        [
            "column \"kind\": rows of classes that training never saw: 2 (the first on line 5: \"tiny\"): left out",
            "\"price\" is not in the table: what is predicted for it is not judged",
            "new.csv: rows with the inputs of a row that the model was trained on: 87 of 90 (the first on line 2): scores on \
             them do not tell how new rows are predicted"
        ]
    );
}

#[test]
fn tables_that_do_not_fit_the_model() {
    let dir = trained();
    let refused = |csv: &str, command: &str, message: &str| {
        dir.write("new.csv", csv);
        let before = dir.listing();
        let run = dir.run(&format!("{command} --model m --data new.csv"));
        assert_eq!((run.code, run.stderr), (2, format!("error: {message}\n")));
        assert_eq!((run.stdout.as_str(), dir.listing()), ("", before));
    };
    refused(
        "size,colour,price,kind\n1,red,,tiny\n2,red,,tiny\n",
        "evaluate",
        "new.csv: line 2: column \"kind\" holds the class \"tiny\", which training never saw: expected one of \
         \"large\", \"small\"",
    );
    refused(
        "size,colour\n1,red\n",
        "evaluate",
        "new.csv: no column \"price\": the columns found are \"size\", \"colour\"",
    );
    refused(
        "size,colour,price,kind\n1,red,,NA\n",
        "evaluate",
        "new.csv: no row has a value in the target columns \"price\", \"kind\": fill some in",
    );
    refused(
        "size,price\n1,2\n",
        "predict --out p.csv",
        "new.csv: no column \"colour\", an input of the model: the columns found are \"size\", \"price\"",
    );
    refused(
        "size,colour\n1,red\ninfinity,red\n",
        "predict --out p.csv",
        "new.csv: line 3: column \"size\" holds \"infinity\", which is infinite or beyond 1e100: correct the cell \
         or leave it empty",
    );
    refused(
        "size,colour,kind_p_small\n1,red,0\n",
        "predict --out p.csv",
        "new.csv: a prediction would be named \"kind_p_small\", but the table has a column with that name: rename it",
    );
}

#[test]
fn the_output_is_replaced_in_one_rename_and_may_be_the_input() {
    let dir = trained();
    dir.write("p.csv", shapes(5));
    std::fs::hard_link(dir.path("p.csv"), dir.path("old.csv")).unwrap();
    dir.succeed("predict --model m --data p.csv --out p.csv --force");
    assert_eq!(dir.read("old.csv"), shapes(5));
    assert_eq!(dir.read("p.csv").lines().count(), 6);
}

/// How a table is read: found by itself, or said.
#[test]
fn columns_are_what_the_flags_say() {
    let dir = Dir::new();
    let rows = shapes(60).lines().skip(1).enumerate().fold(String::new(), |csv, (i, line)| {
        let code = if i % 9 == 4 { "-9".to_owned() } else { (i * 7 % 13).to_string() };
        csv + &format!("{code},{line}\n")
    });
    dir.write("t.csv", format!("code,size,colour,price,kind\n{rows}"));
    let kind = |flags: &str, column: &str| {
        let json = dir.json(&format!("schema --data t.csv {flags}"));
        let columns = json["columns"].as_array().unwrap();
        columns.iter().find(|found| found["name"] == column).unwrap().clone()
    };
    assert_eq!(kind("", "code")["kind"], "number");
    assert_eq!(kind("", "code")["missing"], 0);
    assert_eq!(kind("--missing +-9", "code")["missing"], 7);
    assert_eq!(kind("--as code=category", "code")["kind"], "category");
    assert_eq!(kind("--drop code,size", "code")["left_out"], "dropped");
    assert_eq!(kind("--keep size", "code")["left_out"], "dropped");
    assert!(kind("--keep size", "size")["left_out"].is_null());
    let inputs = |flags: &str| {
        dir.json(&format!("train --data t.csv {QUICK} --force --out m {flags}"))["inputs"].clone()
    };
    // The code, the size and three colours.
    assert_eq!(
        (inputs(""), inputs("--drop colour"), inputs("--keep size")),
        (5.into(), 2.into(), 1.into())
    );
    let text = dir.succeed("schema --data t.csv").stdout;
    assert!(text.starts_with("t.csv: 60 rows\n\ncolumn"), "{text}");

    for (flags, message) in [
        ("--as code=numeric", "error: --as code=numeric: unknown kind of column \"numeric\""),
        (
            "--separator ab",
            "error: invalid value 'ab' for '--separator <CHAR>': expected one character",
        ),
        ("--drop none", "error: t.csv: no column \"none\""),
    ] {
        let run = dir.run(&format!("schema --data t.csv {flags}"));
        assert!(run.code == 2 && run.stderr.starts_with(message), "{flags}: {}", run.stderr);
    }
    // A separator that the rows do not show, and the standard input.
    dir.write("bar.csv", "a|b\n1|2\n3|4\n");
    assert_eq!(
        dir.json("schema --data bar.csv --separator |")["columns"].as_array().unwrap().len(),
        2
    );
}

/// Runs `predict` with `input` on its standard input, and returns its standard output and error.
fn piped(dir: &Dir, flags: &str, input: &str) -> (i32, String, String) {
    let mut command = dir.command(&format!("predict --model m --data - {flags}"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn lines_of_json_are_predicted_one_by_one() {
    let dir = trained();
    dir.write("new.csv", "colour,size,note\nred,3,a\npurple,,b\n");
    dir.succeed("predict --model m --data new.csv --out p.csv");
    let csv = dir.read("p.csv");
    let lines =
        "{\"note\":\"a\",\"size\":3,\"colour\":\"red\"}\n\n {\"colour\":\"purple\",\"size\":null}";
    let (code, stdout, stderr) = piped(&dir, "", lines);
    assert_eq!(code, 0);
    assert_eq!(
        stderr,
        "warning: stdin: cells with a category that training saw rarely or never: 1\n"
    );
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let names = reader.headers().unwrap().clone();
    assert_eq!(stdout.lines().count(), 2);
    for (line, row) in stdout.lines().zip(reader.records().map(Result::unwrap)) {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(keys(&json)[keys(&json).len() - 4..], names.iter().skip(3).collect::<Vec<_>>());
        for (name, cell) in names.iter().zip(&row).skip(3) {
            let value = &json[name];
            let text = value.as_str().map_or(value.to_string(), str::to_owned);
            let same = text == cell || text.parse::<f64>().ok() == cell.parse().ok();
            assert!(same, "{name}: {text} {cell}");
        }
    }
    assert_eq!(keys(&serde_json::from_str(stdout.lines().next().unwrap()).unwrap())[0], "note");

    // Into a file, and told in JSON.
    let (code, stdout_json, _) = piped(&dir, "--out lines.json --json", lines);
    let json: serde_json::Value = serde_json::from_str(&stdout_json).unwrap();
    assert_eq!((code, json["rows"].as_u64(), &json["out"]), (0, Some(2), &"lines.json".into()));
    assert_eq!(json["warnings"][0]["code"], "unseen_categories");
    assert_eq!(dir.read("lines.json"), stdout);
}

/// Each answer is there before the next line is.
#[test]
fn a_line_is_answered_at_once() {
    let dir = trained();
    let mut command = dir.command("predict --model m --data -");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for size in 1..4 {
        writeln!(stdin, "{{\"size\":{size},\"colour\":\"red\"}}").unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with(&format!("{{\"size\":{size},")), "{line}");
    }
    // The reader goes away: the work is done.
    drop(stdout);
    writeln!(stdin, "{{\"size\":4,\"colour\":\"red\"}}").unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn lines_that_are_no_rows_are_refused() {
    let dir = trained();
    let good = "{\"size\":1,\"colour\":\"red\"}\n";
    for (line, message) in [
        ("{\"size\":1}", "no field \"colour\""),
        ("{\"size\":[1],\"colour\":\"red\"}", "a field is a list"),
        ("[1]", "expected a JSON object"),
        ("{\"size\":1,", "expected a JSON object"),
        ("{\"size\":1e200,\"colour\":\"red\"}", "column \"size\" holds a number that"),
        ("{\"size\":1,\"colour\":\"red\",\"price_pred\":1}", "would be named \"price_pred\""),
    ] {
        let (code, stdout, stderr) = piped(&dir, "", &format!("{good}{line}\n{good}"));
        assert_eq!((code, stdout.lines().count()), (2, 1), "{line}: {stderr}");
        assert!(
            stderr.starts_with("error: stdin: line 2: ") && stderr.contains(message),
            "{stderr}"
        );
    }
    let (code, stdout, _) = piped(&dir, "--out lines --json", &format!("{good}{{}}\n"));
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, json["error"]["line"].as_u64()), (2, Some(2)));
    assert!(!dir.path("lines").exists());
}

/// The output is refused before a line is read; and a file that is replaced is as it was until all
/// lines are predicted.
#[test]
fn lines_of_json_may_go_to_a_file() {
    let dir = trained();
    let lines = "{\"size\":3,\"colour\":\"red\"}\n{\"size\":5,\"colour\":\"blue\"}\n";
    assert_eq!(piped(&dir, "--out p.jsonl", lines).1, "2 rows predicted: p.jsonl\n");
    let predicted = dir.read("p.jsonl");
    assert_eq!(piped(&dir, "", lines).1, predicted);
    assert_eq!(piped(&dir, "--out p.jsonl", &format!("{lines}{{\n")).0, 2);
    assert_eq!(dir.read("p.jsonl"), predicted);
    let mut command = dir.command("predict --model m --data - --out none/p.jsonl");
    command.stdin(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    // Its standard input stays open.
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

#[test]
fn a_table_may_go_to_standard_output() {
    let dir = trained();
    dir.succeed("predict --model m --data t.csv --out p.csv");
    assert_eq!(dir.succeed("predict --model m --data t.csv --out -").stdout, dir.read("p.csv"));
    assert!(!dir.path("-").exists());
    assert_eq!(piped(&dir, "", &dir.read("t.csv")).1, dir.read("p.csv"));
    let run = dir.run("predict --model m --data t.csv --out - --json");
    assert_eq!((run.code, run.json()["error"]["code"].clone()), (2, "output".into()));
}

/// As `predict | head -1` does.
#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let dir = trained();
    dir.write("many.csv", shapes(60_000));
    for out in ["-", "/dev/stdout"] {
        let mut command = dir.command(&format!("predict --model m --data many.csv --out {out}"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "size,colour,price,kind,price_pred,kind_pred,kind_p_large,kind_p_small\n");
        assert!(child.wait().unwrap().success(), "{out}");
    }
}
