//! Parts of derivatives that need no reader: gradients and couplings.

use crate::expr::{Expr, Index, Node, Operator, Slot};
use crate::latex::layout::{Atom, Base};
use crate::latex::symbols::Meaning;
use crate::quantity::{Kind, Quantity};

/// The gradient of the loss with respect to a quantity.
pub(super) fn gradient_of(meaning: &Meaning) -> Option<&'static Quantity> {
    let Meaning::Quantity(by) = meaning else { return None };
    by.gradient()
}

/// Whether it is σ², whose 2 belongs to its name.
pub(super) fn is_variance(atom: &Atom) -> bool {
    atom.is_symbol("sigma") && matches!(&atom.sup[..], [Atom { base: Base::Number(2.0), .. }])
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
