//! Nodes with several inputs that are not sums: concatenation and product, as examples of how to
//! write such a layer.

use std::ops::Range;

use anabranch_tensor::{ArrayView2, ArrayViewMut2, Executor, Scalar, flat, flat_mut};

use crate::error::LayerError;
use crate::layer::{Infer, Layer, RowWise, Training, compiled_here};
use crate::row_wise::{Backward, Dx, Forward};
use crate::shape::{Memory, Shape, check_width};

/// y = [x₀ | x₁ | …], the inputs side by side.
///
/// # Shapes
/// xᵢ `[rows, widths[i]]`, y `[rows, Σ widths]`.
///
/// # Derivation
/// Each element of y is one element of one input, so dxᵢ is that input's columns of dy.
#[derive(Clone, Debug)]
pub struct Concat {
    widths: Vec<usize>,
}

impl Concat {
    /// For inputs of these widths.
    pub fn new(widths: impl IntoIterator<Item = usize>) -> Self {
        Self { widths: widths.into_iter().collect() }
    }

    /// The output columns that hold an input.
    fn columns(&self, input: usize) -> Range<usize> {
        let start = self.widths[..input].iter().sum();
        start..start + self.widths[input]
    }
}

impl<T: Scalar> Layer<T> for Concat {
    compiled_here!(Concat);

    fn shape(&self, inputs: &[usize]) -> Result<Shape, LayerError> {
        let layer = "concat";
        if self.widths != inputs {
            let (expected, got) = (self.widths.clone(), inputs.to_vec());
            return Err(LayerError::Widths { layer, expected, got });
        }
        if inputs.is_empty() || inputs.contains(&0) {
            return Err(LayerError::Empty { layer, what: "inputs" });
        }
        let outputs = inputs.iter().fold(0, |sum: usize, width| sum.saturating_add(*width));
        Ok(Shape::new(check_width(layer, outputs)?))
    }

    fn infer(&self, cx: Infer<'_, T>) {
        let (columns, width) = (self.columns(cx.input), cx.y.ncols());
        let rows = flat_mut(cx.y).chunks_exact_mut(width);
        for (y, x) in rows.zip(flat(cx.x).chunks_exact(columns.len())) {
            y[columns.clone()].copy_from_slice(x);
        }
    }

    fn training(&self) -> Training<'_, T> {
        Training::RowWise(self)
    }

    fn describe(&self) -> String {
        "concat".into()
    }
}

impl<T: Scalar> RowWise<T> for Concat {
    fn backward(&self, cx: Backward<'_, T>) {
        let Some(Dx { values: dx, accum }) = cx.dx else { return };
        let (columns, width) = (self.columns(cx.input), cx.dy.ncols());
        let rows = flat_mut(dx).chunks_exact_mut(columns.len());
        for (dx, dy) in rows.zip(flat(cx.dy.view()).chunks_exact(width)) {
            for (dx, dy) in dx.iter_mut().zip(&dy[columns.clone()]) {
                *dx = accum.combine(*dx, *dy);
            }
        }
    }
}

/// y = x₀⊙x₁⊙…: one input gates another.
///
/// # Shapes
/// xᵢ and y `[rows, width]`.
///
/// # Derivation
/// The inputs are saved, since computing y/xᵢ instead fails where xᵢ is 0.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    inputs: usize,
}

impl Product {
    /// For this many inputs.
    pub fn new(inputs: usize) -> Self {
        Self { inputs }
    }
}

/// y = x for the first input, y⊙= x for the others.
fn multiply<T: Scalar>(input: usize, x: ArrayView2<'_, T>, y: ArrayViewMut2<'_, T>) {
    for (y, x) in flat_mut(y).iter_mut().zip(flat(x)) {
        *y = if input == 0 { *x } else { *y * *x };
    }
}

impl<T: Scalar> Layer<T> for Product {
    compiled_here!(Product);

    fn shape(&self, inputs: &[usize]) -> Result<Shape, LayerError> {
        let layer = "product";
        if inputs.len() != self.inputs {
            return Err(LayerError::Inputs { layer, expected: self.inputs, got: inputs.len() });
        }
        let Some(&width) = inputs.first().filter(|width| **width > 0) else {
            return Err(LayerError::Empty { layer, what: "inputs" });
        };
        if inputs.iter().any(|other| *other != width) {
            let (expected, got) = (vec![width; inputs.len()], inputs.to_vec());
            return Err(LayerError::Widths { layer, expected, got });
        }
        Ok(Shape::new(check_width(layer, width)?))
    }

    fn memory(&self, _exec: &Executor, rows: usize, inputs: &[usize]) -> Memory {
        Memory { saved_len: rows * inputs.iter().sum::<usize>(), scratch_len: 0 }
    }

    fn infer(&self, cx: Infer<'_, T>) {
        multiply(cx.input, cx.x, cx.y);
    }

    fn training(&self) -> Training<'_, T> {
        Training::RowWise(self)
    }

    fn describe(&self) -> String {
        "product".into()
    }
}

impl<T: Scalar> RowWise<T> for Product {
    fn forward(&self, cx: Forward<'_, T>) {
        let len = cx.x.len();
        cx.saved[cx.input * len..(cx.input + 1) * len].copy_from_slice(flat(cx.x));
        multiply(cx.input, cx.x, cx.y);
    }

    fn backward(&self, cx: Backward<'_, T>) {
        let Some(Dx { values: dx, accum }) = cx.dx else { return };
        let len = cx.x.len();
        for (i, (dx, dy)) in flat_mut(dx).iter_mut().zip(flat(cx.dy.view())).enumerate() {
            let others = (0..self.inputs).filter(|input| *input != cx.input);
            let share = others.fold(*dy, |product, input| product * cx.saved[input * len + i]);
            *dx = accum.combine(*dx, share);
        }
    }
}
