//! Building a network: nodes in topological order, then one pass that fuses, checks and lays out
//! memory.

use anabranch_layers::{ArraySpec, Join, Layer, Loss, Output, Shape};
use anabranch_tensor::{Accum, Scalar};

use crate::error::GraphError;
use crate::fusion::{Fusion, fuse};
use crate::graph::{Array, Arrays, BuiltNode, Graph, Head};
use crate::node::{Node, NodeId, NodeInput, Op};

/// Collects the nodes of a network. A node's inputs exist before it, so the order of calls is a
/// topological order.
#[derive(Debug)]
pub struct GraphBuilder<T> {
    nodes: Vec<Node<T>>,
    heads: Vec<Head<T>>,
    /// The stream of the next node.
    stream: u32,
}

impl<T: Scalar> GraphBuilder<T> {
    /// A network for batches `[rows, inputs]`.
    pub fn new(inputs: usize) -> Self {
        let mut builder = Self { nodes: Vec::new(), heads: Vec::new(), stream: 0 };
        builder.push_input("input", inputs, 0);
        builder
    }

    /// Adds an input matrix `[rows, width]` after the existing ones; passes take one matrix per
    /// input, in this order. It uses no stream.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn add_input(&mut self, name: &str, width: usize) -> Result<NodeId, GraphError> {
        self.check(name, &[])?;
        let n_inputs = self.nodes.iter().filter(|node| matches!(node.op, Op::Input(_))).count();
        let stream = self.stream;
        let node = self.push_input(name, width, n_inputs);
        self.stream = stream;
        Ok(node)
    }

    fn push_input(&mut self, name: &str, width: usize, matrix: usize) -> NodeId {
        let shape = Shape { flops_per_row: 0, ..Shape::new(width) };
        self.push(name.into(), Op::Input(matrix), Vec::new(), shape)
    }

    /// The node of the first input matrix.
    pub fn input(&self) -> NodeId {
        NodeId(0)
    }

    /// Columns of a node's output.
    ///
    /// # Panics
    /// If the node is from another builder.
    pub fn width(&self, node: NodeId) -> usize {
        self.nodes[node.0].width()
    }

    /// Sets the stream of the next node, which seeds its initial weights and masks; later nodes
    /// count up from it. Without a call, streams are numbered in node order.
    pub fn stream(&mut self, stream: u32) {
        self.stream = stream;
    }

    /// Adds `layer` on the output of `x`. Its arrays are named `name.weight` and so on.
    ///
    /// # Errors
    /// If the name is taken, `x` is from another builder, or the layer rejects the width of `x`.
    pub fn layer(
        &mut self,
        name: &str,
        layer: impl Layer<T> + 'static,
        x: NodeId,
    ) -> Result<NodeId, GraphError> {
        self.node(name, layer.boxed(), &[x])
    }

    /// Adds a join of `right` into `left`. A projection's weight is named `name.weight`.
    ///
    /// # Errors
    /// If the name is taken, an input is from another builder, or the widths do not suit the kind
    /// of join.
    pub fn join(
        &mut self,
        name: &str,
        join: Join,
        left: NodeId,
        right: NodeId,
    ) -> Result<NodeId, GraphError> {
        self.node(name, join.boxed(), &[left, right])
    }

    /// Adds `layer` on the outputs of any number of nodes.
    ///
    /// # Errors
    /// If the name is taken, an input is from another builder, or the layer rejects the number of
    /// inputs or their widths.
    pub fn node(
        &mut self,
        name: &str,
        layer: Box<dyn Layer<T>>,
        inputs: &[NodeId],
    ) -> Result<NodeId, GraphError> {
        self.check(name, inputs)?;
        let widths: Vec<usize> = inputs.iter().map(|input| self.width(*input)).collect();
        let named = |error| GraphError::Layer { node: name.into(), reason: error };
        let shape = layer.shape(&widths).map_err(named)?;
        let inputs = inputs.iter().map(|input| NodeInput { node: input.0, accum: Accum::Replace });
        Ok(self.push(name.into(), Op::Layer(layer), inputs.collect(), shape))
    }

    /// Makes `node` the prediction of a task called `name`; `weight` is the weight of its `loss` in
    /// the sum that is minimised. Targets are given in the order of these calls.
    ///
    /// # Errors
    /// If the name is taken by another head; the node is the input, is from another builder or has
    /// a head already; the weight is not finite and at least 0; or the loss rejects the node's
    /// width.
    pub fn head(
        &mut self,
        name: &str,
        node: NodeId,
        weight: f64,
        loss: impl Loss<T> + 'static,
    ) -> Result<(), GraphError> {
        let Some(found) = self.nodes.get(node.0) else {
            return Err(GraphError::UnknownInput { node: name.into() });
        };
        if self.heads.iter().any(|head| head.name == name) {
            return Err(GraphError::DuplicateName(name.into()));
        }
        let is_input = matches!(found.op, Op::Input(_));
        if is_input || self.heads.iter().any(|head| head.node == node.0) {
            return Err(GraphError::Head(found.name.clone()));
        }
        if !(weight.is_finite() && weight >= 0.0) {
            return Err(GraphError::Weight { head: name.into(), weight });
        }
        let outputs = found.width();
        let named = |error| GraphError::Layer { node: found.name.clone(), reason: error };
        loss.check(outputs).map_err(named)?;
        let (name, loss) = (name.to_owned(), Box::new(loss));
        self.heads.push(Head { name, id: node, node: node.0, outputs, weight, loss });
        Ok(())
    }

    /// Builds the network.
    ///
    /// # Errors
    /// If there is no head, a node leads to no head, or layers cannot be fused as they declare.
    pub fn build(self, fusion: Fusion) -> Result<Graph<T>, GraphError> {
        let Self { mut nodes, mut heads, .. } = self;
        check_all_used(&nodes, &heads)?;
        let before: Vec<BuiltNode> = nodes.iter().map(BuiltNode::new).collect();
        if fusion == Fusion::Fused {
            fuse(&mut nodes, &mut heads)?;
        }
        share_memory(&mut nodes, &heads);
        order_shares(&mut nodes, &heads);
        let arrays = lay_out(&mut nodes);
        let graph = Graph::new(nodes, heads, arrays, before);
        tracing::debug!(nodes = graph.nodes.len(), params = graph.params_len(), "network built");
        Ok(graph)
    }

    fn push(&mut self, name: String, op: Op<T>, inputs: Vec<NodeInput>, shape: Shape) -> NodeId {
        let number = self.nodes.len();
        let stream = self.stream;
        self.stream = stream.wrapping_add(1);
        self.nodes.push(Node {
            names: vec![name.clone()],
            name,
            op,
            inputs,
            shape,
            params: 0..0,
            state: 0..0,
            slot: number,
            number,
            stream,
            mask_stream: stream,
        });
        NodeId(number)
    }

    fn check(&self, name: &str, inputs: &[NodeId]) -> Result<(), GraphError> {
        if self.nodes.iter().any(|node| node.name == name) {
            return Err(GraphError::DuplicateName(name.into()));
        }
        if inputs.iter().any(|input| input.0 >= self.nodes.len()) {
            return Err(GraphError::UnknownInput { node: name.into() });
        }
        Ok(())
    }
}

/// Checks that every node is read by another or has a head.
fn check_all_used<T: Scalar>(nodes: &[Node<T>], heads: &[Head<T>]) -> Result<(), GraphError> {
    if heads.is_empty() {
        return Err(GraphError::NoHead);
    }
    for (i, node) in nodes.iter().enumerate() {
        let is_read = nodes.iter().any(|other| other.input_nodes().any(|input| input == i));
        if !is_read && !heads.iter().any(|head| head.node == i) {
            return Err(GraphError::Unused(node.name.clone()));
        }
    }
    Ok(())
}

/// Lets a sum reuse the memory of its first input where nothing else needs the contents.
fn share_memory<T: Scalar>(nodes: &mut [Node<T>], heads: &[Head<T>]) {
    for i in 0..nodes.len() {
        let Some(first) = nodes[i].input_nodes().next() else { continue };
        let n_readers =
            nodes.iter().flat_map(Node::input_nodes).filter(|input| *input == first).count();
        let has_head = heads.iter().any(|head| head.node == first);
        let is_sum = nodes[i].shape.output == Output::Sum;
        if is_sum && nodes[first].is_free() && n_readers == 1 && !has_head {
            nodes[i].slot = nodes[first].slot;
        }
    }
}

/// Marks which share of a node's derivative comes first in a backward pass, which runs from the
/// last node to the first.
fn order_shares<T: Scalar>(nodes: &mut [Node<T>], heads: &[Head<T>]) {
    let mut has_share: Vec<bool> =
        (0..nodes.len()).map(|i| heads.iter().any(|head| head.node == i)).collect();
    for node in nodes.iter_mut().rev() {
        for input in &mut node.inputs {
            input.accum = if has_share[input.node] { Accum::Add } else { Accum::Replace };
            has_share[input.node] = true;
        }
    }
}

/// Assigns every node its ranges of the flat parameters and state, and names the arrays.
fn lay_out<T: Scalar>(nodes: &mut [Node<T>]) -> Arrays {
    let mut arrays = Arrays::default();
    for node in nodes {
        node.params = append(&mut arrays.params, &node.name, &node.shape.params);
        node.state = append(&mut arrays.state, &node.name, &node.shape.state);
    }
    arrays
}

/// Appends the arrays of one node; returns their range of elements.
fn append(arrays: &mut Vec<Array>, node: &str, specs: &[ArraySpec]) -> std::ops::Range<usize> {
    let start = arrays.last().map_or(0, |array| array.range.end);
    let mut end = start;
    for spec in specs {
        let range = end..end + spec.n_elements();
        end = range.end;
        let name = format!("{node}.{}", spec.name);
        arrays.push(Array { name, shape: spec.shape.clone(), role: spec.role, range });
    }
    start..end
}
