//! Multinomial logistic regression by L-BFGS.

use std::collections::VecDeque;

use anabranch_layers::{CrossEntropy, Loss, LossGradient, Target};
use anabranch_tensor::gemm::dot;
use anabranch_tensor::ndarray::{Array1, Array2, Axis};
use anabranch_tensor::{Executor, flat, matrix, matrix_mut};

use super::Linear;

/// Steps after which a fit ends, whatever it has reached.
pub(super) const MOST_STEPS: usize = 200;

/// A fit ends where no derivative of the mean loss is larger.
const TOLERANCE: f64 = 1e-7;

/// Pairs of steps and changes of the gradient that the inverse of the Hessian is estimated from.
const MEMORY: usize = 10;

/// A step has to gain this share of what the gradient promises (Armijo).
const SUFFICIENT: f64 = 1e-4;

/// Halvings of a step before a fit ends because it cannot get any lower.
const MOST_HALVINGS: usize = 40;

/// The rows that a model is fitted to.
struct Rows<'a> {
    /// `[rows, inputs]`.
    x: &'a Array2<f64>,
    class: &'a [u32],
    n_classes: usize,
}

/// The model that minimises Σ −log softmax(x·Wᵀ + b)\[class\] + ½‖W‖² over the rows x
/// `[rows, inputs]`, divided by their number.
///
/// L-BFGS (Nocedal and Wright, *Numerical Optimization*, algorithm 7.4) from W = 0 and b = 0, which
/// halves a step until it gains enough.
pub(super) fn fit(x: &Array2<f64>, class: &[u32], n_classes: usize) -> Linear {
    let rows = Rows { x, class, n_classes };
    let mut theta = vec![0.0; n_classes * (x.ncols() + 1)];
    let (mut loss, mut gradient) = rows.objective(&theta);
    let mut pairs: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
    for _ in 0..MOST_STEPS {
        if gradient.iter().all(|derivative| derivative.abs() <= TOLERANCE) {
            break;
        }
        let mut step = direction(&gradient, &pairs);
        let mut slope = inner(&step, &gradient);
        if slope >= 0.0 {
            // Rounding has spoilt the estimate: begin again.
            pairs.clear();
            step = gradient.iter().map(|derivative| -derivative).collect();
            slope = -inner(&gradient, &gradient);
        }
        let mut size = 1.0;
        let found = (0..MOST_HALVINGS).find_map(|_| {
            let next: Vec<f64> = theta.iter().zip(&step).map(|(t, s)| t + size * s).collect();
            let (next_loss, next_gradient) = rows.objective(&next);
            let gains = next_loss <= loss + SUFFICIENT * size * slope;
            size /= 2.0;
            gains.then_some((next, next_loss, next_gradient))
        });
        let Some((next, next_loss, next_gradient)) = found else { break };
        let change = difference(&next_gradient, &gradient);
        let moved = difference(&next, &theta);
        // Written so that the estimate stays positive definite.
        if inner(&moved, &change) > 0.0 {
            if pairs.len() == MEMORY {
                pairs.pop_front();
            }
            pairs.push_back((moved, change));
        }
        (theta, loss, gradient) = (next, next_loss, next_gradient);
    }
    rows.model(&theta)
}

impl Rows<'_> {
    /// The parameters as a model: W row by row, then b.
    fn model(&self, theta: &[f64]) -> Linear {
        let (w, b) = theta.split_at(self.n_classes * self.x.ncols());
        let w = matrix(w, self.n_classes, self.x.ncols()).to_owned();
        Linear { w, b: Array1::from(b.to_vec()) }
    }

    /// What is minimised, and its derivatives.
    fn objective(&self, theta: &[f64]) -> (f64, Vec<f64>) {
        let model = self.model(theta);
        let (n_rows, scores) = (self.x.nrows(), model.predict(self.x));
        let mut d = vec![0.0; n_rows * self.n_classes];
        let mut losses = vec![0.0; n_rows];
        CrossEntropy::default().gradient(LossGradient {
            exec: &Executor::serial(),
            prediction: scores.view(),
            target: Target::Classes(self.class),
            scale: 1.0 / n_rows as f64,
            d: matrix_mut(&mut d, n_rows, self.n_classes),
            row_losses: &mut losses,
        });
        let d = matrix(&d, n_rows, self.n_classes);
        let per_row = 1.0 / n_rows as f64;
        let dw = dot(d.t(), self.x) + &model.w * per_row;
        let penalty = 0.5 * model.w.iter().map(|w| w * w).sum::<f64>();
        let loss = (losses.iter().sum::<f64>() + penalty) * per_row;
        (loss, flat(dw.view()).iter().copied().chain(d.sum_axis(Axis(0))).collect())
    }
}

/// −H·gradient, with the inverse Hessian H estimated from `pairs`, oldest first.
fn direction(gradient: &[f64], pairs: &VecDeque<(Vec<f64>, Vec<f64>)>) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|derivative| -derivative).collect();
    let mut alphas = Vec::new();
    for (s, y) in pairs.iter().rev() {
        let alpha = inner(s, &q) / inner(s, y);
        add(&mut q, -alpha, y);
        alphas.push(alpha);
    }
    if let Some((s, y)) = pairs.back() {
        let scale = inner(s, y) / inner(y, y);
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for ((s, y), alpha) in pairs.iter().zip(alphas.into_iter().rev()) {
        let beta = inner(y, &q) / inner(s, y);
        add(&mut q, alpha - beta, s);
    }
    q
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn add(sum: &mut [f64], scale: f64, values: &[f64]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += scale * value);
}
