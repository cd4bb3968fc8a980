//! Softmax: each row of scores becomes a probability distribution.

use anabranch_tensor::parallel::Part;
use anabranch_tensor::rows::{row_dots, row_maxima, row_sums};
use anabranch_tensor::{Accum, Scalar, flat, flat_mut};
use ndarray::Array2;

use crate::error::LayerError;
use crate::layer::{Infer, Layer, RowWise, Training, compiled_here};
use crate::row_wise::{Backward, Dx};
use crate::shape::{Output, Shape, one_input};

/// y = softmax(x) in each row.
///
/// # Shapes
/// x and y `[rows, classes]`.
///
/// # Derivation
/// y_j = e^(x_j)/Σ_k e^(x_k). The quotient rule gives ∂y_j/∂x_j = y_j·(1 − y_j) and ∂y_i/∂x_j =
/// −y_i·y_j for i ≠ j, together J = diag(y) − y·yᵀ. J is symmetric, so dx = J·dy = y⊙(dy − Σ_k
/// dy_k·y_k).
///
/// Subtracting the largest score first changes nothing in exact arithmetic and keeps e^x from
/// overflowing.
#[derive(Clone, Copy, Debug)]
pub struct Softmax;

/// Rows processed together: maxima, sums, logarithms and divisions vectorise across them, and they
/// stay in cache.
pub(crate) const SOFTMAX_ROWS: usize = 32;

/// Writes e^(x − max) to `y`, and max, the largest x of each row, to `maxima`.
///
/// The exponentials run over all rows at once, so that narrow rows vectorise too.
#[inline(always)]
pub(crate) fn shifted_exp<T: Scalar>(x: &[T], y: &mut [T], maxima: &mut [T]) {
    let width = y.len() / maxima.len();
    row_maxima(x, width, maxima);
    for ((y, x), max) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(maxima) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = *x - *max;
        }
    }
    y.iter_mut().for_each(|y| *y = T::exp(*y));
}

/// Softmax of each row of `x` into `y`.
#[inline(always)]
fn softmax_rows<T: Scalar>(x: &[T], y: &mut [T], width: usize) {
    let block = SOFTMAX_ROWS * width;
    for (y, x) in y.chunks_mut(block).zip(x.chunks(block)) {
        let mut results = [T::ZERO; SOFTMAX_ROWS];
        let results = &mut results[..y.len() / width];
        shifted_exp(x, y, results);
        row_sums(y, width, results);
        for (y, sum) in y.chunks_exact_mut(width).zip(results) {
            y.iter_mut().for_each(|y| *y /= *sum);
        }
    }
}

/// dx = y⊙(dy − Σ dy·y) in each row.
#[inline(always)]
fn backward_rows<T: Scalar>(y: &[T], dy: &[T], dx: &mut [T], accum: Accum, width: usize) {
    let block = SOFTMAX_ROWS * width;
    for (dx, (y, dy)) in dx.chunks_mut(block).zip(y.chunks(block).zip(dy.chunks(block))) {
        let mut dots = [T::ZERO; SOFTMAX_ROWS];
        let dots = &mut dots[..dx.len() / width];
        row_dots(dy, y, width, dots);
        let rows = y.chunks_exact(width).zip(dy.chunks_exact(width)).zip(dots);
        for (dx, ((y, dy), dot)) in dx.chunks_exact_mut(width).zip(rows) {
            for ((dx, dy), y) in dx.iter_mut().zip(dy).zip(y) {
                *dx = accum.combine(*dx, *y * (*dy - *dot));
            }
        }
    }
}

impl Softmax {
    /// Scores x whose softmax are these probabilities y: their logarithms.
    pub fn scores(y: &[f64], x: &mut [f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            // Not the logarithm of 0.
            *x = Scalar::ln(y.max(f64::MIN_POSITIVE)) as f32;
        }
    }

    /// The Jacobian ∂y/∂x of one row at its output `y`: diag(y) − y·yᵀ.
    pub fn jacobian<T: Scalar>(&self, y: &[T]) -> Array2<T> {
        Array2::from_shape_fn((y.len(), y.len()), |(i, j)| {
            if i == j { y[i] * (T::ONE - y[i]) } else { -y[i] * y[j] }
        })
    }
}

impl<T: Scalar> Layer<T> for Softmax {
    compiled_here!(Softmax);

    fn shape(&self, inputs: &[usize]) -> Result<Shape, LayerError> {
        let classes = one_input("softmax", inputs)?;
        Ok(Shape { output: Output::Kept, flops_per_row: 5 * classes, ..Shape::new(classes) })
    }

    fn infer(&self, cx: Infer<'_, T>) {
        let (dim, x) = (cx.x.dim(), flat(cx.x));
        cx.exec.for_each_span(
            dim,
            [Part::Rows(flat_mut(cx.y), dim.1)],
            #[inline(always)]
            |span, [y]| softmax_rows(&x[span], y, dim.1),
        );
    }

    fn training(&self) -> Training<'_, T> {
        Training::RowWise(self)
    }

    fn describe(&self) -> String {
        "softmax".into()
    }
}

impl<T: Scalar> RowWise<T> for Softmax {
    fn backward(&self, cx: Backward<'_, T>) {
        let Some(Dx { values: dx, accum }) = cx.dx else { return };
        let (dim, y, dy) = (cx.x.dim(), flat(cx.y), flat(cx.dy.view()));
        cx.exec.for_each_span(
            dim,
            [Part::Rows(flat_mut(dx), dim.1)],
            #[inline(always)]
            |span, [dx]| backward_rows(&y[span.clone()], &dy[span], dx, accum, dim.1),
        );
    }
}
