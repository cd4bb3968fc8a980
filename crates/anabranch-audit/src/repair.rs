//! The one change that makes a wrong formula right: another symbol, or another factor of a term.

use std::cell::Cell;

use crate::Formula;
use crate::eval::Reading;
use crate::expr::{Expr, Node, Operator};
use crate::judge::{EXACT, largest_error};
use crate::pairs::pairs;
use crate::quantity::{Kind, QUANTITIES, Quantity};
use crate::truth::Truth;

/// The change in words; `None` if no single change is enough.
pub(crate) fn repair(truths: &[Truth], formula: &Formula) -> Option<String> {
    symbol_exchanged(truths, formula).or_else(|| term_scaled(truths, formula))
}

/// Whether the formula is exact with this tree; the first network already rules most of them out.
fn is_exact(truths: &[Truth], formula: &Formula, expr: Expr) -> bool {
    let changed = Formula { expr, ..formula.clone() };
    let reading = Reading::in_place(formula.evaluation, formula.mask);
    truths.chunks(1).all(|one| {
        pairs(one, &changed, reading).is_ok_and(|pairs| {
            pairs.iter().all(|pair| {
                pair.printed.len() == pair.expected.len()
                    && pair.printed.iter().zip(&pair.expected).all(|(p, e)| p.shape() == e.shape())
            }) && largest_error(pairs.iter().map(|pair| (&pair.printed[..], &pair.expected[..])))
                <= EXACT
        })
    })
}

fn symbol_exchanged(truths: &[Truth], formula: &Formula) -> Option<String> {
    let mut leaves: Vec<&'static Quantity> = Vec::new();
    collect(&formula.expr, &mut leaves);
    leaves.into_iter().find_map(|leaf| {
        let others = QUANTITIES.iter().filter(|other| {
            other.kind == leaf.kind
                && other.name != leaf.name
                && other.name != formula.target.name()
        });
        others.into_iter().find_map(|other| {
            let exchanged = formula.expr.replaced(&|part| match part.node {
                Node::Quantity(found) if found.name == leaf.name => {
                    Some(Expr::new(Node::Quantity(other), part.column))
                }
                _ => None,
            });
            is_exact(truths, formula, exchanged)
                .then(|| format!("It is exact with `{}` instead of `{}`.", other.name, leaf.name))
        })
    })
}

fn collect(expr: &Expr, leaves: &mut Vec<&'static Quantity>) {
    if let Node::Quantity(quantity) = expr.node
        && !matches!(quantity.kind, Kind::Scalar)
        && !leaves.contains(&quantity)
    {
        leaves.push(quantity);
    }
    expr.children().iter().for_each(|child| collect(child, leaves));
}

fn term_scaled(truths: &[Truth], formula: &Formula) -> Option<String> {
    let n_sums = count(&formula.expr);
    let m = Quantity::named("m")?;
    let factors = |column| {
        let m = Expr::new(Node::Quantity(m), column);
        let number = |value| Expr::new(Node::Number(value), column);
        let over = |a, b| Expr::new(Node::Binary(Operator::Divide, Box::new([a, b])), column);
        [
            ("the factor 1/m", over(number(1.0), m.clone())),
            ("the factor m", m),
            ("the other sign", number(-1.0)),
            ("the factor 1/2", number(0.5)),
            ("the factor 2", number(2.0)),
            ("the factor 0, that is, left out,", number(0.0)),
        ]
    };
    // Every side of every sum, with every factor.
    (0..n_sums).find_map(|sum| {
        [0, 1].into_iter().find_map(|side| {
            factors(formula.expr.column).into_iter().find_map(|(words, factor)| {
                let seen = Cell::new(0);
                let changed = scaled(&formula.expr, &seen, sum, side, &factor);
                is_exact(truths, formula, changed).then(|| {
                    let which = ["left", "right"][side];
                    format!(
                        "It is exact with {words} on the term to the {which} of sign number {}.",
                        sum + 1
                    )
                })
            })
        })
    })
}

fn is_sum(expr: &Expr) -> bool {
    matches!(expr.node, Node::Binary(Operator::Add | Operator::Subtract, _))
}

fn count(expr: &Expr) -> usize {
    usize::from(is_sum(expr)) + expr.children().iter().map(count).sum::<usize>()
}

/// The tree with a side of the n-th sum, counted from the outside, multiplied by a factor.
fn scaled(expr: &Expr, seen: &Cell<usize>, n: usize, side: usize, factor: &Expr) -> Expr {
    expr.replaced(&|part| {
        let Node::Binary(operator, sides) = &part.node else { return None };
        if !is_sum(part) {
            return None;
        }
        let this = seen.get();
        seen.set(this + 1);
        if this != n {
            let sides = sides.each_ref().map(|inner| scaled(inner, seen, n, side, factor));
            return Some(Expr::new(Node::Binary(*operator, Box::new(sides)), part.column));
        }
        let mut sides = (**sides).clone();
        let product = Box::new([factor.clone(), sides[side].clone()]);
        sides[side] = Expr::new(Node::Binary(Operator::Multiply, product), part.column);
        Some(Expr::new(Node::Binary(*operator, Box::new(sides)), part.column))
    })
}
