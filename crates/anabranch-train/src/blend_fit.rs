//! How much linear models should count, by the validation rows.

use anabranch_data::Dataset;
use anabranch_graph::River;
use anabranch_layers::LossKind;
use anabranch_tensor::Scalar;

use crate::blend::Blend;
use crate::task_metrics::{JudgedColumn, JudgedTask};

/// The shares that are tried. The networks keep a quarter at least: they are what a model is told
/// to be.
const SHARES: [f64; 7] = [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75];

impl Blend {
    /// The shares with which rows are predicted best that neither `networks` nor the linear models
    /// of `lines` have seen: by mean squared error, or log-loss for a class. `None` if the networks
    /// alone are best in all tasks, or there are no rows.
    ///
    /// A task has a share only if its loss is what its linear model minimises: half the squared
    /// error, or the cross-entropy, of rows that count alike.
    pub(crate) fn shares_of(
        river: &River,
        dataset: &Dataset<f32>,
        networks: &[JudgedTask],
        lines: &[JudgedTask],
    ) -> Option<Vec<f64>> {
        let judged = networks.iter().zip(lines);
        let shares = river.tasks().zip(judged).map(|((_, head), (networks, line))| {
            let is_same = [LossKind::HalfSquaredError, LossKind::CROSS_ENTROPY]
                .contains(&head.loss)
                && dataset.sample_weights.is_none();
            if is_same { best_share(networks, line) } else { 0.0 }
        });
        let shares: Vec<f64> = shares.collect();
        shares.iter().any(|share| *share > 0.0).then_some(shares)
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
