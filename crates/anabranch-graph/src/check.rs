//! Checks that a caller runs once, so that no pass can fail.

use anabranch_tensor::Scalar;

use crate::error::GraphError;
use crate::graph::Graph;
use crate::masks::Masks;
use crate::pass::Batch;
use crate::workspace::{Mode, Workspace};

impl<T: Scalar> Graph<T> {
    /// Checks everything that training passes rely on, for this batch and every one like it.
    ///
    /// # Errors
    /// If the workspace is for another network or for inference; parameters or state have the wrong
    /// length; an input matrix is missing or not contiguous `[rows, columns]`, or the number of
    /// rows differs between matrices or is not what the workspace and training allow; a row of the
    /// batch does not exist; a target does not fit its head, or the weights of rows do not; or
    /// given masks do not match the dropout layers, one each, by name.
    pub fn check(
        &self,
        workspace: &Workspace<T>,
        params: &[T],
        state: &[T],
        batch: &Batch<'_, '_, T>,
    ) -> Result<(), GraphError> {
        if !workspace.is_for(self) {
            return Err(GraphError::Workspace("another network"));
        }
        if workspace.mode != Mode::Training {
            return Err(GraphError::Workspace("inference, not for training"));
        }
        let (table_rows, rows) = (batch.table_rows(), batch.n_rows());
        for (what, expected, got) in [
            ("parameters", self.params_len(), params.len()),
            ("numbers in the running state", self.state_len(), state.len()),
            ("input matrices", self.input_widths().count(), batch.inputs.len()),
            ("targets", self.heads.len(), batch.targets.len()),
        ] {
            if expected != got {
                return Err(GraphError::Batch { what, expected, got });
            }
        }
        for (columns, x) in self.input_widths().zip(batch.inputs) {
            for (what, expected, got) in
                [("columns of x", columns, x.ncols()), ("rows of x", table_rows, x.nrows())]
            {
                if expected != got {
                    return Err(GraphError::Batch { what, expected, got });
                }
            }
            if !x.is_standard_layout() {
                return Err(GraphError::Layout);
            }
        }
        if rows > workspace.max_rows() {
            return Err(GraphError::TooManyRows { max_rows: workspace.max_rows(), rows });
        }
        match workspace.min_rows() {
            1 if rows == 0 => return Err(GraphError::NoRows),
            min_rows if rows < min_rows => return Err(GraphError::TooFewRows { min_rows, rows }),
            _ => {}
        }
        if let Some(row) = batch.row_idx.unwrap_or_default().iter().find(|row| **row >= table_rows)
        {
            return Err(GraphError::Row { row: *row, rows: table_rows });
        }
        for (head, target) in self.heads.iter().zip(batch.targets) {
            head.loss.check_target(target, table_rows, head.outputs).map_err(|reason| {
                let node = self.nodes[head.node].name.clone();
                GraphError::Layer { node, reason }
            })?;
        }
        if !batch.row_weights.is_empty() {
            let (expected, got) = (self.heads.len(), batch.row_weights.len());
            if expected != got {
                return Err(GraphError::Batch {
                    what: "heads with weights of rows",
                    expected,
                    got,
                });
            }
        }
        for (head, weights) in self.heads.iter().zip(batch.row_weights) {
            weights.check(&head.name, table_rows)?;
        }
        self.check_masks(batch.masks, rows)
    }

    /// Stops a pass that would compute something other than what was asked for.
    ///
    /// # Panics
    /// If parameters, state or given masks do not fit the network.
    #[track_caller]
    pub(crate) fn assert_fits(&self, params: &[T], state: Option<&[T]>, batch: &Batch<'_, '_, T>) {
        let (expected, got) = (self.params_len(), params.len());
        assert!(expected == got, "{expected} parameters expected, got {got}");
        if let Some(state) = state {
            let (expected, got) = (self.state_len(), state.len());
            assert!(expected == got, "{expected} numbers of running state expected, got {got}");
        }
        if let Err(error) = self.check_masks(batch.masks, batch.n_rows()) {
            panic!("{error}");
        }
    }

    /// Requires a given mask for each dropout layer, and no others.
    fn check_masks(&self, masks: Masks<'_, T>, rows: usize) -> Result<(), GraphError> {
        let Masks::Given(masks) = masks else { return Ok(()) };
        let refused = |name: &str, expected, got| {
            Err(GraphError::Mask { name: name.to_owned(), expected, got })
        };
        for (name, mask) in masks {
            let node = self.built.iter().find(|node| node.is_dropout && node.name == *name);
            let expected = node.map_or(0, |node| rows * node.width);
            if node.is_none() || mask.len() != expected {
                return refused(name, expected, mask.len());
            }
        }
        let lacks = |name: &str| !masks.iter().any(|(given, _)| *given == name);
        match self.built.iter().find(|node| node.is_dropout && lacks(&node.name)) {
            Some(node) => refused(&node.name, rows * node.width, 0),
            None => Ok(()),
        }
    }
}
