//! Printed values beside the true ones.

use crate::Formula;
use crate::eval::{EvalError, Reading, evaluate};
use crate::expr::Expr;
use crate::factor::Pair;
use crate::matrix::Matrix;
use crate::quantity::Kind;
use crate::truth::Truth;

/// Printed and true values on all instances; a vector is turned the way the target is.
pub(crate) fn pairs<'a>(
    truths: &'a [Truth],
    formula: &Formula,
    reading: Reading,
) -> Result<Vec<Pair<'a>>, EvalError> {
    pairs_with(truths, formula, &formula.expr, reading)
}

/// The same with another tree.
pub(crate) fn pairs_with<'a>(
    truths: &'a [Truth],
    formula: &Formula,
    expr: &Expr,
    reading: Reading,
) -> Result<Vec<Pair<'a>>, EvalError> {
    let target = formula.target;
    let expr = formula.turn.applied(expr, target, reading.evaluation);
    let mut indices = formula.indices.clone();
    if formula.turn.swaps_letters(target) {
        indices.free.reverse();
    }
    let pair = |truth: &'a Truth| {
        let expected = formula.true_value(truth, reading.evaluation);
        let mut printed = evaluate(&expr, (target, &indices), truth, reading)?;
        // "1" says that every entry is.
        if matches!(target.name(), "dy_dbeta" | "dmu_da") {
            for (value, e) in printed.iter_mut().zip(&expected) {
                if value.shape() == [1, 1] {
                    *value = Matrix::filled(e.rows(), e.cols(), value[(0, 0)]);
                }
            }
        }
        // A row stands for all samples, where it is the same for all: ∂âᵢ/∂aᵢ = 1/√(σ²+ε).
        for (value, e) in printed.iter_mut().zip(&expected) {
            let is_same = || (1..e.rows()).all(|i| e.row(i) == e.row(0));
            if value.shape() == [1, e.cols()] && e.rows() > 1 && is_same() {
                *value = Matrix::from_fn(e.rows(), e.cols(), |_, j| value[(0, j)]);
            }
        }
        // The Jacobian of an entry-wise function is often printed as its diagonal.
        if target.0.kind == Kind::RowJacobian {
            for (value, e) in printed.iter_mut().zip(&expected) {
                let n = e.rows();
                let is_diagonal =
                    e.cols() == n && (0..n * n).all(|at| at / n == at % n || e.data()[at] == 0.0);
                if is_diagonal && value.cols() == 1 && (value.rows() == n || value.rows() == 1) {
                    let last = value.rows() - 1;
                    let diagonal = |i: usize| value[(i.min(last), 0)];
                    *value = Matrix::from_fn(n, n, |i, j| if i == j { diagonal(i) } else { 0.0 });
                }
            }
        }
        // So may ∂z/∂θ be printed, and as a row.
        if target.name().contains("_dtheta_") {
            for (value, e) in printed.iter_mut().zip(&expected) {
                if value.shape() == [e.cols(), e.rows()] {
                    *value = value.transposed();
                }
            }
        }
        // A bias is [out]: neither row nor column.
        if let (Kind::Vector, [value], [e]) = (target.0.kind, &mut printed[..], &expected[..])
            && value.shape() == [e.cols(), e.rows()]
        {
            *value = value.transposed();
        }
        Ok(Pair { truth, printed, expected, units: truth.unit_axis(target, reading.evaluation) })
    };
    truths.iter().map(pair).collect()
}
