//! The backward pass: derivatives with respect to every parameter.

use anabranch_layers::{ApplyBackward, Backward, Dx, ParamGrads, SummariseBackward, Training};
use anabranch_tensor::parallel::Shard;
use anabranch_tensor::{ArrayViewMut2, Scalar, matrix_mut};

use crate::forward::rows_of;
use crate::graph::Graph;
use crate::node::Op;
use crate::pass::{Source, Task};

impl<T: Scalar> Graph<T> {
    /// Runs a stage backward on a task's rows, and summarises them for the layer that begins it.
    pub(crate) fn backward_stage(
        &self,
        stage: usize,
        source: &Source<'_, '_, '_, T>,
        task: &mut Task<'_, T>,
    ) {
        let nodes = self.stages[stage].clone();
        if nodes.end < self.nodes.len() {
            self.apply_backward(nodes.end, source, task);
        }
        for i in nodes.rev() {
            self.backward_node(i, source, task);
        }
    }

    /// The backward pass of a node; for a node that needs the whole batch, only its shards'
    /// summaries of the derivatives with respect to its output.
    fn backward_node(&self, i: usize, source: &Source<'_, '_, '_, T>, task: &mut Task<'_, T>) {
        let node = &self.nodes[i];
        let Some(layer) = node.layer() else { return };
        let Source { exec, layout, cut, .. } = *source;
        let (inputs, params) = (source.inputs(), &source.params[node.params.clone()]);
        let Task { values, deltas, saved, scratch, summaries, grads, .. } = task;
        let n_rows = values.rows().len();
        let grads = &mut grads[node.params.clone()];
        match layer.training() {
            Training::RowWise(layer) => {
                for (input, from) in node.inputs.iter().enumerate().skip(self.in_place(i)) {
                    let x = self.operand(inputs, values, from.node);
                    let (dx, dy) = self.deltas(deltas, from.node, i);
                    layer.backward(Backward {
                        exec,
                        input,
                        x,
                        y: self.operand(inputs, values, i),
                        dy,
                        dx: dx.map(|values| Dx { values, accum: from.accum }),
                        params,
                        saved: &saved[layout.saved[i].clone()],
                        scratch,
                    });
                    if params.is_empty() {
                        continue;
                    }
                    let (_, dy) = self.deltas(deltas, i, i);
                    for (rows, accum) in cut.shards_of(n_rows) {
                        layer.param_grads(ParamGrads {
                            exec,
                            input,
                            x: rows_of(x, rows.clone()),
                            dy: rows_of(dy.view(), rows),
                            params,
                            grads: &mut *grads,
                            accum,
                            scratch,
                        });
                    }
                }
            }
            Training::WholeBatch(layer) => {
                let x = self.operand(inputs, values, node.inputs[0].node);
                let (_, dy) = self.deltas(deltas, i, i);
                let of_shards = summaries.chunks_exact_mut(layout.summaries_len);
                for ((rows, accum), all) in cut.shards_of(n_rows).zip(of_shards) {
                    layer.summarise_backward(SummariseBackward {
                        exec,
                        x: rows_of(x, rows.clone()),
                        dy: rows_of(dy.view(), rows),
                        saved: &source.merged[layout.merged[i].clone()],
                        grads: &mut *grads,
                        accum,
                        summary: &mut all[layout.summaries[i].clone()],
                        scratch,
                    });
                }
            }
        }
    }

    /// The derivatives with respect to the input of a layer that needs the whole batch, once all
    /// shards are summarised.
    fn apply_backward(&self, i: usize, source: &Source<'_, '_, '_, T>, task: &mut Task<'_, T>) {
        let node = &self.nodes[i];
        let (Some(layer), input) = (node.whole_batch(), node.inputs[0]) else { return };
        let Source { exec, layout, merged, .. } = *source;
        let (Some(values), dy) = self.deltas(&mut task.deltas, input.node, i) else { return };
        layer.apply_backward(ApplyBackward {
            exec,
            x: self.operand(source.inputs(), &task.values, input.node),
            dy: dy.view(),
            dx: Dx { values, accum: input.accum },
            saved: &merged[layout.merged[i].clone()],
            merged: &merged[layout.merged_backward[i].clone()],
        });
    }

    /// The derivatives with respect to the outputs of nodes `x` and `y` in a task; `None` for an
    /// input matrix.
    fn deltas<'a>(
        &self,
        deltas: &'a mut Shard<'_, T>,
        x: usize,
        y: usize,
    ) -> (Option<ArrayViewMut2<'a, T>>, ArrayViewMut2<'a, T>) {
        let n_rows = deltas.rows().len();
        let [x_node, y_node] = [x, y].map(|i| &self.nodes[i]);
        if matches!(x_node.op, Op::Input(_)) || x == y {
            return (None, matrix_mut(deltas.matrix_mut(y_node.slot), n_rows, y_node.width()));
        }
        let [dx, dy] = deltas.pair_mut([x_node.slot, y_node.slot]);
        (Some(matrix_mut(dx, n_rows, x_node.width())), matrix_mut(dy, n_rows, y_node.width()))
    }
}
