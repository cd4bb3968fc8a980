//! The small changes that could make a wrong formula right.

use crate::Formula;
use crate::expr::{Axis, Expr, Function, Node, Operator};
use crate::quantity::{Kind, QUANTITIES, Quantity};
use crate::show::Shown;

/// A change, in words that follow "it is exact", and the formula with it.
pub(crate) struct Edit {
    pub(crate) words: String,
    pub(crate) expr: Expr,
}

/// Which symbols may take another's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exchange {
    /// Any of the same kind.
    SameKind,
    /// Those that are easily mistaken for each other.
    Neighbours,
}

/// Quantities that are easily mistaken for each other.
const NEIGHBOURS: [&[&str]; 8] = [
    &["x", "z_1a", "a_1a", "h"],
    &["z_1b", "a_1b", "a_hat", "bn", "s"],
    &["y_b", "y_b_hat", "z_2b"],
    &["y_a", "y_a_hat"],
    &["gamma", "beta"],
    &["delta_1a", "delta_2a", "delta_1b", "delta_2b", "d_s", "d_a", "d_h", "d_a_hat"],
    &["theta_1a", "theta_2a", "theta_1b", "theta_2b"],
    &["b_1a", "b_2a", "b_1b", "b_2b"],
];

/// Other names of a quantity, which are no repair.
const ALIASES: [&str; 5] = ["dy_dgamma", "dy_dbeta", "ones_m", "r", "jacobian_bn"];

/// Letters that an index may be meant to be.
const INDICES: [char; 5] = ['i', 'j', 'k', 'l', 'n'];

/// What is easily forgotten in a product.
const FACTORS: [&str; 6] = ["relu'(z_1a)", "relu'(z_1b)", "M", "gamma", "m", "1/m"];

/// What is easily forgotten in a sum.
const TERMS: [&str; 7] = ["b_1a", "b_2a", "b_1b", "b_2b", "beta", "y_a_hat", "d_s"];

/// Every change to a formula, the likeliest first.
pub(crate) fn edits(formula: &Formula, expr: &Expr, exchange: Exchange) -> Vec<Edit> {
    let mut all = Vec::new();
    each(expr, &|new| new, &mut |part, rebuild| {
        let mut edit = |words: String, new: Expr| all.push(Edit { words, expr: rebuild(new) });
        term_scaled(part, &mut edit);
        operation_changed(part, &mut edit);
        brackets_moved(part, &mut edit);
        let is_whole = std::ptr::eq(part, expr);
        something_added(formula, part, is_whole, &mut edit);
    });
    exchanges(formula, expr, exchange, &mut all);
    each(expr, &|new| new, &mut |part, rebuild| {
        let mut edit = |words: String, new: Expr| all.push(Edit { words, expr: rebuild(new) });
        turned(part, &mut edit);
        factor_left_out(part, &mut edit);
    });
    all
}

/// Puts a part in its place in the whole.
type Rebuild<'a> = &'a dyn Fn(Expr) -> Expr;

/// Calls `visit` with every part of the tree, and with what puts another in its place.
fn each(expr: &Expr, rebuild: Rebuild<'_>, visit: &mut dyn FnMut(&Expr, Rebuild<'_>)) {
    visit(expr, rebuild);
    for (i, child) in expr.children().iter().enumerate() {
        let in_place = |new: Expr| {
            let mut changed = expr.clone();
            changed.children_mut()[i] = new;
            rebuild(changed)
        };
        each(child, &in_place, visit);
    }
}

/// One symbol for another: everywhere, or in one place.
fn exchanges(formula: &Formula, expr: &Expr, exchange: Exchange, all: &mut Vec<Edit>) {
    let mut leaves: Vec<(&'static Quantity, usize)> = Vec::new();
    each(expr, &|new| new, &mut |part, _| {
        if let Node::Quantity(found) = part.node
            && found.kind != Kind::Scalar
        {
            match leaves.iter_mut().find(|(leaf, _)| *leaf == found) {
                Some((_, count)) => *count += 1,
                None => leaves.push((found, 1)),
            }
        }
    });
    let are_neighbours = |leaf: &Quantity, other: &Quantity| {
        NEIGHBOURS.iter().any(|all| all.contains(&leaf.name) && all.contains(&other.name))
    };
    let is_other = |leaf: &Quantity, other: &Quantity| {
        other.kind == leaf.kind
            && other.name != leaf.name
            && other.name != formula.target.name()
            && !other.is_target_alone()
            && !ALIASES.contains(&other.name)
            && (exchange == Exchange::SameKind || are_neighbours(leaf, other))
    };
    for (leaf, count) in leaves {
        let mut others: Vec<&'static Quantity> =
            QUANTITIES.iter().filter(|other| is_other(leaf, other)).collect();
        others.sort_by_key(|other| !are_neighbours(leaf, other));
        for other in others {
            let words = format!("with `{}` instead of `{}`", other.name, leaf.name);
            let is_leaf = |part: &Expr| matches!(part.node, Node::Quantity(q) if q == leaf);
            let new = |part: &Expr| Expr::new(Node::Quantity(other), part.column);
            let expr_everywhere = expr.replaced(&|part| is_leaf(part).then(|| new(part)));
            all.push(Edit { words: words.clone(), expr: expr_everywhere });
            if count > 1 {
                let mut place = 0;
                each(expr, &|new| new, &mut |part, rebuild| {
                    if is_leaf(part) {
                        place += 1;
                        let words = format!("{words} in place {place} of {count}");
                        all.push(Edit { words, expr: rebuild(new(part)) });
                    }
                });
            }
        }
    }
}

/// A side of a sum, times something.
fn term_scaled(part: &Expr, edit: &mut dyn FnMut(String, Expr)) {
    let Node::Binary(operator @ (Operator::Add | Operator::Subtract), sides) = &part.node else {
        return;
    };
    if sides.iter().all(is_constant) {
        return;
    }
    let column = part.column;
    let number = |value| Expr::new(Node::Number(value), column);
    let m = || Quantity::named("m").map(|m| Expr::new(Node::Quantity(m), column));
    let over = |a, b| Expr::new(Node::Binary(Operator::Divide, Box::new([a, b])), column);
    let factors = [
        ("the factor 1/m", m().map(|m| over(number(1.0), m))),
        ("the factor m", m()),
        ("the other sign", Some(number(-1.0))),
        ("the factor 1/2", Some(number(0.5))),
        ("the factor 2", Some(number(2.0))),
    ];
    for side in [0, 1] {
        let term = Shown(&sides[side]).to_string();
        for (words, factor) in &factors {
            let Some(factor) = factor.clone() else { continue };
            let mut sides = sides.clone();
            let product = Box::new([factor, sides[side].clone()]);
            sides[side] = Expr::new(Node::Binary(Operator::Multiply, product), column);
            let words = format!("with {words} on the term `{term}`");
            edit(words, Expr::new(Node::Binary(*operator, sides), column));
        }
        let rest = sides[1 - side].clone();
        let rest = match (operator, side) {
            (Operator::Subtract, 0) => Expr::new(Node::Negate(Box::new(rest)), column),
            _ => rest,
        };
        edit(format!("without the term `{term}`"), rest);
    }
}

/// Whether no quantity but numbers is part of it.
fn is_constant(expr: &Expr) -> bool {
    !expr
        .any(&|part| matches!(part.node, Node::Quantity(quantity) if quantity.kind != Kind::Scalar))
}

/// Brackets that stand elsewhere: γ(â + β) for γâ + β, a − μ/σ for (a − μ)/σ, √σ² + ε for
/// √(σ² + ε).
fn brackets_moved(part: &Expr, edit: &mut dyn FnMut(String, Expr)) {
    let Node::Binary(operator, sides) = &part.node else { return };
    let [left, right] = &**sides;
    let binary = |operator: &Operator, left: &Expr, right: &Expr| {
        Expr::new(Node::Binary(*operator, Box::new([left.clone(), right.clone()])), part.column)
    };
    let mut instead = |new: Expr| {
        edit(format!("with `{}` instead of `{}`", Shown(&new), Shown(part)), new);
    };
    let is_sum = |operator: &Operator| matches!(operator, Operator::Add | Operator::Subtract);
    if is_sum(operator) {
        if let Node::Binary(inner, of) = &right.node
            && !is_sum(inner)
        {
            instead(binary(inner, &binary(operator, left, &of[0]), &of[1]));
        }
        if let Node::Binary(inner, of) = &left.node
            && !is_sum(inner)
        {
            instead(binary(inner, &of[0], &binary(operator, &of[1], right)));
        }
        if let Node::Function(function, arguments) = &left.node
            && let [argument] = &arguments[..]
        {
            let inside = vec![binary(operator, argument, right)];
            instead(Expr::new(Node::Function(*function, inside), part.column));
        }
        return;
    }
    if let Node::Binary(inner, of) = &right.node
        && is_sum(inner)
    {
        instead(binary(inner, &binary(operator, left, &of[0]), &of[1]));
    }
    if let Node::Binary(inner, of) = &left.node
        && is_sum(inner)
    {
        instead(binary(inner, &of[0], &binary(operator, &of[1], right)));
    }
}

/// Another function, axis, relation, exponent or kind of product.
fn operation_changed(part: &Expr, edit: &mut dyn FnMut(String, Expr)) {
    let mut instead = |node: Node| {
        let new = Expr::new(node, part.column);
        edit(format!("with `{}` instead of `{}`", Shown(&new), Shown(part)), new);
    };
    match &part.node {
        // [M > 0] and relu'(M) are masks of 0 and 1.
        Node::Binary(Operator::Greater, sides) => {
            if let Node::Quantity(Quantity { name: "M", .. }) = sides[0].node {
                instead(sides[0].node.clone());
            }
        }
        Node::Binary(operator @ (Operator::Less | Operator::LessEqual), sides) => {
            let other = if *operator == Operator::Less {
                Operator::Greater
            } else {
                Operator::GreaterEqual
            };
            instead(Node::Binary(other, sides.clone()));
        }
        Node::Function(Function::ReluPrime, arguments) => {
            if let [Expr { node: Node::Quantity(Quantity { name: "M", .. }), .. }] = arguments[..] {
                instead(arguments[0].node.clone());
            }
            instead(Node::Function(Function::Relu, arguments.clone()));
        }
        Node::Function(Function::Relu, arguments) => {
            instead(Node::Function(Function::ReluPrime, arguments.clone()));
            instead(arguments[0].node.clone());
        }
        Node::Fold(fold, axis, inner) => {
            for other in [Axis::Rows, Axis::Cols, Axis::All] {
                if other != *axis {
                    instead(Node::Fold(*fold, other, inner.clone()));
                }
            }
            instead(inner.node.clone());
        }
        Node::Binary(Operator::Multiply, sides) => {
            instead(Node::Binary(Operator::Hadamard, sides.clone()));
        }
        Node::Binary(Operator::Hadamard, sides) => {
            instead(Node::Binary(Operator::Multiply, sides.clone()));
            instead(Node::Binary(Operator::Add, sides.clone()));
        }
        Node::Binary(Operator::Power, sides) => {
            // yⱼ² for yⱼyₖ.
            if let (Node::Entry(inner, indices), Node::Number(2.0)) =
                (&sides[0].node, &sides[1].node)
            {
                for at in 0..indices.len() {
                    for name in INDICES.into_iter().filter(|name| *name != indices[at].name) {
                        let mut indices = indices.clone();
                        indices[at].name = name;
                        let other = Expr::new(Node::Entry(inner.clone(), indices), part.column);
                        let sides = Box::new([sides[0].clone(), other]);
                        instead(Node::Binary(Operator::Multiply, sides));
                    }
                }
            }
            for exponent in [-0.5, -1.5, -1.0, 0.5, 2.0] {
                let exponent = Expr::new(Node::Number(exponent), part.column);
                let sides = Box::new([sides[0].clone(), exponent]);
                instead(Node::Binary(Operator::Power, sides));
            }
        }
        Node::Binary(Operator::Subtract, sides) => {
            let is_m = matches!(sides[0].node, Node::Quantity(Quantity { name: "m", .. }));
            if is_m && matches!(sides[1].node, Node::Number(1.0)) {
                instead(sides[0].node.clone());
            }
        }
        Node::Entry(inner, indices) => {
            for (at, index) in indices.iter().enumerate() {
                for name in INDICES.into_iter().filter(|name| *name != index.name) {
                    let mut indices = indices.clone();
                    indices[at].name = name;
                    instead(Node::Entry(inner.clone(), indices));
                }
            }
        }
        _ => {}
    }
}

/// A product or quotient without one of its sides.
fn factor_left_out(part: &Expr, edit: &mut dyn FnMut(String, Expr)) {
    let Node::Binary(operator, sides) = &part.node else { return };
    let words = |side: &Expr| format!("without the factor `{}`", Shown(side));
    if matches!(operator, Operator::Multiply | Operator::Hadamard) {
        edit(words(&sides[1]), sides[0].clone());
        edit(words(&sides[0]), sides[1].clone());
    } else if *operator == Operator::Divide {
        edit(format!("without the division by `{}`", Shown(&sides[1])), sides[0].clone());
    }
}

/// A transpose more or less.
fn turned(part: &Expr, edit: &mut dyn FnMut(String, Expr)) {
    match &part.node {
        Node::Transpose(inner) => {
            edit(format!("without the transpose of `{}`", Shown(inner)), (**inner).clone());
        }
        Node::Quantity(Quantity { kind: Kind::Scalar, .. }) | Node::Number(_) => {}
        _ => {
            let new = Expr::new(Node::Transpose(Box::new(part.clone())), part.column);
            edit(format!("with the transpose of `{}`", Shown(part)), new);
        }
    }
}

/// A factor or a term more.
fn something_added(
    formula: &Formula,
    part: &Expr,
    is_whole: bool,
    edit: &mut dyn FnMut(String, Expr),
) {
    if is_constant(part) || matches!(part.node, Node::Transpose(_) | Node::Negate(_)) {
        return;
    }
    let mut combined = |operator, with: &str, words: String| {
        if let Ok(other) = crate::parser::parse(with)
            && with != formula.target.name()
        {
            let sides = Box::new([part.clone(), other]);
            edit(words, Expr::new(Node::Binary(operator, sides), part.column));
        }
    };
    for factor in FACTORS {
        let words = format!("with the factor `{factor}` on `{}`", Shown(part));
        combined(Operator::Hadamard, factor, words);
    }
    if is_whole || matches!(part.node, Node::Binary(Operator::Multiply | Operator::Hadamard, _)) {
        for term in TERMS {
            let words = format!("with the term `{term}` added to `{}`", Shown(part));
            combined(Operator::Add, term, words);
        }
    }
}
