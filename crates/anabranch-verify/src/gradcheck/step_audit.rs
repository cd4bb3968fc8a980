//! A check cheap enough for the steps of a real run.

use std::fmt;

use anabranch_graph::Fusion;
use anabranch_tensor::Scalar;
use serde::Serialize;

use super::comparison::{Comparison, norm};
use super::error::GradcheckError;
use super::instance::Instance;
use super::production::Production;
use super::{DUAL_LIMIT, IDENTITY_LIMIT, SINGLE_LIMIT, routes};
use crate::identities::Identity;
#[cfg(doc)]
use anabranch_audit::measure::relative_error;

/// What a step's gradient looks like from the side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepAudit {
    /// The identities on the step repeated in f64.
    pub identities: Vec<Identity>,
    /// The tensor whose gradient is furthest from the one in f64.
    pub worst: String,
    /// By how much, in the measure of [`relative_error`]; `None` when a ReLU is on in one precision and off in the
    /// other.
    pub gradient: Option<f64>,
    /// Whether the identities hold and the gradient is within rounding of the one in f64.
    pub pass: bool,
}

/// Audits a step of a run in the numbers `T`: repeats it in f64, where the identities must hold to 1e-10, and
/// compares the run's own `grads` (before clipping and weight decay) with the f64 gradient: within 1e-3 for f32, 1e-10
/// for f64.
///
/// Costs about four times the step, and memory for it.
///
/// # Errors
/// If the network cannot be built or refuses the batch, or `instance` or `grads` has not as many numbers as the
/// network has parameters.
pub fn audit_step<T: Scalar>(
    instance: &Instance,
    grads: &[T],
) -> Result<StepAudit, GradcheckError> {
    let mut double = Production::<f64>::new(instance, Fusion::Fused)?;
    let gradient = double.gradient();
    if grads.len() != gradient.len() {
        let (expected, found) = (gradient.len(), grads.len());
        return Err(GradcheckError::Len { what: "gradients", expected, found });
    }
    let mut run = Production::<T>::new(instance, Fusion::Fused)?;
    run.loss();
    let is_comparable = run.is_active_as(&double.active());
    let limit = if T::NAME == f64::NAME { DUAL_LIMIT } else { SINGLE_LIMIT };
    let whole = norm(&gradient);
    let (mut worst, mut error, mut is_right) = (String::new(), 0.0, true);
    for array in double.graph().params() {
        let found: Vec<f64> = grads[array.range.clone()].iter().map(|g| g.to_f64()).collect();
        let comparison = Comparison::new(&found, &gradient[array.range.clone()], whole);
        is_right &= comparison.within(limit);
        if worst.is_empty() || comparison.error > error {
            (worst, error) = (array.name.clone(), comparison.error);
        }
    }
    let identities = routes::identities(instance, &gradient)?;
    let pass = identities.iter().all(|identity| identity.error <= IDENTITY_LIMIT)
        && (!is_comparable || is_right);
    Ok(StepAudit { identities, worst, gradient: is_comparable.then_some(error), pass })
}

impl fmt::Display for StepAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let worst = self.identities.iter().max_by(|a, b| a.error.total_cmp(&b.error));
        if let Some(Identity { name, error }) = worst {
            write!(f, "identities within {error:.1e} ({name}), ")?;
        }
        match self.gradient {
            Some(error) => write!(f, "gradient within {error:.1e} of f64 ({})", self.worst),
            None => write!(f, "gradient not compared with f64: a ReLU switches between precisions"),
        }?;
        write!(f, ": {}", if self.pass { "pass" } else { "FAIL" })
    }
}
