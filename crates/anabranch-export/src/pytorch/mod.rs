//! A model as a Python file that rebuilds its networks in PyTorch.

use anabranch_data::{Encoding, InputColumn, TaskTarget};
use anabranch_layers::{Activation, Join};
use anabranch_train::Model;
use serde_json::{Value, json};

use crate::error::ExportError;
use crate::network::{Network, Op};

/// What every file has behind the network of its own: encoding and units.
const RUNTIME: &str = include_str!("runtime.py");

/// A batch normalisation that PyTorch does not have.
const SHARED_BATCH_NORM: &str = r#"class SharedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation with one weight and one bias for all columns."""

    def __init__(self, units, eps, momentum):
        super().__init__(units, eps, momentum, affine=False)
        self.weight, self.bias = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))

    def forward(self, x):
        statistics = self.running_mean, self.running_var
        x = functional.batch_norm(x, *statistics, None, None, self.training, self.momentum, self.eps)
        return x * self.weight + self.bias


"#;

/// The text of the file.
pub(crate) fn write(model: &Model) -> Result<String, ExportError> {
    let tasks = model.targets().tasks();
    let mut predicted_by: Vec<Vec<usize>> = vec![Vec::new(); tasks.len()];
    for (i, snapshot) in model.snapshots().enumerate() {
        snapshot.tasks.iter().for_each(|task| predicted_by[*task].push(i));
    }
    let prefixes = json!(model.tensor_prefixes());
    let lines_of_tasks = lines_of_tasks(model)?;
    let columns = lines(model.encoder().input_columns().iter().map(column));
    let targets = tasks.iter().enumerate();
    let targets = targets.map(|(i, task)| target(task, model.calibration().temperature(i)));
    let targets = lines(targets);
    let names: Vec<String> = tasks.iter().map(TaskTarget::name).collect();
    let mut source = format!(
        r#""""Predicts {}: networks trained by Anabranch {}, in PyTorch.

Written by `anabranch export pytorch`; needs the packages torch and safetensors, and the model file.

    model = load("model.safetensors")
    columns = predict(model, [{{"COLUMN": cell}}, ])
"""

import datetime
import json
import math

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

# The columns that are read, and how they become what the network sees.
COLUMNS = json.loads(r"""{columns}""")
# What is predicted, and which networks predict it.
TASKS = json.loads(r"""{targets}""")
PREDICTED_BY = {}
# What the names of each network's arrays begin with.
PREFIXES = {prefixes}
# The linear models that count beside the networks: the task, the name of the arrays, and the share.
LINES = {lines_of_tasks}


"#,
        json!(names.join(", ")).to_string().trim_matches('"'),
        env!("CARGO_PKG_VERSION"),
        json!(predicted_by),
    );
    // All have the same layers.
    let first = model.snapshots().next();
    let first = first.ok_or_else(|| ExportError::lacks("weights".into()))?;
    let network = class(&Network::of(model.river(), model.graph(), first)?);
    if network.contains("SharedBatchNorm(") {
        source += SHARED_BATCH_NORM;
    }
    Ok(source + &network + RUNTIME)
}

/// The linear models that count among the networks: task, name and share.
fn lines_of_tasks(model: &Model) -> Result<Value, ExportError> {
    let (Some(blend), Some(network)) = (model.blend(), Network::linear(model)?) else {
        return Ok(json!([]));
    };
    let heads = network.steps.iter().zip(&network.heads);
    Ok(heads.map(|(step, (task, _))| json!([task, step.name, blend.shares()[*task]])).collect())
}

/// Values as a JSON list, one a line.
fn lines(values: impl Iterator<Item = Value>) -> String {
    let lines: Vec<String> = values.map(|value| format!("    {value}")).collect();
    format!("[\n{}\n]", lines.join(",\n"))
}

/// How a column is encoded, with the numbers among its markers.
fn column(column: &InputColumn) -> Value {
    let mut value = match &column.encoding {
        // A number with names beside it.
        Encoding::NamedNumber { number, names } => {
            let number = InputColumn { encoding: (**number).clone(), ..column.clone() };
            let mut value = json!(number);
            value["names"] = json!(names);
            value["names"]["numbers"] = json!(names.numbers_of_labels());
            value
        }
        _ => json!(column),
    };
    value["missing_numbers"] = json!(column.missing_markers.numbers());
    value["believed_range"] = json!(column.encoding.believed_range());
    if let Encoding::Numeric { scores: Some(scores), .. }
    | Encoding::Robust { scores: Some(scores), .. } = column.encoding.number()
    {
        value["knots"] = json!(scores.knots());
    }
    value
}

fn target(task: &TaskTarget, temperature: Option<f64>) -> Value {
    match task {
        TaskTarget::Regression(columns) => {
            let column = |column: &anabranch_data::RegressionTarget| {
                json!({
                    "column": column.column,
                    "mean": column.mean,
                    "std": column.std,
                    "scale": column.scale,
                    "bounds": column.bounds(),
                })
            };
            json!({ "columns": columns.iter().map(column).collect::<Vec<_>>() })
        }
        TaskTarget::Classification(class) => {
            let mut target = json!({ "column": class.column, "labels": class.labels });
            if let Some(temperature) = temperature {
                target["temperature"] = json!(temperature);
            }
            target
        }
    }
}

/// The class `Network`.
fn class(network: &Network<'_>) -> String {
    let (mut layers, mut forward) = (String::new(), String::new());
    let mut values = vec!["x".to_owned()];
    for step in &network.steps {
        let x = &values[step.x];
        let [n_in, n_out] = step.widths;
        let name = json!(step.name);
        let mut layer = |layer: String, x: &str| {
            layers += &format!("        self.add({name}, {layer})\n");
            format!("layers[{name}]({x})")
        };
        let call = match &step.op {
            Op::Linear { .. } => layer(format!("nn.Linear({n_in}, {n_out})"), x),
            Op::Activation(activation) => match activation {
                Activation::Relu => format!("torch.relu({x})"),
                Activation::Gelu => format!("functional.gelu({x})"),
                Activation::Silu => format!("functional.silu({x})"),
                Activation::Tanh => format!("torch.tanh({x})"),
                Activation::Identity => x.clone(),
            },
            Op::BatchNorm(batch_norm) => {
                let shared = batch_norm.weight.len() < n_out;
                let class = if shared { "SharedBatchNorm" } else { "nn.BatchNorm1d" };
                let (eps, momentum) = (batch_norm.eps, batch_norm.momentum);
                layer(format!("{class}({n_out}, {eps:?}, {momentum:?})"), x)
            }
            Op::LayerNorm { eps, .. } => layer(format!("nn.LayerNorm({n_out}, {eps:?})"), x),
            Op::PRelu { .. } => layer(format!("nn.PReLU({n_out})"), x),
            Op::Dropout { p } => layer(format!("nn.Dropout({p:?})"), x),
            Op::Join { join, right, weight } => {
                let right = &values[*right];
                match join {
                    Join::Add | Join::Broadcast => format!("{x} + {right}"),
                    Join::Project => {
                        let columns = weight.len() / n_out;
                        let linear = format!("nn.Linear({columns}, {n_out}, bias=False)");
                        format!("{x} + {}", layer(linear, right))
                    }
                }
            }
        };
        let value = format!("v{}", values.len());
        forward += &format!("        {value} = {call}\n");
        values.push(value);
    }
    let heads: Vec<&str> = network.heads.iter().map(|(_, value)| values[*value].as_str()).collect();
    format!(
        r#"class Network(nn.Module):
    """The network; its layers have the names that their arrays have in the model file."""

    def __init__(self):
        super().__init__()
        self.layers = {{}}
{layers}
    def add(self, name, layer):
        *path, last = name.split(".")
        parent = self
        for part in path:
            parent = parent._modules.setdefault(part, nn.Module())
        parent._modules[last] = self.layers[name] = layer

    def forward(self, x):
        """The output of each head, [rows, outputs]; x is [rows, inputs]."""
        layers = self.layers
{forward}        return [{}]


def load(path):
    """The networks with the weights of a model file, and the linear models of tasks."""
    arrays, networks, lines = load_file(path), [], {{}}
    for task, name, _ in LINES:
        own = {{array: arrays.pop(f"{{name}}.{{array}}") for array in ("weight", "bias")}}
        lines[task] = nn.Linear(*reversed(own["weight"].shape))
        lines[task].load_state_dict(own, strict=True)
    for prefix in PREFIXES:
        own = {{name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}}
        networks.append(Network())
        networks[-1].load_state_dict(own, strict=True)
    return networks, lines


"#,
        heads.join(", ")
    )
}
