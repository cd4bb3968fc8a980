//! Products whose operands are known by what they are: vectors of ones, Jacobians of BatchNorm.

use crate::expr::{Expr, Node, Operator};
use crate::matrix::Matrix;
use crate::quantity::Kind;
use crate::value::{Undefined, Value};

/// 1ᵀv and v1: the sums of the columns and of the rows of v.
pub(super) fn product_with_ones(
    rows: usize,
    sides: &[Expr; 2],
    left: Value,
    right: Value,
) -> Result<Value, Undefined> {
    match (&left, &right) {
        (_, Value::Matrix(v))
            if is_ones(&sides[0])
                && matches!(sides[0].node, Node::Transpose(_))
                && ![1, rows].contains(&v.rows()) =>
        {
            Ok(Value::Matrix(v.sum_over_rows()))
        }
        (Value::Matrix(v), _)
            if is_ones(&sides[1])
                && matches!(sides[1].node, Node::Quantity(_))
                && ![1, rows].contains(&v.cols()) =>
        {
            Ok(Value::Matrix(v.transposed().sum_over_rows().transposed()))
        }
        _ => Value::combined(Operator::Multiply, left, right),
    }
}

/// A vector of ones, or its transpose.
/// 1ᵀv of one sample: the sum of a vector's entries; of a matrix, that of each column, and v1 that
/// of each row.
pub(super) fn sum_by_ones(sides: &[Expr; 2], v: &Matrix) -> Value {
    let is_matrix = v.rows() > 1 && v.cols() > 1;
    match (&sides[0].node, &sides[1].node) {
        (Node::Transpose(_), _) if is_matrix && is_ones(&sides[0]) => {
            Value::Matrix(v.sum_over_rows())
        }
        (_, Node::Quantity(_)) if is_matrix && is_ones(&sides[1]) => {
            Value::Matrix(v.transposed().sum_over_rows().transposed())
        }
        _ => Value::number(v.data().iter().sum()),
    }
}

pub(super) fn is_ones(expr: &Expr) -> bool {
    match &expr.node {
        Node::Quantity(quantity) => quantity.name == "ones_m",
        Node::Transpose(inner) => is_ones(inner),
        _ => false,
    }
}

/// Whether the value takes rows of the batch together: BatchNorm's Jacobian or its transpose.
pub(super) fn is_coupled(expr: &Expr) -> bool {
    match &expr.node {
        Node::Quantity(quantity) => quantity.kind == Kind::UnitJacobian,
        Node::Transpose(inner) => is_coupled(inner),
        _ => false,
    }
}
