//! Weights that predict: of one network, of each task's best epoch, of an ensemble.

/// The parameters and running statistics of a network after some epoch, and the tasks that are
/// predicted with them.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot<T> {
    /// The tasks by their number.
    pub tasks: Vec<usize>,
    /// The parameters, in the order of [`Graph::params`](anabranch_graph::Graph::params).
    pub params: Vec<T>,
    /// The running statistics, in the order of [`Graph::state`](anabranch_graph::Graph::state).
    pub state: Vec<T>,
}

/// A trained network as it predicts: one snapshot, or one for each of several tasks; the networks
/// of an ensemble are its members.
#[derive(Clone, Debug, PartialEq)]
pub struct Member<T> {
    /// Each task is in one of them.
    pub snapshots: Vec<Snapshot<T>>,
}

impl<T> Member<T> {
    /// A network that predicts all of its `n_tasks` tasks with the same weights.
    pub fn new(n_tasks: usize, params: Vec<T>, state: Vec<T>) -> Self {
        Self { snapshots: vec![Snapshot { tasks: (0..n_tasks).collect(), params, state }] }
    }
}
