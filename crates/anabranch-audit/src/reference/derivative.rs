//! Derivatives by dual numbers: add ε to one entry, run forward, read its coefficient.

use num_dual::Dual64;

use super::forward::{Node, Nudge, Values, forward};
use super::network::{Batch, Network, Param, Params};
use crate::matrix::Matrix;

/// dL/d`param` at `entries` (indices into the parameter's row-major data), one forward pass each.
///
/// # Panics
/// When an entry is out of range, or shapes do not fit (see [`forward`]).
pub fn dual_entries(
    net: &Network,
    params: &Params,
    batch: &Batch,
    param: Param,
    entries: &[usize],
) -> Vec<f64> {
    let mut params = params.map(|v| Dual64::from_re(*v));
    entries
        .iter()
        .map(|&entry| {
            params[param].data_mut()[entry].eps = 1.0;
            let loss = forward(net, &params, batch, None).loss;
            params[param].data_mut()[entry].eps = 0.0;
            loss.eps
        })
        .collect()
}

/// dL/d(every parameter).
///
/// # Panics
/// See [`forward`].
pub fn dual_gradient(net: &Network, params: &Params, batch: &Batch) -> Params {
    let mut gradient = params.clone();
    for param in Param::ALL {
        let entries: Vec<usize> = (0..params[param].data().len()).collect();
        let derivatives = dual_entries(net, params, batch, param, &entries);
        gradient[param].data_mut().copy_from_slice(&derivatives);
    }
    gradient
}

/// dL/d(an intermediate), shaped as the intermediate: a δ.
///
/// # Panics
/// See [`forward`].
pub fn dual_delta(net: &Network, params: &Params, batch: &Batch, node: Node) -> Matrix {
    let params = params.map(|v| Dual64::from_re(*v));
    Matrix::from_fn(node.rows(batch.rows()), node.cols(net), |row, col| {
        nudged_forward(net, &params, batch, node, (row, col)).loss.eps
    })
}

/// Dropout's Jacobian for each row: entry (i, j) is ∂hᵢ/∂aⱼ, `[hidden_a, hidden_a]`.
///
/// # Panics
/// See [`forward`].
pub fn dual_dropout_jacobian(net: &Network, params: &Params, batch: &Batch) -> Vec<Matrix> {
    per_row_jacobian(net, params, batch, (Node::A1a, net.hidden_a), |values| &values.h)
}

/// Softmax's Jacobian for each row: entry (i, j) is ∂ŷᵢ/∂zⱼ, `[classes, classes]`.
///
/// # Panics
/// See [`forward`].
pub fn dual_softmax_jacobian(net: &Network, params: &Params, batch: &Batch) -> Vec<Matrix> {
    per_row_jacobian(net, params, batch, (Node::Z2b, net.classes), |values| &values.y_b_hat)
}

/// The Jacobian of BatchNorm's normalisation for each unit: entry (i, j) is ∂âᵢ/∂aⱼ, `[m, m]`, i
/// and j rows of the batch. γ is not in it: ∂bn/∂a is γ times this.
///
/// # Panics
/// See [`forward`].
pub fn dual_batch_norm_jacobian(net: &Network, params: &Params, batch: &Batch) -> Vec<Matrix> {
    let params = params.map(|v| Dual64::from_re(*v));
    let m = batch.rows();
    (0..net.hidden_b)
        .map(|unit| {
            let columns: Vec<Matrix<Dual64>> = (0..m)
                .map(|j| nudged_forward(net, &params, batch, Node::A1b, (j, unit)).a_hat)
                .collect();
            Matrix::from_fn(m, m, |i, j| columns[j][(i, unit)].eps)
        })
        .collect()
}

/// What a derivative is taken with respect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An intermediate.
    Node(Node),
    /// A parameter.
    Param(Param),
}

/// Σ g ⊙ ∂u/∂v for every entry of v: the derivative g with respect to u, taken back to v. `u` is
/// the name of a field of [`Values`]; `None` for another name, or if g does not have u's shape.
///
/// # Panics
/// See [`forward`].
pub fn dual_pull_back(
    net: &Network,
    params: &Params,
    batch: &Batch,
    (u, v): (&str, Source),
    g: &Matrix,
) -> Option<Matrix> {
    let mut dual = params.map(|value| Dual64::from_re(*value));
    let product = |values: &Values<Dual64>| -> Option<f64> {
        let u = values.named(u)?;
        (u.shape() == g.shape())
            .then(|| u.data().iter().zip(g.data()).map(|(u, g)| u.eps * g).sum())
    };
    let [rows, cols] = match v {
        Source::Node(node) => [node.rows(batch.rows()), node.cols(net)],
        Source::Param(param) => param.shape(net),
    };
    let mut data = Vec::with_capacity(rows * cols);
    for row in 0..rows {
        for col in 0..cols {
            let values = match v {
                Source::Node(node) => nudged_forward(net, &dual, batch, node, (row, col)),
                Source::Param(param) => {
                    dual[param][(row, col)].eps = 1.0;
                    let values = forward(net, &dual, batch, None);
                    dual[param][(row, col)].eps = 0.0;
                    values
                }
            };
            data.push(product(&values)?);
        }
    }
    Some(Matrix::new(rows, cols, data))
}

/// The Jacobian of one intermediate with respect to another for each row: entry (i, j) is ∂uᵢ/∂vⱼ.
/// `u` is the name of a field of [`Values`]; `None` for another name. Both must be computed row by
/// row.
///
/// # Panics
/// See [`forward`].
pub fn dual_row_jacobian(
    net: &Network,
    params: &Params,
    batch: &Batch,
    (u, v): (&str, Node),
) -> Option<Vec<Matrix>> {
    forward(net, params, batch, None).named(u)?;
    Some(per_row_jacobian(net, params, batch, (v, v.cols(net)), |values| {
        values.named(u).unwrap_or(&values.h)
    }))
}

fn per_row_jacobian(
    net: &Network,
    params: &Params,
    batch: &Batch,
    (input, width): (Node, usize),
    output: impl Fn(&Values<Dual64>) -> &Matrix<Dual64>,
) -> Vec<Matrix> {
    let params = params.map(|v| Dual64::from_re(*v));
    (0..batch.rows())
        .map(|row| {
            let columns: Vec<Vec<f64>> = (0..width)
                .map(|j| {
                    let values = nudged_forward(net, &params, batch, input, (row, j));
                    output(&values).row(row).iter().map(|v| v.eps).collect()
                })
                .collect();
            let outputs = columns.first().map_or(0, Vec::len);
            Matrix::from_fn(outputs, width, |i, j| columns[j][i])
        })
        .collect()
}

fn nudged_forward(
    net: &Network,
    params: &Params<Dual64>,
    batch: &Batch,
    node: Node,
    (row, col): (usize, usize),
) -> Values<Dual64> {
    let by = Dual64::from_re(0.0).derivative();
    forward(net, params, batch, Some(Nudge { node, row, col, by }))
}
