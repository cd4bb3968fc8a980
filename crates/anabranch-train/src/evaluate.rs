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

    /// Takes in rows: the true and the predicted standardised numbers, and the classes with their scores and losses.
    pub(crate) fn add<T: Scalar>(
        &mut self,
        (y, y_a): (&[T], ArrayView2<'_, T>),
        (class, z_b): (&[u32], ArrayView2<'_, T>),
        log_losses: &[f64],
    ) {
        let n_outputs = y_a.ncols();
        for (y_a, y) in flat(y_a).chunks_exact(n_outputs).zip(y.chunks_exact(n_outputs)) {
            for ((sums, y_a), y) in self.regression.iter_mut().zip(y_a).zip(y) {
                sums.add(y.to_f64(), y_a.to_f64());
            }
        }
        let scores = flat(z_b).chunks_exact(z_b.ncols());
        for ((class, z_b), log_loss) in class.iter().zip(scores).zip(log_losses) {
            self.class.add(*class as usize, argmax(z_b), -log_loss);
        }
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

/// −log softmax(z)\[class\] of some rows, at most [`CHUNK_ROWS`], in f64.
#[derive(Clone, Debug)]
pub(crate) struct LogLosses {
    z: Vec<f64>,
    d: Vec<f64>,
    of_rows: Vec<f64>,
}

impl LogLosses {
    pub(crate) fn new(n_classes: usize) -> Self {
        let scores = || vec![0.0; CHUNK_ROWS * n_classes];
        Self { z: scores(), d: scores(), of_rows: vec![0.0; CHUNK_ROWS] }
    }

    /// Compares the scores `z_b` with the true `class`.
    pub(crate) fn read<T: Scalar>(
        &mut self,
        exec: &Executor,
        z_b: ArrayView2<'_, T>,
        class: &[u32],
    ) -> &[f64] {
        let (n_rows, n_classes) = z_b.dim();
        let len = n_rows * n_classes;
        for (z, z_b) in self.z.iter_mut().zip(flat(z_b)) {
            *z = z_b.to_f64();
        }
        // The loss of training, whose derivative nobody needs here.
        let loss = Loss::SoftmaxCrossEntropy { weight: 1.0 };
        let z = matrix(&self.z[..len], n_rows, n_classes);
        let d = matrix_mut(&mut self.d[..len], n_rows, n_classes);
        let of_rows = &mut self.of_rows[..n_rows];
        loss.gradient(exec, z, Target::Classes(class), n_rows, d, of_rows);
        of_rows
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
    log_losses: LogLosses,
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
                log_losses: LogLosses::new(dataset.n_classes),
            })
        };
        Ok(Self { lanes: (0..exec.threads()).map(lane).collect::<Result<_, _>>()? })
    }

    /// Sums over the rows of `source`.
    pub(crate) fn sums(&mut self, exec: &Executor, source: &Source<'_, T>) -> Sums {
        let [head_a, head_b] = head_nodes(source.graph);
        let mut sums = Sums::new(source.dataset.n_outputs, source.dataset.n_classes);
        self.predict(exec, source, |Lane { workspace, rows, log_losses }| {
            let numbers = (flat(rows.y()), workspace.value(head_a));
            sums.add(numbers, (rows.class(), workspace.value(head_b)), &log_losses.of_rows);
        });
        sums
    }

    /// The losses of both tasks, without their weights: means over the rows of `source`.
    pub(crate) fn losses(&mut self, exec: &Executor, source: &Source<'_, T>) -> [f64; 2] {
        let [head_a, _] = head_nodes(source.graph);
        let (mut squared_errors, mut log_losses) = (0.0, 0.0);
        self.predict(exec, source, |lane| {
            let y_a = flat(lane.workspace.value(head_a));
            for (y_a, y) in y_a.iter().zip(flat(lane.rows.y())) {
                let error = y_a.to_f64() - y.to_f64();
                squared_errors += error * error;
            }
            for log_loss in &lane.log_losses.of_rows[..lane.rows.class().len()] {
                log_losses += log_loss;
            }
        });
        let n_rows = source.row_idx.len() as f64;
        [0.5 * squared_errors / n_rows, log_losses / n_rows]
    }

    /// Predicts the rows of `source`; `read` gets them in their order, however many threads there are.
    fn predict(&mut self, exec: &Executor, source: &Source<'_, T>, mut read: impl FnMut(&Lane<T>)) {
        let Source { graph, params, state, dataset, row_idx } = *source;
        let [_, head_b] = head_nodes(graph);
        let n_lanes = self.lanes.len();
        for row_idx in row_idx.chunks(n_lanes * CHUNK_ROWS) {
            let rows_per_lane = row_idx.len().div_ceil(n_lanes);
            let n_lanes = row_idx.len().div_ceil(rows_per_lane);
            let parts = [Part::Chunks(&mut self.lanes[..n_lanes], 1)];
            exec.for_each_large_chunk(row_idx.len(), rows_per_lane, parts, |rows, [lane]| {
                let Lane { workspace, rows: batch, log_losses } = &mut lane[0];
                batch.gather(dataset, &row_idx[rows]);
                graph.infer(&ALONE, params, state, workspace, batch.x());
                log_losses.read(&ALONE, workspace.value(head_b), batch.class());
            });
            self.lanes[..n_lanes].iter().for_each(&mut read);
        }
    }
}

/// What is evaluated, on which rows.
pub(crate) struct Source<'a, T> {
    pub(crate) graph: &'a Graph<T>,
    pub(crate) params: &'a [T],
    pub(crate) state: &'a [T],
    pub(crate) dataset: &'a Dataset<T>,
    pub(crate) row_idx: &'a [usize],
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
        sums.class.add(class, majority, Scalar::ln((counts[class] + 1.0) / total));
    }
    sums.metrics(targets)
}

#[cfg(test)]
mod tests {
    use anabranch_data::{Fractions, Prepared, Table, TargetColumns, prepare};
    use anabranch_graph::{Fusion, TwoBranch};

    use super::*;

    /// By way of the metrics: half the squared RMSE of each column, and the log-loss.
    #[test]
    fn losses_are_what_the_metrics_say_on_any_number_of_threads() {
        let row = |i: usize| format!("{},{},{},{}\n", i % 17, i * 7 % 31, i * i % 23, i % 3);
        let csv = "x,a,b,class\n".to_owned() + &(0..2_000).map(row).collect::<String>();
        let table = Table::from_reader("numbers", csv.as_bytes()).unwrap();
        let columns =
            TargetColumns { regress: vec!["a".into(), "b".into()], classify: "class".into() };
        let serial = Executor::serial();
        let Prepared { dataset, targets, .. } =
            prepare::<f32>(&serial, &table, &columns, Fractions::default(), 1).unwrap();
        let graph = TwoBranch::new(1, 6, 2, 2, 3).build::<f32>(Fusion::Fused).unwrap();
        let (params, state) = graph.init(1);
        // More rows than two threads predict at once, and not a whole number of chunks.
        let row_idx = &dataset.split.train[..1_100];
        let source =
            Source { graph: &graph, params: &params, state: &state, dataset: &dataset, row_idx };
        let mut first = None;
        for threads in [1, 2, 3] {
            let exec = Executor::new(threads).unwrap();
            let mut evaluator = Evaluator::new(&graph, &exec, &dataset).unwrap();
            let losses = evaluator.losses(&exec, &source);
            let metrics = evaluator.sums(&exec, &source).metrics(targets.regression());
            let half_square = |(metrics, target): (&RegressionMetrics, &RegressionTarget)| {
                0.5 * (metrics.rmse.unwrap() / target.std).powi(2)
            };
            let a: f64 = metrics.regression.iter().zip(targets.regression()).map(half_square).sum();
            let b = metrics.classification.log_loss.unwrap();
            // 1,100 sums in f64, in another order.
            assert!((losses[0] / a - 1.0).abs() < 1e-13, "{} {a}", losses[0]);
            assert!((losses[1] / b - 1.0).abs() < 1e-13, "{} {b}", losses[1]);
            assert_eq!(*first.get_or_insert(losses), losses);
        }
    }
}
