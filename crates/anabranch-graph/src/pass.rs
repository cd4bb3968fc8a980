//! A training pass: who works on which rows, and where the shards of a batch meet.
//!
//! ```text
//! forward(0)                                  each shard, up to the first layer that needs all rows
//! merge what the shards say of its input
//! forward(1) · losses · backward(1)           each shard, without waiting for the others
//! merge what the shards say of its derivative
//! backward(0)                                 each shard
//! add up the gradients of the shards
//! ```

use anabranch_layers::{Coupled, Merge, Target, mean_loss};
use anabranch_tensor::parallel::{Part, Shard};
use anabranch_tensor::{ArrayView2, Executor, Gradients, Scalar, flat};

use crate::graph::Graph;
use crate::masks::Masks;
use crate::node::Op;
use crate::workspace::{Layout, Workspace};

/// What a training pass reads beside the network's numbers.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a, 't, T> {
    /// `[rows, inputs]`.
    pub x: ArrayView2<'a, T>,
    /// One for each head.
    pub targets: &'a [Target<'t, T>],
    /// Which rows of `x` and `targets` make the batch, in this order, where these are a table;
    /// `None` where they are the batch. Each thread copies the rows that it works on.
    pub row_idx: Option<&'a [usize]>,
    /// What dropout keeps.
    pub masks: Masks<'a, T>,
}

impl<T> Batch<'_, '_, T> {
    pub(crate) fn n_rows(&self) -> usize {
        self.row_idx.map_or(self.x.nrows(), <[usize]>::len)
    }
}

/// A coupled layer in its place.
pub(crate) struct CoupledNode<'a, T: Scalar> {
    pub(crate) i: usize,
    pub(crate) layer: &'a dyn Coupled<T>,
    /// The node that it reads.
    pub(crate) x: usize,
}

/// What a task does with its rows; stages are counted from the input.
#[derive(Clone, Copy, Debug)]
enum Step {
    Forward(usize),
    Losses,
    Backward(usize),
}

/// What all tasks of a pass read.
pub(crate) struct Source<'a, 'b, 't, T> {
    /// Who works on a task.
    pub(crate) exec: &'a Executor,
    pub(crate) params: &'a [T],
    /// The rows of the batch, or the table that they are picked from.
    pub(crate) x: &'a [T],
    pub(crate) row_idx: Option<&'a [usize]>,
    pub(crate) targets: &'b [Target<'t, T>],
    pub(crate) masks: Masks<'b, T>,
    pub(crate) n_rows: usize,
    pub(crate) rows_per_shard: usize,
    /// What the shards have told each other, at the places that the layout names.
    pub(crate) merged: &'a [T],
    pub(crate) layout: &'a Layout,
}

impl<'a, T> Source<'a, '_, '_, T> {
    /// Where tasks find their rows of the input.
    pub(crate) fn input(&self) -> Input<'a, T> {
        if self.row_idx.is_some() { Input::Copied } else { Input::Batch(self.x) }
    }
}

/// Where a task finds its rows of the input.
#[derive(Clone, Copy)]
pub(crate) enum Input<'a, T> {
    /// At their places in the batch.
    Batch(&'a [T]),
    /// Copied to the task's own.
    Copied,
}

/// Rows of a batch, one shard or all of them, and what a pass writes for them.
pub(crate) struct Task<'t, T> {
    pub(crate) values: Shard<'t, T>,
    pub(crate) deltas: Shard<'t, T>,
    pub(crate) saved: &'t mut [T],
    pub(crate) scratch: &'t mut [T],
    /// Of each shard of the task.
    pub(crate) summaries: &'t mut [T],
    pub(crate) grads: &'t mut [T],
    /// Room for the class of each row.
    pub(crate) classes: &'t mut [u32],
}

/// A pass over a batch.
struct Pass<'a, 'b, 't, T> {
    exec: &'a Executor,
    params: &'a [T],
    workspace: &'a mut Workspace<T>,
    batch: Batch<'b, 't, T>,
}

impl<T: Scalar> Graph<T> {
    /// The gradient of the summed losses on a batch by all parameters, into `grads`:
    /// [`forward`](Self::forward), [`losses`](Self::losses) and [`backward`](Self::backward), to
    /// the same bits, with fewer meetings of the threads.
    ///
    /// # Panics
    /// As these.
    pub fn gradient(
        &self,
        exec: &Executor,
        params: &[T],
        (state, grads): (&mut [T], &mut Gradients<T>),
        workspace: &mut Workspace<T>,
        batch: Batch<'_, '_, T>,
    ) {
        assert!(grads.len() == self.params_len(), "gradients of another network");
        self.assert_fits(params, Some(state), &batch);
        workspace.begin(batch.n_rows());
        workspace.cut_gradients(exec, grads);
        let mut pass = Pass { exec, params, workspace, batch };
        let last = self.stages.len() - 1;
        for stage in 0..last {
            self.run(&mut pass, None, &[Step::Forward(stage)]);
            self.merge(&mut pass, stage + 1, state);
        }
        self.run(
            &mut pass,
            Some(&mut *grads),
            &[Step::Forward(last), Step::Losses, Step::Backward(last)],
        );
        self.take_losses(pass.workspace);
        for stage in (0..last).rev() {
            self.merge_backward(&mut pass, stage + 1);
            self.run(&mut pass, Some(&mut *grads), &[Step::Backward(stage)]);
        }
    }

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
        let batch = Batch { x, targets: &[], row_idx: None, masks };
        self.assert_fits(params, Some(state), &batch);
        workspace.begin(x.nrows());
        let mut pass = Pass { exec, params, workspace, batch };
        for stage in 0..self.stages.len() {
            if stage > 0 {
                self.merge(&mut pass, stage, state);
            }
            self.run(&mut pass, None, &[Step::Forward(stage)]);
        }
    }

    /// The loss of each head ([`Workspace::losses`]) after [`forward`](Self::forward), and its
    /// derivative by the head's prediction.
    ///
    /// # Panics
    /// If [`check`](Self::check) would refuse the targets, or the workspace is for inference.
    pub fn losses(&self, exec: &Executor, workspace: &mut Workspace<T>, targets: &[Target<'_, T>]) {
        let (x, masks) = (ArrayView2::from(&[[T::ZERO; 0]; 0]), Masks::Given(&[]));
        let batch = Batch { x, targets, row_idx: None, masks };
        self.run(&mut Pass { exec, params: &[], workspace, batch }, None, &[Step::Losses]);
        self.take_losses(workspace);
    }

    /// The derivative of the summed losses by all parameters, into `grads`, after
    /// [`losses`](Self::losses).
    ///
    /// # Panics
    /// If `x` or `params` are not those of the forward pass, or `grads` has another length.
    pub fn backward(
        &self,
        exec: &Executor,
        params: &[T],
        grads: &mut Gradients<T>,
        workspace: &mut Workspace<T>,
        x: ArrayView2<'_, T>,
    ) {
        assert!(grads.len() == self.params_len(), "gradients of another network");
        workspace.cut_gradients(exec, grads);
        let masks = Masks::Drawn { seed: 0, step: 0 };
        let batch = Batch { x, targets: &[], row_idx: None, masks };
        self.assert_fits(params, None, &batch);
        let mut pass = Pass { exec, params, workspace, batch };
        for stage in (0..self.stages.len()).rev() {
            self.run(&mut pass, Some(&mut *grads), &[Step::Backward(stage)]);
            if stage > 0 {
                self.merge_backward(&mut pass, stage);
            }
        }
    }

    /// Does `steps` with the rows of each task; a backward step needs `grads`.
    fn run(
        &self,
        pass: &mut Pass<'_, '_, '_, T>,
        grads: Option<&mut Gradients<T>>,
        steps: &[Step],
    ) {
        let Pass { exec, params, ref mut workspace, batch } = *pass;
        let tasks = workspace.cut.tasks(exec);
        let cut = workspace.cut;
        let Workspace {
            values, deltas, saved, scratch, summaries, merged, classes, layout, ..
        } = &mut **workspace;
        let layout = &*layout;
        let source = Source {
            exec: tasks.inner,
            params,
            x: flat(batch.x),
            row_idx: batch.row_idx,
            targets: batch.targets,
            masks: batch.masks,
            n_rows: cut.n_rows,
            rows_per_shard: cut.rows_per_shard,
            merged,
            layout,
        };
        let grads = grads.map_or(tasks.part(&mut [], 0), Gradients::part);
        let parts = [
            tasks.part(saved, layout.saved_len),
            tasks.part(scratch, layout.scratch_len),
            tasks.part(summaries, tasks.shards_per_task * layout.summaries_len),
            grads,
        ];
        let parts = (parts, [Part::Rows(&mut classes[..cut.n_rows], 1)]);
        exec.for_each_shard(tasks.rows, [values, deltas], parts, move |shards, parts| {
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
        });
    }

    /// Merges what the shards say of the input of the layer that begins a stage.
    fn merge(&self, pass: &mut Pass<'_, '_, '_, T>, stage: usize, state: &mut [T]) {
        let Some(CoupledNode { i, layer, .. }) = self.coupled(self.stages[stage].start) else {
            return;
        };
        let Workspace { cut, summaries, merged, layout, .. } = &mut *pass.workspace;
        layer.merge(Merge {
            summaries: layout.summaries(i, *cut, summaries),
            params: &pass.params[self.nodes[i].params.clone()],
            state: &mut state[self.nodes[i].state.clone()],
            saved: &mut merged[layout.merged[i].clone()],
        });
    }

    /// Merges what the shards say of the derivative by the output of the layer that begins a stage.
    fn merge_backward(&self, pass: &mut Pass<'_, '_, '_, T>, stage: usize) {
        let Some(CoupledNode { i, layer, .. }) = self.coupled(self.stages[stage].start) else {
            return;
        };
        let Workspace { cut, summaries, merged, layout, .. } = &mut *pass.workspace;
        let summaries = layout.summaries(i, *cut, summaries);
        layer.merge_backward(summaries, &mut merged[layout.merged_backward[i].clone()]);
    }

    /// The loss of each head from those of the rows.
    fn take_losses(&self, workspace: &mut Workspace<T>) {
        let Workspace { cut, deltas, losses, .. } = workspace;
        for (h, (head, loss)) in self.heads.iter().zip(losses).enumerate() {
            let row_losses = deltas.rows(self.nodes.len() + h, 0..cut.n_rows);
            *loss = mean_loss(head.weight, row_losses);
        }
    }

    /// Node `i`, if its rows depend on each other.
    pub(crate) fn coupled(&self, i: usize) -> Option<CoupledNode<'_, T>> {
        match &self.nodes.get(i)?.op {
            Op::Layer { layer, x } => Some(CoupledNode { i, layer: layer.coupled()?, x: *x }),
            _ => None,
        }
    }
}
