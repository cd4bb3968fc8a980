//! The nodes of a network.

use std::ops::Range;

use anabranch_layers::{Layer, Output, Pointwise, Shape, Training, WholeBatch};
use anabranch_tensor::{Accum, Scalar};

/// A node of the network that a builder made; it means the same node in the finished network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(pub(crate) usize);

/// What a node does.
#[derive(Debug)]
pub(crate) enum Op<T> {
    /// Holds the rows of an input matrix of the network, by its number.
    Input(usize),
    /// Runs a layer.
    Layer(Box<dyn Layer<T>>),
}

/// An input of a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeInput {
    /// The node whose output it is.
    pub(crate) node: usize,
    /// Whether this share of the derivative by that output is the first one in a backward pass.
    pub(crate) accum: Accum,
}

/// A node in its place in the network.
#[derive(Debug)]
pub(crate) struct Node<T> {
    /// The name that parameters are called by.
    pub(crate) name: String,
    /// The names of the nodes that fusion merged into this one, its own first.
    pub(crate) names: Vec<String>,
    pub(crate) op: Op<T>,
    pub(crate) inputs: Vec<NodeInput>,
    pub(crate) shape: Shape,
    /// Where this node's parameters lie in the network's.
    pub(crate) params: Range<usize>,
    /// Where this node's running state lies in the network's.
    pub(crate) state: Range<usize>,
    /// The node whose memory the output shares: its own, or the first input's of a sum done in
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
}

impl<T: Scalar> Node<T> {
    /// Columns of the output.
    pub(crate) fn width(&self) -> usize {
        self.shape.outputs
    }

    /// The nodes that it reads.
    pub(crate) fn input_nodes(&self) -> impl Iterator<Item = usize> {
        self.inputs.iter().map(|input| input.node)
    }

    /// Its layer, unless it is an input.
    pub(crate) fn layer(&self) -> Option<&dyn Layer<T>> {
        match &self.op {
            Op::Input(_) => None,
            Op::Layer(layer) => Some(&**layer),
        }
    }

    /// The passes of its layer, if these need the whole batch.
    pub(crate) fn whole_batch(&self) -> Option<&dyn WholeBatch<T>> {
        match self.layer()?.training() {
            Training::WholeBatch(layer) => Some(layer),
            Training::RowWise(_) => None,
        }
    }

    /// Whether it is a dropout layer by itself, which a given mask is for.
    pub(crate) fn is_dropout(&self) -> bool {
        matches!(self.shape.pointwise, Some(Pointwise::Dropout(_)))
    }

    /// Whether nothing in a backward pass reads the output, so that a sum may take its memory.
    pub(crate) fn is_free(&self) -> bool {
        matches!((&self.op, self.shape.output), (Op::Layer(_), Output::Free))
    }
}
