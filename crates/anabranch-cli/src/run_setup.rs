//! All that a run begins with.

use anabranch::data::Prepared;
use anabranch::graph::{Graph, River};
use anabranch::train::TrainConfig;

/// A run with its data.
#[derive(Debug)]
pub(crate) struct Setup<T> {
    pub(crate) prepared: Prepared<T>,
    pub(crate) river: River,
    pub(crate) graph: Graph<T>,
    pub(crate) config: TrainConfig,
    /// Networks whose predictions are averaged.
    pub(crate) n_members: usize,
}
