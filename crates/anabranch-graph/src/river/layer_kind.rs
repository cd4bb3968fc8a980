//! The layers of a river as data.

use anabranch_layers::{
    Activation, Affine, BatchNorm, Dropout, Init, LayerNorm, Linear, PRelu, RunningVariance,
};
use anabranch_tensor::Scalar;
use serde::{Deserialize, Serialize};

use crate::builder::GraphBuilder;
use crate::error::GraphError;
use crate::node::NodeId;

/// A built-in layer with its hyperparameters; its input width follows from its position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LayerKind {
    /// [`Linear`].
    Linear {
        /// Columns of the output.
        outputs: usize,
        /// Distribution of its initial weights.
        init: Init,
    },
    /// An [`Activation`].
    Activation(Activation),
    /// [`BatchNorm`].
    BatchNorm {
        /// Added to the variance.
        eps: f64,
        /// Weight of a new batch in the running statistics.
        momentum: f64,
        /// How many γ and β there are.
        affine: Affine,
        /// The convention for the running variance.
        running: RunningVariance,
    },
    /// [`LayerNorm`].
    LayerNorm {
        /// Added to the variance.
        eps: f64,
    },
    /// [`PRelu`].
    #[serde(rename = "prelu")]
    PRelu {
        /// The initial slopes.
        initial: f64,
    },
    /// [`Dropout`].
    Dropout {
        /// Drop probability.
        p: f64,
    },
}

impl LayerKind {
    /// [`BatchNorm`] with PyTorch's defaults.
    pub const BATCH_NORM: Self = Self::BatchNorm {
        eps: 1e-5,
        momentum: 0.1,
        affine: Affine::PerUnit,
        running: RunningVariance::Unbiased,
    };

    /// [`LayerNorm`] with PyTorch's ε.
    pub const LAYER_NORM: Self = Self::LayerNorm { eps: 1e-5 };

    /// [`PRelu`] with PyTorch's initial slopes.
    pub const PRELU: Self = Self::PRelu { initial: 0.25 };

    /// Adds the layer to a network.
    pub(super) fn add<T: Scalar>(
        &self,
        g: &mut GraphBuilder<T>,
        name: &str,
        x: NodeId,
    ) -> Result<NodeId, GraphError> {
        match *self {
            Self::Linear { outputs, init } => {
                g.layer(name, Linear::new(outputs).with_init(init), x)
            }
            Self::Activation(activation) => g.layer(name, activation, x),
            Self::BatchNorm { eps, momentum, affine, running } => {
                let batch_norm = BatchNorm::new()
                    .with_eps(eps)
                    .with_momentum(momentum)
                    .with_affine(affine)
                    .with_running_variance(running);
                g.layer(name, batch_norm, x)
            }
            Self::LayerNorm { eps } => g.layer(name, LayerNorm::new().with_eps(eps), x),
            Self::PRelu { initial } => g.layer(name, PRelu::new().with_initial(initial), x),
            Self::Dropout { p } => g.layer(name, Dropout::new(p), x),
        }
    }
}
