//! Dropout: y = x⊙M, where M is 1/(1−p) for kept elements and 0 for dropped ones.

use anabranch_tensor::parallel::{Part, rows_per_chunk};
use anabranch_tensor::random::DrawnMask;
use anabranch_tensor::{Executor, Scalar, flat, flat_mut};
use ndarray::Array2;

use crate::error::LayerError;
use crate::layer::{Infer, Layer, RowWise, Training, compiled_here};
use crate::row_wise::{Backward, Dx, Forward, Mask};
use crate::shape::{Memory, Pointwise, Shape, one_input};

/// y = x⊙M in training, y = x in evaluation.
///
/// # Shapes
/// x and y `[rows, inputs]`.
///
/// # Derivation
/// Each element is kept with probability 1−p; the factor 1/(1−p) keeps the expectation of y at x,
/// so that evaluation needs no factor at all. M does not depend on x: ∂y_i/∂x_j = M_i for i = j and
/// 0 otherwise, so dx = dy⊙M.
///
/// A drawn mask rounds p to a multiple of 2⁻¹⁶ and scales by 1/(1−p) of the rounded p: the mean of
/// y is exactly x. A given mask scales by 1/(1−p) of the p requested.
#[derive(Clone, Debug)]
pub struct Dropout {
    p: f64,
}

impl Dropout {
    /// Drops with probability `p`, in [0, 1]; p = 1 drops everything.
    pub fn new(p: f64) -> Self {
        Self { p }
    }

    /// The Jacobian ∂y/∂x of one row: diagonal, 1/(1−p) where `kept` is not 0, and 0 elsewhere.
    pub fn jacobian<T: Scalar>(&self, kept: &[T]) -> Array2<T> {
        let mut jacobian = Array2::from_elem((kept.len(), kept.len()), T::ZERO);
        for (i, kept) in kept.iter().enumerate() {
            if *kept != T::ZERO {
                jacobian[[i, i]] = keep_scale(self.p);
            }
        }
        jacobian
    }
}

/// 1/(1−p), the factor of kept elements in a given mask; 0 for p = 1, where none is kept.
fn keep_scale<T: Scalar>(p: f64) -> T {
    if p < 1.0 { T::from_f64(1.0 / (1.0 - p)) } else { T::ZERO }
}

/// M, ready to multiply with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DropoutMask<'a, T> {
    scale: T,
    kept: Kept<'a, T>,
}

#[derive(Clone, Copy, Debug)]
enum Kept<'a, T> {
    Drawn { mask: DrawnMask, first_row: usize },
    Given { mask: &'a [T], width: usize },
}

impl<'a, T: Scalar> DropoutMask<'a, T> {
    /// The mask for a matrix of `width` columns.
    pub(crate) fn new(mask: Mask<'a, T>, width: usize, p: f64) -> Self {
        match mask {
            Mask::Drawn { seed, layer, step, first_row } => {
                let mask = DrawnMask::new(seed, layer, width, step, p);
                let scale = T::from_f64(mask.keep_scale());
                Self { scale, kept: Kept::Drawn { mask, first_row } }
            }
            Mask::Given(mask) => Self { scale: keep_scale(p), kept: Kept::Given { mask, width } },
        }
    }

    /// The factor of kept elements.
    pub(crate) fn scale(&self) -> T {
        self.scale
    }

    /// Multiplies the elements `[row, col ..]` of `n_rows` rows, starting at `row`, by M;
    /// `next_run` yields them row by row.
    #[inline(always)]
    pub(crate) fn apply<'v>(
        &self,
        row: usize,
        col: usize,
        n_rows: usize,
        mut next_run: impl FnMut() -> &'v mut [T],
    ) where
        T: 'v,
    {
        match &self.kept {
            Kept::Drawn { mask, first_row } => {
                mask.apply(first_row + row, col, n_rows, next_run, self.scale);
            }
            Kept::Given { mask, width } => {
                for i in 0..n_rows {
                    keep_given(next_run(), &mask[(row + i) * width + col..], self.scale);
                }
            }
        }
    }

    /// Multiplies whole rows of `width` elements, starting at `row`, by M.
    #[inline(always)]
    pub(crate) fn apply_to_whole_rows(&self, row: usize, width: usize, values: &mut [T]) {
        match &self.kept {
            Kept::Drawn { mask, first_row } => {
                mask.apply_to_whole_rows(first_row + row, width, values, self.scale);
            }
            Kept::Given { mask, width } => keep_given(values, &mask[row * width..], self.scale),
        }
    }
}

/// Multiplies values by `scale` where `mask` is not 0, else by 0.
#[inline(always)]
fn keep_given<T: Scalar>(values: &mut [T], mask: &[T], scale: T) {
    for (v, kept) in values.iter_mut().zip(mask) {
        *v = if *kept == T::ZERO { T::ZERO } else { *v * scale };
    }
}

/// y = x⊙m.
#[inline(always)]
fn multiply<T: Scalar>(x: &[T], m: &[T], y: &mut [T]) {
    for ((y, x), m) in y.iter_mut().zip(x).zip(m) {
        let kept = *x * *m;
        // Not x·0: a dropped element is 0 even where x is infinite.
        *y = if *m == T::ZERO { T::ZERO } else { kept };
    }
}

impl<T: Scalar> Layer<T> for Dropout {
    compiled_here!(Dropout);

    fn shape(&self, inputs: &[usize]) -> Result<Shape, LayerError> {
        if !(0.0..=1.0).contains(&self.p) {
            let (name, expected) = ("the probability of dropping", "in [0, 1]");
            return Err(LayerError::Range { layer: "dropout", name, expected, value: self.p });
        }
        let pointwise = Some(Pointwise::Dropout(self.p));
        Ok(Shape { pointwise, ..Shape::new(one_input("dropout", inputs)?) })
    }

    /// M is saved for the backward pass: drawing it again would cost more than the memory.
    fn memory(&self, _exec: &Executor, rows: usize, inputs: &[usize]) -> Memory {
        Memory { saved_len: rows * inputs[0], scratch_len: 0 }
    }

    fn infer(&self, cx: Infer<'_, T>) {
        flat_mut(cx.y).copy_from_slice(flat(cx.x));
    }

    fn training(&self) -> Training<'_, T> {
        Training::RowWise(self)
    }

    fn describe(&self) -> String {
        format!("dropout p={}", self.p)
    }
}

impl<T: Scalar> RowWise<T> for Dropout {
    fn forward(&self, cx: Forward<'_, T>) {
        let (n_rows, width) = cx.x.dim();
        let mask = DropoutMask::new(cx.mask, width, self.p);
        let x = flat(cx.x);
        let saved = &mut cx.saved[..x.len()];
        let parts = [Part::Rows(flat_mut(cx.y), width), Part::Rows(saved, width)];
        cx.exec.for_each_chunk(
            n_rows,
            rows_per_chunk(width),
            parts,
            #[inline(always)]
            |rows, [y, m]| {
                m.fill(T::ONE);
                let mut runs = m.chunks_exact_mut(width);
                mask.apply(
                    rows.start,
                    0,
                    rows.len(),
                    #[inline(always)]
                    || runs.next().unwrap_or_default(),
                );
                multiply(&x[rows.start * width..], m, y);
            },
        );
    }

    fn backward(&self, cx: Backward<'_, T>) {
        let Some(Dx { values: dx, accum }) = cx.dx else { return };
        let (dim, dy, m) = (cx.x.dim(), flat(cx.dy.view()), cx.saved);
        cx.exec.for_each_span(
            dim,
            [Part::Rows(flat_mut(dx), dim.1)],
            #[inline(always)]
            |span, [dx]| {
                for ((dx, dy), m) in dx.iter_mut().zip(&dy[span.clone()]).zip(&m[span]) {
                    *dx = accum.combine(*dx, *dy * *m);
                }
            },
        );
    }
}
