//! Columns of more categories than a network has inputs for.

use anabranch_data::{
    Encoding, Executor, Fractions, Prepared, SplitBy, SplitRules, Table, TargetColumns,
    WarningCode, prepare, prepare_split,
};

/// Planes of carriers: a plane's number says which carrier it flies for, and how late it is.
fn flights(n_planes: usize, n_carriers: usize) -> Table {
    let mut csv = String::from("plane,miles,airport,delay,carrier\n");
    for i in 0..n_planes * 5 {
        let plane = i % n_planes;
        let (miles, airport) = (i * 7 % 501, i / 9 % 40);
        csv += &format!("N{plane},{miles},A{airport},{},C{}\n", plane % 40, plane % n_carriers);
    }
    Table::from_reader("flights", csv.as_bytes()).unwrap()
}

fn columns() -> TargetColumns {
    TargetColumns::new().regress(["delay"]).classify("carrier")
}

fn prepared(table: &Table) -> Prepared<f64> {
    prepare(&Executor::serial(), table, &columns(), Fractions::default(), 1).unwrap()
}

fn row(prepared: &Prepared<f64>, row: usize) -> &[f64] {
    let width = prepared.dataset.n_inputs;
    &prepared.dataset.x[row * width..(row + 1) * width]
}

#[test]
fn many_categories_stand_for_what_the_targets_were() {
    let table = flights(200, 3);
    let prepared = prepared(&table);
    let plane = &prepared.encoder.input_columns()[0];
    let Encoding::TargetStatistics { categories, statistics, .. } = &plane.encoding else {
        panic!("{plane:?}")
    };
    assert_eq!(categories.len(), 200);
    assert_eq!(statistics.names(), ["delay", "carrier=C0", "carrier=C1", "carrier=C2"]);
    let names = prepared.encoder.feature_names();
    assert_eq!(names[..2], ["plane by delay", "plane by carrier=C0"]);
    let about: Vec<_> = prepared.warnings.iter().map(|w| (w.code, w.column.as_deref())).collect();
    assert_eq!(about, [(WarningCode::TargetStatistics, Some("plane"))]);
    // A plane of a carrier has seen this one more often than all planes, and the others less.
    for (category, text) in categories.iter().enumerate() {
        let carrier = text[1..].parse::<usize>().unwrap() % 3;
        for (k, value) in statistics.row(Some(category))[1..].iter().enumerate() {
            let unseen = statistics.row(None)[k + 1];
            assert!((*value > unseen) == (k == carrier), "{text} {k}: {value}, {unseen}");
        }
    }
}

#[test]
fn only_rows_that_are_not_learned_from_are_encoded_as_later_ones() {
    let table = flights(200, 3);
    let prepared = prepared(&table);
    let rows: Vec<usize> = (0..prepared.dataset.n_rows).collect();
    let later = prepared.encoder.encode::<f64>(&Executor::serial(), &table, &rows).unwrap().x;
    let width = prepared.dataset.n_inputs;
    let is_as_later = |i: &usize| row(&prepared, *i) == &later[i * width..(i + 1) * width];
    let split = &prepared.dataset.split;
    assert!(split.test.iter().all(is_as_later));
    // Each learned row lacks at least its own target; the other columns are as later.
    for i in split.train.iter().chain(&split.validation) {
        assert!(!is_as_later(i), "{i}");
        assert_eq!(row(&prepared, *i)[4..], later[i * width + 4..(i + 1) * width]);
    }
}

/// With a group for each category, no row of another part is of the same one.
#[test]
fn a_group_is_not_told_its_own_targets() {
    let table = flights(200, 3);
    let csv_groups = SplitRules { by: SplitBy::Group("plane".into()), ..SplitRules::default() };
    let exec = Executor::serial();
    let grouped = prepare_split::<f64>(&exec, &table, &columns(), &csv_groups, None).unwrap();
    assert!(grouped.encoder.input_columns().iter().all(|column| column.name != "plane"));

    // A second name of each plane stays an input.
    let mut csv = String::from("plane,tail,miles,delay,carrier\n");
    for i in 0..1000 {
        let plane = i % 200;
        csv += &format!("N{plane},T{plane},{},{},C{}\n", i * 7 % 501, plane % 40, plane % 3);
    }
    let table = Table::from_reader("flights", csv.as_bytes()).unwrap();
    let prepared = prepare_split::<f64>(&exec, &table, &columns(), &csv_groups, None).unwrap();
    let Encoding::TargetStatistics { statistics, .. } =
        &prepared.encoder.input_columns()[0].encoding
    else {
        panic!()
    };
    let unseen: Vec<f64> = statistics.row(None).iter().map(|v| f64::from(*v)).collect();
    let split = &prepared.dataset.split;
    for i in split.train.iter().chain(&split.validation) {
        assert_eq!(row(&prepared, *i)[..4], unseen, "{i}");
    }
}

#[test]
fn columns_with_fewer_categories_or_more_classes_are_one_hot() {
    let few = prepared(&flights(128, 3));
    let many_classes = prepared(&flights(300, 128));
    for prepared in [few, many_classes] {
        let Encoding::Categorical { categories, .. } =
            &prepared.encoder.input_columns()[0].encoding
        else {
            panic!()
        };
        assert!(categories.len() <= 128);
    }
    let as_many_as_inputs = prepared(&flights(300, 127));
    let plane = &as_many_as_inputs.encoder.input_columns()[0];
    assert!(matches!(plane.encoding, Encoding::TargetStatistics { .. }));
}
