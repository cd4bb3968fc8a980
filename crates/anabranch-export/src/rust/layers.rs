//! The layers of a network: its arrays, and the function that computes its predictions.

use anabranch_layers::{Activation, Join};

use super::names::Names;
use super::source::{list, literals};
use crate::network::{Network, Op};

/// The arrays of a network and its function `name`, whose result is a tuple of the outputs of
/// its heads. `prefix` begins the names of the arrays.
pub(super) fn write(network: &Network<'_>, inputs: usize, name: &str, prefix: &str) -> String {
    let mut names = Names::default();
    let mut arrays = String::new();
    let mut body = String::new();
    // The parameter, which is borrowed already.
    let mut values = vec![names.variable("x")];
    let borrowed = |value: &String| if value == "x" { value.clone() } else { format!("&{value}") };
    for step in &network.steps {
        let x = borrowed(&values[step.x]);
        let [n_in, n_out] = step.widths;
        let layer = names.variable(&format!("{prefix}{}", step.name));
        let mut array = |what: &str, shape: &[usize], data: &[f32]| {
            let name = format!("{layer}_{what}").to_uppercase();
            arrays += &array(&name, shape, data);
            name
        };
        let call = match &step.op {
            Op::Linear { weight, bias } => {
                let weight = array("weight", &[n_out, n_in], weight);
                let bias = array("bias", &[n_out], bias);
                format!("linear({x}, &{weight}, &{bias})")
            }
            Op::Activation(activation) => {
                let function = match activation {
                    Activation::Relu => "relu",
                    Activation::Gelu => "gelu",
                    Activation::Silu => "silu",
                    Activation::Tanh => "hyperbolic_tangent",
                    Activation::Identity => {
                        values.push(values[step.x].clone());
                        continue;
                    }
                };
                format!("{function}({x})")
            }
            Op::BatchNorm(batch_norm) => {
                let [mean, scale, shift] = batch_norm.folded();
                let mean = array("mean", &[n_out], &mean);
                let scale = array("scale", &[n_out], &scale);
                let shift = array("shift", &[n_out], &shift);
                format!("normalise({x}, &{mean}, &{scale}, &{shift})")
            }
            Op::LayerNorm { eps, weight, bias } => {
                let weight = array("weight", &[n_out], weight);
                let bias = array("bias", &[n_out], bias);
                format!("layer_norm({x}, &{weight}, &{bias}, {eps:?})")
            }
            Op::PRelu { weight } => {
                let weight = array("weight", &[n_out], weight);
                format!("prelu({x}, &{weight})")
            }
            Op::Dropout { .. } => {
                values.push(values[step.x].clone());
                continue;
            }
            Op::Join { join, right, weight } => {
                let right = borrowed(&values[*right]);
                match join {
                    Join::Add => format!("add({x}, {right})"),
                    Join::Broadcast => format!("broadcast({x}, {right})"),
                    Join::Project => {
                        let weight = array("weight", &[n_out, weight.len() / n_out], weight);
                        format!("project({x}, {right}, &{weight})")
                    }
                }
            }
        };
        body += &format!("    let {layer} = {call};\n");
        values.push(layer);
    }
    let (mut types, mut results) = (String::new(), String::new());
    for (_, value) in &network.heads {
        types += &format!("[f32; {}], ", network.width(*value, inputs));
        results += &format!("{}, ", values[*value]);
    }
    format!(
        "{arrays}\n/// What a network makes of an encoded row: the outputs of its heads.\n#[rustfmt::skip]\nfn {name}(x: &[f32; {inputs}]) -> ({}) {{\n{body}    ({})\n}}\n",
        types.trim_end(),
        results.trim_end()
    )
}

/// A vector, or a matrix `[out, in]`.
fn array(name: &str, shape: &[usize], data: &[f32]) -> String {
    let kind = shape.iter().rev().fold("f32".to_owned(), |of, size| format!("[{of}; {size}]"));
    let mut source = format!("\n#[rustfmt::skip]\nstatic {name}: {kind} = ");
    match shape {
        [_, columns] => {
            source += "[\n";
            for row in data.chunks(*columns) {
                source += "    ";
                list(&mut source, 4, &literals(row));
                source += ",\n";
            }
            source += "]";
        }
        _ => list(&mut source, 0, &literals(data)),
    }
    source + ";\n"
}
