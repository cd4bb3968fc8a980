//! Ridge regression in closed form.

use anabranch_tensor::gemm::{NoEpilogue, dot, gemm, gemm_scratch_len};
use anabranch_tensor::ndarray::{Array1, Array2, Axis};
use anabranch_tensor::{Accum, Executor, Scalar};

use super::Linear;
use super::inputs::Inputs;

/// The weight of the penalty, half the sum of squared weights.
const PENALTY: f64 = 1.0;

/// Rows that are added to the sums over all rows at a time.
const CHUNK_ROWS: usize = 256;

/// The model that minimises ½‖x·Wᵀ + b − y‖² + ½‖W‖², x `[rows, inputs]`, y `[rows, outputs]`;
/// `None` if the numbers are not finite.
///
/// At the minimum b = ȳ − W·x̄. With columns from which their means have been taken, the derivative
/// with respect to W vanishes where (xᵀx + I)·Wᵀ = xᵀy: a system with a symmetric, positive
/// definite matrix, solved by its Cholesky factor.
pub(super) fn fit<T: Scalar>(inputs: Inputs<'_, T>, y: &Array2<f64>) -> Option<Linear> {
    let n_rows = y.nrows() as f64;
    let mut x_mean = Array1::zeros(inputs.width);
    inputs.for_each_chunk(CHUNK_ROWS, |x| x_mean += &x.mapv(T::to_f64).sum_axis(Axis(0)));
    x_mean /= n_rows;
    let y_mean = y.sum_axis(Axis(0)) / n_rows;
    let mut a = Array2::eye(inputs.width) * PENALTY;
    let mut w = Array2::zeros((y.ncols(), inputs.width));
    let (exec, most_rows) = (Executor::serial(), CHUNK_ROWS.min(y.nrows()));
    let scratch_len = gemm_scratch_len::<f64>(&exec, inputs.width, inputs.width, most_rows);
    let mut scratch = vec![0.0; scratch_len];
    let mut targets = y.axis_chunks_iter(Axis(0), CHUNK_ROWS);
    inputs.for_each_chunk(CHUNK_ROWS, |x| {
        let Some(y) = targets.next() else { return };
        let (x, y) = (x.mapv(T::to_f64) - &x_mean, &y - &y_mean);
        gemm(&exec, x.t(), x.view(), Accum::Add, a.view_mut(), &mut scratch, &NoEpilogue);
        w += &dot(y.t(), &x);
    });
    factor(&mut a)?;
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
