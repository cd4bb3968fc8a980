//! Parts of derivatives that need no reader: gradients, couplings, vectors of ones.

use crate::expr::{Expr, Function, Index, Node, Operator, Slot};
use crate::latex::layout::Atom;
use crate::latex::symbols::Meaning;
use crate::quantity::{Kind, Quantity};

/// The gradient of the loss with respect to a quantity.
pub(super) fn gradient_of(meaning: &Meaning) -> Option<&'static Quantity> {
    let Meaning::Quantity(by) = meaning else { return None };
    by.gradient()
}

/// Σⱼ … ∂u/∂v without an index of its own: of the component that the sum is over.
pub(super) fn derivative_of_component(expr: Expr, name: char) -> Expr {
    let column = expr.column;
    match expr.node {
        Node::Quantity(found) if found.kind == Kind::RowJacobian => Expr::new(
            Node::Entry(
                Box::new(Expr::new(Node::Quantity(found), column)),
                vec![Index { name, slot: Slot::Component }],
            ),
            column,
        ),
        Node::Binary(operator, sides) => {
            let [left, right] = *sides;
            let sides = [derivative_of_component(left, name), derivative_of_component(right, name)];
            Expr::new(Node::Binary(operator, Box::new(sides)), column)
        }
        Node::Negate(inner) => {
            Expr::new(Node::Negate(Box::new(derivative_of_component(*inner, name))), column)
        }
        node => Expr::new(node, column),
    }
}

/// Products with BatchNorm's Jacobian, bracketed from the right and with transposes taken inside:
/// (θJ)ᵀδ = Jᵀ(θᵀδ), because J acts on what follows it in all rows of the batch.
pub(super) fn couple(expr: Expr) -> Expr {
    fn factors(expr: &Expr, transposed: bool, into: &mut Vec<Expr>) {
        match &expr.node {
            Node::Binary(Operator::Multiply, sides) => {
                let order = if transposed { [1, 0] } else { [0, 1] };
                order.iter().for_each(|at| factors(&sides[*at], transposed, into));
            }
            Node::Transpose(inner) => factors(inner, !transposed, into),
            _ if transposed => {
                into.push(Expr::new(Node::Transpose(Box::new(expr.clone())), expr.column));
            }
            _ => into.push(expr.clone()),
        }
    }
    let is_jacobian =
        |part: &Expr| matches!(part.node, Node::Quantity(q) if q.kind == Kind::UnitJacobian);
    if !expr.any(&is_jacobian) {
        return expr;
    }
    expr.replaced(&|part| {
        let is_product = matches!(part.node, Node::Binary(Operator::Multiply, _))
            || matches!(&part.node, Node::Transpose(_));
        if !is_product {
            return None;
        }
        let mut all = Vec::new();
        factors(part, false, &mut all);
        let mut product = all.pop()?;
        while let Some(left) = all.pop() {
            let column = left.column;
            let sides = Box::new([left, product]);
            product = Expr::new(Node::Binary(Operator::Multiply, sides), column);
        }
        Some(product)
    })
}

/// ∂ or the d of d/dx.
pub(super) fn is_differential(atom: &Atom) -> bool {
    atom.is_symbol("partial") || (atom.is_symbol("d") && atom.is_bare())
}

/// A vector of ones times a row: 1bᵀ is b for each sample, 1ŷᵀ a matrix of equal rows. Where
/// samples are columns, as in δ1 and b1ᵀ, it is a one for each of them.
pub(super) fn with_ones(expr: Expr) -> Expr {
    let is_ones = |expr: &Expr| matches!(expr.node, Node::Quantity(q) if q.name == "ones_m");
    expr.replaced(&|part| {
        let Node::Binary(Operator::Multiply, sides) = &part.node else { return None };
        match (&sides[0].node, &sides[1].node) {
            (Node::Quantity(of), Node::Transpose(ones))
                if of.kind == Kind::Vector && is_ones(ones) =>
            {
                return Some(sides[0].clone());
            }
            _ if is_ones(&sides[1]) && has_samples(&sides[0]) => return Some(sides[0].clone()),
            // δ1 is summed over the samples: what is multiplied by it is not.
            (Node::Binary(Operator::Multiply, inner), _)
                if is_ones(&inner[1]) && has_samples(&inner[0]) =>
            {
                return Some(part.clone());
            }
            _ => {}
        }
        let (Node::Quantity(ones), Node::Transpose(row)) = (&sides[0].node, &sides[1].node) else {
            return None;
        };
        let Node::Quantity(of) = row.node else { return None };
        if ones.name != "ones_m" {
            return None;
        }
        match of.kind {
            Kind::Vector => Some((**row).clone()),
            Kind::Rows => {
                let one =
                    Node::Binary(Operator::Divide, Box::new([(**row).clone(), (**row).clone()]));
                let parts = vec![Expr::new(one, part.column), (**row).clone()];
                Some(Expr::new(Node::Function(Function::Outer, parts), part.column))
            }
            _ => None,
        }
    })
}

/// Whether an expression has a column for each sample, where samples are columns.
fn has_samples(expr: &Expr) -> bool {
    match &expr.node {
        Node::Quantity(of) => of.kind == Kind::Rows,
        Node::Negate(inner) => has_samples(inner),
        Node::Binary(Operator::Multiply, sides) => has_samples(&sides[1]),
        Node::Binary(
            Operator::Add | Operator::Subtract | Operator::Hadamard | Operator::Divide,
            sides,
        ) => sides.iter().any(has_samples),
        _ => false,
    }
}
