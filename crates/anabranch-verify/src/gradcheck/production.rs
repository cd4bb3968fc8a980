//! The production network on an instance, in any precision.

use anabranch_graph::{Fusion, Graph, Masks, Mode, NodeId, Workspace};
use anabranch_layers::Target;
use anabranch_tensor::{ArrayView2, Buffer, Executor, Gradients, Scalar, flat, matrix};

use super::error::GradcheckError;
use super::instance::{Instance, Labels};
use anabranch_audit::matrix::Matrix;

/// A graph with its memory and the batch of an instance, all in the numbers `T`.
pub(super) struct Production<T> {
    exec: Executor,
    graph: Graph<T>,
    workspace: Workspace<T>,
    /// What the next pass runs with.
    params: Vec<T>,
    /// Written by every pass and read by none.
    state: Buffer<T>,
    batch: Batch<T>,
    masks: (u64, u64),
}

struct Batch<T> {
    rows: usize,
    x: Vec<T>,
    y_a: Vec<T>,
    y_b: OwnedLabels<T>,
}

enum OwnedLabels<T> {
    Classes(Vec<u32>),
    Probabilities(Vec<T>),
}

impl<T: Scalar> Batch<T> {
    fn x(&self) -> ArrayView2<'_, T> {
        matrix(&self.x, self.rows, self.x.len() / self.rows)
    }

    fn targets(&self) -> [Target<'_, T>; 2] {
        let rows = self.rows;
        let y_b = match &self.y_b {
            OwnedLabels::Classes(classes) => Target::Classes(classes),
            OwnedLabels::Probabilities(p) => Target::Probabilities(matrix(p, rows, p.len() / rows)),
        };
        [Target::Values(matrix(&self.y_a, rows, self.y_a.len() / rows)), y_b]
    }
}

impl<T: Scalar> Production<T> {
    pub(super) fn new(instance: &Instance, fusion: Fusion) -> Result<Self, GradcheckError> {
        let exec = Executor::serial();
        let graph = instance.network().build::<T>(fusion)?;
        let workspace = Workspace::new(&graph, &exec, instance.rows(), Mode::Training)?;
        let (expected, found) = (graph.params_len(), instance.params().len());
        if expected != found {
            return Err(GradcheckError::Len { what: "parameters", expected, found });
        }
        let batch = Batch {
            rows: instance.rows(),
            x: cast(instance.x().data()),
            y_a: cast(instance.y_a().data()),
            y_b: match instance.y_b() {
                Labels::Classes(classes) => OwnedLabels::Classes(classes.clone()),
                Labels::Probabilities(y_b) => OwnedLabels::Probabilities(cast(y_b.data())),
            },
        };
        graph.check(&workspace, batch.x(), &batch.targets())?;
        let (_, state) = graph.init(0);
        let params = cast(instance.params());
        let masks = (instance.seed(), instance.step());
        Ok(Self { exec, graph, workspace, params, state, batch, masks })
    }

    pub(super) fn graph(&self) -> &Graph<T> {
        &self.graph
    }

    /// The parameters, to be changed before a pass.
    pub(super) fn params_mut(&mut self) -> &mut [T] {
        &mut self.params
    }

    /// The loss: a forward pass.
    pub(super) fn loss(&mut self) -> f64 {
        let Self { exec, graph, workspace, params, state, batch, masks: (seed, step) } = self;
        let masks = Masks::Drawn { seed: *seed, step: *step };
        graph.forward(exec, params, state, workspace, batch.x(), masks);
        graph.losses(exec, workspace, &batch.targets());
        workspace.losses().iter().sum()
    }

    /// The gradient: a forward and a backward pass.
    pub(super) fn gradient(&mut self) -> Vec<f64> {
        self.loss();
        let Self { exec, graph, workspace, params, batch, .. } = self;
        let mut grads = Gradients::zeros(params.len());
        graph.backward(exec, params, &mut grads, workspace, batch.x());
        grads.whole(exec).iter().map(|value| value.to_f64()).collect()
    }

    /// Which ReLUs let something through in the last pass; behind dropout only those that it kept.
    pub(super) fn active(&self) -> Vec<bool> {
        self.relu_outputs().flatten().map(|value| *value > T::ZERO).collect()
    }

    /// Whether the ReLUs of the last pass are on and off as in `active`.
    pub(super) fn is_active_as(&self, active: &[bool]) -> bool {
        let mut rest = active;
        self.relu_outputs().all(|values| {
            let (expected, others) = rest.split_at(values.len());
            rest = others;
            values.iter().zip(expected).all(|(value, on)| (*value > T::ZERO) == *on)
        })
    }

    fn relu_outputs(&self) -> impl Iterator<Item = &[T]> {
        ["dp1a", "relu1b"].into_iter().map(|name| flat(self.workspace.value(self.node(name))))
    }

    /// The output of a node in the last pass.
    pub(super) fn value(&self, name: &str) -> Matrix {
        double(self.workspace.value(self.node(name)))
    }

    /// The derivative of the loss by the output of a node in the last pass; of the unfused graph.
    pub(super) fn delta(&self, name: &str) -> Matrix {
        double(self.workspace.delta(self.node(name)))
    }

    fn node(&self, name: &str) -> NodeId {
        self.graph.node(name).expect("the two-branch network has a node of this name")
    }
}

impl Production<f64> {
    /// M `[rows, hidden_a]`, the dropout mask over 1 − p: what dropout makes of ones. Leaves the parameters as they
    /// were.
    pub(super) fn mask(&mut self) -> Matrix {
        let params = self.params.clone();
        for (name, value) in [("fc1a.weight", 0.0), ("fc1a.bias", 1.0)] {
            let array = self.graph.param(name).expect("every two-branch network has this one");
            self.params[array.range.clone()].fill(value);
        }
        self.loss();
        self.params = params;
        self.value("dp1a")
    }
}

fn cast<T: Scalar>(values: &[f64]) -> Vec<T> {
    values.iter().map(|value| T::from_f64(*value)).collect()
}

fn double<T: Scalar>(view: ArrayView2<'_, T>) -> Matrix {
    let (rows, cols) = view.dim();
    Matrix::new(rows, cols, flat(view).iter().map(|value| value.to_f64()).collect())
}
