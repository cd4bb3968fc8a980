//! How a batch is split into shards of rows.
//!
//! Splitting every pass of a step between threads pays for large products only: with small ones, a
//! thread waits longer for what the others wrote than it works. So a medium-sized step is split
//! once: each thread takes some rows through many layers, and the threads meet only where a layer
//! needs all rows of the batch, and to add up the gradients of the shards.
//!
//! A single thread takes all rows through a layer at once, but sums over the rows shard by shard:
//! the sums are the same.

use std::ops::Range;

use anabranch_tensor::parallel::Part;
use anabranch_tensor::{Accum, Executor, Scalar};

use crate::graph::Graph;

/// Least work worth a shard, in flops of large products: some 50 µs on one core, a hundredth of
/// which goes into handing the shard out a few times.
const MIN_COST: usize = 8_000_000;
/// Cost, in flops, of an element that a layer writes in the passes around the products.
const COST_OF_ELEMENT: usize = 150;
/// Fewest rows of a shard: each shard packs all weights and adds to all gradients.
const MIN_ROWS: usize = 64;
/// Most rows of a shard: the outputs of its layers stay in cache.
const MAX_ROWS: usize = 256;
/// Most elements in the gradients of all shards together.
const MAX_GRADS: usize = 1 << 19;

/// Executor of a shard while other threads run other shards.
static SERIAL: Executor = Executor::serial();

/// The rule by which batches of a network are split.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sharding {
    /// Fewest rows of a shard.
    min_rows: usize,
    most_shards: usize,
    /// Rows of a shard, if fixed; `None` to decide by the work.
    rows_per_shard: Option<usize>,
}

impl Sharding {
    /// The rule for `graph`, by the cost of training. Evaluation costs a third, but a shard runs it
    /// in one piece, so the same rule serves.
    pub(crate) fn new<T: Scalar>(graph: &Graph<T>) -> Self {
        // Forward, plus twice as much backward.
        let flops: usize = graph.nodes.iter().map(|node| 3 * node.shape.flops_per_row).sum();
        let written = graph.nodes.iter().filter(|node| node.layer().is_some());
        let elements: usize = written.map(|node| node.width()).sum();
        let cost_of_row = flops + COST_OF_ELEMENT * elements;
        Self {
            min_rows: MIN_ROWS.max(MIN_COST.div_ceil(cost_of_row.max(1))),
            most_shards: MAX_GRADS / graph.params_len().max(1),
            rows_per_shard: None,
        }
    }

    /// The rule that splits every batch into shards of `rows_per_shard` rows, at least 1.
    pub(crate) fn every(self, rows_per_shard: usize) -> Self {
        Self { rows_per_shard: Some(rows_per_shard.max(1)), ..self }
    }

    /// How a batch of `n_rows` is split: in two or more shards of at most [`MAX_ROWS`] rows, or not
    /// at all if that does not pay. Depends on the network and the batch alone, and so do sums over
    /// the rows.
    pub(crate) fn cut(self, n_rows: usize) -> Cut {
        if let Some(rows_per_shard) = self.rows_per_shard {
            return Cut { n_rows, rows_per_shard };
        }
        let n_shards = n_rows.div_ceil(MAX_ROWS).max(2);
        let is_worth_it = n_rows / n_shards >= self.min_rows && n_shards <= self.most_shards;
        let n_shards = if is_worth_it { n_shards } else { 1 };
        Cut { n_rows, rows_per_shard: n_rows.div_ceil(n_shards).max(1) }
    }

    /// The most shards, tasks, and rows of a task, over all batches of up to `max_rows` rows.
    pub(crate) fn most(self, exec: &Executor, max_rows: usize) -> Most {
        let mut most = Most { shards: 1, tasks: 1, rows: 1 };
        for n_shards in 2..=max_rows.div_ceil(MAX_ROWS).max(2) {
            // Of the batches that could be split into `n_shards`: the largest, and the largest that
            // is not worth it, since a smaller batch may stay whole where a larger one is split.
            let largest = max_rows.min(n_shards * MAX_ROWS);
            for n_rows in [largest, largest.min(n_shards * self.min_rows - 1)] {
                let cut = self.cut(n_rows);
                let tasks = cut.tasks(exec);
                most.shards = most.shards.max(cut.n_shards());
                most.tasks = most.tasks.max(tasks.n_tasks);
                most.rows = most.rows.max(tasks.rows_per_task.min(n_rows));
            }
        }
        most
    }
}

/// Upper bounds over all batches of a workspace, to size its memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    pub(crate) shards: usize,
    pub(crate) tasks: usize,
    /// Rows of a task.
    pub(crate) rows: usize,
}

/// How a batch is split into shards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) n_rows: usize,
    /// The last shard may have fewer.
    pub(crate) rows_per_shard: usize,
}

/// How the shards of a batch are handed out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tasks<'e> {
    pub(crate) n_rows: usize,
    /// The last task may have fewer.
    pub(crate) rows_per_task: usize,
    pub(crate) n_tasks: usize,
    pub(crate) shards_per_task: usize,
    /// Executor of a task: all threads together if there is only one task.
    pub(crate) inner: &'e Executor,
}

impl Tasks<'_> {
    /// `len` elements for each task.
    pub(crate) fn part<T>(self, array: &mut [T], len: usize) -> Part<'_, T> {
        Part::Chunks(&mut array[..self.n_tasks * len], len)
    }
}

impl Cut {
    /// All rows in one shard.
    fn is_one(self) -> bool {
        self.n_rows <= self.rows_per_shard
    }

    pub(crate) fn n_shards(self) -> usize {
        self.n_rows.div_ceil(self.rows_per_shard)
    }

    /// One task per shard, or a single task if there is one thread or one shard.
    pub(crate) fn tasks(self, exec: &Executor) -> Tasks<'_> {
        let Self { n_rows, rows_per_shard } = self;
        let n_shards = self.n_shards();
        if self.is_one() || exec.threads() == 1 {
            let (rows_per_task, n_tasks) = (n_rows.max(1), n_rows.min(1));
            Tasks { n_rows, rows_per_task, n_tasks, shards_per_task: n_shards, inner: exec }
        } else {
            let (rows_per_task, n_tasks) = (rows_per_shard, n_shards);
            Tasks { n_rows, rows_per_task, n_tasks, shards_per_task: 1, inner: &SERIAL }
        }
    }

    /// The shards of `n_rows` rows, and whether each overwrites sums over the rows or adds to them.
    pub(crate) fn shards_of(self, n_rows: usize) -> impl Iterator<Item = (Range<usize>, Accum)> {
        (0..n_rows).step_by(self.rows_per_shard).map(move |start| {
            let accum = if start == 0 { Accum::Replace } else { Accum::Add };
            (start..n_rows.min(start + self.rows_per_shard), accum)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_is_that_of_all_batches_one_by_one() {
        for exec in [1, 2].map(|threads| Executor::new(threads).unwrap()) {
            for min_rows in [64, 65, 128, 170, 171, 200, 255, 256, 257, 5_000] {
                for most_shards in [0, 1, 2, 3, 4, 100] {
                    let sharding = Sharding { min_rows, most_shards, rows_per_shard: None };
                    let mut expected = [1; 3];
                    for n_rows in 0..1_500 {
                        let cut = sharding.cut(n_rows);
                        let tasks = cut.tasks(&exec);
                        let rows = tasks.rows_per_task.min(n_rows);
                        for (most, n) in
                            expected.iter_mut().zip([cut.n_shards(), tasks.n_tasks, rows])
                        {
                            *most = n.max(*most);
                        }
                        let Most { shards, tasks, rows } = sharding.most(&exec, n_rows);
                        assert_eq!([shards, tasks, rows], expected, "{sharding:?} {n_rows}");
                    }
                }
            }
        }
    }
}
