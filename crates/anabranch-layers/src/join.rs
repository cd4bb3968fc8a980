//! Joins: a residual add brings one branch into another, y = left + J(right).

use anabranch_tensor::gemm::{NoEpilogue, gemm};
use anabranch_tensor::parallel::Part;
use anabranch_tensor::random::Random;
use anabranch_tensor::rows::row_sums;
use anabranch_tensor::{
    Accum, ArrayView2, ArrayViewMut2, Executor, Scalar, flat, flat_mut, matrix, matrix_mut, named,
};
use serde::{Deserialize, Serialize};

use crate::error::LayerError;
use crate::init::Init;
use crate::layer::{Infer, Layer, RowWise, Training, compiled_here};
use crate::linear::products_scratch_len;
use crate::row_wise::{Backward, Dx, ParamGrads};
use crate::shape::{ArraySpec, Memory, Output, Role, Shape, check_width};

/// Rows summed together.
const ROWS: usize = 32;

/// How the right input of a join enters the left one, `[rows, units]`.
///
/// # Derivation
/// The left input reaches y unchanged, so its derivative is dy. The right one reaches it through J:
///
/// | join | J(r) | d(right) |
/// |---|---|---|
/// | add | r | dy |
/// | broadcast | r in every column (r has one) | Σ_columns dy |
/// | project | r·Wᵀ, W `[units, columns of r]` | dy·W, and dW = dyᵀ·r |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// y = left + right, of equal width.
    Add,
    /// y = left + right, where right has one column that is added to every column of left.
    Broadcast,
    /// y = left + right·Wᵀ with a learned W `[units, columns of right]` without bias, as a
    /// projection shortcut in a residual network.
    Project,
}

named!(Join, "join", LayerError);

impl Join {
    /// Every join.
    pub const ALL: [Self; 3] = [Self::Add, Self::Broadcast, Self::Project];

    /// The name in configurations: `add`, `broadcast` or `project`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Broadcast => "broadcast",
            Self::Project => "project",
        }
    }

    /// The join that fits these widths: add if they are equal, broadcast for one column, otherwise
    /// project.
    pub fn for_widths(left: usize, right: usize) -> Self {
        match right {
            _ if left == right => Self::Add,
            1 => Self::Broadcast,
            _ => Self::Project,
        }
    }
}

/// to (+)= from, element by element.
fn combine<T: Scalar>(
    exec: &Executor,
    from: ArrayView2<'_, T>,
    to: ArrayViewMut2<'_, T>,
    accum: Accum,
) {
    let (dim, from) = (from.dim(), flat(from));
    exec.for_each_span(
        dim,
        [Part::Rows(flat_mut(to), dim.1)],
        #[inline(always)]
        |span, [to]| {
            for (to, from) in to.iter_mut().zip(&from[span]) {
                *to = accum.combine(*to, *from);
            }
        },
    );
}

/// d (+)= Σ_columns dy.
fn combine_row_sums<T: Scalar>(
    exec: &Executor,
    dy: ArrayView2<'_, T>,
    d: ArrayViewMut2<'_, T>,
    accum: Accum,
) {
    let ((n_rows, width), dy) = (dy.dim(), flat(dy));
    exec.for_each_span(
        (n_rows, width),
        [Part::Rows(flat_mut(d), 1)],
        #[inline(always)]
        |span, [d]| {
            for (d, dy) in d.chunks_mut(ROWS).zip(dy[span].chunks(ROWS * width)) {
                let mut sums = [T::ZERO; ROWS];
                row_sums(dy, width, &mut sums[..d.len()]);
                for (d, sum) in d.iter_mut().zip(sums) {
                    *d = accum.combine(*d, sum);
                }
            }
        },
    );
}

impl<T: Scalar> Layer<T> for Join {
    compiled_here!(Join);

    fn shape(&self, inputs: &[usize]) -> Result<Shape, LayerError> {
        let layer = self.name();
        let &[units, columns] = inputs else {
            return Err(LayerError::Inputs { layer, expected: 2, got: inputs.len() });
        };
        check_width(layer, units.max(columns))?;
        let (fits, expected) = match self {
            _ if units.min(columns) == 0 => (false, "inputs with at least one column"),
            Self::Add => (units == columns, "equally wide inputs"),
            Self::Broadcast => (columns == 1, "a right input of one column"),
            Self::Project => (true, ""),
        };
        if !fits {
            return Err(LayerError::Join { join: layer, expected, left: units, right: columns });
        }
        let shape = Shape { output: Output::Sum, ..Shape::new(units) };
        Ok(match self {
            Self::Add | Self::Broadcast => shape,
            Self::Project => Shape {
                params: vec![ArraySpec::matrix("weight", units, columns, Role::Weight)],
                flops_per_row: 2 * units * columns,
                ..shape
            },
        })
    }

    fn memory(&self, exec: &Executor, rows: usize, inputs: &[usize]) -> Memory {
        let scratch_len = match self {
            Self::Add | Self::Broadcast => 0,
            Self::Project => products_scratch_len::<T>(exec, rows, inputs[1], inputs[0]),
        };
        Memory { saved_len: 0, scratch_len }
    }

    fn init(&self, random: &mut Random, inputs: &[usize], params: &mut [T], _state: &mut [T]) {
        if *self == Self::Project {
            Init::XavierUniform.fill(random, inputs[1], inputs[0], params);
        }
    }

    /// y = x for the left input, y += J(x) for the right one.
    fn infer(&self, cx: Infer<'_, T>) {
        let Infer { exec, input, x, y, params, scratch, .. } = cx;
        let (n_rows, width) = y.dim();
        match self {
            _ if input == 0 => combine(exec, x, y, Accum::Replace),
            Self::Add => combine(exec, x, y, Accum::Add),
            Self::Broadcast => {
                let x = flat(x);
                exec.for_each_span(
                    (n_rows, width),
                    [Part::Rows(flat_mut(y), width)],
                    #[inline(always)]
                    |span, [y]| {
                        for (y, x) in y.chunks_exact_mut(width).zip(&x[span.start / width..]) {
                            y.iter_mut().for_each(|y| *y += *x);
                        }
                    },
                );
            }
            Self::Project => {
                let w = matrix(params, width, x.ncols());
                gemm(exec, x, w.t(), Accum::Add, y, scratch, &NoEpilogue);
            }
        }
    }

    fn training(&self) -> Training<'_, T> {
        Training::RowWise(self)
    }

    fn describe(&self) -> String {
        let learned = if *self == Self::Project { ", learned" } else { "" };
        format!("join {}{learned}", self.name())
    }
}

impl<T: Scalar> RowWise<T> for Join {
    fn backward(&self, cx: Backward<'_, T>) {
        let Backward { exec, input, dy, dx, params, scratch, .. } = cx;
        let Some(Dx { values: dx, accum }) = dx else { return };
        let dy = dy.view();
        match self {
            _ if input == 0 => combine(exec, dy, dx, accum),
            Self::Add => combine(exec, dy, dx, accum),
            Self::Broadcast => combine_row_sums(exec, dy, dx, accum),
            Self::Project => {
                let w = matrix(params, dy.ncols(), dx.ncols());
                gemm(exec, dy, w, accum, dx, scratch, &NoEpilogue);
            }
        }
    }

    fn param_grads(&self, cx: ParamGrads<'_, T>) {
        let ParamGrads { exec, input, x, dy, grads, accum, scratch, .. } = cx;
        if *self == Self::Project && input == 1 {
            let dw = matrix_mut(grads, dy.ncols(), x.ncols());
            gemm(exec, dy.t(), x, accum, dw, scratch, &NoEpilogue);
        }
    }
}
