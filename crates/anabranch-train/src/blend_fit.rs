//! How much linear models should count, by the validation rows.

use anabranch_data::Dataset;
use anabranch_layers::LossKind;
use anabranch_tensor::Scalar;

use crate::blend::Blend;
use crate::error::TrainError;
use crate::linear::LinearModels;
use crate::model::Model;
use crate::task_metrics::{JudgedColumn, JudgedTask};

/// The shares that are tried. The networks keep a quarter at least: they are what a model is told
/// to be.
const SHARES: [f64; 7] = [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75];

impl Blend {
    /// Chooses the shares with which the model, not calibrated yet, and `linear` predict the
    /// validation rows best: by mean squared error, or log-loss for a class. `None` if the networks
    /// alone do in all tasks, or there are no validation rows.
    ///
    /// A task has a share only if its loss is what its linear model minimises: half the squared
    /// error, or the cross-entropy, of rows that count alike.
    ///
    /// # Errors
    /// If the linear models have other inputs or outputs than the model.
    ///
    /// # Panics
    /// If the data set has other inputs than the model.
    pub fn fit(
        model: &Model,
        linear: &LinearModels,
        dataset: &Dataset<f32>,
    ) -> Result<Option<Self>, TrainError> {
        let (rows, targets) = (&dataset.split.validation, model.targets());
        let networks = model.judged(dataset, rows, targets);
        let lines = linear.judged(dataset, rows, targets);
        let judged = networks.iter().zip(&lines);
        let shares = model.river().tasks().zip(judged).map(|((_, head), (networks, line))| {
            let is_same = [LossKind::HalfSquaredError, LossKind::CROSS_ENTROPY]
                .contains(&head.loss)
                && dataset.sample_weights.is_none();
            if is_same { best_share(networks, line) } else { 0.0 }
        });
        let shares: Vec<f64> = shares.collect();
        if shares.iter().all(|share| *share == 0.0) {
            return Ok(None);
        }
        Self::unfilled(model.river(), model.graph(), shares)?.filled(linear).map(Some)
    }
}

/// The share with which the mean error is least; the smallest of equals.
fn best_share(networks: &JudgedTask, line: &JudgedTask) -> f64 {
    let error = |share| mean_error(networks, line, share).unwrap_or(f64::INFINITY);
    let best = |best: (f64, f64), share| {
        let error = error(share);
        if error < best.1 { (share, error) } else { best }
    };
    SHARES.into_iter().fold((0.0, f64::INFINITY), best).0
}

/// The mean log-loss of a class, or the mean over rows of the squared errors of numbers, each by
/// the variance of its column. Both judge the same rows; `None` if there are none.
fn mean_error(networks: &JudgedTask, line: &JudgedTask, share: f64) -> Option<f64> {
    let mix = |network: f64, line: f64| (1.0 - share) * network + share * line;
    let losses: Vec<f64> = match (networks.classes(), line.classes()) {
        (Some(networks), Some(line)) => {
            let truths = networks.rows().zip(line.rows());
            let truths = truths.map(|((p, class), (q, _))| mix(p[class], q[class]));
            truths.map(|truth| -Scalar::ln(truth.max(f64::MIN_POSITIVE))).collect()
        }
        _ => {
            let columns = networks.columns().into_iter().zip(line.columns());
            let of_column = |(networks, line): (JudgedColumn<'_>, JudgedColumn<'_>)| {
                let std = networks.target.std;
                let pairs = networks.rows.into_iter().zip(line.rows);
                pairs.map(move |(network, line)| {
                    let error = (mix(network.predicted, line.predicted) - network.y) / std;
                    error * error
                })
            };
            columns.flat_map(of_column).collect()
        }
    };
    (!losses.is_empty()).then(|| losses.iter().sum::<f64>() / losses.len() as f64)
}
