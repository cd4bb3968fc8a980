//! Prediction: the same numbers by row, by matrix and by table, from any thread.

use anabranch_data::{Cell, Fractions, Table, TargetColumns, prepare};
use anabranch_graph::{Fusion, TwoBranch};
use anabranch_tensor::{Executor, matrix};
use anabranch_train::{Member, Model, NoObserver, Predictions, Snapshot, TrainConfig, Trainer};
use serde::Serialize;

use crate::grapes::{ensemble, model, table};

#[derive(Serialize)]
struct Grape<'a> {
    colour: &'a str,
    sugar: f64,
}

#[test]
fn a_row_is_predicted_as_in_its_table() {
    let model = model();
    let grapes = table(300);
    let (all, warnings) = model.predict_table(&grapes).unwrap();
    assert_eq!((all.n_rows, warnings.len()), (300, 0));
    let mut prediction = model.prediction();
    // On both sides of the rows that are predicted together.
    for i in [0, 1, 255, 256, 299] {
        let sugar = Cell::Text(grapes.cell(i, 0));
        let fields =
            [("unknown", Cell::Missing), ("colour", grapes.cell(i, 1).into()), ("sugar", sugar)];
        model.predict_row(&fields, &mut prediction).unwrap();
        assert_eq!(prediction, all.row(i), "row {i}");
        // The columns in the model's order, and as a struct in any.
        model.predict_cells(&[sugar, grapes.cell(i, 1).into()], &mut prediction).unwrap();
        assert_eq!(prediction, all.row(i), "row {i}");
        let grape = Grape { colour: grapes.cell(i, 1), sugar: grapes.cell(i, 0).parse().unwrap() };
        model.predict_record(&grape, &mut prediction).unwrap();
        assert_eq!(prediction, all.row(i), "row {i}");
        let sum: f32 = prediction.probabilities(1).iter().sum();
        assert!((sum - 1.0).abs() < 1e-6);
    }
    assert_eq!(model.targets().tasks()[1].labels(), ["sour", "sweet"]);
    assert_eq!((model.label(0, &prediction), prediction.values(1)), (None, &[][..]));
    assert!(["sour", "sweet"].contains(&model.label(1, &prediction).unwrap()));
    assert!(model.predict_row(&[("sugar", 1.0.into())], &mut prediction).is_err());
}

/// A model of numbers alone.
fn of_numbers() -> (Model, Table) {
    let wine = Table::wine().unwrap();
    let exec = Executor::serial();
    let prepared =
        prepare::<f32>(&exec, &wine, &TargetColumns::wine(), Fractions::default(), 1).unwrap();
    let data = &prepared.dataset;
    let river = TwoBranch::new(data.n_inputs, 8, 1, 8, 6).river();
    let config = TrainConfig { epochs: 1, ..TrainConfig::default() };
    let mut trainer =
        Trainer::new(data, river.build(Fusion::Fused).unwrap(), &config, &exec).unwrap();
    trainer.run(&mut NoObserver).unwrap();
    let model = Model::from_trainer(&trainer, river, prepared.encoder, prepared.targets).unwrap();
    (model, wine)
}

#[test]
fn a_matrix_is_predicted_as_its_table() {
    let (model, wine) = of_numbers();
    let (all, _) = model.predict_table(&wine).unwrap();
    let cells: Vec<f64> = (0..1599)
        .flat_map(|i| wine.row(i).take(10).map(|cell| cell.parse().unwrap()).collect::<Vec<_>>())
        .collect();
    let mut predictions = Predictions::default();
    model.predict_matrix(matrix(&cells, 1599, 10), &mut predictions).unwrap();
    assert_eq!(predictions, all);
    // Fewer rows into the same buffers.
    model.predict_matrix(matrix(&cells[..20], 2, 10), &mut predictions).unwrap();
    assert_eq!((predictions.n_rows, predictions.row(1)), (2, all.row(1)));
    // Columns in memory one after the other: the same matrix.
    let columns: Vec<f64> = (0..20).map(|i| cells[(i % 2) * 10 + i / 2]).collect();
    let mut transposed = Predictions::default();
    model.predict_matrix(matrix(&columns, 10, 2).reversed_axes(), &mut transposed).unwrap();
    assert_eq!(transposed, predictions);
    let error = model.predict_matrix(matrix(&cells[..18], 2, 9), &mut predictions).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a row of 9 cells: expected 10, one for each input column in order"
    );
}

#[test]
fn threads_share_a_model() {
    fn shared<T: Send + Sync>(value: T) -> T {
        value
    }
    let (model, wine) = of_numbers();
    let model = shared(model);
    let (expected, _) = model.predict_table(&wine).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(model.predict_table(&wine).unwrap().0 == expected));
        }
    });
    let model = model.with_executor(Executor::new(3).unwrap()).unwrap();
    assert!(model.predict_table(&wine).unwrap().0 == expected);
}

#[test]
fn evaluation_judges_the_predictions() {
    let model = model();
    let grapes = table(300);
    let (all, _) = model.predict_table(&grapes).unwrap();
    let evaluation = model.evaluate(&grapes).unwrap();
    assert_eq!((evaluation.rows, evaluation.rows_left_out), (300, 0));
    let mean_square = |column: usize, cell: usize| {
        let error =
            |i: usize| all.row(i).values(0)[column] - grapes.cell(i, cell).parse::<f64>().unwrap();
        (0..300).map(|i| error(i).powi(2)).sum::<f64>() / 300.0
    };
    for (column, cell) in [(0, 2), (1, 3)] {
        let rmse = evaluation.metrics[0].regression()[column].rmse.unwrap();
        // Targets are compared in single precision.
        assert!((rmse / mean_square(column, cell).sqrt() - 1.0).abs() < 1e-6);
    }
    let is_hit = |i: &usize| model.label(1, &all.row(*i)) == Some(grapes.cell(*i, 4));
    let hits = (0..300).filter(is_hit).count();
    assert_eq!(evaluation.metrics[1].classification().unwrap().accuracy, Some(hits as f64 / 300.0));
}

/// Means and deviations of an ensemble, from what each of its networks predicts as a model of its
/// own.
#[test]
fn an_ensemble_predicts_the_mean_of_its_members() {
    let ensemble = ensemble();
    let alone = |member: usize, snapshot: usize| {
        let Snapshot { params, state, .. } = &ensemble.members()[member].snapshots[snapshot];
        let members = vec![Member::new(2, params.clone(), state.clone())];
        let (encoder, targets) = (ensemble.encoder().clone(), ensemble.targets().clone());
        let model = Model::new(ensemble.river().clone(), members, encoder, targets).unwrap();
        model.predict_table(&table(40)).unwrap().0
    };
    let (first, [numbers, classes]) = (alone(0, 0), [alone(1, 0), alone(1, 1)]);
    let (together, _) = ensemble.predict_table(&table(40)).unwrap();
    // Two values are |a − b|/√2 apart from their mean, with n − 1 = 1.
    let spread = |a: f64, b: f64| (a - b).abs() / f64::sqrt(2.0);
    let near = |value: f64, expected: f64| {
        // Outputs are rounded to f32.
        assert!((value - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{value} {expected}");
    };
    let mut row_alone = ensemble.prediction();
    for row in 0..40 {
        let prediction = together.row(row);
        let (first, numbers, classes) = (first.row(row), numbers.row(row), classes.row(row));
        for column in 0..2 {
            let [a, b] = [first.values(0)[column], numbers.values(0)[column]];
            near(prediction.values(0)[column], (a + b) / 2.0);
            near(prediction.deviations(0)[column], spread(a, b));
            let [a, b] = [&first, &classes].map(|p| f64::from(p.probabilities(1)[column]));
            near(f64::from(prediction.probabilities(1)[column]), (a + b) / 2.0);
            near(prediction.deviations(1)[column], spread(a, b));
        }
        let [sour, sweet] = prediction.probabilities(1) else { panic!("two classes") };
        assert_eq!(prediction.class(1), Some(usize::from(sweet > sour)));
        // One row by itself says the same.
        let (sugar, red) = ((row * 11) % 23, row % 2 == 1);
        let colour = if red { "red" } else { "white" };
        let fields = [("sugar", (sugar as f64).into()), ("colour", colour.into())];
        ensemble.predict_row(&fields, &mut row_alone).unwrap();
        assert_eq!(row_alone, prediction);
    }
    assert!(first.row(0).deviations(0).is_empty());
}

#[test]
fn members_that_do_not_fit_are_refused() {
    let ensemble = ensemble();
    let message = |members: Vec<Member<f32>>| {
        let (encoder, targets) = (ensemble.encoder().clone(), ensemble.targets().clone());
        let river = ensemble.river().clone();
        Model::new(river, members, encoder, targets).unwrap_err().to_string()
    };
    assert_eq!(message(vec![]), "expected 1 members at least, got 0");
    let mut members = ensemble.members().to_vec();
    members[1].snapshots[1].tasks = vec![0];
    let expected = "expected a member to predict each of 2 tasks once, got the tasks [0, 0]";
    assert_eq!(message(members.clone()), expected);
    members[1].snapshots[1].params.pop();
    assert!(message(members).contains("parameters, got"));
}
