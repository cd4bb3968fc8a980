//! Linear models beside scikit-learn's: `tests/fixtures/make_linear.py`.

use anabranch_data::{
    Dataset, Fractions, Presence, ScaleKind, Split, Table, TargetColumns, Targets, TaskValues,
    prepare,
};
use anabranch_tensor::Executor;
use anabranch_train::{LinearModels, TaskMetrics};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    match value.as_array() {
        Some(values) => values.iter().flat_map(numbers).collect(),
        None => vec![value.as_f64().unwrap()],
    }
}

/// The data set of the fixture.
fn dataset(case: &Value) -> Dataset<f64> {
    let class: Vec<u32> = numbers(&case["c"]).iter().map(|class| *class as u32).collect();
    let (n_rows, n_train) = (class.len(), case["n_train"].as_u64().unwrap() as usize);
    let (train, test) = ((0..n_train).collect(), (n_train..n_rows).collect());
    Dataset {
        x: numbers(&case["x"]),
        tasks: vec![
            TaskValues::Numbers { values: numbers(&case["y"]), n_columns: 2 },
            TaskValues::Classes { class, n_classes: 3 },
        ],
        present: Vec::new(),
        sample_weights: None,
        split: Split { train, validation: Vec::new(), test, ..Split::default() },
        n_rows,
        n_inputs: 4,
    }
}

/// Targets that leave numbers in the units of the data set.
fn plain_targets() -> Targets {
    let csv = "x,a,b,c\n".to_owned() + &"0.5,1.5,2.5,u\n1.5,2.5,0.5,v\n2.5,0.5,1.5,w\n".repeat(9);
    let table = Table::from_reader("t", csv.as_bytes()).unwrap();
    let none = ScaleKind::None;
    let columns = TargetColumns::new().regress(["a", "b"]).classify("c");
    let columns = columns.scale("a", none).scale("b", none);
    let fractions = Fractions::default();
    prepare::<f64>(&Executor::serial(), &table, &columns, fractions, 1).unwrap().targets.unbounded()
}

/// The scores of linear models on the test rows.
fn scores_of(data: &Dataset<f64>) -> Vec<TaskMetrics> {
    LinearModels::fit(data).metrics(data, &data.split.test, &plain_targets())
}

fn case() -> Value {
    serde_json::from_str(include_str!("../fixtures/linear.json")).unwrap()
}

fn near(found: &[Option<f64>], expected: &Value, tolerance: f64) {
    for (found, expected) in found.iter().zip(numbers(expected)) {
        let found = found.unwrap();
        assert!((found - expected).abs() <= tolerance * expected.abs(), "{found} {expected}");
    }
}

/// The closed form agrees to rounding. The logistic regression ends where no derivative of the mean
/// loss is above 1e-4, scikit-learn's of the fixture at its least value.
#[test]
fn linear_models_are_worth_what_scikit_learns_are() {
    let case = case();
    let scores = scores_of(&dataset(&case));
    let [TaskMetrics::Regression(columns), TaskMetrics::Classification(class)] = &scores[..] else {
        panic!("{scores:?}")
    };
    for (j, column) in columns.iter().enumerate() {
        near(&[column.rmse, column.mae, column.r2], &case["numbers"][j], 1e-11);
    }
    near(
        &[class.accuracy, class.macro_f1],
        &serde_json::json!([case["class"][0], case["class"][2]]),
        1e-12,
    );
    near(&[class.log_loss], &case["class"][1], 1e-4);
}

/// Rows without a target are no rows of the task, and what cannot be fitted has no score.
#[test]
fn rows_without_a_target_are_left_out() {
    let case = case();
    let mut data = dataset(&case);
    let whole = scores_of(&data);
    // Rows of nonsense, marked as missing.
    let (n_rows, mut has) = (data.n_rows, vec![true; data.n_rows]);
    if let TaskValues::Numbers { values, .. } = &mut data.tasks[0] {
        values.extend([1e6, -1e6]);
    }
    if let TaskValues::Classes { class, .. } = &mut data.tasks[1] {
        class.push(0);
    }
    data.x.extend([9.0; 4]);
    has.push(false);
    data.n_rows += 1;
    data.split.train.push(n_rows);
    data.split.test.push(n_rows);
    data.present = vec![Presence::Each(has.clone()), Presence::Each(has)];
    assert_eq!(scores_of(&data), whole);
    data.present = vec![Presence::Each(vec![false; n_rows + 1]); 2];
    let scores = scores_of(&data);
    assert!(scores[0].regression().iter().all(|column| column.rmse.is_none()));
    assert_eq!(scores[1].classification().unwrap().log_loss, None);
}
