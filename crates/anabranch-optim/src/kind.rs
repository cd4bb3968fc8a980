//! The optimizers by name, with their hyperparameters.

use std::sync::Arc;

use anabranch_tensor::{Scalar, compiled_once, named};
use serde::{Deserialize, Serialize};

use crate::error::OptimError;
use crate::rule::{AnyRule, Rule, With};
use crate::rules::{Adagrad, Adam, AdamW, Lion, Momentum, Nesterov, RmsProp, Sgd};

/// An update rule with its hyperparameters; the learning rate and weight decay are set elsewhere.
///
/// The constants carry PyTorch's defaults, and so does a kind parsed from its [name](Self::name).
/// In a file, a kind is its name with its hyperparameters: `{"rmsprop":{"alpha":0.9,"eps":1e-8}}`.
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
/// | `lion` | | β₁ 0.9, β₂ 0.99 | `exp_avg` |
///
/// The formulas are with the [`rules`](crate::rules). Weight decay is added to the gradient (L2) in
/// every rule except AdamW and Lion, whose decay is decoupled from the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OptimizerKind {
    /// [`Sgd`](crate::rules::Sgd).
    Sgd,
    /// [`Momentum`](crate::rules::Momentum).
    Momentum(Momentum),
    /// [`Nesterov`](crate::rules::Nesterov).
    Nesterov(Nesterov),
    /// [`Adam`](crate::rules::Adam).
    Adam(Adam),
    /// [`AdamW`](crate::rules::AdamW).
    AdamW(AdamW),
    /// [`RmsProp`](crate::rules::RmsProp).
    RmsProp(RmsProp),
    /// [`Adagrad`](crate::rules::Adagrad).
    Adagrad(Adagrad),
    /// [`Lion`](crate::rules::Lion).
    Lion(Lion),
}

named!(OptimizerKind, "optimizer", OptimError);

impl OptimizerKind {
    /// [`Sgd`](Self::Sgd).
    pub const SGD: Self = Self::Sgd;
    /// [`Momentum`](Self::Momentum) with 0.9.
    pub const MOMENTUM: Self = Self::Momentum(Momentum { momentum: 0.9 });
    /// [`Nesterov`](Self::Nesterov) with 0.9.
    pub const NESTEROV: Self = Self::Nesterov(Nesterov { momentum: 0.9 });
    /// [`Adam`](Self::Adam) with PyTorch's defaults.
    pub const ADAM: Self = Self::Adam(Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8 });
    /// [`AdamW`](Self::AdamW) with PyTorch's defaults.
    pub const ADAMW: Self = Self::AdamW(AdamW(Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8 }));
    /// [`RmsProp`](Self::RmsProp) with PyTorch's defaults.
    pub const RMSPROP: Self = Self::RmsProp(RmsProp { alpha: 0.99, eps: 1e-8 });
    /// [`Adagrad`](Self::Adagrad) with PyTorch's defaults.
    pub const ADAGRAD: Self = Self::Adagrad(Adagrad { eps: 1e-10 });
    /// [`Lion`](Self::Lion) with its authors' defaults.
    pub const LION: Self = Self::Lion(Lion { beta1: 0.9, beta2: 0.99 });

    /// Every optimizer, with its defaults.
    pub const ALL: [Self; 8] = [
        Self::SGD,
        Self::MOMENTUM,
        Self::NESTEROV,
        Self::ADAM,
        Self::ADAMW,
        Self::RMSPROP,
        Self::ADAGRAD,
        Self::LION,
    ];

    /// The name, as flags and files spell it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sgd => Sgd::NAME,
            Self::Momentum(_) => Momentum::NAME,
            Self::Nesterov(_) => Nesterov::NAME,
            Self::Adam(_) => Adam::NAME,
            Self::AdamW(_) => AdamW::NAME,
            Self::RmsProp(_) => RmsProp::NAME,
            Self::Adagrad(_) => Adagrad::NAME,
            Self::Lion(_) => Lion::NAME,
        }
    }

    /// The rule, compiled in this crate, if its hyperparameters are in their domains.
    pub(crate) fn rule<T: Scalar>(self) -> Result<Arc<dyn AnyRule<T>>, OptimError> {
        rule(self)
    }
}

compiled_once! {
    fn rule<T>(kind: OptimizerKind) -> Result<Arc<dyn AnyRule<T>>, OptimError> {
        match kind {
            OptimizerKind::Sgd => With::checked(Sgd),
            OptimizerKind::Momentum(rule) => With::checked(rule),
            OptimizerKind::Nesterov(rule) => With::checked(rule),
            OptimizerKind::Adam(rule) => With::checked(rule),
            OptimizerKind::AdamW(rule) => With::checked(rule),
            OptimizerKind::RmsProp(rule) => With::checked(rule),
            OptimizerKind::Adagrad(rule) => With::checked(rule),
            OptimizerKind::Lion(rule) => With::checked(rule),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        assert_eq!(
            "Adam".parse::<OptimizerKind>().unwrap_err().to_string(),
            "unknown optimizer `Adam`: choose one of \
             sgd, momentum, nesterov, adam, adamw, rmsprop, adagrad, lion"
        );
    }

    #[test]
    fn hyperparameters_outside_their_domain_are_refused() {
        for kind in OptimizerKind::ALL {
            assert!(kind.rule::<f32>().is_ok(), "{kind}");
        }
        let adam = |beta1, beta2| Adam { beta1, beta2, eps: 0.0 };
        for (kind, refused) in [
            (OptimizerKind::Momentum(Momentum { momentum: 1.0 }), "momentum"),
            (OptimizerKind::Nesterov(Nesterov { momentum: -0.1 }), "momentum"),
            (OptimizerKind::Adam(adam(f64::NAN, 0.9)), "beta1"),
            (OptimizerKind::AdamW(AdamW(adam(0.9, 1.5))), "beta2"),
            (OptimizerKind::RmsProp(RmsProp { alpha: 0.9, eps: -1.0 }), "eps"),
            (OptimizerKind::Adagrad(Adagrad { eps: f64::INFINITY }), "eps"),
            (OptimizerKind::Lion(Lion { beta1: 0.9, beta2: 1.0 }), "beta2"),
        ] {
            let error = kind.rule::<f32>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("{refused} must be")), "{error}");
        }
    }
}
