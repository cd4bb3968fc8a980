//! The backward pass in plain loops, and how far rounding can move each number of a step.
//!
//! Every number that a step computes is a sum, and each of its terms is rounded by at most u times
//! its size, where u is the unit of rounding. Where terms cancel, what is left may be far smaller
//! than they are: in batch normalisation over two rows, the gradient is what remains of dy −
//! mean(dy) − x̂·mean(dy⊙x̂), some ε/σ² of its terms.
//!
//! With each value y, the forward pass carries S, and with each derivative d = dL/dy, the backward
//! pass carries E: u·S and u·E bound, to first order and up to a small constant, how far rounding
//! can move y and d. Each is what comes in, times the size of the slope, and the size of the terms
//! that are added up here:
//!
//! | node | S of y | d of x | E of x |
//! |---|---|---|---|
//! | linear | (S_x+\|x\|)·\|w\|ᵀ + \|b\| | d·w | (E+\|d\|)·\|w\| |
//! | activation | \|f′\|·S_x + \|y\| | d·f′ | \|f′\|·(E+\|d\|) + \|d·f″\|·S_x |
//! | batch norm | \|γ\|·(Ŝ+\|x̂\|) + \|β\| | γ·r·v, v = d − mean d − x̂·mean(d⊙x̂) | \|γ\|·r·(A + mean A + \|x̂\|·mean(A⊙\|x̂\| + \|d\|⊙Ŝ) + Ŝ·\|mean(d⊙x̂)\| + κ·\|v\|), A = E+\|d\| |
//! | layer norm | as batch norm, along rows | as batch norm of d⊙γ, with γ = 1 | as that |
//! | PReLU | \|slope\|·(S_x + \|x\|) | d·slope | (E+\|d\|)·\|slope\| |
//! | dropout | S_x⊙M + \|y\| | d⊙M | (E+\|d\|)⊙M |
//! | join | S_left + J(S_right) + terms | d, and Jᵀ(d) | E+\|d\|, and Jᵀ of it |
//!
//! where r = 1/√(σ²+ε), C = S_x + mean S_x + mean \|x\| + \|x−μ\|, κ = 1 + mean(\|x̂\|·r·C) and Ŝ =
//! r·C + κ·\|x̂\|. Of parameters, dw = dᵀx has E = Eᵀ\|x\| + \|d\|ᵀ(S_x+\|x\|), and so on.
//!
//! At a corner (ReLU at 0), rounding decides which side a value falls on: where \|x\| is within a
//! few u·S_x of it, the derivative may be off by all of d, which is \|d\|/u in units of u.

use anabranch_graph::Join;
use anabranch_layers::{Activation, LossKind};
use ndarray::{Array2, Axis};
use num_dual::Dual2_64;

use super::equations::activation;
use super::forward::{Batch, Pass, batch_statistics};
use super::network::{BatchNorm, Head, Network, Op};
use super::target::OwnedTarget;

/// Number of roundings by which a value can miss a corner.
const CORNER: f64 = 64.0;

/// The derivatives of a training pass, and how far off its numbers can be, in units of rounding.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// dL/d(each learned array).
    pub(crate) grads: Vec<Array2<f64>>,
    /// S of each node `[rows, width]`.
    pub(crate) values: Vec<Array2<f64>>,
    /// E of each node.
    pub(crate) deltas: Vec<Array2<f64>>,
    /// E of each learned array.
    pub(crate) params: Vec<Array2<f64>>,
    /// Of each head's loss.
    pub(crate) losses: Vec<f64>,
}

/// Derivatives with respect to something, and their E.
struct Derivative {
    d: Array2<f64>,
    e: Array2<f64>,
}

impl Derivative {
    fn zeros(like: &Array2<f64>) -> Self {
        Self { d: Array2::zeros(like.dim()), e: Array2::zeros(like.dim()) }
    }

    fn add(&mut self, d: &Array2<f64>, e: &Array2<f64>) {
        self.d += d;
        self.e += e;
    }

    /// E + |d|: what every further term of d is multiplied by.
    fn slack(&self) -> Array2<f64> {
        &self.e + &self.d.mapv(f64::abs)
    }
}

/// What batch normalisation computes on the way.
struct Normalised {
    /// 1/√(σ²+ε) of each unit.
    r: Vec<f64>,
    kappa: Vec<f64>,
    x_hat: Array2<f64>,
    s_hat: Array2<f64>,
}

impl Network {
    /// The derivatives and terms of a training pass, for numbers whose unit of rounding is `unit`.
    pub(crate) fn terms(
        &self,
        params: &[Array2<f64>],
        batch: &Batch,
        pass: &Pass<f64>,
        unit: f64,
    ) -> Terms {
        let mut values: Vec<Array2<f64>> = Vec::with_capacity(self.nodes.len());
        for (i, node) in self.nodes.iter().enumerate() {
            let s = match &node.op {
                Op::BatchNorm(bn) => {
                    let normalised = Normalised::new(bn.eps, &pass.values[bn.x], &values[bn.x]);
                    let (gamma, beta) = (&params[bn.gamma], &params[bn.beta]);
                    Array2::from_shape_fn(normalised.x_hat.dim(), |(i, j)| {
                        let unit = [0, bn.unit(j)];
                        let terms = normalised.s_hat[[i, j]] + normalised.x_hat[[i, j]].abs();
                        gamma[unit].abs() * terms + beta[unit].abs()
                    })
                }
                Op::Dropout { x, .. } => {
                    let mask = batch.masks[i].as_ref().expect("a node that drops has a mask");
                    &values[*x] * mask + pass.values[i].mapv(f64::abs)
                }
                op => op.terms_row_by_row(params, &pass.values, &values),
            };
            values.push(s);
        }
        let mut deltas: Vec<Derivative> = values.iter().map(Derivative::zeros).collect();
        let mut losses = Vec::new();
        for (h, (head, target)) in self.heads.iter().zip(&batch.targets).enumerate() {
            let at = (&pass.values[head.node], &values[head.node]);
            let (derivative, loss) = head.terms(at, target, batch.weights(h), unit);
            deltas[head.node].add(&derivative.d, &derivative.e);
            losses.push(loss);
        }
        let mut of_params: Vec<Derivative> = params.iter().map(Derivative::zeros).collect();
        for (i, node) in self.nodes.iter().enumerate().rev() {
            let Derivative { d, .. } = &deltas[i];
            let (d, slack) = (d.clone(), deltas[i].slack());
            let e = &slack - &d.mapv(f64::abs);
            let of_matrix = |x: usize| {
                let terms = &values[x] + &pass.values[x].mapv(f64::abs);
                let of_w =
                    e.t().dot(&pass.values[x].mapv(f64::abs)) + d.mapv(f64::abs).t().dot(&terms);
                (d.t().dot(&pass.values[x]), of_w)
            };
            let through = |w: usize| (d.dot(&params[w]), slack.dot(&params[w].mapv(f64::abs)));
            match &node.op {
                Op::Input => {}
                Op::Linear { x, w, b } => {
                    let ((dw, of_w), (dx, of_x)) = (of_matrix(*x), through(*w));
                    of_params[*w].add(&dw, &of_w);
                    of_params[*b].add(&sum_rows(&d), &sum_rows(&slack));
                    deltas[*x].add(&dx, &of_x);
                }
                Op::Activation { x, f } => {
                    let (at, s) = (&pass.values[*x], &values[*x]);
                    for (ij, d) in d.indexed_iter() {
                        let y = activation(*f, Dual2_64::from_re(at[ij]).derivative());
                        let is_corner =
                            *f == Activation::Relu && at[ij].abs() < CORNER * unit * s[ij];
                        let side = if is_corner { d.abs() / unit } else { 0.0 };
                        deltas[*x].d[ij] += d * y.v1;
                        deltas[*x].e[ij] +=
                            slack[ij] * y.v1.abs() + (d * y.v2).abs() * s[ij] + side;
                    }
                }
                Op::LayerNorm { x, gamma, beta, eps } => {
                    let normalised = Normalised::of_rows(*eps, &pass.values[*x], &values[*x]);
                    let scale = &params[*gamma];
                    let through = normalised.through(
                        &(&d * scale).reversed_axes(),
                        &(&slack * &scale.mapv(f64::abs)).reversed_axes(),
                    );
                    deltas[*x].add(&through.d.reversed_axes(), &through.e.reversed_axes());
                    let (x_hat, s_hat) = (normalised.x_hat.t(), normalised.s_hat.t());
                    let terms = &slack * &x_hat.mapv(f64::abs) + d.mapv(f64::abs) * s_hat;
                    of_params[*gamma].add(&sum_rows(&(&d * &x_hat)), &sum_rows(&terms));
                    of_params[*beta].add(&sum_rows(&d), &sum_rows(&slack));
                }
                Op::PRelu { x, a } => {
                    let (at, s) = (&pass.values[*x], &values[*x]);
                    for ((i, j), d) in d.indexed_iter() {
                        let (at, s, a_j) = (at[[i, j]], s[[i, j]], params[*a][[0, j]]);
                        let slope = if at > 0.0 { 1.0 } else { a_j };
                        let is_corner = at.abs() < CORNER * unit * s;
                        let side = if is_corner { (d * (1.0 - a_j)).abs() / unit } else { 0.0 };
                        deltas[*x].d[[i, j]] += d * slope;
                        deltas[*x].e[[i, j]] += slack[[i, j]] * slope.abs() + side;
                        if at <= 0.0 || is_corner {
                            of_params[*a].d[[0, j]] += d * at.min(0.0);
                            of_params[*a].e[[0, j]] += slack[[i, j]] * at.abs() + d.abs() * s;
                        }
                    }
                }
                Op::BatchNorm(bn) => {
                    let normalised = Normalised::new(bn.eps, &pass.values[bn.x], &values[bn.x]);
                    let derivatives = (&mut deltas[bn.x], &mut of_params[..]);
                    normalised.add_derivatives(bn, params, (&d, &slack), derivatives);
                }
                Op::Dropout { x, .. } => {
                    let mask = batch.masks[i].as_ref().expect("a node that drops has a mask");
                    deltas[*x].add(&(&d * mask), &(&slack * mask));
                }
                Op::Join { left, right, join, w } => {
                    let of_right = match (join, w) {
                        (Join::Broadcast, _) => (sum_columns(&d), sum_columns(&slack)),
                        (Join::Project, Some(w)) => {
                            let (dw, of_w) = of_matrix(*right);
                            of_params[*w].add(&dw, &of_w);
                            through(*w)
                        }
                        (Join::Add | Join::Project, _) => (d.clone(), slack.clone()),
                    };
                    deltas[*left].add(&d, &slack);
                    deltas[*right].add(&of_right.0, &of_right.1);
                }
            }
        }
        let (grads, params) = of_params.into_iter().map(|of| (of.d, of.e)).unzip();
        Terms { grads, values, deltas: deltas.into_iter().map(|of| of.e).collect(), params, losses }
    }

    /// The terms of the running statistics after a training pass.
    pub(crate) fn state_terms(
        &self,
        state: &[Array2<f64>],
        at: &[Array2<f64>],
        values: &[Array2<f64>],
    ) -> Vec<Array2<f64>> {
        let mut terms: Vec<Array2<f64>> = state.iter().map(|s| s.mapv(f64::abs)).collect();
        for node in &self.nodes {
            let Op::BatchNorm(bn) = &node.op else { continue };
            let m = at[bn.x].nrows() as f64;
            let mean = values[bn.x].sum_axis(Axis(0)).insert_axis(Axis(0)) / m;
            let squares = (&values[bn.x] + &mean).mapv(|s| s * s);
            terms[bn.var] += &(squares.sum_axis(Axis(0)).insert_axis(Axis(0)) / (m - 1.0));
            terms[bn.mean] += &mean;
        }
        terms
    }

    /// S of each node in an evaluation pass.
    pub(crate) fn evaluation_terms(
        &self,
        params: &[Array2<f64>],
        state: &[Array2<f64>],
        at: &[Array2<f64>],
    ) -> Vec<Array2<f64>> {
        let mut values: Vec<Array2<f64>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let s = match &node.op {
                Op::BatchNorm(bn) => Array2::from_shape_fn(values[bn.x].dim(), |(i, j)| {
                    let unit = [0, bn.unit(j)];
                    let r = 1.0 / (state[bn.var][[0, j]] + bn.eps).sqrt();
                    let x = values[bn.x][[i, j]] + at[bn.x][[i, j]].abs();
                    let centred = x + state[bn.mean][[0, j]].abs();
                    params[bn.gamma][unit].abs() * r * centred + params[bn.beta][unit].abs()
                }),
                Op::Dropout { x, .. } => values[*x].clone(),
                op => op.terms_row_by_row(params, at, &values),
            };
            values.push(s);
        }
        values
    }
}

impl Op {
    fn terms_row_by_row(
        &self,
        params: &[Array2<f64>],
        at: &[Array2<f64>],
        values: &[Array2<f64>],
    ) -> Array2<f64> {
        let product = |x: usize, w: usize| {
            (&values[x] + &at[x].mapv(f64::abs)).dot(&params[w].mapv(f64::abs).t())
        };
        match *self {
            Self::Input => Array2::zeros(at[0].dim()),
            Self::Linear { x, w, b } => product(x, w) + params[b].mapv(f64::abs),
            Self::Activation { x, f } => Array2::from_shape_fn(values[x].dim(), |ij| {
                let y = activation(f, Dual2_64::from_re(at[x][ij]).derivative());
                y.re.abs() + y.v1.abs() * values[x][ij]
            }),
            Self::LayerNorm { x, gamma, beta, eps } => {
                let normalised = Normalised::of_rows(eps, &at[x], &values[x]);
                Array2::from_shape_fn(at[x].dim(), |(i, j)| {
                    let terms = normalised.s_hat[[j, i]] + normalised.x_hat[[j, i]].abs();
                    params[gamma][[0, j]].abs() * terms + params[beta][[0, j]].abs()
                })
            }
            Self::PRelu { x, a } => Array2::from_shape_fn(at[x].dim(), |(i, j)| {
                let slope = if at[x][[i, j]] > 0.0 { 1.0 } else { params[a][[0, j]].abs() };
                slope * (values[x][[i, j]] + at[x][[i, j]].abs())
            }),
            Self::Join { left, right, join, w } => {
                let left = &values[left] + &at[left].mapv(f64::abs);
                match (join, w) {
                    (Join::Project, Some(w)) => left + product(right, w),
                    // One column is repeated.
                    _ => left + &values[right] + at[right].mapv(f64::abs),
                }
            }
            Self::BatchNorm(_) | Self::Dropout { .. } => {
                unreachable!("differs between training and evaluation")
            }
        }
    }
}

/// `[1, columns]`.
fn sum_rows(x: &Array2<f64>) -> Array2<f64> {
    x.sum_axis(Axis(0)).insert_axis(Axis(0))
}

/// `[rows, 1]`.
fn sum_columns(x: &Array2<f64>) -> Array2<f64> {
    x.sum_axis(Axis(1)).insert_axis(Axis(1))
}

impl Normalised {
    /// Of the rows of `x`, as the columns of its transpose.
    fn of_rows(eps: f64, x: &Array2<f64>, s: &Array2<f64>) -> Self {
        Self::new(eps, &x.t().to_owned(), &s.t().to_owned())
    }

    fn new(eps: f64, x: &Array2<f64>, s: &Array2<f64>) -> Self {
        let m = x.nrows() as f64;
        let (mean, var) = batch_statistics(x);
        let r: Vec<f64> = var.iter().map(|v| 1.0 / (v + eps).sqrt()).collect();
        let mean_terms = sum_rows(&(s + &x.mapv(f64::abs))) / m;
        let centred = x - &mean;
        let x_hat = Array2::from_shape_fn(x.dim(), |(i, j)| centred[[i, j]] * r[j]);
        let c = s + &mean_terms + centred.mapv(f64::abs);
        let kappa: Vec<f64> = (0..x.ncols())
            .map(|j| {
                let products = x_hat.column(j).into_iter().zip(c.column(j));
                1.0 + products.map(|(x, c)| x.abs() * r[j] * c).sum::<f64>() / m
            })
            .collect();
        let s_hat = Array2::from_shape_fn(x.dim(), |(i, j)| {
            r[j] * c[[i, j]] + kappa[j] * x_hat[[i, j]].abs()
        });
        Self { r, kappa, x_hat, s_hat }
    }

    /// The derivative by x, with its E, from those by x̂.
    fn through(&self, d: &Array2<f64>, slack: &Array2<f64>) -> Derivative {
        let m = d.nrows() as f64;
        let mut of_x = Derivative::zeros(d);
        for j in 0..d.ncols() {
            let (d, slack) = (d.column(j), slack.column(j));
            let (x_hat, s_hat) = (self.x_hat.column(j), self.s_hat.column(j));
            let mean = |f: &dyn Fn(usize) -> f64| (0..d.len()).map(f).sum::<f64>() / m;
            let (mean_d, mean_slack) = (mean(&|i| d[i]), mean(&|i| slack[i]));
            let mean_dx = mean(&|i| d[i] * x_hat[i]);
            let mean_products = mean(&|i| slack[i] * x_hat[i].abs() + d[i].abs() * s_hat[i]);
            for i in 0..d.len() {
                let v = d[i] - mean_d - x_hat[i] * mean_dx;
                let terms = slack[i] + mean_slack + x_hat[i].abs() * mean_products;
                let terms = terms + s_hat[i] * mean_dx.abs() + self.kappa[j] * v.abs();
                of_x.d[[i, j]] = self.r[j] * v;
                of_x.e[[i, j]] = self.r[j] * terms;
            }
        }
        of_x
    }

    fn add_derivatives(
        &self,
        bn: &BatchNorm,
        params: &[Array2<f64>],
        (d, slack): (&Array2<f64>, &Array2<f64>),
        (of_x, of_params): (&mut Derivative, &mut [Derivative]),
    ) {
        let through = self.through(d, slack);
        for ((i, j), d_x_hat) in through.d.indexed_iter() {
            let gamma = params[bn.gamma][[0, bn.unit(j)]];
            of_x.d[[i, j]] += gamma * d_x_hat;
            of_x.e[[i, j]] += gamma.abs() * through.e[[i, j]];
        }
        let terms = slack * &self.x_hat.mapv(f64::abs) + d.mapv(f64::abs) * &self.s_hat;
        let sums = [d * &self.x_hat, terms, d.clone(), slack.clone()].map(|x| sum_rows(&x));
        for j in 0..d.ncols() {
            let unit = [0, bn.unit(j)];
            of_params[bn.gamma].d[unit] += sums[0][[0, j]];
            of_params[bn.gamma].e[unit] += sums[1][[0, j]];
            of_params[bn.beta].d[unit] += sums[2][[0, j]];
            of_params[bn.beta].e[unit] += sums[3][[0, j]];
        }
    }
}

impl Head {
    /// The derivative with respect to the prediction, and the terms of the loss.
    fn terms(
        &self,
        (prediction, s): (&Array2<f64>, &Array2<f64>),
        target: &OwnedTarget,
        weights: Option<&[f64]>,
        unit: f64,
    ) -> (Derivative, f64) {
        let total = weights.map_or(prediction.nrows() as f64, |weights| weights.iter().sum());
        let mut loss = 0.0;
        let mut derivative = Derivative::zeros(prediction);
        for i in 0..prediction.nrows() {
            let weight = weights.map_or(1.0, |weights| weights[i]);
            if weight == 0.0 {
                continue;
            }
            let factor = self.weight * weight / total;
            if let LossKind::CrossEntropy { label_smoothing, class_weights } = &self.loss {
                let (z, s) = (prediction.row(i), s.row(i));
                let classes = z.len();
                let largest = z.iter().fold(f64::NEG_INFINITY, |max, z| max.max(*z));
                let sum: f64 = z.iter().map(|z| (z - largest).exp()).sum();
                let softmax: Vec<f64> = z.iter().map(|z| (z - largest).exp() / sum).collect();
                let label = |k: usize| {
                    let y = match target {
                        OwnedTarget::Classes(class) if class[i] as usize == k => 1.0,
                        OwnedTarget::Probabilities(y) => y[[i, k]],
                        _ => 0.0,
                    };
                    let w = class_weights.get(k).copied().unwrap_or(1.0);
                    w * ((1.0 - label_smoothing) * y + label_smoothing / classes as f64)
                };
                let total: f64 = (0..classes).map(label).sum();
                let mean_s: f64 = softmax.iter().zip(s).map(|(y, s)| y * s).sum();
                for k in 0..classes {
                    let off = s[k] + mean_s + (z[k] - largest).abs() + 1.0;
                    let y = total * softmax[k];
                    derivative.d[[i, k]] = factor * (y - label(k));
                    derivative.e[[i, k]] = factor * (y * off + label(k));
                    loss += factor * label(k) * (off + z[k].abs() + largest.abs() + sum.ln());
                }
                continue;
            }
            let OwnedTarget::Values(y) = target else { continue };
            for j in 0..prediction.ncols() {
                let (z, y, s) = (prediction[[i, j]], y[[i, j]], s[[i, j]]);
                let r = z - y;
                // How far off r can be.
                let terms = s + z.abs() + y.abs();
                let side = match r {
                    r if r > 0.0 => 1.0,
                    r if r < 0.0 => -1.0,
                    _ => 0.0,
                };
                let corner = if r.abs() < CORNER * unit * terms { 1.0 / unit } else { 1.0 };
                let (d, e, value) = match &self.loss {
                    LossKind::HalfSquaredError => (r, terms, r.abs() * terms),
                    LossKind::AbsoluteError => (side, corner, terms),
                    LossKind::Pinball { quantile } if side < 0.0 => (-quantile, corner, terms),
                    LossKind::Pinball { quantile } => (side * (1.0 - quantile), corner, terms),
                    LossKind::Huber { delta } => {
                        let r = r.clamp(-delta, *delta);
                        (r, terms, delta * (terms + delta))
                    }
                    _ => {
                        let sigmoid = 1.0 / (1.0 + (-z).exp());
                        let e = sigmoid * (1.0 - sigmoid) * s + sigmoid + y.abs();
                        (sigmoid - y, e, (s + z.abs()) * (1.0 + y.abs()) + 1.0)
                    }
                };
                derivative.d[[i, j]] = factor * d;
                derivative.e[[i, j]] = factor * e;
                loss += factor * value;
            }
        }
        (derivative, loss)
    }
}
