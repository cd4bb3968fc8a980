//! Multinomial logistic regression by L-BFGS.

use std::collections::VecDeque;

use anabranch_layers::{Loss, LossGradient, LossKind, Target};
use anabranch_tensor::gemm::{NoEpilogue, gemm, gemm_scratch_len};
use anabranch_tensor::ndarray::Array1;
use anabranch_tensor::{Accum, Executor, Scalar, flat, matrix, matrix_mut};

use super::Linear;
use super::inputs::Inputs;

/// Steps after which a fit ends, whatever it has reached.
pub(super) const MOST_STEPS: usize = 200;

/// A fit that has taken so many multiplications, a fraction of a second, ends where the last steps
/// have not gained this share of the loss.
const MANY_MULTIPLICATIONS: f64 = 5e8;
const LAST_STEPS: usize = 10;
const GAIN: f64 = 1e-3;

/// Rows whose losses are computed together.
const CHUNK_ROWS: usize = 256;

/// Pairs of steps and changes of the gradient that the inverse of the Hessian is estimated from.
const MEMORY: usize = 10;

/// A step has to gain this share of what the gradient promises (Armijo).
const SUFFICIENT: f64 = 1e-4;

/// What rounding may add to a loss in f32, as a share of it.
const ROUNDING: f64 = 1e-7;

/// Halvings of a step before a fit ends because it cannot get any lower.
const MOST_HALVINGS: usize = 40;

/// The rows that a model is fitted to.
struct Rows<'a, T> {
    inputs: Inputs<'a, T>,
    class: &'a [u32],
    n_classes: usize,
}

/// The model that minimises Σ −log softmax(x·Wᵀ + b)\[class\] + ½‖W‖² over the rows x
/// `[rows, inputs]`, divided by their number.
///
/// L-BFGS (Nocedal and Wright, *Numerical Optimization*, algorithm 7.4) from W = 0 and b = 0, which
/// halves a step until it gains enough. It begins from a diagonal estimate of the inverse Hessian,
/// by the size of each input, which halves the steps where rare categories lie beside numbers.
/// It ends where no derivative is larger than `tolerance`.
pub(super) fn fit<T: Scalar>(
    inputs: Inputs<'_, T>,
    class: &[u32],
    n_classes: usize,
    tolerance: f64,
) -> Linear {
    let rows = Rows { inputs, class, n_classes };
    let mut theta = vec![0.0; n_classes * (inputs.width + 1)];
    let (mut loss, mut gradient) = rows.objective(&theta);
    let per_step = 2.0 * (class.len() * inputs.width * n_classes) as f64;
    let diagonal = rows.diagonal();
    let mut losses = vec![loss];
    let mut pairs: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
    for _ in 0..MOST_STEPS {
        let gains_little = losses.len() as f64 * per_step > MANY_MULTIPLICATIONS
            && losses.len() > LAST_STEPS
            && losses[losses.len() - 1 - LAST_STEPS] - loss < GAIN * loss;
        if gains_little || gradient.iter().all(|derivative| derivative.abs() <= tolerance) {
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
            let gains = next_loss <= loss + SUFFICIENT * size * slope + ROUNDING * loss;
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

impl<T: Scalar> Rows<'_, T> {
    /// The parameters as a model: W row by row, then b.
    fn model(&self, theta: &[f64]) -> Linear {
        let (w, b) = theta.split_at(self.n_classes * self.inputs.width);
        let w = matrix(w, self.n_classes, self.inputs.width).to_owned();
        Linear { w, b: Array1::from(b.to_vec()) }
    }

    /// For each parameter, one over the root of its input's mean square: of an input that is rarely
    /// not 0, derivatives are small and steps have to be large.
    fn diagonal(&self) -> Vec<f64> {
        let n_rows = self.class.len() as f64;
        // The penalty's share keeps it finite for an input that is always 0.
        let mut squares = vec![1.0 / n_rows; self.inputs.width];
        self.inputs.for_each_chunk(CHUNK_ROWS, |x| {
            for row in flat(x).chunks_exact(x.ncols()) {
                let x = row.iter().map(|x| x.to_f64());
                squares.iter_mut().zip(x).for_each(|(square, x)| *square += x * x / n_rows);
            }
        });
        let of_class = squares.iter().map(|square| 1.0 / square.sqrt());
        let of_weights = std::iter::repeat_n(of_class, self.n_classes).flatten();
        of_weights.chain(std::iter::repeat_n(1.0, self.n_classes)).collect()
    }

    /// What is minimised, and its derivatives, computed in the type of the inputs.
    fn objective(&self, theta: &[f64]) -> (f64, Vec<f64>) {
        let exec = Executor::serial();
        let (n_rows, n_inputs, n_classes) = (self.class.len(), self.inputs.width, self.n_classes);
        let weights: Vec<T> = theta.iter().map(|weight| T::from_f64(*weight)).collect();
        let (w, b) = weights.split_at(n_classes * n_inputs);
        let mut dw = vec![T::ZERO; w.len()];
        let mut db = vec![0.0; n_classes];
        let most_rows = CHUNK_ROWS.min(n_rows);
        let mut scores = vec![T::ZERO; most_rows * n_classes];
        let mut d = scores.clone();
        let mut losses = vec![T::ZERO; most_rows];
        let scratch_len = gemm_scratch_len::<T>(&exec, n_classes, n_inputs, most_rows)
            .max(gemm_scratch_len::<T>(&exec, most_rows, n_classes, n_inputs));
        let mut scratch = vec![T::ZERO; scratch_len];
        let mut classes = self.class.chunks(CHUNK_ROWS);
        let loss: Box<dyn Loss<T>> = LossKind::CROSS_ENTROPY.boxed();
        let mut sum = 0.0;
        self.inputs.for_each_chunk(CHUNK_ROWS, |x| {
            let Some(class) = classes.next() else { return };
            let n = class.len();
            let [scores, d] = [&mut scores, &mut d].map(|all| &mut all[..n * n_classes]);
            let w = matrix(w, n_classes, n_inputs);
            scores.chunks_exact_mut(n_classes).for_each(|z| z.copy_from_slice(b));
            let z = matrix_mut(scores, n, n_classes);
            gemm(&exec, x, w.t(), Accum::Add, z, &mut scratch, &NoEpilogue);
            loss.gradient(LossGradient {
                exec: &exec,
                prediction: matrix(scores, n, n_classes),
                target: Target::Classes(class),
                scale: T::ONE,
                d: matrix_mut(d, n, n_classes),
                row_losses: &mut losses[..n],
            });
            let mut d_sums = vec![0.0; n_classes];
            for d in d.chunks_exact(n_classes) {
                d_sums.iter_mut().zip(d).for_each(|(sum, d)| *sum += d.to_f64());
            }
            db.iter_mut().zip(d_sums).for_each(|(db, d)| *db += d);
            let d = matrix(d, n, n_classes);
            let dw = matrix_mut(&mut dw, n_classes, n_inputs);
            gemm(&exec, d.t(), x, Accum::Add, dw, &mut scratch, &NoEpilogue);
            sum += losses[..n].iter().map(|loss| loss.to_f64()).sum::<f64>();
        });
        let per_row = 1.0 / n_rows as f64;
        let penalty = 0.5 * theta[..w.len()].iter().map(|w| w * w).sum::<f64>();
        let of_weights = dw.iter().zip(theta).map(|(dw, w)| (dw.to_f64() + w) * per_row);
        let gradient = of_weights.chain(db.into_iter().map(|db| db * per_row)).collect();
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
