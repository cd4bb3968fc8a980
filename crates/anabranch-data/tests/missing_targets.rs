//! Rows that lack some of their targets.

use anabranch_data::{
    Fold, Fractions, Prepared, Presence, SplitBy, SplitRules, Table, TargetColumns, TaskValues,
    Warning, WarningCode, prepare, prepare_split,
};
use anabranch_tensor::Executor;

const ROWS: usize = 120;

/// Row i has the number i² unless i is a multiple of 4, and one of two classes where i is below 40.
fn csv() -> String {
    let row = |i: usize| {
        let y = if i.is_multiple_of(4) { String::new() } else { format!("{}", i * i) };
        let class = if i < 40 { ["no", "yes"][usize::from(i.is_multiple_of(3))] } else { "NA" };
        format!("{}.5,{y},{class}\n", i * 37 % 101)
    };
    "x,y,c\n".to_owned() + &(0..ROWS).map(row).collect::<String>()
}

fn table(csv: &str) -> Table {
    Table::from_reader("t.csv", csv.as_bytes()).unwrap()
}

fn columns() -> TargetColumns {
    TargetColumns::new().regress(["y"]).classify("c")
}

fn prepared(csv: &str) -> Prepared<f64> {
    prepare(&Executor::serial(), &table(csv), &columns(), Fractions::default(), 1).unwrap()
}

/// Rows 40, 44, … have neither target; all others have one at least.
#[test]
fn a_row_is_left_out_if_it_lacks_all_targets() {
    let Prepared { dataset, rows, rows_left_out, warnings, .. } = prepared(&csv());
    let kept: Vec<usize> = (0..ROWS).filter(|i| *i < 40 || !i.is_multiple_of(4)).collect();
    assert_eq!((&rows, rows_left_out, dataset.n_rows), (&kept, 20, 100));
    assert!(dataset.check().is_ok());
    let has = |has: fn(&usize) -> bool| Presence::Each(kept.iter().map(has).collect());
    assert_eq!(dataset.present, [has(|i| !i.is_multiple_of(4)), has(|i| *i < 40)]);
    let said = warnings.iter().map(|w| (w.code, w.count, w.message.as_str()));
    assert_eq!(
        said.take(3).collect::<Vec<_>>(),
        [
            (
                WarningCode::RowsWithoutTarget,
                Some(20),
                "rows without a target: 20: left out (missing is \"y\" in 30, \"c\" in 80)"
            ),
            (
                WarningCode::MissingTarget,
                Some(10),
                "column \"y\": rows without it: 10 of 100: it is learned from the others"
            ),
            (
                WarningCode::MissingTarget,
                Some(60),
                "column \"c\": rows without it: 60 of 100: it is learned from the others"
            ),
        ]
    );
}

/// Scales and counts are those of the training rows that have the target; what stands for a
/// missing number is 0.
#[test]
fn statistics_are_of_the_rows_that_have_the_target() {
    let Prepared { dataset, rows, targets, .. } = prepared(&csv());
    let trained: Vec<usize> = dataset.split.train.iter().map(|row| rows[*row]).collect();
    let y: Vec<f64> =
        trained.iter().filter(|i| !i.is_multiple_of(4)).map(|i| (i * i) as f64).collect();
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    let target = &targets.tasks()[0].regression()[0];
    assert!((target.mean - mean).abs() < 1e-9 * mean, "{}", target.mean);
    let [TaskValues::Numbers { values, .. }, TaskValues::Classes { .. }] = &dataset.tasks[..]
    else {
        panic!("a number and a class were asked for");
    };
    for (row, i) in rows.iter().enumerate() {
        let expected = if i.is_multiple_of(4) { 0.0 } else { target.standardise((i * i) as f64) };
        assert_eq!(values[row], expected);
    }
    let of_class = |yes| trained.iter().filter(|i| **i < 40 && (*i % 3 == 0) == yes).count();
    match &targets.tasks()[1] {
        anabranch_data::TaskTarget::Classification(class) => {
            assert_eq!(class.rows, [of_class(false), of_class(true)]);
        }
        target => panic!("{target:?}"),
    }
}

/// Every part has its share of each class, and of the rows without one.
#[test]
fn rows_without_a_class_are_split_as_one_more() {
    let count = |rows: &[usize], places: &[usize]| {
        let i: Vec<usize> = places.iter().map(|place| rows[*place]).collect();
        let labelled = i.iter().filter(|i| **i < 40).count();
        [labelled, i.len() - labelled]
    };
    let Prepared { dataset, rows, .. } = prepared(&csv());
    let split = &dataset.split;
    assert_eq!(count(&rows, &split.test), [8, 12]);
    assert_eq!(count(&rows, &split.validation), [4, 6]);
    let mut n_tests = vec![0; 100];
    for index in 0..4 {
        let by = SplitBy::Fold(Fold { index, of: 4, group: None });
        let rules = SplitRules { by, ..SplitRules::default() };
        let fold =
            prepare_split::<f64>(&Executor::serial(), &table(&csv()), &columns(), &rules, None)
                .unwrap();
        assert_eq!(count(&fold.rows, &fold.dataset.split.test), [10, 15]);
        fold.dataset.split.test.iter().for_each(|row| n_tests[*row] += 1);
    }
    assert_eq!(n_tests, [1; 100]);
    // Fewer than there are parts: they train, and are no rare class.
    let few = csv().replace(",NA\n", ",no\n") + "1.5,7,NA\n";
    let Prepared { dataset, warnings, .. } = prepared(&few);
    assert!(dataset.split.train.contains(&(dataset.n_rows - 1)));
    assert!(dataset.split.rare_classes.is_empty(), "{warnings:?}");
}

#[test]
fn a_task_that_no_training_row_has_is_refused_and_other_parts_are_named() {
    let rules = SplitRules { by: SplitBy::Column("part".into()), ..SplitRules::default() };
    let prepared = |part: fn(usize) -> &'static str| {
        let lines: String = (csv().lines().enumerate())
            .map(|(i, line)| {
                let part = if i == 0 { "part" } else { part(i - 1) };
                format!("{line},{part}\n")
            })
            .collect();
        prepare_split::<f64>(&Executor::serial(), &table(&lines), &columns(), &rules, None)
    };
    let last_train = |i| ["test", "validation", "train"][if i < 40 { i % 2 } else { 2 }];
    assert_eq!(
        prepared(last_train).unwrap_err().to_string(),
        "t.csv: no training row has a value in \"c\": fill some in, or divide the rows in another way"
    );
    let first_train = |i| ["train", "validation", "test"][if i < 40 { 0 } else { 1 + i % 2 }];
    let warnings = prepared(first_train).unwrap().warnings;
    let about = |w: &&Warning| w.column.as_deref() == Some("c");
    let message = &warnings.iter().find(about).unwrap().message;
    let end = "learned from the others; no validation row has it; no test row has it";
    assert!(message.ends_with(end), "{message}");
}

/// Of a task of several columns, only rows that have all of them count.
#[test]
fn a_task_has_a_row_that_has_all_its_columns() {
    let csv = csv().replace("x,y,c\n", "x,c,y,z\n").replace("\n", ",7\n").replace("z,7", "z");
    let csv = csv.replace("NA,7", "5,").replace("no,", "3,").replace("yes,", "4,");
    let columns = TargetColumns::new().regress(["y", "z"]).regress(["c"]);
    let fractions = Fractions::default();
    let Prepared { dataset, warnings, .. } =
        prepare::<f64>(&Executor::serial(), &table(&csv), &columns, fractions, 1).unwrap();
    // z is missing where the class was, c where the number was.
    assert_eq!((dataset.presence(0).count(0..100), dataset.presence(1).count(0..100)), (40, 90));
    let message = &warnings[1].message;
    assert_eq!(
        message,
        "columns \"y,z\": rows without all of them: 60 of 100 (missing is \"z\" in 80): it is learned from the others"
    );
}

#[test]
fn numbers_far_from_all_others_are_named_by_their_line() {
    let replace = |cell: &str| {
        let line = |(i, line): (usize, &str)| match i {
            51 => format!("1.5,{cell},NA\n"),
            _ => format!("{line}\n"),
        };
        prepared(&csv().lines().enumerate().map(line).collect::<String>()).warnings
    };
    let lines = |warnings: Vec<Warning>| {
        let far = warnings.into_iter().filter(|w| w.code == WarningCode::Outlier);
        far.map(|w| (w.line, w.text)).collect::<Vec<_>>()
    };
    for cell in ["1e9", "1e30"] {
        assert_eq!(lines(replace(cell)), [(Some(52), Some(cell.to_owned()))]);
    }
}

#[test]
fn test_rows_of_another_table_may_lack_targets_too() {
    let rules = SplitRules::default();
    let test = table("x,y,c\n1.5,2,\n2.5,,no\n3.5,,\n4.5,3,yes\n");
    let (exec, train) = (Executor::serial(), table(&csv()));
    let Prepared { dataset, rows_left_out, .. } =
        prepare_split::<f64>(&exec, &train, &columns(), &rules, Some(&test)).unwrap();
    assert_eq!((rows_left_out, &dataset.split.test[..]), (21, &[100, 101, 102][..]));
    let has = |task: usize| [100, 101, 102].map(|row| dataset.presence(task).has(row));
    assert_eq!([has(0), has(1)], [[true, false, true], [false, true, true]]);
    assert!(dataset.check().is_ok());
}
