//! Products of derivatives, read as the chain rule: each factor takes a derivative of the loss one
//! quantity further back.

use crate::expr::{Expr, Node, Operator};
use crate::factor::Pair;
use crate::quantity::{JACOBIANS, Quantity, Target};
use crate::reference::{Param, Source, dual_pull_back};
use crate::truth::{Truth, node_named};
use crate::{Evaluation, matrix::Matrix};

/// A factor of a chain.
enum Factor {
    /// ∂L/∂u, by the name of u.
    Gradient(&'static str, &'static Quantity),
    /// ∂u/∂v.
    Partial(&'static str, &'static str),
}

/// The value of a product of derivatives on every network, with the truth; `None` if the expression
/// is not such a product. Layouts differ between books, so transposes and order do not count, only
/// which derivatives there are.
pub(crate) fn contraction<'a>(
    truths: &'a [Truth],
    expr: &Expr,
    target: Target,
) -> Option<Result<Vec<Pair<'a>>, String>> {
    let mut factors = Vec::new();
    let scale = flatten(expr, &mut factors)?;
    let gradients: Vec<_> = factors
        .iter()
        .filter_map(|factor| match factor {
            Factor::Gradient(of, quantity) => Some((*of, *quantity)),
            Factor::Partial(..) => None,
        })
        .collect();
    let mut partials: Vec<_> = factors
        .iter()
        .filter_map(|factor| match factor {
            Factor::Partial(u, v) => Some((*u, *v)),
            Factor::Gradient(..) => None,
        })
        .collect();
    let ([(start, gradient)], [_, ..]) = (&gradients[..], &partials[..]) else { return None };
    // The way back, factor by factor.
    let mut way = Vec::new();
    let mut at = *start;
    while let Some(index) = partials.iter().position(|(u, _)| *u == at) {
        let (u, v) = partials.remove(index);
        way.push((u, v));
        at = v;
    }
    if let Some((u, v)) = partials.first() {
        let message = format!(
            "the factors are not a chain: nothing leads from the derivative with respect to {at} to d {u}/d {v}"
        );
        return Some(Err(message));
    }
    let pair = |truth: &'a Truth| {
        let mut value: Matrix = truth.matrix(gradient)?.map(|v| v * scale);
        for (u, v) in &way {
            value =
                dual_pull_back(&truth.net, &truth.params, &truth.batch, (*u, source(v)?), &value)?;
        }
        let expected = truth.expected(target, Evaluation::Batch);
        let units = truth.unit_axis(target, Evaluation::Batch);
        let fits = expected.first().is_some_and(|e| e.shape() == value.shape());
        fits.then(|| Pair { truth, printed: vec![value], expected, units })
    };
    let pairs: Option<Vec<_>> = truths.iter().map(pair).collect();
    Some(pairs.ok_or_else(|| {
        format!("the chain ends at the derivative with respect to {at}, not at {target}")
    }))
}

/// The factors of a product of derivatives, and the number in front; `None` for anything else.
fn flatten(expr: &Expr, factors: &mut Vec<Factor>) -> Option<f64> {
    match &expr.node {
        Node::Number(number) => Some(*number),
        Node::Negate(inner) => Some(-flatten(inner, factors)?),
        Node::Transpose(inner) | Node::Entry(inner, _) => flatten(inner, factors),
        Node::Binary(Operator::Multiply | Operator::Hadamard, sides) => {
            Some(flatten(&sides[0], factors)? * flatten(&sides[1], factors)?)
        }
        Node::Partial(u, v) => {
            factors.push(Factor::Partial(u.name, v.name));
            Some(1.0)
        }
        Node::Quantity(quantity) => {
            let jacobian = JACOBIANS.iter().find(|(name, ..)| *name == quantity.name);
            factors.push(match jacobian {
                Some((_, u, v)) => Factor::Partial(u, v),
                None => Factor::Gradient(variable(quantity.name)?, quantity),
            });
            Some(1.0)
        }
        _ => None,
    }
}

/// The quantity with respect to which a derivative of the loss is taken.
fn variable(gradient: &'static str) -> Option<&'static str> {
    Some(match gradient {
        "delta_1a" => "z_1a",
        "delta_2a" => "y_a_hat",
        "delta_1b" => "z_1b",
        "delta_2b" => "z_2b",
        "d_a" => "a_1b",
        "d_a_1a" | "d_h" | "d_mu" | "d_var" | "d_a_hat" | "d_bn" | "d_s" | "d_y_b_hat" => {
            &gradient[2..]
        }
        _ => return None,
    })
}

/// Where a derivative with respect to this quantity is taken.
fn source(name: &str) -> Option<Source> {
    if let Some(node) = node_named(name) {
        return Some(Source::Node(node));
    }
    Some(match name {
        "theta_1a" => Source::Param(Param::Theta1a),
        "b_1a" => Source::Param(Param::B1a),
        "theta_2a" => Source::Param(Param::Theta2a),
        "b_2a" => Source::Param(Param::B2a),
        "theta_1b" => Source::Param(Param::Theta1b),
        "b_1b" => Source::Param(Param::B1b),
        "gamma" => Source::Param(Param::Gamma),
        "beta" => Source::Param(Param::Beta),
        "theta_j" => Source::Param(Param::JoinWeight),
        "theta_2b" => Source::Param(Param::Theta2b),
        "b_2b" => Source::Param(Param::B2b),
        _ => return None,
    })
}

impl Pair<'_> {
    /// The printed value, entry by entry.
    pub(crate) fn entries(&self) -> Vec<f64> {
        self.printed.iter().flat_map(|block| block.data()).copied().collect()
    }
}
