//! A model as an ONNX graph.

mod encode;
mod graph;
mod layers;
mod predictions;

use anabranch_train::Model;

use crate::error::ExportError;
use crate::network::{Network, Predictors};
use graph::GraphBuilder;

/// The bytes of the file.
pub(crate) fn write(model: &Model) -> Result<Vec<u8>, ExportError> {
    let networks = Network::all(model)?;
    let mut g = GraphBuilder::default();
    let x = encode::encode(&mut g, model.encoder().input_columns());
    let mut outputs_of = |network: &Network<'_>, prefix: &str| {
        let values = layers::add(&mut g, network, &x, prefix);
        let heads = network.heads.iter();
        heads.map(|(task, value)| (*task, values[*value].clone())).collect::<Vec<_>>()
    };
    let mut outputs = Vec::new();
    for (i, network) in networks.iter().enumerate() {
        let prefix = if networks.len() == 1 { String::new() } else { format!("member.{i}.") };
        outputs.extend(outputs_of(network, &prefix));
    }
    let linear = Network::linear(model)?;
    let linear = linear.map_or(Vec::new(), |network| outputs_of(&network, ""));
    let predictors = Predictors::of_tasks(model, outputs, linear);
    let mut labels = Vec::new();
    for (task, predictors) in model.targets().tasks().iter().zip(&predictors) {
        predictions::add(&mut g, task, predictors);
        // The columns of the probabilities.
        if !task.labels().is_empty() {
            let list = serde_json::Value::from(task.labels());
            labels.push((format!("{}_labels", task.name()), list.to_string()));
        }
    }
    Ok(g.model("A network trained by Anabranch.", &labels))
}
