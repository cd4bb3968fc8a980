//! The passes over a network: forward, losses, backward, and evaluation.

use std::ops::Range;

use anabranch_layers::{Backward, Forward, Infer, Layer, Mask, Target};
use anabranch_tensor::{
    Accum, ArrayView2, ArrayViewMut2, Executor, Scalar, flat, matrix, matrix_mut,
};

use crate::graph::Graph;
use crate::join::JoinBackward;
use crate::node::{Node, Op};
use crate::workspace::Workspace;

/// Where dropout masks come from.
#[derive(Clone, Copy, Debug)]
pub enum Masks<'a, T> {
    /// Drawn by (seed, layer, step, element).
    Drawn {
        /// The seed of the run.
        seed: u64,
        /// The step, counted from the start of the run.
        step: u64,
    },
    /// Given by the names of the dropout layers, `[rows, columns]` row by row: 0 drops an element, 1 keeps it.
    Given(&'a [(&'a str, &'a [T])]),
}

impl<'a, T: Scalar> Masks<'a, T> {
    /// The mask for `node`. A node without dropout does not look at it.
    fn of(&self, node: &Node<T>) -> Mask<'a, T> {
        match *self {
            Self::Drawn { seed, step } => {
                Mask::Drawn { seed, layer: node.last_number as u32, step }
            }
            Self::Given(masks) => {
                let is_for_node =
                    |(name, _): &&(&str, _)| node.names.iter().any(|node_name| node_name == name);
                Mask::Given(masks.iter().find(is_for_node).map_or(&[], |(_, mask)| mask))
            }
        }
    }
}

/// One layer's part of a forward or evaluation pass.
struct Call<'a, T> {
    node: &'a Node<T>,
    layer: &'a dyn Layer<T>,
    x: ArrayView2<'a, T>,
    y: ArrayViewMut2<'a, T>,
    params: &'a [T],
    saved: &'a mut [T],
    scratch: &'a mut [T],
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
        self.walk(exec, params, workspace, x, |call| {
            let Call { node, layer, x, y, params, saved, scratch } = call;
            let (state, mask) = (&mut state[node.state.clone()], masks.of(node));
            layer.forward(Forward { exec, x, y, params, state, saved, scratch, mask });
        });
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
        self.walk(exec, params, workspace, x, |call| {
            let Call { node, layer, x, y, params, scratch, .. } = call;
            let state = &state[node.state.clone()];
            layer.infer(Infer { exec, x, y, params, state, scratch });
        });
    }

    /// Runs `run` on every layer and does the joins, in topological order.
    fn walk(
        &self,
        exec: &Executor,
        params: &[T],
        workspace: &mut Workspace<T>,
        x: ArrayView2<'_, T>,
        mut run: impl FnMut(Call<'_, T>),
    ) {
        assert!(x.nrows() <= workspace.max_rows(), "more rows than the workspace was planned for");
        workspace.rows = x.nrows();
        let Workspace { rows, layout, values, saved, scratch, .. } = workspace;
        let (rows, batch) = (*rows, flat(x));
        for (i, node) in self.nodes.iter().enumerate() {
            let params = &params[node.params.clone()];
            let y_slot = layout.slot(i, rows);
            match &node.op {
                Op::Input => {}
                Op::Layer { layer, x } => {
                    let (x_slice, y) = operands(values, batch, *x, layout.slot(*x, rows), y_slot);
                    run(Call {
                        node,
                        layer: layer.as_ref(),
                        x: matrix(x_slice, rows, self.nodes[*x].width),
                        y: matrix_mut(y, rows, node.width),
                        params,
                        saved: &mut saved[layout.saved(i)],
                        scratch,
                    });
                }
                Op::Join { join, left, right } => {
                    let (left_slot, right_slot) =
                        (layout.slot(*left, rows), layout.slot(*right, rows));
                    if left_slot != y_slot {
                        let (left, y) = operands(values, batch, *left, left_slot, y_slot.clone());
                        y.copy_from_slice(left);
                    }
                    let (right_slice, y) = operands(values, batch, *right, right_slot, y_slot);
                    let right = matrix(right_slice, rows, self.nodes[*right].width);
                    let y = matrix_mut(y, rows, node.width);
                    join.forward(exec, right, params, y, scratch);
                }
            }
        }
    }

    /// The loss of each head ([`Workspace::losses`]) after [`forward`](Self::forward), and its derivative by the head's
    /// prediction.
    ///
    /// # Panics
    /// If [`check`](Self::check) would refuse the targets, or the workspace is for inference.
    pub fn losses(&self, exec: &Executor, workspace: &mut Workspace<T>, targets: &[Target<'_, T>]) {
        assert!(targets.len() == self.heads.len(), "one target for each head");
        let Workspace { rows, layout, values, deltas, scratch, losses, .. } = workspace;
        for ((head, target), loss) in self.heads.iter().zip(targets).zip(losses) {
            let (slot, width) = (layout.slot(head.node, *rows), self.nodes[head.node].width);
            let prediction = matrix(&values[slot.clone()], *rows, width);
            let d = matrix_mut(&mut deltas[slot], *rows, width);
            *loss = head.loss.gradient(exec, prediction, *target, d, scratch);
        }
    }

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
        let Workspace { rows, layout, values, deltas, saved, scratch, .. } = workspace;
        let (rows, batch) = (*rows, flat(x));
        let value = |node: usize| match node {
            0 => batch,
            _ => &values[layout.slot(node, rows)],
        };
        for (i, node) in self.nodes.iter().enumerate().rev() {
            let (params, grads) = (&params[node.params.clone()], &mut grads[node.params.clone()]);
            let y_slot = layout.slot(i, rows);
            match &node.op {
                Op::Input => {}
                Op::Layer { layer, x } => {
                    let width = self.nodes[*x].width;
                    let (dx, dy) = if *x == 0 {
                        (None, &mut deltas[y_slot.clone()])
                    } else {
                        let [dx, dy] = disjoint(deltas, [layout.slot(*x, rows), y_slot.clone()]);
                        let dx = matrix_mut(dx, rows, width);
                        (Some((dx, self.accum(i, *x))), dy)
                    };
                    layer.backward(Backward {
                        exec,
                        x: matrix(value(*x), rows, width),
                        y: matrix(&values[y_slot], rows, node.width),
                        dy: matrix_mut(dy, rows, node.width),
                        dx,
                        params,
                        grads,
                        saved: &saved[layout.saved(i)],
                        scratch,
                    });
                }
                Op::Join { join, left, right } => {
                    let (left_slot, right_slot) =
                        (layout.slot(*left, rows), layout.slot(*right, rows));
                    if *left != 0 && left_slot != y_slot {
                        let [d, dy] = disjoint(deltas, [left_slot, y_slot.clone()]);
                        let accum = self.accum(i, *left);
                        for (d, dy) in d.iter_mut().zip(dy) {
                            *d = accum.combine(*d, *dy);
                        }
                    }
                    let (d_right, dy) = if *right == 0 {
                        (None, &mut deltas[y_slot])
                    } else {
                        let [d, dy] = disjoint(deltas, [right_slot, y_slot]);
                        let d = matrix_mut(d, rows, self.nodes[*right].width);
                        // A node that is joined with itself has its left share already.
                        let accum = if left == right { Accum::Add } else { self.accum(i, *right) };
                        (Some((d, accum)), dy)
                    };
                    join.backward(JoinBackward {
                        exec,
                        right: matrix(value(*right), rows, self.nodes[*right].width),
                        dy: matrix(dy, rows, node.width),
                        d_right,
                        params,
                        grads,
                        scratch,
                    });
                }
            }
        }
    }

    /// Whether node `reader`'s share of the derivative by `node` is the first one in a backward pass.
    fn accum(&self, reader: usize, node: usize) -> Accum {
        let has_head = self.heads.iter().any(|head| head.node == node);
        let mut later = self.nodes[reader + 1..].iter().flat_map(|other| other.op.inputs());
        if has_head || later.any(|input| input == node) { Accum::Add } else { Accum::Replace }
    }
}

/// The operand at `x_slot` of `values`, or the batch for node 0, and the output at `y_slot`.
fn operands<'a, T>(
    values: &'a mut [T],
    batch: &'a [T],
    x: usize,
    x_slot: Range<usize>,
    y_slot: Range<usize>,
) -> (&'a [T], &'a mut [T]) {
    if x == 0 {
        return (batch, &mut values[y_slot]);
    }
    let [x, y] = disjoint(values, [x_slot, y_slot]);
    (x, y)
}

/// Two slots of an arena at once.
fn disjoint<T>(arena: &mut [T], slots: [Range<usize>; 2]) -> [&mut [T]; 2] {
    arena.get_disjoint_mut(slots).expect("slots of different nodes do not overlap")
}
