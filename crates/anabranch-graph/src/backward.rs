//! Backward: derivatives by every parameter.

use anabranch_layers::{ApplyBackward, Backward, Dx, SummariseBackward, Training};
use anabranch_tensor::parallel::Shard;
use anabranch_tensor::{ArrayViewMut2, Scalar, matrix_mut};

use crate::graph::Graph;
use crate::node::Op;
use crate::pass::{Source, Task};

impl<T: Scalar> Graph<T> {
    /// Takes the derivatives of a shard's rows back through a stage, and summarises them for the
    /// layer that begins it.
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
        for i in nodes.clone().rev() {
            self.backward_node(i, source, task);
        }
    }

    /// The backward pass of a node; of one that needs the whole batch, what the shard says of the
    /// derivatives by its output.
    fn backward_node(&self, i: usize, source: &Source<'_, '_, '_, T>, task: &mut Task<'_, T>) {
        let node = &self.nodes[i];
        let Some(layer) = node.layer() else { return };
        let Source { exec, layout, .. } = *source;
        let inputs = source.inputs();
        let Task { values, deltas, saved, scratch, summaries, grads, .. } = task;
        let grads = &mut grads[node.params.clone()];
        match layer.training() {
            Training::RowWise(layer) => {
                for (k, input) in node.inputs.iter().enumerate().skip(self.in_place(i)) {
                    let (dx, dy) = self.deltas(deltas, input.node, i);
                    layer.backward(Backward {
                        exec,
                        input: k,
                        x: self.operand(inputs, values, input.node),
                        y: self.operand(inputs, values, i),
                        dy,
                        dx: dx.map(|values| Dx { values, accum: input.accum }),
                        params: &source.params[node.params.clone()],
                        grads: &mut *grads,
                        saved: &saved[layout.saved[i].clone()],
                        scratch: &mut *scratch,
                    });
                }
            }
            Training::WholeBatch(layer) => layer.summarise_backward(SummariseBackward {
                exec,
                x: self.operand(inputs, values, node.inputs[0].node),
                dy: self.deltas(deltas, i, i).1.view(),
                saved: &source.merged[layout.merged[i].clone()],
                grads,
                summary: &mut summaries[layout.summaries[i].clone()],
                scratch,
            }),
        }
    }

    /// The derivatives by the input of a layer that needs the whole batch, once all shards have
    /// been summarised.
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

    /// The derivatives by the outputs of nodes `x` and `y` in a shard; nobody needs those by an
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
