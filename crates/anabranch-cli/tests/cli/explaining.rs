//! `explain`: what the page prints is recomputed from what it prints.

use std::collections::BTreeSet;

use crate::program::Dir;

/// The rows of numbers below the nth formula that begins with `symbol`.
fn table(page: &str, start: &str, nth: usize) -> Vec<Vec<f64>> {
    let mut sections = page.split("\n$$").skip(1);
    let section = sections.by_ref().filter(|section| section.starts_with(start)).nth(nth);
    let rows = section.unwrap_or_else(|| panic!("no {start}")).lines();
    let rows = rows.filter(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| -> Vec<f64> {
        let cells = row.trim_matches('|').split('|').skip(1);
        cells.map(|cell| cell.trim().parse().unwrap()).collect()
    };
    rows.map(cells).collect()
}

/// Six digits are printed of each number.
#[track_caller]
fn close(found: f64, expected: f64, terms: f64) {
    assert!((found - expected).abs() <= 2e-5 * terms, "{found} {expected}");
}

#[test]
fn the_printed_numbers_are_those_of_the_printed_formulas() {
    let dir = Dir::new();
    let printed = dir.succeed("explain --optimizer sgd --weight-decay 0 --out step.md").stdout;
    assert!(printed.starts_with("step.md: the numbers satisfy all "), "{printed}");
    assert!(printed.ends_with(" equations\n") && printed.lines().count() == 1, "{printed}");
    let page = dir.read("step.md");
    let x = table(&page, "x$$", 0);
    let [theta, b] = [r"\theta_{1a}$$", "b_{1a}$$"].map(|symbol| table(&page, symbol, 0));
    let z = table(&page, "z_{1a} = ", 0);
    // The defaults: wine's 10 columns with their scores, 4 rows, 3 hidden units of A, 2 of B.
    assert_eq!([x.len(), x[0].len(), theta.len(), z.len(), z[0].len()], [4, 20, 3, 4, 3]);
    assert_eq!(table(&page, r"\hat{a} = ", 0)[0].len(), 2);
    for (x, z) in x.iter().zip(&z) {
        for ((theta, b), z) in theta.iter().zip(&b[0]).zip(z) {
            let terms = || x.iter().zip(theta).map(|(x, theta)| x * theta);
            close(*z, b + terms().sum::<f64>(), b.abs() + terms().map(f64::abs).sum::<f64>());
        }
    }
    for row in table(&page, r"\hat{y}_b = ", 0) {
        close(row.iter().sum(), 1.0, 1.0);
    }
    let loss = |symbol| table(&page, symbol, 0)[0][0];
    close(loss("L = "), loss("L_a = ") + loss("L_b = "), loss("L = "));
    // Cosine with warm-up: the first step's rate is in the formula.
    let rule = page.split(r"\theta_{2a} \leftarrow p - ").nth(1).unwrap();
    let lr: f64 = rule.split(r"\,").next().unwrap().parse().unwrap();
    assert!(lr > 0.0 && lr < 0.01, "{lr}");
    let [before, d, after] = [r"\theta_{2a}$$", r"d\theta_{2a} = ", r"\theta_{2a} \leftarrow"]
        .map(|symbol| table(&page, symbol, 0));
    for ((p, d), after) in before[0].iter().zip(&d[0]).zip(&after[0]) {
        close(*after, p - lr * d, p.abs() + lr * d.abs());
    }
}

/// The page takes the flags of `train`: sizes, the rate, clipping and the data.
#[test]
fn the_page_follows_the_flags() {
    let dir = Dir::new();
    let grapes = "grape,sugar,colour,taste\n".to_owned()
        + &(0..60)
            .map(|i| {
                format!(
                    "{},{}.5,{},{}\n",
                    i % 7,
                    i % 11,
                    "rgb".as_bytes()[i % 3] as char,
                    ["<dry>", "sweet"][i % 2]
                )
            })
            .collect::<String>();
    dir.write("grapes.csv", &grapes);
    dir.succeed(
        "explain --data grapes.csv --regress sugar --classify taste --rows 6 --hidden-a 2 --hidden-b 3 \
         --optimizer adamw --clip 0.01 --dropout 0.5 --seed 3 --out step.html",
    );
    let html = dir.read("step.html");
    assert!(html.starts_with("<!DOCTYPE html>") && !html.contains("<merror>"));
    assert!(html.contains("&lt;dry&gt;") && !html.contains("<dry>"));
    assert!(html.contains("unit 3") && !html.contains("unit 4"));
    assert_eq!(html.matches("✗").count(), 0);
}

/// All rows that train are in the batch: rows 3, 4, 9 and 12 of the table, counted from 1.
#[test]
fn rows_have_their_numbers_in_the_table() {
    let dir = Dir::new();
    let part = |row| match row {
        3 | 4 | 9 | 12 => "train",
        2 | 6 | 7 => "validation",
        _ => "test",
    };
    let row =
        |i: usize| format!("{}.5,{},{},{}\n", i * 5 % 13, i * 7 % 11, ["u", "v"][i % 2], part(i));
    dir.write("t.csv", "x,y,c,part\n".to_owned() + &(1..=14).map(row).collect::<String>());
    let columns = "--data t.csv --regress y --classify c --split-column part";
    dir.succeed(&format!("explain {columns} --rows 4 --out step.md"));
    let page = dir.read("step.md");
    let number = |text: &str| text.split(' ').next().unwrap().parse().unwrap();
    let rows: BTreeSet<usize> = page.split("| row ").skip(1).map(number).collect();
    assert_eq!(rows, BTreeSet::from([3, 4, 9, 12]));
}

/// The loss is so large that the update, by hand and in the program, is not the same number.
#[test]
fn equations_that_do_not_hold_are_counted_and_fail() {
    let dir = Dir::new();
    let run = dir.run("explain --weight-a 1e300 --out step.md");
    let broken = dir.read("step.md").matches('✗').count();
    assert!(broken > 0);
    let said = format!("step.md: {broken} of ");
    assert!(run.stdout.starts_with(&said) && run.stdout.contains(" do not hold"), "{run:?}");
    assert_eq!(run.code, 1);
}

#[test]
fn what_cannot_be_explained_is_said() {
    let dir = Dir::new();
    for (flags, message) in [
        ("--out step.pdf", "--out step.pdf: expected FILE.html or FILE.md"),
        ("--out a.md --regress alcohol", "the derivation is that of the two-branch network"),
        ("--out a.md --hidden 3,2", "the derivation is that of the two-branch network"),
        ("--out a.md --hidden-a 900", "parameters fills too long a page"),
    ] {
        let run = dir.run(&format!("explain {flags}"));
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{flags}");
        assert!(run.stderr.contains(message) && run.stderr.lines().count() == 1, "{}", run.stderr);
    }
    assert_eq!(dir.run("explain").code, 2);
    assert_eq!(dir.run("explain --rows 1 --out a.md").code, 2);
}
