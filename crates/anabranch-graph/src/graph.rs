//! A finished network: its nodes, its heads, and the range of every array in the flat slices.

use std::ops::Range;

use anabranch_layers::{Loss, Role};
use anabranch_tensor::random::{Purpose, Random};
use anabranch_tensor::{Buffer, Scalar};

use crate::node::{Node, NodeId, Op};

/// A named array in the flat parameters or state of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    /// The name, as in PyTorch's `state_dict`: `fc1a.weight`.
    pub name: String,
    /// One axis for a vector, two for a matrix `[out, in]`.
    pub shape: Vec<usize>,
    /// What the array is for.
    pub role: Role,
    /// Its range of elements.
    pub range: Range<usize>,
}

/// A task of a network: a node whose output is a prediction, and its loss.
#[derive(Debug)]
pub struct Head<T> {
    pub(crate) name: String,
    /// The builder's id of the node.
    pub(crate) id: NodeId,
    /// Index of the node in the finished network.
    pub(crate) node: usize,
    pub(crate) outputs: usize,
    pub(crate) weight: f64,
    pub(crate) loss: Box<dyn Loss<T>>,
}

impl<T: Scalar> Head<T> {
    /// The task's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The node whose output is the prediction.
    pub fn node(&self) -> NodeId {
        self.id
    }

    /// Columns of the prediction.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The weight of the loss in the sum that is minimised.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// The loss of the prediction.
    pub fn loss(&self) -> &dyn Loss<T> {
        &*self.loss
    }
}

/// A node as its builder added it.
#[derive(Debug)]
pub(crate) struct BuiltNode {
    pub(crate) name: String,
    pub(crate) width: usize,
    /// Whether it is a dropout layer, which takes a given mask.
    pub(crate) is_dropout: bool,
    /// The node of the finished network with the same output; `None` if fusion made it internal.
    place: Option<usize>,
}

impl BuiltNode {
    pub(crate) fn new<T: Scalar>(node: &Node<T>) -> Self {
        let is_dropout = node.is_dropout();
        Self { name: node.name.clone(), width: node.width(), is_dropout, place: None }
    }
}

/// The named arrays of a network.
#[derive(Debug, Default)]
pub(crate) struct Arrays {
    pub(crate) params: Vec<Array>,
    pub(crate) state: Vec<Array>,
}

/// A network without its numbers: the caller owns parameters, gradients and running state as flat
/// slices.
///
/// Made by [`GraphBuilder`](crate::GraphBuilder); runs with a [`Workspace`](crate::Workspace).
#[derive(Debug)]
pub struct Graph<T> {
    pub(crate) nodes: Vec<Node<T>>,
    pub(crate) heads: Vec<Head<T>>,
    /// The nodes in order, split before each whose rows depend on each other: a shard runs a stage
    /// without the other shards.
    pub(crate) stages: Vec<Range<usize>>,
    arrays: Arrays,
    /// The nodes that the builder made, in its order.
    pub(crate) built: Vec<BuiltNode>,
}

impl<T: Scalar> Graph<T> {
    pub(crate) fn new(
        nodes: Vec<Node<T>>,
        heads: Vec<Head<T>>,
        arrays: Arrays,
        mut built: Vec<BuiltNode>,
    ) -> Self {
        for (place, node) in nodes.iter().enumerate() {
            built[node.number].place = Some(place);
        }
        let mut graph = Self { nodes, heads, stages: Vec::new(), arrays, built };
        let mut start = 0;
        for i in 1..=graph.nodes.len() {
            if i == graph.nodes.len() || graph.nodes[i].whole_batch().is_some() {
                graph.stages.push(start..i);
                start = i;
            }
        }
        graph
    }

    /// Columns of the input; of all input matrices together if there are several.
    pub fn inputs(&self) -> usize {
        self.input_widths().sum()
    }

    /// Columns of each input matrix, in the order that passes take them.
    pub fn input_widths(&self) -> impl Iterator<Item = usize> {
        self.nodes.iter().filter(|node| matches!(node.op, Op::Input(_))).map(Node::width)
    }

    /// The learned arrays, in the order of the flat parameters and gradients.
    pub fn params(&self) -> &[Array] {
        &self.arrays.params
    }

    /// The non-learned arrays, in the order of the flat state.
    pub fn state(&self) -> &[Array] {
        &self.arrays.state
    }

    /// The learned array called `name`.
    pub fn param(&self, name: &str) -> Option<&Array> {
        self.arrays.params.iter().find(|array| array.name == name)
    }

    /// Elements of the flat parameters.
    pub fn params_len(&self) -> usize {
        self.arrays.params.last().map_or(0, |array| array.range.end)
    }

    /// Elements of the flat state.
    pub fn state_len(&self) -> usize {
        self.arrays.state.last().map_or(0, |array| array.range.end)
    }

    /// The node called `name`.
    pub fn node(&self, name: &str) -> Option<NodeId> {
        self.built.iter().position(|node| node.name == name).map(NodeId)
    }

    /// The node of the finished network with the output of `node`, unless fusion made it internal.
    pub(crate) fn place(&self, node: NodeId) -> Option<usize> {
        self.built[node.0].place
    }

    /// The tasks, in the order of targets and losses.
    pub fn heads(&self) -> &[Head<T>] {
        &self.heads
    }

    /// Columns of a node's output.
    ///
    /// # Panics
    /// If the node is not from this network.
    pub fn width(&self, node: NodeId) -> usize {
        self.built[node.0].width
    }

    /// Initial parameters and state, seeded by `seed` and each node's stream: a node's weights do
    /// not depend on the other nodes.
    pub fn init(&self, seed: u64) -> (Buffer<T>, Buffer<T>) {
        let mut params = Buffer::zeros(self.params_len());
        let mut state = Buffer::zeros(self.state_len());
        for node in &self.nodes {
            let Some(layer) = node.layer() else { continue };
            let mut random = Random::new(seed, Purpose::Init, u64::from(node.stream));
            let params = &mut params[node.params.clone()];
            let state = &mut state[node.state.clone()];
            layer.init(&mut random, &self.widths(node), params, state);
        }
        (params, state)
    }

    /// The ranges of the parameters on which the losses of several heads depend.
    pub fn shared_params(&self) -> Vec<Range<usize>> {
        let mut n_heads = vec![0; self.nodes.len()];
        for head in &self.heads {
            let mut is_read = vec![false; self.nodes.len()];
            is_read[head.node] = true;
            for i in (0..=head.node).rev() {
                if is_read[i] {
                    n_heads[i] += 1;
                    self.nodes[i].input_nodes().for_each(|input| is_read[input] = true);
                }
            }
        }
        let shared =
            self.nodes.iter().zip(n_heads).filter(|(node, n)| *n > 1 && !node.params.is_empty());
        shared.map(|(node, _)| node.params.clone()).collect()
    }

    /// Columns of each input of a node.
    pub(crate) fn widths(&self, node: &Node<T>) -> Vec<usize> {
        node.input_nodes().map(|input| self.nodes[input].width()).collect()
    }
}
