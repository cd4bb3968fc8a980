//! Multinomial logistic regression by L-BFGS.

use std::collections::VecDeque;

use anabranch_layers::{CrossEntropy, Loss, LossGradient, Target};
use anabranch_tensor::gemm::{NoEpilogue, dot, gemm, gemm_scratch_len};
use anabranch_tensor::ndarray::{Array1, Array2, Axis};
use anabranch_tensor::{Accum, Executor, flat, matrix, matrix_mut};

use super::Linear;

/// Steps after which a fit ends, whatever it has reached.
pub(super) const MOST_STEPS: usize = 200;

/// A fit ends where no derivative of the mean loss is larger.
const TOLERANCE: f64 = 1e-7;

/// A fit that has taken so many multiplications, a fraction of a second, ends where the last steps
/// have not gained this share of the loss.
const MANY_MULTIPLICATIONS: f64 = 5e8;
const LAST_STEPS: usize = 10;
const GAIN: f64 = 1e-3;

/// Rows whose inputs are still in the cache when the gradient needs them.
const CHUNK_ROWS: usize = 256;

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
/// halves a step until it gains enough. It begins from a diagonal estimate of the inverse Hessian,
/// by the size of each input, which halves the steps where rare categories lie beside numbers.
pub(super) fn fit(x: &Array2<f64>, class: &[u32], n_classes: usize) -> Linear {
    let rows = Rows { x, class, n_classes };
    let mut theta = vec![0.0; n_classes * (x.ncols() + 1)];
    let (mut loss, mut gradient) = rows.objective(&theta);
    let diagonal = rows.diagonal();
    let per_step = 2.0 * (x.len() * n_classes) as f64;
    let mut losses = vec![loss];
    let mut pairs: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
    for _ in 0..MOST_STEPS {
        let gains_little = losses.len() as f64 * per_step > MANY_MULTIPLICATIONS
            && losses.len() > LAST_STEPS
            && losses[losses.len() - 1 - LAST_STEPS] - loss < GAIN * loss;
        if gains_little || gradient.iter().all(|derivative| derivative.abs() <= TOLERANCE) {
            break;
        }
        let mut step = direction(&gradient, &pairs, &diagonal);
        let mut slope = inner(&step, &gradient);
        if slope >= 0.0 {
            // Rounding has spoilt the estimate: begin again.
            pairs.clear();
            step = direction(&gradient, &pairs, &diagonal);
            slope = inner(&step, &gradient);
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
        losses.push(loss);
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

    /// For each parameter, one over the root of its input's mean square: of an input that is rarely
    /// not 0, derivatives are small and steps have to be large.
    fn diagonal(&self) -> Vec<f64> {
        let n_rows = self.x.nrows() as f64;
        // The penalty's share keeps it finite for an input that is always 0.
        let mut squares = vec![1.0 / n_rows; self.x.ncols()];
        for row in flat(self.x.view()).chunks_exact(self.x.ncols()) {
            squares.iter_mut().zip(row).for_each(|(square, x)| *square += x * x / n_rows);
        }
        let of_class = squares.iter().map(|square| 1.0 / square.sqrt());
        let of_weights = std::iter::repeat_n(of_class, self.n_classes).flatten();
        of_weights.chain(std::iter::repeat_n(1.0, self.n_classes)).collect()
    }

    /// What is minimised, and its derivatives.
    fn objective(&self, theta: &[f64]) -> (f64, Vec<f64>) {
        let model = self.model(theta);
        let (exec, (n_rows, n_inputs), n_classes) =
            (Executor::serial(), self.x.dim(), self.n_classes);
        let per_row = 1.0 / n_rows as f64;
        let mut gradient: Vec<f64> = theta.iter().map(|weight| weight * per_row).collect();
        let (dw, db) = gradient.split_at_mut(n_classes * n_inputs);
        db.fill(0.0);
        let most_rows = CHUNK_ROWS.min(n_rows);
        let mut d = vec![0.0; most_rows * n_classes];
        let mut losses = vec![0.0; most_rows];
        let mut scratch = vec![0.0; gemm_scratch_len::<f64>(&exec, n_classes, n_inputs, most_rows)];
        let mut sum = 0.0;
        for (x, class) in
            self.x.axis_chunks_iter(Axis(0), CHUNK_ROWS).zip(self.class.chunks(CHUNK_ROWS))
        {
            let scores = dot(x, model.w.t()) + &model.b;
            let (d, losses) = (&mut d[..scores.len()], &mut losses[..class.len()]);
            CrossEntropy::default().gradient(LossGradient {
                exec: &exec,
                prediction: scores.view(),
                target: Target::Classes(class),
                scale: per_row,
                d: matrix_mut(d, class.len(), n_classes),
                row_losses: losses,
            });
            let d = matrix(d, class.len(), n_classes);
            let dw = matrix_mut(dw, n_classes, n_inputs);
            gemm(&exec, d.t(), x, Accum::Add, dw, &mut scratch, &NoEpilogue);
            db.iter_mut().zip(d.sum_axis(Axis(0))).for_each(|(db, sum)| *db += sum);
            sum += losses.iter().sum::<f64>();
        }
        let penalty = 0.5 * model.w.iter().map(|w| w * w).sum::<f64>();
        ((sum + penalty) * per_row, gradient)
    }
}

/// −H·gradient, with the inverse Hessian H estimated from a multiple of `diagonal` and `pairs`,
/// oldest first.
fn direction(
    gradient: &[f64],
    pairs: &VecDeque<(Vec<f64>, Vec<f64>)>,
    diagonal: &[f64],
) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|derivative| -derivative).collect();
    let mut alphas = Vec::new();
    for (s, y) in pairs.iter().rev() {
        let alpha = inner(s, &q) / inner(s, y);
        add(&mut q, -alpha, y);
        alphas.push(alpha);
    }
    let scale = pairs.back().map_or(1.0, |(s, y)| {
        let scaled: f64 = y.iter().zip(diagonal).map(|(y, d)| y * d * y).sum();
        inner(s, y) / scaled
    });
    q.iter_mut().zip(diagonal).for_each(|(q, d)| *q *= scale * d);
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
