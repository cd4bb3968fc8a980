//! Between the scale that a network learns and the units of a column.

use anabranch_data::{RegressionTarget, TargetScale};

use super::graph::{Attribute, Constant, GraphBuilder, Type};

/// The prediction that an output means: [`RegressionTarget::predicted`].
pub(super) fn in_units(g: &mut GraphBuilder, column: &RegressionTarget, output: &str) -> String {
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
    within_bounds(g, column, value)
}

/// What training saw no number beyond.
pub(super) fn within_bounds(
    g: &mut GraphBuilder,
    column: &RegressionTarget,
    value: String,
) -> String {
    let Some([low, high]) = column.bounds() else { return value };
    let (name, low) = (&column.column, g.double(&column.column, low));
    let high = g.double(name, high);
    let value = g.call(name, "Max", &[&value, &low]);
    g.call(name, "Min", &[&value, &high])
}

/// A number on the scale that the network learns: [`RegressionTarget::standardise`].
pub(super) fn standardised(g: &mut GraphBuilder, column: &RegressionTarget, value: &str) -> String {
    let name = &column.column;
    let u = match &column.scale {
        TargetScale::Standard | TargetScale::None => value.to_owned(),
        TargetScale::Log1p => {
            let one = g.double(name, 1.0);
            let sign = g.call(name, "Sign", &[value]);
            let size = g.call(name, "Abs", &[value]);
            let more = g.call(name, "Add", &[&size, &one]);
            let logarithm = g.call(name, "Log", &[&more]);
            g.call(name, "Mul", &[&sign, &logarithm])
        }
        TargetScale::RankNormal { knots } => {
            let swapped: Vec<[f64; 2]> = knots.iter().map(|[v, u]| [*u, *v]).collect();
            on_lines(g, name, &swapped, value)
        }
    };
    let (mean, std) = (g.double(name, column.mean), g.double(name, column.std));
    let distance = g.call(name, "Sub", &[&u, &mean]);
    g.call(name, "Div", &[&distance, &std])
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
