//! Summary of a network: layers, shapes, parameters, operations.

use std::fmt;

use anabranch_tensor::Scalar;

use crate::graph::Graph;

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
    /// The names of the nodes it reads.
    pub inputs: Vec<String>,
    /// Columns of its output.
    pub outputs: usize,
    /// Number of learned parameters.
    pub params: usize,
    /// Floating-point operations of a forward pass for one row.
    pub flops_per_row: usize,
}

impl Summary {
    /// Number of learned parameters of the whole network.
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
            kind: node.layer().map_or_else(|| "input".into(), |layer| layer.describe()),
            inputs: node.input_nodes().map(|input| self.nodes[input].name.clone()).collect(),
            outputs: node.width(),
            params: node.params.len(),
            flops_per_row: node.shape.flops_per_row,
        });
        Summary { rows: rows.collect() }
    }
}

impl fmt::Display for Summary {
    /// One line per node below a header, numbers right-aligned; 80 columns for names of usual
    /// length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = [self.params(), self.flops_per_row()].map(|n| n.to_string());
        let rows = self.rows.iter().map(|row| {
            let inputs = row.inputs.join(", ");
            let [width, params, flops] =
                [row.outputs, row.params, row.flops_per_row].map(|n| n.to_string());
            [row.name.clone(), row.kind.clone(), inputs, width, params, flops]
        });
        let [params, flops] = total;
        let last = ["total".into(), String::new(), String::new(), String::new(), params, flops];
        let header =
            ["node", "layer", "reads", "width", "parameters", "flop/row"].map(String::from);
        let lines: Vec<[String; 6]> = [header].into_iter().chain(rows).chain([last]).collect();
        let len = |cell: &String| cell.chars().count();
        let widths: [usize; 6] =
            std::array::from_fn(|i| lines.iter().map(|line| len(&line[i])).max().unwrap_or(0));
        for (i, line) in lines.iter().enumerate() {
            let [a, b, c, d, e, g] = widths;
            let [name, kind, inputs, width, params, flops] = line;
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{name:a$}  {kind:b$}  {inputs:c$}  {width:>d$}  {params:>e$}  {flops:>g$}")?;
            if i == 0 {
                write!(f, "\n{}", "─".repeat(widths.iter().sum::<usize>() + 10))?;
            }
        }
        Ok(())
    }
}
