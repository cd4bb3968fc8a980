//! The Huber loss.

use anabranch_tensor::Scalar;

use crate::error::LayerError;
use crate::loss::{Loss, LossGradient, sum_over_columns};
use crate::target::TargetKind;

/// Squared near 0 and absolute far from it (Huber, 1964), for numbers: with e_j = ŷ_j − y_j,
/// ℓ = Σ_j h(e_j), where
///
/// ```text
/// h(e) = ½e²            for |e| ≤ δ
///        δ·(|e| − ½δ)   beyond
/// ```
///
/// # Derivation
/// h′(e) = e for |e| ≤ δ, and δ·sign(e) beyond: ∂ℓ/∂ŷ_j is e_j clipped to ±δ. Both pieces and their
/// derivatives meet at |e| = δ. As PyTorch's `HuberLoss`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Huber {
    /// δ, above 0: the error beyond which the loss is linear, in the units of the predictions.
    pub delta: f64,
}

impl<T: Scalar> Loss<T> for Huber {
    fn target_kind(&self) -> TargetKind {
        TargetKind::Values
    }

    fn gradient(&self, cx: LossGradient<'_, '_, T>) {
        let (delta, half) = (T::from_f64(self.delta), T::from_f64(0.5));
        sum_over_columns(
            cx,
            #[inline(always)]
            |prediction, y| {
                let error = prediction - y;
                if error.abs() <= delta {
                    (half * error * error, error)
                } else if error > T::ZERO {
                    (delta * (error - half * delta), delta)
                } else {
                    // Also where the error is NaN, which makes the loss NaN.
                    (delta * (-error - half * delta), -delta)
                }
            },
        );
    }

    fn describe(&self) -> String {
        format!("huber delta={}", self.delta)
    }

    fn check(&self, _outputs: usize) -> Result<(), LayerError> {
        if self.delta > 0.0 && self.delta.is_finite() {
            return Ok(());
        }
        let (name, expected) = ("delta", "finite and above 0");
        Err(LayerError::Range { layer: "huber loss", name, expected, value: self.delta })
    }
}
