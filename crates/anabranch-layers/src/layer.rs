//! The layer trait: a stateless object that works on slices owned by the caller.

use std::fmt::Debug;

use anabranch_tensor::random::Random;
use anabranch_tensor::{ArrayView2, ArrayViewMut2, Executor, Scalar};

use crate::error::LayerError;
use crate::row_wise::{Backward, Forward, ParamGrads};
use crate::shape::{Memory, Pointwise, Shape};
use crate::whole_batch::WholeBatch;

/// Arguments of [`Layer::infer`].
#[derive(Debug)]
pub struct Infer<'a, T> {
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
    /// The non-learned arrays, such as running statistics; evaluation does not write them.
    pub state: &'a [T],
    /// Scratch memory of the size given by [`Layer::memory`], with any contents.
    pub scratch: &'a mut [T],
}

/// How a layer is trained.
#[derive(Clone, Copy, Debug)]
pub enum Training<'a, T> {
    /// Row by row: no output row depends on another input row, so the rows of a batch may be split
    /// between threads.
    RowWise(&'a dyn RowWise<T>),
    /// With sums over all rows of the batch, as batch normalisation needs.
    WholeBatch(&'a dyn WholeBatch<T>),
}

/// One layer of a network: y = f(x), and the derivative of a loss with respect to x and the
/// parameters.
///
/// A layer holds hyperparameters only. [`shape`](Self::shape) is the only call that can fail, and
/// [`memory`](Self::memory) sizes the buffers; every other call works in the caller's memory and
/// allocates nothing.
///
/// A layer with several inputs, such as a join of two branches, is called once per input, in order;
/// [`Infer::input`] and its counterparts say which. The calls build one output together: the first
/// overwrites what it must, the others add their share.
pub trait Layer<T: Scalar>: Debug + Send + Sync {
    /// The shape for inputs of the given widths; most layers take [one](crate::one_input). Every
    /// hyperparameter is checked here.
    ///
    /// # Errors
    /// If the number of inputs or a width does not fit, or a hyperparameter is out of range.
    fn shape(&self, inputs: &[usize]) -> Result<Shape, LayerError>;

    /// The memory needed by passes of up to `rows` rows. The default is none.
    fn memory(&self, exec: &Executor, rows: usize, inputs: &[usize]) -> Memory {
        let _ = (exec, rows, inputs);
        Memory::default()
    }

    /// Initialises `params` and `state` at the start of a run. The default is for layers that have
    /// neither.
    fn init(&self, random: &mut Random, inputs: &[usize], params: &mut [T], state: &mut [T]) {
        let _ = (random, inputs, params, state);
    }

    /// The evaluation pass, always row by row.
    fn infer(&self, cx: Infer<'_, T>);

    /// The passes of training: `Training::RowWise(self)` for most layers.
    fn training(&self) -> Training<'_, T>;

    /// A layer that computes this one and then `next` in one pass over memory, with the same
    /// parameters. Fusion asks for it if the following layer is [`Shape::pointwise`].
    fn fuse(&self, next: Pointwise) -> Option<Box<dyn Layer<T>>> {
        let _ = next;
        None
    }

    /// The kind and hyperparameters in readable form: `dropout p=0.5`.
    fn describe(&self) -> String;

    /// The layer on the heap.
    ///
    /// The passes of this crate's layers are compiled in this crate, so an unoptimised program
    /// still runs them at full speed.
    fn boxed(self) -> Box<dyn Layer<T>>
    where
        Self: Sized + 'static,
    {
        Box::new(self)
    }
}

/// Training passes of a layer whose rows do not depend on each other: on a whole batch, or on some
/// of its rows while other threads handle the rest.
pub trait RowWise<T: Scalar>: Layer<T> {
    /// Computes y from x, and saves in `saved` what `backward` needs. The default is for layers
    /// that do the same in evaluation and save nothing.
    fn forward(&self, cx: Forward<'_, T>) {
        let Forward { exec, input, x, y, params, state, scratch, .. } = cx;
        self.infer(Infer { exec, input, x, y, params, state, scratch });
    }

    /// Computes dL/dx from dL/dy, after `forward` on the same x.
    fn backward(&self, cx: Backward<'_, T>);

    /// Computes dL/dparams from dL/dy, after `backward`: a sum over the given rows, all or some of
    /// the rows of `backward`. The default is for layers without parameters.
    fn param_grads(&self, cx: ParamGrads<'_, T>) {
        let _ = cx;
    }

    /// Updates the state once per training batch, after its forward pass, however its rows were
    /// split: the passes read the state as it was before. State that depends on row values belongs
    /// in a [`WholeBatch`](crate::WholeBatch) layer. The default leaves the state unchanged.
    fn update_state(&self, state: &mut [T]) {
        let _ = state;
    }
}

/// [`Layer::boxed`] of a layer of this crate, whose passes are compiled here.
macro_rules! compiled_here {
    ($layer:ty) => {
        fn boxed(self) -> Box<dyn crate::Layer<T>> {
            anabranch_tensor::compiled_once! {
                fn boxed<N>(layer: $layer) -> Box<dyn crate::Layer<N>> {
                    Box::new(layer)
                }
            }
            boxed::<T>(self)
        }
    };
}
pub(crate) use compiled_here;
