//! The layer trait: a stateless object between flat slices that somebody else owns.

use std::fmt::Debug;
use std::marker::PhantomData;

use anabranch_tensor::random::Random;
use anabranch_tensor::{ArrayView2, ArrayViewMut2, Executor, PerScalar, Scalar};

use crate::error::LayerError;
use crate::row_wise::RowWise;
use crate::shape::{Memory, Pointwise, Shape};
use crate::whole_batch::WholeBatch;

/// Arguments of [`Layer::infer`].
#[derive(Debug)]
pub struct Infer<'a, T> {
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
    /// The arrays that are kept but not learned: an evaluation cannot write them.
    pub state: &'a [T],
    /// Memory for this call, as much as [`Layer::memory`] says, with any contents.
    pub scratch: &'a mut [T],
}

/// How a layer is trained.
#[derive(Clone, Copy, Debug)]
pub enum Training<'a, T> {
    /// Row by row: no row of the output depends on another row of the input, so that the rows of a
    /// batch may be shared out between threads.
    RowWise(&'a dyn RowWise<T>),
    /// With sums over all rows of the batch, as batch normalisation needs.
    WholeBatch(&'a dyn WholeBatch<T>),
}

/// One layer of a network: y = f(x), and the derivative of a loss with respect to x and the
/// parameters.
///
/// A layer holds hyperparameters only. It says its [`shape`](Self::shape) once, the only call that
/// can fail, and the [`memory`](Self::memory) of its passes; afterwards all memory comes from the
/// caller, and nothing is allocated.
///
/// A layer with several inputs, such as a join of two branches, is called once for each input, in
/// their order; [`Infer::input`] and its like say which one it is. The calls write one output
/// together: the first overwrites what it needs to, the others add their share.
pub trait Layer<T: Scalar>: Debug + Send + Sync {
    /// The shape for inputs with so many columns: most layers have
    /// [one](crate::one_input). Every hyperparameter is checked here.
    ///
    /// # Errors
    /// If the number of inputs or a width does not fit, or a hyperparameter is out of range.
    fn shape(&self, inputs: &[usize]) -> Result<Shape, LayerError>;

    /// The memory that passes of up to `rows` rows need. The default is none.
    fn memory(&self, exec: &Executor, rows: usize, inputs: &[usize]) -> Memory {
        let _ = (exec, rows, inputs);
        Memory::default()
    }

    /// Fills `params` and `state` at the start of a run. The default is for layers that have
    /// neither.
    fn init(&self, random: &mut Random, inputs: &[usize], params: &mut [T], state: &mut [T]) {
        let _ = (random, inputs, params, state);
    }

    /// The evaluation pass, always row by row.
    fn infer(&self, cx: Infer<'_, T>);

    /// The passes of training: `Training::RowWise(self)` for most layers.
    fn training(&self) -> Training<'_, T>;

    /// A layer that does this one's work and then `next` in one pass over memory, with the same
    /// parameters: fusion asks it of a layer before one that [`Shape::pointwise`] calls a step.
    fn fuse(&self, next: Pointwise) -> Option<Box<dyn Layer<T>>> {
        let _ = next;
        None
    }

    /// The kind and the hyperparameters, for people: `dropout p=0.5`.
    fn describe(&self) -> String;

    /// The layer on the heap.
    ///
    /// Those of this crate come with passes that were compiled in this crate, so that a program
    /// without optimisation of its own runs them at full speed.
    fn boxed(self) -> Box<dyn Layer<T>>
    where
        Self: Sized + 'static,
    {
        Box::new(self)
    }
}

/// [`Layer::boxed`] of a layer of this crate: the two functions are not generic, so what they put
/// on the heap is compiled here.
macro_rules! compiled_here {
    ($layer:ty) => {
        fn boxed(self) -> Box<dyn crate::Layer<T>> {
            #[inline(never)]
            fn for_f32(layer: $layer) -> Box<dyn crate::Layer<f32>> {
                Box::new(layer)
            }
            #[inline(never)]
            fn for_f64(layer: $layer) -> Box<dyn crate::Layer<f64>> {
                Box::new(layer)
            }
            T::select::<crate::layer::Boxed<$layer>>(for_f32, for_f64)(self)
        }
    };
}
pub(crate) use compiled_here;

/// The functions that put an `L` on the heap, one for each number type.
pub(crate) struct Boxed<L>(PhantomData<L>);

impl<L> PerScalar for Boxed<L> {
    type Of<T: Scalar> = fn(L) -> Box<dyn Layer<T>>;
}
