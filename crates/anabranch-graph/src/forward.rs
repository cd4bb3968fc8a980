//! Forward: a stage of training, its losses, and evaluation.

use std::ops::Range;

use anabranch_layers::{Forward, Infer, Layer, LossGradient, Target};
use anabranch_tensor::parallel::Shard;
use anabranch_tensor::rows::gather_rows;
use anabranch_tensor::{
    ArrayView2, ArrayViewMut2, Axis, Executor, Scalar, flat, matrix, matrix_mut,
};

use crate::graph::Graph;
use crate::masks::Masks;
use crate::node::{Node, Op};
use crate::pass::{Batch, Input, Source, Task};
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

impl<T: Scalar> Graph<T> {
    /// Takes a task's rows through a stage, and summarises them for the layer that begins the next
    /// one.
    pub(crate) fn forward_stage(
        &self,
        stage: usize,
        source: &Source<'_, '_, '_, T>,
        task: &mut Task<'_, T>,
    ) {
        let Source { exec, params, layout, merged, .. } = *source;
        let Task { values, saved, scratch, summaries, .. } = task;
        let first_row = values.rows().start;
        if let (0, Some(row_idx)) = (stage, source.row_idx) {
            let rows = values.rows();
            gather_rows(source.x, self.inputs(), &row_idx[rows], values.matrix_mut(0));
        }
        let nodes = self.stages[stage].clone();
        let next = self.coupled(nodes.end);
        self.walk(nodes, exec, params, source.input(), values, scratch, |call| {
            let Call { i, node, layer, x, y, params, scratch } = call;
            if let Some(coupled) = layer.coupled() {
                coupled.apply(exec, x, y, &merged[layout.merged[i].clone()]);
                return;
            }
            let saved = &mut saved[layout.saved[i].clone()];
            let (mask, state) = (source.masks.of(node, first_row), &mut [][..]);
            layer.forward(Forward { exec, x, y, params, state, saved, scratch, mask });
        });
        let Some(next) = next else { return };
        let x = self.operand(source.input(), values, next.x);
        let of_shards = summaries.chunks_exact_mut(layout.summaries_len);
        for (x, all) in x.axis_chunks_iter(Axis(0), source.rows_per_shard).zip(of_shards) {
            let summary = &mut all[layout.summaries[next.i].clone()];
            next.layer.summarise(exec, x, summary, scratch);
        }
    }

    /// The losses of a task's rows, and the derivatives by their predictions.
    pub(crate) fn losses_of(&self, source: &Source<'_, '_, '_, T>, task: &mut Task<'_, T>) {
        assert!(source.targets.len() == self.heads.len(), "one target for each head");
        let rows = task.values.rows();
        for (h, (head, target)) in self.heads.iter().zip(source.targets).enumerate() {
            let Node { slot, width, .. } = self.nodes[head.node];
            let [d, row_losses] = task.deltas.pair_mut([slot, self.nodes.len() + h]);
            let values = &task.values;
            let mut gradient = |target: Target<'_, T>| {
                head.loss.gradient(LossGradient {
                    exec: source.exec,
                    prediction: matrix(values.matrix(slot), rows.len(), width),
                    target,
                    scale: T::from_f64(head.weight / source.n_rows as f64),
                    d: matrix_mut(d, rows.len(), width),
                    row_losses,
                });
            };
            match source.row_idx {
                None => gradient(target.rows(rows.clone())),
                Some(row_idx) => {
                    let room = (&mut *task.scratch, &mut *task.classes);
                    gradient(target.gather(&row_idx[rows.clone()], room));
                }
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
        let masks = Masks::Drawn { seed: 0, step: 0 };
        self.assert_fits(params, Some(state), &Batch { x, targets: &[], row_idx: None, masks });
        workspace.begin(x.nrows());
        let tasks = workspace.cut.tasks(exec);
        let Workspace { values, scratch, layout, .. } = workspace;
        let (nodes, inner, x) = (0..self.nodes.len(), tasks.inner, Input::Batch(flat(x)));
        let parts = [tasks.part(scratch, layout.scratch_len)];
        exec.for_each_shard(tasks.rows, [values], parts, |[mut shard], [scratch]| {
            self.walk(nodes.clone(), inner, params, x, &mut shard, scratch, |call| {
                let Call { node, layer, x, y, params, scratch, .. } = call;
                let (exec, state) = (inner, &state[node.state.clone()]);
                layer.infer(Infer { exec, x, y, params, state, scratch });
            });
        });
    }

    /// Calls `run` with each layer among `nodes`, and does the joins.
    #[allow(clippy::too_many_arguments)]
    fn walk(
        &self,
        nodes: Range<usize>,
        exec: &Executor,
        params: &[T],
        input: Input<'_, T>,
        shard: &mut Shard<'_, T>,
        scratch: &mut [T],
        mut run: impl FnMut(Call<'_, T>),
    ) {
        for i in nodes {
            let node = &self.nodes[i];
            let params = &params[node.params.clone()];
            match &node.op {
                Op::Input => {}
                Op::Layer { layer, x } => {
                    let (x, y) = self.operands(input, shard, *x, i);
                    run(Call { i, node, layer: layer.as_ref(), x, y, params, scratch });
                }
                Op::Join { join, left, right } => {
                    if self.nodes[*left].slot != node.slot {
                        let (left, mut y) = self.operands(input, shard, *left, i);
                        y.assign(&left);
                    }
                    let (right, y) = self.operands(input, shard, *right, i);
                    join.forward(exec, right, params, y, scratch);
                }
            }
        }
    }

    /// The output of node `x`, or the input for node 0, in a shard.
    pub(crate) fn operand<'a>(
        &self,
        input: Input<'a, T>,
        shard: &'a Shard<'_, T>,
        x: usize,
    ) -> ArrayView2<'a, T> {
        let (width, rows) = (self.nodes[x].width, shard.rows());
        match (x, input) {
            (0, Input::Batch(batch)) => {
                matrix(&batch[rows.start * width..rows.end * width], rows.len(), width)
            }
            _ => matrix(shard.matrix(self.nodes[x].slot), rows.len(), width),
        }
    }

    /// The output of node `x`, or the input for node 0, and the output of node `y`, in a shard.
    fn operands<'a>(
        &self,
        input: Input<'a, T>,
        shard: &'a mut Shard<'_, T>,
        x: usize,
        y: usize,
    ) -> (ArrayView2<'a, T>, ArrayViewMut2<'a, T>) {
        let n_rows = shard.rows().len();
        let [x_node, y_node] = [x, y].map(|i| &self.nodes[i]);
        if let (0, Input::Batch(batch)) = (x, input) {
            let rows = shard.rows();
            let x = &batch[rows.start * x_node.width..rows.end * x_node.width];
            let y = shard.matrix_mut(y_node.slot);
            return (matrix(x, n_rows, x_node.width), matrix_mut(y, n_rows, y_node.width));
        }
        let [x, y] = shard.pair_mut([x_node.slot, y_node.slot]);
        (matrix(x, n_rows, x_node.width), matrix_mut(y, n_rows, y_node.width))
    }
}
