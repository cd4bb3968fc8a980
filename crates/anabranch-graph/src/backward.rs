//! The pass backward: derivatives by every parameter.

use std::ops::Range;

use anabranch_layers::{ApplyBackward, Backward, SummariseBackward};
use anabranch_tensor::{
    Accum, Arena, ArrayView2, ArrayViewMut2, Executor, Part, Scalar, Shard, flat, matrix,
    matrix_mut, row_blocks,
};

use crate::graph::Graph;
use crate::join::JoinBackward;
use crate::node::{Node, Op};
use crate::pass::CoupledNode;
use crate::workspace::Workspace;

/// Parameters whose gradients one task adds up: a few microseconds of work.
const GRADS_PER_TASK: usize = 4096;

/// What the layers of a pass read, and what they write for one shard.
struct Cx<'a, 's, T> {
    exec: &'a Executor,
    params: &'a [T],
    /// All rows of the batch.
    batch: &'a [T],
    values: &'a Arena<T>,
    /// The rows of the task, one shard or all of them.
    rows: Range<usize>,
    rows_per_shard: usize,
    deltas: &'a mut Shard<'s, T>,
    grads: &'a mut [T],
    scratch: &'a mut [T],
}

impl<T: Scalar> Graph<T> {
    /// The derivative of the summed losses by all parameters, into `grads`, after [`losses`](Self::losses).
    ///
    /// # Panics
    /// If `x` or `params` are not those of the forward pass, or `grads` has another length.
    pub fn backward(
        &self,
        exec: &Executor,
        params: &[T],
        grads: &mut [T],
        workspace: &mut Workspace<T>,
        x: ArrayView2<'_, T>,
    ) {
        assert!(grads.len() == self.params_len(), "gradients of another network");
        let cut = workspace.cut;
        let tasks = cut.tasks(exec);
        let Workspace {
            values,
            deltas,
            saved,
            scratch,
            summaries,
            merged,
            grads: of_shards,
            layout,
            ..
        } = workspace;
        let (values, saved, grads_len) = (&*values, &*saved, layout.grads_len);
        let summaries_len = tasks.shards_per_task * layout.summaries_len;
        for stage in self.stages.iter().rev() {
            let (first, last) = (self.coupled(stage.start), self.coupled(stage.end));
            let of_batch = &*merged;
            let grads = match tasks.n_tasks {
                1 => tasks.part(grads, self.params_len()),
                _ => tasks.part(of_shards, grads_len),
            };
            exec.for_each_shard(
                tasks.rows,
                deltas,
                [
                    grads,
                    tasks.part(scratch, layout.scratch_len),
                    tasks.part(summaries, summaries_len),
                ],
                |mut shard, [grads, scratch, summaries]| {
                    let rows = shard.rows();
                    let saved = &saved[rows.start / tasks.rows.1 * layout.saved_len..];
                    let mut cx = Cx {
                        exec: tasks.inner,
                        params,
                        batch: flat(x),
                        values,
                        rows,
                        rows_per_shard: cut.rows_per_shard,
                        deltas: &mut shard,
                        grads,
                        scratch,
                    };
                    if let Some(last) = &last {
                        let merged = [&layout.merged, &layout.merged_backward]
                            .map(|ranges| &of_batch[ranges[last.i].clone()]);
                        self.apply_backward(&mut cx, last, merged);
                    }
                    for i in stage.clone().skip(usize::from(first.is_some())).rev() {
                        self.backward_node(&mut cx, i, &saved[layout.saved[i].clone()]);
                    }
                    if let Some(first) = &first {
                        let of_shards = summaries.chunks_exact_mut(layout.summaries_len);
                        let of_shards =
                            of_shards.map(|all| &mut all[layout.summaries[first.i].clone()]);
                        let saved = &of_batch[layout.merged[first.i].clone()];
                        self.summarise_backward(&mut cx, first, saved, of_shards);
                    }
                },
            );
            if let Some(first) = first {
                let summaries = layout.summaries(first.i, cut, summaries);
                let merged = &mut merged[layout.merged_backward[first.i].clone()];
                first.layer.merge_backward(summaries, merged);
            }
        }
        if tasks.n_tasks > 1 {
            add_up(exec, &of_shards[..tasks.n_tasks * grads_len], grads_len, grads);
        }
    }

    /// The backward pass of node `i`, whose rows do not depend on each other, on those of a shard.
    fn backward_node(&self, cx: &mut Cx<'_, '_, T>, i: usize, saved: &[T]) {
        let node = &self.nodes[i];
        let params = &cx.params[node.params.clone()];
        match &node.op {
            Op::Input => {}
            Op::Layer { layer, x } => {
                let (x_value, y) = (self.value(cx, &cx.rows, *x), self.value(cx, &cx.rows, i));
                let (dx, dy) = self.deltas(cx.deltas, *x, i);
                layer.backward(Backward {
                    exec: cx.exec,
                    x: x_value,
                    y,
                    dy,
                    dx: dx.map(|dx| (dx, self.accum(i, *x))),
                    params,
                    grads: &mut cx.grads[node.params.clone()],
                    rows_per_shard: cx.rows_per_shard,
                    saved,
                    scratch: cx.scratch,
                });
            }
            Op::Join { join, left, right } => {
                if *left != 0 && self.nodes[*left].slot != node.slot {
                    let accum = self.accum(i, *left);
                    let [d, dy] = cx.deltas.pair_mut([self.nodes[*left].slot, node.slot]);
                    for (d, dy) in d.iter_mut().zip(dy) {
                        *d = accum.combine(*d, *dy);
                    }
                }
                // A node that is joined with itself has its left share already.
                let accum = if left == right { Accum::Add } else { self.accum(i, *right) };
                let right_value = self.value(cx, &cx.rows, *right);
                let (d_right, dy) = self.deltas(cx.deltas, *right, i);
                join.backward(JoinBackward {
                    exec: cx.exec,
                    right: right_value,
                    dy: dy.view(),
                    d_right: d_right.map(|d| (d, accum)),
                    params,
                    grads: &mut cx.grads[node.params.clone()],
                    rows_per_shard: cx.rows_per_shard,
                    scratch: cx.scratch,
                });
            }
        }
    }

    /// What the rows of each shard of a task tell of the derivatives by a coupled node's input.
    fn summarise_backward<'a>(
        &self,
        cx: &mut Cx<'_, '_, T>,
        node: &CoupledNode<'_, T>,
        saved: &[T],
        summaries: impl Iterator<Item = &'a mut [T]>,
    ) where
        T: 'a,
    {
        let Node { slot, width, params, .. } = &self.nodes[node.i];
        let blocks = row_blocks(cx.rows.len(), cx.rows_per_shard);
        for ((rows, accum), summary) in blocks.zip(summaries) {
            let of_batch = cx.rows.start + rows.start..cx.rows.start + rows.end;
            let x = self.value(cx, &of_batch, node.x);
            let dy = &cx.deltas.matrix_mut(*slot)[rows.start * width..rows.end * width];
            node.layer.summarise_backward(SummariseBackward {
                exec: cx.exec,
                x,
                dy: matrix(dy, rows.len(), *width),
                saved,
                grads: (&mut cx.grads[params.clone()], accum),
                summary,
                scratch: cx.scratch,
            });
        }
    }

    /// The derivatives by a coupled node's input, once all shards have been summarised.
    fn apply_backward(
        &self,
        cx: &mut Cx<'_, '_, T>,
        node: &CoupledNode<'_, T>,
        [saved, merged]: [&[T]; 2],
    ) {
        let x = self.value(cx, &cx.rows, node.x);
        let accum = self.accum(node.i, node.x);
        let (Some(dx), dy) = self.deltas(cx.deltas, node.x, node.i) else { return };
        let (exec, dy, dx) = (cx.exec, dy.view(), (dx, accum));
        node.layer.apply_backward(ApplyBackward { exec, x, dy, dx, saved, merged });
    }

    /// Some rows of the output of node `i`, or of the batch for node 0.
    fn value<'a>(&self, cx: &Cx<'a, '_, T>, rows: &Range<usize>, i: usize) -> ArrayView2<'a, T> {
        let Node { slot, width, .. } = self.nodes[i];
        let values = match i {
            0 => &cx.batch[rows.start * width..rows.end * width],
            _ => cx.values.rows(slot, rows.clone()),
        };
        matrix(values, rows.len(), width)
    }

    /// The derivatives by the outputs of nodes `x` and `y` in a task; nobody needs those by node 0, the batch.
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

    /// Whether node `reader`'s share of the derivative by `node` is the first one in a backward pass.
    fn accum(&self, reader: usize, node: usize) -> Accum {
        let has_head = self.heads.iter().any(|head| head.node == node);
        let mut later = self.nodes[reader + 1..].iter().flat_map(|other| other.op.inputs());
        if has_head || later.any(|input| input == node) { Accum::Add } else { Accum::Replace }
    }
}

/// `grads` becomes the sum of the gradients of all shards, `stride` elements each, in their order.
fn add_up<T: Scalar>(exec: &Executor, of_shards: &[T], stride: usize, grads: &mut [T]) {
    let n_params = grads.len();
    exec.for_each_large_chunk(
        n_params,
        GRADS_PER_TASK,
        [Part::Rows(grads, 1)],
        #[inline(always)]
        |range, [grads]| {
            let mut shards = of_shards.chunks_exact(stride).map(|shard| &shard[range.clone()]);
            match (shards.next(), shards.next()) {
                (Some(first), Some(second)) => {
                    for (grad, (first, second)) in grads.iter_mut().zip(first.iter().zip(second)) {
                        *grad = *first + *second;
                    }
                }
                (Some(first), None) => grads.copy_from_slice(first),
                _ => {}
            }
            for shard in shards {
                for (grad, of_shard) in grads.iter_mut().zip(shard) {
                    *grad += *of_shard;
                }
            }
        },
    );
}
