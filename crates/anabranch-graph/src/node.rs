//! The nodes of a network.

use std::ops::Range;

use anabranch_layers::Layer;
use anabranch_tensor::Accum;

use crate::join::Join;

/// A node of the network that a builder made; it means the same node in the finished network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(pub(crate) usize);

/// What a node does.
#[derive(Debug)]
pub(crate) enum Op<T> {
    /// Holds the batch.
    Input,
    /// Runs a layer on one input.
    Layer { layer: Box<dyn Layer<T>>, x: usize },
    /// Adds the right input to the left one.
    Join { join: Join, left: usize, right: usize },
}

impl<T> Op<T> {
    /// The nodes that this one reads.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = usize> {
        let inputs = match self {
            Self::Input => [None, None],
            Self::Layer { x, .. } => [Some(*x), None],
            Self::Join { left, right, .. } => [Some(*left), Some(*right)],
        };
        inputs.into_iter().flatten()
    }

    /// Replaces the number of each input by `new` of it.
    pub(crate) fn map_inputs(&mut self, new: impl Fn(usize) -> usize) {
        match self {
            Self::Input => {}
            Self::Layer { x, .. } => *x = new(*x),
            Self::Join { left, right, .. } => (*left, *right) = (new(*left), new(*right)),
        }
    }
}

/// A node in its place in the network.
#[derive(Debug)]
pub(crate) struct Node<T> {
    /// The name that parameters are called by.
    pub(crate) name: String,
    /// The names of the nodes that fusion merged into this one, its own first.
    pub(crate) names: Vec<String>,
    pub(crate) op: Op<T>,
    /// Columns of the output.
    pub(crate) width: usize,
    /// Where this node's parameters lie in the network's.
    pub(crate) params: Range<usize>,
    /// Where this node's running state lies in the network's.
    pub(crate) state: Range<usize>,
    /// The node whose memory the output shares: its own, or the left input's of a join done in
    /// place.
    pub(crate) slot: usize,
    /// The number, before fusion, of the node whose output this one's is: its own, or that of the
    /// last node merged into it.
    pub(crate) number: usize,
    /// What its initial weights are drawn by.
    pub(crate) stream: u32,
    /// What its dropout mask is drawn by: the stream of the last node that fusion merged into this
    /// one.
    pub(crate) mask_stream: u32,
    /// Floating-point operations of the forward pass for one row.
    pub(crate) flops_per_row: usize,
    /// Whether this node's share of the derivative by each of its inputs is the first one in a
    /// backward pass.
    pub(crate) accum: [Accum; 2],
}
