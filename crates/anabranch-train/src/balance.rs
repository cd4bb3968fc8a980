//! How the losses of several tasks are weighed against each other while a network trains.
//!
//! A network minimises Σ wₕ·Lₕ over its heads h. With the weights alone, a task with large losses
//! decides what shared layers learn. The other two ways multiply the loss of each head by a factor
//! cₕ in the derivatives; losses are reported without it.
//!
//! # Uncertainty
//! After Kendall, Gal and Cipolla, "Multi-task learning using uncertainty to weigh losses" (2018).
//! Let a number have a normal distribution around the prediction, with the variance σ² = eˢ of its
//! task. Its negative log-likelihood is, apart from a constant,
//!
//! ```text
//! (ŷ − y)²/(2σ²) + ½·ln σ²  =  e⁻ˢ·½(ŷ − y)² + ½·s  =  e⁻ˢ·L + ½·s
//! ```
//!
//! where L is the half squared error: written with the squared error itself, the first term has
//! the factor ½. A head of q columns has ½·s for each. The scores z of a class are divided by the
//! temperature σ²; with the approximation of the paper, −ln softmax(z/σ²)[y] ≈ L/σ² + ½·ln σ²,
//! which is e⁻ˢ·L + ½·s for one class. So with q = 1 for a class, a head adds
//!
//! ```text
//! w·(e⁻ˢ·L + q/2·s)        ∂/∂s = w·(q/2 − e⁻ˢ·L)        ∂/∂L = w·e⁻ˢ, so c = e⁻ˢ
//! ```
//!
//! and is least where eˢ = 2L/q. Gradient descent on s, with steps of at most [`MOST`], follows a
//! running mean of the losses there. s stays within ±[`BOUND`]: no task is shut out, and none
//! takes over once its loss is next to 0.
//!
//! # Min-norm
//! After Désidéri (2012) and Sener and Koltun, "Multi-task learning as multi-objective
//! optimization" (2018). Of the gradients g₀ and g₁ of two weighted losses with respect to the
//! layers that both depend on, the shortest vector a·g₀ + (1 − a)·g₁ with 0 ≤ a ≤ 1 is a direction
//! in which neither loss grows, or 0 where there is none. From d/da ‖a·g₀ + (1 − a)·g₁‖² = 0,
//!
//! ```text
//! a = (g₁₁ − g₀₁)/(g₀₀ − 2·g₀₁ + g₁₁), cut to 0 … 1, with gᵢⱼ = gᵢ·gⱼ
//! ```
//!
//! c = 2a and 2(1 − a): their sum is that of fixed weights. For three or more tasks the point has
//! no closed form; they are refused.

use std::fmt::{self, Display};
use std::str::FromStr;

use anabranch_layers::TargetKind;
use anabranch_tensor::Scalar;
use serde::{Deserialize, Serialize};

/// How tasks are weighed against each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskBalance {
    /// By the weights of their losses alone.
    #[default]
    Fixed,
    /// Each also by a variance that is learned.
    Uncertainty,
    /// Two tasks also so that a step is the shortest combination of their gradients.
    MinNorm,
}

impl TaskBalance {
    /// All ways.
    pub const ALL: [Self; 3] = [Self::Fixed, Self::Uncertainty, Self::MinNorm];

    /// Its name, such as `min-norm`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Uncertainty => "uncertainty",
            Self::MinNorm => "min-norm",
        }
    }
}

impl Display for TaskBalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TaskBalance {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|balance| balance.name() == name);
        found.ok_or_else(|| "expected fixed, uncertainty or min-norm".to_owned())
    }
}

/// Largest s and −s: a factor is between 1/20 and 20.
const BOUND: f64 = 3.0;

/// Steps of s are so many times its derivative: near the best s = ln(2L/q), the distance to it
/// falls by a factor of e in 2/(q·RATE) = 40 steps for q = 1.
const RATE: f64 = 0.05;

/// The longest step of s.
const MOST: f64 = 0.1;

/// How many columns a head has whose variance is learned.
pub(crate) fn columns(kind: TargetKind, outputs: usize) -> f64 {
    match kind {
        TargetKind::Classes => 1.0,
        TargetKind::Values | TargetKind::Binary => outputs as f64,
    }
}

/// The derivative of e⁻ˢ·L + q/2·s with respect to s.
fn derivative(s: f64, loss: f64, columns: f64) -> f64 {
    columns / 2.0 - factor(s) * loss
}

/// The factor of a loss, e⁻ˢ.
pub(crate) fn factor(s: f64) -> f64 {
    Scalar::exp(-s)
}

/// The logarithm s of a variance after a step in which the loss, without its weight, was `loss`.
pub(crate) fn learned(s: f64, loss: f64, columns: f64) -> f64 {
    let step = (RATE * derivative(s, loss, columns)).clamp(-MOST, MOST);
    // A loss that is not finite ends the run, and teaches nothing.
    if step.is_nan() { s } else { (s - step).clamp(-BOUND, BOUND) }
}

/// The weights a and 1 − a of the shortest combination of two vectors, by their products g₀₀, g₀₁
/// and g₁₁; both ½ where all combinations are alike.
pub(crate) fn min_norm([g00, g01, g11]: [f64; 3]) -> [f64; 2] {
    let distance = g00 - 2.0 * g01 + g11;
    let a = (g11 - g01) / distance;
    let has_shortest = distance > 0.0 && distance.is_finite();
    let a = if has_shortest { a.clamp(0.0, 1.0) } else { 0.5 };
    [a, 1.0 - a]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_derivative_is_the_slope() {
        let loss = |s: f64, loss: f64, columns: f64| (-s).exp() * loss + columns / 2.0 * s;
        for (s, l, columns) in [(0.0, 0.3, 1.0), (-1.5, 2.0, 1.0), (0.7, 5.0, 3.0)] {
            let h = 1e-6;
            let slope = (loss(s + h, l, columns) - loss(s - h, l, columns)) / (2.0 * h);
            // Rounding of the losses over 2h, and h² of the third derivative.
            assert!((derivative(s, l, columns) - slope).abs() < 1e-8, "{s} {l} {columns}");
        }
    }

    #[test]
    fn a_variance_comes_to_rest_at_twice_the_loss() {
        let rest =
            |loss: f64, columns: f64| (0..2000).fold(0.0, |s, _| learned(s, loss, columns)).exp();
        assert!((rest(0.3, 1.0) - 0.6).abs() < 1e-9);
        assert!((rest(4.0, 2.0) - 4.0).abs() < 1e-9);
        // At the bounds e³ and e⁻³.
        assert!((rest(1e9, 1.0) - 20.085_536_923).abs() < 1e-8);
        assert!((rest(0.0, 1.0) - 0.049_787_068_4).abs() < 1e-9);
        assert_eq!(learned(0.5, f64::NAN, 1.0), 0.5);
        assert_eq!(learned(0.5, f64::INFINITY, 1.0), 0.6);
    }

    /// By hand: perpendicular vectors of lengths 1 and 2 have the foot (4, 2)/5; of two in the same
    /// direction the shorter one counts alone; two of the same length that point to opposite sides
    /// cancel out.
    #[test]
    fn the_shortest_combination_is_found() {
        assert_eq!(min_norm([1.0, 0.0, 4.0]), [0.8, 1.0 - 0.8]);
        assert_eq!(min_norm([1.0, 2.0, 4.0]), [1.0, 0.0]);
        assert_eq!(min_norm([9.0, 3.0, 1.0]), [0.0, 1.0]);
        assert_eq!(min_norm([4.0, -4.0, 4.0]), [0.5, 0.5]);
        assert_eq!(min_norm([1.0, 1.0, 1.0]), [0.5, 0.5]);
        assert_eq!(min_norm([f64::INFINITY, 0.0, 1.0]), [0.5, 0.5]);
    }

    #[test]
    fn names_come_back() {
        for balance in TaskBalance::ALL {
            assert_eq!(balance.name().parse(), Ok(balance));
        }
        assert!("even".parse::<TaskBalance>().is_err());
    }
}
