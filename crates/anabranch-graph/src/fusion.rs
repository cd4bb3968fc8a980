//! Fusion: element-wise layers are done by the layer before them, in one pass over memory.

use anabranch_layers::Layer;
use anabranch_tensor::Scalar;

use crate::graph::Head;
use crate::node::{Node, Op};

/// Whether element-wise layers are merged into the layers before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fusion {
    /// Linear, ReLU and dropout in one pass, and so on.
    Fused,
    /// Every layer by itself: the reference that the fused network must agree with.
    Unfused,
}

/// Merges a node into the one before it as long as the layers can, and nobody else reads what lies
/// between.
pub(crate) fn fuse<T: Scalar>(nodes: &mut Vec<Node<T>>, heads: &mut [Head<T>]) {
    let mut i = 1;
    while i < nodes.len() {
        match fused_pair(nodes, heads, i) {
            Some((before, layer)) => {
                let removed = nodes.remove(i);
                let node = &mut nodes[before];
                if let Op::Layer { layer: old, .. } = &mut node.op {
                    *old = layer;
                }
                node.names.extend(removed.names);
                node.number = removed.number;
                node.mask_stream = removed.mask_stream;
                node.flops_per_row += removed.flops_per_row;
                renumber(nodes, heads, i, before);
            }
            None => i += 1,
        }
    }
}

/// The node before `i` and a layer that does the work of both.
fn fused_pair<T: Scalar>(
    nodes: &[Node<T>],
    heads: &[Head<T>],
    i: usize,
) -> Option<(usize, Box<dyn Layer<T>>)> {
    let Op::Layer { layer, x: before } = &nodes[i].op else { return None };
    let Op::Layer { layer: layer_before, .. } = &nodes[*before].op else { return None };
    let readers = nodes.iter().flat_map(|node| node.op.inputs()).filter(|input| input == before);
    if readers.count() > 1 || heads.iter().any(|head| head.node == *before) {
        return None;
    }
    Some((*before, layer_before.fuse(layer.pointwise()?)?))
}

/// After node `removed` has gone: its readers read `before`, and the nodes behind it move up.
fn renumber<T>(nodes: &mut [Node<T>], heads: &mut [Head<T>], removed: usize, before: usize) {
    let new = |node: usize| match node {
        node if node == removed => before,
        node if node > removed => node - 1,
        node => node,
    };
    nodes.iter_mut().for_each(|node| node.op.map_inputs(new));
    heads.iter_mut().for_each(|head| head.node = new(head.node));
    for (i, node) in nodes.iter_mut().enumerate() {
        node.slot = i;
    }
}
