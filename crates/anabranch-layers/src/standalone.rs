//! A layer by itself, with its arrays and memory in one value, for exploring.

use anabranch_tensor::random::{Purpose, Random};
use anabranch_tensor::{Accum, ArrayView2, Executor, Scalar};
use ndarray::Array2;

use crate::error::LayerError;
use crate::layer::{Infer, Layer};
use crate::one_batch::{backward_batch, forward_batch};
use crate::row_wise::{Backward, Dx, Forward, Mask};
use crate::shape::{ArraySpec, Pointwise};

/// A layer that owns its parameters, gradients and running state, and the memory of its passes.
///
/// It works on ndarray arrays and allocates as it goes, whereas a network owns and reuses the
/// memory of its layers.
///
/// ```
/// use anabranch_layers::{BatchNorm, Standalone};
/// use ndarray::array;
///
/// let mut layer = Standalone::<f64>::new(BatchNorm::new(), 2, 1)?;
/// layer.param_mut("weight").unwrap().copy_from_slice(&[1.5, -0.5]);
/// let x = array![[0.1, 3.0], [-0.4, 1.0], [2.0, -1.0]];
///
/// // ∂y/∂x: a row for each element of y, a column for each element of x.
/// let jacobian = layer.jacobian(x.view())?;
/// assert_eq!(jacobian.dim(), (6, 6));
///
/// // The derivatives of ⟨dy, y⟩ with respect to x, which is Jᵀ·dy, and to the parameters.
/// let y = layer.forward(x.view())?;
/// let dx = layer.backward(y.view())?;
/// assert!((dx[[0, 1]] - jacobian.column(1).dot(&y.flatten())).abs() < 1e-14);
/// println!("dγ = {:?}", layer.grad("weight").unwrap());
/// # Ok::<(), anabranch_layers::LayerError>(())
/// ```
#[derive(Debug)]
pub struct Standalone<T> {
    layer: Box<dyn Layer<T>>,
    inputs: usize,
    params: Arrays<T>,
    grads: Vec<T>,
    state: Arrays<T>,
    seed: u64,
    steps: u64,
    /// What the last training pass saved for the backward pass.
    pass: Option<Pass<T>>,
}

/// Named arrays, one after the other.
#[derive(Debug)]
struct Arrays<T> {
    specs: Vec<ArraySpec>,
    values: Vec<T>,
}

#[derive(Debug)]
struct Pass<T> {
    x: Array2<T>,
    y: Array2<T>,
    saved: Vec<T>,
    scratch_len: usize,
}

impl<T: Scalar> Standalone<T> {
    /// `layer` for an input of `inputs` columns; `seed` determines its initial parameters and its
    /// dropout masks.
    ///
    /// # Errors
    /// If the layer rejects the width or a hyperparameter.
    pub fn new(
        layer: impl Layer<T> + 'static,
        inputs: usize,
        seed: u64,
    ) -> Result<Self, LayerError> {
        let shape = layer.shape(&[inputs])?;
        let mut params = Arrays::zeros(shape.params);
        let mut state = Arrays::zeros(shape.state);
        let mut random = Random::new(seed, Purpose::Init, 0);
        layer.init(&mut random, &[inputs], &mut params.values, &mut state.values);
        let grads = vec![T::ZERO; params.values.len()];
        let layer = layer.boxed();
        Ok(Self { layer, inputs, params, grads, state, seed, steps: 0, pass: None })
    }

    /// The training pass: y `[rows, outputs]` from x `[rows, inputs]`. Each call is a step with its
    /// own dropout mask.
    ///
    /// # Errors
    /// If x has the wrong width, or too few rows for the layer.
    pub fn forward(&mut self, x: ArrayView2<'_, T>) -> Result<Array2<T>, LayerError> {
        let mask = Mask::Drawn { seed: self.seed, layer: 0, step: self.steps, first_row: 0 };
        self.forward_with_mask(x, mask)
    }

    /// The training pass with a mask of your own; only dropout uses it.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), or if a given mask does not have as many elements as x.
    pub fn forward_with_mask(
        &mut self,
        x: ArrayView2<'_, T>,
        mask: Mask<'_, T>,
    ) -> Result<Array2<T>, LayerError> {
        self.check_width(x)?;
        let (params, state) = (&self.params.values, &mut self.state.values);
        let pass = self.pass.insert(Pass::forward(&*self.layer, x, params, state, mask)?);
        self.steps += 1;
        Ok(pass.y.clone())
    }

    /// The evaluation pass: y `[rows, outputs]` from x `[rows, inputs]`, using the running state.
    ///
    /// # Errors
    /// If x has the wrong width.
    pub fn infer(&self, x: ArrayView2<'_, T>) -> Result<Array2<T>, LayerError> {
        self.check_width(x)?;
        let exec = Executor::serial();
        let outputs = self.layer.shape(&[self.inputs])?.outputs;
        let memory = self.layer.memory(&exec, x.nrows(), &[self.inputs]);
        let mut y = Array2::from_elem((x.nrows(), outputs), T::ZERO);
        self.layer.infer(Infer {
            exec: &exec,
            input: 0,
            x: x.as_standard_layout().view(),
            y: y.view_mut(),
            params: &self.params.values,
            state: &self.state.values,
            scratch: &mut vec![T::ZERO; memory.scratch_len],
        });
        Ok(y)
    }

    /// dL/dx `[rows, inputs]` from dL/dy `[rows, outputs]`, after [`forward`](Self::forward);
    /// dL/dparams is then in [`grads`](Self::grads).
    ///
    /// # Errors
    /// If there was no training pass, or dy does not have the shape of its output.
    pub fn backward(&mut self, dy: ArrayView2<'_, T>) -> Result<Array2<T>, LayerError> {
        let pass = self.pass.as_ref().ok_or(LayerError::NoForward)?;
        pass.backward(&*self.layer, &self.params.values, &mut self.grads, dy)
    }

    /// ∂y/∂x of the training pass at `x` `[rows, inputs]`, as a matrix `[rows·outputs,
    /// rows·inputs]` over the elements of y and x in row-major order; takes one backward pass per
    /// element of y. It uses the mask of the next [`forward`](Self::forward) and leaves the layer
    /// unchanged.
    ///
    /// # Errors
    /// As `forward`.
    pub fn jacobian(&mut self, x: ArrayView2<'_, T>) -> Result<Array2<T>, LayerError> {
        let before = (self.state.values.clone(), self.grads.clone(), self.steps, self.pass.take());
        let jacobian = self.rows_of_jacobian(x);
        (self.state.values, self.grads, self.steps, self.pass) = before;
        jacobian
    }

    fn rows_of_jacobian(&mut self, x: ArrayView2<'_, T>) -> Result<Array2<T>, LayerError> {
        let y = self.forward(x)?;
        let mut jacobian = Array2::from_elem((y.len(), x.len()), T::ZERO);
        for (i, mut row) in jacobian.rows_mut().into_iter().enumerate() {
            let mut dy = Array2::from_elem(y.dim(), T::ZERO);
            dy[[i / y.ncols(), i % y.ncols()]] = T::ONE;
            row.assign(&self.backward(dy.view())?.flatten());
        }
        Ok(jacobian)
    }

    fn check_width(&self, x: ArrayView2<'_, T>) -> Result<(), LayerError> {
        let (n_rows, inputs) = x.dim();
        if inputs == self.inputs {
            return Ok(());
        }
        let (expected, got) = ([n_rows, self.inputs], [n_rows, inputs]);
        Err(LayerError::Shape { what: "x", expected, got })
    }

    /// All parameters, in the order of the layer's arrays.
    pub fn params(&self) -> &[T] {
        &self.params.values
    }

    /// All parameters, mutably.
    pub fn params_mut(&mut self) -> &mut [T] {
        &mut self.params.values
    }

    /// The parameters of the array `name`: `weight`, `bias`.
    pub fn param(&self, name: &str) -> Option<&[T]> {
        self.params.range(name).map(|range| &self.params.values[range])
    }

    /// The parameters of the array `name`, mutably.
    pub fn param_mut(&mut self, name: &str) -> Option<&mut [T]> {
        self.params.range(name).map(|range| &mut self.params.values[range])
    }

    /// The gradients of all parameters, from the last [`backward`](Self::backward).
    pub fn grads(&self) -> &[T] {
        &self.grads
    }

    /// The gradients of the array `name`.
    pub fn grad(&self, name: &str) -> Option<&[T]> {
        self.params.range(name).map(|range| &self.grads[range])
    }

    /// The running state array `name`, such as `running_mean`.
    pub fn state(&self, name: &str) -> Option<&[T]> {
        self.state.range(name).map(|range| &self.state.values[range])
    }
}

impl<T: Scalar> Pass<T> {
    /// The training pass of `layer`.
    fn forward(
        layer: &dyn Layer<T>,
        x: ArrayView2<'_, T>,
        params: &[T],
        state: &mut [T],
        mask: Mask<'_, T>,
    ) -> Result<Self, LayerError> {
        let exec = Executor::serial();
        let (n_rows, inputs) = x.dim();
        if n_rows == 0 {
            return Err(LayerError::Empty { layer: "a layer by itself", what: "rows" });
        }
        let shape = layer.shape(&[inputs])?;
        let memory = layer.memory(&exec, n_rows, &[inputs]);
        if n_rows < shape.min_rows {
            let (layer, expected) = ("a layer by itself", shape.min_rows);
            return Err(LayerError::Rows { layer, expected, rows: n_rows });
        }
        let is_dropout = matches!(shape.pointwise, Some(Pointwise::Dropout(_)));
        if let Mask::Given(mask) = mask
            && is_dropout
            && mask.len() != x.len()
        {
            let (expected, got) = (x.dim().into(), [1, mask.len()]);
            return Err(LayerError::Shape { what: "the mask", expected, got });
        }
        let mut y = Array2::from_elem((n_rows, shape.outputs), T::ZERO);
        let mut saved = vec![T::ZERO; memory.saved_len];
        let x = x.as_standard_layout().into_owned();
        let cx = Forward {
            exec: &exec,
            input: 0,
            x: x.view(),
            y: y.view_mut(),
            params,
            state: &[],
            saved: &mut saved,
            scratch: &mut vec![T::ZERO; memory.scratch_len],
            mask,
        };
        forward_batch(layer, cx, state);
        Ok(Self { x, y, saved, scratch_len: memory.scratch_len })
    }

    /// dL/dx from dL/dy, and dL/dparams into `grads`.
    fn backward(
        &self,
        layer: &dyn Layer<T>,
        params: &[T],
        grads: &mut [T],
        dy: ArrayView2<'_, T>,
    ) -> Result<Array2<T>, LayerError> {
        let Self { x, y, saved, scratch_len } = self;
        if dy.dim() != y.dim() {
            let (expected, got) = (y.dim().into(), dy.dim().into());
            return Err(LayerError::Shape { what: "dy", expected, got });
        }
        let mut dy = dy.as_standard_layout().into_owned();
        let mut dx = Array2::from_elem(x.dim(), T::ZERO);
        let cx = Backward {
            exec: &Executor::serial(),
            input: 0,
            x: x.view(),
            y: y.view(),
            dy: dy.view_mut(),
            dx: Some(Dx { values: dx.view_mut(), accum: Accum::Replace }),
            params,
            saved,
            scratch: &mut vec![T::ZERO; *scratch_len],
        };
        backward_batch(layer, cx, grads);
        Ok(dx)
    }
}

/// A layer's output and the derivatives of ⟨dy, y⟩.
#[derive(Clone, Debug)]
pub struct Vjp<T> {
    /// The output of the training pass `[rows, outputs]`.
    pub y: Array2<T>,
    /// dx = Jᵀ·dy, `[rows, inputs]`.
    pub dx: Array2<T>,
    /// The derivatives with respect to the parameters, in the order of the layer's arrays.
    pub grads: Vec<T>,
}

/// The vector-Jacobian product of `layer` at `x` `[rows, inputs]`: the output of its training pass,
/// and the derivatives of ⟨dy, y⟩ with respect to x and the parameters. A [`Standalone`] layer in
/// one call.
///
/// # Errors
/// If the layer rejects the width of x, the batch is too small for it, or `dy`, `params` or a given
/// mask do not fit.
pub fn vjp<T: Scalar>(
    layer: &dyn Layer<T>,
    x: ArrayView2<'_, T>,
    params: &[T],
    mask: Mask<'_, T>,
    dy: ArrayView2<'_, T>,
) -> Result<Vjp<T>, LayerError> {
    let shape = layer.shape(&[x.ncols()])?;
    let [n_params, n_state] =
        [shape.params, shape.state].map(|arrays| Arrays::<T>::zeros(arrays).values.len());
    if params.len() != n_params {
        let (expected, got) = ([1, n_params], [1, params.len()]);
        return Err(LayerError::Shape { what: "params", expected, got });
    }
    let (mut state, mut grads) = (vec![T::ZERO; n_state], vec![T::ZERO; n_params]);
    let pass = Pass::forward(layer, x, params, &mut state, mask)?;
    let dx = pass.backward(layer, params, &mut grads, dy)?;
    Ok(Vjp { y: pass.y, dx, grads })
}

impl<T: Scalar> Arrays<T> {
    fn zeros(specs: Vec<ArraySpec>) -> Self {
        let len = specs.iter().map(ArraySpec::n_elements).sum();
        Self { specs, values: vec![T::ZERO; len] }
    }
}

impl<T> Arrays<T> {
    /// Range of the array `name`.
    fn range(&self, name: &str) -> Option<std::ops::Range<usize>> {
        let place = self.specs.iter().position(|spec| spec.name == name)?;
        let start = self.specs[..place].iter().map(ArraySpec::n_elements).sum();
        Some(start..start + self.specs[place].n_elements())
    }
}
