//! What rows, inputs, outputs and classes are called.

use crate::gradcheck::Instance;
use crate::reference::Network;

/// What an explanation calls the rows and columns of its matrices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The table.
    pub table: String,
    /// Each row of the batch.
    pub rows: Vec<String>,
    /// Each input column.
    pub inputs: Vec<String>,
    /// Each number that is predicted.
    pub outputs: Vec<String>,
    /// Each class.
    pub classes: Vec<String>,
}

impl Names {
    /// Numbers, counted from 1.
    ///
    /// # Panics
    /// If the river of the instance cannot be built.
    pub fn numbered(instance: &Instance) -> Self {
        let network = Network::new(instance.river());
        let width =
            |head: usize| network.heads.get(head).map(|head| network.nodes[head.node].width);
        let (outputs, classes) = (width(0).unwrap_or(0), width(1).unwrap_or(0));
        Self {
            table: "a table".into(),
            rows: numbered("row", instance.rows()),
            inputs: numbered("input", instance.river().inputs),
            outputs: numbered("output", outputs),
            classes: numbered("class", classes),
        }
    }
}

/// `unit 1`, `unit 2`, …
pub(super) fn numbered(what: &str, count: usize) -> Vec<String> {
    (1..=count).map(|i| format!("{what} {i}")).collect()
}
