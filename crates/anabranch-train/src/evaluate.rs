//! Evaluation: predictions for rows, and what they are worth.

use anabranch_data::{Dataset, RegressionTarget, gather_rows};
use anabranch_graph::{Graph, GraphError, Mode, NodeId, Workspace};
use anabranch_tensor::{ArrayView2, Buffer, Executor, Scalar, flat, matrix, row_max};

use crate::metrics::{ClassSums, ClassificationMetrics, RegressionMetrics, RegressionSums};

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
    pub(crate) regression: Vec<RegressionSums>,
    pub(crate) class: ClassSums,
}

impl Sums {
    pub(crate) fn new(n_outputs: usize, n_classes: usize) -> Self {
        Self {
            regression: vec![RegressionSums::default(); n_outputs],
            class: ClassSums::new(n_classes),
        }
    }

    /// Takes in predicted rows: the standardised numbers `y_a`, the scores `z_b`, and the true `y` and `class`.
    pub(crate) fn add<T: Scalar>(
        &mut self,
        y_a: ArrayView2<'_, T>,
        z_b: ArrayView2<'_, T>,
        y: &[T],
        class: &[u32],
    ) {
        let (n_outputs, n_classes) = (y_a.ncols(), z_b.ncols());
        for (y_a, y) in flat(y_a).chunks_exact(n_outputs).zip(y.chunks_exact(n_outputs)) {
            for ((sums, y_a), y) in self.regression.iter_mut().zip(y_a).zip(y) {
                sums.add(y.to_f64(), y_a.to_f64());
            }
        }
        for (z, class) in flat(z_b).chunks_exact(n_classes).zip(class) {
            let class = *class as usize;
            self.class.add(class, argmax(z), log_softmax(z, class));
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

/// The first of the largest scores; 0 if all are NaN.
pub(crate) fn argmax<T: Scalar>(z: &[T]) -> usize {
    let max = row_max(z);
    z.iter().position(|z| *z == max).unwrap_or(0)
}

/// log softmax(z)[class], in `f64`.
fn log_softmax<T: Scalar>(z: &[T], class: usize) -> f64 {
    let max = row_max(z).to_f64();
    let sum: f64 = z.iter().map(|z| Scalar::exp(z.to_f64() - max)).sum();
    z[class].to_f64() - max - sum.ln()
}

/// Runs a network over rows in evaluation mode, with memory of its own.
#[derive(Debug)]
pub(crate) struct Evaluator<T> {
    workspace: Workspace<T>,
    x: Buffer<T>,
    y: Buffer<T>,
    class: Vec<u32>,
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
        Ok(Self {
            workspace: Workspace::new(graph, exec, CHUNK_ROWS, Mode::Inference)?,
            x: Buffer::zeros(CHUNK_ROWS * dataset.n_inputs),
            y: Buffer::zeros(CHUNK_ROWS * dataset.n_outputs),
            class: vec![0; CHUNK_ROWS],
        })
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
        let mut sums = Sums::new(dataset.n_outputs, dataset.n_classes);
        for row_idx in row_idx.chunks(CHUNK_ROWS) {
            let n_rows = row_idx.len();
            let x = &mut self.x[..n_rows * dataset.n_inputs];
            let y = &mut self.y[..n_rows * dataset.n_outputs];
            let class = &mut self.class[..n_rows];
            dataset.gather(row_idx, x, y, class);
            let x = matrix(x, n_rows, dataset.n_inputs);
            graph.infer(exec, params, state, &mut self.workspace, x);
            let (y_a, z_b) = (self.workspace.value(head_a), self.workspace.value(head_b));
            sums.add(y_a, z_b, y, class);
        }
        sums
    }
}

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
