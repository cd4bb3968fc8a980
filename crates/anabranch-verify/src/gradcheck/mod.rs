//! Is the production gradient of this network, on this batch, right? Independent routes answer.
//!
//! What is checked is the gradient that training uses: the fused graph in f64 with the run's own parameters, batch,
//! dropout mask and batch statistics. Against it stand
//!
//! | route | what it shares with the production gradient | limit |
//! |---|---|---|
//! | dual numbers through the naive [`reference`](crate::reference) | nothing but the equations | 1e-10 |
//! | central differences of the production loss | the forward pass | 1e-6 |
//! | the [`identities`] | the forward pass; they tie parts of the gradient to each other | 1e-10 |
//! | the production gradient in f32 | the formulas, not the rounding | 1e-3 |
//!
//! The first two and the last are in the measure of [`relative_error`] for each tensor; identities are relative to the
//! sum of the absolute values of their terms. The identities need intermediates that fusion does not keep: parameter
//! gradients come from the fused graph, the deltas from the unfused one.
//!
//! Dual numbers cost a forward pass in plain loops for each entry. Above a given number of multiplications a seeded
//! sample of the entries of each tensor is checked, and the result says so.

mod difference;
mod error;
mod instance;
mod production;
mod report;
mod routes;
mod step_audit;

use anabranch_graph::Fusion;

pub use error::GradcheckError;
pub use instance::Instance;
pub use report::{Gradcheck, TensorCheck};
pub use step_audit::{StepAudit, audit_step};

use crate::measure::relative_error;
use crate::reference::{dual_entries, sample_entries};
use production::Production;

/// Multiplications with dual numbers that [`gradcheck`] takes a second or two for.
pub const DEFAULT_WORK: u64 = 500_000_000;

/// Largest error against dual numbers, in the measure of [`relative_error`].
pub const DUAL_LIMIT: f64 = 1e-10;
/// Largest error against central differences, in the measure of [`relative_error`].
pub const DIFFERENCE_LIMIT: f64 = 1e-6;
/// Largest error of an identity, relative to the sum of the absolute values of its terms.
pub const IDENTITY_LIMIT: f64 = 1e-10;
/// Largest error of the gradient in f32 against f64, in the measure of [`relative_error`].
pub const SINGLE_LIMIT: f64 = 1e-3;

/// Checks the production gradient of `instance` by every route, with at most `work` multiplications of dual numbers;
/// [`DEFAULT_WORK`] is a sensible number.
///
/// # Errors
/// If the network cannot be built or refuses the batch, the parameters are not as many as it has, or its activation
/// is not ReLU.
pub fn gradcheck(instance: &Instance, work: u64) -> Result<Gradcheck, GradcheckError> {
    let gradient = Production::<f64>::new(instance, Fusion::Fused)?.gradient();
    judge(instance, &gradient, work)
}

/// Checks `gradient`, which is as the production graph's in f64.
fn judge(instance: &Instance, gradient: &[f64], work: u64) -> Result<Gradcheck, GradcheckError> {
    let mut production = Production::<f64>::new(instance, Fusion::Fused)?;
    let mut single = Production::<f32>::new(instance, Fusion::Fused)?;
    let gradient_single = single.gradient();
    production.loss();
    let active = production.active();
    let is_comparable = single.is_active_as(&active);
    let (net, params, batch) = routes::reference(instance, &mut production);

    let n_passes = work / routes::multiplications(&net, instance.rows());
    let is_sampled = gradient.len() as u64 > n_passes;
    let most = match is_sampled {
        true => (n_passes as usize / production.graph().params().len()).max(1),
        false => gradient.len(),
    };
    let mut tensors = Vec::new();
    for (i, array) in production.graph().params().to_vec().into_iter().enumerate() {
        let param = routes::param(&array.name);
        let entries = sample_entries(array.range.len(), most, instance.seed() ^ i as u64);
        let exact = dual_entries(&net, &params, &batch, param, &entries);
        let (mut found, mut differences, mut compared) = (Vec::new(), Vec::new(), Vec::new());
        for entry in entries {
            let index = array.range.start + entry;
            found.push(gradient[index]);
            if let Some(difference) = production.difference(index, &active) {
                differences.push(difference);
                compared.push(gradient[index]);
            }
        }
        let of_tensor = array.range.clone();
        tensors.push(TensorCheck {
            name: array.name,
            dual: relative_error(&found, &exact),
            difference: relative_error(&compared, &differences),
            checked: compared.len(),
            left_out: found.len() - compared.len(),
            single: is_comparable
                .then(|| relative_error(&gradient_single[of_tensor.clone()], &gradient[of_tensor])),
        });
    }
    let identities = routes::identities(instance, gradient)?;
    Ok(Gradcheck::new(instance.rows(), gradient.len(), tensors, identities, is_sampled))
}

#[cfg(test)]
mod tests;
