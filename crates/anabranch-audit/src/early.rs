//! Averages taken too early: before a product instead of after it.

use crate::eval::{Reading, Sums, goes_over_the_batch};
use crate::expr::{Expr, Fold, Function, Node, Operator};
use crate::factor::{Pair, factor};
use crate::matrix::Matrix;
use crate::mistakes::Mistake;
use crate::pairs::pairs;
use crate::quantity::Kind;
use crate::truth::{Truth, UnitAxis};
use crate::{Evaluation, Formula};

/// Where the target has a row for each sample and the printed value is the same for all,
/// proportional to their sum: f in printed = f × the sum.
pub(crate) fn collapsed_to_sum(
    pairs: &[Pair<'_>],
    formula: &Formula,
    reading: Reading,
) -> Option<String> {
    if formula.target.0.kind != Kind::Rows {
        return None;
    }
    let collapsed = |pair: &Pair<'_>| -> Option<Matrix> {
        let n = match reading.evaluation {
            Evaluation::Batch => pair.expected[0].cols(),
            Evaluation::PerRow => pair.expected[0].rows(),
            Evaluation::PerUnit => return None,
        };
        let first = pair.printed.first()?;
        let row = match first.shape() {
            [rows, cols] if cols == n && rows >= 1 => first.row(0).to_vec(),
            [rows, 1] if rows == n => first.data().to_vec(),
            _ => return None,
        };
        // A matrix of m rows, or m column vectors, must be the same for every sample.
        let agree = pair.printed.iter().all(|block| {
            block.data().chunks(n).all(|other| largest_difference(other, &row) <= 1e-12)
        });
        agree.then(|| Matrix::new(1, n, row))
    };
    let summed: Option<Vec<Pair<'_>>> = pairs
        .iter()
        .map(|pair| {
            let sum = match reading.evaluation {
                Evaluation::Batch => pair.expected[0].sum_over_rows(),
                Evaluation::PerRow | Evaluation::PerUnit => {
                    let n = pair.expected[0].rows();
                    Matrix::from_fn(1, n, |_, j| pair.expected.iter().map(|e| e[(j, 0)]).sum())
                }
            };
            let printed = vec![collapsed(pair)?];
            let (truth, units) = (pair.truth, UnitAxis::Nowhere);
            Some(Pair { truth, printed, expected: vec![sum], units })
        })
        .collect();
    common_factor(&summed?)
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn common_factor(pairs: &[Pair<'_>]) -> Option<String> {
    let fits = |pair: &Pair<'_>| {
        pair.printed.len() == pair.expected.len()
            && pair.printed.iter().zip(&pair.expected).all(|(p, e)| p.shape() == e.shape())
    };
    pairs.iter().all(fits).then(|| factor(pairs)).flatten()
}

/// Where sums over the batch stand inside the formula, and taking them last makes it f × the true
/// value, or where it is f × the outer product of a mean δ and a mean activation: f, preferably 1.
pub(crate) fn averaged_early(
    truths: &[Truth],
    formula: &Formula,
    reading: Reading,
    pairs_in_place: &[Pair<'_>],
) -> Option<String> {
    let hoisted = || {
        if reading.evaluation == Evaluation::PerUnit
            || !sums_inside(&formula.expr, reading)
            || !sums_are_linear(&formula.expr, reading)
        {
            return vec![];
        }
        let all_means = !formula.expr.any(&|part| is_sum(part, reading, Fold::Sum));
        [Evaluation::PerRow, Evaluation::Batch]
            .into_iter()
            .filter_map(|evaluation| {
                let hoisted = Reading { evaluation, sums: Sums::Hoisted, ..reading };
                let mut pairs = pairs(truths, formula, hoisted).ok()?;
                if all_means {
                    for pair in &mut pairs {
                        let rows = pair.truth.rows as f64;
                        pair.printed.iter_mut().for_each(|block| *block = block.map(|v| v / rows));
                    }
                }
                common_factor(&pairs)
            })
            .collect()
    };
    let product_of_means = || {
        fn of_means<'a>(pair: &Pair<'a>, formula: &Formula, reading: Reading) -> Option<Pair<'a>> {
            let expected = pair
                .truth
                .mistaken(formula.target, reading.evaluation)
                .find_map(|(made, value)| value.filter(|_| made == Mistake::DeltaAveragedEarly))?;
            let (truth, printed, units) = (pair.truth, pair.printed.clone(), UnitAxis::Nowhere);
            Some(Pair { truth, printed, expected, units })
        }
        if formula.target.0.kind != Kind::Weight || pairs_in_place.is_empty() {
            return None;
        }
        common_factor(
            &pairs_in_place
                .iter()
                .map(|pair| of_means(pair, formula, reading))
                .collect::<Option<Vec<_>>>()?,
        )
    };
    let mut factors = hoisted();
    factors.extend(product_of_means());
    factors.iter().find(|factor| *factor == "1").or(factors.first()).cloned()
}

fn is_sum(part: &Expr, reading: Reading, wanted: Fold) -> bool {
    matches!(part.node, Node::Fold(fold, axis, _) if fold == wanted && goes_over_the_batch(axis, reading))
}

fn is_fold(part: &Expr, reading: Reading) -> bool {
    is_sum(part, reading, Fold::Sum) || is_sum(part, reading, Fold::Mean)
}

/// Whether the formula is linear in every sum over the batch: only then can the sum be taken last.
fn sums_are_linear(expr: &Expr, reading: Reading) -> bool {
    let without = |part: &Expr| !part.any(&|part| is_fold(part, reading));
    match &expr.node {
        Node::Binary(Operator::Divide, sides) => {
            without(&sides[1]) && sums_are_linear(&sides[0], reading)
        }
        Node::Binary(
            Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Hadamard,
            _,
        )
        | Node::Negate(_)
        | Node::Transpose(_)
        | Node::Fold(..)
        | Node::Function(Function::Diag | Function::Outer, _) => {
            expr.children().iter().all(|part| sums_are_linear(part, reading))
        }
        _ => without(expr),
    }
}

/// Whether a sum over the batch is part of a product or sum of more than constants.
fn sums_inside(expr: &Expr, reading: Reading) -> bool {
    let is_sum = |part: &Expr| is_fold(part, reading);
    let is_constant = |part: &Expr| {
        !part.any(
            &|part| matches!(part.node, Node::Quantity(quantity) if quantity.kind != Kind::Scalar),
        )
    };
    match &expr.node {
        Node::Negate(inner) | Node::Transpose(inner) => sums_inside(inner, reading),
        Node::Fold(_, _, inner) if is_sum(expr) => inner.any(&is_sum),
        Node::Binary(Operator::Add | Operator::Subtract, sides) => {
            sides.iter().any(|side| sums_inside(side, reading))
        }
        Node::Binary(_, sides) if is_constant(&sides[0]) => sums_inside(&sides[1], reading),
        Node::Binary(_, sides) if is_constant(&sides[1]) => sums_inside(&sides[0], reading),
        _ => expr.any(&is_sum),
    }
}
