//! What the passes over a network have in common: masks, and the nodes at which the shards of a batch meet.

use anabranch_layers::{Coupled, Mask};
use anabranch_tensor::Scalar;

use crate::graph::Graph;
use crate::node::{Node, Op};

/// Where dropout masks come from.
#[derive(Clone, Copy, Debug)]
pub enum Masks<'a, T> {
    /// Drawn by (seed, layer, step, element).
    Drawn {
        /// The seed of the run.
        seed: u64,
        /// The step, counted from the start of the run.
        step: u64,
    },
    /// Given by the names of the dropout layers, `[rows, columns]` row by row: 0 drops an element, 1 keeps it.
    Given(&'a [(&'a str, &'a [T])]),
}

impl<'a, T: Scalar> Masks<'a, T> {
    /// The mask for the rows of `node` from `first_row` on. A node without dropout does not look at it.
    pub(crate) fn of(&self, node: &Node<T>, first_row: usize) -> Mask<'a, T> {
        match *self {
            Self::Drawn { seed, step } => {
                Mask::Drawn { seed, layer: node.last_number as u32, step, first_row }
            }
            Self::Given(masks) => {
                let is_for_node =
                    |(name, _): &&(&str, _)| node.names.iter().any(|node_name| node_name == name);
                let mask = masks.iter().find(is_for_node).map_or(&[][..], |(_, mask)| mask);
                Mask::Given(mask.get(first_row * node.width..).unwrap_or_default())
            }
        }
    }
}

/// A coupled layer in its place.
pub(crate) struct CoupledNode<'a, T: Scalar> {
    pub(crate) i: usize,
    pub(crate) layer: &'a dyn Coupled<T>,
    /// The node that it reads.
    pub(crate) x: usize,
}

impl<T: Scalar> Graph<T> {
    /// Node `i`, if its rows depend on each other.
    pub(crate) fn coupled(&self, i: usize) -> Option<CoupledNode<'_, T>> {
        match &self.nodes.get(i)?.op {
            Op::Layer { layer, x } => Some(CoupledNode { i, layer: layer.coupled()?, x: *x }),
            _ => None,
        }
    }
}
