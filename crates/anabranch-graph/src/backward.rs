//! Backward: derivatives by every parameter.

use anabranch_layers::{ApplyBackward, Backward, SummariseBackward};
use anabranch_tensor::columns::row_blocks;
use anabranch_tensor::parallel::Shard;
use anabranch_tensor::{ArrayViewMut2, Scalar, flat, matrix, matrix_mut};

use crate::graph::Graph;
use crate::join::JoinBackward;
use crate::node::Op;
use crate::pass::{CoupledNode, Source, Task};

impl<T: Scalar> Graph<T> {
    /// Takes the derivatives of a task's rows back through a stage, and summarises them for the
    /// layer that begins it.
    pub(crate) fn backward_stage(
        &self,
        stage: usize,
        source: &Source<'_, '_, '_, T>,
        task: &mut Task<'_, T>,
    ) {
        let nodes = self.stages[stage].clone();
        let (first, next) = (self.coupled(nodes.start), self.coupled(nodes.end));
        if let Some(next) = next {
            self.apply_backward(&next, source, task);
        }
        for i in nodes.skip(usize::from(first.is_some())).rev() {
            self.backward_node(i, source, task);
        }
        if let Some(first) = first {
            self.summarise_backward(&first, source, task);
        }
    }

    /// The backward pass of a node whose rows do not depend on each other.
    fn backward_node(&self, i: usize, source: &Source<'_, '_, '_, T>, task: &mut Task<'_, T>) {
        let Source { exec, rows_per_shard, layout, .. } = *source;
        let input = source.input();
        let Task { values, deltas, saved, scratch, grads, .. } = task;
        let node = &self.nodes[i];
        let (params, grads) =
            (&source.params[node.params.clone()], &mut grads[node.params.clone()]);
        match &node.op {
            Op::Input => {}
            Op::Layer { layer, x } => {
                let (dx, dy) = self.deltas(deltas, *x, i);
                layer.backward(Backward {
                    exec,
                    x: self.operand(input, values, *x),
                    y: self.operand(input, values, i),
                    dy,
                    dx: dx.map(|dx| (dx, node.accum[0])),
                    params,
                    grads,
                    rows_per_shard,
                    saved: &saved[layout.saved[i].clone()],
                    scratch,
                });
            }
            Op::Join { join, left, right } => {
                if *left != 0 && self.nodes[*left].slot != node.slot {
                    let accum = node.accum[0];
                    let [d, dy] = deltas.pair_mut([self.nodes[*left].slot, node.slot]);
                    for (d, dy) in d.iter_mut().zip(dy) {
                        *d = accum.combine(*d, *dy);
                    }
                }
                let (d_right, dy) = self.deltas(deltas, *right, i);
                join.backward(JoinBackward {
                    exec,
                    right: self.operand(input, values, *right),
                    dy: dy.view(),
                    d_right: d_right.map(|d| (d, node.accum[1])),
                    params,
                    grads,
                    rows_per_shard,
                    scratch,
                });
            }
        }
    }

    /// What the rows of each shard of a task say of the derivatives by a coupled layer's output.
    fn summarise_backward(
        &self,
        node: &CoupledNode<'_, T>,
        source: &Source<'_, '_, '_, T>,
        task: &mut Task<'_, T>,
    ) {
        let Source { exec, layout, .. } = *source;
        let (width, params) = (self.nodes[node.i].width, self.nodes[node.i].params.clone());
        let x_width = self.nodes[node.x].width;
        let x = flat(self.operand(source.input(), &task.values, node.x));
        let dy = task.deltas.matrix(self.nodes[node.i].slot);
        let blocks = row_blocks(task.values.rows().len(), source.rows_per_shard);
        let summaries = task.summaries.chunks_exact_mut(layout.summaries_len);
        for ((rows, accum), summaries) in blocks.zip(summaries) {
            let n_rows = rows.len();
            node.layer.summarise_backward(SummariseBackward {
                exec,
                x: matrix(&x[rows.start * x_width..rows.end * x_width], n_rows, x_width),
                dy: matrix(&dy[rows.start * width..rows.end * width], n_rows, width),
                saved: &source.merged[layout.merged[node.i].clone()],
                grads: (&mut task.grads[params.clone()], accum),
                summary: &mut summaries[layout.summaries[node.i].clone()],
                scratch: task.scratch,
            });
        }
    }

    /// The derivatives by a coupled layer's input, once all shards have been summarised.
    fn apply_backward(
        &self,
        node: &CoupledNode<'_, T>,
        source: &Source<'_, '_, '_, T>,
        task: &mut Task<'_, T>,
    ) {
        let Source { exec, layout, merged, .. } = *source;
        let x = self.operand(source.input(), &task.values, node.x);
        let accum = self.nodes[node.i].accum[0];
        let (Some(dx), dy) = self.deltas(&mut task.deltas, node.x, node.i) else { return };
        node.layer.apply_backward(ApplyBackward {
            exec,
            x,
            dy: dy.view(),
            dx: (dx, accum),
            saved: &merged[layout.merged[node.i].clone()],
            merged: &merged[layout.merged_backward[node.i].clone()],
        });
    }

    /// The derivatives by the outputs of nodes `x` and `y` in a task; nobody needs those by node 0,
    /// the batch.
    fn deltas<'a>(
        &self,
        deltas: &'a mut Shard<'_, T>,
        x: usize,
        y: usize,
    ) -> (Option<ArrayViewMut2<'a, T>>, ArrayViewMut2<'a, T>) {
        let n_rows = deltas.rows().len();
        let [x_node, y_node] = [x, y].map(|i| &self.nodes[i]);
        if x == 0 {
            return (None, matrix_mut(deltas.matrix_mut(y_node.slot), n_rows, y_node.width));
        }
        let [dx, dy] = deltas.pair_mut([x_node.slot, y_node.slot]);
        (Some(matrix_mut(dx, n_rows, x_node.width)), matrix_mut(dy, n_rows, y_node.width))
    }
}
