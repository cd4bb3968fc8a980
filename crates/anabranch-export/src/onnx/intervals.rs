//! The intervals and sets of a coverage.

use anabranch_data::RegressionTarget;
use anabranch_train::IntervalRule;

use super::graph::{Attribute, Constant, GraphBuilder, Type};
use super::units::{in_units, standardised, within_bounds};

/// Both ends of the interval around a prediction `value` `[N, 1]` in the column's units;
/// `deviation` is that of the members of an ensemble.
pub(super) fn ends(
    g: &mut GraphBuilder,
    column: &RegressionTarget,
    rule: IntervalRule,
    value: &str,
    deviation: Option<&str>,
) -> [String; 2] {
    let name = &column.column;
    let limit = g.double(name, rule.limit);
    match rule.spread {
        None => {
            let z = standardised(g, column, value);
            ["Sub", "Add"].map(|op| {
                let end = g.call(name, op, &[&z, &limit]);
                in_units(g, column, &end)
            })
        }
        Some(spread) => {
            let spread = g.double(name, spread);
            let width = match deviation {
                None => spread,
                Some(deviation) => g.call(name, "Add", &[deviation, &spread]),
            };
            let half = g.call(name, "Mul", &[&width, &limit]);
            ["Sub", "Add"].map(|op| {
                let end = g.call(name, op, &[value, &half]);
                within_bounds(g, column, end)
            })
        }
    }
}

/// Whether each label is in the set `[N, labels]`: the one at `place` `[N, 1]`, which is the most
/// probable, and those for which the probability of all that come before and half their own is at
/// most `limit`. Labels come in falling order of their probabilities `[N, labels]`, equal ones as
/// they are listed.
pub(super) fn set(
    g: &mut GraphBuilder,
    name: &str,
    probability: &str,
    place: &str,
    n_labels: usize,
    limit: f64,
) -> String {
    let places: Vec<i64> = (0..n_labels as i64).collect();
    // [N, label, label that may come before it].
    let axis = |g: &mut GraphBuilder, axis| g.constant(name, &[1], &Constant::Int64(&[axis]));
    let (first, last) = (axis(g, 1), axis(g, 2));
    let of_label = g.call(name, "Unsqueeze", &[probability, &last]);
    let of_other = g.call(name, "Unsqueeze", &[probability, &first]);
    let label = g.constant(name, &[1, n_labels, 1], &Constant::Int64(&places));
    let other = g.constant(name, &[1, 1, n_labels], &Constant::Int64(&places));
    let is_above = g.call(name, "Greater", &[&of_other, &of_label]);
    let is_equal = g.call(name, "Equal", &[&of_other, &of_label]);
    let is_listed_before = g.call(name, "LessOrEqual", &[&other, &label]);
    let is_equal = g.call(name, "And", &[&is_equal, &is_listed_before]);
    // Itself among them.
    let is_before = g.call(name, "Or", &[&is_above, &is_equal]);
    let is_before = g.cast(name, &is_before, Type::Double);
    let before = g.call(name, "Mul", &[&of_other, &is_before]);
    let sum = g.op(name, "ReduceSum", &[&before, &last], &[("keepdims", Attribute::Int(0))]);
    let half = g.double(name, 0.5);
    let half = g.call(name, "Mul", &[probability, &half]);
    let score = g.call(name, "Sub", &[&sum, &half]);
    let limit = g.double(name, limit);
    let is_within = g.call(name, "LessOrEqual", &[&score, &limit]);
    let places = g.constant(name, &[1, n_labels], &Constant::Int64(&places));
    let is_first = g.call(name, "Equal", &[&places, place]);
    g.call(name, "Or", &[&is_within, &is_first])
}
