//! Evaluation: predictions for rows, and what they are worth.

use anabranch_data::{Dataset, RegressionTarget};
use anabranch_graph::{Graph, GraphError, Mode, NodeId, Workspace};
use anabranch_layers::{Loss, Target};
use anabranch_tensor::{
    ArrayView2, Executor, Part, Scalar, flat, gather_rows, matrix, matrix_mut, row_max,
};

use crate::metrics::{ClassSums, ClassificationMetrics, RegressionMetrics, RegressionSums};
use crate::rows::Rows;

/// Rows that are predicted together: enough for the multiplications to run at full speed, few enough for their
/// activations to stay in the cache.
pub(crate) const CHUNK_ROWS: usize = 256;

/// The metrics of both tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// One for each regression column.
    pub regression: Vec<RegressionMetrics>,
    /// The class column's.
    pub classification: ClassificationMetrics,
}

/// Sums over rows, of both tasks.
#[derive(Clone, Debug)]
pub(crate) struct Sums {
    regression: Vec<RegressionSums>,
    class: ClassSums,
}

impl Sums {
    pub(crate) fn new(n_outputs: usize, n_classes: usize) -> Self {
        Self {
            regression: vec![RegressionSums::default(); n_outputs],
            class: ClassSums::new(n_classes),
        }
    }

    /// Takes in rows: the true and the predicted standardised numbers, and the classes with what was predicted of them.
    pub(crate) fn add<T: Scalar>(
        &mut self,
        (y, y_a): (&[T], ArrayView2<'_, T>),
        class: &[u32],
        predicted: &Classes,
    ) {
        let n_outputs = y_a.ncols();
        for (y_a, y) in flat(y_a).chunks_exact(n_outputs).zip(y.chunks_exact(n_outputs)) {
            for ((sums, y_a), y) in self.regression.iter_mut().zip(y_a).zip(y) {
                sums.add(y.to_f64(), y_a.to_f64());
            }
        }
        let predicted = predicted.most_probable.iter().zip(&predicted.log_losses);
        for (class, (most_probable, log_loss)) in class.iter().zip(predicted) {
            self.class.add(*class as usize, *most_probable as usize, -log_loss);
        }
    }

    /// The losses of both tasks, without their weights.
    pub(crate) fn losses(&self) -> [f64; 2] {
        let a = self.regression.iter().map(RegressionSums::half_squared_error).sum();
        [a, self.class.log_loss()]
    }

    /// The metrics, in the units of `targets`.
    pub(crate) fn metrics(&self, targets: &[RegressionTarget]) -> Metrics {
        let of_column =
            |(sums, target): (&RegressionSums, &RegressionTarget)| sums.metrics(target.std);
        Metrics {
            regression: self.regression.iter().zip(targets).map(of_column).collect(),
            classification: self.class.metrics(),
        }
    }
}

/// What the scores of some rows, at most [`CHUNK_ROWS`], say of their classes.
#[derive(Clone, Debug)]
pub(crate) struct Classes {
    z: Vec<f64>,
    d: Vec<f64>,
    /// −log softmax(z)[class] of each row.
    log_losses: Vec<f64>,
    most_probable: Vec<u32>,
}

impl Classes {
    pub(crate) fn new(n_classes: usize) -> Self {
        let scores = || vec![0.0; CHUNK_ROWS * n_classes];
        let (log_losses, most_probable) = (vec![0.0; CHUNK_ROWS], vec![0; CHUNK_ROWS]);
        Self { z: scores(), d: scores(), log_losses, most_probable }
    }

    /// Compares the scores `z_b` with the true `class`, in f64.
    pub(crate) fn read<T: Scalar>(
        &mut self,
        exec: &Executor,
        z_b: ArrayView2<'_, T>,
        class: &[u32],
    ) {
        let (n_rows, n_classes) = z_b.dim();
        let len = n_rows * n_classes;
        for (z, z_b) in self.z.iter_mut().zip(flat(z_b)) {
            *z = z_b.to_f64();
        }
        // The loss of training, whose derivative nobody needs here.
        let loss = Loss::SoftmaxCrossEntropy { weight: 1.0 };
        let z = matrix(&self.z[..len], n_rows, n_classes);
        let d = matrix_mut(&mut self.d[..len], n_rows, n_classes);
        let log_losses = &mut self.log_losses[..n_rows];
        loss.gradient(exec, z, Target::Classes(class), n_rows, d, log_losses);
        for (most_probable, z_b) in self.most_probable.iter_mut().zip(flat(z_b).chunks(n_classes)) {
            *most_probable = argmax(z_b) as u32;
        }
    }
}

/// The first of the largest scores; 0 if all are NaN.
pub(crate) fn argmax<T: Scalar>(z: &[T]) -> usize {
    let max = row_max(z);
    z.iter().position(|z| *z == max).unwrap_or(0)
}

/// Runs a network over rows in evaluation mode, each thread over rows of its own.
#[derive(Debug)]
pub(crate) struct Evaluator<T> {
    /// One for each thread.
    lanes: Vec<Lane<T>>,
}

/// What one thread needs for a chunk of rows, and what it found out about them.
#[derive(Debug)]
struct Lane<T> {
    workspace: Workspace<T>,
    rows: Rows<T>,
    classes: Classes,
}

/// The two heads of a two-branch network.
pub(crate) fn head_nodes<T: Scalar>(graph: &Graph<T>) -> [NodeId; 2] {
    let mut heads = graph.heads().map(|(node, _)| node);
    match (heads.next(), heads.next()) {
        (Some(a), Some(b)) => [a, b],
        _ => unreachable!("a two-branch network has two heads"),
    }
}

impl<T: Scalar> Evaluator<T> {
    pub(crate) fn new(
        graph: &Graph<T>,
        exec: &Executor,
        dataset: &Dataset<T>,
    ) -> Result<Self, GraphError> {
        let lane = |_| {
            Ok(Lane {
                workspace: Workspace::new(graph, &ALONE, CHUNK_ROWS, Mode::Inference)?,
                rows: Rows::new(dataset, CHUNK_ROWS),
                classes: Classes::new(dataset.n_classes),
            })
        };
        Ok(Self { lanes: (0..exec.threads()).map(lane).collect::<Result<_, _>>()? })
    }

    /// Sums over the rows `row_idx` of `dataset`.
    pub(crate) fn sums(
        &mut self,
        graph: &Graph<T>,
        exec: &Executor,
        params: &[T],
        state: &[T],
        dataset: &Dataset<T>,
        row_idx: &[usize],
    ) -> Sums {
        let [head_a, head_b] = head_nodes(graph);
        let n_lanes = self.lanes.len();
        let mut sums = Sums::new(dataset.n_outputs, dataset.n_classes);
        for row_idx in row_idx.chunks(n_lanes * CHUNK_ROWS) {
            let rows_per_lane = row_idx.len().div_ceil(n_lanes);
            let n_lanes = row_idx.len().div_ceil(rows_per_lane);
            let parts = [Part::Chunks(&mut self.lanes[..n_lanes], 1)];
            exec.for_each_large_chunk(row_idx.len(), rows_per_lane, parts, |rows, [lane]| {
                let Lane { workspace, rows: batch, classes } = &mut lane[0];
                batch.gather(dataset, &row_idx[rows]);
                graph.infer(&ALONE, params, state, workspace, batch.x());
                classes.read(&ALONE, workspace.value(head_b), batch.class());
            });
            // In the order of the rows, however many threads there are.
            for Lane { workspace, rows, classes } in &self.lanes[..n_lanes] {
                sums.add((flat(rows.y()), workspace.value(head_a)), rows.class(), classes);
            }
        }
        sums
    }
}

/// Who works in a lane.
const ALONE: Executor = Executor::serial();

/// What the simplest predictions are worth on the test rows: the training mean for every number; for every class the
/// most frequent one of the training rows, with the training frequencies as probabilities.
pub fn baselines<T: Scalar>(dataset: &Dataset<T>, targets: &[RegressionTarget]) -> Metrics {
    let mut counts = vec![0.0f64; dataset.n_classes];
    for row in &dataset.split.train {
        counts[dataset.class[*row] as usize] += 1.0;
    }
    let majority = argmax(&counts);
    // A class that training lacks would have probability 0: each class counts one row more.
    let total = (dataset.split.train.len() + dataset.n_classes) as f64;
    let mut sums = Sums::new(dataset.n_outputs, dataset.n_classes);
    let mut y = vec![T::ZERO; dataset.n_outputs];
    for row in &dataset.split.test {
        gather_rows(&dataset.y, dataset.n_outputs, &[*row], &mut y);
        for (sums, y) in sums.regression.iter_mut().zip(&y) {
            // Targets are standardised on the training rows: their mean is 0.
            sums.add(y.to_f64(), 0.0);
        }
        let class = dataset.class[*row] as usize;
        sums.class.add(class, majority, ((counts[class] + 1.0) / total).ln());
    }
    sums.metrics(targets)
}
