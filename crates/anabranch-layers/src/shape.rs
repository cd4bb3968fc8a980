//! What a layer declares before it runs: its arrays, output and memory.

use crate::error::LayerError;

/// What an array of parameters is for; optimizers may treat roles differently (no weight decay on
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

/// How the memory of a layer's output or first input may be reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// `backward` reads `y`.
    Kept,
    /// `backward` does not read `y`: its memory may be overwritten after the forward pass, by a
    /// join for example.
    Free,
    /// As `Free`, and y is the first input plus contributions of the other inputs. If the first
    /// input is free too, y takes over its memory and the calls for input 0 are skipped.
    Sum,
}

/// An element-wise step that the preceding layer can apply while its result is still in cache.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pointwise {
    /// max(0, x).
    Relu,
    /// Dropout with this drop probability.
    Dropout(f64),
}

/// The sizes of a layer for given inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Columns of the output.
    pub outputs: usize,
    /// The learned arrays, in the order of `params` and `grads`.
    pub params: Vec<ArraySpec>,
    /// The non-learned arrays, in the order of `state`.
    pub state: Vec<ArraySpec>,
    /// The smallest training batch.
    pub min_rows: usize,
    /// How the output's memory may be reused.
    pub output: Output,
    /// Floating-point operations of the forward pass for one row.
    pub flops_per_row: usize,
    /// The layer as a step that the preceding layer may apply, if it is one.
    pub pointwise: Option<Pointwise>,
}

impl Shape {
    /// A layer without arrays whose output has `outputs` columns and may be reused.
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

/// The memory needed by a layer's passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Elements passed from `forward` to `backward`.
    pub saved_len: usize,
    /// The largest number of scratch elements that any one call needs.
    pub scratch_len: usize,
}

/// The width of the input of a single-input layer.
///
/// # Errors
/// If there is not exactly one input, or it has no columns.
pub fn one_input(layer: &'static str, inputs: &[usize]) -> Result<usize, LayerError> {
    match inputs {
        [0] => Err(LayerError::Empty { layer, what: "inputs" }),
        [width] => check_width(layer, *width),
        _ => Err(LayerError::Inputs { layer, expected: 1, got: inputs.len() }),
    }
}

/// Exclusive limit on widths: the product of two widths stays far below the limit of `usize`.
const MAX_WIDTH: usize = 1 << 28;

/// Returns `width` if it is small enough that no size computation can overflow.
pub(crate) fn check_width(layer: &'static str, width: usize) -> Result<usize, LayerError> {
    if width < MAX_WIDTH {
        Ok(width)
    } else {
        Err(LayerError::Wide { layer, width, max: MAX_WIDTH })
    }
}
