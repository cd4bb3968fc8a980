//! From the outputs of networks to numbers in their units, labels and probabilities.

use anabranch_data::{RegressionTarget, TargetScale, TaskTarget};

use crate::network::Predictors;

use super::graph::{Attribute, Constant, GraphBuilder, Type};

/// Adds the predictions of a task by the outputs `[N, outputs]` of what predicts it.
pub(super) fn add(g: &mut GraphBuilder, task: &TaskTarget, predictors: &Predictors) {
    let Predictors { networks: outputs, linear, temperature } = predictors;
    match task {
        TaskTarget::Regression(columns) => {
            for (place, column) in columns.iter().enumerate() {
                let mut value_of = |output: &String| {
                    let value = column_of(g, output, place, columns.len());
                    in_units(g, column, &value)
                };
                let values = outputs.iter().map(&mut value_of).collect();
                let line = linear.as_ref().map(|(share, output)| (*share, value_of(output)));
                let value = mean(g, &column.column, values, Type::Double);
                let value = blended(g, &column.column, value, line, Type::Double);
                g.output(&format!("{}_pred", column.column), &value, Type::Double, 1);
            }
        }
        TaskTarget::Classification(class) => {
            let name = &class.column;
            let axis = [("axis", Attribute::Int(1))];
            let mut softmax = |output: &String| g.op(name, "Softmax", &[output], &axis);
            let probabilities: Vec<String> = outputs.iter().map(&mut softmax).collect();
            let line = linear.as_ref().map(|(share, output)| (*share, softmax(output)));
            // The scores of one network tell two classes apart whose probabilities are rounded to
            // the same number.
            let is_one = probabilities.len() == 1 && line.is_none();
            let probability = mean(g, name, probabilities, Type::Float);
            let probability = blended(g, name, probability, line, Type::Float);
            let scores = if is_one { &outputs[0] } else { &probability };
            let axis = [("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(1))];
            let place = g.op(name, "ArgMax", &[scores], &axis);
            let labels = g.constant(name, &[class.labels.len()], &Constant::Text(&class.labels));
            let label = g.op(name, "Gather", &[&labels, &place], &[("axis", Attribute::Int(0))]);
            g.output(&format!("{name}_pred"), &label, Type::Text, 1);
            let probability = match temperature {
                None => probability,
                Some(temperature) => {
                    let scores = g.call(name, "Log", &[&probability]);
                    let temperature = Constant::Float(&[*temperature as f32]);
                    let temperature = g.constant(name, &[1, 1], &temperature);
                    let scores = g.call(name, "Div", &[&scores, &temperature]);
                    g.op(name, "Softmax", &[&scores], &[("axis", Attribute::Int(1))])
                }
            };
            g.output(&format!("{name}_p"), &probability, Type::Float, class.labels.len());
        }
    }
}

/// Column `place` of an output as double.
fn column_of(g: &mut GraphBuilder, output: &str, place: usize, n_columns: usize) -> String {
    let output = g.cast("prediction", output, Type::Double);
    if n_columns == 1 {
        return output;
    }
    let place = g.constant("prediction", &[1], &Constant::Int64(&[place as i64]));
    g.op("prediction", "Gather", &[&output, &place], &[("axis", Attribute::Int(1))])
}

/// The prediction that an output means: [`RegressionTarget::predicted`].
fn in_units(g: &mut GraphBuilder, column: &RegressionTarget, output: &str) -> String {
    let name = &column.column;
    let (mean, std) = (g.double(name, column.mean), g.double(name, column.std));
    let u = g.call(name, "Mul", &[output, &std]);
    let u = g.call(name, "Add", &[&u, &mean]);
    let value = match &column.scale {
        TargetScale::Standard | TargetScale::None => u,
        TargetScale::Log1p => {
            let one = g.double(name, 1.0);
            let sign = g.call(name, "Sign", &[&u]);
            let size = g.call(name, "Abs", &[&u]);
            let power = g.call(name, "Exp", &[&size]);
            let size = g.call(name, "Sub", &[&power, &one]);
            g.call(name, "Mul", &[&sign, &size])
        }
        TargetScale::RankNormal { knots } => on_lines(g, name, knots, &u),
    };
    match column.bounds() {
        None => value,
        Some([low, high]) => {
            let (low, high) = (g.double(name, low), g.double(name, high));
            let value = g.call(name, "Max", &[&value, &low]);
            g.call(name, "Min", &[&value, &high])
        }
    }
}

/// The number that `u` is on the straight lines through `knots`, of which the outer ones go on.
fn on_lines(g: &mut GraphBuilder, name: &str, knots: &[[f64; 2]], u: &str) -> String {
    let n_lines = knots.len() - 1;
    // Which line: of the knots where they begin, so many lie at u or below it; the first line has
    // no beginning.
    let mut begins: Vec<f64> = knots[..n_lines].iter().map(|knot| knot[1]).collect();
    begins[0] = f64::NEG_INFINITY;
    let begins = g.constant(name, &[1, n_lines], &Constant::Double(&begins));
    let has_begun = g.call(name, "GreaterOrEqual", &[u, &begins]);
    let has_begun = g.cast(name, &has_begun, Type::Double);
    let axis = g.constant(name, &[1], &Constant::Int64(&[1]));
    let keep = [("keepdims", Attribute::Int(1))];
    let count = g.op(name, "ReduceSum", &[&has_begun, &axis], &keep);
    let one = g.double(name, 1.0);
    let place = g.call(name, "Sub", &[&count, &one]);
    let place = g.cast(name, &place, Type::Int64);
    let line = |of: fn([f64; 2], [f64; 2]) -> f64| -> Vec<f64> {
        knots.windows(2).map(|pair| of(pair[0], pair[1])).collect()
    };
    let mut of_line = |numbers: Vec<f64>| {
        let numbers = g.constant(name, &[n_lines], &Constant::Double(&numbers));
        g.op(name, "Gather", &[&numbers, &place], &[("axis", Attribute::Int(0))])
    };
    let from = of_line(line(|a, _| a[1]));
    let to = of_line(line(|a, _| a[0]));
    let slope = of_line(line(|a, b| (b[0] - a[0]) / (b[1] - a[1])));
    let distance = g.call(name, "Sub", &[u, &from]);
    let rise = g.call(name, "Mul", &[&distance, &slope]);
    g.call(name, "Add", &[&to, &rise])
}

/// A value, and beside it that of a linear model, with its share.
fn blended(
    g: &mut GraphBuilder,
    name: &str,
    value: String,
    line: Option<(f64, String)>,
    kind: Type,
) -> String {
    let Some((share, line)) = line else { return value };
    let [rest, share] = [1.0 - share, share].map(|share| number(g, name, share, kind));
    let value = g.call(name, "Mul", &[&value, &rest]);
    let line = g.call(name, "Mul", &[&line, &share]);
    g.call(name, "Add", &[&value, &line])
}

/// A constant of this type.
fn number(g: &mut GraphBuilder, name: &str, value: f64, kind: Type) -> String {
    match kind {
        Type::Float => g.constant(name, &[1, 1], &Constant::Float(&[value as f32])),
        _ => g.double(name, value),
    }
}

/// The mean of values; one is its own.
fn mean(g: &mut GraphBuilder, name: &str, values: Vec<String>, kind: Type) -> String {
    let n = values.len() as f64;
    let sum = values.into_iter().reduce(|sum, value| g.call(name, "Add", &[&sum, &value]));
    match sum {
        Some(sum) if n > 1.0 => {
            let n = number(g, name, n, kind);
            g.call(name, "Div", &[&sum, &n])
        }
        sum => sum.unwrap_or_default(),
    }
}
