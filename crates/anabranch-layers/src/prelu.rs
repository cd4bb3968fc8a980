//! The rectifier with a learned slope.

use anabranch_tensor::columns::{fold_partials, n_row_chunks};
use anabranch_tensor::lanes::sum_columns;
use anabranch_tensor::parallel::Part;
use anabranch_tensor::random::Random;
use anabranch_tensor::{Executor, Scalar, flat, flat_mut};

use crate::error::LayerError;
use crate::layer::{Infer, Layer, RowWise, Training, compiled_here};
use crate::row_wise::{Backward, Dx, ParamGrads};
use crate::shape::{ArraySpec, Memory, Role, Shape, one_input};

/// y = x for x > 0, and a_j·x elsewhere, with a learned slope a_j for each unit (He et al., 2015).
///
/// # Shapes
/// x and y `[rows, units]`, a `[units]`, called `weight`.
///
/// # Derivation
/// An element depends on its own x and on its unit's a alone: ∂y/∂x is 1 for x > 0 and a_j
/// elsewhere (at 0 by convention, as in PyTorch), ∂y/∂a_j is 0 for x > 0 and x elsewhere, that is
/// min(x, 0). All rows share a:
///
/// ```text
/// dx_j = dy_j·(1 if x_j > 0 else a_j)        da_j = Σ_rows dy_j·min(x_j, 0)
/// ```
#[derive(Clone, Debug)]
pub struct PRelu {
    initial: f64,
}

impl PRelu {
    /// PyTorch's default: initial slopes of 0.25.
    pub fn new() -> Self {
        Self { initial: 0.25 }
    }

    /// Sets the initial slope.
    pub fn with_initial(self, initial: f64) -> Self {
        Self { initial }
    }
}

impl Default for PRelu {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Scalar> Layer<T> for PRelu {
    compiled_here!(PRelu);

    fn shape(&self, inputs: &[usize]) -> Result<Shape, LayerError> {
        let layer = "prelu";
        let units = one_input(layer, inputs)?;
        if !self.initial.is_finite() {
            let (name, expected) = ("the initial slope", "finite");
            return Err(LayerError::Range { layer, name, expected, value: self.initial });
        }
        let params = vec![ArraySpec::vector("weight", units, Role::Slope)];
        Ok(Shape { params, ..Shape::new(units) })
    }

    /// One sum per chunk.
    fn memory(&self, _exec: &Executor, rows: usize, inputs: &[usize]) -> Memory {
        Memory { saved_len: 0, scratch_len: n_row_chunks(rows, inputs[0]) * inputs[0] }
    }

    fn init(&self, _random: &mut Random, _inputs: &[usize], params: &mut [T], _state: &mut [T]) {
        params.fill(T::from_f64(self.initial));
    }

    fn infer(&self, cx: Infer<'_, T>) {
        let ((n_rows, units), x, slopes) = (cx.x.dim(), flat(cx.x), cx.params);
        cx.exec.for_each_span(
            (n_rows, units),
            [Part::Rows(flat_mut(cx.y), units)],
            #[inline(always)]
            |span, [y]| {
                for (y, x) in y.chunks_exact_mut(units).zip(x[span].chunks_exact(units)) {
                    for ((y, x), a) in y.iter_mut().zip(x).zip(slopes) {
                        *y = if *x > T::ZERO { *x } else { *a * *x };
                    }
                }
            },
        );
    }

    fn training(&self) -> Training<'_, T> {
        Training::RowWise(self)
    }

    fn describe(&self) -> String {
        "prelu".into()
    }
}

impl<T: Scalar> RowWise<T> for PRelu {
    fn backward(&self, cx: Backward<'_, T>) {
        let Some(Dx { values: dx, accum }) = cx.dx else { return };
        let (n_rows, units) = cx.x.dim();
        let (x, dy, slopes) = (flat(cx.x), flat(cx.dy.view()), cx.params);
        cx.exec.for_each_span(
            (n_rows, units),
            [Part::Rows(flat_mut(dx), units)],
            #[inline(always)]
            |span, [dx]| {
                let rows = x[span.clone()].chunks_exact(units).zip(dy[span].chunks_exact(units));
                for (dx, (x, dy)) in dx.chunks_exact_mut(units).zip(rows) {
                    for j in 0..units {
                        let slope = if x[j] > T::ZERO { T::ONE } else { slopes[j] };
                        dx[j] = accum.combine(dx[j], dy[j] * slope);
                    }
                }
            },
        );
    }

    fn param_grads(&self, cx: ParamGrads<'_, T>) {
        let (n_rows, units) = cx.x.dim();
        let (x, dy) = (flat(cx.x), flat(cx.dy));
        let partials = &mut cx.scratch[..n_row_chunks(n_rows, units) * units];
        cx.exec.for_each_span(
            (n_rows, units),
            [Part::Chunks(&mut *partials, units)],
            #[inline(always)]
            |span, [sums]| {
                sum_columns(
                    [&x[span.clone()], &dy[span]],
                    [],
                    [sums],
                    #[inline(always)]
                    |[x, dy], []| [if x > T::ZERO { T::ZERO } else { dy * x }],
                );
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

    #[test]
    fn values_and_gradients_by_hand() {
        let mut layer = Standalone::<f64>::new(PRelu::new(), 2, 1).unwrap();
        assert_eq!(layer.params(), [0.25, 0.25]);
        layer.params_mut()[1] = -2.0;
        let x = array![[4.0, -3.0], [-8.0, 0.0], [-1.0, 5.0]];
        let y = layer.forward(x.view()).unwrap();
        assert_eq!(y, array![[4.0, 6.0], [-2.0, 0.0], [-0.25, 5.0]]);
        assert_eq!(layer.infer(x.view()).unwrap(), y);
        let dx = layer.backward(array![[1.0, 1.0], [2.0, 3.0], [4.0, 5.0]].view()).unwrap();
        // 1 above 0; the slope at 0 and below.
        assert_eq!(dx, array![[1.0, -2.0], [0.5, -6.0], [1.0, 5.0]]);
        // −8·2 − 1·4, and −3·1 + 0·3.
        assert_eq!(layer.grads(), [-20.0, -3.0]);
    }
}
