//! Other splits than by chance: by a column, by groups, by time, and a table of test rows.

use std::collections::HashSet;

use anabranch_data::{
    DataError, Prepared, SplitBy, SplitRules, Table, TargetColumns, TaskValues, WarningCode,
    prepare_split,
};
use anabranch_tensor::Executor;

fn table(csv: &str) -> Table {
    Table::from_reader("t.csv", csv.as_bytes()).unwrap()
}

/// 60 rows with a number, a class of two and what `cell` gives.
fn rows_with(header: &str, cell: impl Fn(usize) -> String) -> String {
    let row = |i: usize| format!("{}.5,{},{},{}\n", i * 7 % 31, 3 * i % 17, i % 2, cell(i));
    format!("x,y,c,{header}\n") + &(0..60).map(row).collect::<String>()
}

fn prepared(csv: &str, by: SplitBy, test: Option<&Table>) -> Result<Prepared<f64>, DataError> {
    let rules = SplitRules { by, ..SplitRules::default() };
    let columns = TargetColumns::new().regress(["y"]).classify("c");
    prepare_split(&Executor::serial(), &table(csv), &columns, &rules, test)
}

fn divided(
    header: &str,
    cell: impl Fn(usize) -> String,
    by: SplitBy,
) -> Result<Prepared<f64>, DataError> {
    prepared(&rows_with(header, cell), by, None)
}

#[test]
fn a_column_says_which_rows_are_for_what() {
    let word = |i: usize| ["train", " validation ", "test", "train"][i % 4].to_owned();
    let by = || SplitBy::Column("part".into());
    let Prepared { dataset, encoder, .. } = divided("part", word, by()).unwrap();
    assert_eq!((dataset.split.train.len(), &dataset.split.test[..3]), (30, &[2, 6, 10][..]));
    assert_eq!(dataset.split.validation[..3], [1, 5, 9]);
    assert_eq!(encoder.feature_names(), ["x"], "the column is not an input");
    let error = |cell: &dyn Fn(usize) -> String, column: &str| {
        divided("part", cell, SplitBy::Column(column.into())).unwrap_err().to_string()
    };
    assert_eq!(
        error(&|i| if i == 7 { "tset".into() } else { word(i) }, "part"),
        "t.csv: line 9: column \"part\" holds \"tset\", which is none of train, validation and test"
    );
    assert_eq!(
        error(&|_| "test".into(), "part"),
        "training rows: 0: at least 2 are needed to form a batch: add rows"
    );
    assert_eq!(
        error(&word, "c"),
        "column \"c\" divides or weighs the rows, and cannot be predicted too"
    );
}

#[test]
fn groups_are_in_one_part_and_no_input() {
    let group = |i: usize| format!("g{}", i % 12);
    let by = || SplitBy::Group("who".into());
    let Prepared { dataset, encoder, .. } = divided("who", group, by()).unwrap();
    let groups = |rows: &[usize]| rows.iter().map(|row| row % 12).collect::<HashSet<_>>();
    let [train, test] = [groups(&dataset.split.train), groups(&dataset.split.test)];
    assert!(train.is_disjoint(&test) && train.len() + test.len() == 11);
    assert_eq!((dataset.split.validation.len(), encoder.width()), (5, 1));
    assert_eq!(
        divided("who", |i| format!("g{}", i % 2), by()).unwrap_err().to_string(),
        "t.csv: column \"who\" has 2 different values, which cannot be divided into 3 parts: at least one for each is \
         needed"
    );
}

#[test]
fn the_last_dates_are_the_test() {
    let date = |i: usize| format!("{:02}.{:02}.2024", 1 + i * 7 % 15, 12 - i % 4);
    let by = || SplitBy::Time("day".into());
    let Prepared { dataset, encoder, .. } = divided("day", date, by()).unwrap();
    // Each of sixty days is there once, and every fourth row is of December.
    let test = &dataset.split.test;
    assert!(test.len() == 12 && test.iter().all(|row| row % 4 == 0), "{test:?}");
    assert!(encoder.width() > 1, "the date stays an input");
    assert_eq!(
        divided("day", |i| if i == 4 { "".into() } else { date(i) }, by()).unwrap_err().to_string(),
        "t.csv: line 6: column \"day\" holds \"\", which is not a date or number to order rows by"
    );
}

#[test]
fn test_rows_may_come_from_a_table_of_their_own() {
    let all = rows_with("z", |i| format!("{}.5", i * i % 53));
    // Other columns, in another order; one row lacks all targets.
    let csv = "c,note,z,y,x\n1,n,0.5,4,3\n,n,1.5,,1\n1,n,2.5,5,2\n";
    let test = Table::from_reader("test.csv", csv.as_bytes()).unwrap();
    let Prepared { dataset, rows_left_out, targets, .. } =
        prepared(&all, SplitBy::Class, Some(&test)).unwrap();
    dataset.check().unwrap();
    assert_eq!((dataset.n_rows, rows_left_out, &dataset.split.test[..]), (62, 1, &[60, 61][..]));
    assert_eq!((dataset.split.train.len(), dataset.split.validation.len()), (54, 6));
    let [TaskValues::Numbers { values, .. }, TaskValues::Classes { class, .. }] =
        &dataset.tasks[..]
    else {
        panic!("a regression and a class were asked for")
    };
    let target = &targets.tasks()[0].regression()[0];
    assert!((target.unscale(values[60]) - 4.0).abs() < 1e-12 && class[60..] == [1, 1]);
    let unknown = Table::from_reader("test.csv", "c,z,y,x\n7,0.5,,3\n".as_bytes()).unwrap();
    assert_eq!(
        prepared(&all, SplitBy::Class, Some(&unknown)).unwrap_err().to_string(),
        "test.csv: line 2: column \"c\" holds the class \"7\", which training never saw: expected one of \"0\", \"1\""
    );
}

#[test]
fn classes_without_a_row_to_train_on_are_said() {
    let csv = rows_with("when", |i| i.to_string()).replace(",1,59\n", ",2,59\n");
    let warnings = prepared(&csv, SplitBy::Time("when".into()), None).unwrap().warnings;
    let about = warnings.iter().find(|w| w.code == WarningCode::UntrainedClass).unwrap();
    assert_eq!(
        about.message,
        "column \"c\": classes for which the split leaves no training rows: 1 (the first is \"2\")"
    );
}

#[test]
fn rows_without_a_group_are_counted() {
    let cell = |i: usize| if i % 6 == 1 { "NA".to_owned() } else { format!("g{}", i / 4) };
    let Prepared { warnings, .. } = divided("who", cell, SplitBy::Group("who".into())).unwrap();
    let about = warnings.iter().find(|w| w.code == WarningCode::NoGroup).unwrap();
    assert_eq!((about.count, about.line, about.share), (Some(10), Some(3), Some(10.0 / 60.0)));
}
