//! A training pass: which thread works on which rows, and where the shards of a batch meet.
//!
//! ```text
//! forward(0)                                  each shard, up to the first layer that needs all rows
//! merge the shards' summaries of its input
//! forward(1) · losses · backward(1)           each shard, without waiting for the others
//! merge the shards' summaries of its derivative
//! backward(0)                                 each shard
//! add up the gradients of the shards
//! ```

use anabranch_layers::{Merge, Target, Training, mean_loss};
use anabranch_tensor::parallel::{self, Shard};
use anabranch_tensor::{ArrayView2, Executor, Gradients, Scalar, compiled_once};

use crate::graph::Graph;
use crate::masks::Masks;
use crate::row_weights::RowWeights;
use crate::shards::Cut;
use crate::workspace::{Layout, Workspace};

/// Inputs of a training pass besides the network's numbers.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a, 't, T> {
    /// The input matrices `[rows, columns]`, one for most networks.
    pub inputs: &'a [ArrayView2<'a, T>],
    /// One target per head.
    pub targets: &'a [Target<'t, T>],
    /// How much each row counts in the loss of each head; empty if all rows count alike.
    pub row_weights: &'a [RowWeights<T>],
    /// The rows of `inputs`, `targets` and `row_weights` that make up the batch, in this order, if
    /// these are a table; `None` if they are the batch. Each thread copies the rows it works on.
    pub row_idx: Option<&'a [usize]>,
    /// The dropout masks.
    pub masks: Masks<'a, T>,
}

impl<'a, T> Batch<'a, '_, T> {
    /// How much each row of the table counts in the loss of head number `head`; `None` if all count
    /// alike.
    pub(crate) fn weights(&self, head: usize) -> Option<&'a [T]> {
        match self.row_weights.get(head) {
            Some(RowWeights::Each(weights)) => Some(weights),
            _ => None,
        }
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.row_idx.map_or(self.table_rows(), <[usize]>::len)
    }

    /// Rows of the matrices.
    pub(crate) fn table_rows(&self) -> usize {
        self.inputs.first().map_or(0, ArrayView2::nrows)
    }
}

/// What a task does with its rows; stages are numbered from the input.
#[derive(Clone, Copy, Debug)]
enum Step {
    Forward(usize),
    Losses,
    Backward(usize),
}

/// What all shards of a pass read.
pub(crate) struct Source<'a, 'b, 't, T> {
    /// Executor that runs a task.
    pub(crate) exec: &'a Executor,
    pub(crate) params: &'a [T],
    /// The state before the batch.
    pub(crate) state: &'a [T],
    pub(crate) batch: Batch<'b, 't, T>,
    pub(crate) cut: Cut,
    /// The merged summaries of the shards, laid out by the plan.
    pub(crate) merged: &'a [T],
    pub(crate) layout: &'a Layout,
    /// For each head, the sum of its weights of the batch's rows.
    pub(crate) row_totals: &'a [f64],
    /// How much each head's loss counts in the derivatives, besides its weight.
    pub(crate) factors: &'a [f64],
}

impl<'b, T> Source<'_, 'b, '_, T> {
    /// Where shards find their rows of the inputs.
    pub(crate) fn inputs(&self) -> Inputs<'b, 'b, T> {
        match self.batch.row_idx {
            None => Inputs::Batch(self.batch.inputs),
            Some(_) => Inputs::Copied,
        }
    }
}

/// Where a shard finds its rows of the input matrices.
#[derive(Clone, Copy)]
pub(crate) enum Inputs<'a, 'x, T> {
    /// In their place in the batch.
    Batch(&'a [ArrayView2<'x, T>]),
    /// Copied to the shard's own memory.
    Copied,
}

/// Rows of a batch, one shard or all of them, and the memory that a pass writes for them.
pub(crate) struct Task<'t, T> {
    pub(crate) values: Shard<'t, T>,
    pub(crate) deltas: Shard<'t, T>,
    pub(crate) saved: &'t mut [T],
    pub(crate) scratch: &'t mut [T],
    /// The summaries of its shards.
    pub(crate) summaries: &'t mut [T],
    pub(crate) grads: &'t mut [T],
    /// Room for the class of each row.
    pub(crate) classes: &'t mut [u32],
}

/// A pass over a batch.
pub(crate) struct Pass<'a, 'b, 't, T> {
    exec: &'a Executor,
    params: &'a [T],
    state: &'a mut [T],
    workspace: &'a mut Workspace<T>,
    batch: Batch<'b, 't, T>,
}

/// Which part of a training step a pass does.
#[derive(Clone, Copy, Debug)]
enum Part {
    Forward,
    Losses,
    Backward,
    All,
}

impl<T: Scalar> Graph<T> {
    /// The gradient of the summed losses on a batch with respect to all parameters, into `grads`:
    /// the same bits as [`forward`](Self::forward), [`losses`](Self::losses) and
    /// [`backward`](Self::backward), with fewer synchronisations of the threads.
    ///
    /// # Panics
    /// As those methods.
    pub fn gradient(
        &self,
        exec: &Executor,
        params: &[T],
        state: &mut [T],
        grads: &mut Gradients<T>,
        workspace: &mut Workspace<T>,
        batch: Batch<'_, '_, T>,
    ) {
        self.assert_fits(params, Some(state), &batch);
        workspace.begin(batch.n_rows());
        self.cut_gradients(exec, workspace, grads);
        let mut pass = Pass { exec, params, state, workspace, batch };
        train(self, &mut pass, Some(grads), Part::All);
    }

    /// The same after [`gradient`](Self::gradient) of the same batch, without another forward pass:
    /// for other [factors of the heads](Workspace::weigh_heads).
    ///
    /// # Panics
    /// As [`gradient`](Self::gradient).
    pub fn gradient_again(
        &self,
        exec: &Executor,
        params: &[T],
        grads: &mut Gradients<T>,
        workspace: &mut Workspace<T>,
        batch: Batch<'_, '_, T>,
    ) {
        self.assert_fits(params, None, &batch);
        self.cut_gradients(exec, workspace, grads);
        let mut pass = Pass { exec, params, state: &mut [], workspace, batch };
        train(self, &mut pass, None, Part::Losses);
        train(self, &mut pass, Some(grads), Part::Backward);
    }

    /// The training pass on the input matrices `[rows, columns]`.
    ///
    /// # Panics
    /// If [`check`](Self::check) would reject the batch, or a dropout layer has no given mask.
    pub fn forward(
        &self,
        exec: &Executor,
        params: &[T],
        state: &mut [T],
        workspace: &mut Workspace<T>,
        inputs: &[ArrayView2<'_, T>],
        masks: Masks<'_, T>,
    ) {
        let batch = Batch { inputs, targets: &[], row_weights: &[], row_idx: None, masks };
        self.assert_fits(params, Some(state), &batch);
        workspace.begin(batch.n_rows());
        let mut pass = Pass { exec, params, state, workspace, batch };
        train(self, &mut pass, None, Part::Forward);
    }

    /// The loss of each head ([`Workspace::losses`]) after [`forward`](Self::forward), and its
    /// derivative with respect to the head's prediction; `row_weights` as in a [`Batch`].
    ///
    /// # Panics
    /// If [`check`](Self::check) would reject targets or weights, or the workspace is for
    /// inference.
    pub fn losses(
        &self,
        exec: &Executor,
        workspace: &mut Workspace<T>,
        targets: &[Target<'_, T>],
        row_weights: &[RowWeights<T>],
    ) {
        let masks = Masks::Given(&[]);
        let batch = Batch { inputs: &[], targets, row_weights, row_idx: None, masks };
        let mut pass = Pass { exec, params: &[], state: &mut [], workspace, batch };
        train(self, &mut pass, None, Part::Losses);
    }

    /// The derivative of the summed losses with respect to all parameters, into `grads`, after
    /// [`losses`](Self::losses).
    ///
    /// # Panics
    /// If `inputs` or `params` are not those of the forward pass, or `grads` has the wrong length.
    pub fn backward(
        &self,
        exec: &Executor,
        params: &[T],
        grads: &mut Gradients<T>,
        workspace: &mut Workspace<T>,
        inputs: &[ArrayView2<'_, T>],
    ) {
        let masks = Masks::Drawn { seed: 0, step: 0 };
        let batch = Batch { inputs, targets: &[], row_weights: &[], row_idx: None, masks };
        self.assert_fits(params, None, &batch);
        self.cut_gradients(exec, workspace, grads);
        let mut pass = Pass { exec, params, state: &mut [], workspace, batch };
        train(self, &mut pass, Some(grads), Part::Backward);
    }

    /// Splits `grads` into a part for each task of the current batch; allocates in the first pass
    /// only.
    #[track_caller]
    fn cut_gradients(&self, exec: &Executor, workspace: &Workspace<T>, grads: &mut Gradients<T>) {
        assert!(grads.len() == self.params_len(), "gradients of another network");
        grads.reserve(workspace.max_tasks);
        grads.cut(workspace.cut.tasks(exec).n_tasks);
    }

    /// Runs `steps` on the rows of each task; a backward step needs `grads`.
    fn run(
        &self,
        pass: &mut Pass<'_, '_, '_, T>,
        grads: Option<&mut Gradients<T>>,
        steps: &[Step],
    ) {
        let Pass { exec, params, ref state, ref mut workspace, batch } = *pass;
        let cut = workspace.cut;
        let tasks = cut.tasks(exec);
        let Workspace {
            values,
            deltas,
            saved,
            scratch,
            summaries,
            merged,
            classes,
            row_totals,
            factors,
            layout,
            ..
        } = &mut **workspace;
        let layout = &*layout;
        let source = Source {
            exec: tasks.inner,
            params,
            state,
            batch,
            cut,
            merged,
            layout,
            row_totals,
            factors,
        };
        let grads = grads.map_or(tasks.part(&mut [], 0), Gradients::part);
        let parts = [
            tasks.part(saved, layout.saved_len),
            tasks.part(scratch, layout.scratch_len),
            tasks.part(summaries, tasks.shards_per_task * layout.summaries_len),
            grads,
        ];
        let n_rows = tasks.n_rows;
        let parts = (parts, [parallel::Part::Rows(&mut classes[..n_rows], 1)]);
        exec.for_each_shard(
            n_rows,
            tasks.rows_per_task,
            [values, deltas],
            parts,
            move |shards, parts| {
                let [values, deltas] = shards;
                let ([saved, scratch, summaries, grads], [classes]) = parts;
                let mut task = Task { values, deltas, saved, scratch, summaries, grads, classes };
                for step in steps {
                    match *step {
                        Step::Forward(stage) => self.forward_stage(stage, &source, &mut task),
                        Step::Losses => self.losses_of(&source, &mut task),
                        Step::Backward(stage) => self.backward_stage(stage, &source, &mut task),
                    }
                }
            },
        );
    }

    /// Merges the shards' summaries of the input of the layer that begins a stage.
    fn merge(&self, pass: &mut Pass<'_, '_, '_, T>, stage: usize) {
        let i = self.stages[stage].start;
        let Some(layer) = self.nodes[i].whole_batch() else { return };
        let Workspace { cut, summaries, merged, layout, .. } = &mut *pass.workspace;
        layer.merge(Merge {
            summaries: layout.summaries(i, *cut, summaries),
            params: &pass.params[self.nodes[i].params.clone()],
            state: &mut pass.state[self.nodes[i].state.clone()],
            saved: &mut merged[layout.merged[i].clone()],
        });
    }

    /// Merges the shards' summaries of the derivative with respect to the output of the layer that
    /// begins a stage.
    fn merge_backward(&self, pass: &mut Pass<'_, '_, '_, T>, stage: usize) {
        let i = self.stages[stage].start;
        let Some(layer) = self.nodes[i].whole_batch() else { return };
        let Workspace { cut, summaries, merged, layout, .. } = &mut *pass.workspace;
        let summaries = layout.summaries(i, *cut, summaries);
        layer.merge_backward(summaries, &mut merged[layout.merged_backward[i].clone()]);
    }

    /// Updates the state of row-wise layers, after the forward pass.
    fn update_state(&self, state: &mut [T]) {
        for node in self.nodes.iter().filter(|node| !node.state.is_empty()) {
            if let Some(Training::RowWise(layer)) = node.layer().map(|layer| layer.training()) {
                layer.update_state(&mut state[node.state.clone()]);
            }
        }
    }

    /// Computes the loss of each head from the losses of its rows.
    fn take_losses(&self, workspace: &mut Workspace<T>) {
        let Workspace { cut, deltas, losses, .. } = workspace;
        for (h, (head, loss)) in self.heads.iter().zip(losses).enumerate() {
            let row_losses = deltas.rows(self.nodes.len() + h, 0..cut.n_rows);
            *loss = mean_loss(head.weight, row_losses);
        }
    }
}

compiled_once! {
    /// Runs a part of a training step; a backward pass needs `grads`.
    fn train<T>(
        graph: &Graph<T>,
        pass: &mut Pass<'_, '_, '_, T>,
        grads: Option<&mut Gradients<T>>,
        part: Part,
    ) {
        let mut grads = grads;
        let last = graph.stages.len() - 1;
        if let Part::Forward | Part::All = part {
            for stage in 0..last {
                graph.run(pass, None, &[Step::Forward(stage)]);
                graph.merge(pass, stage + 1);
            }
        }
        if let Part::Losses | Part::All = part {
            pass.workspace.total_weights(pass.batch.row_weights, pass.batch.row_idx);
        }
        let steps: &[Step] = match part {
            Part::Forward => &[Step::Forward(last)],
            Part::Losses => &[Step::Losses],
            Part::Backward => &[Step::Backward(last)],
            Part::All => &[Step::Forward(last), Step::Losses, Step::Backward(last)],
        };
        graph.run(pass, grads.as_deref_mut(), steps);
        if let Part::Forward | Part::All = part {
            graph.update_state(pass.state);
        }
        if let Part::Losses | Part::All = part {
            graph.take_losses(pass.workspace);
        }
        if let Part::Backward | Part::All = part {
            for stage in (0..last).rev() {
                graph.merge_backward(pass, stage + 1);
                graph.run(pass, grads.as_deref_mut(), &[Step::Backward(stage)]);
            }
        }
    }
}
