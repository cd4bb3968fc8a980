//! What a layer says of itself before it runs: its arrays, its output, its memory.

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
    /// The name, as in PyTorch's `state_dict`: `weight`, `bias`, `running_mean`, …
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

/// What may happen to the memory of a layer's output or first input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// `backward` reads `y`.
    Kept,
    /// `backward` does not look at `y`: its memory may be overwritten after the forward pass, by a
    /// join say.
    Free,
    /// As `Free`, and y is the first input plus what the other inputs bring. Where the first input
    /// is free too, y takes over its memory, and the calls for input 0 are left out.
    Sum,
}

/// An element-wise step that the layer before it can do while its result is in the cache.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pointwise {
    /// max(0, x).
    Relu,
    /// Dropout with this probability of dropping.
    Dropout(f64),
}

/// The sizes of a layer for given inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Columns of the output.
    pub outputs: usize,
    /// The learned arrays, in the order in which they lie in `params` and `grads`.
    pub params: Vec<ArraySpec>,
    /// The arrays that are kept but not learned, in the order in which they lie in `state`.
    pub state: Vec<ArraySpec>,
    /// The smallest training batch.
    pub min_rows: usize,
    /// What may happen to the output's memory.
    pub output: Output,
    /// Floating-point operations of the forward pass for one row.
    pub flops_per_row: usize,
    /// The layer as a step that the one before it may do, if it is one.
    pub pointwise: Option<Pointwise>,
}

impl Shape {
    /// A layer without arrays whose output has `outputs` columns and is free for reuse.
    pub fn new(outputs: usize) -> Self {
        Self {
            outputs,
            params: Vec::new(),
            state: Vec::new(),
            min_rows: 1,
            output: Output::Free,
            flops_per_row: outputs,
            pointwise: None,
        }
    }
}

/// The memory of a layer's passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Elements handed from `forward` to `backward`.
    pub saved_len: usize,
    /// Elements that one call needs for itself, the most of any call.
    pub scratch_len: usize,
}

/// The width of the one input of a layer of this kind.
///
/// # Errors
/// If there is another number of inputs, or it has no columns.
pub fn one_input(layer: &'static str, inputs: &[usize]) -> Result<usize, LayerError> {
    match inputs {
        [0] => Err(LayerError::Empty { layer, what: "inputs" }),
        [width] => check_width(layer, *width),
        _ => Err(LayerError::Inputs { layer, expected: 1, got: inputs.len() }),
    }
}

/// Inputs and layers have fewer columns than this: products of two widths stay far from the limits
/// of `usize`.
const MAX_WIDTH: usize = 1 << 28;

/// `width`, if no computation of a size can overflow by it.
pub(crate) fn check_width(layer: &'static str, width: usize) -> Result<usize, LayerError> {
    if width < MAX_WIDTH {
        Ok(width)
    } else {
        Err(LayerError::Wide { layer, width, max: MAX_WIDTH })
    }
}
