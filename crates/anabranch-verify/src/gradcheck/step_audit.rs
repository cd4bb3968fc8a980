//! A check that is cheap enough for the steps of a real run.

use std::fmt;

use anabranch_graph::Fusion;
use anabranch_tensor::{Executor, Scalar};
use serde::Serialize;

use super::error::GradcheckError;
use super::instance::Instance;
use super::production::{Path, Production};
use super::report::finite;
use super::subject::Subject;
use super::{DUAL_LIMIT, IDENTITY_LIMIT, SINGLE_LIMIT, identities, not_finite};
use crate::identities::Identity;
use crate::reference::flatten;
use crate::rounding::{SHARE, SHARE_SINGLE, largest_error};

/// What was found about a step's gradient.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepAudit {
    /// The identities on the step repeated in f64.
    pub identities: Vec<Identity>,
    /// The tensor whose gradient is furthest from the one in plain loops.
    pub worst: String,
    /// Its distance, measured as in [`gradcheck`](super::gradcheck).
    #[serde(serialize_with = "finite")]
    pub gradient: f64,
    /// What is not finite, if anything: the run diverges, and its gradients mean nothing.
    pub not_finite: Option<String>,
    /// Whether the identities hold and the gradient is within rounding of the one in plain loops.
    pub pass: bool,
}

/// Audits a step of a run with numbers of type `T`: repeats it in f64, where the identities must
/// hold to 1e-10, and compares the run's own `grads` (before clipping and weight decay) with those
/// of a backward pass in plain loops, which shares nothing with production: within 1e-5 for f32,
/// 1e-10 for f64.
///
/// Costs about ten times as much as the step, and memory for it.
///
/// # Errors
/// If the network cannot be built or refuses the batch, or if `instance` or `grads` does not have
/// one number for each of the network's parameters.
pub fn audit_step<T: Scalar>(
    instance: &Instance,
    grads: &[T],
) -> Result<StepAudit, GradcheckError> {
    let serial = Executor::serial();
    let unfused = Path { exec: &serial, fusion: Fusion::Unfused, rows_per_shard: None };
    let mut double = Production::<f64>::new(instance, unfused)?;
    let gradient = double.gradient();
    if grads.len() != gradient.len() {
        let (expected, found) = (gradient.len(), grads.len());
        return Err(GradcheckError::Len { what: "gradients", expected, found });
    }
    let subject = Subject::new(instance);
    let found: Vec<f64> = grads.iter().map(|g| g.to_f64()).collect();
    let not_finite = not_finite(&subject, &found).or(not_finite(&subject, &gradient));
    let is_double = T::NAME == f64::NAME;
    let (limit, share, terms) = match is_double {
        true => (DUAL_LIMIT, SHARE, flatten(&subject.terms.params)),
        false => (SINGLE_LIMIT, SHARE_SINGLE, subject.single_terms()),
    };
    let (mut worst, mut error) = (String::new(), 0.0);
    let by_hand = flatten(&subject.terms.grads);
    for array in double.graph().params() {
        let range = array.range.clone();
        let of_array =
            largest_error(&found[range.clone()], &by_hand[range.clone()], &terms[range], share);
        if worst.is_empty() || of_array > error {
            (worst, error) = (array.name.clone(), of_array);
        }
    }
    let grads = subject.network.unflatten(&gradient);
    let identities = identities(&subject, &grads, &double.deltas(&subject.network));
    let pass = not_finite.is_none()
        && error <= limit
        && identities.iter().all(|identity| identity.error <= IDENTITY_LIMIT);
    Ok(StepAudit { identities, worst, gradient: error, not_finite, pass })
}

impl fmt::Display for StepAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(what) = &self.not_finite {
            return write!(f, "{what} is not finite: FAIL");
        }
        let worst = self.identities.iter().max_by(|a, b| a.error.total_cmp(&b.error));
        if let Some(Identity { name, error }) = worst {
            write!(f, "identities within {error:.1e} ({name}), ")?;
        }
        write!(f, "gradient within {:.1e} of f64 ({})", self.gradient, self.worst)?;
        write!(f, ": {}", if self.pass { "pass" } else { "FAIL" })
    }
}
