//! Linear models among the networks of an ensemble.

use std::path::Path;

use anabranch_data::{Dataset, Prepared, TaskValues};
use anabranch_graph::River;
use anabranch_layers::LossKind;
use anabranch_train::{Blend, LinearModels, Model, Validate, Validation};

use crate::calibration::{ensemble, noisy};
use crate::grapes;

/// The shares that are tried.
const SHARES: [f64; 8] = [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875];

/// The linear models that count, by the validation rows that all members share.
fn blend_of(model: &Model, linear: &LinearModels, data: &Dataset<f32>) -> Option<Blend> {
    Validation::new(model, data, Validate::Shared).unwrap().blend(model, linear).unwrap()
}

/// What the linear model of a task gives for a row: its weights, then its biases.
fn line(params: &[f32], x: &[f32], outputs: usize) -> Vec<f64> {
    let (w, b) = params.split_at(outputs * x.len());
    let dot = |row: &[f32]| row.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
    let dots = w.chunks(x.len()).map(dot);
    dots.zip(b).map(|(dot, b): (f64, _)| dot + f64::from(*b)).collect()
}

fn softmax(scores: &[f64]) -> Vec<f64> {
    let sum: f64 = scores.iter().map(|score| score.exp()).sum();
    scores.iter().map(|score| score.exp() / sum).collect()
}

/// The number and the probabilities of each row by the linear models of both tasks, whose numbers
/// follow each other.
fn by_lines(blend: &Blend, prepared: &Prepared<f32>) -> Vec<(f64, Vec<f64>)> {
    let (data, params) = (&prepared.dataset, &blend.snapshot().params);
    assert_eq!(blend.snapshot().tasks, [0, 1]);
    let (of_number, of_class) = params.split_at(data.n_inputs + 1);
    let target = &prepared.targets.tasks()[0].regression()[0];
    let of_row =
        |x: &[f32]| (target.predicted(line(of_number, x, 1)[0]), softmax(&line(of_class, x, 2)));
    data.x.chunks(data.n_inputs).map(of_row).collect()
}

/// The true number, in the column's units, and class of a row.
fn truth(prepared: &Prepared<f32>, row: usize) -> (f64, usize) {
    let [TaskValues::Numbers { values, .. }, TaskValues::Classes { class, .. }] =
        &prepared.dataset.tasks[..]
    else {
        panic!("a number and a class")
    };
    let target = &prepared.targets.tasks()[0].regression()[0];
    (target.predicted(f64::from(values[row])), class[row] as usize)
}

/// The number is a line and noise, and the networks have few rows to find that in: the lines count.
/// What is predicted is the stated mean, with the shares that the validation rows speak for.
#[test]
fn predictions_are_means_with_likely_shares() {
    // Many rows speak for one share, few for several.
    for n_rows in [16, 36, 200] {
        predicts_means(&noisy(n_rows));
    }
}

fn predicts_means(prepared: &Prepared<f32>) {
    let (model, data) = (ensemble(prepared), &prepared.dataset);
    let alone = model.predict_encoded(&data.x);
    let blend = blend_of(&model, &LinearModels::fit(data), data).unwrap();
    let lines = by_lines(&blend, prepared);
    // The lines of the training rows alone, by which the shares are chosen: those of a data set
    // that has some of these rows to validate.
    let mut first = data.clone();
    first.split.validation = first.split.train.split_off(data.split.train.len() / 2);
    let first = blend_of(&model, &LinearModels::fit(&first), &first).unwrap();
    let first = by_lines(&first, prepared);
    let mixed = |lines: &[(f64, Vec<f64>)], share: f64, row: usize| {
        let (network, (value, probabilities)) = (alone.row(row), &lines[row]);
        let value = (1.0 - share) * network.values(0)[0] + share * value;
        let mix = |(p, q): (&f32, &f64)| (1.0 - share) * f64::from(*p) + share * q;
        (value, network.probabilities(1).iter().zip(probabilities).map(mix).collect::<Vec<_>>())
    };
    // (squared error, log-loss), summed over the validation rows.
    let errors = |share: f64| {
        data.split.validation.iter().fold((0.0, 0.0), |(squares, losses), row| {
            let (value, probabilities) = mixed(&first, share, *row);
            let (y, class) = truth(prepared, *row);
            (squares + (value - y) * (value - y), losses - probabilities[class].ln())
        })
    };
    // Rows speak for a share by Π p[class], and by MSE^(−n/2) for numbers. Before they speak, the
    // linear model alone is e³ times as probable as the network alone.
    let n = data.split.validation.len() as f64;
    let posterior = SHARES.map(|share| {
        let ((squares, losses), prior) = (errors(share), (3.0 * share).exp());
        [prior * (squares / n).powf(-n / 2.0), prior * (-losses).exp()]
    });
    let shares = [0, 1].map(|task| {
        let weights = posterior.map(|of_share| of_share[task]);
        let sum: f64 = SHARES.iter().zip(weights).map(|(share, weight)| share * weight).sum();
        (sum / weights.iter().sum::<f64>() * 20.0).round() / 20.0
    });
    assert!(shares.iter().all(|share| *share > 0.0), "{shares:?}");
    assert_eq!(blend.shares(), shares);

    let model = model.with_blend(Some(blend)).unwrap();
    let predictions = model.predict_encoded(&data.x);
    for row in 0..data.n_rows {
        let (found, network) = (predictions.row(row), alone.row(row));
        let (value, probabilities) =
            (mixed(&lines, shares[0], row).0, mixed(&lines, shares[1], row).1);
        // What was averaged is rounded to f32 on the network's scale, on which it is near 1.
        assert!((found.values(0)[0] - value).abs() < 1e-5, "{row}: {found:?} {value}");
        for (p, expected) in found.probabilities(1).iter().zip(probabilities) {
            assert!((f64::from(*p) - expected).abs() < 1e-6, "{row}: {found:?} {expected}");
        }
        assert_eq!(found.deviations(0), network.deviations(0), "those of the networks");
    }
}

#[test]
fn a_model_file_holds_the_lines() {
    let prepared = noisy(200);
    let (model, data) = (ensemble(&prepared), &prepared.dataset);
    let blend = blend_of(&model, &LinearModels::fit(data), data);
    let model = model.with_blend(blend).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    model.save(file.path()).unwrap();
    let bytes = std::fs::read(file.path()).unwrap();
    let back = Model::from_bytes(Path::new("m"), &bytes).unwrap();
    assert_eq!(back.predict_encoded(&data.x), model.predict_encoded(&data.x));
    let [back, blend] = [&back, &model].map(|model| model.blend().unwrap());
    assert_eq!((back.shares(), back.snapshot()), (blend.shares(), blend.snapshot()));
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains(r#""format\":4"#) && text.contains(r#""b.linear.weight""#));
}

/// A median, say, is no mean: a line by least squares has no place in it.
#[test]
fn only_what_minimises_the_same_loss_counts() {
    let prepared = noisy(200);
    let (model, data) = (ensemble(&prepared), &prepared.dataset);
    let linear = LinearModels::fit(data);
    let other = |river: River, data| {
        let (encoder, targets) = (prepared.encoder.clone(), prepared.targets.clone());
        let model = Model::new(river, model.members().to_vec(), encoder, targets).unwrap();
        blend_of(&model, &linear, data).map(|blend| blend.shares().to_vec())
    };
    let mut river = model.river().clone();
    let shares = other(river.clone(), data).unwrap();
    river.branches[0].head.as_mut().unwrap().loss = LossKind::AbsoluteError;
    assert_eq!(other(river, data).unwrap(), [0.0, shares[1]]);
    let sample_weights = Some(vec![2.0; data.n_rows]);
    let weighted = Dataset { sample_weights, ..data.clone() };
    assert_eq!(other(model.river().clone(), &weighted), None);
    let mut none = data.clone();
    none.split.validation.clear();
    assert_eq!(other(model.river().clone(), &none), None);
}

#[test]
fn lines_of_another_model_are_refused() {
    let prepared = noisy(200);
    let (model, data) = (ensemble(&prepared), &prepared.dataset);
    let blend = blend_of(&model, &LinearModels::fit(data), data);
    let error = grapes::model().with_blend(blend).unwrap_err();
    assert_eq!(error.to_string(), "expected 3 inputs of linear models, got 1");
}
