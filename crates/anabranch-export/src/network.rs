//! The network of a model, layer by layer with its numbers, as all exports read it.

use anabranch_graph::{Array, Graph, LayerKind, NamedLayer, River};
use anabranch_layers::{Activation, Join};
use anabranch_train::{Blend, Model, Snapshot};

use crate::error::ExportError;

/// What a step computes from: 0 is the encoded row, and `i + 1` the output of step `i`.
pub(crate) type Value = usize;

/// The layers of a network in an order in which they can be computed.
#[derive(Debug)]
pub(crate) struct Network<'a> {
    pub(crate) steps: Vec<Step<'a>>,
    /// The tasks that the network predicts, each with the value that predicts it.
    pub(crate) heads: Vec<(usize, Value)>,
}

/// One layer.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    /// The name of its node; its arrays in the model file are named `name.weight` and so on.
    pub(crate) name: &'a str,
    pub(crate) op: Op<'a>,
    pub(crate) x: Value,
    /// Columns of its input and of its output.
    pub(crate) widths: [usize; 2],
}

impl Step<'_> {
    /// The values that it reads.
    fn reads(&self) -> impl Iterator<Item = Value> {
        let right = match self.op {
            Op::Join { right, .. } => Some(right),
            _ => None,
        };
        std::iter::once(self.x).chain(right)
    }
}

/// What a layer computes in evaluation.
#[derive(Debug)]
pub(crate) enum Op<'a> {
    /// x·Wᵀ + b, W `[out, in]`.
    Linear {
        weight: &'a [f32],
        bias: &'a [f32],
    },
    Activation(Activation),
    BatchNorm(BatchNorm<'a>),
    LayerNorm {
        eps: f64,
        weight: &'a [f32],
        bias: &'a [f32],
    },
    PRelu {
        weight: &'a [f32],
    },
    /// x, in evaluation.
    Dropout {
        p: f64,
    },
    /// x plus what `join` makes of `right`; W `[units, columns of right]` of a projection.
    Join {
        join: Join,
        right: Value,
        weight: &'a [f32],
    },
}

/// γ·(x − mean)/√(var + ε) + β; γ and β have one element where all columns share them.
#[derive(Debug)]
pub(crate) struct BatchNorm<'a> {
    pub(crate) eps: f64,
    pub(crate) momentum: f64,
    pub(crate) weight: &'a [f32],
    pub(crate) bias: &'a [f32],
    pub(crate) mean: &'a [f32],
    pub(crate) var: &'a [f32],
}

impl BatchNorm<'_> {
    /// (mean, scale, shift) of each column: y = (x − mean)·scale + shift, rounded as the model
    /// rounds it.
    pub(crate) fn folded(&self) -> [Vec<f32>; 3] {
        let of = |array: &[f32], i: usize| if array.len() == 1 { array[0] } else { array[i] };
        let units = 0..self.mean.len();
        let eps = self.eps as f32;
        let scale = units.clone().map(|i| of(self.weight, i) / (self.var[i] + eps).sqrt());
        let shift = units.map(|i| of(self.bias, i));
        [self.mean.to_vec(), scale.collect(), shift.collect()]
    }
}

impl<'a> Network<'a> {
    /// The networks of a model, whose predictions are averaged.
    ///
    /// # Errors
    /// [`ExportError::Lacks`] if the model does not have what its description names.
    pub(crate) fn all(model: &'a Model) -> Result<Vec<Self>, ExportError> {
        let networks = model.snapshots().map(|snapshot| {
            let mut network = Self::of(model.river(), model.graph(), snapshot)?;
            network.keep(&snapshot.tasks);
            Ok(network)
        });
        networks.collect()
    }

    /// The linear models that count among the networks, if any do.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub(crate) fn linear(model: &'a Model) -> Result<Option<Self>, ExportError> {
        let Some(blend) = model.blend() else { return Ok(None) };
        let mut network = Self::of(blend.river(), blend.graph(), blend.snapshot())?;
        for ((task, _), number) in network.heads.iter_mut().zip(&blend.snapshot().tasks) {
            *task = *number;
        }
        Ok(Some(network))
    }

    /// A network with these numbers, and the heads of all its tasks.
    pub(crate) fn of(
        river: &'a River,
        graph: &'a Graph<f32>,
        snapshot: &'a Snapshot<f32>,
    ) -> Result<Self, ExportError> {
        let Snapshot { params, state, .. } = snapshot;
        let arrays = Arrays { graph, params, state };
        let mut network = Self { steps: Vec::new(), heads: Vec::new() };
        // The last layer of each branch, and its prediction.
        let mut built: Vec<(&str, Value, Option<Value>)> = Vec::new();
        for branch in &river.branches {
            let earlier = |name: &str| {
                let found = built.iter().find(|(branch, ..)| *branch == name);
                found.ok_or_else(|| ExportError::lacks(format!("branch {name:?}")))
            };
            let mut x = match &branch.from {
                None => 0,
                Some(trunk) => earlier(trunk)?.1,
            };
            for layer in &branch.layers {
                x = network.push(layer, x, arrays)?;
            }
            let trunk = x;
            for join in &branch.joins {
                let no_head = || ExportError::lacks(format!("a prediction of {:?}", join.from));
                let right = earlier(&join.from)?.2.ok_or_else(no_head)?;
                let weight: &[f32] = match join.join {
                    Join::Project => arrays.param(&join.name, "weight")?,
                    Join::Add | Join::Broadcast => &[],
                };
                let op = Op::Join { join: join.join, right, weight };
                x = network.add(&join.name, op, x, arrays)?;
            }
            let head = match &branch.head {
                None => None,
                Some(head) => {
                    x = network.push(&head.layer, x, arrays)?;
                    network.heads.push((network.heads.len(), x));
                    Some(x)
                }
            };
            built.push((&branch.name, trunk, head));
        }
        Ok(network)
    }

    /// Leaves out what these tasks do not need.
    fn keep(&mut self, tasks: &[usize]) {
        self.heads.retain(|(task, _)| tasks.contains(task));
        let mut is_needed = vec![false; self.steps.len() + 1];
        self.heads.iter().for_each(|(_, value)| is_needed[*value] = true);
        for (i, step) in self.steps.iter().enumerate().rev() {
            if is_needed[i + 1] {
                step.reads().for_each(|value| is_needed[value] = true);
            }
        }
        // Values are called by the number of steps before them, and their own.
        let mut places = vec![0];
        for is_needed in &is_needed[1..] {
            places.push(places[places.len() - 1] + usize::from(*is_needed));
        }
        let mut number = 0;
        self.steps.retain(|_| {
            number += 1;
            is_needed[number]
        });
        for step in &mut self.steps {
            step.x = places[step.x];
            if let Op::Join { right, .. } = &mut step.op {
                *right = places[*right];
            }
        }
        self.heads.iter_mut().for_each(|(_, value)| *value = places[*value]);
    }

    fn push(
        &mut self,
        layer: &'a NamedLayer,
        x: Value,
        arrays: Arrays<'a>,
    ) -> Result<Value, ExportError> {
        let NamedLayer { name, layer, .. } = layer;
        let param = |array| arrays.param(name, array);
        let op = match layer {
            LayerKind::Linear { .. } => {
                Op::Linear { weight: param("weight")?, bias: param("bias")? }
            }
            LayerKind::Activation(activation) => Op::Activation(*activation),
            LayerKind::BatchNorm { eps, momentum, .. } => Op::BatchNorm(BatchNorm {
                eps: *eps,
                momentum: *momentum,
                weight: param("weight")?,
                bias: param("bias")?,
                mean: arrays.state(name, "running_mean")?,
                var: arrays.state(name, "running_var")?,
            }),
            LayerKind::LayerNorm { eps } => {
                Op::LayerNorm { eps: *eps, weight: param("weight")?, bias: param("bias")? }
            }
            LayerKind::PRelu { .. } => Op::PRelu { weight: param("weight")? },
            LayerKind::Dropout { p } => Op::Dropout { p: *p },
        };
        self.add(name, op, x, arrays)
    }

    fn add(
        &mut self,
        name: &'a str,
        op: Op<'a>,
        x: Value,
        arrays: Arrays<'a>,
    ) -> Result<Value, ExportError> {
        let node = arrays.graph.node(name);
        let node = node.ok_or_else(|| ExportError::lacks(format!("node {name:?}")))?;
        let widths = [self.width(x, arrays.graph.inputs()), arrays.graph.width(node)];
        self.steps.push(Step { name, op, x, widths });
        Ok(self.steps.len())
    }

    /// Columns of a value, of which the first has `inputs`.
    pub(crate) fn width(&self, value: Value, inputs: usize) -> usize {
        match value {
            0 => inputs,
            step => self.steps[step - 1].widths[1],
        }
    }
}

/// What predicts a task, in the language of an export.
#[derive(Debug, Default)]
pub(crate) struct Predictors {
    /// What the networks that predict it give.
    pub(crate) networks: Vec<String>,
    /// What its linear model gives, and how much that counts.
    pub(crate) linear: Option<(f64, String)>,
    /// What the logarithms of its probabilities are divided by.
    pub(crate) temperature: Option<f64>,
}

impl Predictors {
    /// Of each task of a model: `networks` and `linear` are what each gives, and of which tasks.
    pub(crate) fn of_tasks(
        model: &Model,
        networks: impl IntoIterator<Item = (usize, String)>,
        linear: impl IntoIterator<Item = (usize, String)>,
    ) -> Vec<Self> {
        let temperature = |task| model.calibration().temperature(task);
        let tasks = 0..model.targets().tasks().len();
        let mut all: Vec<Self> =
            tasks.map(|task| Self { temperature: temperature(task), ..Self::default() }).collect();
        networks.into_iter().for_each(|(task, output)| all[task].networks.push(output));
        let shares = model.blend().map_or(&[][..], Blend::shares);
        linear.into_iter().for_each(|(task, output)| {
            all[task].linear = shares.get(task).map(|share| (*share, output));
        });
        all
    }
}

/// Where the numbers of a network are.
#[derive(Clone, Copy)]
struct Arrays<'a> {
    graph: &'a Graph<f32>,
    params: &'a [f32],
    state: &'a [f32],
}

impl<'a> Arrays<'a> {
    fn param(self, node: &str, array: &str) -> Result<&'a [f32], ExportError> {
        find(self.graph.params(), self.params, node, array)
    }

    fn state(self, node: &str, array: &str) -> Result<&'a [f32], ExportError> {
        find(self.graph.state(), self.state, node, array)
    }
}

fn find<'a>(
    arrays: &[Array],
    values: &'a [f32],
    node: &str,
    array: &str,
) -> Result<&'a [f32], ExportError> {
    let name = format!("{node}.{array}");
    let found = arrays.iter().find(|array| array.name == name);
    let range = found.map(|array| array.range.clone());
    let values = range.and_then(|range| values.get(range));
    values.ok_or_else(|| ExportError::lacks(format!("array {name:?}")))
}
