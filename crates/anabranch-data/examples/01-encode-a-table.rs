//! A CSV file becomes a data set: what is encoded how, and what is said about it.
//!
//! `cargo run -p anabranch-data --example 01-encode-a-table`

use anabranch_data::{
    Batches, Cell, Encoding, Fractions, Prepared, Table, TargetColumns, TaskValues, prepare,
};
use anabranch_tensor::Executor;
use anabranch_tensor::rows::gather_rows;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Semicolons, a missing number, a missing category, a row without targets, a column that says
    // nothing.
    let mut csv = String::from("carat;cut;lab;price;certified\n");
    for i in 0..60 {
        let carat = if i == 5 { "NA".into() } else { format!("{}", 0.2 + 0.05 * f64::from(i)) };
        let cut = ["Good", "Ideal", ""][i as usize % 3];
        let price = if i == 7 { String::new() } else { format!("{}", 300 + 90 * i) };
        let certified = if i == 7 { "" } else { ["no", "yes"][i as usize / 2 % 2] };
        csv += &format!("{carat};{cut};GIA;{price};{certified}\n");
    }
    let table = Table::from_reader("diamonds.csv", csv.as_bytes())?;

    let columns = TargetColumns::new().regress(["price"]).classify("certified");
    let Prepared { dataset, encoder, targets, rows_left_out, warnings, .. } =
        prepare::<f32>(&Executor::serial(), &table, &columns, Fractions::default(), 42)?;

    assert_eq!(rows_left_out, 1);
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "rows without a target: 1: left out (missing is \"price\" in 1, \"certified\" in 1)",
            "column \"lab\" has one value in all training rows: nothing to learn",
            "column \"carat\" GIVES THE TARGET \"price\" AWAY: alone, it says almost all of it: if it is known only together with \
             the target, leave it out with --drop",
        ]
    );

    // Categories are one-hot in text order; missing ones are a category of their own.
    let names = encoder.feature_names();
    assert_eq!(names[names.len() - 4..], ["cut=Good", "cut=Ideal", "cut is missing", "lab=GIA"]);
    assert!(matches!(encoder.input_columns()[0].encoding, Encoding::Numeric { .. }));

    // Prices are learned standardised, and given back in their units.
    let price = &targets.tasks()[0].regression()[0];
    let TaskValues::Numbers { values, .. } = &dataset.tasks[0] else { panic!("a regression") };
    assert!((price.unscale(f64::from(values[0])) - 300.0).abs() < 1e-3);

    // Training goes through shuffled batches: the rows of each epoch in an order of its own.
    let mut batches = Batches::new(dataset.split.train.clone(), 16, 42)?;
    let mut x = vec![0.0; batches.max_rows() * dataset.n_inputs];
    let mut seen = 0;
    for epoch in 0..3 {
        batches.start_epoch(epoch);
        for rows in batches.iter() {
            gather_rows(
                &dataset.x,
                dataset.n_inputs,
                rows,
                &mut x[..rows.len() * dataset.n_inputs],
            );
            seen += rows.len();
        }
    }
    assert_eq!(seen, 3 * dataset.split.train.len());

    // Later, one row: cells in the order of the input columns, no allocation.
    let mut row = vec![0.0f32; encoder.width()];
    let notes = encoder.encode_row(&[Cell::Number(0.9), "Ideal".into(), "GIA".into()], &mut row)?;
    assert_eq!((notes.unseen_categories, row[row.len() - 3]), (0, 1.0));
    Ok(())
}
