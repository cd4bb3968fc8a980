//! Linear models that count among the networks of a model.
//!
//! Where rows are few and inputs many, a linear model is hard to beat, and its errors are not the
//! networks': the mean of both is often better than either. In each task, with the share s of the
//! linear model,
//!
//! ```text
//! prediction = (1 − s) · (mean of the networks) + s · (linear model)
//! ```
//!
//! of numbers in their units, and of probabilities (a linear opinion pool; Stone, *Annals of
//! Mathematical Statistics* 1961). The validation rows, which neither has seen, choose the share.

use std::sync::Arc;

use anabranch_data::Dataset;
use anabranch_graph::{Branch, Fusion, Graph, River};
use anabranch_layers::LossKind;
use anabranch_tensor::Scalar;

use crate::error::{TrainError, check_len};
use crate::linear::LinearModels;
use crate::model::Model;
use crate::snapshot::Snapshot;
use crate::task_metrics::{JudgedColumn, JudgedTask};

/// The shares that are tried. The networks keep a quarter at least: they are what a model is told
/// to be.
const SHARES: [f64; 7] = [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75];

/// The linear models of some tasks, as a network without hidden layers, and how much they count.
#[derive(Clone, Debug)]
pub struct Blend {
    /// One for each task of the model, below 1; 0 where there is no linear model.
    shares: Vec<f64>,
    river: River,
    graph: Arc<Graph<f32>>,
    snapshot: Snapshot<f32>,
}

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
        let mut blend = Self::unfilled(model.river(), model.graph(), shares)?;
        let Self { river, graph, snapshot: Snapshot { tasks, params, .. }, .. } = &mut blend;
        params.resize(graph.params_len(), 0.0);
        for ((_, head), task) in river.tasks().zip(tasks) {
            let Some(model) = linear.of_task(*task) else { continue };
            let weights = [("weight", model.w.as_slice()), ("bias", model.b.as_slice())];
            for (array, values) in weights {
                let values = values.unwrap_or_default();
                let array = graph.param(&format!("{}.{array}", head.layer.name));
                let range = array.map_or(0..0, |array| array.range.clone());
                check_len("weights of a linear model", range.len(), values.len())?;
                let to = params[range].iter_mut();
                to.zip(values).for_each(|(to, value)| *to = *value as f32);
            }
        }
        Ok(Some(blend))
    }

    /// Linear models, still without weights, of the tasks of a network that have a share.
    pub(crate) fn unfilled(
        river: &River,
        graph: &Graph<f32>,
        shares: Vec<f64>,
    ) -> Result<Self, TrainError> {
        check_len("shares of linear models", graph.heads().len(), shares.len())?;
        if let Some(value) = shares.iter().find(|share| !(0.0..1.0).contains(*share)) {
            let (name, expected) = ("the share of a linear model", "at least 0 and below 1");
            return Err(TrainError::Setting { name, expected, value: *value });
        }
        let tasks: Vec<usize> = (0..shares.len()).filter(|task| shares[*task] > 0.0).collect();
        let heads =
            river.tasks().zip(graph.heads()).zip(&shares).filter(|(_, share)| **share > 0.0);
        let branches = heads.map(|(((branch, head), built), _)| {
            let line = Branch::new(&*branch.name);
            line.head(built.outputs(), head.loss.clone(), head.weight)
        });
        let mut river = River::new(river.inputs, branches);
        // Their tensors lie beside those of the networks.
        for head in river.branches.iter_mut().filter_map(|branch| branch.head.as_mut()) {
            head.layer.name = head.layer.name.trim_end_matches("head").to_owned() + "linear";
        }
        let graph = Arc::new(river.build(Fusion::Fused)?);
        let snapshot = Snapshot { tasks, params: Vec::new(), state: Vec::new() };
        Ok(Self { shares, river, graph, snapshot })
    }

    /// How much the linear model of each task counts, from 0 on and below 1.
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// The linear models as a network without hidden layers, of the tasks that have a share.
    pub fn river(&self) -> &River {
        &self.river
    }

    /// The same, built.
    pub fn graph(&self) -> &Graph<f32> {
        &self.graph
    }

    /// Which tasks those are, and their weights.
    pub fn snapshot(&self) -> &Snapshot<f32> {
        &self.snapshot
    }

    pub(crate) fn snapshot_mut(&mut self) -> &mut Snapshot<f32> {
        &mut self.snapshot
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
