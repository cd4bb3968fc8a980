//! Is the production gradient of this network, on this batch, right? Independent routes answer.
//!
//! What is checked is the gradient that training uses: the fused graph in f64 with the run's own parameters, batch,
//! dropout mask and batch statistics. Against it stand
//!
//! | route | what it shares with the production gradient | limit |
//! |---|---|---|
//! | dual numbers through the naive [`reference`](anabranch_audit::reference) | nothing but the equations | 1e-10 |
//! | central differences of the production loss | the forward pass | 1e-6 |
//! | the [`identities`](crate::identities) | the forward pass; they tie parts of the gradient to each other | 1e-10 |
//! | the production gradient in f32 | the formulas, not the rounding | 1e-3 |
//!
//! The first two and the last are in the measure of [`relative_error`] for each tensor; identities are relative to the
//! sum of the absolute values of their terms. A tensor whose gradient is zero in exact arithmetic (the bias of a BatchNorm's
//! input where no ReLU is off) holds rounding of the size of the others': to pass, a tensor's error may also be within the
//! limit of a thousandth of the whole gradient's norm. The identities need intermediates that fusion does not keep: parameter
//! gradients come from the fused graph, the deltas from the unfused one.
//!
//! Dual numbers cost a forward pass in plain loops for each entry. Above a given number of multiplications a seeded
//! sample of the entries of each tensor is checked, and the result says so.
//!
//! ```
//! use anabranch_graph::{Fusion, TwoBranch};
//! use anabranch_layers::Target;
//! use anabranch_tensor::matrix;
//! use anabranch_verify::gradcheck::{DEFAULT_WORK, Instance, gradcheck};
//!
//! let network = TwoBranch::new(2, 4, 1, 3, 2);
//! let (params, _) = network.build::<f32>(Fusion::Fused)?.init(1);
//! let x = matrix(&[0.3, -1.2, 0.8, 0.4, -0.5, 1.1, 1.7, -0.2], 4, 2);
//! let targets = [Target::Values(matrix(&[0.1, -0.4, 0.9, 0.2], 4, 1)), Target::Classes(&[0, 1, 1, 0])];
//! let (seed, step) = (1, 0);
//! let instance = Instance::new(&network, &params, x, targets, (seed, step))?;
//! let report = gradcheck(&instance, DEFAULT_WORK)?;
//! assert!(report.pass, "{report}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod comparison;
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

#[cfg(doc)]
use anabranch_audit::measure::relative_error;
use anabranch_audit::reference::{dual_entries, sample_entries};
use comparison::{Comparison, norm};
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
    let whole = norm(gradient);
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
        let dual = Comparison::new(&found, &exact, whole);
        let difference = Comparison::new(&compared, &differences, whole);
        let single = is_comparable.then(|| {
            Comparison::new(&gradient_single[of_tensor.clone()], &gradient[of_tensor], whole)
        });
        tensors.push(TensorCheck {
            name: array.name,
            dual: dual.error,
            difference: difference.error,
            checked: compared.len(),
            left_out: found.len() - compared.len(),
            single: single.map(|single| single.error),
            pass: dual.within(DUAL_LIMIT)
                && difference.within(DIFFERENCE_LIMIT)
                && single.is_none_or(|single| single.within(SINGLE_LIMIT)),
        });
    }
    let identities = routes::identities(instance, gradient)?;
    Ok(Gradcheck::new(instance.rows(), gradient.len(), tensors, identities, is_sampled))
}

#[cfg(test)]
mod tests;
