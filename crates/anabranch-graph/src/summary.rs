//! What a network looks like: layers, shapes, parameters, operations.

use std::fmt;

use anabranch_tensor::Scalar;

use crate::graph::Graph;
use crate::join::Join;
use crate::node::Op;

/// A table of a network's nodes; [`fmt::Display`] lays it out for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The nodes in the order in which they run.
    pub rows: Vec<SummaryRow>,
}

/// One node of a [`Summary`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryRow {
    /// The node's name.
    pub name: String,
    /// What it does: `linear + relu`, `join add`.
    pub kind: String,
    /// The names of the nodes that it reads.
    pub inputs: Vec<String>,
    /// Columns of its output.
    pub outputs: usize,
    /// Learned numbers.
    pub params: usize,
    /// Floating-point operations of a forward pass for one row.
    pub flops_per_row: usize,
}

impl Summary {
    /// Learned numbers of the whole network.
    pub fn params(&self) -> usize {
        self.rows.iter().map(|row| row.params).sum()
    }

    /// Floating-point operations of a forward pass for one row.
    pub fn flops_per_row(&self) -> usize {
        self.rows.iter().map(|row| row.flops_per_row).sum()
    }
}

impl<T: Scalar> Graph<T> {
    /// The table of nodes.
    pub fn summary(&self) -> Summary {
        let rows = self.nodes.iter().map(|node| SummaryRow {
            name: node.name.clone(),
            kind: match &node.op {
                Op::Input => "input".into(),
                Op::Layer { layer, .. } => layer.describe(),
                Op::Join { join: Join::Project, .. } => "join project, learned".into(),
                Op::Join { join, .. } => format!("join {}", join.name()),
            },
            inputs: node.op.inputs().map(|input| self.nodes[input].name.clone()).collect(),
            outputs: node.width,
            params: node.params.len(),
            flops_per_row: node.flops_per_row,
        });
        Summary { rows: rows.collect() }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["node", "layer", "from", "output", "parameters", "flop/row"];
        let mut cells = vec![header.map(String::from)];
        cells.extend(self.rows.iter().map(|row| {
            [
                row.name.clone(),
                row.kind.clone(),
                row.inputs.join(", "),
                format!("[rows, {}]", row.outputs),
                row.params.to_string(),
                row.flops_per_row.to_string(),
            ]
        }));
        let (params, flops) = (self.params().to_string(), self.flops_per_row().to_string());
        cells.push(["total".into(), "".into(), "".into(), "".into(), params, flops]);
        let widths: Vec<usize> = (0..header.len())
            .map(|col| cells.iter().map(|row| row[col].chars().count()).max().unwrap_or(0))
            .collect();
        for (i, row) in cells.iter().enumerate() {
            let is_number = |col: usize| col >= 4;
            let line: Vec<String> = row
                .iter()
                .enumerate()
                .map(|(col, cell)| match is_number(col) {
                    true => format!("{cell:>width$}", width = widths[col]),
                    false => format!("{cell:<width$}", width = widths[col]),
                })
                .collect();
            writeln!(f, "{}", line.join("  ").trim_end())?;
            if i == 0 {
                writeln!(
                    f,
                    "{}",
                    "─".repeat(widths.iter().sum::<usize>() + 2 * (header.len() - 1))
                )?;
            }
        }
        Ok(())
    }
}
