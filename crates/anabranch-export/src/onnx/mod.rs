//! A model as an ONNX graph.

mod encode;
mod graph;
mod intervals;
mod layers;
mod predictions;
mod units;

use anabranch_data::TaskTarget;
use anabranch_train::{Coverage, Model};

use crate::error::ExportError;
use crate::network::{Network, Predictors};
use graph::GraphBuilder;

/// The bytes of the file.
pub(crate) fn write(
    model: &Model,
    coverage: Option<&Coverage<'_>>,
) -> Result<Vec<u8>, ExportError> {
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
    for (number, (task, predictors)) in model.targets().tasks().iter().zip(&predictors).enumerate()
    {
        match task {
            TaskTarget::Regression(columns) => {
                let rule = |j| coverage.map(|coverage| coverage.interval_rule(number, j));
                predictions::add_numbers(&mut g, columns, predictors, rule);
            }
            TaskTarget::Classification(class) => {
                let limit = coverage.map(|coverage| coverage.set_limit(number));
                predictions::add_class(&mut g, class, predictors, limit);
            }
        }
        // The columns of the probabilities.
        if !task.labels().is_empty() {
            let list = serde_json::Value::from(task.labels());
            labels.push((format!("{}_labels", task.name()), list.to_string()));
        }
    }
    Ok(g.model("A network trained by Anabranch.", &labels))
}
