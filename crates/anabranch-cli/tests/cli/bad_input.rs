//! Bad input: one line that says what, where and what to do; exit code 2; no file left behind.

use crate::program::{Dir, QUICK, shapes};

/// Runs `flags` in `dir` and expects `message`, in which `*` stands for what the operating system
/// says.
fn refused(dir: &Dir, flags: &str, message: &str) {
    let before = dir.listing();
    let run = dir.run(flags);
    assert_eq!(run.code, 2, "{flags}: {run:?}");
    assert_eq!(run.stdout, "", "{flags}");
    let fits = match message.split_once('*') {
        None => run.stderr == format!("error: {message}\n"),
        Some((start, end)) => {
            let stderr = run.stderr.trim_end_matches('\n');
            stderr.starts_with(&format!("error: {start}")) && stderr.ends_with(end)
        }
    };
    assert!(fits, "{flags}\nexpected: {message}\nprinted:  {}", run.stderr);
    assert_eq!(run.stderr.matches('\n').count(), 1, "one line: {}", run.stderr);
    assert_eq!(dir.listing(), before, "{flags} left something behind");
}

fn train_refused(csv: impl AsRef<[u8]>, flags: &str, message: &str) {
    let dir = Dir::new();
    dir.write("t.csv", csv);
    refused(&dir, &format!("train --data t.csv --out new/model {flags}"), message);
}

#[test]
fn files_that_are_no_tables() {
    let dir = Dir::new();
    let flags = "--regress price --classify kind";
    refused(
        &dir,
        &format!("train --data none.csv {flags}"),
        "none.csv: cannot be read (*): check the path",
    );
    refused(&dir, &format!("train --data . {flags}"), ".: cannot be read (*): check the path");
    for empty in ["", "\n \n", "\u{feff}"] {
        train_refused(
            empty,
            flags,
            "t.csv: the file is empty: expected a header line with column names, then data rows",
        );
    }
    train_refused(
        "a,b\n",
        flags,
        "t.csv: no data rows: expected at least one line below the header",
    );
    train_refused(
        shapes(30).replacen("\n14,", "\n14,,", 1),
        flags,
        "t.csv: line 4: cells found: 5, columns in the header: 4: correct the line, and quote cells that contain the \
         separator",
    );
    train_refused(
        [b"a,b\n1,\x81\n".to_vec(), shapes(3).into_bytes()].concat(),
        flags,
        "t.csv: line 2: not UTF-8 text, nor in any other recognised encoding: save the file as UTF-8, or name its encoding with --encoding",
    );
    train_refused(
        "a,a\n1,2\n",
        flags,
        "t.csv: line 1: two columns are named \"a\": rename one of them",
    );
    train_refused(
        "PK\x03\x04",
        flags,
        "t.csv: this is a zip archive or an Excel workbook (xlsx), not a CSV file: save the sheet as CSV, or unpack it",
    );
}

#[test]
fn columns_that_cannot_be_targets() {
    let found = "the columns found are \"size\", \"colour\", \"price\", \"kind\"";
    train_refused(
        shapes(30),
        "",
        &format!("t.csv: say what to predict with --regress, --classify or both: {found}"),
    );
    train_refused(
        shapes(30),
        "--regress cost --classify kind",
        &format!("t.csv: no column \"cost\": {found}"),
    );
    train_refused(
        shapes(30),
        "--regress price,price --classify kind",
        "column \"price\" is named as a target twice: name it once, to regress or to classify",
    );
    train_refused(
        shapes(30).replacen(",10.5,", ",ten,", 1),
        "--regress price --classify kind",
        "t.csv: line 19: column \"price\" is to be regressed but holds \"ten\": it needs numbers; an empty cell is a \
         missing target",
    );
    train_refused(
        shapes(30).replacen(",10.5,", ",-inf,", 1),
        "--regress price --classify kind",
        "t.csv: line 19: column \"price\" holds \"-inf\", which is infinite or beyond 1e100: correct the cell \
         or leave it empty",
    );
    train_refused(
        shapes(30).replacen("\n0,", "\n1e200,", 1),
        "--regress price --classify kind",
        "t.csv: line 2: column \"size\" holds \"1e200\", which is infinite or beyond 1e100: correct the cell \
         or leave it empty",
    );
    train_refused(
        shapes(30).replace("large", "small"),
        "--regress price --classify kind",
        "t.csv: column \"kind\" has the one class \"small\" only: classification needs at least two",
    );
    train_refused(
        "price,kind\n1,a\n2,b\n3,a\n4,b\n",
        "--regress price --classify kind",
        "t.csv: no input columns are left beside the targets: add a column with numbers or categories",
    );
}

#[test]
fn too_few_rows() {
    train_refused(
        shapes(3),
        "--regress price --classify kind",
        "3 rows are too few: the split gives 3 to training, 0 to validation and 0 to testing: add rows (at least 3 of \
         a class), or change the fractions",
    );
    train_refused(
        shapes(30),
        &format!("{QUICK} --batch-size 1").replace("--batch-size 16 ", ""),
        "a batch of one row cannot be normalised (BatchNorm): use a batch size of at least 2, not 1",
    );
}

#[test]
fn flags_out_of_range() {
    let dir = Dir::new();
    for (flag, value, name, expected) in [
        ("--dropout", "1.01", "P", "a number from 0 to 1"),
        ("--dropout", "-0.1", "P", "a number from 0 to 1"),
        ("--dropout", "nan", "P", "a number from 0 to 1"),
        ("--lr", "-1", "X", "a number, at least 0"),
        ("--lr", "inf", "X", "a number, at least 0"),
        ("--clip", "0", "X", "a number above 0"),
        ("--weight-a", "-1", "X", "a number, at least 0"),
        ("--weight-b", "nan", "X", "a number, at least 0"),
        ("--weight-decay", "-1e-3", "X", "a number, at least 0"),
        ("--test-fraction", "1", "F", "a number from 0, below 1"),
        ("--validation-fraction", "1", "F", "a number from 0, below 1"),
        ("--epochs", "0", "N", "a whole number, at least 1"),
        ("--hidden-a", "0", "N", "a whole number from 1 to 1000000"),
        ("--hidden-b", "18446744073709551615", "N", "a whole number from 1 to 1000000"),
        ("--seed", "-1", "N", "a whole number from 0 to 18446744073709551615"),
        ("--split-seed", "x", "N", "a whole number from 0 to 18446744073709551615"),
        ("--threads", "0", "N", "a whole number from 1 to 1024"),
        ("--threads", "1025", "N", "a whole number from 1 to 1024"),
    ] {
        let message = format!(
            "invalid value '{value}' for '{flag} <{name}>': expected {expected} (--help lists all)"
        );
        refused(&dir, &format!("train {flag} {value}"), &message);
    }
    refused(
        &dir,
        "train --test-fraction 0.5 --validation-fraction 0.5",
        "test fraction 0.5, validation fraction 0.5: both must be at least 0, and their sum below 1",
    );
    refused(
        &dir,
        "train --validation-fraction 0 --patience 3",
        "early stopping after 3 epochs without improvement needs validation rows: raise the validation fraction, or \
         set the patience to 0",
    );
    refused(
        &dir,
        "train --hidden-a 1000000 --hidden-b 1000000 --batch-size 100000 --threads 1",
        "8 networks of 51000007 parameters on 20 inputs, in steps of 1118 rows, would take 43.2 GiB, more than 8 (data 0.0, \
         training 40.1, trained networks 3.2): choose fewer hidden units, a smaller --batch-size, --ensemble or --threads",
    );
    refused(
        &dir,
        "train --optimizer adma",
        "invalid value 'adma' for '--optimizer <NAME>' [possible values: sgd, * tip: a similar value exists: 'adam' (--help lists \
         all)",
    );
    refused(
        &dir,
        "train --hiden-a 3",
        "unexpected argument '--hiden-a' found tip: a similar argument exists: '--hidden-a' (--help lists all)",
    );
    refused(&dir, "", "a command is missing, such as train (--help lists all of them)");
    refused(
        &dir,
        "predict --model m",
        "the following required arguments were not provided: --data <wine|FILE.csv|-> (--help lists all)",
    );
}

#[test]
fn joins_that_the_widths_do_not_allow() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    refused(
        &dir,
        "train --data t.csv --regress price --classify kind --hidden-b 5 --join add",
        "branch \"b\": node \"join\": add needs equally wide inputs, but the left input has 5 columns and the right one 1",
    );
    refused(
        &dir,
        "train --data t.csv --regress price,size --classify kind --hidden-b 5 --join broadcast",
        "branch \"b\": node \"join\": broadcast needs a right input of one column, but the left input has 5 columns and the right \
         one 2",
    );
    // What the widths allow trains.
    for flags in
        ["--join add --hidden-b 2", "--join project --hidden-b 2", "--join auto --hidden-b 9"]
    {
        let run = format!(
            "train --data t.csv --regress price,size --classify kind --epochs 1 --force --out m {flags}"
        );
        dir.succeed(&run);
    }
}

#[test]
fn outputs_that_cannot_be() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let train = format!("train --data t.csv {QUICK}");
    refused(
        &dir,
        &format!("{train} --out t.csv"),
        "cannot create the directory t.csv (*): choose another --out",
    );
    refused(
        &dir,
        &format!("{train} --out t.csv/m"),
        "cannot create the directory t.csv/m (*): choose another --out",
    );
    std::fs::create_dir_all(dir.path("taken/model.safetensors")).unwrap();
    refused(
        &dir,
        &format!("{train} --out taken"),
        "cannot write in taken (its model.safetensors, where the model goes, is a directory): choose another --out",
    );
    dir.succeed(&format!("{train} --out m"));
    refused(
        &dir,
        "predict --model m --data t.csv --out none/p.csv",
        "the directory none does not exist: create it, or choose another --out",
    );
    refused(
        &dir,
        &format!("{train} --out m"),
        "m/model.safetensors is the model of another run: choose another --out, or replace it with --force",
    );
    for model in ["m", "m/model.safetensors"] {
        refused(
            &dir,
            &format!(
                "predict --model {model} --data t.csv --out ./m/../m/model.safetensors --force"
            ),
            "./m/../m/model.safetensors is the model itself: choose another --out",
        );
    }
    refused(
        &dir,
        "predict --model m --data t.csv --out ./t.csv",
        "./t.csv is the input table: choose another --out, or replace it with --force",
    );
    refused(
        &dir,
        "predict --model m --data t.csv --out m",
        "m is a directory: name a file in it with --out",
    );
}

/// The name of the built-in table may be a file's.
#[test]
fn a_file_called_wine_is_not_passed_over() {
    let dir = Dir::new();
    dir.write("wine", shapes(60));
    refused(
        &dir,
        "train --epochs 1",
        "wine is the built-in table, but there is a file with this name too: write ./wine for the file, or work in another \
         directory for the table",
    );
    assert_eq!(dir.json("schema --data ./wine")["rows"], 60);
}

/// Training that diverges is not bad input, but leaves nothing behind either.
#[test]
fn a_run_that_diverges_leaves_nothing() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let before = dir.listing();
    for out in ["", "--out a/b"] {
        let run = dir.run(&format!("train --data t.csv {QUICK} --optimizer sgd --lr 1e30 {out}"));
        assert_eq!((run.code, run.stderr.lines().count()), (1, 1), "{}", run.stderr);
        assert!(run.stderr.starts_with("error: training diverged in epoch 1 "), "{}", run.stderr);
        assert_eq!(dir.listing(), before);
    }
}

/// Numbers may stay finite all the same.
#[test]
fn a_run_far_worse_than_the_simplest_predictions_has_diverged() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let before = dir.listing();
    let train = format!("train --data t.csv {QUICK} --lr 1e6 --weight-decay 0 --out m");
    for (flags, part) in [
        ("", "test"),
        ("--test-fraction 0", "validation"),
        ("--test-fraction 0 --validation-fraction 0", "training"),
    ] {
        let run = dir.run(&format!("{train} {flags}"));
        let start = format!(
            "error: training diverged: \"price\" is predicted far worse on the {part} rows than without "
        );
        assert!(run.code == 1 && run.stderr.starts_with(&start), "{run:?}");
        assert_eq!(dir.listing(), before);
    }
    let json = dir.json(&format!("{train} --force"));
    // What it predicts stays near what training saw all the same.
    let rmse = json["test"]["price"]["rmse"].as_f64().unwrap();
    assert!((5.0..100.0).contains(&rmse), "{rmse}");
    // A task that is not trained has not diverged.
    let json = dir.json(&format!("train --data t.csv {QUICK} --weight-a 0 --out n"));
    assert!(json["test"]["price"]["rmse"].is_null() && json["test"]["kind"]["accuracy"].is_f64());
    let json = dir.json("evaluate --model n --data t.csv");
    assert!(json["test"]["price"]["rmse"].is_null() && json["test"]["kind"]["accuracy"].is_f64());
}

#[test]
fn weights_and_losses_of_tasks_that_cannot_be() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(60));
    let train = format!("train --data t.csv {QUICK}");
    for (flags, message) in [
        (
            "--task-weight cost=1",
            "--task-weight: there is no task \"cost\": the tasks are \"price\", \"kind\"",
        ),
        ("--task-weight price=-1", "--task-weight price=-1: expected a number, at least 0"),
        (
            "--weight-a 0 --task-weight kind=0",
            "all weights are 0, so there is nothing to learn: give a task a weight",
        ),
        (
            "--target-scale kind=log1p",
            "\"kind\" has no scale, since it is not regressed: the columns that are: \"price\"",
        ),
        (
            "--target-scale price=log",
            "--target-scale price=log: unknown scale \"log\": choose one of standard, none, log1p, rank-normal, or auto",
        ),
        ("--loss kind=huber", "head \"b\" predicts numbers, but its targets are classes"),
        (
            "--class-weight price=balanced",
            "--class-weight price=balanced: it predicts numbers, not a class",
        ),
        (
            "--class-weight kind=tiny:2",
            "--class-weight kind=tiny:2: there is no class \"tiny\": the classes are \"large\", \"small\"",
        ),
        ("--as size=number --as size=text", "--as \"size\": given twice"),
        ("--missing-in size=? --missing-in size=3", "--missing-in \"size\": given twice"),
        ("--missing-in size=", "--missing-in size=: expected names separated by commas"),
        ("--loss price=hinge", "--loss price=hinge: unknown loss `hinge`: choose one of *"),
    ] {
        refused(&dir, &format!("{train} {flags}"), message);
    }
    refused(
        &dir,
        &format!("{train} --loss price"),
        "invalid value 'price' for '--loss <NAME=KIND>': expected NAME=VALUE (--help lists all)",
    );
}
