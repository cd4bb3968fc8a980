//! A layer alone: its vector-Jacobian product, with memory of its own.

use anabranch_tensor::{Accum, ArrayView2, Executor, Scalar, flat, matrix, matrix_mut};
use ndarray::Array2;

use crate::error::LayerError;
use crate::layer::{Backward, Forward, Layer, Mask};

/// A layer's output and the derivatives of ⟨dy, y⟩.
#[derive(Clone, Debug)]
pub struct Vjp<T> {
    /// The output `[rows, outputs]` of the training pass.
    pub y: Array2<T>,
    /// dx = Jᵀ·dy by the input `[rows, inputs]`.
    pub dx: Array2<T>,
    /// The same by the parameters, in the order of the layer's plan.
    pub grads: Vec<T>,
}

/// The vector-Jacobian product of `layer` at `x` `[rows, inputs]`: what its training pass gives, and how ⟨dy, y⟩
/// changes with x and with the parameters.
///
/// # Errors
/// If the layer refuses the input's size, the batch is too small for it, or `dy` or `params` do not fit.
pub fn vjp<T: Scalar>(
    layer: &dyn Layer<T>,
    x: ArrayView2<'_, T>,
    params: &[T],
    mask: Mask<'_, T>,
    dy: ArrayView2<'_, T>,
) -> Result<Vjp<T>, LayerError> {
    let exec = Executor::serial();
    let (n_rows, inputs) = x.dim();
    let plan = layer.plan(&exec, n_rows, inputs)?;
    if n_rows < plan.min_rows {
        return Err(LayerError::Rows { layer: "vjp", expected: plan.min_rows, rows: n_rows });
    }
    let n_params = plan.params.iter().map(|spec| spec.n_elements()).sum();
    for (what, expected, got) in [
        ("dy", [n_rows, plan.outputs], dy.dim().into()),
        ("params", [1, n_params], [1, params.len()]),
    ] {
        if got != expected {
            return Err(LayerError::Shape { what, expected, got });
        }
    }
    let n_state = plan.state.iter().map(|spec| spec.n_elements()).sum();
    let zeros = |len: usize| vec![T::ZERO; len];
    let x = x.as_standard_layout();
    let mut dy = flat(dy.as_standard_layout().view()).to_vec();
    let (mut y, mut dx) = (zeros(n_rows * plan.outputs), zeros(n_rows * inputs));
    let (mut saved, mut scratch) = (zeros(plan.saved_len), zeros(plan.scratch_len));
    let (mut grads, mut state) = (zeros(n_params), zeros(n_state));
    layer.forward(Forward {
        exec: &exec,
        x: x.view(),
        y: matrix_mut(&mut y, n_rows, plan.outputs),
        params,
        state: &mut state,
        saved: &mut saved,
        scratch: &mut scratch,
        mask,
    });
    layer.backward(Backward {
        exec: &exec,
        x: x.view(),
        y: matrix(&y, n_rows, plan.outputs),
        dy: matrix_mut(&mut dy, n_rows, plan.outputs),
        dx: Some((matrix_mut(&mut dx, n_rows, inputs), Accum::Replace)),
        params,
        grads: &mut grads,
        rows_per_shard: n_rows,
        saved: &saved,
        scratch: &mut scratch,
    });
    let y = matrix(&y, n_rows, plan.outputs).to_owned();
    let dx = matrix(&dx, n_rows, inputs).to_owned();
    Ok(Vjp { y, dx, grads })
}
