//! What a schedule and clipping do to a step.

/// Factors of the learning rate and of the gradients in one step; both 1 by default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scales {
    /// Factor of the learning rate, such as a [schedule's](crate::Schedule::factor).
    pub lr: f64,
    /// Factor of the gradients before weight decay is added, such as a [clipping
    /// scale](crate::ClipNorm::scale). Scaling here saves a pass over the gradients.
    pub grads: f64,
}

impl Default for Scales {
    fn default() -> Self {
        Self { lr: 1.0, grads: 1.0 }
    }
}
