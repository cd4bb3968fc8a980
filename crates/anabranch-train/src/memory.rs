//! How much memory a run takes, before it takes it.

use anabranch_data::{Dataset, TaskValues};
use anabranch_graph::{Graph, Mode, Workspace, WorkspaceSize};
use anabranch_optim::Optimizer;
use anabranch_tensor::{Executor, Scalar};

use crate::balance::TaskBalance;
use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::evaluate::CHUNK_ROWS;

/// The memory of a run in bytes, part by part; what does not grow with the data or the network is
/// left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunMemory {
    /// The encoded data set.
    pub data: f64,
    /// The networks that are trained at the same time: weights, gradients, moments, the best
    /// weights so far, and what steps and evaluations need.
    pub training: f64,
    /// The weights of all members, which the model keeps.
    pub members: f64,
    /// What the model takes besides, to predict and to be saved.
    pub model: f64,
}

impl RunMemory {
    /// The memory of a run that trains `n_members` networks as `graph` on `dataset`, by
    /// [`for_each_member`](crate::for_each_member) on the threads of `exec`.
    ///
    /// # Errors
    /// If the settings are out of range.
    pub fn of<T: Scalar>(
        graph: &Graph<T>,
        dataset: &Dataset<T>,
        config: &TrainConfig,
        exec: &Executor,
        n_members: usize,
    ) -> Result<Self, TrainError> {
        let of_elements = |n: f64| n * size_of::<T>() as f64;
        let (at_once, threads) = match n_members {
            1 => (1, exec.threads()),
            _ => (n_members.min(exec.threads()), 1),
        };
        // Sizes depend on the number of threads alone.
        let alone = Executor::serial();
        let of_member = if n_members == 1 { exec } else { &alone };
        let batch_rows = config.batch_size.min(dataset.split.train.len());
        let WorkspaceSize { bytes: step, shards } =
            Workspace::size(graph, of_member, batch_rows, Mode::Training);
        let evaluated = Workspace::size(graph, &alone, CHUNK_ROWS, Mode::Inference).bytes;

        let weights: Vec<f64> = graph.heads().iter().map(|head| head.weight()).collect();
        let n_watched = config.watch.groups(&weights).len();
        let n_tasks = graph.heads().len();
        let moments = Optimizer::<T>::new(config.optimizer, config.lr, 0, &[])?.n_moments();
        let task_gradients = if config.task_balance == TaskBalance::MinNorm { n_tasks } else { 0 };
        // Weights, the best ones, those that the epoch began with, and the last while the best are
        // in use, with running statistics.
        let kept = (graph.params_len() + graph.state_len()) as f64;
        let arrays = (1 + n_watched + 2) as f64 * kept
            + (2 * moments + shards + task_gradients) as f64 * graph.params_len() as f64;
        let row = row_bytes(dataset);
        let rows = (batch_rows + threads * CHUNK_ROWS) as f64 * row;
        // The order of an epoch, and the rows that it is drawn from.
        let order = (3 * dataset.n_rows * size_of::<usize>()) as f64;
        let of_training = of_elements(arrays) + step + threads as f64 * evaluated + rows + order;

        let data = dataset.n_rows as f64 * row;
        let members = of_elements((n_members * n_watched) as f64 * kept);
        // Its file is made in memory.
        let model = members + exec.threads() as f64 * (evaluated + CHUNK_ROWS as f64 * row);
        Ok(Self { data, training: at_once as f64 * of_training, members, model })
    }

    /// The most at one time.
    pub fn peak(&self) -> f64 {
        self.data + self.members + self.training.max(self.model)
    }
}

/// What a row of a data set takes.
fn row_bytes<T: Scalar>(dataset: &Dataset<T>) -> f64 {
    let of_task = |task: &TaskValues<T>| match task {
        TaskValues::Numbers { n_columns, .. } => n_columns * size_of::<T>(),
        TaskValues::Classes { .. } => size_of::<u32>(),
    };
    let targets: usize = dataset.tasks.iter().map(of_task).sum();
    (dataset.n_inputs * size_of::<T>() + targets) as f64
}
