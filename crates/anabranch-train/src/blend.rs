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
//! Mathematical Statistics* 1961). The validation rows, which neither has seen, say how large s is.

use std::sync::Arc;

use anabranch_graph::{Branch, Fusion, Graph, River};

use crate::error::{TrainError, check_len};
use crate::linear::LinearModels;
use crate::snapshot::Snapshot;

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

    /// The same with the weights of these models.
    pub(crate) fn filled(mut self, linear: &LinearModels) -> Result<Self, TrainError> {
        let Self { river, graph, snapshot: Snapshot { tasks, params, .. }, .. } = &mut self;
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
        Ok(self)
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
