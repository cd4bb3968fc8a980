//! The network whose step is measured, with everything that a step needs.

use anabranch_graph::{Batch, Fusion, Graph, Masks, Mode, Workspace};
use anabranch_layers::Target;
use anabranch_optim::{Optimizer, OptimizerKind, ParamGroup, Scales};
use anabranch_tensor::{Buffer, Executor, Gradients, Scalar, matrix};
use clap::ValueEnum;

use crate::Result;
use crate::shape::Shape;
use crate::workload::Workload;

/// The same as the peers'.
pub(crate) const DROPOUT: f64 = 0.5;
const LEARNING_RATE: f64 = 1e-3;
const MASK_SEED: u64 = 1;

/// The update rules that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rule {
    /// SGD with momentum 0.9
    Sgd,
    /// Adam
    Adam,
}

impl Rule {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sgd => "sgd",
            Self::Adam => "adam",
        }
    }

    fn kind(self) -> OptimizerKind {
        match self {
            Self::Sgd => OptimizerKind::MOMENTUM,
            Self::Adam => OptimizerKind::ADAM,
        }
    }
}

/// A network in training on one batch.
#[derive(Debug)]
pub(crate) struct Network<T> {
    graph: Graph<T>,
    shape: Shape,
    params: Buffer<T>,
    grads: Gradients<T>,
    state: Buffer<T>,
    workspace: Workspace<T>,
    optimizer: Optimizer<T>,
    data: Workload<T>,
}

impl<T: Scalar> Network<T> {
    pub(crate) fn new(exec: &Executor, shape: Shape, rule: Rule, dropout: f64) -> Result<Self> {
        Self::of(exec, shape, rule, shape.network(dropout).build(Fusion::Fused)?)
    }

    /// A network for `graph`, whose parameters have the names of the two-branch network's.
    pub(crate) fn of(exec: &Executor, shape: Shape, rule: Rule, graph: Graph<T>) -> Result<Self> {
        // BatchNorm keeps its initial values, γ = 1 and β = 0.
        let (mut params, state) = graph.init(0);
        let data = Workload::new(shape);
        for (name, values) in &data.params {
            let array = graph.param(name).ok_or("the network has different parameters")?;
            params[array.range.clone()].copy_from_slice(values);
        }
        let n_params = params.len();
        let groups = [ParamGroup::new(0..n_params, 0.0)];
        Ok(Self {
            workspace: Workspace::new(&graph, exec, shape.rows, Mode::Training)?,
            optimizer: Optimizer::new(rule.kind(), LEARNING_RATE, n_params, &groups)?,
            grads: Gradients::zeros(n_params),
            graph,
            shape,
            params,
            state,
            data,
        })
    }

    /// Forward, losses, backward and update.
    pub(crate) fn step(&mut self, exec: &Executor) {
        let y_a = matrix(&self.data.y_a, self.shape.rows, self.shape.outputs_a);
        let batch = Batch {
            inputs: &[matrix(&self.data.x, self.shape.rows, self.shape.inputs)],
            targets: &[Target::Values(y_a), Target::Classes(&self.data.y_b)],
            row_weights: &[],
            row_idx: None,
            masks: Masks::Drawn { seed: MASK_SEED, step: self.optimizer.steps() },
        };
        let (grads, workspace) = (&mut self.grads, &mut self.workspace);
        self.graph.gradient(exec, &self.params, &mut self.state, grads, workspace, batch);
        self.optimizer.step(exec, &mut self.params, &self.grads, Scales::default());
    }

    pub(crate) fn forward(&mut self, exec: &Executor) {
        let x = matrix(&self.data.x, self.shape.rows, self.shape.inputs);
        let masks = Masks::Drawn { seed: MASK_SEED, step: self.optimizer.steps() };
        let (params, state, workspace) = (&self.params, &mut self.state, &mut self.workspace);
        self.graph.forward(exec, params, state, workspace, &[x], masks);
    }

    pub(crate) fn losses(&mut self, exec: &Executor) {
        let y_a = matrix(&self.data.y_a, self.shape.rows, self.shape.outputs_a);
        let targets = [Target::Values(y_a), Target::Classes(&self.data.y_b)];
        self.graph.losses(exec, &mut self.workspace, &targets, &[]);
    }

    pub(crate) fn backward(&mut self, exec: &Executor) {
        let x = matrix(&self.data.x, self.shape.rows, self.shape.inputs);
        let (grads, workspace) = (&mut self.grads, &mut self.workspace);
        self.graph.backward(exec, &self.params, grads, workspace, &[x]);
    }

    pub(crate) fn update(&mut self, exec: &Executor) {
        self.optimizer.step(exec, &mut self.params, &self.grads, Scales::default());
    }

    /// The loss of the last step.
    pub(crate) fn loss(&self) -> f64 {
        self.workspace.losses().iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_lowers_the_loss_and_the_precisions_agree() {
        let exec = Executor::serial();
        let shape = "8,3,5,4,3".parse().unwrap();
        for rule in [Rule::Sgd, Rule::Adam] {
            let mut single = Network::<f32>::new(&exec, shape, rule, 0.0).unwrap();
            let mut double = Network::<f64>::new(&exec, shape, rule, 0.0).unwrap();
            single.step(&exec);
            double.step(&exec);
            // Before the first update, only f32 rounding differs.
            assert!((single.loss() - double.loss()).abs() < 1e-5, "{rule:?}");
            let first = double.loss();
            (0..50).for_each(|_| double.step(&exec));
            assert!(double.loss() < first, "{rule:?}");
        }
    }
}
