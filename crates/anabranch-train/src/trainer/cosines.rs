//! The cosines of the tasks' gradients: whether they pull shared layers in the same direction.

use anabranch_graph::{Batch, Graph, Workspace};
use anabranch_tensor::{Executor, Scalar};

use super::task_gradients::TaskGradients;

/// Batches from one look at the gradients to the next.
const EVERY: usize = 8;

/// Looks at the gradients of tasks, and changes none.
#[derive(Debug)]
pub(super) struct Cosines<T> {
    of_tasks: TaskGradients<T>,
    n_tasks: usize,
}

impl<T: Scalar> Cosines<T> {
    pub(super) fn new(graph: &Graph<T>) -> Self {
        Self { of_tasks: TaskGradients::new(graph), n_tasks: graph.heads().len() }
    }

    /// Whether to look at this batch of an epoch.
    pub(super) fn is_due(batch: usize) -> bool {
        batch.is_multiple_of(EVERY)
    }

    /// How many pairs of tasks there are.
    pub(super) fn n_pairs(&self) -> usize {
        self.n_tasks * self.n_tasks.saturating_sub(1) / 2
    }

    /// Adds the cosine of each pair of tasks (0 and 1, 0 and 2, 1 and 2 …) on a batch that has been
    /// passed forward. Of a task without a gradient it is 0.
    pub(super) fn add(
        &mut self,
        graph: &Graph<T>,
        exec: &Executor,
        params: &[T],
        workspace: &mut Workspace<T>,
        batch: Batch<'_, '_, T>,
        sums: &mut [f64],
    ) {
        self.of_tasks.compute(graph, exec, params, None, workspace, batch);
        let pairs = (1..self.n_tasks).flat_map(|j| (0..j).map(move |i| (i, j)));
        for (sum, (i, j)) in sums.iter_mut().zip(pairs) {
            let squares = self.of_tasks.dot(exec, i, i) * self.of_tasks.dot(exec, j, j);
            if squares > 0.0 {
                *sum += self.of_tasks.dot(exec, i, j) / squares.sqrt();
            }
        }
    }
}
