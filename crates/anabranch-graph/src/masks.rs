//! The dropout masks of a pass.

use anabranch_layers::Mask;
use anabranch_tensor::Scalar;

use crate::node::Node;

/// Where dropout masks come from.
#[derive(Clone, Copy, Debug)]
pub enum Masks<'a, T> {
    /// Drawn at random from (seed, layer, step, element).
    Drawn {
        /// The seed of the run.
        seed: u64,
        /// The step, counted from the start of the run.
        step: u64,
    },
    /// Given by name of the dropout layer, `[rows, columns]` in row-major order: 0 drops an
    /// element, 1 keeps it.
    Given(&'a [(&'a str, &'a [T])]),
}

impl<'a, T: Scalar> Masks<'a, T> {
    /// The mask for the rows of `node` from `first_row` on; nodes without dropout ignore it.
    pub(crate) fn of(&self, node: &Node<T>, first_row: usize) -> Mask<'a, T> {
        match *self {
            Self::Drawn { seed, step } => {
                Mask::Drawn { seed, layer: node.mask_stream, step, first_row }
            }
            Self::Given(masks) => {
                let is_for_node =
                    |(name, _): &&(&str, _)| node.names.iter().any(|node_name| node_name == name);
                let mask = masks.iter().find(is_for_node).map_or(&[][..], |(_, mask)| mask);
                Mask::Given(mask.get(first_row * node.width()..).unwrap_or_default())
            }
        }
    }
}
