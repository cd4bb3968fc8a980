//! Derivatives by dual numbers: add ε to one entry, run forward, read its coefficient.

use num_dual::{Dual64, DualNum};

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

/// The derivative of each sample's loss with respect to `param`; of what BatchNorm couples it is
/// that along all samples.
///
/// # Panics
/// See [`forward`].
pub fn dual_sample_gradients(
    net: &Network,
    params: &Params,
    batch: &Batch,
    param: Param,
) -> Vec<Matrix> {
    let mut dual = params.map(|v| Dual64::from_re(*v));
    let [rows, cols] = params[param].shape();
    let mut all = vec![Matrix::filled(rows, cols, 0.0); batch.rows()];
    for at in 0..rows * cols {
        dual[param].data_mut()[at].eps = 1.0;
        let values = forward(net, &dual, batch, None);
        dual[param].data_mut()[at].eps = 0.0;
        for (row, gradient) in all.iter_mut().enumerate() {
            gradient.data_mut()[at] = sample_loss(net, batch, &values, row).eps;
        }
    }
    all
}

/// What one sample adds to the sum whose mean is the loss.
fn sample_loss(net: &Network, batch: &Batch, values: &Values<Dual64>, row: usize) -> Dual64 {
    let mut loss = Dual64::from_re(0.0);
    for (y_hat, y) in values.y_a_hat.row(row).iter().zip(batch.y_a.row(row)) {
        let residual = *y_hat - *y;
        loss += residual * residual * (0.5 * net.weight_a);
    }
    for (y_hat, y) in values.y_b_hat.row(row).iter().zip(batch.y_b.row(row)) {
        loss -= y_hat.ln() * (*y * net.weight_b);
    }
    loss
}

/// ∂u/∂v entry by entry, `[m, columns of v]`: of entry (i, j) of u by entry (i, j) of v, where a
/// statistic has one row for all i. `u` is the name of a field of [`Values`]; `None` for another
/// name.
///
/// # Panics
/// See [`forward`].
pub fn dual_entry_by_entry(
    net: &Network,
    params: &Params,
    batch: &Batch,
    (u, v): (&str, Node),
) -> Option<Matrix> {
    let params = params.map(|v| Dual64::from_re(*v));
    let m = batch.rows();
    let mut data = Vec::with_capacity(m * v.cols(net));
    for row in 0..m {
        for col in 0..v.cols(net) {
            let at = row.min(v.rows(m) - 1);
            let values = nudged_forward(net, &params, batch, v, (at, col));
            let u = values.named(u)?;
            data.push(u[(row.min(u.rows() - 1), col)].eps);
        }
    }
    Some(Matrix::new(m, v.cols(net), data))
}

/// Of a layer z = θx + b: ∂zⱼ/∂θⱼₖ for every sample and k, which is x. `z` is the name of a field
/// of [`Values`]; `None` for another name.
///
/// # Panics
/// See [`forward`].
pub fn dual_layer_by_weight(
    net: &Network,
    params: &Params,
    batch: &Batch,
    (z, weight): (&str, Param),
) -> Option<Matrix> {
    let mut dual = params.map(|v| Dual64::from_re(*v));
    let columns: Option<Vec<Vec<f64>>> = (0..params[weight].cols())
        .map(|k| {
            dual[weight][(0, k)].eps = 1.0;
            let values = forward(net, &dual, batch, None);
            dual[weight][(0, k)].eps = 0.0;
            values.named(z).map(|z| z.column(0).data().iter().map(|z| z.eps).collect())
        })
        .collect();
    let columns = columns?;
    Some(Matrix::from_fn(batch.rows(), columns.len(), |i, k| columns[k][i]))
}

/// How the forward pass changes where all parameters move along `direction`: each matrix of
/// [`Values`] by its name, and the loss.
///
/// # Panics
/// See [`forward`].
pub(crate) fn dual_along(
    net: &Network,
    params: &Params,
    batch: &Batch,
    direction: &Params,
) -> (impl Fn(&str) -> Option<Matrix>, f64) {
    let mut dual = params.map(|v| Dual64::from_re(*v));
    for param in Param::ALL {
        for (v, d) in dual[param].data_mut().iter_mut().zip(direction[param].data()) {
            v.eps = *d;
        }
    }
    let values = forward(net, &dual, batch, None);
    let loss = values.loss.eps;
    (move |name: &str| values.named(name).map(|of| of.map(|v| v.eps)), loss)
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
