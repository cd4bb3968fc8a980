//! Whole numbers that are names.

use std::collections::HashSet;

use anabranch_data::{
    AskedKind, Encoding, Executor, Fractions, MissingMarkers, SplitBy, SplitRules, Table,
    TargetColumns, Warning, WarningCode, prepare, prepare_split,
};

/// 60 persons with five rows each: what they are like has nothing to do with the order of their
/// numbers. The year measures: it adds to `y`; and each `x` tells a seventh of it.
fn persons() -> String {
    let mut csv = "person,year,x,y,kind,rare\n".to_owned();
    for person in 0..60_u32 {
        let like = person * 37 % 60;
        for year in 0..5 {
            let x = (person * 5 + year) * 7919 % 61;
            let y = f64::from(like) + f64::from(year) + f64::from(x * 37 % 61) / 2.5;
            let kind = ["red", "green", "blue"][like as usize / 20];
            let rare = like < 4;
            csv += &format!("{},{},{x},{y},{kind},{rare}\n", 100 + person, 2000 + year);
        }
    }
    csv
}

fn table(csv: &str) -> Table {
    Table::from_reader("persons.csv", csv.as_bytes()).unwrap()
}

/// The columns that are read as names, of which it is said, where these are the targets.
fn names(table: Table, targets: &TargetColumns) -> Vec<String> {
    let (exec, drop) = (Executor::serial(), ["y", "kind", "rare"].map(String::from));
    let used: Vec<&str> = targets.names().collect();
    let mut rules = table.rules().clone();
    rules.drop.extend(drop.into_iter().filter(|name| !used.contains(&name.as_str())));
    let table = table.with_rules(rules);
    let prepared = prepare::<f64>(&exec, &table, targets, Fractions::default(), 1).unwrap();
    let said = prepared.warnings.iter().filter(|w| w.code == WarningCode::Codes);
    let said: Vec<String> = said.filter_map(|w| w.column.clone()).collect();
    for column in &prepared.schema.columns()[..3] {
        let expected = said.contains(&column.name);
        assert_eq!(column.are_names, expected, "{}", column.name);
    }
    said
}

fn both() -> TargetColumns {
    TargetColumns::new().regress(["y"]).classify("kind")
}

#[test]
fn numbers_of_persons_are_labels_and_others_are_numbers() {
    let [number, class] =
        [TargetColumns::new().regress(["y"]), TargetColumns::new().classify("kind")];
    for targets in [both(), number, class] {
        assert_eq!(names(table(&persons()), &targets), ["person"]);
    }
}

/// Twenty rows of four persons are in the same group by chance.
#[test]
fn a_rare_class_tells_nothing_of_numbers() {
    let targets = TargetColumns::new().classify("rare");
    assert!(names(table(&persons()), &targets).is_empty());
}

#[test]
fn numbers_in_the_order_of_what_they_tell_measure_it() {
    let sorted = (0..60).fold(persons(), |csv, person| {
        let like = person * 37 % 60;
        csv.replace(&format!("\n{},", 100 + person), &format!("\n@{},", 100 + like))
    });
    assert!(names(table(&sorted.replace('@', "")), &both()).is_empty());
}

/// The kinds are in the order of the numbers, and what persons are like is not.
#[test]
fn names_of_one_target_may_measure_another() {
    let mut csv = String::new();
    for (i, line) in persons().lines().enumerate() {
        let kind = if i == 0 { "kind" } else { ["red", "green", "blue"][(i - 1) / 100] };
        let cells: Vec<&str> = line.split(',').collect();
        csv += &format!("{},{kind},{}\n", cells[..4].join(","), cells[5]);
    }
    assert_eq!(names(table(&csv), &both()), ["person"]);
    let class = TargetColumns::new().classify("kind");
    assert!(names(table(&csv), &class).is_empty());
}

/// What some rows are encoded as, beside what their persons' numbers alone are.
fn encoded(csv: &str, rows: &str) -> (Vec<f64>, Vec<f64>, Vec<Warning>) {
    let (exec, targets) = (Executor::serial(), TargetColumns::new().regress(["y"]));
    let rows = table(rows);
    let all: Vec<usize> = (0..rows.n_rows()).collect();
    let encode = |kind: Option<AskedKind>| {
        let mut rules = table(csv).rules().clone();
        rules.kinds.extend(kind.map(|kind| ("person".into(), kind)));
        rules.keep = ["person", "y"].map(String::from).to_vec();
        let table = table(csv).with_rules(rules);
        let prepared = prepare::<f64>(&exec, &table, &targets, Fractions::default(), 1).unwrap();
        let encoder = prepared.encoder;
        let judged = encoder.encode::<f64>(&exec, &rows, &all);
        judged.unwrap()
    };
    let (both, number) = (encode(None), encode(Some(AskedKind::Number)));
    (both.x, number.x, both.warnings)
}

#[test]
fn named_numbers_are_encoded_as_numbers_and_as_names() {
    let persons = persons();
    // So few that each has an input.
    let persons: Vec<&str> = persons.lines().take(1 + 40 * 5).collect();
    let rows = "person\n103\n103.0\n139\n9000000\n?\n";
    let (both, number, warnings) = encoded(&persons.join("\n"), rows);
    let (width, n) = (both.len() / 5, number.len() / 5);
    assert_eq!(width, n + 40);
    for (row, hot) in [Some(3), Some(3), Some(39), None, None].into_iter().enumerate() {
        let (of_number, names) = both[row * width..(row + 1) * width].split_at(n);
        assert_eq!(of_number, &number[row * n..(row + 1) * n]);
        let expected = (0..40).map(|place| f64::from(u8::from(Some(place) == hot)));
        assert_eq!(names, expected.collect::<Vec<f64>>());
    }
    let codes: Vec<WarningCode> = warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, [WarningCode::UnseenCategories, WarningCode::NewlyMissing]);
    // Persons whose numbers are all far away are new ones, and no reason to refuse them.
    let far = "person\n9000000\n90000000000\n";
    let exec = Executor::serial();
    let mut rules = table(&persons.join("\n")).rules().clone();
    rules.keep = ["person", "y"].map(String::from).to_vec();
    let prepared = prepare::<f64>(
        &exec,
        &table(&persons.join("\n")).with_rules(rules),
        &TargetColumns::new().regress(["y"]),
        Fractions::default(),
        1,
    );
    let far = prepared.unwrap().encoder.encode::<f64>(&exec, &table(far), &[0, 1]).unwrap();
    assert_eq!(far.x[..width], both[3 * width..4 * width]);
    assert_eq!(far.x[width..], far.x[..width]);
}

/// Each row is told by others what its person is like, behind the number.
#[test]
fn many_names_stand_for_what_the_targets_were() {
    let mut csv = "person,y\n".to_owned();
    for i in 0..900 {
        csv += &format!("{},{}.{}\n", 100 + i % 150, i % 150 * 67 % 151, i / 150);
    }
    let exec = Executor::serial();
    let (table, targets) = (table(&csv), TargetColumns::new().regress(["y"]));
    let prepared = prepare::<f64>(&exec, &table, &targets, Fractions::default(), 1).unwrap();
    let all: Vec<usize> = (0..900).collect();
    let by_all = prepared.encoder.encode::<f64>(&exec, &table, &all).unwrap().x;
    let width = prepared.dataset.n_inputs;
    let names = prepared.encoder.feature_names();
    assert_eq!(names, ["person", "person by y"]);
    let test: HashSet<usize> = prepared.dataset.split.test.iter().copied().collect();
    let mut n_different = 0;
    let of_rows = prepared.dataset.x.chunks(width).zip(by_all.chunks(width));
    for (row, (own, by_all)) in of_rows.enumerate() {
        assert_eq!(own[..width - 1], by_all[..width - 1]);
        let is_different = own[width - 1] != by_all[width - 1];
        assert!(!(is_different && test.contains(&row)));
        n_different += usize::from(is_different);
    }
    assert!(n_different > 600, "{n_different}");
}

/// Most persons have one row, and the others two.
#[test]
fn numbers_that_hardly_repeat_are_numbers() {
    let is_kept =
        |(i, _): &(usize, &str)| *i == 0 || (i - 1) % 5 < if (i - 1) / 5 < 46 { 1 } else { 2 };
    let persons = persons();
    let csv: Vec<&str> = persons.lines().enumerate().filter(is_kept).map(|l| l.1).collect();
    let csv = csv.join("\n");
    assert!(names(table(&csv), &both()).is_empty());
}

/// One cell in twenty may be none: a code for an unknown one, half a number, or text.
#[test]
fn a_few_other_cells_hide_no_names() {
    let other = |every: usize| {
        let persons = persons();
        let line = |(i, line): (usize, &str)| match i {
            i if i > 0 && i % every == 0 => {
                let other = ["-1", "117.5", "nobody"][i / every % 3];
                format!("{other},{}\n", line.split_once(',').unwrap().1)
            }
            _ => format!("{line}\n"),
        };
        names(table(&persons.lines().enumerate().map(line).collect::<String>()), &both())
    };
    assert_eq!(other(25), ["person"]);
    assert!(other(8).is_empty());
}

/// Whatever is written twice is alike. Without its copies, no number is there twice.
#[test]
fn copies_of_rows_name_nothing() {
    let mut csv = "price,y\n".to_owned();
    for i in 0..300 {
        let i = i / 2;
        csv += &format!("{},{}\n", i * 7919 % 1009, i * 31 % 149);
    }
    let number = TargetColumns::new().regress(["y"]);
    let prepared = |csv: &str| {
        let exec = Executor::serial();
        prepare::<f64>(&exec, &table(csv), &number, Fractions::default(), 1).unwrap()
    };
    assert!(!prepared(&csv).schema.columns()[0].are_names);
    // Twice the same price, and not the same row.
    let others = csv.lines().enumerate().map(|(i, line)| match i {
        0 => format!("{line}\n"),
        _ => format!("{line}.{}\n", i % 2),
    });
    assert!(prepared(&others.collect::<String>()).schema.columns()[0].are_names);
}

/// Persons of one group are in no other part of the rows: their names are never met again.
#[test]
fn names_within_groups_are_no_use() {
    let csv: String = persons()
        .lines()
        .enumerate()
        .map(|(i, line)| match i {
            0 => format!("{line},group\n"),
            _ => format!("{line},{}\n", (i - 1) / 20),
        })
        .collect();
    let targets = TargetColumns::new().regress(["y"]);
    let are_names = |by: SplitBy| {
        let rules = SplitRules { fractions: Fractions::default(), seed: 1, by };
        let exec = Executor::serial();
        let prepared = prepare_split::<f64>(&exec, &table(&csv), &targets, &rules, None).unwrap();
        prepared.schema.columns()[0].are_names
    };
    assert!(are_names(SplitBy::Class));
    assert!(!are_names(SplitBy::Group("group".into())));
}

/// The cells of a column that mean a missing value are no name, whatever says so.
#[test]
fn what_is_missing_as_a_number_has_no_name() {
    let csv = persons().replace("\n110,", "\n9000000000000000,").replace("\n111,", "\n999.0,");
    let mut rules = table(&csv).rules().clone();
    let markers = MissingMarkers::default().with(["999"]);
    rules.column_missing.push(("person".into(), markers));
    rules.keep = ["person", "y"].map(String::from).to_vec();
    let table = table(&csv).with_rules(rules);
    let targets = TargetColumns::new().regress(["y"]);
    let exec = Executor::serial();
    let prepared = prepare::<f64>(&exec, &table, &targets, Fractions::default(), 1).unwrap();
    let Encoding::NamedNumber { names, .. } = &prepared.encoder.input_columns()[0].encoding else {
        panic!("names")
    };
    let (labels, _) = names.categories().unwrap();
    assert!(labels.iter().all(|label| label.len() == 3 && label.as_str() < "160"), "{labels:?}");
}

#[test]
fn what_is_asked_for_is_done() {
    let mut rules = table(&persons()).rules().clone();
    rules.kinds.push(("person".into(), AskedKind::Number));
    assert!(names(table(&persons()).with_rules(rules), &both()).is_empty());
}
