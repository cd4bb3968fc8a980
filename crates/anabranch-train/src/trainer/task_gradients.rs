//! The gradient of each task for itself.

use std::ops::Range;

use anabranch_graph::{Batch, Graph, Workspace};
use anabranch_tensor::{Executor, Gradients, Scalar};

/// Products that are added up apart, so that additions do not wait for each other.
const LANES: usize = 8;

/// The gradients of the tasks' weighted losses on a batch, and the layers that tasks share.
#[derive(Debug)]
pub(super) struct TaskGradients<T> {
    of_tasks: Vec<Gradients<T>>,
    /// The parameters on which several tasks depend.
    shared: Vec<Range<usize>>,
    factors: Vec<f64>,
}

impl<T: Scalar> TaskGradients<T> {
    pub(super) fn new(graph: &Graph<T>) -> Self {
        let n_tasks = graph.heads().len();
        Self {
            of_tasks: (0..n_tasks).map(|_| Gradients::zeros(graph.params_len())).collect(),
            shared: graph.shared_params(),
            factors: vec![1.0; n_tasks],
        }
    }

    /// The gradients on a batch; `state` is given unless it has been passed forward already.
    pub(super) fn compute(
        &mut self,
        graph: &Graph<T>,
        exec: &Executor,
        params: &[T],
        mut state: Option<&mut [T]>,
        workspace: &mut Workspace<T>,
        batch: Batch<'_, '_, T>,
    ) {
        for (task, grads) in self.of_tasks.iter_mut().enumerate() {
            self.factors.fill(0.0);
            self.factors[task] = 1.0;
            workspace.weigh_heads(&self.factors);
            match state.take() {
                Some(state) => graph.gradient(exec, params, state, grads, workspace, batch),
                None => graph.gradient_again(exec, params, grads, workspace, batch),
            }
            grads.whole(exec);
        }
        self.factors.fill(1.0);
        workspace.weigh_heads(&self.factors);
    }

    /// gᵢ·gⱼ of two tasks, over the layers that tasks share, in an order that depends on the
    /// network alone.
    pub(super) fn dot(&mut self, exec: &Executor, i: usize, j: usize) -> f64 {
        let (first, second) = self.of_tasks.split_at_mut(i.max(j));
        let (a, b): (&[T], &[T]) = match second {
            [] => return 0.0,
            [only, ..] if i == j => {
                let only = only.whole(exec);
                (&*only, &*only)
            }
            [b, ..] => (&*first[i.min(j)].whole(exec), &*b.whole(exec)),
        };
        let of_range = |range: &Range<usize>| dot(&a[range.clone()], &b[range.clone()]);
        self.shared.iter().map(of_range).sum()
    }

    /// Σ cᵢ·gᵢ of all parameters, into `grads`.
    pub(super) fn combine(&mut self, exec: &Executor, factors: &[f64], grads: &mut Gradients<T>) {
        let sums = grads.whole(exec);
        sums.fill(T::ZERO);
        for (task, factor) in self.of_tasks.iter_mut().zip(factors) {
            let factor = T::from_f64(*factor);
            for (sum, grad) in sums.iter_mut().zip(&*task.whole(exec)) {
                *sum += factor * *grad;
            }
        }
    }
}

fn dot<T: Scalar>(a: &[T], b: &[T]) -> f64 {
    let mut sums = [0.0; LANES];
    let (blocks_a, tail_a) = a.as_chunks::<LANES>();
    let (blocks_b, tail_b) = b.as_chunks::<LANES>();
    for (a, b) in blocks_a.iter().zip(blocks_b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a.to_f64() * b.to_f64();
        }
    }
    for ((sum, a), b) in sums.iter_mut().zip(tail_a).zip(tail_b) {
        *sum += a.to_f64() * b.to_f64();
    }
    sums.iter().sum()
}
