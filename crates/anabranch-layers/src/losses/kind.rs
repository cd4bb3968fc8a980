//! The built-in losses as data.

use anabranch_tensor::{Scalar, compiled_once, named};
use serde::{Deserialize, Serialize};

use super::absolute_error::AbsoluteError;
use super::binary_cross_entropy::BinaryCrossEntropy;
use super::cross_entropy::CrossEntropy;
use super::huber::Huber;
use super::pinball::Pinball;
use super::squared_error::HalfSquaredError;
use crate::error::LayerError;
use crate::loss::Loss;
use crate::target::TargetKind;

/// A built-in loss with its hyperparameters, as configurations and files store it.
///
/// Parsing a [name](Self::name) gives the usual hyperparameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LossKind {
    /// [`HalfSquaredError`].
    HalfSquaredError,
    /// [`AbsoluteError`].
    AbsoluteError,
    /// [`Huber`].
    Huber {
        /// The error beyond which the loss is linear.
        delta: f64,
    },
    /// [`Pinball`].
    Pinball {
        /// The fraction of targets that should lie below the prediction.
        quantile: f64,
    },
    /// [`CrossEntropy`].
    CrossEntropy {
        /// Label smoothing.
        #[serde(default)]
        label_smoothing: f64,
        /// One weight per class; empty for weights of 1.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        class_weights: Vec<f64>,
    },
    /// [`BinaryCrossEntropy`].
    BinaryCrossEntropy,
}

named!(LossKind, "loss", LayerError);

impl LossKind {
    /// [`Huber`](Self::Huber) with δ = 1, as PyTorch.
    pub const HUBER: Self = Self::Huber { delta: 1.0 };
    /// [`Pinball`](Self::Pinball) of the median.
    pub const PINBALL: Self = Self::Pinball { quantile: 0.5 };
    /// [`CrossEntropy`](Self::CrossEntropy) without smoothing or weights.
    pub const CROSS_ENTROPY: Self =
        Self::CrossEntropy { label_smoothing: 0.0, class_weights: Vec::new() };

    /// Every loss, with its usual hyperparameters.
    pub const ALL: [Self; 6] = [
        Self::HalfSquaredError,
        Self::AbsoluteError,
        Self::HUBER,
        Self::PINBALL,
        Self::CROSS_ENTROPY,
        Self::BinaryCrossEntropy,
    ];

    /// The name in flags and files.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::HalfSquaredError => "half_squared_error",
            Self::AbsoluteError => "absolute_error",
            Self::Huber { .. } => "huber",
            Self::Pinball { .. } => "pinball",
            Self::CrossEntropy { .. } => "cross_entropy",
            Self::BinaryCrossEntropy => "binary_cross_entropy",
        }
    }

    /// The kind of target it takes.
    pub const fn target_kind(&self) -> TargetKind {
        match self {
            Self::CrossEntropy { .. } => TargetKind::Classes,
            Self::BinaryCrossEntropy => TargetKind::Binary,
            _ => TargetKind::Values,
        }
    }

    /// The loss, compiled in this crate.
    pub fn boxed<T: Scalar>(&self) -> Box<dyn Loss<T>> {
        boxed(self)
    }
}

compiled_once! {
    fn boxed<T>(kind: &LossKind) -> Box<dyn Loss<T>> {
        match kind.clone() {
            LossKind::HalfSquaredError => Box::new(HalfSquaredError),
            LossKind::AbsoluteError => Box::new(AbsoluteError),
            LossKind::Huber { delta } => Box::new(Huber { delta }),
            LossKind::Pinball { quantile } => Box::new(Pinball { quantile }),
            LossKind::CrossEntropy { label_smoothing, class_weights } => {
                Box::new(CrossEntropy { label_smoothing, class_weights })
            }
            LossKind::BinaryCrossEntropy => Box::new(BinaryCrossEntropy),
        }
    }
}
