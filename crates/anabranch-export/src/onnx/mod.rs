//! A model as an ONNX graph.

mod encode;
mod graph;
mod layers;
mod predictions;

use anabranch_train::Model;

use crate::error::ExportError;
use crate::network::Network;
use graph::GraphBuilder;

/// The bytes of the file.
pub(crate) fn write(model: &Model) -> Result<Vec<u8>, ExportError> {
    let networks = Network::all(model)?;
    let mut g = GraphBuilder::default();
    let x = encode::encode(&mut g, model.encoder().input_columns());
    let mut outputs: Vec<Vec<String>> = vec![Vec::new(); model.targets().tasks().len()];
    for (i, network) in networks.iter().enumerate() {
        let prefix = if networks.len() == 1 { String::new() } else { format!("member.{i}.") };
        let values = layers::add(&mut g, network, &x, &prefix);
        for (task, value) in &network.heads {
            outputs[*task].push(values[*value].clone());
        }
    }
    let mut labels = Vec::new();
    for (number, (task, outputs)) in model.targets().tasks().iter().zip(&outputs).enumerate() {
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        predictions::add(&mut g, task, &outputs, model.calibration().temperature(number));
        // The columns of the probabilities.
        if !task.labels().is_empty() {
            let list = serde_json::Value::from(task.labels());
            labels.push((format!("{}_labels", task.name()), list.to_string()));
        }
    }
    Ok(g.model("A network trained by Anabranch.", &labels))
}
