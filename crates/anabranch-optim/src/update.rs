//! The update rules, one parameter at a time: pure functions that the optimizer's loop is compiled
//! with.
//!
//! In every formula p is a parameter, g its gradient (scaled, and with weight decay added), η the
//! rate. The formulas are those of `torch.optim`, and so is the order of their operations, from
//! left to right: (1−β)·g·g stays finite in f32 for |g| = 1e20, where (1−β)·(g·g) would be infinite
//! and stop the parameter for good.

use anabranch_tensor::Scalar;

use crate::group::ParamGroup;

/// What a rule needs to know of a parameter's group in this step.
#[derive(Clone, Copy)]
pub(crate) struct GroupConstants<T> {
    /// η: the learning rate, with Adam's bias correction.
    rate: T,
    /// Weight decay that is added to the gradient, times p.
    l2: T,
    /// Weight decay that p is multiplied by (AdamW), else 1.
    shrink: T,
    /// What the gradient is multiplied by before anything else.
    grad_scale: T,
}

/// How weight decay acts.
#[derive(Clone, Copy)]
pub(crate) enum Decay {
    /// g += decay · p.
    Gradient,
    /// p *= 1 − lr · decay, before the update.
    Decoupled,
}

/// What is the same for all groups in a step.
#[derive(Clone, Copy)]
pub(crate) struct StepConstants {
    pub(crate) lr: f64,
    pub(crate) grad_scale: f64,
    /// What the learning rate is multiplied by in the update, but not in the decay: 1 but for Adam.
    pub(crate) bias_correction: f64,
    pub(crate) decay: Decay,
}

impl StepConstants {
    pub(crate) fn of_group<T: Scalar>(&self, group: &ParamGroup) -> GroupConstants<T> {
        let lr = self.lr * group.lr_scale;
        let (l2, shrink) = match self.decay {
            Decay::Gradient => (group.weight_decay, 1.0),
            Decay::Decoupled => (0.0, 1.0 - lr * group.weight_decay),
        };
        GroupConstants {
            rate: T::from_f64(lr * self.bias_correction),
            l2: T::from_f64(l2),
            shrink: T::from_f64(shrink),
            grad_scale: T::from_f64(self.grad_scale),
        }
    }
}

/// An update rule with `M` moments.
pub(crate) trait Rule<T, const M: usize>: Copy + Sync {
    /// The new parameter and moments, from the parameter `p`, its gradient `g` and its moments.
    fn update(&self, group: &GroupConstants<T>, p: T, g: T, moments: [T; M]) -> (T, [T; M]);
}

impl<T: Scalar> GroupConstants<T> {
    /// The gradient that a rule sees.
    #[inline(always)]
    pub(crate) fn gradient(&self, p: T, g: T) -> T {
        g * self.grad_scale + self.l2 * p
    }
}

/// p −= η g.
#[derive(Clone, Copy)]
pub(crate) struct Sgd;

impl<T: Scalar> Rule<T, 0> for Sgd {
    #[inline(always)]
    fn update(&self, group: &GroupConstants<T>, p: T, g: T, _: [T; 0]) -> (T, [T; 0]) {
        (p - group.rate * g, [])
    }
}

/// b = μb + g, p −= η b. PyTorch starts with b = g; b = 0 before the first step gives the same.
#[derive(Clone, Copy)]
pub(crate) struct Momentum<T> {
    pub(crate) momentum: T,
}

impl<T: Scalar> Rule<T, 1> for Momentum<T> {
    #[inline(always)]
    fn update(&self, group: &GroupConstants<T>, p: T, g: T, [b]: [T; 1]) -> (T, [T; 1]) {
        let b = self.momentum * b + g;
        (p - group.rate * b, [b])
    }
}

/// b = μb + g, p −= η (g + μb).
#[derive(Clone, Copy)]
pub(crate) struct Nesterov<T> {
    pub(crate) momentum: T,
}

impl<T: Scalar> Rule<T, 1> for Nesterov<T> {
    #[inline(always)]
    fn update(&self, group: &GroupConstants<T>, p: T, g: T, [b]: [T; 1]) -> (T, [T; 1]) {
        let b = self.momentum * b + g;
        (p - group.rate * (g + self.momentum * b), [b])
    }
}

/// m = β₁m + (1−β₁)g, v = β₂v + (1−β₂)g·g, p −= η m / (√v + ε); AdamW shrinks p first.
///
/// PyTorch's last formula is p −= lr/(1−β₁ᵗ) · m / (√v/c + ε) with c = √(1−β₂ᵗ). Multiplying both
/// sides of the fraction by c gives the one here, with η = lr · c/(1−β₁ᵗ) and cε in place of ε: one
/// division is left of two, and neither form overflows where the other does not.
#[derive(Clone, Copy)]
pub(crate) struct Adam<T> {
    beta1: T,
    one_minus_beta1: T,
    beta2: T,
    one_minus_beta2: T,
    /// cε.
    eps: T,
}

impl<T: Scalar> Adam<T> {
    /// The rule for step `t` = 1, 2, …, and what it multiplies the learning rate by: c/(1−β₁ᵗ).
    pub(crate) fn at_step(t: u64, beta1: f64, beta2: f64, eps: f64) -> (Self, f64) {
        // libm, not the platform's pow: the same bits on every machine.
        let c = (1.0 - libm::pow(beta2, t as f64)).sqrt();
        let bias_correction = c / (1.0 - libm::pow(beta1, t as f64));
        let rule = Self {
            beta1: T::from_f64(beta1),
            one_minus_beta1: T::from_f64(1.0 - beta1),
            beta2: T::from_f64(beta2),
            one_minus_beta2: T::from_f64(1.0 - beta2),
            eps: T::from_f64(c * eps),
        };
        (rule, bias_correction)
    }
}

impl<T: Scalar> Rule<T, 2> for Adam<T> {
    #[inline(always)]
    fn update(&self, group: &GroupConstants<T>, p: T, g: T, [m, v]: [T; 2]) -> (T, [T; 2]) {
        // As `torch.lerp`: from the nearer end, so that m becomes g exactly where β₁ = 0.
        let m = if self.one_minus_beta1 < self.beta1 {
            m + self.one_minus_beta1 * (g - m)
        } else {
            g - self.beta1 * (g - m)
        };
        let v = self.beta2 * v + self.one_minus_beta2 * g * g;
        (p * group.shrink - group.rate * m / (v.sqrt() + self.eps), [m, v])
    }
}

/// v = αv + (1−α)g·g, p −= η g / (√v + ε).
#[derive(Clone, Copy)]
pub(crate) struct RmsProp<T> {
    pub(crate) alpha: T,
    pub(crate) one_minus_alpha: T,
    pub(crate) eps: T,
}

impl<T: Scalar> Rule<T, 1> for RmsProp<T> {
    #[inline(always)]
    fn update(&self, group: &GroupConstants<T>, p: T, g: T, [v]: [T; 1]) -> (T, [T; 1]) {
        let v = self.alpha * v + self.one_minus_alpha * g * g;
        (p - group.rate * g / (v.sqrt() + self.eps), [v])
    }
}

/// s += g·g, p −= η g / (√s + ε). A gradient whose square overflows stops its parameter for good,
/// as in PyTorch.
#[derive(Clone, Copy)]
pub(crate) struct Adagrad<T> {
    pub(crate) eps: T,
}

impl<T: Scalar> Rule<T, 1> for Adagrad<T> {
    #[inline(always)]
    fn update(&self, group: &GroupConstants<T>, p: T, g: T, [s]: [T; 1]) -> (T, [T; 1]) {
        let s = s + g * g;
        (p - group.rate * g / (s.sqrt() + self.eps), [s])
    }
}
