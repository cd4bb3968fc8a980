//! A model file keeps the encoder: another program, another table, the same numbers.
//!
//! `cargo run -p anabranch-data --example 02-apply-a-stored-encoder`

use anabranch_data::{Encoder, Fractions, Table, TargetColumns, Targets, TaskValues, prepare};
use anabranch_tensor::Executor;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wine = Table::wine()?;
    let prepared = prepare::<f64>(
        &Executor::serial(),
        &wine,
        &TargetColumns::wine(),
        Fractions::default(),
        42,
    )?;
    let stored = serde_json::to_string(&(&prepared.encoder, &prepared.targets))?;

    // Elsewhere. What comes from a file is checked: a damaged one is an error, never a panic or
    // NaN.
    let (encoder, targets): (Encoder, Targets) = serde_json::from_str(&stored)?;
    assert_eq!(encoder, prepared.encoder);
    assert!(
        serde_json::from_str::<(Encoder, Targets)>(&stored.replace("\"std\":", "\"std\":-"))
            .is_err()
    );

    // To predict, no target columns are needed, and every row is kept. Order and extra columns do
    // not matter.
    let header = encoder.input_columns().iter().rev().map(|c| c.name.as_str());
    let header: Vec<&str> = header.chain(["cellar"]).collect();
    let csv = format!("{}\n{}\n{}\n", header.join(","), ["1"; 11].join(","), ["?"; 11].join(","));
    let table = Table::from_reader("new.csv", csv.as_bytes())?;
    let encoded = encoder.encode::<f64>(&Executor::serial(), &table, &[0, 1])?;
    assert_eq!(encoded.x.len(), 2 * encoder.width());
    // The second row holds no numbers: each of its cells is a median, and said so.
    assert_eq!(
        encoded.warnings[0].to_string(),
        "column \"fixed acidity\": missing values, of which training had none: 1 of 2 (the first on line 3: \"?\"): \
         replaced by the median"
    );
    assert_eq!(encoded.warnings.len(), 11);

    // To evaluate, they are: the rows that have all of them, numbers in their units, classes by
    // their labels.
    let judged = targets.read(&wine)?;
    assert_eq!((judged.rows.len(), judged.rows_left_out), (1599, 0));
    let [TaskValues::Numbers { values, .. }, TaskValues::Classes { class, .. }] = &judged.tasks[..]
    else {
        panic!("wine's two tasks");
    };
    assert_eq!((values[0], targets.tasks()[1].labels()[class[0] as usize].as_str()), (9.4, "5"));
    Ok(())
}
