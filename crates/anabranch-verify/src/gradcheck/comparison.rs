//! How two gradients of one tensor compare, beside the whole gradient.

use anabranch_audit::measure::relative_error;

/// Part of the whole gradient's norm below which a tensor's own norm does not count.
const WHOLE_SHARE: f64 = 1e-3;

/// The difference of two gradients of a tensor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comparison {
    /// In the measure of [`relative_error`].
    pub(super) error: f64,
    /// ‖a−b‖ over [`WHOLE_SHARE`] of the whole gradient's norm.
    of_whole: f64,
}

impl Comparison {
    /// Compares `a` and `b`, parts of gradients whose norm is `whole`.
    pub(super) fn new(a: &[f64], b: &[f64], whole: f64) -> Self {
        let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        let of_whole = norm(&differences) / (WHOLE_SHARE * whole);
        Self { error: relative_error(a, b), of_whole }
    }

    /// Whether one of the two is within `limit`; NaN is not.
    pub(super) fn within(&self, limit: f64) -> bool {
        self.error <= limit || self.of_whole <= limit
    }
}

/// ‖values‖.
pub(super) fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}
