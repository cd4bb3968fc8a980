//! `predict` of tables that are read piece by piece: the same as of small ones.

use crate::program::{Dir, QUICK, shapes};

/// A directory with a model in `m`, and in `long.csv` 250 rows of 60 kB, 15 MB in all; `short.csv`
/// has the same rows with short notes. `cells` makes the size and the colour of a row.
fn dir(cells: impl Fn(usize) -> (String, &'static str)) -> Dir {
    let dir = Dir::new();
    dir.write("t.csv", shapes(90));
    dir.succeed(&format!("train --data t.csv {QUICK} --out m"));
    for (name, note) in [("long.csv", "ø, ".repeat(15_000)), ("short.csv", "n".to_owned())] {
        let row = |i: usize| {
            let (size, colour) = cells(i);
            format!("{size},\"{note}\",{colour}\n")
        };
        dir.write(name, format!("size,note,colour\n{}", (0..250).map(row).collect::<String>()));
    }
    dir
}

/// The lines of a table without the second cell, which is quoted.
fn without_notes(csv: &str) -> Vec<String> {
    let cells = |line: &str| {
        let (start, rest) = line.split_once(',').unwrap();
        let end = rest.rsplit_once("\",").map_or(rest, |(_, end)| end);
        format!("{start},{}", end.strip_prefix("note,").or(end.strip_prefix("n,")).unwrap_or(end))
    };
    csv.lines().map(cells).collect()
}

#[test]
fn predictions_and_warnings_are_those_of_a_small_table() {
    // The last rows are in another piece than the first.
    let dir = dir(|i| match i {
        249 => (String::new(), "violet"),
        _ => (format!("{}", i % 17), "red"),
    });
    let long = dir.succeed("predict --model m --data long.csv --out p.csv");
    let short = dir.succeed("predict --model m --data short.csv --out q.csv");
    assert_eq!(
        (long.stdout.as_str(), &long.stderr),
        ("250 rows predicted: p.csv\n", &short.stderr)
    );
    assert!(
        long.stderr.contains("1 of 250 (the first on line 251: \"violet\")"),
        "{}",
        long.stderr
    );
    let [p, q] = ["p.csv", "q.csv"].map(|name| dir.read(name));
    assert_eq!(without_notes(&p), without_notes(&q));
    assert_eq!(p.lines().count(), 251);
    assert_eq!(dir.succeed("predict --model m --data long.csv").stdout, p);
    let reasons = dir.succeed("predict --model m --data short.csv --explain --background t.csv");
    let long = dir.succeed("predict --model m --data long.csv --explain --background t.csv");
    assert_eq!(without_notes(&long.stdout), without_notes(&reasons.stdout));
}

/// Most sizes are no numbers: that is known at the end. By then rows are on standard output; a file
/// is not there, or as it was.
#[test]
fn a_column_is_judged_by_all_rows() {
    let dir = dir(|i| (if i < 120 { "3".to_owned() } else { "three".to_owned() }, "red"));
    dir.write("p.csv", "as it was\n");
    let file = dir.run("predict --model m --data long.csv --out p.csv");
    let short = dir.run("predict --model m --data short.csv --out p.csv");
    assert_eq!((file.code, short.code), (2, 2));
    assert!(file.stderr.contains("130 of 250 cells are not numbers as in training"));
    // What is advised is told from fewer rows.
    let what = |stderr: &str| stderr.split("): ").next().unwrap().replace("long.csv", "short.csv");
    assert_eq!(what(&file.stderr), what(&short.stderr));
    assert_eq!(dir.read("p.csv"), "as it was\n");
    let stdout = dir.run("predict --model m --data long.csv");
    assert_eq!((stdout.code, &stdout.stderr), (2, &file.stderr));
    assert!(stdout.stdout.lines().count() > 120);
    assert_eq!(dir.run("predict --model m --data short.csv").stdout, "");
    dir.succeed("predict --model m --data long.csv --lenient --out p.csv");
    assert_eq!(dir.read("p.csv").lines().count(), 251);
}

/// Rows are divided among threads, as many at a time on each as on one: a table of several such
/// parts is the same to the byte, whatever the number of threads, and so is what is said about it.
#[test]
fn the_number_of_threads_changes_nothing() {
    let dir = Dir::new();
    dir.write("t.csv", shapes(90));
    dir.succeed(&format!("train --data t.csv {QUICK} --out m"));
    let row = |i: usize| match i {
        2_500 | 4_000 => ",violet\n".to_owned(),
        _ => format!("{},{}\n", (i % 170) as f64 / 10.0, ["red", "blue"][i % 2]),
    };
    dir.write("many.csv", format!("size,colour\n{}", (0..5_000).map(row).collect::<String>()));
    let [one, three] = [1, 3].map(|n| {
        dir.succeed(&format!("predict --model m --data many.csv --coverage 0.5 --threads {n}"))
    });
    assert_eq!((&one.stdout, &one.stderr), (&three.stdout, &three.stderr));
    assert!(one.stderr.contains("2 of 5000 (the first on line 2502"), "{}", one.stderr);
    // As the rows alone.
    let lines: Vec<&str> = one.stdout.lines().collect();
    assert_eq!(lines.len(), 5_001);
    dir.write("few.csv", format!("size,colour\n{}{}", row(1_023), row(1_024)));
    let few = dir.succeed("predict --model m --data few.csv --coverage 0.5").stdout;
    assert_eq!(few.lines().skip(1).collect::<Vec<_>>(), lines[1_024..1_026]);
    let refused = dir.run("predict --model m --data few.csv --threads 0");
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""));
}
