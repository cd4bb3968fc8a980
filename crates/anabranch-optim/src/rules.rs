//! The update rules, each with its formula.
//!
//! In every formula, p is a parameter, g its gradient (scaled, and with weight decay added), and η
//! the learning rate. The formulas are those of `torch.optim`, including the order of operations,
//! from left to right: (1−β)·g·g stays finite in f32 for |g| = 1e20, where (1−β)·(g·g) would be
//! infinite and stop the parameter for good.

use anabranch_tensor::Scalar;
use serde::{Deserialize, Serialize};

use crate::error::{OptimError, check_non_negative, check_share};
use crate::rule::{Decay, Rule};

/// Gradient descent: p −= η g.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd;

impl Rule<0> for Sgd {
    const NAME: &'static str = "sgd";
    const MOMENTS: [&'static str; 0] = [];
    type Constants<T: Scalar> = ();

    fn constants<T: Scalar>(&self, _: u64) {}

    #[inline(always)]
    fn update<T: Scalar>((): (), rate: T, p: T, g: T, _: [T; 0]) -> (T, [T; 0]) {
        (p - rate * g, [])
    }
}

/// Heavy-ball momentum: b = μb + g, p −= η b. PyTorch starts with b = g; b = 0 before the first
/// step gives the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Momentum {
    /// μ, in [0, 1).
    pub momentum: f64,
}

impl Rule<1> for Momentum {
    const NAME: &'static str = "momentum";
    const MOMENTS: [&'static str; 1] = ["momentum_buffer"];
    type Constants<T: Scalar> = T;

    fn check(&self) -> Result<(), OptimError> {
        check_share("momentum", self.momentum)
    }

    fn constants<T: Scalar>(&self, _: u64) -> T {
        T::from_f64(self.momentum)
    }

    #[inline(always)]
    fn update<T: Scalar>(momentum: T, rate: T, p: T, g: T, [b]: [T; 1]) -> (T, [T; 1]) {
        let b = momentum * b + g;
        (p - rate * b, [b])
    }
}

/// Nesterov momentum: b = μb + g, p −= η (g + μb).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Nesterov {
    /// μ, in [0, 1).
    pub momentum: f64,
}

impl Rule<1> for Nesterov {
    const NAME: &'static str = "nesterov";
    const MOMENTS: [&'static str; 1] = ["momentum_buffer"];
    type Constants<T: Scalar> = T;

    fn check(&self) -> Result<(), OptimError> {
        check_share("momentum", self.momentum)
    }

    fn constants<T: Scalar>(&self, _: u64) -> T {
        T::from_f64(self.momentum)
    }

    #[inline(always)]
    fn update<T: Scalar>(momentum: T, rate: T, p: T, g: T, [b]: [T; 1]) -> (T, [T; 1]) {
        let b = momentum * b + g;
        (p - rate * (g + momentum * b), [b])
    }
}

/// Adam (Kingma & Ba 2015): m = β₁m + (1−β₁)g, v = β₂v + (1−β₂)g·g, p −= η m / (√v + ε).
///
/// PyTorch's last formula is p −= lr/(1−β₁ᵗ) · m / (√v/c + ε) with c = √(1−β₂ᵗ). Multiplying both
/// sides of the fraction by c gives the one here, with η = lr · c/(1−β₁ᵗ) and cε in place of ε: one
/// division instead of two, and neither form overflows where the other does not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Adam {
    /// β₁, in [0, 1).
    pub beta1: f64,
    /// β₂, in [0, 1).
    pub beta2: f64,
    /// ε, at least 0.
    pub eps: f64,
}

impl Adam {
    /// c = √(1−β₂ᵗ). libm, not the platform's pow: the same bits on every machine.
    fn c(&self, t: u64) -> f64 {
        (1.0 - libm::pow(self.beta2, t as f64)).sqrt()
    }
}

impl Rule<2> for Adam {
    const NAME: &'static str = "adam";
    const MOMENTS: [&'static str; 2] = ["exp_avg", "exp_avg_sq"];
    /// β₁, 1−β₁, β₂, 1−β₂ and cε.
    type Constants<T: Scalar> = [T; 5];

    fn check(&self) -> Result<(), OptimError> {
        check_share("beta1", self.beta1)?;
        check_share("beta2", self.beta2)?;
        check_non_negative("eps", self.eps)
    }

    fn constants<T: Scalar>(&self, t: u64) -> [T; 5] {
        let Self { beta1, beta2, eps } = *self;
        [beta1, 1.0 - beta1, beta2, 1.0 - beta2, self.c(t) * eps].map(T::from_f64)
    }

    fn rate_factor(&self, t: u64) -> f64 {
        self.c(t) / (1.0 - libm::pow(self.beta1, t as f64))
    }

    #[inline(always)]
    fn update<T: Scalar>(
        [beta1, one_minus_beta1, beta2, one_minus_beta2, eps]: [T; 5],
        rate: T,
        p: T,
        g: T,
        [m, v]: [T; 2],
    ) -> (T, [T; 2]) {
        // As `torch.lerp`: from the nearer end, so that m becomes g exactly where β₁ = 0.
        let m = if one_minus_beta1 < beta1 {
            m + one_minus_beta1 * (g - m)
        } else {
            g - beta1 * (g - m)
        };
        let v = beta2 * v + one_minus_beta2 * g * g;
        (p - rate * m / (v.sqrt() + eps), [m, v])
    }
}

/// AdamW (Loshchilov & Hutter 2019): [`Adam`] with decoupled weight decay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdamW(pub Adam);

impl Rule<2> for AdamW {
    const NAME: &'static str = "adamw";
    const MOMENTS: [&'static str; 2] = Adam::MOMENTS;
    const DECAY: Decay = Decay::Decoupled;
    type Constants<T: Scalar> = [T; 5];

    fn check(&self) -> Result<(), OptimError> {
        self.0.check()
    }

    fn constants<T: Scalar>(&self, t: u64) -> [T; 5] {
        self.0.constants(t)
    }

    fn rate_factor(&self, t: u64) -> f64 {
        self.0.rate_factor(t)
    }

    #[inline(always)]
    fn update<T: Scalar>(by: [T; 5], rate: T, p: T, g: T, moments: [T; 2]) -> (T, [T; 2]) {
        Adam::update(by, rate, p, g, moments)
    }
}

/// RMSprop (Hinton 2012), not centred and without momentum: v = αv + (1−α)g·g, p −= η g / (√v + ε).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RmsProp {
    /// α, in [0, 1).
    pub alpha: f64,
    /// ε, at least 0.
    pub eps: f64,
}

impl Rule<1> for RmsProp {
    const NAME: &'static str = "rmsprop";
    const MOMENTS: [&'static str; 1] = ["square_avg"];
    /// α, 1−α and ε.
    type Constants<T: Scalar> = [T; 3];

    fn check(&self) -> Result<(), OptimError> {
        check_share("alpha", self.alpha)?;
        check_non_negative("eps", self.eps)
    }

    fn constants<T: Scalar>(&self, _: u64) -> [T; 3] {
        [self.alpha, 1.0 - self.alpha, self.eps].map(T::from_f64)
    }

    #[inline(always)]
    fn update<T: Scalar>(
        [alpha, one_minus_alpha, eps]: [T; 3],
        rate: T,
        p: T,
        g: T,
        [v]: [T; 1],
    ) -> (T, [T; 1]) {
        let v = alpha * v + one_minus_alpha * g * g;
        (p - rate * g / (v.sqrt() + eps), [v])
    }
}

/// Adagrad (Duchi, Hazan & Singer 2011), without decay of the learning rate: s += g·g, p −= η g /
/// (√s + ε).
///
/// A gradient whose square overflows stops its parameter for good, as in PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Adagrad {
    /// ε, at least 0.
    pub eps: f64,
}

impl Rule<1> for Adagrad {
    const NAME: &'static str = "adagrad";
    const MOMENTS: [&'static str; 1] = ["sum"];
    type Constants<T: Scalar> = T;

    fn check(&self) -> Result<(), OptimError> {
        check_non_negative("eps", self.eps)
    }

    fn constants<T: Scalar>(&self, _: u64) -> T {
        T::from_f64(self.eps)
    }

    #[inline(always)]
    fn update<T: Scalar>(eps: T, rate: T, p: T, g: T, [s]: [T; 1]) -> (T, [T; 1]) {
        let s = s + g * g;
        (p - rate * g / (s.sqrt() + eps), [s])
    }
}

/// Lion (Chen et al. 2023): p −= η sign(β₁m + (1−β₁)g), then m = β₂m + (1−β₂)g; its weight decay is
/// decoupled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lion {
    /// β₁, in [0, 1).
    pub beta1: f64,
    /// β₂, in [0, 1).
    pub beta2: f64,
}

impl Rule<1> for Lion {
    const NAME: &'static str = "lion";
    const MOMENTS: [&'static str; 1] = ["exp_avg"];
    const DECAY: Decay = Decay::Decoupled;
    /// β₁, 1−β₁, β₂ and 1−β₂.
    type Constants<T: Scalar> = [T; 4];

    fn check(&self) -> Result<(), OptimError> {
        check_share("beta1", self.beta1)?;
        check_share("beta2", self.beta2)
    }

    fn constants<T: Scalar>(&self, _: u64) -> [T; 4] {
        [self.beta1, 1.0 - self.beta1, self.beta2, 1.0 - self.beta2].map(T::from_f64)
    }

    #[inline(always)]
    fn update<T: Scalar>(
        [beta1, one_minus_beta1, beta2, one_minus_beta2]: [T; 4],
        rate: T,
        p: T,
        g: T,
        [m]: [T; 1],
    ) -> (T, [T; 1]) {
        let c = beta1 * m + one_minus_beta1 * g;
        // 0 and NaN are their own signs.
        let sign = if c > T::ZERO {
            T::ONE
        } else if c < T::ZERO {
            -T::ONE
        } else {
            c
        };
        (p - rate * sign, [beta2 * m + one_minus_beta2 * g])
    }
}
