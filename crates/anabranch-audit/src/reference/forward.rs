//! Forward pass and loss, equation by equation.

use num_dual::DualNum;

use super::network::{Affine, Batch, Join, Network, Param, Params};
use crate::matrix::Matrix;

/// An intermediate that a derivative can be taken with respect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// z1a, FC1A's output; the loss's derivative is δ1a.
    Z1a,
    /// a1a = ReLU(z1a), dropout's input.
    A1a,
    /// h = a1a⊙M, FC2A's input.
    H,
    /// ŷa, FC2A's output, before it goes to its loss *and* to the join; δ2a.
    YAHat,
    /// z1b, FC1B's output; δ1b.
    Z1b,
    /// a1b = ReLU(z1b), BatchNorm's input; da.
    A1b,
    /// μ, the mean that BatchNorm subtracts, one row for the whole batch.
    Mu,
    /// σ², the variance that BatchNorm divides by, one row for the whole batch.
    Var,
    /// â, the normalised a1b.
    AHat,
    /// bn = γâ+β, BatchNorm's output.
    Bn,
    /// s, the join's output; ds.
    S,
    /// z2b, softmax's input; δ2b.
    Z2b,
    /// ŷb, softmax's output, on its way to the loss.
    YBHat,
}

impl Node {
    /// Its number of rows for a batch of m: 1 for μ and σ².
    pub fn rows(self, m: usize) -> usize {
        if matches!(self, Self::Mu | Self::Var) { 1 } else { m }
    }

    /// Its number of columns.
    pub fn cols(self, net: &Network) -> usize {
        match self {
            Self::Z1a | Self::A1a | Self::H => net.hidden_a,
            Self::YAHat => net.outputs_a,
            Self::Z1b | Self::A1b | Self::Mu | Self::Var | Self::AHat | Self::Bn | Self::S => {
                net.hidden_b
            }
            Self::Z2b | Self::YBHat => net.classes,
        }
    }
}

/// An amount to add to one entry of an intermediate, before anything reads it.
#[derive(Clone, Copy, Debug)]
pub struct Nudge<T> {
    /// Which intermediate.
    pub node: Node,
    /// Its row.
    pub row: usize,
    /// Its column.
    pub col: usize,
    /// The amount: ε = 0 + 1ε for a derivative.
    pub by: T,
}

/// Everything that the forward pass computes, `[m, …]`, μ and σ² `[1, hidden_b]`.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // the names are those of the equations in `forward`
pub struct Values<T = f64> {
    pub z_1a: Matrix<T>,
    pub a_1a: Matrix<T>,
    pub h: Matrix<T>,
    pub y_a_hat: Matrix<T>,
    pub z_1b: Matrix<T>,
    pub a_1b: Matrix<T>,
    pub mu: Matrix<T>,
    pub var: Matrix<T>,
    pub a_hat: Matrix<T>,
    pub bn: Matrix<T>,
    pub s: Matrix<T>,
    pub z_2b: Matrix<T>,
    pub y_b_hat: Matrix<T>,
    pub loss: T,
}

impl<T> Values<T> {
    /// The matrix of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Matrix<T>> {
        Some(match name {
            "z_1a" => &self.z_1a,
            "a_1a" => &self.a_1a,
            "h" => &self.h,
            "y_a_hat" => &self.y_a_hat,
            "z_1b" => &self.z_1b,
            "a_1b" => &self.a_1b,
            "mu" => &self.mu,
            "var" => &self.var,
            "a_hat" => &self.a_hat,
            "bn" => &self.bn,
            "s" => &self.s,
            "z_2b" => &self.z_2b,
            "y_b_hat" => &self.y_b_hat,
            _ => return None,
        })
    }
}

/// The network:
///
/// ```text
/// z1a = xθ1aᵀ+b1a   a1a = ReLU(z1a)   h = a1a⊙M   ŷa = hθ2aᵀ+b2a
/// z1b = xθ1bᵀ+b1b   a1b = ReLU(z1b)   â = (a1b−μ)/√(σ²+ε)   bn = γâ+β
/// s = bn ⊕ ŷa       z2b = sθ2bᵀ+b2b   ŷb = softmax(z2b)
/// L = 1/m Σᵢ [ wa·½‖ŷaᵢ−yaᵢ‖² − wb·Σⱼ ybᵢⱼ log ŷbᵢⱼ ]
/// ```
///
/// μ and σ² are the batch's, σ² with divisor m; in evaluation mode (`batch.running`) they are the
/// running ones. ReLU′(0) = 0. `log ŷb` is taken as z − logsumexp(z), or as the logarithm of ŷb
/// where that is nudged.
///
/// # Panics
/// When a matrix in `params` or `batch` does not have the shape that `net` says.
pub fn forward<T: DualNum<Primitive = f64> + Copy>(
    net: &Network,
    params: &Params<T>,
    batch: &Batch,
    nudge: Option<Nudge<T>>,
) -> Values<T> {
    let m = batch.rows();
    let zero = T::from(0.0);
    let nudged = |node: Node, mut value: Matrix<T>| {
        if let Some(nudge) = nudge.filter(|nudge| nudge.node == node) {
            value[(nudge.row, nudge.col)] += nudge.by;
        }
        value
    };
    let relu = |z: &T| if z.re() > 0.0 { *z } else { zero };

    // Branch A.
    let z_1a = input_layer(&batch.x, &params[Param::Theta1a], &params[Param::B1a]);
    let z_1a = nudged(Node::Z1a, z_1a);
    let a_1a = nudged(Node::A1a, z_1a.map(relu));
    let h = Matrix::from_fn(m, net.hidden_a, |i, j| a_1a[(i, j)] * batch.mask[(i, j)]);
    let h = nudged(Node::H, h);
    let y_a_hat = linear(&h, &params[Param::Theta2a], &params[Param::B2a]);
    let y_a_hat = nudged(Node::YAHat, y_a_hat);

    // Branch B up to the join.
    let z_1b = input_layer(&batch.x, &params[Param::Theta1b], &params[Param::B1b]);
    let z_1b = nudged(Node::Z1b, z_1b);
    let a_1b = nudged(Node::A1b, z_1b.map(relu));
    let over_rows = |entry: &dyn Fn(usize, usize) -> T| {
        Matrix::from_fn(1, net.hidden_b, |_, j| {
            (0..m).fold(zero, |sum, i| sum + entry(i, j)) / m as f64
        })
    };
    let constants = |matrix: &Matrix| matrix.map(|v| T::from(*v));
    let (mu, var) = if let Some(running) = &batch.running {
        let mu = nudged(Node::Mu, constants(&running.mean));
        (mu, nudged(Node::Var, constants(&running.var)))
    } else {
        let mu = nudged(Node::Mu, over_rows(&|i, j| a_1b[(i, j)]));
        let var = over_rows(&|i, j| {
            let centred = a_1b[(i, j)] - mu[(0, j)];
            centred * centred
        });
        (mu, nudged(Node::Var, var))
    };
    let deviation = var.map(|v| (*v + net.eps).sqrt());
    let a_hat =
        Matrix::from_fn(m, net.hidden_b, |i, j| (a_1b[(i, j)] - mu[(0, j)]) / deviation[(0, j)]);
    let a_hat = nudged(Node::AHat, a_hat);
    let unit = |j: usize| match net.affine {
        Affine::PerUnit => (0, j),
        Affine::Shared => (0, 0),
    };
    let bn = Matrix::from_fn(m, net.hidden_b, |i, j| {
        params[Param::Gamma][unit(j)] * a_hat[(i, j)] + params[Param::Beta][unit(j)]
    });
    let bn = nudged(Node::Bn, bn);

    // Join, and branch B's head.
    let joined = joined(net, &y_a_hat, &params[Param::JoinWeight]);
    let s = Matrix::from_fn(m, net.hidden_b, |i, j| bn[(i, j)] + joined[(i, j)]);
    let s = nudged(Node::S, s);
    let z_2b = linear(&s, &params[Param::Theta2b], &params[Param::B2b]);
    let z_2b = nudged(Node::Z2b, z_2b);
    let mut log_y_b_hat = log_softmax(&z_2b);
    let y_b_hat = nudged(Node::YBHat, log_y_b_hat.map(|log| log.exp()));
    if nudge.is_some_and(|nudge| nudge.node == Node::YBHat) {
        log_y_b_hat = y_b_hat.map(|y| y.ln());
    }

    let mut loss = zero;
    for i in 0..m {
        for j in 0..net.outputs_a {
            let residual = y_a_hat[(i, j)] - batch.y_a[(i, j)];
            loss += residual * residual * (0.5 * net.weight_a);
        }
        for j in 0..net.classes {
            loss -= log_y_b_hat[(i, j)] * (batch.y_b[(i, j)] * net.weight_b);
        }
    }
    let loss = loss / m as f64;
    Values { z_1a, a_1a, h, y_a_hat, z_1b, a_1b, mu, var, a_hat, bn, s, z_2b, y_b_hat, loss }
}

/// J(ŷa) `[m, hidden_b]`: what the join adds to branch B.
pub(crate) fn joined<T: DualNum<Primitive = f64> + Copy>(
    net: &Network,
    y_a_hat: &Matrix<T>,
    join_weight: &Matrix<T>,
) -> Matrix<T> {
    Matrix::from_fn(y_a_hat.rows(), net.hidden_b, |i, j| match net.join {
        Join::Add => y_a_hat[(i, j)],
        Join::Broadcast => y_a_hat[(i, 0)],
        Join::Project => (0..net.outputs_a)
            .fold(T::from(0.0), |sum, k| sum + y_a_hat[(i, k)] * join_weight[(j, k)]),
    })
}

/// xwᵀ + b for data x, of which no derivative is taken.
fn input_layer<T: DualNum<Primitive = f64> + Copy>(
    x: &Matrix,
    w: &Matrix<T>,
    b: &Matrix<T>,
) -> Matrix<T> {
    Matrix::from_fn(x.rows(), w.rows(), |i, j| {
        x.row(i).iter().zip(w.row(j)).fold(b[(0, j)], |sum, (x, w)| sum + *w * *x)
    })
}

/// xwᵀ + b.
fn linear<T: DualNum<Primitive = f64> + Copy>(
    x: &Matrix<T>,
    w: &Matrix<T>,
    b: &Matrix<T>,
) -> Matrix<T> {
    Matrix::from_fn(x.rows(), w.rows(), |i, j| {
        x.row(i).iter().zip(w.row(j)).fold(b[(0, j)], |sum, (x, w)| sum + *x * *w)
    })
}

/// z − log Σ exp z in each row; the largest entry is subtracted first, so that nothing overflows.
fn log_softmax<T: DualNum<Primitive = f64> + Copy>(z: &Matrix<T>) -> Matrix<T> {
    let log_sums: Vec<T> = (0..z.rows())
        .map(|i| {
            let largest = z.row(i).iter().fold(f64::NEG_INFINITY, |max, z| max.max(z.re()));
            let sum = z.row(i).iter().fold(T::from(0.0), |sum, z| sum + (*z - largest).exp());
            sum.ln() + largest
        })
        .collect();
    Matrix::from_fn(z.rows(), z.cols(), |i, j| z[(i, j)] - log_sums[i])
}
