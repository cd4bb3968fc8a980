//! How much linear models should count, by the validation rows.
//!
//! Where these are few, the share that predicts them best is mostly chance. So all shares s of a
//! grid are averaged, each as much as the rows speak for it: the posterior mean of s (Hoeting et
//! al., *Bayesian Model Averaging*, 1999),
//!
//! ```text
//! share = Σ s·L(s)·exp(PRIOR·s) / Σ L(s)·exp(PRIOR·s)
//! ```
//!
//! with the likelihood L of the rows: Π p\[class\] of a class, and MSE(s)^(−n/2) of n numbers whose
//! errors are normal with an unknown variance. Before the rows speak, larger shares are the more
//! probable ones: rows that a network stopped by flatter it, and of few rows it is the linear model
//! that errs less.

use anabranch_data::Dataset;
use anabranch_graph::River;
use anabranch_layers::LossKind;
use anabranch_tensor::Scalar;

use crate::blend::Blend;
use crate::task_metrics::{JudgedColumn, JudgedTask};

/// The shares that are tried. The networks keep an eighth at least: they are what a model is told
/// to be.
const SHARES: [f64; 8] = [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875];

/// How much more probable the linear model alone is than the network alone, before the rows speak:
/// the logarithm.
const PRIOR: f64 = 3.0;

/// A share is a multiple of one over this: less is not worth a linear model in the file.
const STEPS: f64 = 20.0;

impl Blend {
    /// The shares that rows speak for which neither `networks` nor the linear models of `lines`
    /// have seen. `None` if these are 0 in all tasks, or there are no rows.
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
            if is_same { mean_share(networks, line) } else { 0.0 }
        });
        let shares: Vec<f64> = shares.collect();
        shares.iter().any(|share| *share > 0.0).then_some(shares)
    }
}

/// The posterior mean of the share; 0 without rows or without a linear model.
fn mean_share(networks: &JudgedTask, line: &JudgedTask) -> f64 {
    if line.n_judged() == 0 {
        return 0.0;
    }
    let log_posterior = |share| PRIOR * share + log_likelihood(networks, line, share);
    let posterior = SHARES.map(|share| (share, log_posterior(share)));
    let most = posterior.iter().map(|(_, log)| *log).fold(f64::NEG_INFINITY, f64::max);
    let (mut sum, mut weights) = (0.0, 0.0);
    for (share, log) in posterior {
        let weight = Scalar::exp(log - most);
        sum += share * weight;
        weights += weight;
    }
    // Not a number if no likelihood is finite: then nothing speaks for a linear model.
    let share = (sum / weights * STEPS).round() / STEPS;
    if share.is_finite() { share } else { 0.0 }
}

/// The logarithm of the likelihood of the rows, up to a constant. Both judge the same rows.
fn log_likelihood(networks: &JudgedTask, line: &JudgedTask, share: f64) -> f64 {
    let mix = |network: f64, line: f64| (1.0 - share) * network + share * line;
    if let (Some(networks), Some(line)) = (networks.classes(), line.classes()) {
        let truths = networks.rows().zip(line.rows());
        let truths = truths.map(|((p, class), (q, _))| mix(p[class], q[class]));
        return truths.map(|truth| Scalar::ln(truth.max(f64::MIN_POSITIVE))).sum();
    }
    let columns = networks.columns().into_iter().zip(line.columns());
    let of_column = |(networks, line): (JudgedColumn<'_>, JudgedColumn<'_>)| {
        let std = networks.target.std;
        let pairs = networks.rows.into_iter().zip(line.rows);
        let errors: Vec<f64> = pairs
            .map(|(network, line)| (mix(network.predicted, line.predicted) - network.y) / std)
            .collect();
        let n = errors.len() as f64;
        let squares: f64 = errors.iter().map(|error| error * error).sum();
        -0.5 * n * Scalar::ln((squares / n).max(f64::MIN_POSITIVE))
    };
    columns.map(of_column).sum()
}
