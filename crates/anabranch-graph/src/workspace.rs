//! The memory of a network's passes: arenas sized once by a plan.

use std::ops::Range;

use anabranch_layers::{Summaries, Training};
use anabranch_tensor::parallel::Arena;
use anabranch_tensor::{ArrayView2, Buffer, CACHE_LINE, Executor, Scalar, matrix};

use crate::error::GraphError;
use crate::graph::{Graph, Head};
use crate::node::{Node, NodeId, Op};
use crate::row_weights::RowWeights;
use crate::shards::{Cut, Most, Sharding};

/// What a workspace is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Forward and backward passes.
    Training,
    /// Evaluation passes only, in less memory.
    Inference,
}

/// Activations, derivatives, saved values and scratch for batches of up to a number of rows.
#[derive(Debug)]
pub struct Workspace<T> {
    pub(crate) min_rows: usize,
    /// Most tasks of any batch.
    pub(crate) max_tasks: usize,
    sharding: Sharding,
    /// How the current batch is split.
    pub(crate) cut: Cut,
    /// The output of each node that has memory of its own.
    pub(crate) values: Arena<T>,
    /// Derivatives of the loss with respect to the values, and one column per head of row losses;
    /// empty in inference.
    pub(crate) deltas: Arena<T>,
    /// For each task.
    pub(crate) saved: Buffer<T>,
    /// For each task.
    pub(crate) scratch: Buffer<T>,
    /// For each shard.
    pub(crate) summaries: Buffer<T>,
    /// The merged summaries of a batch.
    pub(crate) merged: Buffer<T>,
    /// Room for the class of each row, where a batch is picked from a table.
    pub(crate) classes: Vec<u32>,
    /// The loss of each head in the current batch.
    pub(crate) losses: Vec<f64>,
    /// For each head, the sum of its weights of the rows in the current batch.
    pub(crate) row_totals: Vec<f64>,
    /// How much each head's loss counts in the derivatives, besides its weight.
    pub(crate) factors: Vec<f64>,
    /// Location of the output of each builder node; `None` if it has no memory.
    places: Vec<Option<Place>>,
    /// Columns of each node, and the number of learned parameters.
    sizes: Vec<usize>,
    pub(crate) mode: Mode,
    pub(crate) layout: Layout,
}

/// Location of a node's output and its derivative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    slot: usize,
    /// Whether the output is still there after a pass: no join has taken over its memory.
    holds_value: bool,
}

fn places<T: Scalar>(graph: &Graph<T>) -> impl Iterator<Item = Option<Place>> {
    let place = |number| {
        let i = graph.place(NodeId(number))?;
        graph.nodes[i].layer()?;
        let slot = graph.nodes[i].slot;
        let is_taken = graph.nodes[i + 1..].iter().any(|node| node.slot == slot);
        Some(Place { slot, holds_value: !is_taken })
    };
    (0..graph.built.len()).map(place)
}

fn sizes<T: Scalar>(graph: &Graph<T>) -> impl Iterator<Item = usize> {
    graph.nodes.iter().map(Node::width).chain([graph.params_len()])
}

/// Location of each node's arrays, and their total lengths per task.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// Each node's range in what a task saves.
    pub(crate) saved: Vec<Range<usize>>,
    pub(crate) saved_len: usize,
    pub(crate) scratch_len: usize,
    /// Each whole-batch node's range in a shard's summaries; empty for other nodes.
    pub(crate) summaries: Vec<Range<usize>>,
    pub(crate) summaries_len: usize,
    /// Where a whole-batch node's forward merge is saved.
    pub(crate) merged: Vec<Range<usize>>,
    /// Where its backward merge is saved.
    pub(crate) merged_backward: Vec<Range<usize>>,
}

impl Layout {
    /// The summaries of node `i` from all shards.
    pub(crate) fn summaries<'a, T>(&self, i: usize, cut: Cut, all: &'a [T]) -> Summaries<'a, T> {
        Summaries {
            all: &all[..cut.n_shards() * self.summaries_len],
            stride: self.summaries_len,
            range: self.summaries[i].clone(),
            n_rows: cut.n_rows,
            rows_per_shard: cut.rows_per_shard,
        }
    }
}

/// The next `len` elements, starting at a cache line, of an array that is `total` long so far.
fn append<T>(total: &mut usize, len: usize) -> Range<usize> {
    let start = *total;
    *total += len.next_multiple_of(CACHE_LINE / size_of::<T>());
    start..start + len
}

/// The memory that a workspace takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorkspaceSize {
    /// In bytes, but for what does not grow with rows or widths.
    pub bytes: f64,
    /// Parts of the gradient that training with it makes, at most.
    pub shards: usize,
}

/// Buffers of a workspace, each with a line to spare.
const N_BUFFERS: usize = 6;

/// How much memory a workspace needs, and for what.
#[derive(Debug)]
struct Sizes {
    layout: Layout,
    merged_len: usize,
    min_rows: usize,
    most: Most,
    mode: Mode,
}

impl Sizes {
    fn of<T: Scalar>(
        graph: &Graph<T>,
        exec: &Executor,
        max_rows: usize,
        mode: Mode,
        sharding: Sharding,
    ) -> Self {
        let most = sharding.most(exec, max_rows);
        let mut layout = Layout::default();
        let (mut merged_len, mut min_rows) = (0, 1);
        for node in &graph.nodes {
            let (mut saved, mut summary, mut merged) = (0, 0, 0);
            if let Some(layer) = node.layer() {
                let widths = graph.widths(node);
                let memory = layer.memory(exec, most.rows, &widths);
                match layer.training() {
                    _ if mode == Mode::Inference => {}
                    Training::RowWise(_) => saved = memory.saved_len,
                    Training::WholeBatch(layer) => {
                        (summary, merged) = (layer.summary_len(widths[0]), memory.saved_len);
                    }
                }
                layout.scratch_len = layout.scratch_len.max(memory.scratch_len);
                min_rows = min_rows.max(node.shape.min_rows);
            }
            layout.saved.push(append::<T>(&mut layout.saved_len, saved));
            layout.summaries.push(append::<T>(&mut layout.summaries_len, summary));
            layout.merged.push(append::<T>(&mut merged_len, merged));
            layout.merged_backward.push(append::<T>(&mut merged_len, summary));
        }
        if mode == Mode::Training {
            // A head's targets are copied there.
            let width = graph.heads.iter().map(|head| head.outputs).max();
            layout.scratch_len = layout.scratch_len.max(most.rows * width.unwrap_or(0));
        }
        let line = CACHE_LINE / size_of::<T>();
        layout.scratch_len = layout.scratch_len.next_multiple_of(line);
        Self { layout, merged_len, min_rows, most, mode }
    }

    /// The widths of the slots of outputs. A node may share another's memory, and an input needs
    /// its own only for batches that are picked from a table.
    fn values<T: Scalar>(&self, graph: &Graph<T>) -> impl Iterator<Item = usize> + Clone {
        let are_inputs_copied = self.mode == Mode::Training;
        graph.nodes.iter().enumerate().map(move |(i, node)| match node.op {
            Op::Input(_) if are_inputs_copied => node.width(),
            Op::Layer(_) if node.slot == i => node.width(),
            _ => 0,
        })
    }

    /// Those of derivatives, and of the weights of rows.
    fn deltas<T: Scalar>(&self, graph: &Graph<T>) -> impl Iterator<Item = usize> + Clone {
        let is_training = self.mode == Mode::Training;
        let of_nodes = graph.nodes.iter().enumerate().map(|(i, node)| match node.op {
            Op::Layer(_) if node.slot == i => node.width(),
            _ => 0,
        });
        of_nodes.chain(graph.heads.iter().map(|_| 1)).filter(move |_| is_training)
    }
}

impl<T: Scalar> Workspace<T> {
    /// Memory for `graph` on batches of up to `max_rows` rows, run by `exec`.
    ///
    /// # Errors
    /// If `max_rows` is too small for a layer in training.
    pub fn new(
        graph: &Graph<T>,
        exec: &Executor,
        max_rows: usize,
        mode: Mode,
    ) -> Result<Self, GraphError> {
        Self::with_sharding(graph, exec, max_rows, mode, Sharding::new(graph))
    }

    /// Memory for training in which every batch is split into shards of `rows_per_shard` rows,
    /// whether or not that pays: lets small batches check the path that large batches take.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_shards_of(
        rows_per_shard: usize,
        graph: &Graph<T>,
        exec: &Executor,
        max_rows: usize,
    ) -> Result<Self, GraphError> {
        let sharding = Sharding::new(graph).every(rows_per_shard);
        Self::with_sharding(graph, exec, max_rows, Mode::Training, sharding)
    }

    /// The memory of a workspace that [`new`](Self::new) would make, without making one.
    pub fn size(graph: &Graph<T>, exec: &Executor, max_rows: usize, mode: Mode) -> WorkspaceSize {
        let sizes = Sizes::of(graph, exec, max_rows, mode, Sharding::new(graph));
        let Sizes { layout, merged_len, most, .. } = &sizes;
        let slots = sizes.values(graph).chain(sizes.deltas(graph));
        let line = CACHE_LINE / size_of::<T>();
        let rows = max_rows as f64 * slots.clone().map(|width| width as f64).sum::<f64>();
        let of_tasks = most.tasks as f64 * (layout.saved_len + layout.scratch_len) as f64;
        let of_shards = most.shards as f64 * layout.summaries_len as f64;
        let padding = (line * (slots.count() + N_BUFFERS)) as f64;
        let elements = rows + of_tasks + of_shards + *merged_len as f64 + padding;
        let classes = if mode == Mode::Training { max_rows * size_of::<u32>() } else { 0 };
        let bytes = elements * size_of::<T>() as f64 + classes as f64;
        WorkspaceSize { bytes, shards: most.shards }
    }

    fn with_sharding(
        graph: &Graph<T>,
        exec: &Executor,
        max_rows: usize,
        mode: Mode,
        sharding: Sharding,
    ) -> Result<Self, GraphError> {
        let sizes = Sizes::of(graph, exec, max_rows, mode, sharding);
        let min_rows = sizes.min_rows;
        if mode == Mode::Training && max_rows < min_rows {
            return Err(GraphError::TooFewRows { min_rows, rows: max_rows });
        }
        let values = Arena::zeros(max_rows, sizes.values(graph));
        let deltas = Arena::zeros(max_rows, sizes.deltas(graph));
        let n_classes = if mode == Mode::Training { max_rows } else { 0 };
        let Sizes { layout, merged_len, most, .. } = sizes;
        Ok(Self {
            min_rows,
            max_tasks: most.tasks,
            sharding,
            cut: sharding.cut(0),
            values,
            deltas,
            saved: Buffer::zeros(most.tasks * layout.saved_len),
            scratch: Buffer::zeros(most.tasks * layout.scratch_len),
            summaries: Buffer::zeros(most.shards * layout.summaries_len),
            merged: Buffer::zeros(merged_len),
            classes: vec![0; n_classes],
            losses: vec![0.0; graph.heads.len()],
            row_totals: vec![0.0; graph.heads.len()],
            factors: vec![1.0; graph.heads.len()],
            places: places(graph).collect(),
            sizes: self::sizes(graph).collect(),
            mode,
            layout,
        })
    }

    /// Says how much each head's loss counts in the derivatives of the passes to come, besides its
    /// weight: 1 until then. The [`losses`](Self::losses) stay as they are.
    ///
    /// # Panics
    /// If there is not one factor for each head.
    pub fn weigh_heads(&mut self, factors: &[f64]) {
        self.factors.copy_from_slice(factors);
    }

    /// The largest batch, in rows.
    pub fn max_rows(&self) -> usize {
        self.values.max_rows()
    }

    /// The loss of each head, after [`Graph::losses`].
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// For each head, the sum of its weights of the batch's rows, after [`Graph::losses`]: the
    /// number of rows, where all count alike.
    pub fn row_totals(&self) -> &[f64] {
        &self.row_totals
    }

    /// Adds up the weights of the rows in the current batch, one after the other.
    pub(crate) fn total_weights(
        &mut self,
        row_weights: &[RowWeights<T>],
        row_idx: Option<&[usize]>,
    ) {
        let n_rows = self.cut.n_rows;
        for (head, total) in self.row_totals.iter_mut().enumerate() {
            let weights = row_weights.get(head).unwrap_or(&RowWeights::Equal);
            *total = weights.total(n_rows, row_idx);
        }
    }

    /// The output of `node` `[rows, width]` in the last pass. `None` if it has no memory of its
    /// own: the input, which is the caller's, a node inside a fused one, or a node whose memory a
    /// join took over.
    ///
    /// # Panics
    /// If the node is not of this network.
    pub fn value(&self, node: NodeId) -> Option<ArrayView2<'_, T>> {
        let place = self.places[node.0].filter(|place| place.holds_value)?;
        Some(self.rows_of(&self.values, place.slot))
    }

    /// The prediction of a head `[rows, outputs]` in the last pass.
    ///
    /// # Panics
    /// If the head is not of this network.
    pub fn prediction(&self, head: &Head<T>) -> ArrayView2<'_, T> {
        let place = self.places[head.id.0].expect("fusion leaves a head its memory");
        self.rows_of(&self.values, place.slot)
    }

    /// The smallest batch that the network can be trained on, in rows.
    pub fn min_rows(&self) -> usize {
        self.min_rows
    }

    /// dL/d(output) of `node` `[rows, width]`: after [`Graph::losses`] for heads, after
    /// [`Graph::backward`] for all. For a layer with a fused ReLU it is the derivative with respect
    /// to the pre-activation. `None` for the input, for a node inside a fused one, and in
    /// inference.
    ///
    /// # Panics
    /// If the node is not of this network.
    pub fn delta(&self, node: NodeId) -> Option<ArrayView2<'_, T>> {
        let place = self.places[node.0].filter(|_| self.mode == Mode::Training)?;
        Some(self.rows_of(&self.deltas, place.slot))
    }

    fn rows_of<'a>(&self, arena: &'a Arena<T>, slot: usize) -> ArrayView2<'a, T> {
        let rows = self.cut.n_rows;
        matrix(arena.rows(slot, 0..rows), rows, arena.width(slot))
    }

    /// Whether the workspace was made for `graph`, or for one that looks the same.
    pub(crate) fn is_for(&self, graph: &Graph<T>) -> bool {
        places(graph).eq(self.places.iter().copied()) && sizes(graph).eq(self.sizes.iter().copied())
    }

    /// Begins a pass over `rows` rows.
    ///
    /// # Panics
    /// If there are more than the workspace was planned for.
    pub(crate) fn begin(&mut self, rows: usize) {
        assert!(rows <= self.max_rows(), "more rows than the workspace was planned for");
        self.cut = self.sharding.cut(rows);
    }
}

#[cfg(test)]
mod tests {
    use anabranch_layers::Activation;

    use super::*;
    use crate::{Fusion, TwoBranch};

    /// The bytes of a workspace's arrays, each with what aligns it.
    fn bytes_of(workspace: &Workspace<f32>, graph: &Graph<f32>) -> usize {
        let line = CACHE_LINE / size_of::<f32>();
        let slots = |arena: &Arena<f32>, n_slots: usize| -> usize {
            let len = |i| arena.rows(i, 0..arena.max_rows()).len();
            (0..n_slots).map(|i| len(i).next_multiple_of(line)).sum()
        };
        let Workspace { values, deltas, saved, scratch, summaries, merged, classes, .. } =
            workspace;
        let n_nodes = graph.nodes.len();
        let n_deltas = match workspace.mode {
            Mode::Training => n_nodes + graph.heads.len(),
            Mode::Inference => 0,
        };
        let arenas = slots(values, n_nodes) + slots(deltas, n_deltas);
        let arrays: usize =
            [saved, scratch, summaries, merged].map(|array| array.len()).iter().sum();
        let spare = N_BUFFERS * (line - 1);
        (arenas + arrays + spare) * size_of::<f32>() + classes.len() * size_of::<u32>()
    }

    /// All kinds of memory: a dropout layer by itself saves, a batch norm summarises.
    fn network() -> Graph<f32> {
        let activation = Activation::Gelu;
        let config = TwoBranch { activation, ..TwoBranch::new(17, 609, 1, 705, 17) };
        config.build::<f32>(Fusion::Fused).unwrap()
    }

    /// Each matrix of 513 rows ends one element after a cache line: without what aligns them, a
    /// size would be too small.
    #[test]
    fn a_size_is_that_of_the_workspace() {
        let (graph, exec) = (network(), Executor::new(2).unwrap());
        for mode in [Mode::Training, Mode::Inference] {
            let workspace = Workspace::new(&graph, &exec, 513, mode).unwrap();
            let taken = bytes_of(&workspace, &graph) as f64;
            let size = Workspace::size(&graph, &exec, 513, mode);
            let lines = graph.nodes.len() + graph.heads.len() + N_BUFFERS;
            let most = taken + (CACHE_LINE * lines) as f64;
            assert!((taken..=most).contains(&size.bytes), "{mode:?}: {size:?}, {taken} taken");
        }
    }

    /// The join has the memory of the batch norm. An evaluation reads its input where it is, has no
    /// derivatives and keeps nothing for them.
    #[test]
    fn nothing_has_memory_that_it_does_not_need() {
        let (graph, exec) = (network(), Executor::serial());
        let widths = |arena: &Arena<f32>, n_slots: usize| -> Vec<usize> {
            (0..n_slots).map(|i| arena.width(i)).collect()
        };
        let of_layers = [609, 609, 609, 1, 705, 705, 705, 0, 17];
        for (mode, input) in [(Mode::Training, 17), (Mode::Inference, 0)] {
            let workspace = Workspace::new(&graph, &exec, 5, mode).unwrap();
            let Workspace { values, deltas, saved, summaries, merged, .. } = &workspace;
            assert_eq!(widths(values, 10), [&[input], &of_layers[..]].concat());
            let kept = [saved, summaries, merged].map(|array| !array.is_empty());
            assert_eq!(kept, [mode == Mode::Training; 3]);
            if mode == Mode::Training {
                // Each head has a column for the losses of its rows.
                assert_eq!(widths(deltas, 12), [&[0], &of_layers[..], &[1, 1]].concat());
            }
        }
    }
}
