//! Cross-entropy of yes/no columns.

use anabranch_tensor::Scalar;

use crate::loss::{Loss, LossGradient, sum_over_columns};
use crate::target::TargetKind;

/// ℓ = −Σ_j [ y_j·log σ(z_j) + (1 − y_j)·log(1 − σ(z_j)) ], for independent columns that are yes
/// (1), no (0) or a probability; z are scores, σ(z) = 1/(1 + e^(−z)).
///
/// # Derivation
/// log σ(z) = −log(1 + e^(−z)) and log(1 − σ(z)) = −z − log(1 + e^(−z)), so a column costs
///
/// ```text
/// log(1 + e^(−z)) + (1 − y)·z  =  max(z, 0) − y·z + log(1 + e^(−|z|))
/// ```
///
/// The right-hand side cannot overflow. With σ′ = σ·(1 − σ),
///
/// ```text
/// ∂ℓ/∂z = −y·(1 − σ) + (1 − y)·σ = σ(z) − y
/// ```
///
/// As PyTorch's `BCEWithLogitsLoss`, but summed over the columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BinaryCrossEntropy;

impl<T: Scalar> Loss<T> for BinaryCrossEntropy {
    fn target_kind(&self) -> TargetKind {
        TargetKind::Binary
    }

    fn gradient(&self, cx: LossGradient<'_, '_, T>) {
        sum_over_columns(
            cx,
            #[inline(always)]
            |z, y| {
                // e^(−|z|) is at most 1; σ(z) is 1/(1+e) for z ≥ 0, and e/(1+e) below.
                let e = T::exp(-z.abs());
                let one_plus_e = T::ONE + e;
                let (positive, numerator) = if z >= T::ZERO { (z, T::ONE) } else { (T::ZERO, e) };
                (positive - y * z + T::ln(one_plus_e), numerator / one_plus_e - y)
            },
        );
    }

    fn describe(&self) -> String {
        "binary cross-entropy".into()
    }
}
