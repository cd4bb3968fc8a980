//! Batch normalisation (Ioffe and Szegedy, 2015): y = γâ + β with â = (x − μ)/√(σ² + ε), for each column.
//!
//! # Derivation
//! For one column over m rows, μ = 1/m Σ x_i, σ² = 1/m Σ (x_i − μ)² (the biased variance), r = 1/√(σ² + ε). Then
//! ∂μ/∂x_j = 1/m; ∂σ²/∂x_j = 2/m·(x_j − μ), since Σ (x_i − μ) = 0; ∂r/∂x_j = −½ r³·2/m·(x_j − μ) = −r²/m·â_j. Hence
//!
//! ```text
//! ∂â_i/∂x_j = r·(δ_ij − 1/m) + (x_i − μ)·∂r/∂x_j = r·(δ_ij − 1/m − â_i·â_j/m)
//! ∂y_i/∂x_j = γ·∂â_i/∂x_j
//! dx_j = Σ_i dy_i·∂y_i/∂x_j = γ·r·(dy_j − mean(dy) − â_j·mean(dy⊙â))
//! dγ = Σ_i dy_i·â_i      dβ = Σ_i dy_i
//! ```
//!
//! With one γ and one β shared by all columns, dγ and dβ are these sums over all columns too.
//!
//! # Statistics
//! Each chunk of rows gives (count, mean, M2 = Σ (x − mean)²) for each column; chunks are merged in order by
//! Chan, Golub and LeVeque's formula, which would merge the statistics of several machines just as well.

use anabranch_tensor::Accum;
use anabranch_tensor::{
    ArrayView2, ArrayViewMut2, Executor, LANES, Part, Random, Scalar, flat, flat_mut,
    fold_partials, load_lanes, n_row_chunks, rows_per_chunk, sum_columns,
};
use ndarray::Array2;

use crate::error::LayerError;
use crate::layer::{ArraySpec, Backward, Forward, Infer, Layer, Plan, Role};

/// How many γ and β there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affine {
    /// One γ and one β for each column.
    PerUnit,
    /// One γ and one β for all columns.
    Shared,
}

/// Which variance goes into the running statistics; the batch itself is always normalised with the biased one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunningVariance {
    /// Σ(x−μ)²/(m−1), as PyTorch.
    Unbiased,
    /// Σ(x−μ)²/m, as ONNX's `BatchNormalization`.
    Biased,
}

/// y = γâ + β, with the statistics of the batch in training and running ones in evaluation.
///
/// # Shapes
/// x and y `[rows, units]`; γ and β `[units]`, or `[1]` if shared.
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

    /// Another ε, at least 0, which is added to the variance.
    pub fn with_eps(self, eps: f64) -> Self {
        Self { eps, ..self }
    }

    /// Another weight of a new batch in the running statistics, in [0, 1].
    pub fn with_momentum(self, momentum: f64) -> Self {
        Self { momentum, ..self }
    }

    /// Another number of γ and β.
    pub fn with_affine(self, affine: Affine) -> Self {
        Self { affine, ..self }
    }

    /// Another convention for the running variance.
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

    /// Writes the mean of each column of `x` to `mean` and M2 = Σ (x − mean)² to `m2`.
    fn statistics<T: Scalar>(
        exec: &Executor,
        x: ArrayView2<'_, T>,
        mean: &mut [T],
        m2: &mut [T],
        scratch: &mut [T],
    ) {
        let (n_rows, units) = x.dim();
        let x = flat(x);
        let rows_per_chunk = rows_per_chunk(units);
        let partials = &mut scratch[..n_row_chunks(n_rows, units) * 2 * units];
        let parts = [Part::Chunks(&mut *partials, 2 * units)];
        exec.for_each_chunk(
            n_rows,
            rows_per_chunk,
            parts,
            #[inline(always)]
            |rows, [partial]| {
                let (mean, m2) = partial.split_at_mut(units);
                mean_and_m2(&x[rows.start * units..rows.end * units], mean, m2);
            },
        );
        let mut n_merged = 0;
        for (chunk, partial) in partials.chunks_exact(2 * units).enumerate() {
            let n = rows_per_chunk.min(n_rows - chunk * rows_per_chunk);
            let (chunk_mean, chunk_m2) = partial.split_at(units);
            if n_merged == 0 {
                mean.copy_from_slice(chunk_mean);
                m2.copy_from_slice(chunk_m2);
            } else {
                let total = (n_merged + n) as f64;
                let mean_weight = T::from_f64(n as f64 / total);
                let m2_weight = T::from_f64(n as f64 * n_merged as f64 / total);
                for j in 0..units {
                    let d = chunk_mean[j] - mean[j];
                    mean[j] += d * mean_weight;
                    m2[j] += chunk_m2[j] + d * d * m2_weight;
                }
            }
            n_merged += n;
        }
    }

    /// y = (x − mean)·scale + β, where scale = γ·r.
    fn normalise<T: Scalar>(
        &self,
        exec: &Executor,
        x: ArrayView2<'_, T>,
        y: ArrayViewMut2<'_, T>,
        mean: &[T],
        scale: &[T],
        shift: &[T],
    ) {
        let (n_rows, units) = x.dim();
        let x = flat(x);
        let parts = [Part::Rows(flat_mut(y), units)];
        exec.for_each_chunk(
            n_rows,
            rows_per_chunk(units),
            parts,
            #[inline(always)]
            |rows, [y]| {
                normalise_rows(&x[rows.start * units..], y, [mean, scale, shift]);
            },
        );
    }

    /// γ and β for each unit, as slices of that length: γ·`r` goes to `scale`, β to `shift`.
    fn scale_and_shift<T: Scalar>(&self, params: &[T], r: &[T], scale: &mut [T], shift: &mut [T]) {
        let (gamma, beta) = params.split_at(params.len() / 2);
        for j in 0..r.len() {
            scale[j] = self.of_unit(gamma, j) * r[j];
            shift[j] = self.of_unit(beta, j);
        }
    }
}

/// The mean of each column of `x`, and M2 = Σ (x − mean)².
#[inline(always)]
fn mean_and_m2<T: Scalar>(x: &[T], mean: &mut [T], m2: &mut [T]) {
    let units = mean.len();
    let one_over_n = T::from_f64(units as f64 / x.len() as f64);
    // Both passes over some columns before the next ones: the second finds them in the cache.
    sum_columns(
        units,
        [mean, m2],
        #[inline(always)]
        |j, len, [mean, m2]| {
            for x in x.chunks_exact(units) {
                let x = load_lanes(&x[j..], len);
                for lane in 0..LANES {
                    mean[lane] += x[lane];
                }
            }
            mean.iter_mut().for_each(|mean| *mean *= one_over_n);
            for x in x.chunks_exact(units) {
                let x = load_lanes(&x[j..], len);
                for lane in 0..LANES {
                    let d = x[lane] - mean[lane];
                    m2[lane] += d * d;
                }
            }
        },
    );
}

/// y = (x − mean)·scale + shift.
#[inline(always)]
fn normalise_rows<T: Scalar>(x: &[T], y: &mut [T], vectors: [&[T]; 3]) {
    let units = vectors[0].len();
    let [mean, scale, shift] = vectors.map(|vector| &vector[..units]);
    for (y, x) in y.chunks_exact_mut(units).zip(x.chunks_exact(units)) {
        for j in 0..units {
            y[j] = (x[j] - mean[j]) * scale[j] + shift[j];
        }
    }
}

/// Σ dy and Σ dy⊙â of each column, where â = (x − mean)·r.
#[inline(always)]
fn backward_sums<T: Scalar>(x: &[T], dy: &[T], vectors: [&[T]; 2], sums: (&mut [T], &mut [T])) {
    let units = vectors[0].len();
    let [mean, r] = vectors.map(|vector| &vector[..units]);
    sum_columns(
        units,
        [sums.0, sums.1],
        #[inline(always)]
        |j, len, [sum_dy, sum_dy_a_hat]| {
            let (mean, r) = (load_lanes(&mean[j..], len), load_lanes(&r[j..], len));
            for (x, dy) in x.chunks_exact(units).zip(dy.chunks_exact(units)) {
                let (x, dy) = (load_lanes(&x[j..], len), load_lanes(&dy[j..], len));
                for lane in 0..LANES {
                    sum_dy[lane] += dy[lane];
                    sum_dy_a_hat[lane] += dy[lane] * ((x[lane] - mean[lane]) * r[lane]);
                }
            }
        },
    );
}

/// dx = scale·(dy − mean(dy) − â·mean(dy⊙â)), where scale = γ·r.
#[inline(always)]
fn backward_rows<T: Scalar>(x: &[T], dy: &[T], dx: &mut [T], accum: Accum, vectors: [&[T]; 5]) {
    let units = vectors[0].len();
    let [mean, r, scale, mean_dy, mean_dy_a_hat] = vectors.map(|vector| &vector[..units]);
    let rows = x.chunks_exact(units).zip(dy.chunks_exact(units));
    for (dx, (x, dy)) in dx.chunks_exact_mut(units).zip(rows) {
        for j in 0..units {
            let a_hat = (x[j] - mean[j]) * r[j];
            let d = scale[j] * (dy[j] - mean_dy[j] - a_hat * mean_dy_a_hat[j]);
            dx[j] = accum.combine(dx[j], d);
        }
    }
}

impl Default for BatchNorm {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Scalar> Layer<T> for BatchNorm {
    fn plan(&self, _exec: &Executor, rows: usize, inputs: usize) -> Result<Plan, LayerError> {
        let layer = "batch norm";
        if inputs == 0 {
            return Err(LayerError::Empty { layer, what: "units" });
        }
        if !(self.eps >= 0.0 && self.eps.is_finite()) {
            let (name, expected) = ("eps", "finite and at least 0");
            return Err(LayerError::Range { layer, name, expected, value: self.eps });
        }
        if !(0.0..=1.0).contains(&self.momentum) {
            let (name, expected) = ("momentum", "in [0, 1]");
            return Err(LayerError::Range { layer, name, expected, value: self.momentum });
        }
        let n_affine = match self.affine {
            Affine::PerUnit => inputs,
            Affine::Shared => 1,
        };
        Ok(Plan {
            params: vec![
                ArraySpec::vector("weight", n_affine, Role::Norm),
                ArraySpec::vector("bias", n_affine, Role::Norm),
            ],
            state: vec![
                ArraySpec::vector("running_mean", inputs, Role::Norm),
                ArraySpec::vector("running_var", inputs, Role::Norm),
            ],
            // μ and r.
            saved_len: 2 * inputs,
            // Two vectors for each chunk, and two for the whole batch.
            scratch_len: (2 * n_row_chunks(rows, inputs) + 2) * inputs,
            min_rows: 2,
            flops_per_row: 7 * inputs,
            ..Plan::elementwise(inputs)
        })
    }

    fn init(&self, _random: &mut Random, _inputs: usize, params: &mut [T], state: &mut [T]) {
        let (gamma, beta) = params.split_at_mut(params.len() / 2);
        gamma.fill(T::ONE);
        beta.fill(T::ZERO);
        let (mean, variance) = state.split_at_mut(state.len() / 2);
        mean.fill(T::ZERO);
        variance.fill(T::ONE);
    }

    fn forward(&self, cx: Forward<'_, T>) {
        let (n_rows, units) = cx.x.dim();
        let m = n_rows as f64;
        let (mean, r) = cx.saved.split_at_mut(units);
        let (scale, scratch) = cx.scratch.split_at_mut(units);
        let (shift, scratch) = scratch.split_at_mut(units);
        let m2 = r;
        Self::statistics(cx.exec, cx.x, mean, m2, scratch);

        let (running_mean, running_var) = cx.state.split_at_mut(units);
        let divisor = match self.running {
            RunningVariance::Unbiased => m - 1.0,
            RunningVariance::Biased => m,
        };
        let (keep, new) = (T::from_f64(1.0 - self.momentum), T::from_f64(self.momentum));
        let (to_running, to_biased) = (T::from_f64(1.0 / divisor), T::from_f64(1.0 / m));
        let eps = T::from_f64(self.eps);
        for j in 0..units {
            running_mean[j] = keep * running_mean[j] + new * mean[j];
            running_var[j] = keep * running_var[j] + new * (m2[j] * to_running);
        }
        let r = m2;
        for r in r.iter_mut() {
            *r = T::ONE / (*r * to_biased + eps).sqrt();
        }
        self.scale_and_shift(cx.params, r, scale, shift);
        self.normalise(cx.exec, cx.x, cx.y, mean, scale, shift);
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
        self.normalise(cx.exec, cx.x, cx.y, mean, scale, shift);
    }

    fn backward(&self, cx: Backward<'_, T>) {
        let (n_rows, units) = cx.x.dim();
        let (x, dy) = (flat(cx.x), flat(cx.dy.view()));
        let (mean, r) = cx.saved.split_at(units);
        let (sums, scratch) = cx.scratch.split_at_mut(2 * units);
        let rows_per_chunk = rows_per_chunk(units);

        // Σ dy and Σ dy⊙â of each column.
        let partials = &mut scratch[..n_row_chunks(n_rows, units) * 2 * units];
        let parts = [Part::Chunks(&mut *partials, 2 * units)];
        cx.exec.for_each_chunk(
            n_rows,
            rows_per_chunk,
            parts,
            #[inline(always)]
            |rows, [partial]| {
                let span = rows.start * units..rows.end * units;
                let sums = partial.split_at_mut(units);
                backward_sums(&x[span.clone()], &dy[span], [mean, r], sums);
            },
        );
        fold_partials(partials, Accum::Replace, sums);
        let (sum_dy, sum_dy_a_hat) = sums.split_at_mut(units);

        let (dgamma, dbeta) = cx.grads.split_at_mut(cx.grads.len() / 2);
        match self.affine {
            Affine::PerUnit => {
                dgamma.copy_from_slice(sum_dy_a_hat);
                dbeta.copy_from_slice(sum_dy);
            }
            Affine::Shared => {
                dgamma[0] = sum_dy_a_hat.iter().fold(T::ZERO, |sum, v| sum + *v);
                dbeta[0] = sum_dy.iter().fold(T::ZERO, |sum, v| sum + *v);
            }
        }

        let Some((dx, accum)) = cx.dx else { return };
        let one_over_m = T::from_f64(1.0 / n_rows as f64);
        for sum in [&mut *sum_dy, &mut *sum_dy_a_hat] {
            sum.iter_mut().for_each(|v| *v *= one_over_m);
        }
        let (mean_dy, mean_dy_a_hat) = (&*sum_dy, &*sum_dy_a_hat);
        // The partial sums have been folded: their memory is free for γ·r.
        let scale = &mut scratch[..units];
        let gamma = &cx.params[..cx.params.len() / 2];
        for j in 0..units {
            scale[j] = self.of_unit(gamma, j) * r[j];
        }
        let vectors = [mean, r, &*scale, mean_dy, mean_dy_a_hat];
        let parts = [Part::Rows(flat_mut(dx), units)];
        cx.exec.for_each_chunk(
            n_rows,
            rows_per_chunk,
            parts,
            #[inline(always)]
            |rows, [dx]| {
                let span = rows.start * units..rows.end * units;
                backward_rows(&x[span.clone()], &dy[span], dx, accum, vectors);
            },
        );
    }

    fn describe(&self) -> String {
        let shared = if self.affine == Affine::Shared { ", shared affine" } else { "" };
        format!("batch norm eps={:e}{shared}", self.eps)
    }
}
