//! Shapley values against their definition: the mean over all orders of the columns.

use anabranch_data::{Executor, TargetColumns};
use anabranch_report::{Explainer, shapley_values};
use anabranch_tensor::random::{Purpose, Random};
use serde_json::Value;

use crate::runs::Trained;

/// All orders of `n` columns.
fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(n - 1);
    let longer = |order: &Vec<usize>| {
        let places = 0..=order.len();
        let with = |place: usize| [&order[..place], &[n - 1], &order[place..]].concat();
        places.map(with).collect::<Vec<_>>()
    };
    shorter.iter().flat_map(longer).collect()
}

/// `fixtures/make_shapley.py` takes the same network, in double precision, through all 720 orders.
/// Both add up some hundred numbers around 1.
#[test]
fn values_of_a_small_network_are_pythons() {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/shapley.json")).unwrap();
    let numbers = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    };
    let rows = |key: &str| -> Vec<Vec<f64>> {
        fixture[key].as_array().unwrap().iter().map(numbers).collect()
    };
    let (w1, background) = (rows("w1"), rows("background"));
    let [b1, w2, x, expected] = ["b1", "w2", "x", "shapley"].map(|key| numbers(&fixture[key]));
    let network = |x: &[f64]| -> f64 {
        let z = w1.iter().map(|w| w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>());
        z.zip(&b1).zip(&w2).map(|((z, b), w)| w * (z + b).tanh()).sum()
    };
    let n = x.len();
    let value = |set: usize| {
        let with = |row: &Vec<f64>| -> Vec<f64> {
            (0..n).map(|i| if set >> i & 1 == 1 { x[i] } else { row[i] }).collect()
        };
        background.iter().map(|row| network(&with(row))).sum::<f64>() / background.len() as f64
    };
    let values: Vec<f64> = (0..1 << n).map(value).collect();
    let found = shapley_values(n, &values);
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() <= 1e-12, "{found} for {expected}");
    }
    let [base, prediction] = ["base", "prediction"].map(|key| fixture[key].as_f64().unwrap());
    assert!((base + found.iter().sum::<f64>() - prediction).abs() <= 1e-12);
}

fn table(columns: usize) -> String {
    let mut random = Random::new(3, Purpose::Sample, 0);
    let names: Vec<String> = (0..columns).map(|i| format!("x{i}")).collect();
    let mut csv = format!("{},y,c\n", names.join(","));
    for _ in 0..300 {
        let x: Vec<f64> = (0..columns).map(|_| random.normal()).collect();
        let cells: Vec<String> = x.iter().map(|x| format!("{x:.3}")).collect();
        csv += &format!(
            "{},{:.3},{}\n",
            cells.join(","),
            x[0] * x[1] - 4.0 * x[2],
            i32::from(x[0] > x[2])
        );
    }
    csv
}

/// A trained model of 4 columns through all 24 orders, by its own predictions: what is left is the
/// rounding of f64 in sums of numbers around 1.
#[test]
fn values_of_a_model_are_means_over_all_orders() {
    let columns = TargetColumns::new().regress(["y"]).classify("c");
    let trained = Trained::new(&table(4), &columns, 3, 2);
    let model = &trained.model;
    let width = model.encoder().width();
    assert_eq!(width, 4, "a number each");
    let x = &trained.prepared.dataset.x;
    let background = &x[..5 * width];
    let explainer = Explainer::new(model, background, 1);
    let explained = explainer.explain(&x[40 * width..43 * width], &Executor::serial());
    assert_eq!(explained.len(), 3);
    for (row, explained) in x[40 * width..].chunks(width).zip(&explained) {
        let own = model.predict_encoded(row);
        let class = own.row(0).class(1).unwrap();
        let values = |columns: &[usize]| -> [f64; 2] {
            let mut rows = background.to_vec();
            for other in rows.chunks_mut(width) {
                columns.iter().for_each(|column| other[*column] = row[*column]);
            }
            let predictions = model.predict_encoded(&rows);
            let of_rows = (0..5).map(|row| predictions.row(row));
            of_rows.fold([0.0; 2], |sum, row| {
                let probability = f64::from(row.probabilities(1)[class]);
                [sum[0] + row.values(0)[0] / 5.0, sum[1] + probability / 5.0]
            })
        };
        let mut expected = [[0.0; 4]; 2];
        for order in orders(4) {
            for place in 0..4 {
                let (before, with) = (values(&order[..place]), values(&order[..=place]));
                for target in 0..2 {
                    expected[target][order[place]] += (with[target] - before[target]) / 24.0;
                }
            }
        }
        let predicted = [own.row(0).values(0)[0], f64::from(own.row(0).probabilities(1)[class])];
        for target in 0..2 {
            for (found, expected) in explained[target].columns.iter().zip(expected[target]) {
                assert!((found - expected).abs() <= 1e-9, "{found} for {expected}");
            }
            let sum = explained[target].base + explained[target].columns.iter().sum::<f64>();
            assert!((sum - predicted[target]).abs() <= 1e-9);
        }
    }
}

/// Of many columns a sample of orders is taken: the sum is exact all the same, the order of the
/// columns by size is right where they differ, and threads change nothing.
#[test]
fn sampled_values_add_up_and_repeat() {
    let columns = TargetColumns::new().regress(["y"]).classify("c");
    let trained = Trained::new(&table(12), &columns, 20, 1);
    let width = trained.model.encoder().width();
    let x = &trained.prepared.dataset.x;
    let explainer = Explainer::new(&trained.model, x, 7);
    let rows = &x[..20 * width];
    let found = explainer.explain(rows, &Executor::serial());
    let predictions = trained.model.predict_encoded(rows);
    let mut sizes = vec![0.0; width];
    for (row, explained) in found.iter().enumerate() {
        let predicted = predictions.row(row).values(0)[0];
        let sum = explained[0].base + explained[0].columns.iter().sum::<f64>();
        assert!((sum - predicted).abs() <= 1e-9, "{sum} for {predicted}");
        sizes.iter_mut().zip(&explained[0].columns).for_each(|(size, value)| *size += value.abs());
    }
    // y is x0·x1 − 4·x2: no other column says as much.
    let largest = (0..width).max_by(|a, b| sizes[*a].total_cmp(&sizes[*b])).unwrap();
    assert_eq!(largest, 2, "{sizes:?}");
    assert_eq!(explainer.explain(rows, &Executor::new(3).unwrap()), found);
    assert_ne!(Explainer::new(&trained.model, x, 8).explain(rows, &Executor::serial()), found);
}
