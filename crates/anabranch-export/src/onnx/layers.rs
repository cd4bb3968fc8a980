//! The layers of a network as operators.

use anabranch_layers::{Activation, Join};

use super::graph::{Attribute, Constant, GraphBuilder};
use crate::network::{Network, Op, Step};

/// Adds a network that reads `x` `[N, inputs]`; returns its values, of which the first is `x`.
/// The names of its operators begin with `prefix`.
pub(super) fn add(
    g: &mut GraphBuilder,
    network: &Network<'_>,
    x: &str,
    prefix: &str,
) -> Vec<String> {
    let mut values = vec![x.to_owned()];
    for step in &network.steps {
        let layer = Layer { name: format!("{prefix}{}", step.name), g: &mut *g };
        let value = layer.add(step, &values);
        values.push(value);
    }
    values
}

struct Layer<'g> {
    name: String,
    g: &'g mut GraphBuilder,
}

impl Layer<'_> {
    fn add(mut self, step: &Step<'_>, values: &[String]) -> String {
        let x = values[step.x].as_str();
        let [inputs, outputs] = step.widths;
        match &step.op {
            Op::Linear { weight, bias } => {
                let weight = self.constant("weight", &[outputs, inputs], weight);
                let bias = self.constant("bias", &[outputs], bias);
                self.product(x, &weight, &bias)
            }
            Op::Activation(activation) => self.activation(*activation, x),
            Op::BatchNorm(batch_norm) => {
                let [mean, scale, shift] = batch_norm.folded();
                let mean = self.constant("mean", &[outputs], &mean);
                let scale = self.constant("scale", &[outputs], &scale);
                let shift = self.constant("shift", &[outputs], &shift);
                let x = self.call("Sub", &[x, &mean]);
                let x = self.call("Mul", &[&x, &scale]);
                self.call("Add", &[&x, &shift])
            }
            Op::LayerNorm { eps, weight, bias } => self.layer_norm(x, *eps as f32, weight, bias),
            Op::PRelu { weight } => {
                let weight = self.constant("weight", &[outputs], weight);
                self.call("PRelu", &[x, &weight])
            }
            Op::Dropout { .. } => x.to_owned(),
            Op::Join { join, right, weight } => {
                let right = values[*right].as_str();
                match join {
                    // One column is added to all.
                    Join::Add | Join::Broadcast => self.call("Add", &[x, right]),
                    Join::Project => {
                        let columns = weight.len() / outputs;
                        let weight = self.constant("weight", &[outputs, columns], weight);
                        self.product(right, &weight, x)
                    }
                }
            }
        }
    }

    /// x·Wᵀ + c.
    fn product(&mut self, x: &str, weight: &str, c: &str) -> String {
        self.g.op(&self.name, "Gemm", &[x, weight, c], &[("transB", Attribute::Int(1))])
    }

    fn activation(&mut self, activation: Activation, x: &str) -> String {
        match activation {
            Activation::Relu => self.call("Relu", &[x]),
            Activation::Tanh => self.call("Tanh", &[x]),
            Activation::Identity => x.to_owned(),
            Activation::Silu => {
                let sigmoid = self.call("Sigmoid", &[x]);
                self.call("Mul", &[x, &sigmoid])
            }
            // x·½(1 + erf(x/√2)).
            Activation::Gelu => {
                let [scale, one, half] =
                    [std::f32::consts::FRAC_1_SQRT_2, 1.0, 0.5].map(|v| self.number(v));
                let scaled = self.call("Mul", &[x, &scale]);
                let erf = self.call("Erf", &[&scaled]);
                let sum = self.call("Add", &[&erf, &one]);
                let half = self.call("Mul", &[&sum, &half]);
                self.call("Mul", &[x, &half])
            }
        }
    }

    fn layer_norm(&mut self, x: &str, eps: f32, weight: &[f32], bias: &[f32]) -> String {
        let weight = self.constant("weight", &[weight.len()], weight);
        let bias = self.constant("bias", &[bias.len()], bias);
        let eps = self.number(eps);
        let mean = self.row_mean(x);
        let x = self.call("Sub", &[x, &mean]);
        let square = self.call("Mul", &[&x, &x]);
        let variance = self.row_mean(&square);
        let variance = self.call("Add", &[&variance, &eps]);
        let deviation = self.call("Sqrt", &[&variance]);
        let x = self.call("Div", &[&x, &deviation]);
        let x = self.call("Mul", &[&x, &weight]);
        self.call("Add", &[&x, &bias])
    }

    fn row_mean(&mut self, x: &str) -> String {
        let axes = [("axes", Attribute::Ints(&[1])), ("keepdims", Attribute::Int(1))];
        self.g.op(&self.name, "ReduceMean", &[x], &axes)
    }

    fn call(&mut self, op: &str, inputs: &[&str]) -> String {
        self.g.call(&self.name, op, inputs)
    }

    fn number(&mut self, value: f32) -> String {
        self.g.constant(&self.name, &[1, 1], &Constant::Float(&[value]))
    }

    fn constant(&mut self, array: &str, shape: &[usize], data: &[f32]) -> String {
        self.g.constant(&format!("{}.{array}", self.name), shape, &Constant::Float(data))
    }
}
