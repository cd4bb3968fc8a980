//! Averages that are taken too early: before a product instead of after it.

use crate::eval::{Reading, Sums, goes_over_the_batch};
use crate::factor::{Pair, factor};
use crate::judge::pairs;
use crate::matrix::Matrix;
use crate::mistakes::Mistake;
use crate::parser::{Expr, Node, Operator};
use crate::quantity::Kind;
use crate::truth::{Truth, UnitAxis};
use crate::{Evaluation, Formula};

/// Whether the target has a row for each sample, and the printed value is their mean or sum.
pub(crate) fn collapsed_to_mean(pairs: &[Pair<'_>], formula: &Formula, reading: Reading) -> bool {
    if formula.target.0.kind != Kind::Rows {
        return false;
    }
    let collapsed = |pair: &Pair<'_>| -> Option<Matrix> {
        let n = match reading.evaluation {
            Evaluation::Batch => pair.expected[0].cols(),
            Evaluation::PerRow => pair.expected[0].rows(),
        };
        let first = pair.printed.first()?;
        let row = match first.shape() {
            [rows, cols] if cols == n && rows >= 1 => first.row(0).to_vec(),
            [rows, 1] if rows == n => first.data().to_vec(),
            _ => return None,
        };
        // A matrix of m rows, or m column vectors, must say the same of every sample.
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
                Evaluation::PerRow => {
                    let n = pair.expected[0].rows();
                    Matrix::from_fn(1, n, |_, j| pair.expected.iter().map(|e| e[(j, 0)]).sum())
                }
            };
            let printed = vec![collapsed(pair)?];
            let (truth, units) = (pair.truth, UnitAxis::Nowhere);
            Some(Pair { truth, printed, expected: vec![sum], units })
        })
        .collect();
    summed.is_some_and(|pairs| equal_up_to_a_factor(&pairs))
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn equal_up_to_a_factor(pairs: &[Pair<'_>]) -> bool {
    let fits = |pair: &Pair<'_>| {
        pair.printed.len() == pair.expected.len()
            && pair.printed.iter().zip(&pair.expected).all(|(p, e)| p.shape() == e.shape())
    };
    pairs.iter().all(fits) && factor(pairs).is_some()
}

/// Whether sums over the batch stand inside the formula, and taking them last makes it right; or it is
/// the outer product of a mean δ with a mean activation.
pub(crate) fn averaged_early(
    truths: &[Truth],
    formula: &Formula,
    reading: Reading,
    pairs_in_place: &[Pair<'_>],
) -> bool {
    if sums_inside(&formula.expr, reading) {
        for evaluation in [Evaluation::PerRow, Evaluation::Batch] {
            let hoisted = Reading { evaluation, sums: Sums::Hoisted, ..reading };
            let right = pairs(truths, formula, hoisted);
            if right.is_ok_and(|pairs| equal_up_to_a_factor(&pairs)) {
                return true;
            }
        }
    }
    if formula.target.0.kind != Kind::Weight || pairs_in_place.is_empty() {
        return false;
    }
    let of_means: Option<Vec<Pair<'_>>> = pairs_in_place
        .iter()
        .map(|pair| {
            let expected = pair
                .truth
                .mistaken(formula.target, reading.evaluation)
                .find_map(|(made, value)| value.filter(|_| made == Mistake::DeltaAveragedEarly))?;
            let (truth, printed, units) = (pair.truth, pair.printed.clone(), UnitAxis::Nowhere);
            Some(Pair { truth, printed, expected, units })
        })
        .collect();
    of_means.is_some_and(|pairs| equal_up_to_a_factor(&pairs))
}

/// Whether a sum over the batch is part of a product or sum of more than constants.
fn sums_inside(expr: &Expr, reading: Reading) -> bool {
    let is_sum = |part: &Expr| matches!(part.node, Node::Fold(_, axis, _) if goes_over_the_batch(axis, reading));
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
