//! The memory of a network's passes: arenas that a plan sizes once.

use std::ops::Range;

use anabranch_layers::Target;
use anabranch_tensor::{
    ArrayView2, Buffer, CACHE_LINE, Executor, Scalar, gemm_scratch_len, matrix,
};

use crate::builder::plan_layer;
use crate::error::GraphError;
use crate::graph::Graph;
use crate::join::Join;
use crate::node::{NodeId, Op};

/// What a workspace is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Forward and backward passes.
    Training,
    /// Evaluation passes only, in less memory.
    Inference,
}

/// Activations, derivatives, saved values and scratch for batches of up to a number of rows.
///
/// A value or derivative of a node lies at the node's slot of the arena, whose rows follow each other; a smaller batch
/// uses the front of each slot.
#[derive(Debug)]
pub struct Workspace<T> {
    max_rows: usize,
    pub(crate) min_rows: usize,
    /// Rows of the batch at hand.
    pub(crate) rows: usize,
    pub(crate) values: Buffer<T>,
    /// Derivatives of the loss by the values; empty in inference.
    pub(crate) deltas: Buffer<T>,
    pub(crate) saved: Buffer<T>,
    pub(crate) scratch: Buffer<T>,
    /// The loss of each head in the batch at hand.
    pub(crate) losses: Vec<f64>,
    pub(crate) layout: Layout,
}

/// Where each node's rows and saved values lie in the arenas.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Where a node's slot starts in `values` and `deltas`.
    slots: Vec<usize>,
    /// Columns of a node's output.
    widths: Vec<usize>,
    /// A node's part of `saved`.
    saved: Vec<Range<usize>>,
}

impl Layout {
    /// The first `rows` rows of a node's slot in `values` and `deltas`.
    pub(crate) fn slot(&self, node: usize, rows: usize) -> Range<usize> {
        self.slots[node]..self.slots[node] + rows * self.widths[node]
    }

    /// A node's part of `saved`.
    pub(crate) fn saved(&self, node: usize) -> Range<usize> {
        self.saved[node].clone()
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
        let (mut values_len, mut saved_len, mut scratch_len, mut min_rows) = (0, 0, 0, 1);
        // Each node's arrays begin at a cache line.
        let line = CACHE_LINE / size_of::<T>();
        let mut slots = Vec::with_capacity(graph.nodes.len());
        let mut saved_ranges = Vec::with_capacity(graph.nodes.len());
        for (i, node) in graph.nodes.iter().enumerate() {
            // The input stays where its owner has it.
            let owns_slot = node.slot == i && i > 0;
            slots.push(if owns_slot { values_len } else { 0 });
            if owns_slot {
                values_len += (max_rows * node.width).next_multiple_of(line);
            } else if i > 0 {
                slots[i] = slots[node.slot];
            }
            let mut saved = 0;
            match &node.op {
                Op::Input => {}
                Op::Layer { layer, x } => {
                    let inputs = graph.nodes[*x].width;
                    let plan = plan_layer(&node.name, layer.as_ref(), exec, max_rows, inputs)?;
                    saved = plan.saved_len;
                    scratch_len = scratch_len.max(plan.scratch_len);
                    min_rows = min_rows.max(plan.min_rows);
                }
                Op::Join { join: Join::Project, right, .. } => {
                    let (units, columns) = (node.width, graph.nodes[*right].width);
                    for (m, n, k) in [
                        (max_rows, units, columns),
                        (units, columns, max_rows),
                        (max_rows, columns, units),
                    ] {
                        scratch_len = scratch_len.max(gemm_scratch_len::<T>(exec, m, n, k));
                    }
                }
                Op::Join { .. } => {}
            }
            saved_ranges.push(match mode {
                Mode::Training => saved_len..saved_len + saved,
                Mode::Inference => 0..0,
            });
            saved_len += saved.next_multiple_of(line);
        }
        if mode == Mode::Training && max_rows < min_rows {
            return Err(GraphError::TooFewRows { min_rows, rows: max_rows });
        }
        let (deltas_len, saved_len) = match mode {
            Mode::Training => (values_len, saved_len),
            Mode::Inference => (0, 0),
        };
        Ok(Self {
            max_rows,
            min_rows,
            rows: 0,
            values: Buffer::zeros(values_len),
            deltas: Buffer::zeros(deltas_len),
            saved: Buffer::zeros(saved_len),
            // A head needs one number for each row.
            scratch: Buffer::zeros(scratch_len.max(max_rows)),
            losses: vec![0.0; graph.heads.len()],
            layout: Layout {
                slots,
                widths: graph.nodes.iter().map(|node| node.width).collect(),
                saved: saved_ranges,
            },
        })
    }

    /// The largest batch.
    pub fn max_rows(&self) -> usize {
        self.max_rows
    }

    /// The loss of each head, after [`Graph::losses`].
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// The output of `node` `[rows, width]` in the last pass. A node whose memory a join took over shows the join.
    ///
    /// # Panics
    /// If the node is the input or not of this network.
    pub fn value(&self, node: NodeId) -> ArrayView2<'_, T> {
        assert!(node.0 > 0, "the input is the caller's");
        self.rows_of(&self.values, node)
    }

    /// dL/d(output) of `node` `[rows, width]`: after [`Graph::losses`] for heads, after [`Graph::backward`] for all. A
    /// layer with a fused ReLU leaves the derivative by its pre-activation there.
    ///
    /// # Panics
    /// If the node is the input or not of this network, or the workspace is for inference.
    pub fn delta(&self, node: NodeId) -> ArrayView2<'_, T> {
        assert!(node.0 > 0, "nobody asks for the derivative by the input");
        self.rows_of(&self.deltas, node)
    }

    fn rows_of<'a>(&self, arena: &'a [T], node: NodeId) -> ArrayView2<'a, T> {
        let slot = self.layout.slot(node.0, self.rows);
        matrix(&arena[slot], self.rows, self.layout.widths[node.0])
    }
}

impl<T: Scalar> Graph<T> {
    /// Checks once what the passes rely on for every batch like this one.
    ///
    /// # Errors
    /// If `x` is not `[rows, inputs]` with as many rows as the workspace and training allow, or a target does not fit
    /// its head.
    pub fn check(
        &self,
        workspace: &Workspace<T>,
        x: ArrayView2<'_, T>,
        targets: &[Target<'_, T>],
    ) -> Result<(), GraphError> {
        let (rows, inputs) = x.dim();
        let expect = |what, expected, got| match expected == got {
            true => Ok(()),
            false => Err(GraphError::Batch { what, expected, got }),
        };
        expect("columns of x", self.inputs(), inputs)?;
        expect("contiguous row-major matrices x", 1, usize::from(x.is_standard_layout()))?;
        expect("targets", self.heads.len(), targets.len())?;
        if rows > workspace.max_rows {
            return Err(GraphError::TooManyRows { max_rows: workspace.max_rows, rows });
        }
        if rows < workspace.min_rows {
            return Err(GraphError::TooFewRows { min_rows: workspace.min_rows, rows });
        }
        for (head, target) in self.heads.iter().zip(targets) {
            let node = &self.nodes[head.node];
            target
                .check(rows, node.width)
                .map_err(|source| GraphError::Layer { node: node.name.clone(), source })?;
        }
        Ok(())
    }
}
