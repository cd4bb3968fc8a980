//! The nodes of a network.

use std::ops::Range;

use anabranch_layers::{Layer, Output, Pointwise, Shape, Training, WholeBatch};
use anabranch_tensor::{Accum, Scalar};

/// A node as added to a builder; it stands for the same node in the finished network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(pub(crate) usize);

/// What a node does.
#[derive(Debug)]
pub(crate) enum Op<T> {
    /// Holds the rows of the input matrix with this index.
    Input(usize),
    /// Runs a layer.
    Layer(Box<dyn Layer<T>>),
}

/// An input of a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeInput {
    /// The node it reads.
    pub(crate) node: usize,
    /// Whether its share of the derivative comes first in a backward pass, and so overwrites.
    pub(crate) accum: Accum,
}

/// A node within the network.
#[derive(Debug)]
pub(crate) struct Node<T> {
    /// The name used for its parameters.
    pub(crate) name: String,
    /// The names of the nodes that fusion merged into this one, its own first.
    pub(crate) names: Vec<String>,
    pub(crate) op: Op<T>,
    pub(crate) inputs: Vec<NodeInput>,
    pub(crate) shape: Shape,
    /// Range of its parameters in the network's.
    pub(crate) params: Range<usize>,
    /// Range of its running state in the network's.
    pub(crate) state: Range<usize>,
    /// The node whose memory holds the output: itself, or the first input of a sum done in place.
    pub(crate) slot: usize,
    /// The index, before fusion, of the node with this output: itself, or the last node merged into
    /// it.
    pub(crate) number: usize,
    /// Seeds its initial weights.
    pub(crate) stream: u32,
    /// Seeds its dropout mask: the stream of the last node that fusion merged into this one.
    pub(crate) mask_stream: u32,
}

impl<T: Scalar> Node<T> {
    /// Columns of the output.
    pub(crate) fn width(&self) -> usize {
        self.shape.outputs
    }

    /// The nodes it reads.
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

    /// The passes of its layer, if they need the whole batch.
    pub(crate) fn whole_batch(&self) -> Option<&dyn WholeBatch<T>> {
        match self.layer()?.training() {
            Training::WholeBatch(layer) => Some(layer),
            Training::RowWise(_) => None,
        }
    }

    /// Whether it is a dropout layer by itself, which takes a given mask.
    pub(crate) fn is_dropout(&self) -> bool {
        matches!(self.shape.pointwise, Some(Pointwise::Dropout(_)))
    }

    /// Whether no backward pass reads the output, so that a sum may take over its memory.
    pub(crate) fn is_free(&self) -> bool {
        matches!((&self.op, self.shape.output), (Op::Layer(_), Output::Free))
    }
}
