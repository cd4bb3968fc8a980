//! Inner products: `\langle u, v\rangle`, and `u \cdot v` of two vectors.

use crate::expr::{Axis, Expr, Fold, Function, Node, Operator, Slot};
use crate::quantity::Kind;

/// The sum of the products of all entries.
pub(super) fn inner_product(left: Expr, right: Expr) -> Expr {
    let column = left.column;
    let product = Node::Binary(Operator::Hadamard, Box::new([left, right]));
    Expr::new(Node::Fold(Fold::Sum, Axis::All, Box::new(Expr::new(product, column))), column)
}

/// Whether it is a vector of one sample, as u and v are in u · v.
pub(super) fn is_vector(expr: &Expr) -> bool {
    let is_scale = |part: &Expr| {
        !part.any(&|part| matches!(&part.node, Node::Quantity(of) if of.kind != Kind::Scalar))
    };
    match &expr.node {
        Node::Quantity(of) => matches!(of.kind, Kind::Rows | Kind::Vector),
        Node::Entry(inner, indices) => {
            is_vector(inner) && indices.iter().all(|index| index.slot == Slot::Sample)
        }
        Node::Negate(inner) => is_vector(inner),
        Node::Function(Function::Diag | Function::Outer, _) => false,
        Node::Function(_, arguments) => arguments.iter().any(is_vector),
        Node::Binary(Operator::Multiply, sides) => match &**sides {
            [left, right] if is_scale(left) => is_vector(right),
            [left, right] => is_scale(right) && is_vector(left),
        },
        Node::Binary(
            Operator::Add | Operator::Subtract | Operator::Hadamard | Operator::Divide,
            sides,
        ) => sides.iter().any(is_vector),
        _ => false,
    }
}
