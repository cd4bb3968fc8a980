//! What is checked: one step of a run, in f64.

use anabranch_graph::TwoBranch;
use anabranch_layers::{Activation, Target};
use anabranch_tensor::{ArrayView2, Scalar};

use super::error::GradcheckError;
use anabranch_audit::matrix::Matrix;

/// One training step: network, parameters, batch, and what its dropout mask is drawn by.
#[derive(Clone, Debug)]
pub struct Instance {
    network: TwoBranch,
    params: Vec<f64>,
    x: Matrix,
    y_a: Matrix,
    y_b: Labels,
    seed: u64,
    step: u64,
}

/// The target of task B.
#[derive(Clone, Debug)]
pub(super) enum Labels {
    Classes(Vec<u32>),
    Probabilities(Matrix),
}

impl Instance {
    /// The step of a run in the numbers `T`, which f64 holds exactly: the flat `params`, the batch `x`
    /// `[rows, inputs]` with its `targets`, and the `seed` and `step` of [`Masks::Drawn`](anabranch_graph::Masks).
    ///
    /// # Errors
    /// If the activation is not ReLU, or a target is not of its task's kind.
    pub fn new<T: Scalar>(
        network: &TwoBranch,
        params: &[T],
        x: ArrayView2<'_, T>,
        targets: [Target<'_, T>; 2],
        (seed, step): (u64, u64),
    ) -> Result<Self, GradcheckError> {
        if network.activation != Activation::Relu {
            return Err(GradcheckError::Activation(network.activation.name()));
        }
        let (y_a, y_b) = match targets {
            [Target::Values(y_a), Target::Classes(classes)] => {
                (double(y_a), Labels::Classes(classes.to_vec()))
            }
            [Target::Values(y_a), Target::Probabilities(y_b)] => {
                (double(y_a), Labels::Probabilities(double(y_b)))
            }
            _ => return Err(GradcheckError::Targets),
        };
        let params = params.iter().map(|value| value.to_f64()).collect();
        Ok(Self { network: network.clone(), params, x: double(x), y_a, y_b, seed, step })
    }

    /// Rows of the batch.
    pub fn rows(&self) -> usize {
        self.x.rows()
    }

    /// Sizes and hyperparameters.
    pub fn network(&self) -> &TwoBranch {
        &self.network
    }

    /// The flat parameters.
    pub fn params(&self) -> &[f64] {
        &self.params
    }

    pub(super) fn x(&self) -> &Matrix {
        &self.x
    }

    pub(super) fn y_a(&self) -> &Matrix {
        &self.y_a
    }

    pub(super) fn y_b(&self) -> &Labels {
        &self.y_b
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn step(&self) -> u64 {
        self.step
    }
}

impl Labels {
    /// The probabilities `[rows, classes]`.
    pub(super) fn probabilities(&self, classes: usize) -> Matrix {
        match self {
            Self::Classes(labels) => Matrix::from_fn(labels.len(), classes, |i, j| {
                if labels[i] as usize == j { 1.0 } else { 0.0 }
            }),
            Self::Probabilities(probabilities) => probabilities.clone(),
        }
    }
}

fn double<T: Scalar>(view: ArrayView2<'_, T>) -> Matrix {
    let (rows, cols) = view.dim();
    Matrix::new(rows, cols, view.iter().map(|value| value.to_f64()).collect())
}
