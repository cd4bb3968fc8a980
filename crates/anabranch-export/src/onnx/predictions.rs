//! From the outputs of networks to numbers in their units, labels and probabilities.

use anabranch_data::{ClassTarget, RegressionTarget};
use anabranch_train::IntervalRule;

use crate::network::Predictors;

use super::graph::{Attribute, Constant, GraphBuilder, Type};
use super::intervals;
use super::units::in_units;

/// Adds the predictions of columns of numbers by the outputs `[N, columns]` of what predicts them;
/// `rule` tells the interval of a column.
pub(super) fn add_numbers(
    g: &mut GraphBuilder,
    columns: &[RegressionTarget],
    predictors: &Predictors,
    rule: impl Fn(usize) -> Option<IntervalRule>,
) {
    for (place, column) in columns.iter().enumerate() {
        let name = &column.column;
        let mut value_of = |output: &String| {
            let value = column_of(g, output, place, columns.len());
            in_units(g, column, &value)
        };
        let values: Vec<String> = predictors.networks.iter().map(&mut value_of).collect();
        let line = predictors.linear.as_ref().map(|(share, output)| (*share, value_of(output)));
        let of_networks = mean(g, name, &values, Type::Double);
        let value = blended(g, name, of_networks.clone(), line, Type::Double);
        g.output(&format!("{name}_pred"), &value, Type::Double, 1);
        let deviation = deviation(g, name, &values, &of_networks);
        if let Some(deviation) = &deviation {
            g.output(&format!("{name}_std"), deviation, Type::Double, 1);
        }
        if let Some(rule) = rule(place) {
            let ends = intervals::ends(g, column, rule, &value, deviation.as_deref());
            for (end, value) in ["lower", "upper"].iter().zip(ends) {
                g.output(&format!("{name}_{end}"), &value, Type::Double, 1);
            }
        }
    }
}

/// Adds the predictions of a class by the outputs `[N, labels]` of what predicts it; `limit` tells
/// the set.
pub(super) fn add_class(
    g: &mut GraphBuilder,
    class: &ClassTarget,
    predictors: &Predictors,
    limit: Option<f64>,
) {
    let Predictors { networks: outputs, linear, temperature } = predictors;
    let (name, n_labels) = (&class.column, class.labels.len());
    let axis = [("axis", Attribute::Int(1))];
    let mut softmax = |output: &String| g.op(name, "Softmax", &[output], &axis);
    let probabilities: Vec<String> = outputs.iter().map(&mut softmax).collect();
    let line = linear.as_ref().map(|(share, output)| (*share, softmax(output)));
    // The scores of one network tell two classes apart whose probabilities are rounded to the same
    // number.
    let is_one = probabilities.len() == 1 && line.is_none();
    let probability = mean(g, name, &probabilities, Type::Float);
    let probability = blended(g, name, probability, line, Type::Float);
    let scores = if is_one { &outputs[0] } else { &probability };
    let place = [("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(1))];
    let place = g.op(name, "ArgMax", &[scores], &place);
    let labels = g.constant(name, &[n_labels], &Constant::Text(&class.labels));
    let label = g.op(name, "Gather", &[&labels, &place], &[("axis", Attribute::Int(0))]);
    g.output(&format!("{name}_pred"), &label, Type::Text, 1);
    let tempered = match temperature {
        None => probability.clone(),
        Some(temperature) => {
            let scores = g.call(name, "Log", &[&probability]);
            let temperature = Constant::Float(&[*temperature as f32]);
            let temperature = g.constant(name, &[1, 1], &temperature);
            let scores = g.call(name, "Div", &[&scores, &temperature]);
            g.op(name, "Softmax", &[&scores], &axis)
        }
    };
    g.output(&format!("{name}_p"), &tempered, Type::Float, n_labels);
    let of_members: Vec<String> =
        probabilities.iter().map(|p| g.cast(name, p, Type::Double)).collect();
    let probability = mean(g, name, &of_members, Type::Double);
    if let Some(deviations) = deviation(g, name, &of_members, &probability) {
        // That of the label which is predicted.
        let deviation = g.op(name, "GatherElements", &[&deviations, &place], &axis);
        g.output(&format!("{name}_std"), &deviation, Type::Double, 1);
    }
    if let Some(limit) = limit {
        let tempered = g.cast(name, &tempered, Type::Double);
        let set = intervals::set(g, name, &tempered, &place, n_labels, limit);
        g.output(&format!("{name}_set"), &set, Type::Bool, n_labels);
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

/// The sum of values, of which there is at least one.
fn sum(g: &mut GraphBuilder, name: &str, values: &[String]) -> String {
    let sum = values.iter().cloned().reduce(|sum, value| g.call(name, "Add", &[&sum, &value]));
    sum.unwrap_or_default()
}

/// The mean of values; one is its own.
fn mean(g: &mut GraphBuilder, name: &str, values: &[String], kind: Type) -> String {
    let (sum, n) = (sum(g, name, values), values.len() as f64);
    if values.len() == 1 {
        return sum;
    }
    let n = number(g, name, n, kind);
    g.call(name, "Div", &[&sum, &n])
}

/// How far values are from their mean: the sample standard deviation; of one, there is none.
fn deviation(g: &mut GraphBuilder, name: &str, values: &[String], mean: &str) -> Option<String> {
    if values.len() == 1 {
        return None;
    }
    let squares: Vec<String> = values
        .iter()
        .map(|value| {
            let distance = g.call(name, "Sub", &[value, mean]);
            g.call(name, "Mul", &[&distance, &distance])
        })
        .collect();
    let (sum, n) = (sum(g, name, &squares), g.double(name, (values.len() - 1) as f64));
    let variance = g.call(name, "Div", &[&sum, &n]);
    Some(g.call(name, "Sqrt", &[&variance]))
}
