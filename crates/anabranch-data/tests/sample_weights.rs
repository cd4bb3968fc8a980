//! A column that says how much each row counts.

use anabranch_data::{DataError, Fractions, Prepared, Table, TargetColumns, prepare};
use anabranch_tensor::Executor;

/// 40 rows with the weights 0, 1, 2 and 3 by turns; `cell` takes the place of the one in row 7.
fn prepared(cell: &str, columns: &TargetColumns) -> Result<Prepared<f64>, DataError> {
    let row = |i: usize| {
        let weight = if i == 7 { cell.to_owned() } else { format!("{}", i % 4) };
        format!("{}.5,{weight},{}\n", i * 37 % 101, i * i)
    };
    let csv = "x,w,y\n".to_owned() + &(0..40).map(row).collect::<String>();
    let table = Table::from_reader("t.csv", csv.as_bytes()).unwrap();
    prepare(&Executor::serial(), &table, columns, Fractions::default(), 1)
}

fn columns() -> TargetColumns {
    TargetColumns::new().regress(["y"]).sample_weight("w")
}

#[test]
fn weights_are_relative_to_the_training_rows_and_no_input() {
    let Prepared { dataset, encoder, .. } = prepared("1.5", &columns()).unwrap();
    let inputs: Vec<&str> = encoder.input_columns().iter().map(|c| c.name.as_str()).collect();
    assert_eq!(inputs, ["x"]);
    let given = |row: usize| if row == 7 { 1.5 } else { (row % 4) as f64 };
    let train = &dataset.split.train;
    let mean = train.iter().map(|row| given(*row)).sum::<f64>() / train.len() as f64;
    let weights = dataset.sample_weights.as_ref().unwrap();
    assert!((0..40).all(|row| (weights[row] - given(row) / mean).abs() < 1e-15));
    assert!(dataset.check().is_ok());
}

#[test]
fn what_is_no_weight_is_refused() {
    let message = |cell: &str| prepared(cell, &columns()).unwrap_err().to_string();
    for cell in ["-1", "", "NA"] {
        assert_eq!(
            message(cell),
            format!(
                "t.csv: line 9: column \"w\" holds {cell:?}, which is no weight of a row: it needs numbers, at least 0"
            )
        );
    }
    let both = TargetColumns::new().regress(["w"]).sample_weight("w");
    assert_eq!(
        prepared("1", &both).unwrap_err().to_string(),
        "column \"w\" divides or weighs the rows, and cannot be predicted too"
    );
    let zeros = "x,w,y\n".to_owned()
        + &(0..40).map(|i| format!("{}.5,0,{i}\n", i * 37 % 101)).collect::<String>();
    let table = Table::from_reader("t.csv", zeros.as_bytes()).unwrap();
    let error = prepare::<f64>(&Executor::serial(), &table, &columns(), Fractions::default(), 1)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "column \"w\" gives all training rows the weight 0: nothing can be learned"
    );
}
