//! A network's batch with everything that a step needs, and what a step gives.

use anabranch_graph::{Batch, Graph, Head, Masks, Mode, NodeId, Workspace};
use anabranch_layers::{Target, TargetKind};
use anabranch_tensor::random::{Purpose, Random};
use anabranch_tensor::{Executor, Gradients, Scalar, matrix};

use crate::measure::{draw, draw_distributions};

/// A batch, its targets, and parameters and state away from their defaults.
pub(crate) struct Instance<T> {
    rows: usize,
    x: Vec<T>,
    targets: Vec<OwnedTarget<T>>,
    pub(crate) params: Vec<T>,
    state: Vec<T>,
}

/// A target that owns its numbers.
enum OwnedTarget<T> {
    Values(Vec<T>),
    Classes(Vec<u32>),
    Probabilities(Vec<T>),
}

/// What a training step and an evaluation after it give.
#[derive(Debug, PartialEq)]
pub(crate) struct Results<T> {
    pub(crate) losses: Vec<f64>,
    pub(crate) grads: Vec<T>,
    pub(crate) state: Vec<T>,
    /// The evaluation of each head.
    pub(crate) evaluation: Vec<T>,
}

fn masks<T>() -> Masks<'static, T> {
    Masks::Drawn { seed: 4, step: 17 }
}

impl<T: Scalar> Instance<T> {
    /// Weights, γ and biases of size 1/2, positive state; classes and soft labels by turns.
    pub(crate) fn draw(graph: &Graph<T>, rows: usize, seed: u64) -> Self {
        let random = &mut Random::new(seed, Purpose::Sample, 0);
        let x = draw(random, rows * graph.inputs());
        let mut params: Vec<T> = draw(random, graph.params_len());
        params.iter_mut().for_each(|param| *param *= T::from_f64(0.5));
        let state = draw::<T>(random, graph.state_len()).iter().map(|v| *v * *v).collect();
        let target = |(i, head): (usize, &Head<T>)| {
            let width = head.outputs();
            match head.loss().target_kind() {
                TargetKind::Values | TargetKind::Binary => {
                    OwnedTarget::Values(draw(random, rows * width))
                }
                TargetKind::Classes if i % 2 == 0 => {
                    OwnedTarget::Probabilities(draw_distributions(random, rows, width))
                }
                TargetKind::Classes => {
                    let class = |_| random.below(width as u64) as u32;
                    OwnedTarget::Classes((0..rows).map(class).collect())
                }
            }
        };
        let targets = graph.heads().iter().enumerate().map(target).collect();
        Self { rows, x, targets, params, state }
    }

    fn targets(&self, graph: &Graph<T>) -> Vec<Target<'_, T>> {
        let heads = graph.heads().iter().zip(&self.targets);
        heads
            .map(|(head, target)| {
                let view = |values| matrix(values, self.rows, head.outputs());
                match target {
                    OwnedTarget::Values(y) => Target::Values(view(y)),
                    OwnedTarget::Classes(classes) => Target::Classes(classes),
                    OwnedTarget::Probabilities(y) => Target::Probabilities(view(y)),
                }
            })
            .collect()
    }

    /// A step and an evaluation; gradients begin as NaN.
    pub(crate) fn run(&self, graph: &Graph<T>, exec: &Executor) -> Results<T> {
        let mut workspace = Workspace::new(graph, exec, self.rows, Mode::Training).unwrap();
        let x = matrix(&self.x, self.rows, graph.inputs());
        let targets = self.targets(graph);
        let batch = Batch {
            inputs: &[x],
            targets: &targets,
            row_weights: &[],
            row_idx: None,
            masks: masks(),
        };
        graph.check(&workspace, &self.params, &self.state, &batch).unwrap();
        let mut state = self.state.clone();
        let mut grads = Gradients::from(&*vec![T::from_f64(f64::NAN); self.params.len()]);
        graph.forward(exec, &self.params, &mut state, &mut workspace, &[x], masks());
        graph.losses(exec, &mut workspace, &targets, &[]);
        graph.backward(exec, &self.params, &mut grads, &mut workspace, &[x]);
        let (losses, grads) = (workspace.losses().to_vec(), grads.whole(exec).to_vec());
        graph.infer(exec, &self.params, &state, &mut workspace, &[x]);
        let heads = graph.heads().iter();
        let evaluation = heads.flat_map(|head| workspace.prediction(head).to_owned()).collect();
        Results { losses, grads, state, evaluation }
    }

    /// The same as [`run`](Self::run) by [`Graph::gradient`], and the number of parts of the
    /// gradient.
    pub(crate) fn run_at_once(&self, graph: &Graph<T>, exec: &Executor) -> (Results<T>, usize) {
        let mut workspace = Workspace::new(graph, exec, self.rows, Mode::Training).unwrap();
        let x = matrix(&self.x, self.rows, graph.inputs());
        let mut state = self.state.clone();
        let mut grads = Gradients::from(&*vec![T::from_f64(f64::NAN); self.params.len()]);
        let batch = Batch {
            inputs: &[x],
            targets: &self.targets(graph),
            row_weights: &[],
            row_idx: None,
            masks: masks(),
        };
        graph.gradient(exec, &self.params, &mut state, &mut grads, &mut workspace, batch);
        let n_parts = grads.n_parts();
        let (losses, grads) = (workspace.losses().to_vec(), grads.whole(exec).to_vec());
        graph.infer(exec, &self.params, &state, &mut workspace, &[x]);
        let heads = graph.heads().iter();
        let evaluation = heads.flat_map(|head| workspace.prediction(head).to_owned()).collect();
        (Results { losses, grads, state, evaluation }, n_parts)
    }

    /// The summed losses at other parameters, and which outputs of the nodes `signs` are positive.
    pub(crate) fn loss(
        &self,
        graph: &Graph<T>,
        params: &[T],
        signs: &[NodeId],
    ) -> (f64, Vec<bool>) {
        let exec = Executor::serial();
        let mut workspace = Workspace::new(graph, &exec, self.rows, Mode::Training).unwrap();
        let x = matrix(&self.x, self.rows, graph.inputs());
        graph.forward(&exec, params, &mut self.state.clone(), &mut workspace, &[x], masks());
        graph.losses(&exec, &mut workspace, &self.targets(graph), &[]);
        let is_positive =
            |node: &NodeId| workspace.value(*node).expect("not fused").mapv(|y| y > T::ZERO);
        (workspace.losses().iter().sum(), signs.iter().flat_map(is_positive).collect())
    }
}
