//! Evaluation: predictions for rows, and their scores.

use anabranch_data::{Dataset, Targets};
use anabranch_graph::{Graph, GraphError, Mode, RowWeights, Workspace};
use anabranch_layers::LossGradient;
use anabranch_tensor::parallel::Part;
use anabranch_tensor::{Buffer, Executor, Scalar, matrix_mut};

use crate::rows::Rows;
use crate::task_metrics::JudgedTask;

/// Rows that are predicted together: enough for the multiplications to run at full speed, few
/// enough for their activations to stay in the cache.
pub(crate) const CHUNK_ROWS: usize = 256;

/// Runs in a lane.
const ALONE: Executor = Executor::serial();

/// Runs a network over rows in evaluation mode, each thread on its own rows.
#[derive(Debug)]
pub(crate) struct Evaluator<T> {
    /// One for each thread.
    lanes: Vec<Lane<T>>,
}

/// What one thread needs for a chunk of rows, and its results for them.
#[derive(Debug)]
struct Lane<T> {
    workspace: Workspace<T>,
    rows: Rows<T>,
    /// The loss of each row, task by task.
    row_losses: Vec<Buffer<T>>,
    /// Room for the derivatives of the widest head, which nobody reads.
    d: Buffer<T>,
}

/// What is evaluated, on which rows.
pub(crate) struct Source<'a, T> {
    pub(crate) graph: &'a Graph<T>,
    pub(crate) params: &'a [T],
    pub(crate) state: &'a [T],
    pub(crate) dataset: &'a Dataset<T>,
    /// How much its rows count in the loss of each task.
    pub(crate) row_weights: &'a [RowWeights<T>],
    pub(crate) row_idx: &'a [usize],
}

impl<T: Scalar> Evaluator<T> {
    pub(crate) fn new(
        graph: &Graph<T>,
        exec: &Executor,
        dataset: &Dataset<T>,
    ) -> Result<Self, GraphError> {
        let widest = graph.heads().iter().map(|head| head.outputs()).max().unwrap_or(0);
        let lane = |_| {
            Ok(Lane {
                workspace: Workspace::new(graph, &ALONE, CHUNK_ROWS, Mode::Inference)?,
                rows: Rows::new(dataset, CHUNK_ROWS),
                row_losses: graph.heads().iter().map(|_| Buffer::zeros(CHUNK_ROWS)).collect(),
                d: Buffer::zeros(CHUNK_ROWS * widest),
            })
        };
        Ok(Self { lanes: (0..exec.threads()).map(lane).collect::<Result<_, _>>()? })
    }

    /// What is predicted for the rows of `source`, and what is true, task by task; `targets` say
    /// what the numbers mean.
    pub(crate) fn judged(
        &mut self,
        exec: &Executor,
        source: &Source<'_, T>,
        targets: &Targets,
    ) -> Vec<JudgedTask> {
        let columns = targets.tasks().iter().map(|target| target.regression());
        let columns = columns.chain(std::iter::repeat(&[][..]));
        let heads = source.graph.heads().iter().zip(columns);
        let mut judged: Vec<JudgedTask> =
            heads.map(|(head, columns)| JudgedTask::of_head(head, columns)).collect();
        self.predict(
            exec,
            source,
            |_| {},
            |lane| {
                let rows = lane.rows.targets().zip(lane.rows.present());
                let tasks = source.graph.heads().iter().zip(rows).zip(&mut judged);
                for ((head, (target, present)), judged) in tasks {
                    let prediction = lane.workspace.prediction(head);
                    judged.add(prediction, target, &[], |row| present.has(row));
                }
            },
        );
        judged
    }

    /// The weighted loss of each task: means over the rows of `source`, by the rows' weights; 0
    /// where no row has a weight.
    pub(crate) fn losses(&mut self, exec: &Executor, source: &Source<'_, T>) -> Vec<f64> {
        let mut losses = vec![0.0; source.graph.heads().len()];
        self.predict(
            exec,
            source,
            |lane| lane.take_losses(source.graph),
            |lane| {
                let of_tasks = lane.row_losses.iter().zip(lane.rows.row_weights());
                for (loss, (of_rows, weights)) in losses.iter_mut().zip(of_tasks) {
                    *loss += weights.weighted_sum(&of_rows[..lane.rows.n_rows()]);
                }
            },
        );
        let Source { row_idx, row_weights, .. } = *source;
        let heads = source.graph.heads().iter().zip(row_weights);
        for (loss, (head, weights)) in losses.iter_mut().zip(heads) {
            let total = weights.total(row_idx.len(), Some(row_idx));
            *loss *= if total > 0.0 { head.weight() / total } else { 0.0 };
        }
        losses
    }

    /// Predicts the rows of `source`: `work` runs on each thread with the rows that it has
    /// predicted; `read` gets them in their order, however many threads there are.
    fn predict(
        &mut self,
        exec: &Executor,
        source: &Source<'_, T>,
        work: impl Fn(&mut Lane<T>) + Sync,
        mut read: impl FnMut(&Lane<T>),
    ) {
        let Source { graph, params, state, dataset, row_weights, row_idx } = *source;
        let n_lanes = self.lanes.len();
        for row_idx in row_idx.chunks(n_lanes * CHUNK_ROWS) {
            let rows_per_lane = row_idx.len().div_ceil(n_lanes);
            let n_lanes = row_idx.len().div_ceil(rows_per_lane);
            let parts = [Part::Chunks(&mut self.lanes[..n_lanes], 1)];
            exec.for_each_large_chunk(row_idx.len(), rows_per_lane, parts, |rows, [lane]| {
                let lane = &mut lane[0];
                lane.rows.gather(dataset, row_weights, &row_idx[rows]);
                graph.infer(&ALONE, params, state, &mut lane.workspace, &[lane.rows.x()]);
                work(lane);
            });
            self.lanes[..n_lanes].iter().for_each(&mut read);
        }
    }
}

impl<T: Scalar> Lane<T> {
    /// The loss of each row, by the losses of training.
    fn take_losses(&mut self, graph: &Graph<T>) {
        let Self { workspace, rows, row_losses, d } = self;
        let n_rows = rows.n_rows();
        for ((head, target), row_losses) in graph.heads().iter().zip(rows.targets()).zip(row_losses)
        {
            let width = head.outputs();
            head.loss().gradient(LossGradient {
                exec: &ALONE,
                prediction: workspace.prediction(head),
                target,
                scale: T::ONE,
                d: matrix_mut(&mut d[..n_rows * width], n_rows, width),
                row_losses: &mut row_losses[..n_rows],
            });
        }
    }
}
