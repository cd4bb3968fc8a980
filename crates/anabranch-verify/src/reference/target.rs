//! Targets that own their numbers, and the weights of their rows.

use anabranch_graph::RowWeights;
use anabranch_layers::Target;
use anabranch_tensor::{ArrayView2, Scalar};
use ndarray::Array2;

/// What a head's prediction is compared with.
#[derive(Clone, Debug)]
pub(crate) enum OwnedTarget<T = f64> {
    /// `[rows, outputs]`.
    Values(Array2<T>),
    Classes(Vec<u32>),
    /// `[rows, classes]`.
    Probabilities(Array2<T>),
}

impl<T: Scalar> OwnedTarget<T> {
    pub(crate) fn new<U: Scalar>(target: &Target<'_, U>) -> Self {
        match target {
            Target::Values(y) => Self::Values(cast(*y)),
            Target::Classes(classes) => Self::Classes(classes.to_vec()),
            Target::Probabilities(y) => Self::Probabilities(cast(*y)),
        }
    }

    pub(crate) fn view(&self) -> Target<'_, T> {
        match self {
            Self::Values(y) => Target::Values(y.view()),
            Self::Classes(classes) => Target::Classes(classes),
            Self::Probabilities(y) => Target::Probabilities(y.view()),
        }
    }
}

/// The same weights in another type.
pub(crate) fn cast_weights<T: Scalar, U: Scalar>(weights: &RowWeights<U>) -> RowWeights<T> {
    match weights {
        RowWeights::Equal => RowWeights::Equal,
        RowWeights::Each(weights) => {
            RowWeights::Each(weights.iter().map(|w| T::from_f64(w.to_f64())).collect())
        }
    }
}

/// The same numbers in another type.
pub(crate) fn cast<T: Scalar, U: Scalar>(view: ArrayView2<'_, U>) -> Array2<T> {
    // Row by row, whatever the order in memory.
    Array2::from_shape_vec(view.dim(), view.iter().map(|v| T::from_f64(v.to_f64())).collect())
        .expect("as many numbers as the view has")
}
