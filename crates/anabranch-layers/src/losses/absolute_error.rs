//! The absolute error.

use anabranch_tensor::Scalar;

use crate::loss::{Loss, LossGradient, sum_over_columns};
use crate::target::TargetKind;

/// ℓ = Σ_j |ŷ_j − y_j|, for numbers: its best constant prediction is the median, which single
/// outliers do not move.
///
/// # Derivation
/// ∂ℓ/∂ŷ_j = sign(ŷ_j − y_j); at ŷ_j = y_j, where |·| has a corner, 0 (as in PyTorch).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AbsoluteError;

impl<T: Scalar> Loss<T> for AbsoluteError {
    fn target_kind(&self) -> TargetKind {
        TargetKind::Values
    }

    fn gradient(&self, cx: LossGradient<'_, '_, T>) {
        sum_over_columns(
            cx,
            #[inline(always)]
            |prediction, y| {
                let error = prediction - y;
                (error.abs(), sign(error))
            },
        );
    }

    fn describe(&self) -> String {
        "absolute error".into()
    }
}

/// 1, −1, or 0 at 0; NaN stays NaN.
#[inline(always)]
pub(super) fn sign<T: Scalar>(x: T) -> T {
    if x > T::ZERO {
        T::ONE
    } else if x < T::ZERO {
        -T::ONE
    } else {
        x
    }
}
