//! Ridge regression in closed form.

use anabranch_tensor::gemm::dot;
use anabranch_tensor::ndarray::{Array1, Array2};

use super::{Linear, column_means};

/// The weight of the penalty, half the sum of squared weights.
const PENALTY: f64 = 1.0;

/// The model that minimises ½‖x·Wᵀ + b − y‖² + ½‖W‖², x `[rows, inputs]`, y `[rows, outputs]`;
/// `None` if the numbers are not finite.
///
/// At the minimum b = ȳ − W·x̄. With columns from which their means have been taken, the derivative
/// with respect to W vanishes where (xᵀx + I)·Wᵀ = xᵀy: a system with a symmetric, positive
/// definite matrix, solved by its Cholesky factor.
pub(super) fn fit(x: &Array2<f64>, y: &Array2<f64>) -> Option<Linear> {
    let (x_mean, y_mean) = (column_means(x), column_means(y));
    let (x, y) = (x - &x_mean, y - &y_mean);
    let mut a = dot(x.t(), &x);
    a.diag_mut().iter_mut().for_each(|diagonal| *diagonal += PENALTY);
    factor(&mut a)?;
    let mut w = dot(y.t(), &x);
    w.rows_mut().into_iter().for_each(|mut row| {
        let solved = solve(&a, &row.to_vec());
        row.assign(&Array1::from(solved));
    });
    let b = y_mean - w.dot(&x_mean);
    Some(Linear { w, b })
}

/// The lower Cholesky factor L of A = L·Lᵀ, in the lower triangle of `a`; `None` if A is not
/// positive definite.
fn factor(a: &mut Array2<f64>) -> Option<()> {
    for j in 0..a.nrows() {
        for i in j..a.nrows() {
            let dot: f64 = (0..j).map(|k| a[[i, k]] * a[[j, k]]).sum();
            let rest = a[[i, j]] - dot;
            a[[i, j]] = if i > j {
                rest / a[[j, j]]
            } else if rest > 0.0 && rest.is_finite() {
                rest.sqrt()
            } else {
                return None;
            };
        }
    }
    Some(())
}

/// x of L·Lᵀ·x = `b`, with L in the lower triangle of `l`.
fn solve(l: &Array2<f64>, b: &[f64]) -> Vec<f64> {
    let n = b.len();
    let mut x = b.to_vec();
    for i in 0..n {
        let dot: f64 = (0..i).map(|k| l[[i, k]] * x[k]).sum();
        x[i] = (x[i] - dot) / l[[i, i]];
    }
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|k| l[[k, i]] * x[k]).sum();
        x[i] = (x[i] - dot) / l[[i, i]];
    }
    x
}
