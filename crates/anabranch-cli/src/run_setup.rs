//! All that a run begins with.

use anabranch::data::Prepared;
use anabranch::graph::{Graph, River};
use anabranch::train::{TrainConfig, Validate};
use clap::ValueEnum;

/// What counts among the networks of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Blending {
    /// A linear model of each task, as much as the validation rows speak for it.
    Linear,
    /// Nothing.
    None,
}

/// A run with its data.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) prepared: Prepared<f32>,
    pub(crate) river: River,
    pub(crate) graph: Graph<f32>,
    pub(crate) config: TrainConfig,
    /// Networks whose predictions are averaged.
    pub(crate) n_members: usize,
    /// Which rows they stop by.
    pub(crate) validate: Validate,
    pub(crate) blending: Blending,
    /// The coverage that its predictions state.
    pub(crate) coverage: Option<f64>,
}

impl Setup {
    /// How many rows have the targets of each task.
    pub(crate) fn rows_of_tasks(&self) -> Vec<usize> {
        let data = &self.prepared.dataset;
        (0..data.tasks.len()).map(|task| data.presence(task).count(0..data.n_rows)).collect()
    }
}
