//! The layer trait: a stateless object between flat slices that somebody else owns.

use std::fmt::Debug;

use anabranch_tensor::random::Random;
use anabranch_tensor::{Accum, ArrayView2, ArrayViewMut2, Executor, Scalar};

use crate::coupled::Coupled;
use crate::error::LayerError;

/// What an array of parameters is for; optimizers treat them differently (no weight decay on
/// biases, say).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A matrix that multiplies.
    Weight,
    /// A vector that is added.
    Bias,
    /// The scale or shift of a normalisation.
    Norm,
    /// The slope of an activation.
    Slope,
}

/// A named array inside a layer's flat slice of parameters or state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArraySpec {
    /// The name, as PyTorch's `state_dict` has it: `weight`, `bias`, `running_mean`, …
    pub name: &'static str,
    /// One axis for a vector, two for a matrix `[out, in]`.
    pub shape: Vec<usize>,
    /// What the array is for.
    pub role: Role,
}

impl ArraySpec {
    /// A vector of `len` elements.
    pub fn vector(name: &'static str, len: usize, role: Role) -> Self {
        Self { name, shape: vec![len], role }
    }

    /// A matrix `[out, in]`.
    pub fn matrix(name: &'static str, out: usize, inputs: usize, role: Role) -> Self {
        Self { name, shape: vec![out, inputs], role }
    }

    /// Number of elements.
    pub fn n_elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Whether a layer's backward pass reads its output `y`.
///
/// Where it does not, the memory of `y` may be overwritten after the forward pass, by a join say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// `backward` reads `y`.
    Kept,
    /// `backward` does not look at `y`.
    Free,
}

/// The sizes of a layer for a given input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Columns of the output.
    pub outputs: usize,
    /// The learned arrays, in the order in which they lie in `params` and `grads`.
    pub params: Vec<ArraySpec>,
    /// The arrays that are kept but not learned, in the order in which they lie in `state`.
    pub state: Vec<ArraySpec>,
    /// Elements handed from `forward` to `backward`.
    pub saved_len: usize,
    /// Elements that one call needs for itself, the largest of the three calls.
    pub scratch_len: usize,
    /// The smallest training batch.
    pub min_rows: usize,
    /// Whether `backward` reads `y`.
    pub output: Output,
    /// Floating-point operations of the forward pass for one row.
    pub flops_per_row: usize,
}

impl Plan {
    /// A layer without arrays whose output is as wide as its input and free for reuse.
    pub fn elementwise(inputs: usize) -> Self {
        Self {
            outputs: inputs,
            params: Vec::new(),
            state: Vec::new(),
            saved_len: 0,
            scratch_len: 0,
            min_rows: 1,
            output: Output::Free,
            flops_per_row: inputs,
        }
    }
}

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

/// Arguments of [`Layer::forward`].
#[derive(Debug)]
pub struct Forward<'a, T> {
    /// Who works.
    pub exec: &'a Executor,
    /// The input `[rows, inputs]`.
    pub x: ArrayView2<'a, T>,
    /// The output `[rows, outputs]`, to be overwritten.
    pub y: ArrayViewMut2<'a, T>,
    /// The learned arrays.
    pub params: &'a [T],
    /// The arrays that are kept but not learned; training updates them.
    pub state: &'a mut [T],
    /// For `backward`.
    pub saved: &'a mut [T],
    /// For this call.
    pub scratch: &'a mut [T],
    /// What dropout keeps; other layers ignore it.
    pub mask: Mask<'a, T>,
}

/// Arguments of [`Layer::infer`].
#[derive(Debug)]
pub struct Infer<'a, T> {
    /// Who works.
    pub exec: &'a Executor,
    /// The input `[rows, inputs]`.
    pub x: ArrayView2<'a, T>,
    /// The output `[rows, outputs]`, to be overwritten.
    pub y: ArrayViewMut2<'a, T>,
    /// The learned arrays.
    pub params: &'a [T],
    /// The arrays that are kept but not learned: an evaluation cannot write them.
    pub state: &'a [T],
    /// For this call.
    pub scratch: &'a mut [T],
}

/// Arguments of [`Layer::backward`].
#[derive(Debug)]
pub struct Backward<'a, T> {
    /// Who works.
    pub exec: &'a Executor,
    /// The input of the forward pass `[rows, inputs]`.
    pub x: ArrayView2<'a, T>,
    /// The output of the forward pass `[rows, outputs]`; meaningless where the plan says
    /// [`Output::Free`].
    pub y: ArrayView2<'a, T>,
    /// dL/dy `[rows, outputs]`; a layer may use its memory for something else.
    pub dy: ArrayViewMut2<'a, T>,
    /// dL/dx `[rows, inputs]`, replaced or added to; `None` where nobody asks (first layers).
    pub dx: Option<(ArrayViewMut2<'a, T>, Accum)>,
    /// The learned arrays.
    pub params: &'a [T],
    /// dL/dparams, replaced.
    pub grads: &'a mut [T],
    /// Rows of a shard: each sum over the rows is the sum, in order, of those of the shards, so
    /// that it has the same bits as if each shard were the rows of a call of its own. All rows, or
    /// at most [`MAX_TERMS`](anabranch_tensor::gemm::MAX_TERMS).
    pub rows_per_shard: usize,
    /// What `forward` left.
    pub saved: &'a [T],
    /// For this call.
    pub scratch: &'a mut [T],
}

/// An element-wise step that the layer before it can do while its result is in the cache.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pointwise {
    /// max(0, x).
    Relu,
    /// Dropout with this probability of dropping.
    Dropout(f64),
}

/// One layer of a network: y = f(x), and the derivative of a loss with respect to x and the
/// parameters.
///
/// A layer holds hyperparameters only. It says its sizes once ([`plan`](Self::plan), the only call
/// that can fail); afterwards all memory comes from the caller, and nothing is allocated.
pub trait Layer<T: Scalar>: Debug + Send + Sync {
    /// The sizes for batches of up to `rows` rows of `inputs` columns.
    ///
    /// # Errors
    /// If a width is zero or a hyperparameter is out of range.
    fn plan(&self, exec: &Executor, rows: usize, inputs: usize) -> Result<Plan, LayerError>;

    /// Fills `params` and `state` for an input of `inputs` columns. The default is for layers that
    /// have neither.
    fn init(&self, random: &mut Random, inputs: usize, params: &mut [T], state: &mut [T]) {
        let _ = (random, inputs, params, state);
    }

    /// The training pass: y from x, leaving in `saved` what `backward` needs.
    fn forward(&self, cx: Forward<'_, T>);

    /// The evaluation pass.
    fn infer(&self, cx: Infer<'_, T>);

    /// dL/dx and dL/dparams from dL/dy, after `forward` on the same x.
    fn backward(&self, cx: Backward<'_, T>);

    /// The parts of the passes, if the rows of a batch depend on each other. `forward` and
    /// `backward` work on a whole batch then; other layers leave `state` as it is, and may be given
    /// some of the batch's rows.
    fn coupled(&self) -> Option<&dyn Coupled<T>> {
        None
    }

    /// This layer as a step that the layer before it can do.
    fn pointwise(&self) -> Option<Pointwise> {
        None
    }

    /// A layer that does this one's work and then `next`'s in one pass over memory, with the same
    /// parameters.
    fn fuse(&self, next: Pointwise) -> Option<Box<dyn Layer<T>>> {
        let _ = next;
        None
    }

    /// The kind and the hyperparameters, for people: `dropout p=0.5`.
    fn describe(&self) -> String;
}
