//! Fusion: element-wise layers are computed by the layer before them, in one pass over memory.

use anabranch_layers::{Layer, Shape};
use anabranch_tensor::Scalar;

use crate::error::GraphError;
use crate::graph::Head;
use crate::node::{Node, NodeInput, Op};

/// Whether element-wise layers are merged into the layers before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fusion {
    /// Linear, ReLU and dropout in one pass, and so on.
    Fused,
    /// Every layer by itself: the reference for the fused network.
    Unfused,
}

/// Merges a node into the one before it as long as the layers support it and nothing else reads the
/// result in between.
///
/// # Errors
/// If the merged layer rejects what the separate layers accepted.
pub(crate) fn fuse<T: Scalar>(
    nodes: &mut Vec<Node<T>>,
    heads: &mut [Head<T>],
) -> Result<(), GraphError> {
    let mut i = 1;
    while i < nodes.len() {
        let Some((before, layer)) = fused_pair(nodes, heads, i) else {
            i += 1;
            continue;
        };
        let widths: Vec<usize> =
            nodes[before].input_nodes().map(|input| nodes[input].width()).collect();
        let removed = nodes.remove(i);
        let node = &mut nodes[before];
        let named = |error| GraphError::Layer { node: node.name.clone(), reason: error };
        let shape = layer.shape(&widths).map_err(named)?;
        let flops_per_row = node.shape.flops_per_row + removed.shape.flops_per_row;
        node.shape = Shape { flops_per_row, ..shape };
        node.op = Op::Layer(layer);
        node.names.extend(removed.names);
        node.number = removed.number;
        node.mask_stream = removed.mask_stream;
        renumber(nodes, heads, i, before);
    }
    Ok(())
}

/// The node before `i`, and a layer that computes both.
fn fused_pair<T: Scalar>(
    nodes: &[Node<T>],
    heads: &[Head<T>],
    i: usize,
) -> Option<(usize, Box<dyn Layer<T>>)> {
    let &[NodeInput { node: before, .. }] = nodes[i].inputs.as_slice() else { return None };
    let readers = nodes.iter().flat_map(Node::input_nodes).filter(|input| *input == before);
    if readers.count() > 1 || heads.iter().any(|head| head.node == before) {
        return None;
    }
    Some((before, nodes[before].layer()?.fuse(nodes[i].shape.pointwise?)?))
}

/// Renumbers once node `removed` is gone: its readers read `before`, and later nodes move up.
fn renumber<T: Scalar>(
    nodes: &mut [Node<T>],
    heads: &mut [Head<T>],
    removed: usize,
    before: usize,
) {
    let new = |node: usize| match node {
        node if node == removed => before,
        node if node > removed => node - 1,
        node => node,
    };
    for input in nodes.iter_mut().flat_map(|node| &mut node.inputs) {
        input.node = new(input.node);
    }
    heads.iter_mut().for_each(|head| head.node = new(head.node));
    for (i, node) in nodes.iter_mut().enumerate() {
        node.slot = i;
    }
}
