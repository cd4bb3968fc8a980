//! Half the squared error.

use anabranch_tensor::rows::row_dots;
use anabranch_tensor::{Scalar, flat};

use crate::loss::{Loss, LossGradient};
use crate::target::TargetKind;

/// ℓ = ½‖ŷ − y‖², for numbers.
///
/// # Derivation
/// ∂ℓ/∂ŷ_j = ½·2·(ŷ_j − y_j) = ŷ_j − y_j: the half cancels the factor 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HalfSquaredError;

impl<T: Scalar> Loss<T> for HalfSquaredError {
    fn target_kind(&self) -> TargetKind {
        TargetKind::Values
    }

    fn gradient(&self, cx: LossGradient<'_, '_, T>) {
        let (prediction, y, scale) = (flat(cx.prediction), cx.values(), cx.scale);
        cx.for_each_chunk(
            #[inline(always)]
            |span, d, losses| {
                squared_error_rows(&prediction[span.clone()], &y[span], scale, d, losses);
            },
        );
    }

    fn describe(&self) -> String {
        "half squared error".into()
    }
}

/// Elements of the rows that are processed together.
const ROWS_LEN: usize = 2048;

/// Writes (ŷ − y)·scale to `d`, and ½‖ŷ − y‖² of each row to `losses`.
#[inline(always)]
fn squared_error_rows<T: Scalar>(
    prediction: &[T],
    y: &[T],
    scale: T,
    d: &mut [T],
    losses: &mut [T],
) {
    let width = d.len() / losses.len();
    // Few enough rows that what one loop writes is still in cache for the next.
    let n_rows = (ROWS_LEN / width).max(1);
    let block = n_rows * width;
    let rows = prediction.chunks(block).zip(y.chunks(block));
    let written = d.chunks_mut(block).zip(losses.chunks_mut(n_rows));
    let half = T::from_f64(0.5);
    for ((d, losses), (prediction, y)) in written.zip(rows) {
        for ((d, prediction), y) in d.iter_mut().zip(prediction).zip(y) {
            *d = *prediction - *y;
        }
        row_dots(d, d, width, losses);
        losses.iter_mut().for_each(|loss| *loss *= half);
        d.iter_mut().for_each(|d| *d *= scale);
    }
}
