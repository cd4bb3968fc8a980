//! The fully connected layer y = x·wᵀ + b, alone or with ReLU and dropout in the same pass.

use anabranch_tensor::columns::{column_sums, column_sums_scratch_len};
use anabranch_tensor::gemm::{Epilogue, NoEpilogue, gemm, gemm_scratch_len};
use anabranch_tensor::lanes::map_rows;
use anabranch_tensor::parallel::Part;
use anabranch_tensor::random::Random;
use anabranch_tensor::{
    Accum, ArrayView2, ArrayViewMut2, Executor, Scalar, flat, flat_mut, matrix, matrix_mut,
};

use crate::activation::Activation;
use crate::dropout::DropoutMask;
use crate::error::LayerError;
use crate::init::Init;
use crate::layer::{Infer, Layer, RowWise, Training, compiled_here};
use crate::row_wise::{Backward, Dx, Forward, ParamGrads};
use crate::shape::{ArraySpec, Memory, Output, Pointwise, Role, Shape, check_width, one_input};

/// y = x·wᵀ + b.
///
/// # Shapes
/// x `[rows, inputs]`, w `[outputs, inputs]`, b `[outputs]`, y `[rows, outputs]`. The input width
/// is determined by its input.
///
/// # Derivation
/// For one row, `y_o = Σᵢ w[o,i]·x_i + b_o`, so `∂y_o/∂w[o,i] = x_i`, `∂y_o/∂b_o = 1` and
/// `∂y_o/∂x_i = w[o,i]`. The chain rule, summed over the rows, which share w and b:
///
/// ```text
/// dw[o,i] = Σ_rows dy_o·x_i    dw = dyᵀ·x
/// db[o]   = Σ_rows dy_o
/// dx_i    = Σ_o dy_o·w[o,i]    dx = dy·w
/// ```
///
/// # ReLU and dropout in the same pass
/// With z = x·wᵀ + b, y = relu(z)⊙M and M = keep/(1−p), the derivative of y with respect to z is
/// `M⊙[z>0]`. Since M ≥ 1 where it is not zero, y > 0 exactly where z > 0 and the element was kept:
/// `dz = dy⊙[y>0]/(1−p)`, so only the factor 1/(1−p) has to be saved, not z or the mask.
#[derive(Clone, Debug)]
pub struct Linear {
    outputs: usize,
    init: Init,
    /// `None`: y is z.
    after: Option<AfterLinear>,
}

/// ReLU and optional dropout, fused into the multiplication.
#[derive(Clone, Copy, Debug)]
struct AfterLinear {
    /// Drop probability; `None` without dropout.
    dropout: Option<f64>,
}

impl Linear {
    /// A layer with `outputs` columns, its weights drawn from [`Init::KaimingUniform`].
    pub fn new(outputs: usize) -> Self {
        Self { outputs, init: Init::KaimingUniform, after: None }
    }

    /// Sets the distribution of the initial weights.
    pub fn with_init(self, init: Init) -> Self {
        Self { init, ..self }
    }
}

/// `params` or `grads` as (weight, bias).
fn split<T>(params: &[T], outputs: usize) -> (&[T], &[T]) {
    params.split_at(params.len() - outputs)
}

/// y + b, or relu(y + b), NaN kept.
struct AddBias<'a, T, const RELU: bool> {
    b: &'a [T],
}

impl<T: Scalar, const RELU: bool> AddBias<'_, T, RELU> {
    #[inline(always)]
    fn value(y: T, b: T) -> T {
        if RELU { Activation::Relu.value(y + b) } else { y + b }
    }
}

impl<T: Scalar, const RELU: bool> Epilogue<T> for AddBias<'_, T, RELU> {
    #[inline(always)]
    fn apply(&self, _row: usize, col: usize, y: &mut [T]) {
        for (y, b) in y.iter_mut().zip(&self.b[col..]) {
            *y = Self::value(*y, *b);
        }
    }

    #[inline(always)]
    fn apply_whole_rows(&self, _row: usize, _width: usize, y: &mut [T]) {
        map_rows(y, self.b, Self::value);
    }
}

/// relu(y + b)⊙M.
struct AddBiasReluDropout<'a, T> {
    relu: AddBias<'a, T, true>,
    mask: DropoutMask<'a, T>,
}

impl<T: Scalar> Epilogue<T> for AddBiasReluDropout<'_, T> {
    #[inline(always)]
    fn apply(&self, row: usize, col: usize, y: &mut [T]) {
        let mut y = Some(y);
        self.apply_rows(
            row,
            col,
            1,
            #[inline(always)]
            || y.take().unwrap_or_default(),
        );
    }

    #[inline(always)]
    fn apply_rows<'y>(
        &self,
        row: usize,
        col: usize,
        n_rows: usize,
        mut next_run: impl FnMut() -> &'y mut [T],
    ) where
        T: 'y,
    {
        self.mask.apply(
            row,
            col,
            n_rows,
            #[inline(always)]
            || {
                let y = next_run();
                // The bias depends on the column alone.
                self.relu.apply(row, col, y);
                y
            },
        );
    }

    #[inline(always)]
    fn apply_whole_rows(&self, row: usize, width: usize, y: &mut [T]) {
        self.relu.apply_whole_rows(row, width, y);
        self.mask.apply_to_whole_rows(row, width, y);
    }
}

impl Linear {
    /// x·wᵀ into y, then `epilogue`.
    fn multiply<T: Scalar>(
        &self,
        exec: &Executor,
        x: ArrayView2<'_, T>,
        w: &[T],
        y: ArrayViewMut2<'_, T>,
        scratch: &mut [T],
        epilogue: &impl Epilogue<T>,
    ) {
        let w = matrix(w, self.outputs, x.ncols());
        gemm(exec, x, w.t(), Accum::Replace, y, scratch, epilogue);
    }
}

/// Scratch elements for the three products of a map from `inputs` to `outputs` columns: x·wᵀ, dyᵀ·x
/// and dy·w.
pub(crate) fn products_scratch_len<T: Scalar>(
    exec: &Executor,
    rows: usize,
    inputs: usize,
    outputs: usize,
) -> usize {
    [(rows, outputs, inputs), (outputs, inputs, rows), (rows, inputs, outputs)]
        .map(|(m, n, k)| gemm_scratch_len::<T>(exec, m, n, k))
        .into_iter()
        .fold(0, usize::max)
}

impl<T: Scalar> Layer<T> for Linear {
    compiled_here!(Linear);

    fn shape(&self, inputs: &[usize]) -> Result<Shape, LayerError> {
        let (layer, outputs) = ("linear", self.outputs);
        let inputs = one_input(layer, inputs)?;
        if outputs == 0 {
            return Err(LayerError::Empty { layer, what: "outputs" });
        }
        check_width(layer, outputs)?;
        Ok(Shape {
            params: vec![
                ArraySpec::matrix("weight", outputs, inputs, Role::Weight),
                ArraySpec::vector("bias", outputs, Role::Bias),
            ],
            output: if self.after.is_some() { Output::Kept } else { Output::Free },
            flops_per_row: outputs * (2 * inputs + 1),
            ..Shape::new(outputs)
        })
    }

    fn memory(&self, exec: &Executor, rows: usize, inputs: &[usize]) -> Memory {
        let sums_len = column_sums_scratch_len(rows, self.outputs);
        Memory {
            // The dropout scale.
            saved_len: usize::from(matches!(self.after, Some(AfterLinear { dropout: Some(_) }))),
            scratch_len: products_scratch_len::<T>(exec, rows, inputs[0], self.outputs)
                .max(sums_len),
        }
    }

    fn init(&self, random: &mut Random, inputs: &[usize], params: &mut [T], _state: &mut [T]) {
        let (w, b) = params.split_at_mut(params.len() - self.outputs);
        self.init.fill(random, inputs[0], self.outputs, w);
        b.fill(T::ZERO);
    }

    fn infer(&self, cx: Infer<'_, T>) {
        let (w, b) = split(cx.params, self.outputs);
        match self.after {
            None => self.multiply(cx.exec, cx.x, w, cx.y, cx.scratch, &AddBias::<T, false> { b }),
            Some(_) => self.multiply(cx.exec, cx.x, w, cx.y, cx.scratch, &AddBias::<T, true> { b }),
        }
    }

    fn training(&self) -> Training<'_, T> {
        Training::RowWise(self)
    }

    fn fuse(&self, next: Pointwise) -> Option<Box<dyn Layer<T>>> {
        let after = match (self.after, next) {
            (None, Pointwise::Relu) => AfterLinear { dropout: None },
            (Some(AfterLinear { dropout: None }), Pointwise::Dropout(p)) => {
                AfterLinear { dropout: Some(p) }
            }
            _ => return None,
        };
        Some(Self { after: Some(after), ..self.clone() }.boxed())
    }

    fn describe(&self) -> String {
        match self.after {
            None => "linear".into(),
            Some(AfterLinear { dropout: None }) => "linear + relu".into(),
            Some(AfterLinear { dropout: Some(p) }) => format!("linear + relu + dropout p={p}"),
        }
    }
}

impl<T: Scalar> RowWise<T> for Linear {
    fn forward(&self, cx: Forward<'_, T>) {
        let (w, b) = split(cx.params, self.outputs);
        let (exec, x, y, scratch) = (cx.exec, cx.x, cx.y, cx.scratch);
        match self.after {
            None => self.multiply(exec, x, w, y, scratch, &AddBias::<T, false> { b }),
            Some(AfterLinear { dropout: None }) => {
                self.multiply(exec, x, w, y, scratch, &AddBias::<T, true> { b });
            }
            Some(AfterLinear { dropout: Some(p) }) => {
                let epilogue = AddBiasReluDropout {
                    relu: AddBias { b },
                    mask: DropoutMask::new(cx.mask, self.outputs, p),
                };
                cx.saved[0] = epilogue.mask.scale();
                self.multiply(exec, x, w, y, scratch, &epilogue);
            }
        }
    }

    fn backward(&self, cx: Backward<'_, T>) {
        let Backward { exec, y, mut dy, dx, params, saved, scratch, .. } = cx;
        if let Some(after) = self.after {
            let scale = after.dropout.map_or(T::ONE, |_| saved[0]);
            let (dim, y) = (y.dim(), flat(y));
            exec.for_each_span(
                dim,
                [Part::Rows(flat_mut(dy.view_mut()), dim.1)],
                #[inline(always)]
                |span, [dy]| {
                    for (dy, y) in dy.iter_mut().zip(&y[span]) {
                        // Multiply first, then select: a branch would keep the loop from
                        // vectorising.
                        let passed = *dy * scale;
                        *dy = if *y > T::ZERO { passed } else { T::ZERO };
                    }
                },
            );
        }
        if let Some(Dx { values: dx, accum }) = dx {
            let (w, _) = split(params, self.outputs);
            let w = matrix(w, self.outputs, dx.ncols());
            gemm(exec, dy.view(), w, accum, dx, scratch, &NoEpilogue);
        }
    }

    fn param_grads(&self, cx: ParamGrads<'_, T>) {
        let ParamGrads { exec, x, dy: dz, grads, accum, scratch, .. } = cx;
        let (dw, db) = grads.split_at_mut(grads.len() - self.outputs);
        column_sums(exec, flat(dz), accum, db, scratch);
        let dw = matrix_mut(dw, self.outputs, x.ncols());
        gemm(exec, dz.t(), x, accum, dw, scratch, &NoEpilogue);
    }
}
