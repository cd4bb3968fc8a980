//! Batch normalisation (Ioffe and Szegedy, 2015): y = γâ + β with â = (x − μ)/√(σ² + ε), for each
//! column.

mod rows;

use anabranch_tensor::columns::{fold_partials, n_row_chunks};
use anabranch_tensor::parallel::{Part, rows_per_chunk};
use anabranch_tensor::random::Random;
use anabranch_tensor::{Accum, ArrayView2, ArrayViewMut2, Executor, Scalar, flat, flat_mut};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::error::LayerError;
use crate::layer::{Infer, Layer, Training, compiled_here};
use crate::row_wise::Dx;
use crate::shape::{ArraySpec, Memory, Role, Shape, one_input};
use crate::whole_batch::{ApplyBackward, Merge, Summaries, SummariseBackward, WholeBatch};
use rows::{backward_rows, backward_sums, mean_and_m2, normalise_rows};

/// How many γ and β there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Affine {
    /// One γ and one β for each column.
    PerUnit,
    /// One γ and one β for all columns.
    Shared,
}

/// Which variance enters the running statistics; a training batch is always normalised with the
/// biased one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunningVariance {
    /// Σ(x−μ)²/(m−1), as PyTorch.
    Unbiased,
    /// Σ(x−μ)²/m, as ONNX's `BatchNormalization`.
    Biased,
}

/// y = γâ + β, with batch statistics in training and running statistics in evaluation.
///
/// # Shapes
/// x and y `[rows, units]`; γ and β `[units]`, or `[1]` if shared.
///
/// # Derivation
/// For one column over m rows, μ = 1/m Σ x_i, σ² = 1/m Σ (x_i − μ)² (the biased variance), r =
/// 1/√(σ² + ε). Then ∂μ/∂x_j = 1/m; ∂σ²/∂x_j = 2/m·(x_j − μ), since Σ (x_i − μ) = 0; ∂r/∂x_j = −½
/// r³·2/m·(x_j − μ) = −r²/m·â_j. Hence
///
/// ```text
/// ∂â_i/∂x_j = r·(δ_ij − 1/m) + (x_i − μ)·∂r/∂x_j = r·(δ_ij − 1/m − â_i·â_j/m)
/// ∂y_i/∂x_j = γ·∂â_i/∂x_j
/// dx_j = Σ_i dy_i·∂y_i/∂x_j = γ·r·(dy_j − mean(dy) − â_j·mean(dy⊙â))
/// dγ = Σ_i dy_i·â_i      dβ = Σ_i dy_i
/// ```
///
/// If all columns share one γ and one β, dγ and dβ are summed over the columns too.
///
/// # Statistics
/// Each chunk of rows yields (count, mean, M2 = Σ (x − mean)²) for each column; chunks, and then
/// shards of a batch, are merged in order by Chan, Golub and LeVeque's formula, which would work
/// across machines too.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    eps: f64,
    momentum: f64,
    affine: Affine,
    running: RunningVariance,
}

impl BatchNorm {
    /// PyTorch's defaults: ε = 1e-5, and a new batch has weight 0.1 in the running statistics.
    pub fn new() -> Self {
        Self {
            eps: 1e-5,
            momentum: 0.1,
            affine: Affine::PerUnit,
            running: RunningVariance::Unbiased,
        }
    }

    /// Sets ε, above 0, which is added to the variance.
    pub fn with_eps(self, eps: f64) -> Self {
        Self { eps, ..self }
    }

    /// Sets the weight of a new batch in the running statistics, in [0, 1].
    pub fn with_momentum(self, momentum: f64) -> Self {
        Self { momentum, ..self }
    }

    /// Sets how many γ and β there are.
    pub fn with_affine(self, affine: Affine) -> Self {
        Self { affine, ..self }
    }

    /// Sets the convention for the running variance.
    pub fn with_running_variance(self, running: RunningVariance) -> Self {
        Self { running, ..self }
    }

    /// The Jacobian ∂y_i/∂x_j of one column `x` with scale `gamma`, `[rows, rows]`.
    pub fn jacobian<T: Scalar>(&self, x: &[T], gamma: T) -> Array2<T> {
        let m = T::from_f64(x.len() as f64);
        let mean = x.iter().fold(T::ZERO, |sum, x| sum + *x) / m;
        let variance = x.iter().fold(T::ZERO, |sum, x| sum + (*x - mean) * (*x - mean)) / m;
        let r = T::ONE / (variance + T::from_f64(self.eps)).sqrt();
        let a_hat = |i: usize| (x[i] - mean) * r;
        Array2::from_shape_fn((x.len(), x.len()), |(i, j)| {
            let same = if i == j { T::ONE } else { T::ZERO };
            gamma * r * (same - T::ONE / m - a_hat(i) * a_hat(j) / m)
        })
    }

    /// γ or β of `unit`.
    #[inline(always)]
    fn of_unit<T: Copy>(&self, array: &[T], unit: usize) -> T {
        match self.affine {
            Affine::PerUnit => array[unit],
            Affine::Shared => array[0],
        }
    }
}

/// y = (x − mean)·scale + shift, where scale = γ·r and shift = β.
fn normalise<T: Scalar>(
    exec: &Executor,
    x: ArrayView2<'_, T>,
    y: ArrayViewMut2<'_, T>,
    vectors: [&[T]; 3],
) {
    let (dim, x) = (x.dim(), flat(x));
    exec.for_each_span(
        dim,
        [Part::Rows(flat_mut(y), dim.1)],
        #[inline(always)]
        |span, [y]| normalise_rows(&x[span], y, vectors),
    );
}

/// Merges (count, mean, M2) of some rows into those of the `n_merged` rows before them (Chan, Golub
/// and LeVeque).
fn merge_moments<T: Scalar>(
    (n_merged, n): (usize, usize),
    (mean, m2): (&mut [T], &mut [T]),
    (mean_new, m2_new): (&[T], &[T]),
) {
    if n_merged == 0 {
        mean.copy_from_slice(mean_new);
        m2.copy_from_slice(m2_new);
        return;
    }
    let total = (n_merged + n) as f64;
    let mean_weight = T::from_f64(n as f64 / total);
    let m2_weight = T::from_f64(n as f64 * n_merged as f64 / total);
    for j in 0..mean.len() {
        let d = mean_new[j] - mean[j];
        mean[j] += d * mean_weight;
        m2[j] += m2_new[j] + d * d * m2_weight;
    }
}

/// Splits a summary, or merged summaries, into two vectors with one element per unit.
fn halves<T>(summary: &mut [T]) -> (&mut [T], &mut [T]) {
    summary.split_at_mut(summary.len() / 2)
}

/// What `merge` saves: the mean, r, γ·r and β of each unit.
fn saved_vectors<T>(saved: &[T]) -> [&[T]; 4] {
    let units = saved.len() / 4;
    std::array::from_fn(|i| &saved[i * units..(i + 1) * units])
}

impl Default for BatchNorm {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Scalar> Layer<T> for BatchNorm {
    compiled_here!(BatchNorm);

    fn shape(&self, inputs: &[usize]) -> Result<Shape, LayerError> {
        let layer = "batch norm";
        let units = one_input(layer, inputs)?;
        if !(self.eps > 0.0 && self.eps.is_finite()) {
            let (name, expected) =
                ("eps", "finite and above 0, since the variance of a constant column is 0");
            return Err(LayerError::Range { layer, name, expected, value: self.eps });
        }
        if !(0.0..=1.0).contains(&self.momentum) {
            let (name, expected) = ("momentum", "in [0, 1]");
            return Err(LayerError::Range { layer, name, expected, value: self.momentum });
        }
        let n_affine = match self.affine {
            Affine::PerUnit => units,
            Affine::Shared => 1,
        };
        Ok(Shape {
            params: vec![
                ArraySpec::vector("weight", n_affine, Role::Norm),
                ArraySpec::vector("bias", n_affine, Role::Norm),
            ],
            state: vec![
                ArraySpec::vector("running_mean", units, Role::Norm),
                ArraySpec::vector("running_var", units, Role::Norm),
            ],
            min_rows: 2,
            flops_per_row: 7 * units,
            ..Shape::new(units)
        })
    }

    /// Saves the mean, r, γ·r and β; each chunk sums two vectors.
    fn memory(&self, _exec: &Executor, rows: usize, inputs: &[usize]) -> Memory {
        let n_chunks = n_row_chunks(rows, inputs[0]).max(1);
        Memory { saved_len: 4 * inputs[0], scratch_len: 2 * n_chunks * inputs[0] }
    }

    fn init(&self, _random: &mut Random, _inputs: &[usize], params: &mut [T], state: &mut [T]) {
        let (gamma, beta) = params.split_at_mut(params.len() / 2);
        gamma.fill(T::ONE);
        beta.fill(T::ZERO);
        let (mean, variance) = state.split_at_mut(state.len() / 2);
        mean.fill(T::ZERO);
        variance.fill(T::ONE);
    }

    fn infer(&self, cx: Infer<'_, T>) {
        let units = cx.x.ncols();
        let (mean, variance) = cx.state.split_at(units);
        let (scale, scratch) = cx.scratch.split_at_mut(units);
        let shift = &mut scratch[..units];
        let (gamma, beta) = cx.params.split_at(cx.params.len() / 2);
        let eps = T::from_f64(self.eps);
        for j in 0..units {
            scale[j] = self.of_unit(gamma, j) / (variance[j] + eps).sqrt();
            shift[j] = self.of_unit(beta, j);
        }
        normalise(cx.exec, cx.x, cx.y, [mean, scale, shift]);
    }

    fn training(&self) -> Training<'_, T> {
        Training::WholeBatch(self)
    }

    fn describe(&self) -> String {
        let shared = if self.affine == Affine::Shared { ", shared affine" } else { "" };
        format!("batch norm eps={:e}{shared}", self.eps)
    }
}

/// A summary is (mean, M2) of each column forward, and (Σ dy, Σ dy⊙â) backward.
impl<T: Scalar> WholeBatch<T> for BatchNorm {
    fn summary_len(&self, inputs: usize) -> usize {
        2 * inputs
    }

    fn summarise(
        &self,
        exec: &Executor,
        x: ArrayView2<'_, T>,
        summary: &mut [T],
        scratch: &mut [T],
    ) {
        let (n_rows, units) = x.dim();
        let x = flat(x);
        let rows_per_chunk = rows_per_chunk(units);
        let partials = &mut scratch[..n_row_chunks(n_rows, units) * 2 * units];
        exec.for_each_span(
            (n_rows, units),
            [Part::Chunks(&mut *partials, 2 * units)],
            #[inline(always)]
            |span, [partial]| {
                let (mean, m2) = halves(partial);
                mean_and_m2(&x[span], mean, m2);
            },
        );
        let (mean, m2) = halves(summary);
        for (chunk, partial) in partials.chunks_exact(2 * units).enumerate() {
            let n_merged = chunk * rows_per_chunk;
            let n = rows_per_chunk.min(n_rows - n_merged);
            merge_moments((n_merged, n), (&mut *mean, &mut *m2), partial.split_at(units));
        }
    }

    fn merge(&self, cx: Merge<'_, T>) {
        let units = cx.state.len() / 2;
        let (mean, rest) = cx.saved.split_at_mut(units);
        let (m2, rest) = rest.split_at_mut(units);
        for (rows, summary) in cx.summaries.iter() {
            let part = summary.split_at(units);
            merge_moments((rows.start, rows.len()), (&mut *mean, &mut *m2), part);
        }
        let m = cx.summaries.n_rows as f64;
        let (running_mean, running_var) = cx.state.split_at_mut(units);
        let divisor = match self.running {
            RunningVariance::Unbiased => m - 1.0,
            RunningVariance::Biased => m,
        };
        let (keep, new) = (T::from_f64(1.0 - self.momentum), T::from_f64(self.momentum));
        let (to_running, to_biased) = (T::from_f64(1.0 / divisor), T::from_f64(1.0 / m));
        for j in 0..units {
            running_mean[j] = keep * running_mean[j] + new * mean[j];
            running_var[j] = keep * running_var[j] + new * (m2[j] * to_running);
        }
        let r = m2;
        let eps = T::from_f64(self.eps);
        for r in r.iter_mut() {
            *r = T::ONE / (*r * to_biased + eps).sqrt();
        }
        let (gamma, beta) = cx.params.split_at(cx.params.len() / 2);
        let (scale, shift) = halves(rest);
        for j in 0..units {
            scale[j] = self.of_unit(gamma, j) * r[j];
            shift[j] = self.of_unit(beta, j);
        }
    }

    fn apply(&self, exec: &Executor, x: ArrayView2<'_, T>, y: ArrayViewMut2<'_, T>, saved: &[T]) {
        let [mean, _, scale, shift] = saved_vectors(saved);
        normalise(exec, x, y, [mean, scale, shift]);
    }

    fn summarise_backward(&self, cx: SummariseBackward<'_, T>) {
        let (n_rows, units) = cx.x.dim();
        let (x, dy) = (flat(cx.x), flat(cx.dy));
        let [mean, r, ..] = saved_vectors(cx.saved);
        let partials = &mut cx.scratch[..n_row_chunks(n_rows, units) * 2 * units];
        cx.exec.for_each_span(
            (n_rows, units),
            [Part::Chunks(&mut *partials, 2 * units)],
            #[inline(always)]
            |span, [partial]| {
                backward_sums(&x[span.clone()], &dy[span], [mean, r], halves(partial));
            },
        );
        fold_partials(partials, Accum::Replace, cx.summary);
        let (sum_dy, sum_dy_a_hat) = halves(cx.summary);
        let (dgamma, dbeta) = halves(cx.grads);
        for (grad, sum) in [(dgamma, sum_dy_a_hat), (dbeta, sum_dy)] {
            match self.affine {
                Affine::PerUnit => {
                    for (grad, sum) in grad.iter_mut().zip(sum) {
                        *grad = cx.accum.combine(*grad, *sum);
                    }
                }
                Affine::Shared => {
                    let total = sum.iter().fold(T::ZERO, |total, v| total + *v);
                    grad[0] = cx.accum.combine(grad[0], total);
                }
            }
        }
    }

    fn merge_backward(&self, summaries: Summaries<'_, T>, merged: &mut [T]) {
        for (rows, summary) in summaries.iter() {
            let accum = if rows.start == 0 { Accum::Replace } else { Accum::Add };
            for (merged, sum) in merged.iter_mut().zip(summary) {
                *merged = accum.combine(*merged, *sum);
            }
        }
        let one_over_m = T::from_f64(1.0 / summaries.n_rows as f64);
        merged.iter_mut().for_each(|sum| *sum *= one_over_m);
    }

    fn apply_backward(&self, cx: ApplyBackward<'_, T>) {
        let (dim, x, dy) = (cx.x.dim(), flat(cx.x), flat(cx.dy));
        let [mean, r, scale, _] = saved_vectors(cx.saved);
        let (mean_dy, mean_dy_a_hat) = cx.merged.split_at(dim.1);
        let vectors = [mean, r, scale, mean_dy, mean_dy_a_hat];
        let Dx { values: dx, accum } = cx.dx;
        cx.exec.for_each_span(
            dim,
            [Part::Rows(flat_mut(dx), dim.1)],
            #[inline(always)]
            |span, [dx]| backward_rows(&x[span.clone()], &dy[span], dx, accum, vectors),
        );
    }
}
