//! The training passes of layers whose rows do not depend on each other.

use std::fmt::Debug;

use anabranch_tensor::{Accum, ArrayView2, ArrayViewMut2, Executor, Scalar};

/// The elements that dropout keeps.
#[derive(Clone, Copy, Debug)]
pub enum Mask<'a, T> {
    /// Drawn for a layer and a step.
    Drawn {
        /// The seed of the run.
        seed: u64,
        /// The layer's number in its network: masks of different layers are independent.
        layer: u32,
        /// The step, counted from the start of the run.
        step: u64,
        /// The number of the first row in its batch.
        first_row: usize,
    },
    /// Given, `[rows, columns]` row by row: 0 drops an element, 1 keeps it.
    Given(&'a [T]),
}

/// Arguments of [`RowWise::forward`].
#[derive(Debug)]
pub struct Forward<'a, T> {
    /// Executor that runs the loops.
    pub exec: &'a Executor,
    /// Which of the layer's inputs `x` is, counted from 0.
    pub input: usize,
    /// The input `[rows, inputs]`.
    pub x: ArrayView2<'a, T>,
    /// The output `[rows, outputs]`, to be overwritten.
    pub y: ArrayViewMut2<'a, T>,
    /// The learned arrays.
    pub params: &'a [T],
    /// The arrays that are kept but not learned, as they were before the batch.
    pub state: &'a [T],
    /// For `backward`.
    pub saved: &'a mut [T],
    /// Memory for this call, as much as [`Layer::memory`](crate::Layer::memory) says, with any
    /// contents.
    pub scratch: &'a mut [T],
    /// What dropout keeps; other layers ignore it.
    pub mask: Mask<'a, T>,
}

/// Where dL/dx goes.
#[derive(Debug)]
pub struct Dx<'a, T> {
    /// `[rows, inputs]`.
    pub values: ArrayViewMut2<'a, T>,
    /// Whether to replace what is there or to add to it.
    pub accum: Accum,
}

impl<T> Dx<'_, T> {
    /// The same place, for a shorter time.
    pub fn reborrow(&mut self) -> Dx<'_, T> {
        Dx { values: self.values.view_mut(), accum: self.accum }
    }
}

/// Arguments of [`RowWise::backward`].
#[derive(Debug)]
pub struct Backward<'a, T> {
    /// Executor that runs the loops.
    pub exec: &'a Executor,
    /// Which of the layer's inputs `x` is, counted from 0.
    pub input: usize,
    /// The input of the forward pass `[rows, inputs]`.
    pub x: ArrayView2<'a, T>,
    /// The output of the forward pass `[rows, outputs]`; meaningless unless the shape says
    /// [`Output::Kept`](crate::Output::Kept).
    pub y: ArrayView2<'a, T>,
    /// dL/dy `[rows, outputs]`; what a layer leaves there is what
    /// [`param_grads`](RowWise::param_grads) gets. One with several inputs leaves it as it is.
    pub dy: ArrayViewMut2<'a, T>,
    /// dL/dx; `None` where nobody asks (first layers).
    pub dx: Option<Dx<'a, T>>,
    /// The learned arrays.
    pub params: &'a [T],
    /// What `forward` left.
    pub saved: &'a [T],
    /// Memory for this call, as much as [`Layer::memory`](crate::Layer::memory) says, with any
    /// contents.
    pub scratch: &'a mut [T],
}

/// Arguments of [`RowWise::param_grads`].
#[derive(Debug)]
pub struct ParamGrads<'a, T> {
    /// Executor that runs the loops.
    pub exec: &'a Executor,
    /// Which of the layer's inputs `x` is, counted from 0.
    pub input: usize,
    /// The input of the forward pass `[rows, inputs]`.
    pub x: ArrayView2<'a, T>,
    /// What `backward` left in place of dL/dy `[rows, outputs]`.
    pub dy: ArrayView2<'a, T>,
    /// The learned arrays.
    pub params: &'a [T],
    /// dL/dparams.
    pub grads: &'a mut [T],
    /// Whether to replace what is there or to add to it.
    pub accum: Accum,
    /// Memory for this call, as much as [`Layer::memory`](crate::Layer::memory) says, with any
    /// contents.
    pub scratch: &'a mut [T],
}

/// The training passes of a layer whose rows do not depend on each other: on a batch, or on some of
/// its rows while other threads work on the others.
pub trait RowWise<T: Scalar>: Debug + Send + Sync {
    /// y from x, leaving in `saved` what `backward` needs.
    fn forward(&self, cx: Forward<'_, T>);

    /// dL/dx from dL/dy, after `forward` on the same x.
    fn backward(&self, cx: Backward<'_, T>);

    /// dL/dparams from dL/dy, after `backward`: a sum over the given rows, all of `backward`'s or
    /// some. The default is for layers without parameters.
    fn param_grads(&self, cx: ParamGrads<'_, T>) {
        let _ = cx;
    }

    /// What becomes of the state, once for each training batch and after its forward pass, however
    /// its rows were shared out: the passes read the state as it was before. What depends on the
    /// values of the rows is for a [`WholeBatch`](crate::WholeBatch) layer to gather. The default
    /// leaves the state as it is.
    fn update_state(&self, state: &mut [T]) {
        let _ = state;
    }
}
