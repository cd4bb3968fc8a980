//! Building a network: nodes in topological order, then one pass that fuses, checks and lays out
//! memory.

use anabranch_layers::{ArraySpec, Layer, LayerError, Loss, Output, Plan, Role};
use anabranch_tensor::{Accum, Executor, Scalar};

use crate::error::GraphError;
use crate::fusion::{Fusion, fuse};
use crate::graph::{Array, BuiltNode, Graph, Head};
use crate::join::Join;
use crate::node::{Node, NodeId, Op};

/// Collects the nodes of a network; a node's inputs exist before it, so the order of calls is a
/// topological order.
#[derive(Debug)]
pub struct GraphBuilder<T> {
    nodes: Vec<Node<T>>,
    heads: Vec<Head<T>>,
    /// That of the next node.
    stream: u32,
}

impl<T: Scalar> GraphBuilder<T> {
    /// A network for batches `[rows, inputs]`.
    pub fn new(inputs: usize) -> Self {
        let mut builder = Self { nodes: Vec::new(), heads: Vec::new(), stream: 0 };
        builder.push("input".into(), Op::Input, inputs, 0);
        builder
    }

    /// The node that holds the batch.
    pub fn input(&self) -> NodeId {
        NodeId(0)
    }

    /// Columns of a node's output.
    ///
    /// # Panics
    /// If another builder made the node.
    pub fn width(&self, node: NodeId) -> usize {
        self.nodes[node.0].width
    }

    /// Sets the stream of the next node, the number that its initial weights and its masks are
    /// drawn by; the nodes behind it count on. Without a call, it is the node's running number.
    pub fn stream(&mut self, stream: u32) {
        self.stream = stream;
    }

    /// Adds `layer` on the output of `x`. Its arrays will be called `name.weight` and so on.
    ///
    /// # Errors
    /// If the name is taken, `x` is not of this builder, or the layer refuses the width of `x`.
    pub fn layer(
        &mut self,
        name: &str,
        layer: impl Layer<T> + 'static,
        x: NodeId,
    ) -> Result<NodeId, GraphError> {
        self.check(name, &[x])?;
        let plan = plan_layer(name, &layer, &Executor::serial(), 2, self.width(x))?;
        let op = Op::Layer { layer: Box::new(layer), x: x.0 };
        Ok(self.push(name.into(), op, plan.outputs, plan.flops_per_row))
    }

    /// Adds a join of `right` into `left`. A projection's weight will be called `name.weight`.
    ///
    /// # Errors
    /// If the name is taken, an input is not of this builder, or the widths do not fit the kind of
    /// join.
    pub fn join(
        &mut self,
        name: &str,
        join: Join,
        left: NodeId,
        right: NodeId,
    ) -> Result<NodeId, GraphError> {
        self.check(name, &[left, right])?;
        let (units, columns) = (self.width(left), self.width(right));
        let (fits, expected) = match join {
            Join::Add => (units == columns, "equally wide inputs"),
            Join::Broadcast => (columns == 1, "a right input of one column"),
            Join::Project => (true, ""),
        };
        if !fits {
            let (node, join) = (name.into(), join.name());
            return Err(GraphError::JoinWidths {
                node,
                join,
                expected,
                left: units,
                right: columns,
            });
        }
        let flops = if join == Join::Project { 2 * units * columns } else { units };
        let op = Op::Join { join, left: left.0, right: right.0 };
        Ok(self.push(name.into(), op, units, flops))
    }

    /// Makes `node` the prediction of a task called `name`, judged by `loss`, which has this weight
    /// in the sum that is minimised. Targets are given in the order of these calls.
    ///
    /// # Errors
    /// If the name is taken by another head, the node is the input, is not of this builder or has a
    /// head already, the weight is not finite and at least 0, or the loss refuses the node's width.
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
        if node.0 == 0 || self.heads.iter().any(|head| head.node == node.0) {
            return Err(GraphError::Head(found.name.clone()));
        }
        if !(weight.is_finite() && weight >= 0.0) {
            return Err(GraphError::Weight { head: name.into(), weight });
        }
        let outputs = found.width;
        let named = |source| GraphError::Layer { node: found.name.clone(), source };
        loss.check(outputs).map_err(named)?;
        let (name, loss) = (name.to_owned(), Box::new(loss));
        self.heads.push(Head { name, id: node, node: node.0, outputs, weight, loss });
        Ok(())
    }

    /// The finished network.
    ///
    /// # Errors
    /// If there is no head, or a node leads to none.
    pub fn build(self, fusion: Fusion) -> Result<Graph<T>, GraphError> {
        let Self { mut nodes, mut heads, .. } = self;
        check_all_used(&nodes, &heads)?;
        let before: Vec<BuiltNode> = nodes.iter().map(BuiltNode::new).collect();
        if fusion == Fusion::Fused {
            fuse(&mut nodes, &mut heads);
        }
        share_memory(&mut nodes, &heads)?;
        order_shares(&mut nodes, &heads);
        let (params, state) = lay_out(&mut nodes)?;
        let graph = Graph::new(nodes, heads, (params, state), before);
        tracing::debug!(nodes = graph.nodes.len(), params = graph.params_len(), "network built");
        Ok(graph)
    }

    fn push(&mut self, name: String, op: Op<T>, width: usize, flops_per_row: usize) -> NodeId {
        let number = self.nodes.len();
        let stream = self.stream;
        self.stream = stream.wrapping_add(1);
        self.nodes.push(Node {
            names: vec![name.clone()],
            name,
            op,
            width,
            params: 0..0,
            state: 0..0,
            slot: number,
            number,
            stream,
            mask_stream: stream,
            flops_per_row,
            accum: [Accum::Replace; 2],
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

/// A layer's plan, with the node's name in the error.
pub(crate) fn plan_layer<T: Scalar>(
    name: &str,
    layer: &dyn Layer<T>,
    exec: &Executor,
    rows: usize,
    inputs: usize,
) -> Result<Plan, GraphError> {
    let named = |source: LayerError| GraphError::Layer { node: name.into(), source };
    layer.plan(exec, rows, inputs).map_err(named)
}

/// Every node is read by another or has a head.
fn check_all_used<T>(nodes: &[Node<T>], heads: &[Head<T>]) -> Result<(), GraphError> {
    if heads.is_empty() {
        return Err(GraphError::NoHead);
    }
    for (i, node) in nodes.iter().enumerate() {
        let is_read = nodes.iter().any(|other| other.op.inputs().any(|input| input == i));
        if !is_read && !heads.iter().any(|head| head.node == i) {
            return Err(GraphError::Unused(node.name.clone()));
        }
    }
    Ok(())
}

/// Lets a join work in the memory of its left input where nobody else needs what lies there.
fn share_memory<T: Scalar>(nodes: &mut [Node<T>], heads: &[Head<T>]) -> Result<(), GraphError> {
    for i in 0..nodes.len() {
        let Op::Join { left, right, .. } = nodes[i].op else { continue };
        let n_readers =
            nodes.iter().flat_map(|node| node.op.inputs()).filter(|input| *input == left);
        let is_free = match &nodes[left].op {
            Op::Layer { layer, x } => {
                let name = &nodes[left].name;
                let plan =
                    plan_layer(name, layer.as_ref(), &Executor::serial(), 2, nodes[*x].width)?;
                plan.output == Output::Free
            }
            Op::Input | Op::Join { .. } => false,
        };
        let has_head = heads.iter().any(|head| head.node == left);
        if is_free && left != right && n_readers.count() == 1 && !has_head {
            nodes[i].slot = nodes[left].slot;
        }
    }
    Ok(())
}

/// Says of each node's inputs whose share of the derivative by it comes first in a backward pass,
/// from the last node to the first.
fn order_shares<T>(nodes: &mut [Node<T>], heads: &[Head<T>]) {
    let mut has_share: Vec<bool> =
        (0..nodes.len()).map(|i| heads.iter().any(|head| head.node == i)).collect();
    for node in nodes.iter_mut().rev() {
        let inputs: Vec<usize> = node.op.inputs().collect();
        for (accum, input) in node.accum.iter_mut().zip(inputs) {
            *accum = if has_share[input] { Accum::Add } else { Accum::Replace };
            has_share[input] = true;
        }
    }
}

/// Gives every node its ranges of the flat parameters and state, and names the arrays.
fn lay_out<T: Scalar>(nodes: &mut [Node<T>]) -> Result<(Vec<Array>, Vec<Array>), GraphError> {
    let (mut params, mut state) = (Vec::new(), Vec::new());
    for i in 0..nodes.len() {
        let (param_specs, state_specs) = match &nodes[i].op {
            Op::Input => continue,
            Op::Layer { layer, x } => {
                let (layer, width) = (layer.as_ref(), nodes[*x].width);
                let plan = plan_layer(&nodes[i].name, layer, &Executor::serial(), 2, width)?;
                (plan.params, plan.state)
            }
            Op::Join { join: Join::Project, right, .. } => {
                let (out, inputs) = (nodes[i].width, nodes[*right].width);
                (vec![ArraySpec::matrix("weight", out, inputs, Role::Weight)], Vec::new())
            }
            Op::Join { .. } => continue,
        };
        let node = &mut nodes[i];
        node.params = append(&mut params, &node.name, param_specs);
        node.state = append(&mut state, &node.name, state_specs);
    }
    Ok((params, state))
}

/// Appends the arrays of one node; returns the range of elements that they take.
fn append(arrays: &mut Vec<Array>, node: &str, specs: Vec<ArraySpec>) -> std::ops::Range<usize> {
    let start = arrays.last().map_or(0, |array| array.range.end);
    let mut end = start;
    for spec in specs {
        let range = end..end + spec.n_elements();
        end = range.end;
        let name = format!("{node}.{}", spec.name);
        arrays.push(Array { name, shape: spec.shape, role: spec.role, range });
    }
    start..end
}
