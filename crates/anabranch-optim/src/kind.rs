//! The optimizers by name, with their hyperparameters.

use std::fmt;
use std::str::FromStr;

use crate::error::{OptimError, check, check_non_negative};

/// Which update rule, with its hyperparameters; the learning rate and weight decay are given
/// elsewhere.
///
/// The constants carry PyTorch's defaults, and so does a kind parsed from its [name](Self::name).
///
/// | name | PyTorch | hyperparameters | moments |
/// |---|---|---|---|
/// | `sgd` | `SGD` | | |
/// | `momentum` | `SGD` | momentum 0.9 (no dampening) | `momentum_buffer` |
/// | `nesterov` | `SGD`, `nesterov=True` | momentum 0.9 | `momentum_buffer` |
/// | `adam` | `Adam` | β₁ 0.9, β₂ 0.999, ε 1e-8 | `exp_avg`, `exp_avg_sq` |
/// | `adamw` | `AdamW` | as Adam | `exp_avg`, `exp_avg_sq` |
/// | `rmsprop` | `RMSprop` | α 0.99, ε 1e-8 | `square_avg` |
/// | `adagrad` | `Adagrad` | ε 1e-10 | `sum` |
///
/// Weight decay adds to the gradient (L2) in every rule but AdamW, whose decay is decoupled from
/// the gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OptimizerKind {
    /// Gradient descent.
    Sgd,
    /// Gradient descent with heavy-ball momentum.
    Momentum {
        /// What is kept of the last direction, in [0, 1).
        momentum: f64,
    },
    /// Gradient descent with Nesterov momentum.
    Nesterov {
        /// What is kept of the last direction, in [0, 1).
        momentum: f64,
    },
    /// Adam (Kingma & Ba 2015), ε added after bias correction.
    Adam {
        /// Decay of the mean gradient, in [0, 1).
        beta1: f64,
        /// Decay of the mean squared gradient, in [0, 1).
        beta2: f64,
        /// Added to the root of the corrected mean square.
        eps: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019).
    AdamW {
        /// Decay of the mean gradient, in [0, 1).
        beta1: f64,
        /// Decay of the mean squared gradient, in [0, 1).
        beta2: f64,
        /// Added to the root of the corrected mean square.
        eps: f64,
    },
    /// RMSprop (Hinton 2012), not centred and without momentum.
    RmsProp {
        /// Decay of the mean squared gradient, in [0, 1).
        alpha: f64,
        /// Added to the root of the mean square.
        eps: f64,
    },
    /// Adagrad (Duchi, Hazan & Singer 2011), without decay of the learning rate.
    Adagrad {
        /// Added to the root of the sum of squares.
        eps: f64,
    },
}

impl OptimizerKind {
    /// [`Sgd`](Self::Sgd).
    pub const SGD: Self = Self::Sgd;
    /// [`Momentum`](Self::Momentum) with 0.9.
    pub const MOMENTUM: Self = Self::Momentum { momentum: 0.9 };
    /// [`Nesterov`](Self::Nesterov) with 0.9.
    pub const NESTEROV: Self = Self::Nesterov { momentum: 0.9 };
    /// [`Adam`](Self::Adam) with PyTorch's defaults.
    pub const ADAM: Self = Self::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    /// [`AdamW`](Self::AdamW) with PyTorch's defaults.
    pub const ADAMW: Self = Self::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    /// [`RmsProp`](Self::RmsProp) with PyTorch's defaults.
    pub const RMSPROP: Self = Self::RmsProp { alpha: 0.99, eps: 1e-8 };
    /// [`Adagrad`](Self::Adagrad) with PyTorch's defaults.
    pub const ADAGRAD: Self = Self::Adagrad { eps: 1e-10 };

    /// Every optimizer, with its defaults.
    pub const ALL: [Self; 7] = [
        Self::SGD,
        Self::MOMENTUM,
        Self::NESTEROV,
        Self::ADAM,
        Self::ADAMW,
        Self::RMSPROP,
        Self::ADAGRAD,
    ];

    /// The name, as flags and files spell it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sgd => "sgd",
            Self::Momentum { .. } => "momentum",
            Self::Nesterov { .. } => "nesterov",
            Self::Adam { .. } => "adam",
            Self::AdamW { .. } => "adamw",
            Self::RmsProp { .. } => "rmsprop",
            Self::Adagrad { .. } => "adagrad",
        }
    }

    /// Names of the moments, as in a PyTorch `state_dict`; each is as long as the parameters.
    pub const fn moment_names(&self) -> &'static [&'static str] {
        match self {
            Self::Sgd => &[],
            Self::Momentum { .. } | Self::Nesterov { .. } => &["momentum_buffer"],
            Self::Adam { .. } | Self::AdamW { .. } => &["exp_avg", "exp_avg_sq"],
            Self::RmsProp { .. } => &["square_avg"],
            Self::Adagrad { .. } => &["sum"],
        }
    }

    /// Refuses hyperparameters outside their domains.
    pub(crate) fn validate(&self) -> Result<(), OptimError> {
        let check_decay = |name, value| {
            check(name, value, "at least 0 and less than 1", |v| (0.0..1.0).contains(&v))
        };
        match *self {
            Self::Sgd => Ok(()),
            Self::Momentum { momentum } | Self::Nesterov { momentum } => {
                check_decay("momentum", momentum)
            }
            Self::Adam { beta1, beta2, eps } | Self::AdamW { beta1, beta2, eps } => {
                check_decay("beta1", beta1)?;
                check_decay("beta2", beta2)?;
                check_non_negative("eps", eps)
            }
            Self::RmsProp { alpha, eps } => {
                check_decay("alpha", alpha)?;
                check_non_negative("eps", eps)
            }
            Self::Adagrad { eps } => check_non_negative("eps", eps),
        }
    }
}

impl fmt::Display for OptimizerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for OptimizerKind {
    type Err = OptimError;

    fn from_str(name: &str) -> Result<Self, OptimError> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            OptimError::UnknownOptimizer {
                name: name.to_owned(),
                known: Self::ALL.map(|kind| kind.name()).join(", "),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back_and_an_unknown_one_is_told_the_others() {
        for kind in OptimizerKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        let error = "Adam".parse::<OptimizerKind>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown optimizer `Adam`: choose one of \
             sgd, momentum, nesterov, adam, adamw, rmsprop, adagrad"
        );
    }

    #[test]
    fn hyperparameters_outside_their_domain_are_refused() {
        for kind in OptimizerKind::ALL {
            assert_eq!(kind.validate(), Ok(()), "{kind}");
        }
        for (kind, name) in [
            (OptimizerKind::Momentum { momentum: 1.0 }, "momentum"),
            (OptimizerKind::Nesterov { momentum: -0.1 }, "momentum"),
            (OptimizerKind::Adam { beta1: f64::NAN, beta2: 0.9, eps: 0.0 }, "beta1"),
            (OptimizerKind::AdamW { beta1: 0.9, beta2: 1.5, eps: 0.0 }, "beta2"),
            (OptimizerKind::RmsProp { alpha: 0.9, eps: -1.0 }, "eps"),
            (OptimizerKind::Adagrad { eps: f64::INFINITY }, "eps"),
        ] {
            assert!(
                matches!(kind.validate(), Err(OptimError::Hyperparameter { name: n, .. }) if n == name),
                "{kind:?}"
            );
        }
    }
}
