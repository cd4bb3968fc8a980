//! The pinball loss of a quantile.

use anabranch_tensor::Scalar;

use crate::error::LayerError;
use crate::loss::{Loss, LossGradient, sum_over_columns};
use crate::target::TargetKind;

/// ℓ = Σ_j ρ(y_j − ŷ_j) with ρ(u) = q·u for u ≥ 0 and (q − 1)·u below, for numbers: its best
/// constant prediction is the q-quantile of the targets (Koenker and Bassett, 1978).
///
/// # Derivation
/// ρ′(u) is q above 0 and q − 1 below, and u falls as ŷ rises: ∂ℓ/∂ŷ_j = −q where ŷ_j < y_j, 1 − q
/// where ŷ_j > y_j, and 0 at the corner ŷ_j = y_j.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pinball {
    /// q, in (0, 1): the fraction of targets that should lie below the prediction.
    pub quantile: f64,
}

impl<T: Scalar> Loss<T> for Pinball {
    fn target_kind(&self) -> TargetKind {
        TargetKind::Values
    }

    fn gradient(&self, cx: LossGradient<'_, '_, T>) {
        let (q, one_minus_q) = (T::from_f64(self.quantile), T::from_f64(1.0 - self.quantile));
        sum_over_columns(
            cx,
            #[inline(always)]
            |prediction, y| {
                let u = y - prediction;
                if u > T::ZERO {
                    (q * u, -q)
                } else if u < T::ZERO {
                    (-(one_minus_q * u), one_minus_q)
                } else {
                    // 0, or NaN.
                    (u, u)
                }
            },
        );
    }

    fn describe(&self) -> String {
        format!("pinball quantile={}", self.quantile)
    }

    fn check(&self, _outputs: usize) -> Result<(), LayerError> {
        if self.quantile > 0.0 && self.quantile < 1.0 {
            return Ok(());
        }
        let (name, expected) = ("quantile", "above 0 and below 1");
        Err(LayerError::Range { layer: "pinball loss", name, expected, value: self.quantile })
    }
}
