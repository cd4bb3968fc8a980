//! Rows of a data set that are processed together.

use anabranch_data::{Dataset, Presence, TaskValues};
use anabranch_graph::RowWeights;
use anabranch_layers::Target;
use anabranch_tensor::rows::gather_rows;
use anabranch_tensor::{ArrayView2, Buffer, Scalar, matrix};

/// Some rows of a data set, next to each other.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    x: Buffer<T>,
    n_inputs: usize,
    tasks: Vec<TaskRows<T>>,
    /// Which of the rows have the targets of each task.
    present: Vec<Presence>,
    /// How much they count in each task's loss.
    row_weights: Vec<RowWeights<T>>,
    n_rows: usize,
}

/// Their targets for one task.
#[derive(Debug)]
enum TaskRows<T> {
    Numbers { values: Buffer<T>, n_columns: usize },
    Classes(Vec<u32>),
}

impl<T: Scalar> Rows<T> {
    /// Memory for up to `max_rows` rows of `dataset`.
    pub(crate) fn new(dataset: &Dataset<T>, max_rows: usize) -> Self {
        let tasks = dataset.tasks.iter().map(|task| match task {
            TaskValues::Numbers { n_columns, .. } => TaskRows::Numbers {
                values: Buffer::zeros(max_rows * n_columns),
                n_columns: *n_columns,
            },
            TaskValues::Classes { .. } => TaskRows::Classes(vec![0; max_rows]),
        });
        Self {
            x: Buffer::zeros(max_rows * dataset.n_inputs),
            n_inputs: dataset.n_inputs,
            tasks: tasks.collect(),
            present: vec![Presence::All; dataset.tasks.len()],
            row_weights: vec![RowWeights::Equal; dataset.tasks.len()],
            n_rows: 0,
        }
    }

    /// Copies the rows `row_idx` of `dataset` here, and their weights among those of all rows.
    pub(crate) fn gather(
        &mut self,
        dataset: &Dataset<T>,
        row_weights: &[RowWeights<T>],
        row_idx: &[usize],
    ) {
        let n_rows = row_idx.len();
        self.n_rows = n_rows;
        gather_rows(&dataset.x, self.n_inputs, row_idx, &mut self.x[..n_rows * self.n_inputs]);
        for (rows, all) in self.tasks.iter_mut().zip(&dataset.tasks) {
            match (rows, all) {
                (
                    TaskRows::Numbers { values, n_columns },
                    TaskValues::Numbers { values: all, .. },
                ) => {
                    gather_rows(all, *n_columns, row_idx, &mut values[..n_rows * *n_columns]);
                }
                (TaskRows::Classes(rows), TaskValues::Classes { class, .. }) => {
                    gather_rows(class, 1, row_idx, &mut rows[..n_rows]);
                }
                // The rows were made for this data set.
                _ => {}
            }
        }
        for (task, rows) in self.present.iter_mut().enumerate() {
            rows.gather(dataset.presence(task), row_idx);
        }
        for (rows, all) in self.row_weights.iter_mut().zip(row_weights) {
            rows.gather(all, row_idx);
        }
    }

    /// Which of the rows have the targets of each task.
    pub(crate) fn present(&self) -> &[Presence] {
        &self.present
    }

    /// How much each row counts in the loss of each task.
    pub(crate) fn row_weights(&self) -> &[RowWeights<T>] {
        &self.row_weights
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// `[rows, inputs]`.
    pub(crate) fn x(&self) -> ArrayView2<'_, T> {
        matrix(&self.x[..self.n_rows * self.n_inputs], self.n_rows, self.n_inputs)
    }

    /// The targets of each task.
    pub(crate) fn targets(&self) -> impl ExactSizeIterator<Item = Target<'_, T>> {
        self.tasks.iter().map(|task| match task {
            TaskRows::Numbers { values, n_columns } => {
                let values = &values[..self.n_rows * n_columns];
                Target::Values(matrix(values, self.n_rows, *n_columns))
            }
            TaskRows::Classes(class) => Target::Classes(&class[..self.n_rows]),
        })
    }
}

/// How much each row of a data set counts in the loss of each task: not at all where it lacks the
/// target.
pub(crate) fn row_weights<T: Scalar>(dataset: &Dataset<T>) -> Vec<RowWeights<T>> {
    let of_task = |task: usize| match (dataset.presence(task), &dataset.sample_weights) {
        (Presence::All, None) => RowWeights::Equal,
        (presence, weights) => {
            let of_row = |row: usize| weights.as_ref().map_or(T::ONE, |weights| weights[row]);
            let weight = |row: usize| if presence.has(row) { of_row(row) } else { T::ZERO };
            RowWeights::Each((0..dataset.n_rows).map(weight).collect())
        }
    };
    (0..dataset.tasks.len()).map(of_task).collect()
}

/// The targets of all rows of a data set, task by task.
pub(crate) fn targets<T: Scalar>(dataset: &Dataset<T>) -> Vec<Target<'_, T>> {
    let target = |task| match task {
        &TaskValues::Numbers { ref values, n_columns } => {
            Target::Values(matrix(values, dataset.n_rows, n_columns))
        }
        TaskValues::Classes { class, .. } => Target::Classes(class),
    };
    dataset.tasks.iter().map(target).collect()
}
