//! The passes forward: training, its losses, and evaluation.

use std::ops::Range;

use anabranch_layers::{Forward, Infer, Layer, Merge, Target};
use anabranch_tensor::{
    ArrayView2, ArrayViewMut2, Axis, Executor, Scalar, Shard, flat, matrix, matrix_mut,
};

use crate::graph::Graph;
use crate::node::{Node, Op};
use crate::pass::Masks;
use crate::workspace::Workspace;

/// One layer's part of a forward or evaluation pass, on the rows of a shard.
struct Call<'a, T> {
    i: usize,
    node: &'a Node<T>,
    layer: &'a dyn Layer<T>,
    x: ArrayView2<'a, T>,
    y: ArrayViewMut2<'a, T>,
    params: &'a [T],
    scratch: &'a mut [T],
}

/// What all layers of a pass read.
#[derive(Clone, Copy)]
struct Source<'a, T> {
    exec: &'a Executor,
    params: &'a [T],
    /// All rows of the batch.
    batch: &'a [T],
}

impl<T: Scalar> Graph<T> {
    /// The training pass on the batch `x` `[rows, inputs]`.
    ///
    /// # Panics
    /// If [`check`](Self::check) would refuse the batch, or a dropout layer finds no given mask.
    pub fn forward(
        &self,
        exec: &Executor,
        params: &[T],
        state: &mut [T],
        workspace: &mut Workspace<T>,
        x: ArrayView2<'_, T>,
        masks: Masks<'_, T>,
    ) {
        workspace.begin(x.nrows());
        let cut = workspace.cut;
        let tasks = cut.tasks(exec);
        let Workspace { values, saved, scratch, summaries, merged, layout, .. } = workspace;
        let source = Source { exec: tasks.inner, params, batch: flat(x) };
        for stage in &self.stages {
            let next = self.coupled(stage.end);
            let of_batch = &*merged;
            exec.for_each_shard(
                tasks.rows,
                values,
                [
                    tasks.part(saved, layout.saved_len),
                    tasks.part(scratch, layout.scratch_len),
                    tasks.part(summaries, tasks.shards_per_task * layout.summaries_len),
                ],
                |mut shard, [saved, scratch, summaries]| {
                    self.walk(stage.clone(), source, &mut shard, scratch, |call, first_row| {
                        let Call { i, node, layer, x, y, params, scratch } = call;
                        let exec = source.exec;
                        if let Some(coupled) = layer.coupled() {
                            coupled.apply(exec, x, y, &of_batch[layout.merged[i].clone()]);
                            return;
                        }
                        let saved = &mut saved[layout.saved[i].clone()];
                        let (mask, state) = (masks.of(node, first_row), &mut [][..]);
                        layer.forward(Forward { exec, x, y, params, state, saved, scratch, mask });
                    });
                    let Some(next) = &next else { return };
                    let x = self.operand(source.batch, &mut shard, next.x);
                    let of_shards = summaries.chunks_exact_mut(layout.summaries_len);
                    for (x, all) in x.axis_chunks_iter(Axis(0), cut.rows_per_shard).zip(of_shards) {
                        let summary = &mut all[layout.summaries[next.i].clone()];
                        next.layer.summarise(source.exec, x, summary, scratch);
                    }
                },
            );
            if let Some(next) = next {
                let node = &self.nodes[next.i];
                next.layer.merge(Merge {
                    summaries: layout.summaries(next.i, cut, summaries),
                    params: &params[node.params.clone()],
                    state: &mut state[node.state.clone()],
                    saved: &mut merged[layout.merged[next.i].clone()],
                });
            }
        }
    }

    /// The evaluation pass on `x` `[rows, inputs]`: running statistics, no dropout.
    ///
    /// # Panics
    /// If `x` has other columns, or more rows than the workspace.
    pub fn infer(
        &self,
        exec: &Executor,
        params: &[T],
        state: &[T],
        workspace: &mut Workspace<T>,
        x: ArrayView2<'_, T>,
    ) {
        workspace.begin(x.nrows());
        let tasks = workspace.cut.tasks(exec);
        let Workspace { values, scratch, layout, .. } = workspace;
        let source = Source { exec: tasks.inner, params, batch: flat(x) };
        exec.for_each_shard(
            tasks.rows,
            values,
            [tasks.part(scratch, layout.scratch_len)],
            |mut shard, [scratch]| {
                let nodes = 0..self.nodes.len();
                self.walk(nodes, source, &mut shard, scratch, |call, _| {
                    let Call { node, layer, x, y, params, scratch, .. } = call;
                    let (exec, state) = (source.exec, &state[node.state.clone()]);
                    layer.infer(Infer { exec, x, y, params, state, scratch });
                });
            },
        );
    }

    /// Calls `run` with each layer among `nodes`, and the number of its first row, and does the joins.
    fn walk(
        &self,
        nodes: Range<usize>,
        source: Source<'_, T>,
        shard: &mut Shard<'_, T>,
        scratch: &mut [T],
        mut run: impl FnMut(Call<'_, T>, usize),
    ) {
        let Source { exec, params, batch } = source;
        let rows = shard.rows();
        for i in nodes {
            let node = &self.nodes[i];
            let params = &params[node.params.clone()];
            match &node.op {
                Op::Input => {}
                Op::Layer { layer, x } => {
                    let (x, y) = self.operands(batch, shard, *x, i);
                    run(Call { i, node, layer: layer.as_ref(), x, y, params, scratch }, rows.start);
                }
                Op::Join { join, left, right } => {
                    if self.nodes[*left].slot != node.slot {
                        let (left, mut y) = self.operands(batch, shard, *left, i);
                        y.assign(&left);
                    }
                    let (right, y) = self.operands(batch, shard, *right, i);
                    join.forward(exec, right, params, y, scratch);
                }
            }
        }
    }

    /// The output of node `x`, or the batch for node 0, in a shard.
    fn operand<'a>(
        &self,
        batch: &'a [T],
        shard: &'a mut Shard<'_, T>,
        x: usize,
    ) -> ArrayView2<'a, T> {
        let (width, rows) = (self.nodes[x].width, shard.rows());
        match x {
            0 => matrix(&batch[rows.start * width..rows.end * width], rows.len(), width),
            _ => matrix(shard.matrix_mut(self.nodes[x].slot), rows.len(), width),
        }
    }

    /// The output of node `x`, or the batch for node 0, and the output of node `y`, in a shard.
    fn operands<'a>(
        &self,
        batch: &'a [T],
        shard: &'a mut Shard<'_, T>,
        x: usize,
        y: usize,
    ) -> (ArrayView2<'a, T>, ArrayViewMut2<'a, T>) {
        let n_rows = shard.rows().len();
        let [x_node, y_node] = [x, y].map(|i| &self.nodes[i]);
        if x == 0 {
            let rows = shard.rows();
            let x = &batch[rows.start * x_node.width..rows.end * x_node.width];
            let y = shard.matrix_mut(y_node.slot);
            return (matrix(x, n_rows, x_node.width), matrix_mut(y, n_rows, y_node.width));
        }
        let [x, y] = shard.pair_mut([x_node.slot, y_node.slot]);
        (matrix(x, n_rows, x_node.width), matrix_mut(y, n_rows, y_node.width))
    }

    /// The loss of each head ([`Workspace::losses`]) after [`forward`](Self::forward), and its derivative by the head's
    /// prediction.
    ///
    /// # Panics
    /// If [`check`](Self::check) would refuse the targets, or the workspace is for inference.
    pub fn losses(&self, exec: &Executor, workspace: &mut Workspace<T>, targets: &[Target<'_, T>]) {
        assert!(targets.len() == self.heads.len(), "one target for each head");
        let cut = workspace.cut;
        let tasks = cut.tasks(exec);
        let Workspace { values, deltas, losses, .. } = workspace;
        let values = &*values;
        exec.for_each_shard(tasks.rows, deltas, [], |mut shard, []: [&mut [T]; 0]| {
            let rows = shard.rows();
            for (h, (head, target)) in self.heads.iter().zip(targets).enumerate() {
                let Node { slot, width, .. } = self.nodes[head.node];
                let prediction = values.rows(slot, rows.clone());
                let prediction = matrix(prediction, rows.len(), width);
                let [d, row_losses] = shard.pair_mut([slot, self.nodes.len() + h]);
                let (target, d) = (target.rows(rows.clone()), matrix_mut(d, rows.len(), width));
                head.loss.gradient(tasks.inner, prediction, target, cut.n_rows, d, row_losses);
            }
        });
        for (h, (head, loss)) in self.heads.iter().zip(losses).enumerate() {
            *loss = head.loss.value(deltas.rows(self.nodes.len() + h, 0..cut.n_rows));
        }
    }
}
