//! Layer normalisation.

use anabranch_tensor::columns::{fold_partials, n_row_chunks};
use anabranch_tensor::parallel::Part;
use anabranch_tensor::random::Random;
use anabranch_tensor::rows::{row_dots, row_sum};
use anabranch_tensor::{Accum, Executor, Scalar, flat, flat_mut};

use crate::error::LayerError;
use crate::layer::{Infer, Layer, RowWise, Training, compiled_here};
use crate::row_wise::{Backward, Dx, ParamGrads};
use crate::shape::{ArraySpec, Memory, Role, Shape, one_input};

/// y = γ·x̂ + β with x̂ = (x − μ)/√(σ² + ε), where μ and σ² are the mean and the biased variance of
/// each row (Ba, Kiros and Hinton, 2016). Rows do not depend on each other, so training and
/// evaluation compute the same function.
///
/// # Shapes
/// x and y `[rows, units]`, γ and β `[units]`, called `weight` and `bias`.
///
/// # Derivation
/// Write r = 1/√(σ² + ε) and n for the number of units; μ = 1/n Σ_j x_j and σ² = 1/n Σ_j (x_j −
/// μ)². γ and β are shared by all rows:
///
/// ```text
/// dγ_j = Σ_rows dy_j·x̂_j        dβ_j = Σ_rows dy_j
/// ```
///
/// Within a row, with d_j = dL/dx̂_j = dy_j·γ_j: ∂μ/∂x_i = 1/n, and ∂σ²/∂x_i = 2/n·(x_i − μ), since
/// Σ_j (x_j − μ) = 0. So ∂r/∂x_i = −½·r³·∂σ²/∂x_i = −r²·x̂_i/n, and
///
/// ```text
/// ∂x̂_j/∂x_i = r·([i=j] − 1/n) + (x_j − μ)·∂r/∂x_i = r·([i=j] − 1/n − x̂_j·x̂_i/n)
/// dx_i = Σ_j d_j·∂x̂_j/∂x_i = r·(d_i − mean(d) − x̂_i·mean(d⊙x̂))
/// ```
///
/// with means over the units of the row: the batch normalisation formula along the other axis.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    eps: f64,
}

impl LayerNorm {
    /// PyTorch's default: ε = 1e-5.
    pub fn new() -> Self {
        Self { eps: 1e-5 }
    }

    /// Sets ε, above 0, which is added to the variance.
    pub fn with_eps(self, eps: f64) -> Self {
        Self { eps }
    }
}

impl Default for LayerNorm {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes x − μ to `d` and returns r.
#[inline(always)]
fn normalise<T: Scalar>(x: &[T], d: &mut [T], eps: T) -> T {
    let one_over_n = T::from_f64(1.0 / x.len() as f64);
    let mean = row_sum(x) * one_over_n;
    for (d, x) in d.iter_mut().zip(x) {
        *d = *x - mean;
    }
    let mut squares = [T::ZERO];
    row_dots(d, d, x.len(), &mut squares);
    T::ONE / (squares[0] * one_over_n + eps).sqrt()
}

/// dx for the rows of a chunk; `x_hat` has room for one row.
#[inline(always)]
fn backward_rows<T: Scalar>(
    [x, dy, gamma]: [&[T]; 3],
    dx: &mut [T],
    accum: Accum,
    x_hat: &mut [T],
    eps: T,
) {
    let units = gamma.len();
    let one_over_n = T::from_f64(1.0 / units as f64);
    let rows = x.chunks_exact(units).zip(dy.chunks_exact(units));
    for (dx, (x, dy)) in dx.chunks_exact_mut(units).zip(rows) {
        let r = normalise(x, x_hat, eps);
        let (mut mean_d, mut mean_d_x_hat) = (T::ZERO, T::ZERO);
        for j in 0..units {
            x_hat[j] *= r;
            let d = dy[j] * gamma[j];
            mean_d += d;
            mean_d_x_hat += d * x_hat[j];
        }
        (mean_d, mean_d_x_hat) = (mean_d * one_over_n, mean_d_x_hat * one_over_n);
        for j in 0..units {
            let d = dy[j] * gamma[j];
            dx[j] = accum.combine(dx[j], r * (d - mean_d - x_hat[j] * mean_d_x_hat));
        }
    }
}

/// Σ dy⊙x̂ and Σ dy of each unit over the rows of a chunk.
#[inline(always)]
fn gradient_rows<T: Scalar>([x, dy]: [&[T]; 2], sums: &mut [T], x_hat: &mut [T], eps: T) {
    let units = x_hat.len();
    sums.fill(T::ZERO);
    let (sum_dy_x_hat, sum_dy) = sums.split_at_mut(units);
    for (x, dy) in x.chunks_exact(units).zip(dy.chunks_exact(units)) {
        let r = normalise(x, x_hat, eps);
        for j in 0..units {
            sum_dy_x_hat[j] += dy[j] * (x_hat[j] * r);
            sum_dy[j] += dy[j];
        }
    }
}

impl<T: Scalar> Layer<T> for LayerNorm {
    compiled_here!(LayerNorm);

    fn shape(&self, inputs: &[usize]) -> Result<Shape, LayerError> {
        let layer = "layer norm";
        let units = one_input(layer, inputs)?;
        if !(self.eps > 0.0 && self.eps.is_finite()) {
            let (name, expected) = ("eps", "finite and above 0");
            return Err(LayerError::Range { layer, name, expected, value: self.eps });
        }
        Ok(Shape {
            params: vec![
                ArraySpec::vector("weight", units, Role::Norm),
                ArraySpec::vector("bias", units, Role::Norm),
            ],
            flops_per_row: 8 * units,
            ..Shape::new(units)
        })
    }

    /// Two sums and one row per chunk.
    fn memory(&self, _exec: &Executor, rows: usize, inputs: &[usize]) -> Memory {
        Memory { saved_len: 0, scratch_len: 3 * n_row_chunks(rows, inputs[0]) * inputs[0] }
    }

    fn init(&self, _random: &mut Random, _inputs: &[usize], params: &mut [T], _state: &mut [T]) {
        let (gamma, beta) = params.split_at_mut(params.len() / 2);
        gamma.fill(T::ONE);
        beta.fill(T::ZERO);
    }

    fn infer(&self, cx: Infer<'_, T>) {
        let ((n_rows, units), x, eps) = (cx.x.dim(), flat(cx.x), T::from_f64(self.eps));
        let (gamma, beta) = cx.params.split_at(units);
        cx.exec.for_each_span(
            (n_rows, units),
            [Part::Rows(flat_mut(cx.y), units)],
            #[inline(always)]
            |span, [y]| {
                for (y, x) in y.chunks_exact_mut(units).zip(x[span].chunks_exact(units)) {
                    let r = normalise(x, y, eps);
                    for ((y, gamma), beta) in y.iter_mut().zip(gamma).zip(beta) {
                        *y = *gamma * (*y * r) + *beta;
                    }
                }
            },
        );
    }

    fn training(&self) -> Training<'_, T> {
        Training::RowWise(self)
    }

    fn describe(&self) -> String {
        format!("layer norm eps={:e}", self.eps)
    }
}

impl<T: Scalar> RowWise<T> for LayerNorm {
    fn backward(&self, cx: Backward<'_, T>) {
        let Some(Dx { values: dx, accum }) = cx.dx else { return };
        let (n_rows, units) = cx.x.dim();
        let (x, dy, gamma) = (flat(cx.x), flat(cx.dy.view()), &cx.params[..units]);
        let eps = T::from_f64(self.eps);
        let room = &mut cx.scratch[..n_row_chunks(n_rows, units) * units];
        cx.exec.for_each_span(
            (n_rows, units),
            [Part::Chunks(room, units), Part::Rows(flat_mut(dx), units)],
            #[inline(always)]
            |span, [x_hat, dx]| {
                backward_rows([&x[span.clone()], &dy[span], gamma], dx, accum, x_hat, eps);
            },
        );
    }

    fn param_grads(&self, cx: ParamGrads<'_, T>) {
        let (n_rows, units) = cx.x.dim();
        let (x, dy, eps) = (flat(cx.x), flat(cx.dy), T::from_f64(self.eps));
        let n_chunks = n_row_chunks(n_rows, units);
        let (partials, room) =
            cx.scratch[..3 * n_chunks * units].split_at_mut(2 * n_chunks * units);
        cx.exec.for_each_span(
            (n_rows, units),
            [Part::Chunks(&mut *partials, 2 * units), Part::Chunks(room, units)],
            #[inline(always)]
            |span, [sums, x_hat]| {
                gradient_rows([&x[span.clone()], &dy[span]], sums, x_hat, eps);
            },
        );
        fold_partials(partials, cx.accum, cx.grads);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Standalone;
    use ndarray::array;

    /// The formula in mpmath with 40 digits, and its differences with a step of 1e-15.
    #[test]
    fn values_and_gradients_are_those_of_the_formula() {
        let mut layer = Standalone::<f64>::new(LayerNorm::new(), 3, 1).unwrap();
        layer.param_mut("weight").unwrap().copy_from_slice(&[1.5, -0.5, 2.0]);
        layer.param_mut("bias").unwrap().copy_from_slice(&[0.1, 0.2, -0.3]);
        let x = array![[0.5, -1.0, 2.0], [3.0, 0.25, -0.75]];
        let y = layer.forward(x.view()).unwrap();
        let dy = array![[0.3, -0.7, 1.1], [-0.2, 0.4, 0.9]];
        let dx = layer.backward(dy.view()).unwrap();
        let close = |found: &[f64], expected: [f64; 6]| {
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-14, "{found} {expected}");
            }
        };
        close(y.as_slice().unwrap(), Y);
        close(dx.as_slice().unwrap(), DX);
        close(layer.grads(), GRADS);
        assert_eq!(layer.infer(x.view()).unwrap(), y);
    }

    const Y: [f64; 6] = [
        0.1,
        0.812_370_394_464_548_4,
        2.149_481_577_858_193_4,
        2.149_790_414_860_625_6,
        0.383_955_550_051_594_6,
        -2.297_231_686_274_455_7,
    ];
    const DX: [f64; 6] = [
        -0.449_071_622_607_335_46,
        0.224_530_776_291_768_88,
        0.224_540_846_315_566_6,
        0.150_530_406_105_379_84,
        -0.564_497_511_241_265_1,
        0.413_967_105_135_885_3,
    ];
    const GRADS: [f64; 6] =
        [-0.273_305_388_648_083_4, 0.710_154_112_209_092, 0.448_460_608_998_501_3, 0.1, -0.3, 2.0];
}
