//! The production network on an instance, in any precision and by any way through a step.

use std::collections::HashMap;

use anabranch_graph::{Batch, Fusion, Graph, Masks, Mode, RowWeights, Workspace};
use anabranch_layers::{Activation, LossKind, Target};
use anabranch_tensor::{ArrayView2, Buffer, Executor, Gradients, Scalar, flat};
use ndarray::Array2;

use super::error::GradcheckError;
use super::instance::Instance;
use crate::reference::{Network, Node, Op, OwnedTarget, cast, cast_weights};

/// The way through a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path<'e> {
    pub(crate) exec: &'e Executor,
    pub(crate) fusion: Fusion,
    /// Rows of a shard, if a cut is forced.
    pub(crate) rows_per_shard: Option<usize>,
}

/// A graph with its memory and the batch of an instance, all in numbers of type `T`.
pub(crate) struct Production<'e, T> {
    exec: &'e Executor,
    graph: Graph<T>,
    workspace: Workspace<T>,
    /// The parameters of the next pass.
    params: Vec<T>,
    /// Running statistics, written by training passes.
    state: Buffer<T>,
    x: Array2<T>,
    targets: Vec<OwnedTarget<T>>,
    row_weights: Vec<RowWeights<T>>,
    masks: (u64, u64),
}

impl<'e, T: Scalar> Production<'e, T> {
    pub(crate) fn new(instance: &Instance, path: Path<'e>) -> Result<Self, GradcheckError> {
        let Path { exec, fusion, rows_per_shard } = path;
        let graph = instance.river.build::<T>(fusion)?;
        let rows = instance.rows();
        let workspace = match rows_per_shard {
            None => Workspace::new(&graph, exec, rows, Mode::Training)?,
            Some(shard) => Workspace::with_shards_of(shard, &graph, exec, rows)?,
        };
        let (expected, found) = (graph.params_len(), instance.params.len());
        if expected != found {
            return Err(GradcheckError::Len { what: "parameters", expected, found });
        }
        let x = cast(instance.x.view());
        let targets: Vec<OwnedTarget<T>> =
            instance.targets.iter().map(|target| OwnedTarget::new(&target.view())).collect();
        let row_weights: Vec<RowWeights<T>> =
            instance.row_weights.iter().map(cast_weights).collect();
        let views: Vec<Target<'_, T>> = targets.iter().map(OwnedTarget::view).collect();
        let (_, state) = graph.init(0);
        let params: Vec<T> = instance.params.iter().map(|value| T::from_f64(*value)).collect();
        let masks = (instance.seed, instance.step);
        let drawn = Masks::Drawn { seed: instance.seed, step: instance.step };
        let batch = Batch {
            inputs: &[x.view()],
            targets: &views,
            row_weights: &row_weights,
            row_idx: None,
            masks: drawn,
        };
        graph.check(&workspace, &params, &state, &batch)?;
        Ok(Self { exec, graph, workspace, params, state, x, targets, row_weights, masks })
    }

    pub(super) fn graph(&self) -> &Graph<T> {
        &self.graph
    }

    /// The parameters, to change before a pass.
    pub(super) fn params_mut(&mut self) -> &mut [T] {
        &mut self.params
    }

    /// The running statistics.
    pub(super) fn state(&self) -> Vec<f64> {
        self.state.iter().map(|value| value.to_f64()).collect()
    }

    pub(super) fn set_state(&mut self, state: &[f64]) {
        self.state.iter_mut().zip(state).for_each(|(value, new)| *value = T::from_f64(*new));
    }

    /// The weighted loss of each head, by a forward pass.
    pub(crate) fn losses(&mut self) -> Vec<f64> {
        let Self { exec, graph, workspace, params, state, x, targets, row_weights, masks } = self;
        let masks = Masks::Drawn { seed: masks.0, step: masks.1 };
        let targets: Vec<Target<'_, T>> = targets.iter().map(OwnedTarget::view).collect();
        graph.forward(exec, params, state, workspace, &[x.view()], masks);
        graph.losses(exec, workspace, &targets, row_weights);
        workspace.losses().to_vec()
    }

    /// The gradient in one call, as in training.
    pub(crate) fn gradient(&mut self) -> Vec<f64> {
        let Self { exec, graph, workspace, params, state, x, targets, row_weights, masks } = self;
        let masks = Masks::Drawn { seed: masks.0, step: masks.1 };
        let targets: Vec<Target<'_, T>> = targets.iter().map(OwnedTarget::view).collect();
        let batch =
            Batch { inputs: &[x.view()], targets: &targets, row_weights, row_idx: None, masks };
        let mut grads = Gradients::zeros(params.len());
        exec.enter(|| graph.gradient(exec, params, state, &mut grads, workspace, batch));
        grads.whole(exec).iter().map(|value| value.to_f64()).collect()
    }

    /// The derivative of the loss with respect to the output of each node that some node reads,
    /// after [`gradient`](Self::gradient), by the node's number in `network`. For the unfused
    /// graph.
    pub(crate) fn deltas(&self, network: &Network) -> HashMap<usize, Array2<f64>> {
        let nodes = network.nodes.iter().enumerate().skip(1);
        nodes
            .filter_map(|(i, node)| {
                Some((i, cast(self.workspace.delta(self.graph.node(&node.name)?)?)))
            })
            .collect()
    }

    /// The prediction of each head in an evaluation pass.
    pub(super) fn evaluate(&mut self) -> Vec<Array2<f64>> {
        let Self { exec, graph, workspace, params, state, x, .. } = self;
        exec.enter(|| graph.infer(exec, params, state, workspace, &[x.view()]));
        graph.heads().iter().map(|head| cast(workspace.prediction(head))).collect()
    }

    /// The output of a node in the last pass. For the unfused graph.
    pub(crate) fn value(&self, name: &str) -> ArrayView2<'_, T> {
        let node = self.graph.node(name).expect("the nodes of a river are called as it says");
        self.workspace.value(node).expect("of the unfused graph, whose ReLUs keep their inputs")
    }

    /// On which side of each corner (of ReLUs and PReLUs, and of losses with corners) the last pass
    /// was. For the unfused graph.
    pub(super) fn sides<'a>(&'a self, network: &'a Network) -> impl Iterator<Item = bool> + 'a {
        let of_node = |node: &Node| match node.op {
            Op::Activation { x, f: Activation::Relu } | Op::PRelu { x, .. } if x > 0 => {
                flat(self.value(&network.nodes[x].name))
            }
            _ => &[],
        };
        let of_nodes = network.nodes.iter().flat_map(of_node).map(|x| *x > T::ZERO);
        let of_heads = network.heads.iter().zip(&self.targets).filter_map(|(head, target)| {
            let (corner, y) = match (&head.loss, target) {
                (LossKind::AbsoluteError | LossKind::Pinball { .. }, OwnedTarget::Values(y)) => {
                    (0.0, y)
                }
                (LossKind::Huber { delta }, OwnedTarget::Values(y)) => (*delta, y),
                _ => return None,
            };
            let prediction = flat(self.value(&network.nodes[head.node].name));
            let residuals = prediction.iter().zip(y).map(|(p, y)| (*p - *y).to_f64());
            Some(residuals.flat_map(move |r| [r > corner, r < -corner]))
        });
        of_nodes.chain(of_heads.flatten())
    }
}
