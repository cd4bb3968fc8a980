//! The forward pass: a stage of training, the losses, and evaluation.

use std::ops::Range;

use anabranch_layers::{Forward, Infer, Layer, LossGradient, Target, Training};
use anabranch_tensor::parallel::Shard;
use anabranch_tensor::rows::gather_rows;
use anabranch_tensor::{
    ArrayView2, ArrayViewMut2, Executor, Scalar, compiled_once, flat, matrix, matrix_mut,
};

use crate::graph::Graph;
use crate::masks::Masks;
use crate::node::{Node, Op};
use crate::pass::{Batch, Inputs, Source, Task};
use crate::row_weights::weigh;
use crate::workspace::Workspace;

/// One call of a layer in a forward or evaluation pass, on the rows of a shard.
struct Call<'a, T> {
    i: usize,
    node: &'a Node<T>,
    layer: &'a dyn Layer<T>,
    input: usize,
    x: ArrayView2<'a, T>,
    y: ArrayViewMut2<'a, T>,
}

impl<T: Scalar> Graph<T> {
    /// Runs a stage forward on a task's rows, and summarises them for the layer that begins the
    /// next stage.
    pub(crate) fn forward_stage(
        &self,
        stage: usize,
        source: &Source<'_, '_, '_, T>,
        task: &mut Task<'_, T>,
    ) {
        let Source { exec, params, state, layout, merged, .. } = *source;
        let Task { values, saved, scratch, summaries, .. } = task;
        let first_row = values.rows().start;
        if let (0, Some(row_idx)) = (stage, source.batch.row_idx) {
            self.gather_inputs(source.batch.inputs, row_idx, values);
        }
        let (nodes, inputs) = (self.stages[stage].clone(), source.inputs());
        self.walk(nodes.clone(), inputs, values, |call| {
            let Call { i, node, layer, input, x, y } = call;
            match layer.training() {
                Training::RowWise(layer) => layer.forward(Forward {
                    exec,
                    input,
                    x,
                    y,
                    params: &params[node.params.clone()],
                    state: &state[node.state.clone()],
                    saved: &mut saved[layout.saved[i].clone()],
                    scratch,
                    mask: source.batch.masks.of(node, first_row),
                }),
                Training::WholeBatch(layer) => {
                    layer.apply(exec, x, y, &merged[layout.merged[i].clone()]);
                }
            }
        });
        let Some(next) = self.nodes.get(nodes.end) else { return };
        if let Some(layer) = next.whole_batch() {
            let x = self.operand(inputs, values, next.inputs[0].node);
            let of_shards = summaries.chunks_exact_mut(layout.summaries_len);
            for ((rows, _), all) in source.cut.shards_of(x.nrows()).zip(of_shards) {
                let summary = &mut all[layout.summaries[nodes.end].clone()];
                layer.summarise(exec, rows_of(x, rows), summary, scratch);
            }
        }
    }

    /// Copies a task's rows of the input matrices from the tables they are picked from.
    fn gather_inputs(
        &self,
        tables: &[ArrayView2<'_, T>],
        row_idx: &[usize],
        values: &mut Shard<'_, T>,
    ) {
        let row_idx = &row_idx[values.rows()];
        for node in &self.nodes {
            if let Op::Input(number) = node.op {
                let table = flat(tables[number]);
                gather_rows(table, node.width(), row_idx, values.matrix_mut(node.slot));
            }
        }
    }

    /// The losses of a task's rows, and the derivatives with respect to their predictions.
    pub(crate) fn losses_of(&self, source: &Source<'_, '_, '_, T>, task: &mut Task<'_, T>) {
        let Batch { targets, row_idx, .. } = source.batch;
        assert!(targets.len() == self.heads.len(), "one target for each head");
        let rows = task.values.rows();
        for (h, (head, target)) in self.heads.iter().zip(targets).enumerate() {
            let (slot, width) = (self.nodes[head.node].slot, head.outputs);
            let [d, row_losses] = task.deltas.pair_mut([slot, self.nodes.len() + h]);
            let values = &task.values;
            let mut gradient = |target: Target<'_, T>| {
                head.loss.gradient(LossGradient {
                    exec: source.exec,
                    prediction: matrix(values.matrix(slot), rows.len(), width),
                    target,
                    scale: T::from_f64(source.factors[h] * head.weight / source.cut.n_rows as f64),
                    d: matrix_mut(d, rows.len(), width),
                    row_losses,
                });
            };
            match row_idx {
                None => gradient(target.rows(rows.clone())),
                Some(row_idx) => {
                    let row_idx = &row_idx[rows.clone()];
                    gradient(target.gather(row_idx, task.scratch, task.classes));
                }
            }
            if let Some(weights) = source.batch.weights(h) {
                let scale = source.cut.n_rows as f64 / source.row_totals[h];
                match row_idx {
                    None => weigh(weights[rows.clone()].iter().copied(), scale, d, row_losses),
                    Some(row_idx) => {
                        let of_rows = row_idx[rows.clone()].iter().map(|row| weights[*row]);
                        weigh(of_rows, scale, d, row_losses);
                    }
                }
            }
        }
    }

    /// The evaluation pass on the input matrices `[rows, columns]`: running statistics, no dropout.
    ///
    /// # Panics
    /// If a matrix has the wrong number of columns, or more rows than the workspace.
    pub fn infer(
        &self,
        exec: &Executor,
        params: &[T],
        state: &[T],
        workspace: &mut Workspace<T>,
        inputs: &[ArrayView2<'_, T>],
    ) {
        let masks = Masks::Drawn { seed: 0, step: 0 };
        let batch = Batch { inputs, targets: &[], row_weights: &[], row_idx: None, masks };
        self.assert_fits(params, Some(state), &batch);
        workspace.begin(batch.n_rows());
        infer(self, exec, params, state, workspace, inputs);
    }

    /// Calls `run` with each input of each layer among `nodes`.
    fn walk(
        &self,
        nodes: Range<usize>,
        inputs: Inputs<'_, '_, T>,
        shard: &mut Shard<'_, T>,
        mut run: impl FnMut(Call<'_, T>),
    ) {
        for i in nodes {
            let node = &self.nodes[i];
            let Some(layer) = node.layer() else { continue };
            for (input, x) in node.input_nodes().enumerate().skip(self.in_place(i)) {
                let (x, y) = self.operands(inputs, shard, x, i);
                run(Call { i, node, layer, input, x, y });
            }
        }
    }

    /// How many of a node's inputs are in its output from the start: 1 if a sum has taken over the
    /// memory of its first input, else 0.
    pub(crate) fn in_place(&self, i: usize) -> usize {
        usize::from(self.nodes[i].slot != i)
    }

    /// The output of node `x`, or its rows of an input matrix, in a shard.
    pub(crate) fn operand<'a, 'x: 'a>(
        &self,
        inputs: Inputs<'_, 'x, T>,
        shard: &'a Shard<'_, T>,
        x: usize,
    ) -> ArrayView2<'a, T> {
        let (node, n_rows) = (&self.nodes[x], shard.rows().len());
        let values =
            of_batch(node, inputs, shard.rows()).unwrap_or_else(|| shard.matrix(node.slot));
        matrix(values, n_rows, node.width())
    }

    /// The output of node `x`, or its rows of an input matrix, and the output of node `y`, in a
    /// shard.
    fn operands<'a, 'x: 'a>(
        &self,
        inputs: Inputs<'_, 'x, T>,
        shard: &'a mut Shard<'_, T>,
        x: usize,
        y: usize,
    ) -> (ArrayView2<'a, T>, ArrayViewMut2<'a, T>) {
        let rows = shard.rows();
        let n_rows = rows.len();
        let [x_node, y_node] = [x, y].map(|i| &self.nodes[i]);
        let (x, y): (&[T], &mut [T]) = match of_batch(x_node, inputs, rows) {
            Some(x) => (x, shard.matrix_mut(y_node.slot)),
            None => {
                let [x, y] = shard.pair_mut([x_node.slot, y_node.slot]);
                (x, y)
            }
        };
        (matrix(x, n_rows, x_node.width()), matrix_mut(y, n_rows, y_node.width()))
    }
}

/// A range of rows of a contiguous matrix.
pub(crate) fn rows_of<T: Scalar>(x: ArrayView2<'_, T>, rows: Range<usize>) -> ArrayView2<'_, T> {
    let width = x.ncols();
    matrix(&flat(x)[rows.start * width..rows.end * width], rows.len(), width)
}

/// The rows of a node that holds an input matrix of the batch.
fn of_batch<'x, T: Scalar>(
    node: &Node<T>,
    inputs: Inputs<'_, 'x, T>,
    rows: Range<usize>,
) -> Option<&'x [T]> {
    match (&node.op, inputs) {
        (Op::Input(number), Inputs::Batch(matrices)) => {
            let width = node.width();
            Some(&flat(matrices[*number])[rows.start * width..rows.end * width])
        }
        _ => None,
    }
}

compiled_once! {
    /// The tasks of an evaluation pass.
    fn infer<T>(
        graph: &Graph<T>,
        exec: &Executor,
        params: &[T],
        state: &[T],
        workspace: &mut Workspace<T>,
        inputs: &[ArrayView2<'_, T>],
    ) {
        let tasks = workspace.cut.tasks(exec);
        let Workspace { values, scratch, layout, .. } = workspace;
        let (nodes, inner) = (0..graph.nodes.len(), tasks.inner);
        let parts = [tasks.part(scratch, layout.scratch_len)];
        exec.for_each_shard(
            tasks.n_rows,
            tasks.rows_per_task,
            [values],
            parts,
            |[mut shard], [scratch]| {
                graph.walk(nodes.clone(), Inputs::Batch(inputs), &mut shard, |call| {
                    let Call { node, layer, input, x, y, .. } = call;
                    layer.infer(Infer {
                        exec: inner,
                        input,
                        x,
                        y,
                        params: &params[node.params.clone()],
                        state: &state[node.state.clone()],
                        scratch: &mut *scratch,
                    });
                });
            },
        );
    }
}
