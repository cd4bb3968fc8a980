//! Loads a model file, and predicts one row, a matrix and a table.

use anabranch_data::{Cell, Fractions, Table, TargetColumns, prepare};
use anabranch_graph::{Fusion, TwoBranch};
use anabranch_tensor::{Executor, matrix};
use anabranch_train::{Model, NoObserver, Predictions, TrainConfig, Trainer};

const INPUTS: [&str; 10] = [
    "fixed acidity",
    "volatile acidity",
    "citric acid",
    "residual sugar",
    "chlorides",
    "free sulfur dioxide",
    "total sulfur dioxide",
    "density",
    "pH",
    "sulphates",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("wine.safetensors");
    train().save(&path)?;

    // Three lines: a model, and what it says about one row.
    let model = Model::load(&path)?;
    let mut prediction = model.prediction();
    let first = [7.4, 0.7, 0.0, 1.9, 0.076, 11.0, 34.0, 0.9978, 3.51, 0.56];
    let fields: Vec<(&str, Cell<'_>)> = INPUTS.into_iter().zip(first.map(Cell::from)).collect();
    model.predict_row(&fields, &mut prediction)?;
    println!("alcohol {:.2}, quality {:?}", prediction.values(0)[0], model.label(1, &prediction));

    // Three lines: a model, and what it says about a matrix, one row for each sample.
    let model = Model::load(&path)?;
    let mut predictions = Predictions::default();
    model.predict_matrix(matrix(&[first, first].concat(), 2, 10), &mut predictions)?;
    assert_eq!([predictions.row(0), predictions.row(1)], [prediction.clone(), prediction.clone()]);

    // A whole table, and what was odd about it.
    let wine = Table::wine()?;
    let (all, warnings) = model.predict_table(&wine)?;
    assert_eq!((all.n_rows, warnings.len()), (1599, 0));
    assert_eq!(all.row(0), prediction);

    // Threads share a model.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut mine = model.prediction();
                model.predict_row(&fields, &mut mine).expect("the same row as above");
                assert_eq!(mine, prediction);
            });
        }
    });
    Ok(())
}

fn train() -> Model {
    let wine = Table::wine().expect("it is built in");
    let exec = Executor::serial();
    let prepared = prepare::<f32>(&exec, &wine, &TargetColumns::wine(), Fractions::default(), 1)
        .expect("wine has these columns");
    let data = &prepared.dataset;
    let river = TwoBranch::new(data.n_inputs, 16, 1, 16, 6).river();
    let graph = river.build(Fusion::Fused).expect("the sizes fit");
    let config = TrainConfig { epochs: 2, ..TrainConfig::default() };
    let mut trainer = Trainer::new(data, graph, &config, &exec).expect("the sizes fit");
    trainer.run(&mut NoObserver).expect("the loss stays finite");
    Model::from_trainer(&trainer, river, prepared.encoder, prepared.targets).expect("the parts fit")
}
