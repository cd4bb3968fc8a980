//! Arguments of the training passes of layers whose rows do not depend on each other.

use anabranch_tensor::{Accum, ArrayView2, ArrayViewMut2, Executor};

/// Which elements dropout keeps.
#[derive(Clone, Copy, Debug)]
pub enum Mask<'a, T> {
    /// Drawn at random for a layer and a step.
    Drawn {
        /// The seed of the run.
        seed: u64,
        /// Index of the layer in its network: masks of different layers are independent.
        layer: u32,
        /// The step, counted from the start of the run.
        step: u64,
        /// Index of the first row within its batch.
        first_row: usize,
    },
    /// Given, `[rows, columns]` in row-major order: 0 drops an element, 1 keeps it.
    Given(&'a [T]),
}

/// Arguments of [`RowWise::forward`](crate::RowWise::forward).
#[derive(Debug)]
pub struct Forward<'a, T> {
    /// Executor that runs the loops.
    pub exec: &'a Executor,
    /// Index of the layer input that `x` holds, from 0.
    pub input: usize,
    /// The input `[rows, inputs]`.
    pub x: ArrayView2<'a, T>,
    /// The output `[rows, outputs]`, to be overwritten.
    pub y: ArrayViewMut2<'a, T>,
    /// The learned arrays.
    pub params: &'a [T],
    /// The non-learned arrays, as they were before the batch.
    pub state: &'a [T],
    /// Output for `backward`.
    pub saved: &'a mut [T],
    /// Scratch memory of the size given by [`Layer::memory`](crate::Layer::memory), with any
    /// contents.
    pub scratch: &'a mut [T],
    /// The dropout mask; other layers ignore it.
    pub mask: Mask<'a, T>,
}

/// Destination of dL/dx.
#[derive(Debug)]
pub struct Dx<'a, T> {
    /// `[rows, inputs]`.
    pub values: ArrayViewMut2<'a, T>,
    /// Whether to overwrite `values` or add to it.
    pub accum: Accum,
}

impl<T> Dx<'_, T> {
    /// The same destination, borrowed for a shorter time.
    pub fn reborrow(&mut self) -> Dx<'_, T> {
        Dx { values: self.values.view_mut(), accum: self.accum }
    }
}

/// Arguments of [`RowWise::backward`](crate::RowWise::backward).
#[derive(Debug)]
pub struct Backward<'a, T> {
    /// Executor that runs the loops.
    pub exec: &'a Executor,
    /// Index of the layer input that `x` holds, from 0.
    pub input: usize,
    /// The input of the forward pass `[rows, inputs]`.
    pub x: ArrayView2<'a, T>,
    /// The output of the forward pass `[rows, outputs]`; meaningless unless the shape says
    /// [`Output::Kept`](crate::Output::Kept).
    pub y: ArrayView2<'a, T>,
    /// dL/dy `[rows, outputs]`. A single-input layer may overwrite it;
    /// [`param_grads`](crate::RowWise::param_grads) gets what it leaves. A layer with several
    /// inputs must not.
    pub dy: ArrayViewMut2<'a, T>,
    /// dL/dx; `None` where it is not needed (first layers).
    pub dx: Option<Dx<'a, T>>,
    /// The learned arrays.
    pub params: &'a [T],
    /// What `forward` saved.
    pub saved: &'a [T],
    /// Scratch memory of the size given by [`Layer::memory`](crate::Layer::memory), with any
    /// contents.
    pub scratch: &'a mut [T],
}

/// Arguments of [`RowWise::param_grads`](crate::RowWise::param_grads).
#[derive(Debug)]
pub struct ParamGrads<'a, T> {
    /// Executor that runs the loops.
    pub exec: &'a Executor,
    /// Index of the layer input that `x` holds, from 0.
    pub input: usize,
    /// The input of the forward pass `[rows, inputs]`.
    pub x: ArrayView2<'a, T>,
    /// dL/dy `[rows, outputs]`, as `backward` left it.
    pub dy: ArrayView2<'a, T>,
    /// The learned arrays.
    pub params: &'a [T],
    /// dL/dparams of all arrays; the call for an input writes those that this input meets, and no
    /// other call writes them.
    pub grads: &'a mut [T],
    /// Whether to overwrite them or add to them.
    pub accum: Accum,
    /// Scratch memory of the size given by [`Layer::memory`](crate::Layer::memory), with any
    /// contents.
    pub scratch: &'a mut [T],
}
