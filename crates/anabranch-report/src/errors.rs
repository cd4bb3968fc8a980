//! Where a model is wrong.

use anabranch_train::Predictions;

use crate::by_group::{ByGroup, by_group};
use crate::importance::Importance;
use crate::run::Run;
use crate::sample::encoded;
use crate::target::{Target, TargetKind, Truth};

/// Rows that are named as the worst.
const WORST: usize = 10;

/// Bins of a calibration curve.
const BINS: usize = 10;

/// Where the predictions of a column are wrong, on the rows that judge the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Errors {
    /// The column.
    pub target: Target,
    /// Rows that have it.
    pub n_rows: usize,
    /// The true and the predicted number of each row; none of a class.
    pub numbers: Vec<[f64; 2]>,
    /// For each true class, how many rows are predicted as each class; none of numbers.
    pub confusion: Vec<Vec<usize>>,
    /// Whether probabilities mean what they say; none of numbers.
    pub calibration: Vec<Bin>,
    /// The rows that are predicted worst, the worst first.
    pub worst: Vec<WorstRow>,
    /// What the model is worth by the values of other columns.
    pub by_group: Vec<ByGroup>,
}

/// Rows whose most probable class has about the same probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// How many.
    pub n_rows: usize,
    /// The mean probability of their predicted class.
    pub probability: f64,
    /// The share of them that are of this class.
    pub right: f64,
}

/// A row that is predicted badly.
#[derive(Clone, Debug, PartialEq)]
pub struct WorstRow {
    /// Its number in the data set.
    pub row: usize,
    /// What it holds.
    pub truth: String,
    /// What is predicted.
    pub predicted: String,
    /// How far the number is off, or the probability of the true class.
    pub by: f64,
}

/// Where the model is wrong, column by column.
pub(crate) fn errors(run: &Run<'_>, targets: &[Target], importance: &[Importance]) -> Vec<Errors> {
    let dataset = &run.prepared.dataset;
    let rows = run.judged().1;
    let predictions = run.model.predict_encoded(&encoded(&dataset.x, dataset.n_inputs, rows));
    let judged = run.model.judged(dataset, rows, run.model.targets());
    let of_target = |target: &Target| {
        let truths = target.truths(dataset, rows);
        Errors {
            n_rows: truths.len(),
            numbers: numbers(target, &truths, &predictions),
            confusion: confusion(target, &truths, &predictions),
            calibration: calibration(target, &truths, &predictions),
            worst: worst(target, &truths, &predictions, rows),
            by_group: by_group(run, target, &judged[target.task], importance),
            target: target.clone(),
        }
    };
    targets.iter().map(of_target).collect()
}

fn numbers(target: &Target, truths: &[(usize, Truth)], predictions: &Predictions) -> Vec<[f64; 2]> {
    let pairs = truths.iter().filter_map(|(place, truth)| match truth {
        Truth::Number(y) => Some([*y, target.number(predictions, *place)]),
        Truth::Class(_) => None,
    });
    pairs.collect()
}

fn confusion(
    target: &Target,
    truths: &[(usize, Truth)],
    predictions: &Predictions,
) -> Vec<Vec<usize>> {
    let TargetKind::Class(labels) = &target.kind else { return Vec::new() };
    let mut counts = vec![vec![0; labels.len()]; labels.len()];
    for (place, truth) in truths {
        if let Truth::Class(class) = truth {
            counts[*class][target.class(predictions, *place)] += 1;
        }
    }
    counts
}

fn calibration(target: &Target, truths: &[(usize, Truth)], predictions: &Predictions) -> Vec<Bin> {
    let mut bins = [[0.0; 3]; BINS];
    for (place, truth) in truths {
        if let Truth::Class(class) = truth {
            let predicted = target.class(predictions, *place);
            let probability = target.probability(predictions, *place, predicted);
            let bin = ((probability * BINS as f64) as usize).min(BINS - 1);
            let is_right = f64::from(u8::from(predicted == *class));
            for (sum, value) in bins[bin].iter_mut().zip([1.0, probability, is_right]) {
                *sum += value;
            }
        }
    }
    let bins = bins.into_iter().filter(|[n, ..]| *n > 0.0);
    let bins = bins.map(|[n, probability, right]| Bin {
        n_rows: n as usize,
        probability: probability / n,
        right: right / n,
    });
    bins.collect()
}

fn worst(
    target: &Target,
    truths: &[(usize, Truth)],
    predictions: &Predictions,
    rows: &[usize],
) -> Vec<WorstRow> {
    // Larger is worse.
    let badness = |(place, truth): &(usize, Truth)| match truth {
        Truth::Number(y) => (target.number(predictions, *place) - y).abs(),
        Truth::Class(class) => -target.probability(predictions, *place, *class),
    };
    let mut order: Vec<(f64, &(usize, Truth))> =
        truths.iter().map(|row| (badness(row), row)).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let row = |(badness, (place, truth)): (f64, &(usize, Truth))| {
        let number = |value: f64| crate::figures::figure(Some(value));
        let (truth, predicted, by) = match (truth, &target.kind) {
            (Truth::Class(class), TargetKind::Class(labels)) => {
                let predicted = target.class(predictions, *place);
                (labels[*class].clone(), labels[predicted].clone(), -badness)
            }
            (Truth::Number(y), _) => {
                let predicted = target.number(predictions, *place);
                (number(*y), number(predicted), predicted - y)
            }
            (Truth::Class(class), _) => (class.to_string(), String::new(), badness),
        };
        WorstRow { row: rows[*place], truth, predicted, by }
    };
    order.into_iter().take(WORST).map(row).collect()
}
