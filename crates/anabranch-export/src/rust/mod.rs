//! A model as a Rust source file that needs `core` alone and no memory but the stack.

mod encode;
mod layers;
mod names;
mod predictions;
mod source;
mod vectors;

use anabranch_train::{Coverage, Model};

use crate::error::ExportError;
use crate::network::{Network, Predictors};
use encode::Field;
use predictions::Predicted;

/// The text of the file.
pub(crate) fn write(model: &Model, coverage: Option<&Coverage<'_>>) -> Result<String, ExportError> {
    let networks = Network::all(model)?;
    let width = model.encoder().width();
    let tasks = model.targets().tasks();
    let fields = Field::of(model.encoder().input_columns());
    let predicted = Predicted::of(model, coverage);
    let row = if encode::lifetime(&fields).is_empty() { "Row" } else { "Row<'_>" };
    let (mut functions, mut calls) = (String::new(), String::new());
    let mut outputs = Vec::new();
    for (i, network) in networks.iter().enumerate() {
        let (name, prefix) = match networks.len() {
            1 => ("network".to_owned(), String::new()),
            _ => (format!("network_{i}"), format!("member.{i}.")),
        };
        functions += &layers::write(network, width, &name, &prefix);
        calls += &format!("    let outputs_{i} = {name}(&x);\n");
        for (place, (task, _)) in network.heads.iter().enumerate() {
            outputs.push((*task, format!("outputs_{i}.{place}")));
        }
    }
    let mut lines = Vec::new();
    if let Some(network) = Network::linear(model)? {
        functions += &layers::write(&network, width, "linear_models", "");
        calls += "    let lines = linear_models(&x);\n";
        let heads = network.heads.iter().enumerate();
        lines.extend(heads.map(|(place, (task, _))| (*task, format!("lines.{place}"))));
    }
    let predictors = Predictors::of_tasks(model, outputs, lines);
    let body = encode::write(&fields, width)
        + &predictions::write(&predicted, &predictors, &calls, row)
        + &functions;
    let names: Vec<String> = tasks.iter().map(|task| format!("{:?}", task.name())).collect();
    let header = format!(
        "//! Predicts {}: [`predict`] makes a [`Prediction`] of a [`Row`].
//!
//! A network trained by Anabranch {}, written by `anabranch export rust`. The file needs Rust 1.85
//! and `core` alone, and no memory but the stack. Its test compares predictions with those of
//! `anabranch predict`.
#![allow(dead_code, clippy::all, clippy::pedantic)]

/// A number that is infinite, or absurdly far outside what training saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange {{
    /// The column's name.
    pub column: &'static str,
}}

impl core::fmt::Display for OutOfRange {{
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {{
        write!(f, \"{{:?}} is infinite or absurdly far outside what training saw\", self.column)
    }}
}}

impl core::error::Error for OutOfRange {{}}
",
        names.join(", "),
        env!("CARGO_PKG_VERSION")
    );
    let runtime = source::needed_by(&body);
    Ok(header + &body + &runtime + &vectors::write(model, coverage, &fields, &predicted)?)
}
