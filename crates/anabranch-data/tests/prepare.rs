//! From a table to a data set, and from a stored description to another table's targets.

use anabranch_data::{
    AskedKind, ColumnRules, DataError, Dataset, Fractions, Mark, Prepared, Presence, Table,
    TargetColumns, Targets, TaskValues, Warning, WarningCode, prepare,
};
use anabranch_tensor::Executor;
use proptest::prelude::*;

fn table(csv: &str) -> Table {
    Table::from_reader("t.csv", csv.as_bytes()).unwrap()
}

fn columns(regress: &[&str], classify: &str) -> TargetColumns {
    TargetColumns::new().regress(regress.iter().copied()).classify(classify)
}

fn prepared(csv: &str, regress: &[&str], classify: &str) -> Result<Prepared<f64>, DataError> {
    prepare(&Executor::serial(), &table(csv), &columns(regress, classify), Fractions::default(), 1)
}

/// The numbers of the first task and the classes of the second.
fn targets_of<T>(tasks: &[TaskValues<T>]) -> (&[T], &[u32]) {
    match tasks {
        [TaskValues::Numbers { values, .. }, TaskValues::Classes { class, .. }] => (values, class),
        _ => panic!("a regression and a class were asked for"),
    }
}

fn error(csv: &str, regress: &[&str], classify: &str) -> String {
    prepared(csv, regress, classify).unwrap_err().to_string()
}

/// 40 rows of y, z, label, x. Rows 3 and 8 lack all targets.
fn forty() -> String {
    // Halves: whole numbers would be taken for those of the rows.
    let row = |i: usize| match i {
        3 | 8 => format!("NA,?,,{i}.5\n"),
        _ => format!("{},{},{},{i}.5\n", 10 * i, 2 * i, ["a", "b"][i % 2]),
    };
    "y,z,label,x\n".to_owned() + &(0..40).map(row).collect::<String>()
}

#[test]
fn rows_without_a_target_are_left_out_and_counted() {
    let Prepared { dataset, targets, rows_left_out, warnings, .. } =
        prepared(&forty(), &["z", "y"], "label").unwrap();
    assert_eq!(rows_left_out, 2);
    let Warning { code, count, message, .. } = &warnings[0];
    assert_eq!((*code, *count), (WarningCode::RowsWithoutTarget, Some(2)));
    assert_eq!(
        message,
        "rows without a target: 2: left out (missing is \"z\" in 2, \"y\" in 2, \"label\" in 2)"
    );
    let Dataset { n_rows, n_inputs, ref tasks, .. } = dataset;
    assert_eq!((n_rows, n_inputs, tasks[0].outputs(), tasks[1].outputs()), (38, 1, 2, 2));
    let (y, class) = targets_of(tasks);
    // The fourth row of the data set is the table's fifth: i = 4.
    let at = |row: usize| {
        let regression = targets.tasks()[0].regression().iter().zip(&y[2 * row..]);
        regression.map(|(target, z)| target.unscale(*z)).collect::<Vec<_>>()
    };
    for (row, i) in [(2, 2.0), (3, 4.0), (7, 9.0)] {
        let expected = [2.0 * i, 10.0 * i];
        // Standardised and back: two roundings.
        assert!(at(row).iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-12 * b), "{row}");
        assert_eq!(class[row], (i % 2.0) as u32);
    }
    assert_eq!(targets.tasks()[0].regression()[0].column, "z");
    assert_eq!(targets.tasks()[1].labels(), ["a", "b"]);
    assert_eq!(targets.tasks()[0].name(), "z,y");
}

#[test]
fn inputs_and_targets_are_standardised_on_training_rows() {
    let Prepared { dataset, .. } = prepared(&forty(), &["z", "y"], "label").unwrap();
    let moments = |values: Vec<f64>| {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        (mean, values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n)
    };
    let (train, (y, _)) = (&dataset.split.train, targets_of(&dataset.tasks));
    for values in [
        train.iter().map(|row| dataset.x[*row]).collect(),
        train.iter().map(|row| y[2 * row]).collect(),
        train.iter().map(|row| y[2 * row + 1]).collect(),
    ] {
        let (mean, variance) = moments(values);
        assert!(mean.abs() < 1e-14 && (variance - 1.0).abs() < 1e-14, "{mean} {variance}");
    }
    // Of all rows they are not: the other rows have not been looked at.
    assert!(moments(dataset.x.clone()).0.abs() > 1e-3);
}

#[test]
fn class_order_is_by_number_or_by_text() {
    let labels = |labels: &[&str]| {
        let rows: String = (0..60).map(|i| format!("{i}.5,{i},{}\n", labels[i % 3])).collect();
        let prepared = prepared(&format!("x,y,c\n{rows}"), &["y"], "c").unwrap();
        let found = prepared.targets.tasks()[1].labels();
        let first = &found[targets_of(&prepared.dataset.tasks).1[0] as usize];
        assert_eq!(first.trim_end_matches(".0"), labels[0].trim().trim_end_matches(".0"));
        found.to_vec()
    };
    assert_eq!(labels(&["10", "9", "-1.5"]), ["-1.5", "9", "10"]);
    assert_eq!(labels(&["10", "9", "x"]), ["10", "9", "x"]);
    assert_eq!(labels(&["b ", "ä", "B"]), ["B", "b", "ä"]);
    // Equal numbers are one class.
    assert_eq!(labels(&["1.0", "1", "0"]), ["0", "1"]);
}

#[test]
fn rare_classes_go_to_training_with_a_warning() {
    let csv = forty() + "1,1,rare,1\n2,2,rare,1\n";
    let Prepared { dataset, warnings, .. } = prepared(&csv, &["y"], "label").unwrap();
    assert!(dataset.split.train.contains(&38) && dataset.split.train.contains(&39));
    assert_eq!(
        warnings[1].to_string(),
        "column \"label\": classes with too few rows to be split: 1 (the first is \"rare\"): all of their 2 rows go to training"
    );
}

#[test]
fn wrong_target_columns_are_refused() {
    let csv = forty();
    assert_eq!(
        error(&csv, &["price"], "label"),
        r#"t.csv: no column "price": the columns found are "y", "z", "label", "x""#
    );
    let twice = |c| {
        format!("column {c:?} is named as a target twice: name it once, to regress or to classify")
    };
    assert_eq!(error(&csv, &["y", " y"], "label"), twice("y"));
    assert_eq!(error(&csv, &["label"], "label"), twice("label"));
    assert_eq!(
        error(&csv, &[], "label"),
        "no column to predict: name at least one to regress or to classify"
    );
    let no_inputs = "t.csv: no input columns are left beside the targets: add a column with numbers or categories";
    assert_eq!(error(&csv, &["y", "z", "x"], "label"), no_inputs);
    let empty: String = (0..40).map(|i| format!("{i},{},\n", i % 2)).collect();
    assert_eq!(error(&format!("y,c,x\n{empty}"), &["y"], "c"), no_inputs);
}

#[test]
fn wrong_targets_are_refused() {
    let csv = forty() + "many,1,a,1\n";
    assert_eq!(
        error(&csv, &["y"], "label"),
        "t.csv: line 42: column \"y\" is to be regressed but holds \"many\": it needs numbers; an empty cell is a \
         missing target"
    );
    assert_eq!(
        error(&(forty() + "-inf,1,a,1\n"), &["y"], "label"),
        "t.csv: line 42: column \"y\" holds \"-inf\", which is infinite or beyond 1e100: correct the cell or leave it \
         empty"
    );
    assert_eq!(
        error("x,y,c\n1,1,k\n2,2,k\n3,3,\n", &["y"], "c"),
        "t.csv: column \"c\" has the one class \"k\" only: classification needs at least two"
    );
    assert_eq!(
        error("x,y,c\n1,,\n2,NA,\n", &["y"], "c"),
        "t.csv: no row has a value in the target columns \"y\", \"c\": fill some in"
    );
    assert_eq!(
        error("x,y,c\n1,,k\n2,NA,l\n", &["y"], "c"),
        "t.csv: no row has a value in the target columns \"y\": fill some in"
    );
    assert_eq!(
        error("x,y,c\n1,1,k\n2,2,l\n3,3,l\n", &["y"], "c"),
        "3 rows are too few: the split gives 3 to training, 0 to validation and 0 to testing: add rows (at least 3 \
         of a class), or change the fractions"
    );
}

#[test]
fn constant_targets_stay_finite() {
    let rows: String = (0..40).map(|i| format!("{i}.5,0.1,{}\n", i % 2)).collect();
    let Prepared { dataset, targets, .. } =
        prepared(&format!("x,y,c\n{rows}"), &["y"], "c").unwrap();
    assert!(targets_of(&dataset.tasks).0.iter().all(|y| *y == 0.0));
    assert_eq!(targets.tasks()[0].regression()[0].unscale(0.0), 0.1);
}

#[test]
fn targets_too_large_for_the_number_type_are_refused() {
    // Constant where it trains, so that its scale is 1; 1e50 is not an f32.
    let csv: String = (0..40).map(|i| format!("{i}.5,0,{}\n", i % 2)).collect();
    let csv = format!("x,y,c\n{csv}");
    let test_row = prepared(&csv, &["y"], "c").unwrap().dataset.split.test[0];
    let table =
        table(&csv.replace(&format!("\n{test_row}.5,0,"), &format!("\n{test_row}.5,1e50,")));
    let prepare32 =
        prepare::<f32>(&Executor::serial(), &table, &columns(&["y"], "c"), Fractions::default(), 1);
    assert_eq!(
        prepare32.unwrap_err().to_string(),
        format!(
            "t.csv: line {}: column \"y\" holds \"1e50\", which lies more than a million standard deviations from what \
             training saw: correct the cell or leave it empty",
            test_row + 2
        )
    );
}

#[test]
fn any_mix_of_tasks_is_prepared() {
    let columns = TargetColumns::new().classify("label").regress(["z"]).regress(["y"]);
    let exec = Executor::serial();
    let mixed = prepare::<f64>(&exec, &table(&forty()), &columns, Fractions::default(), 1).unwrap();
    let Prepared { dataset, targets, rows_left_out, .. } = mixed;
    assert_eq!((rows_left_out, dataset.n_rows, dataset.check().is_ok()), (2, 38, true));
    let names: Vec<String> = targets.tasks().iter().map(|task| task.name()).collect();
    assert_eq!(names, ["label", "z", "y"]);
    // The same rows in every part as with the tasks in another order, and the same scales.
    let other = prepared(&forty(), &["z", "y"], "label").unwrap();
    assert_eq!(dataset.split, other.dataset.split);
    assert_eq!(targets.tasks()[2].regression()[0], other.targets.tasks()[0].regression()[1]);
    // The fourth row is i = 4.
    match &dataset.tasks[..] {
        [TaskValues::Classes { class, .. }, TaskValues::Numbers { values, n_columns: 1 }, _] => {
            let z = targets.tasks()[1].regression()[0].unscale(values[3]);
            assert!(class[3] == 0 && (z - 8.0).abs() < 1e-13, "{z}");
        }
        tasks => panic!("{tasks:?}"),
    }
    // Without a class, thirds by y are split: of 13, 13 and 12 rows, round(1.3), round(1.3) and
    // round(1.2) validate, round(2.6), round(2.6) and round(2.4) test.
    let columns = TargetColumns::new().regress(["y"]);
    let alone = prepare::<f64>(&exec, &table(&forty()), &columns, Fractions::default(), 1).unwrap();
    let split = alone.dataset.split;
    assert_eq!([split.train.len(), split.validation.len(), split.test.len()], [27, 3, 8]);
}

#[test]
fn data_sets_that_do_not_fit_together_are_refused() {
    let Prepared { dataset, .. } = prepared(&forty(), &["z", "y"], "label").unwrap();
    assert!(dataset.check().is_ok());
    let message = |change: fn(&mut Dataset<f64>)| {
        let mut changed = dataset.clone();
        change(&mut changed);
        changed.check().unwrap_err().to_string()
    };
    assert_eq!(
        message(|data| data.x.truncate(37)),
        "the inputs: expected 38 rows of 1, got 37 elements"
    );
    assert_eq!(
        message(|data| data.tasks[0] = TaskValues::Numbers { values: vec![0.0; 38], n_columns: 2 }),
        "the numbers of task 0: expected 38 rows of 2, got 38 elements"
    );
    assert_eq!(
        message(|data| data.tasks[1] = TaskValues::Classes { class: vec![7; 38], n_classes: 3 }),
        "task 1: row 0 has class 7, but there are 3 classes, counted from 0"
    );
    assert_eq!(
        message(|data| data.present.truncate(1)),
        "the tasks with their rows: expected 2 rows of 1, got 1 elements"
    );
    assert_eq!(
        message(|data| data.present[1] = Presence::Each(vec![true; 37])),
        "the rows with targets of task 1: expected 38 rows of 1, got 37 elements"
    );
    assert_eq!(
        message(|data| data.split.test.push(38)),
        "the test part of the split has row 38, but there are 38 rows, counted from 0"
    );
    assert!(message(|data| data.n_inputs = usize::MAX).starts_with("the inputs: "));
}

#[test]
fn stored_targets_read_another_table() {
    let Prepared { targets, .. } = prepared(&forty(), &["z", "y"], "label").unwrap();
    let json = serde_json::to_string(&targets).unwrap();
    let targets: Targets = serde_json::from_str(&json).unwrap();
    let found = targets.read(&table("label,y,z\nb,1,2\n,3,4\na,NA,5\n a ,6,7\n")).unwrap();
    assert_eq!((&found.rows[..], found.rows_left_out), (&[0, 1, 2, 3][..], 0));
    let each = |has: [bool; 4]| Presence::Each(has.to_vec());
    let of_tasks = [each([true, true, false, true]), each([true, false, true, true])];
    assert_eq!(found.present, of_tasks);
    let numbers = [2.0, 1.0, 4.0, 3.0, 5.0, 0.0, 7.0, 6.0];
    assert_eq!(targets_of(&found.tasks), (&numbers[..], &[1, 0, 0, 0][..]));

    // A class that training never saw cannot be predicted; a row with nothing else is left out.
    let found = targets.read(&table("label,y,z\nb,1,2\nc,,2\nc,3,4\na,5,6\n")).unwrap();
    assert_eq!((found.rows, found.rows_left_out), (vec![0, 2, 3], 1));
    assert_eq!(found.present, [Presence::All, Presence::Each(vec![true, false, true])]);
    assert_eq!(targets_of(&found.tasks), (&[2.0, 1.0, 4.0, 3.0, 6.0, 5.0][..], &[1, 0, 0][..]));
    assert_eq!(
        found.warnings[0].message,
        "column \"label\": rows of classes that training never saw: 2 (the first on line 3: \"c\"): left out"
    );

    let message = |csv: &str| targets.read(&table(csv)).unwrap_err().to_string();
    assert_eq!(
        message("label,y,z\nc,,2\n"),
        "t.csv: line 2: column \"label\" holds the class \"c\", which training never saw: expected one of \"a\", \"b\""
    );
    assert_eq!(
        message("label,y\nb,1\n"),
        r#"t.csv: no column "z": the columns found are "label", "y""#
    );
}

#[test]
fn stored_targets_are_checked() {
    let stored = |std: &str, column: &str, labels: &str| {
        let json = format!(
            r#"{{"regression":[{{"column":"y","mean":0,"std":{std}}}],"class":{{"column":"{column}","labels":{labels}}}}}"#
        );
        serde_json::from_str::<Targets>(&json).map_err(|error| error.to_string())
    };
    assert!(stored("1", "c", r#"["a","b"]"#).is_ok());
    for (result, problem) in [
        (stored("0", "c", r#"["a","b"]"#), "deviation"),
        (stored("1e101", "c", r#"["a","b"]"#), "deviation"),
        (stored("1", "y", r#"["a","b"]"#), "a target twice"),
        (stored("1", "c", r#"["a"]"#), "fewer than two classes"),
        (stored("1", "c", r#"["a","a"]"#), "one twice"),
    ] {
        let error = result.unwrap_err();
        assert!(error.contains(problem), "{error}");
    }
    assert!(
        serde_json::from_str::<Targets>(
            r#"{"regression":[],"class":{"column":"c","labels":["a","b"]}}"#
        )
        .is_err()
    );
}

/// Format 1 of model files holds one regression and one class.
#[test]
fn both_stored_forms_are_read() {
    let Prepared { targets, .. } = prepared(&forty(), &["z", "y"], "label").unwrap();
    let json = serde_json::to_value(&targets).unwrap();
    assert_eq!(json["tasks"][1]["classification"]["labels"], serde_json::json!(["a", "b"]));
    let first = serde_json::json!({
        "regression": json["tasks"][0]["regression"],
        "class": json["tasks"][1]["classification"],
    });
    assert_eq!(serde_json::from_value::<Targets>(first).unwrap(), targets);
    assert!(serde_json::from_str::<Targets>(r#"{"tasks":[]}"#).is_err());
    assert!(serde_json::from_str::<Targets>(r#"{"tasks":[{"regression":[]}]}"#).is_err());
}

#[test]
fn wine_is_prepared_without_warnings() {
    let wine = Table::wine().unwrap();
    let prepare = |seed| {
        prepare::<f32>(
            &Executor::serial(),
            &wine,
            &TargetColumns::wine(),
            Fractions::default(),
            seed,
        )
        .unwrap()
    };
    let Prepared { dataset, encoder, targets, rows_left_out, warnings, .. } = prepare(42);
    assert_eq!((rows_left_out, warnings.len()), (0, 0));
    assert_eq!(targets.tasks()[1].labels(), ["3", "4", "5", "6", "7", "8"]);
    assert!(!encoder.feature_names().iter().any(|name| name == "alcohol" || name == "quality"));
    assert!(dataset.x.iter().chain(targets_of(&dataset.tasks).0).all(|v| v.is_finite()));
    // Σ round(n·0.1) and Σ round(n·0.2) over classes of 10, 53, 681, 638, 199 and 18 rows.
    let split = &dataset.split;
    assert_eq!(
        [split.validation.len(), split.test.len()],
        [1 + 5 + 68 + 64 + 20 + 2, 2 + 11 + 136 + 128 + 40 + 4]
    );
    let (again, other) = (prepare(42), prepare(43));
    assert_eq!((&again.dataset.x, &again.encoder), (&dataset.x, &encoder));
    assert_ne!(other.dataset.split, dataset.split);
}

proptest! {
    /// Whatever the cells hold: an error of one line, or finite numbers of the shapes that are
    /// promised.
    #[test]
    fn no_table_panics_or_gives_nan(
        cells in prop::collection::vec(prop::sample::select(vec![
            "", "NA", "0", "1", "-2.5", "1e100", "1e-300", "5e-324", "inf", "x", "y", "1.0", "é",
        ]), 4 * 30),
        numbers in 0usize..4,
        validation in 0.0..0.5f64,
        test in 0.0..0.6f64,
    ) {
        // The first columns hold numbers, so that not every case ends at a text target.
        let number = |cell: &str| cell.parse::<f64>().is_ok_and(f64::is_finite);
        let rows = cells.chunks(4).map(|row| {
            let cells = row.iter().enumerate();
            let cells = cells.map(|(c, cell)| if c > numbers || number(cell) { cell } else { "3" });
            cells.collect::<Vec<_>>().join(",")
        });
        let csv = format!("y,x,z,c\n{}\n", rows.collect::<Vec<_>>().join("\n"));
        let fractions = Fractions { validation, test };
        match prepare::<f64>(&Executor::serial(), &table(&csv), &columns(&["y"], "c"), fractions, 3) {
            Ok(Prepared { dataset, encoder, rows_left_out, .. }) => {
                prop_assert_eq!(dataset.n_rows + rows_left_out, 30);
                prop_assert_eq!(dataset.x.len(), dataset.n_rows * encoder.width());
                prop_assert_eq!(encoder.feature_names().len(), encoder.width());
                let (y, _) = targets_of(&dataset.tasks);
                prop_assert!(dataset.x.iter().chain(y).all(|v| v.is_finite()));
                prop_assert!(dataset.check().is_ok());
                let split = &dataset.split;
                let n_split = split.train.len() + split.validation.len() + split.test.len();
                prop_assert_eq!(n_split, dataset.n_rows);
            }
            Err(error) => prop_assert!(!error.to_string().contains('\n'), "{error}"),
        }
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    // Rows of several tasks, with all that is counted in some of them only.
    let cell = |i: usize| match i {
        1500 | 4700 => "unseen".to_owned(),
        i if i % 7 == 0 => String::new(),
        i => format!("kind {}", i % 5),
    };
    let row = |i: usize| {
        let number = if i % 900 == 899 { "odd".to_owned() } else { format!("{}.5", i % 311) };
        format!("{number},{},{},{}\n", cell(i), i % 13, i % 2)
    };
    let csv: String = "x,kind,y,c\n".to_owned() + &(0..5000).map(row).collect::<String>();
    let table = table(&csv);
    let [alone, shared] = [1, 3].map(|threads| {
        let exec = Executor::new(threads).unwrap();
        prepare::<f32>(&exec, &table, &columns(&["y"], "c"), Fractions::default(), 1).unwrap()
    });
    assert!(alone.warnings.iter().any(|w| w.to_string().contains("odd")), "{:?}", alone.warnings);
    assert_eq!(alone.warnings, shared.warnings);
    assert_eq!((alone.dataset.x, alone.encoder), (shared.dataset.x, shared.encoder));
}

/// Rows with a number, a class of two and what `cell` gives.
fn rows_with(n_rows: usize, header: &str, cell: impl Fn(usize) -> String) -> String {
    let row = |i: usize| format!("{}.5,{},{},{}\n", i * 7 % 31, 3 * i % 17, i % 2, cell(i));
    format!("x,y,c,{header}\n") + &(0..n_rows).map(row).collect::<String>()
}

#[test]
fn measurements_are_no_classes() {
    let csv = rows_with(120, "z", |i| format!("{}.25", i * i % 59));
    assert_eq!(
        error(&csv, &["y"], "z"),
        "t.csv: column \"z\" has 30 classes in 120 rows, and they are numbers: regress it with --regress \"z\", or say --as \
         'z=category' if they are codes"
    );
    let mut rules = ColumnRules::default();
    rules.kinds.push(("z".into(), AskedKind::Category));
    let asked = table(&csv).with_rules(rules);
    let prepared = |table: &Table| {
        let columns = columns(&["y"], "z");
        prepare::<f64>(&Executor::serial(), table, &columns, Fractions::default(), 1)
    };
    assert_eq!(prepared(&asked).unwrap().targets.tasks()[1].labels().len(), 30);
    // Ten rows for each number are enough.
    assert!(prepared(&table(&rows_with(300, "z", |i| (i % 30).to_string()))).is_ok());
    assert_eq!(
        error(&rows_with(60, "z", |i| format!("Ms {i}")), &["y"], "z"),
        "t.csv: column \"z\" has 60 classes in 60 rows, hardly two rows in each: nothing can be learned about them: choose a \
         column whose values repeat"
    );
}

#[test]
fn many_rare_classes_are_one_warning() {
    let csv = rows_with(90, "z", |i| if i % 3 == 0 { format!("rare {i}") } else { "usual".into() });
    let warnings = prepared(&csv, &["y"], "z").unwrap().warnings;
    assert_eq!(
        warnings.iter().map(|w| (w.code, w.count)).collect::<Vec<_>>(),
        [(WarningCode::RareClass, Some(30))]
    );
}

#[test]
fn what_is_odd_about_numbers_to_predict_is_said() {
    let about = |cell: fn(usize) -> String| {
        let warnings = prepared(&rows_with(60, "z", cell), &["z"], "c").unwrap().warnings;
        warnings.into_iter().map(|w| (w.code, w.message)).collect::<Vec<_>>()
    };
    assert_eq!(
        about(|_| "5000".into()),
        [(
            WarningCode::ConstantTarget,
            "column \"z\" is 5000 in all training rows: there is nothing to learn about it".into()
        )]
    );
    assert_eq!(
        about(|i| if i == 40 { "-1e6".into() } else { format!("{}.5", i * i % 53) }),
        [(
            WarningCode::Outlier,
            "column \"z\": values more than 1000 times as far from the median as values usually are: 1 \
             (the first on line 42: \"-1e6\"): they dominate the loss; correct them, or name them in --missing"
                .into()
        )]
    );
    // So far that it cannot be meant: a model takes it for missing too.
    let csv =
        rows_with(60, "z", |i| if i == 40 { "-1e30".into() } else { format!("{}.5", i * i % 53) });
    let Prepared { dataset, targets, warnings, .. } = prepared(&csv, &["z"], "c").unwrap();
    assert_eq!(
        warnings[0].message,
        "column \"z\": values more than 1000000 times as far from the median as values usually are: 1 (the first on line \
         42: \"-1e30\"): counted as missing"
    );
    assert_eq!((dataset.presence(0).count(0..60), warnings.len()), (59, 2));
    assert_eq!(targets.read(&table(&csv)).unwrap().present[0], *dataset.presence(0));
    // So small that their squares are 0.
    let tiny = |i: usize| format!("{}e-200", i * i % 53);
    let targets = prepared(&rows_with(60, "z", tiny), &["z"], "c").unwrap().targets;
    let std = targets.tasks()[0].regression()[0].std;
    assert!(std > 1e-200 && std < 53e-200, "{std}");
}

#[test]
fn an_input_is_not_called_as_a_prediction_will_be() {
    for name in ["y_pred", "c_pred", "c_p_1"] {
        let csv = rows_with(60, name, |i| format!("{}.5", i * i % 53));
        assert_eq!(
            error(&csv, &["y"], "c"),
            format!(
                "t.csv: the input {name:?} has the name that a prediction will have: rename it, or leave it out with --drop if it \
                 holds predictions"
            )
        );
    }
    assert!(
        prepared(&rows_with(60, "c_p_2", |i| format!("{}.5", i * i % 53)), &["y"], "c").is_ok()
    );
}

#[test]
fn a_column_without_numbers_cannot_be_read_as_numbers() {
    let rules = ColumnRules { kinds: vec![("x".into(), AskedKind::Number)], ..Default::default() };
    let csv: String = (0..30).map(|i| format!("{},{}\n", i % 7, ["a", "NA", "c"][i % 3])).collect();
    let table = table(&format!("y,x\n{csv}")).with_rules(rules);
    let columns = TargetColumns::new().regress(["y"]);
    let error =
        prepare::<f64>(&Executor::serial(), &table, &columns, Fractions::default(), 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "t.csv: line 2: column \"x\" holds \"a\": it is no number, and no cell of the column is: ask for another kind"
    );
}

#[test]
fn numbers_in_two_formats_are_refused_unless_a_kind_is_asked_for() {
    let cells =
        |i: usize| if i.is_multiple_of(3) { format!("\"{i},25\"") } else { format!("{i}.25") };
    let csv: String = (0..30).map(|i| format!("{},{}\n", i % 7, cells(i))).collect();
    let prepared = |kind: Option<AskedKind>, decimal: Option<Mark>| {
        let kinds = kind.map(|kind| ("x".to_owned(), kind)).into_iter().collect();
        let rules = ColumnRules { kinds, decimal, ..Default::default() };
        let table = table(&format!("y,x\n{csv}")).with_rules(rules);
        let columns = TargetColumns::new().regress(["y"]);
        let exec = Executor::serial();
        prepare::<f64>(&exec, &table, &columns, Fractions::default(), 1).map_err(|e| e.to_string())
    };
    assert_eq!(
        prepared(None, None).unwrap_err(),
        "t.csv: line 2: column \"x\" holds \"0,25\": it is a number in another format than most of the column (decimal point), as \
         are 10 of 30 cells: write all of them alike, or read the column with --as 'x=category', or those of one format \
         with --as 'x=number'"
    );
    assert!(prepared(Some(AskedKind::Category), None).is_ok());
    // What cannot be read is said.
    for (kind, decimal) in [(Some(AskedKind::Number), None), (None, Some(Mark::Point))] {
        let warnings = prepared(kind, decimal).unwrap().warnings;
        assert!(warnings.iter().any(|w| w.code == WarningCode::Unreadable), "{warnings:?}");
    }
}

#[test]
fn a_class_of_more_labels_than_outputs_may_be_is_refused() {
    let csv = |n: usize| {
        let rows = (0..3 * n).map(|i| format!("{}.5,l{}\n", i % 7, i % n));
        "x,c\n".to_owned() + &rows.collect::<String>()
    };
    let columns = TargetColumns::new().classify("c");
    let refused = prepare::<f64>(
        &Executor::serial(),
        &table(&csv(10_001)),
        &columns,
        Fractions::default(),
        1,
    );
    assert_eq!(
        refused.unwrap_err().to_string(),
        "t.csv: column \"c\" has 10001 classes in 30003 rows, more than the 10000 that a network can tell apart: group them"
    );
}
