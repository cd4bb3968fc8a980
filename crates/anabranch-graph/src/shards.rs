//! How a batch is cut into shards of rows.
//!
//! Splitting every pass of a step between threads pays for large products only: of small ones, each
//! thread would wait longer for what the others have written than it works. So a step of middle
//! size is cut once: each thread takes some rows through many layers, and the threads meet only
//! where a layer needs all rows of the batch, and to add up the gradients of the shards.
//!
//! Sums over the rows of the batch are sums over those of the shards, on one thread too, which
//! takes all rows through a layer at once.

use anabranch_tensor::gemm::MAX_TERMS;
use anabranch_tensor::parallel::Part;
use anabranch_tensor::{Executor, Scalar};

use crate::graph::Graph;

/// Work that is worth a shard, in the flops of large products: on one core some 50 µs, of which a
/// hundredth is handing it out a few times.
const MIN_COST: usize = 8_000_000;
/// What a number that a layer writes costs in the passes around the products, in flops.
const COST_OF_ELEMENT: usize = 150;
/// Fewest rows of a shard: each packs all weights, and adds to all gradients.
const MIN_ROWS: usize = 64;
/// Most numbers in the gradients of all shards.
const MAX_GRADS: usize = 1 << 19;

/// Who works alone.
pub(crate) static SERIAL: Executor = Executor::serial();

/// What decides how batches of a network are cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sharding {
    /// Work of a training step on one row, in flops of large products.
    cost_of_row: usize,
    most_shards: usize,
    /// Rows of a shard, if it is not to be decided by the work.
    rows_per_shard: Option<usize>,
}

impl Sharding {
    /// The rule for `graph`: for training, of which an evaluation is a third, but in one piece.
    pub(crate) fn new<T: Scalar>(graph: &Graph<T>) -> Self {
        // Forward, and twice as much backward.
        let flops: usize = graph.nodes.iter().map(|node| 3 * node.flops_per_row).sum();
        let elements: usize = graph.nodes[1..].iter().map(|node| node.width).sum();
        Self {
            cost_of_row: flops + COST_OF_ELEMENT * elements,
            most_shards: MAX_GRADS / graph.params_len().max(1),
            rows_per_shard: None,
        }
    }

    /// The rule that cuts every batch into shards of so many rows, at least 1.
    pub(crate) fn every(self, rows_per_shard: usize) -> Self {
        Self { rows_per_shard: Some(rows_per_shard.clamp(1, MAX_TERMS)), ..self }
    }

    /// How a batch of `n_rows` is cut: in two, or in as many as have few enough terms in their
    /// sums. Depends on nothing but the network and the batch, since sums over the rows do.
    pub(crate) fn cut(self, n_rows: usize) -> Cut {
        if let Some(rows_per_shard) = self.rows_per_shard {
            return Cut { n_rows, rows_per_shard };
        }
        let n_shards = n_rows.div_ceil(MAX_TERMS).max(2);
        let rows = n_rows / n_shards;
        let is_worth_it = rows >= MIN_ROWS && rows * self.cost_of_row >= MIN_COST;
        let n_shards = if is_worth_it && n_shards <= self.most_shards { n_shards } else { 1 };
        Cut { n_rows, rows_per_shard: n_rows.div_ceil(n_shards).max(1) }
    }

    /// What batches of up to `max_rows` rows need at most, one by one: a smaller one may be cut
    /// where a larger one is not.
    pub(crate) fn most(self, exec: &Executor, max_rows: usize) -> Most {
        let mut most = Most { shards: 1, tasks: 1, rows: 1 };
        for cut in (1..=max_rows).map(|n_rows| self.cut(n_rows)) {
            let tasks = cut.tasks(exec);
            most.shards = most.shards.max(cut.n_shards());
            most.tasks = most.tasks.max(tasks.n_tasks);
            most.rows = most.rows.max(tasks.rows.1);
        }
        most
    }
}

/// The most of what any batch of a workspace needs memory for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    pub(crate) shards: usize,
    pub(crate) tasks: usize,
    /// Rows of a task.
    pub(crate) rows: usize,
}

/// How a batch is cut into shards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) n_rows: usize,
    /// The last shard may have fewer.
    pub(crate) rows_per_shard: usize,
}

/// How a cut batch is handed out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tasks<'e> {
    /// Rows, and rows of each task but the last.
    pub(crate) rows: (usize, usize),
    pub(crate) n_tasks: usize,
    pub(crate) shards_per_task: usize,
    /// Who works on a task: all threads where there is only one.
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
    pub(crate) fn is_one(self) -> bool {
        self.n_rows <= self.rows_per_shard
    }

    pub(crate) fn n_shards(self) -> usize {
        self.n_rows.div_ceil(self.rows_per_shard)
    }

    /// A task for each shard, or one if there is one thread or one shard.
    pub(crate) fn tasks(self, exec: &Executor) -> Tasks<'_> {
        let Self { n_rows, rows_per_shard } = self;
        if self.is_one() || exec.threads() == 1 {
            let shards_per_task = self.n_shards();
            // No rows are no task.
            let n_tasks = n_rows.min(1);
            Tasks { rows: (n_rows, n_rows.max(1)), n_tasks, shards_per_task, inner: exec }
        } else {
            let (n_tasks, inner) = (self.n_shards(), &SERIAL);
            Tasks { rows: (n_rows, rows_per_shard), n_tasks, shards_per_task: 1, inner }
        }
    }
}
