//! The backward pass by hand, in plain loops, and the classic ways to get it wrong.
//!
//! Without a mistake, this is the third derivation of the gradient, next to dual numbers and the
//! production layers. With one, it is what a detector must catch, and what the
//! [audit](crate::audit) recognises in a printed formula.

use std::fmt;

use crate::matrix::Matrix;
use crate::reference::{Affine, Batch, Join, Network, Param, Params, Values};

/// A classic mistake in the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// δ2b and δ2a without the 1/m of the loss.
    LossNotAveraged,
    /// dθ = (Σδ)ᵀ·mean(activation): the mean of products taken for the product of means.
    DeltaAveragedEarly,
    /// dθ2a = δ2aᵀx.
    Theta2aFromInput,
    /// dθ2a = δ2aᵀa1a.
    Theta2aFromUndropped,
    /// δ1a with a 0/1 mask.
    DropoutScaleMissing,
    /// δ1a without the mask.
    DropoutMaskMissing,
    /// δ1a and δ1b without `[z > 0]`.
    ReluMaskMissing,
    /// δ2a without what comes back through the join.
    JoinGradientDropped,
    /// dθ2b = δ2bᵀbn.
    Theta2bWithoutJoin,
    /// da without γ.
    BatchNormWithoutGamma,
    /// da without −mean(ds).
    BatchNormWithoutMeanTerm,
    /// da without −â·mean(ds⊙â).
    BatchNormWithoutVarianceTerm,
    /// da with σ² divided by m−1.
    BatchNormUnbiased,
}

impl Mistake {
    /// Every mistake.
    pub const ALL: [Self; 13] = [
        Self::LossNotAveraged,
        Self::DeltaAveragedEarly,
        Self::Theta2aFromInput,
        Self::Theta2aFromUndropped,
        Self::DropoutScaleMissing,
        Self::DropoutMaskMissing,
        Self::ReluMaskMissing,
        Self::JoinGradientDropped,
        Self::Theta2bWithoutJoin,
        Self::BatchNormWithoutGamma,
        Self::BatchNormWithoutMeanTerm,
        Self::BatchNormWithoutVarianceTerm,
        Self::BatchNormUnbiased,
    ];

    /// The mistake in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::LossNotAveraged => "loss not averaged over the batch",
            Self::DeltaAveragedEarly => "delta averaged before the outer product",
            Self::Theta2aFromInput => "d_theta_2a from x",
            Self::Theta2aFromUndropped => "d_theta_2a from the activation before dropout",
            Self::DropoutScaleMissing => "1/(1-p) missing in dropout's backward",
            Self::DropoutMaskMissing => "dropout mask missing in the backward",
            Self::ReluMaskMissing => "ReLU mask missing",
            Self::JoinGradientDropped => "gradient through the join dropped",
            Self::Theta2bWithoutJoin => "d_theta_2b without the joined part",
            Self::BatchNormWithoutGamma => "BatchNorm backward without gamma",
            Self::BatchNormWithoutMeanTerm => "BatchNorm backward without its mean term",
            Self::BatchNormWithoutVarianceTerm => "BatchNorm backward without its variance term",
            Self::BatchNormUnbiased => "BatchNorm backward with m-1 for m in the variance",
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Everything that the backward pass computes.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// dL/d(each parameter).
    pub params: Params,
    /// dL/dz2b `[m, classes]`.
    pub delta_2b: Matrix,
    /// dL/ds `[m, hidden_b]`.
    pub d_s: Matrix,
    /// dL/dŷa `[m, outputs_a]`, including the path through the join.
    pub delta_2a: Matrix,
    /// dL/da1b `[m, hidden_b]`.
    pub d_a: Matrix,
    /// dL/dz1b `[m, hidden_b]`.
    pub delta_1b: Matrix,
    /// dL/dz1a `[m, hidden_a]`.
    pub delta_1a: Matrix,
}

/// The backward pass, with one mistake or none:
///
/// ```text
/// δ2b = wb(ŷb−yb)/m                    dθ2b = δ2bᵀs              db2b = Σ δ2b
/// ds  = δ2b θ2b                        dγ = Σ ds⊙â               dβ = Σ ds
/// δ2a = wa(ŷa−ya)/m + ds (through ⊕)   dθ2a = δ2aᵀh              db2a = Σ δ2a
/// da  = γ/√(σ²+ε) · (ds − mean(ds) − â·mean(ds⊙â))
/// δ1b = da⊙[z1b>0]                     dθ1b = δ1bᵀx              db1b = Σ δ1b
/// δ1a = (δ2a θ2a)⊙M⊙[z1a>0]            dθ1a = δ1aᵀx              db1a = Σ δ1a
/// ```
///
/// `values` are what [`forward`](crate::reference::forward) gives for the same parameters and
/// batch. With [`Mistake::Theta2aFromInput`], dθ2a has the shape of δ2aᵀx, `[outputs_a, inputs]`.
///
/// # Panics
/// When shapes do not fit.
pub fn backward_naive(
    net: &Network,
    params: &Params,
    batch: &Batch,
    values: &Values,
    mistake: Option<Mistake>,
) -> Gradients {
    let made = |candidate: Mistake| mistake == Some(candidate);
    let m = batch.rows() as f64;
    let rows = if made(Mistake::LossNotAveraged) { 1.0 } else { m };
    let mut grads = params.clone();
    let weight_gradient = |delta: &Matrix, input: &Matrix| {
        if made(Mistake::DeltaAveragedEarly) {
            let mean = input.sum_over_rows().map(|sum| sum / m);
            outer_sum(&delta.sum_over_rows(), &mean)
        } else {
            outer_sum(delta, input)
        }
    };

    // Branch B's head.
    let delta_2b = Matrix::from_fn(batch.rows(), net.classes, |i, j| {
        net.weight_b * (values.y_b_hat[(i, j)] - batch.y_b[(i, j)]) / rows
    });
    let head_input = if made(Mistake::Theta2bWithoutJoin) { &values.bn } else { &values.s };
    grads[Param::Theta2b] = weight_gradient(&delta_2b, head_input);
    grads[Param::B2b] = delta_2b.sum_over_rows();
    let d_s = product(&delta_2b, &params[Param::Theta2b]);

    // BatchNorm's affine.
    let d_gamma =
        Matrix::from_fn(d_s.rows(), d_s.cols(), |i, j| d_s[(i, j)] * values.a_hat[(i, j)])
            .sum_over_rows();
    let d_beta = d_s.sum_over_rows();
    (grads[Param::Gamma], grads[Param::Beta]) = match net.affine {
        Affine::PerUnit => (d_gamma, d_beta),
        Affine::Shared => {
            let over_units = |v: &Matrix| Matrix::filled(1, 1, v.data().iter().sum());
            (over_units(&d_gamma), over_units(&d_beta))
        }
    };

    // Through the join into branch A's head.
    let through_join = match net.join {
        Join::Add => d_s.clone(),
        Join::Broadcast => Matrix::from_fn(d_s.rows(), 1, |i, _| d_s.row(i).iter().sum()),
        Join::Project => {
            grads[Param::JoinWeight] = weight_gradient(&d_s, &values.y_a_hat);
            product(&d_s, &params[Param::JoinWeight])
        }
    };
    let delta_2a = Matrix::from_fn(batch.rows(), net.outputs_a, |i, j| {
        let own = net.weight_a * (values.y_a_hat[(i, j)] - batch.y_a[(i, j)]) / rows;
        if made(Mistake::JoinGradientDropped) { own } else { own + through_join[(i, j)] }
    });
    let head_input = match mistake {
        Some(Mistake::Theta2aFromInput) => &batch.x,
        Some(Mistake::Theta2aFromUndropped) => &values.a_1a,
        _ => &values.h,
    };
    grads[Param::Theta2a] = weight_gradient(&delta_2a, head_input);
    grads[Param::B2a] = delta_2a.sum_over_rows();

    // Branch A's first layer.
    let d_h = product(&delta_2a, &params[Param::Theta2a]);
    let delta_1a = Matrix::from_fn(d_h.rows(), d_h.cols(), |i, j| {
        let mask = match mistake {
            Some(Mistake::DropoutMaskMissing) => 1.0,
            Some(Mistake::DropoutScaleMissing) => f64::from(u8::from(batch.mask[(i, j)] > 0.0)),
            _ => batch.mask[(i, j)],
        };
        let on = made(Mistake::ReluMaskMissing) || values.z_1a[(i, j)] > 0.0;
        if on { d_h[(i, j)] * mask } else { 0.0 }
    });
    grads[Param::Theta1a] = weight_gradient(&delta_1a, &batch.x);
    grads[Param::B1a] = delta_1a.sum_over_rows();

    // Branch B's first layer.
    let d_a = batch_norm_backward(net, &params[Param::Gamma], batch, values, &d_s, mistake);
    let delta_1b = Matrix::from_fn(d_a.rows(), d_a.cols(), |i, j| {
        let on = made(Mistake::ReluMaskMissing) || values.z_1b[(i, j)] > 0.0;
        if on { d_a[(i, j)] } else { 0.0 }
    });
    grads[Param::Theta1b] = weight_gradient(&delta_1b, &batch.x);
    grads[Param::B1b] = delta_1b.sum_over_rows();

    Gradients { params: grads, delta_2b, d_s, delta_2a, d_a, delta_1b, delta_1a }
}

fn batch_norm_backward(
    net: &Network,
    gamma: &Matrix,
    batch: &Batch,
    values: &Values,
    d_s: &Matrix,
    mistake: Option<Mistake>,
) -> Matrix {
    let made = |candidate: Mistake| mistake == Some(candidate);
    let m = d_s.rows();
    let mean = |entry: &dyn Fn(usize) -> f64| (0..m).map(entry).sum::<f64>() / m as f64;
    let mut d_a = d_s.clone();
    for j in 0..d_s.cols() {
        // Running statistics are constants: nothing comes back through them.
        let mean_ds = match made(Mistake::BatchNormWithoutMeanTerm) || batch.running.is_some() {
            true => 0.0,
            false => mean(&|i| d_s[(i, j)]),
        };
        let mean_ds_a_hat =
            match made(Mistake::BatchNormWithoutVarianceTerm) || batch.running.is_some() {
                true => 0.0,
                false => mean(&|i| d_s[(i, j)] * values.a_hat[(i, j)]),
            };
        let var = match made(Mistake::BatchNormUnbiased) {
            true => values.var[(0, j)] * m as f64 / (m as f64 - 1.0),
            false => values.var[(0, j)],
        };
        let gamma = match net.affine {
            _ if made(Mistake::BatchNormWithoutGamma) => 1.0,
            Affine::PerUnit => gamma[(0, j)],
            Affine::Shared => gamma[(0, 0)],
        };
        for i in 0..m {
            let centred = d_s[(i, j)] - mean_ds - values.a_hat[(i, j)] * mean_ds_a_hat;
            d_a[(i, j)] = gamma / (var + net.eps).sqrt() * centred;
        }
    }
    d_a
}

/// aᵀb: the sum over the rows of the outer products of a's and b's rows.
fn outer_sum(a: &Matrix, b: &Matrix) -> Matrix {
    Matrix::from_fn(a.cols(), b.cols(), |j, k| (0..a.rows()).map(|i| a[(i, j)] * b[(i, k)]).sum())
}

/// ab.
fn product(a: &Matrix, b: &Matrix) -> Matrix {
    Matrix::from_fn(a.rows(), b.cols(), |i, k| (0..a.cols()).map(|j| a[(i, j)] * b[(j, k)]).sum())
}
