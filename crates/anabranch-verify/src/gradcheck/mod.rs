//! Is the production gradient of this river right, on this batch? Independent routes give the
//! answer.
//!
//! The gradient that training uses is checked: from the fused graph, on the run's threads and with
//! its cuts of the batch, here in f64. It is compared with
//!
//! | route | what it shares with the production gradient | limit |
//! |---|---|---|
//! | dual numbers through a naive reference with its own masks | only the equations | 1e-10 |
//! | a backward pass by hand in plain loops, for every entry | the formulas of the derivation | 1e-10 |
//! | central differences of the production loss | the forward pass | 1e-6 |
//! | the [`identities`](crate::identities) | nothing: properties of the exact gradient | 1e-10 |
//! | the production gradient in f32 | the formulas, not the rounding | 1e-5 |
//! | the same step unfused, on one thread, and with the batch cut into shards | the formulas, not the way through them | 1e-10 |
//!
//! and losses, evaluation and running statistics are compared with the reference too.
//!
//! Errors are relative, entry by entry, to the number plus a small share of the *terms* that it is
//! the sum of, before they cancel: with two rows, batch normalisation leaves about ε of a
//! derivative's terms, and no way of computing it in f64 gets more than ten digits right. The share
//! lets a few roundings of the terms pass, and nothing larger. Where a ReLU's input is so close to
//! 0 that rounding decides whether it is on, its derivative is such a term.
//!
//! Each dual number costs a forward pass in plain loops. Every tensor's gradient is checked along
//! two random directions in which all entries move, and then entry by entry: all entries, or a
//! seeded sample above a given number of multiplications.
//!
//! ```
//! use anabranch_graph::TwoBranch;
//! use anabranch_graph::Fusion;
//! use anabranch_layers::Target;
//! use anabranch_tensor::{Executor, matrix};
//! use anabranch_verify::gradcheck::{DEFAULT_WORK, Instance, gradcheck};
//!
//! let river = TwoBranch::new(2, 4, 1, 3, 2).river();
//! let (params, _) = river.build::<f32>(Fusion::Fused)?.init(1);
//! let x = matrix(&[0.3, -1.2, 0.8, 0.4, -0.5, 1.1, 1.7, -0.2], 4, 2);
//! let targets = [Target::Values(matrix(&[0.1, -0.4, 0.9, 0.2], 4, 1)), Target::Classes(&[0, 1, 1, 0])];
//! let (seed, step) = (1, 0);
//! // At γ = 1 and β = 0 some mistakes are invisible: both points are worth checking.
//! let first = Instance::new(&river, &params, x, &targets, (seed, step));
//! for instance in [first.perturbed(seed), first] {
//!     let report = gradcheck(&instance, &Executor::serial(), DEFAULT_WORK)?;
//!     assert!(report.pass, "{report}");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod certificate;
mod difference;
mod error;
mod instance;
mod production;
mod report;
mod step_audit;
mod subject;

use std::collections::HashMap;

use anabranch_graph::Fusion;
use anabranch_tensor::Executor;
use anabranch_tensor::random::{Purpose, Random};
use ndarray::Array2;

pub use certificate::{Certificate, Limits, Point};
pub use error::GradcheckError;
pub use instance::Instance;
pub use report::{Gradcheck, TensorCheck, ValueCheck};
pub use step_audit::{StepAudit, audit_step};

use crate::identities::{Claim, Identity};
use crate::reference::{Duals, Network, flatten};
use crate::rounding::{LIMIT, LIMIT_SINGLE, SHARE, SHARE_SINGLE, error, largest_error};
use difference::Differences;
pub(crate) use production::{Path, Production};
use subject::Subject;

/// Multiplications with dual numbers that take [`gradcheck`] about a second.
pub const DEFAULT_WORK: u64 = 100_000_000;

/// Largest error against dual numbers.
pub const DUAL_LIMIT: f64 = LIMIT;
/// Largest error against central differences.
pub const DIFFERENCE_LIMIT: f64 = 1e-6;
/// Largest error of an identity.
pub const IDENTITY_LIMIT: f64 = LIMIT;
/// Largest error of a loss, an evaluation, a statistic, or another way through the step.
pub const VALUE_LIMIT: f64 = LIMIT;
/// Largest error of the gradient in f32 against f64.
pub const SINGLE_LIMIT: f64 = LIMIT_SINGLE;

/// Random directions in each tensor that dual numbers are taken along.
const DIRECTIONS: usize = 2;
/// Relative error of a difference that is good enough not to look for a better one.
const ENOUGH: f64 = 5e-11;
/// Fraction of a gradient that a difference must be certain of, to be compared with it.
const CERTAINTY: f64 = 1e-3;

/// The results of a step's backward passes, on several ways through it.
struct Gradients {
    /// With respect to all parameters, on training's own way: fused, on the executor's threads.
    trained: Vec<f64>,
    /// With respect to the output of each node, by its number.
    deltas: HashMap<usize, Array2<f64>>,
    /// With respect to all parameters, on other ways, with their names.
    others: Vec<(String, Vec<f64>)>,
}

/// Checks the production gradient of `instance` by every route, as `exec` computes it in training,
/// with at most `work` multiplications of dual numbers; [`DEFAULT_WORK`] is a sensible number.
///
/// # Errors
/// If the network cannot be built or refuses the batch, or the number of parameters is wrong.
pub fn gradcheck(
    instance: &Instance,
    exec: &Executor,
    work: u64,
) -> Result<Gradcheck, GradcheckError> {
    judge(instance, exec, &gradients(instance, exec)?, work)
}

/// The production gradient of `instance` in f64, as training computes it on `exec`.
///
/// # Errors
/// As [`gradcheck`].
pub fn gradient(instance: &Instance, exec: &Executor) -> Result<Vec<f64>, GradcheckError> {
    let path = Path { exec, fusion: Fusion::Fused, rows_per_shard: None };
    Ok(Production::<f64>::new(instance, path)?.gradient())
}

/// The production graph's gradients, in f64.
fn gradients(instance: &Instance, exec: &Executor) -> Result<Gradients, GradcheckError> {
    let serial = Executor::serial();
    let path = Path { exec, fusion: Fusion::Fused, rows_per_shard: None };
    let gradient = |path: Path<'_>| -> Result<Vec<f64>, GradcheckError> {
        Ok(Production::<f64>::new(instance, path)?.gradient())
    };
    let shard = instance.rows().div_ceil(3);
    let mut others = Vec::new();
    for (name, path) in [
        ("one thread".to_owned(), Path { exec: &serial, ..path }),
        (format!("shards of {shard} rows"), Path { rows_per_shard: Some(shard), ..path }),
        ("shards of 1 row".to_owned(), Path { rows_per_shard: Some(1), ..path }),
    ] {
        others.push((name, gradient(path)?));
    }
    let unfused = Path { exec: &serial, fusion: Fusion::Unfused, rows_per_shard: None };
    let mut production = Production::<f64>::new(instance, unfused)?;
    others.push(("unfused".to_owned(), production.gradient()));
    let deltas = production.deltas(&Network::new(&instance.river));
    Ok(Gradients { trained: gradient(path)?, deltas, others })
}

/// Checks gradients that look like the production graph's in f64.
fn judge(
    instance: &Instance,
    exec: &Executor,
    gradients: &Gradients,
    work: u64,
) -> Result<Gradcheck, GradcheckError> {
    let serial = Executor::serial();
    let unfused = Path { exec: &serial, fusion: Fusion::Unfused, rows_per_shard: None };
    let trained = Path { exec, fusion: Fusion::Fused, rows_per_shard: None };
    let subject = Subject::new(instance);
    let gradient = &gradients.trained;
    let mut report = Gradcheck {
        rows: instance.rows(),
        parameters: gradient.len(),
        tensors: Vec::new(),
        identities: Vec::new(),
        values: Vec::new(),
        sampled: false,
        not_finite: not_finite(&subject, gradient),
        pass: false,
    };
    if report.not_finite.is_some() {
        return Ok(report);
    }

    let grads = subject.network.unflatten(gradient);
    report.identities = identities(&subject, &grads, &gradients.deltas);
    report.values = values(instance, &subject, gradients, trained)?;

    let all_terms = flatten(&subject.terms.params);
    let by_hand = flatten(&subject.terms.grads);
    let single = Production::<f32>::new(instance, trained)?.gradient();
    let single_terms = subject.single_terms();
    let loss_terms = subject.terms.losses.iter().sum();
    let production = Production::<f64>::new(instance, unfused)?;
    let mut differences = Differences::new(production, &subject.network, loss_terms);
    let mut duals = Duals::new(&subject.network, &subject.params, &subject.batch);

    let per_pass = instance.rows() * subject.network.multiplications_per_row();
    let n_passes = (work / per_pass.max(1) as u64) as usize;
    report.sampled = gradient.len() > n_passes;
    let n_tensors = subject.network.params.len();
    let most = if report.sampled { (n_passes / n_tensors).max(1) } else { gradient.len() };
    let mut start = 0;
    for (i, array) in subject.network.params.iter().enumerate() {
        let range = start..start + array.rows * array.cols;
        start = range.end;
        let mut random = Random::new(instance.seed, Purpose::Sample, i as u64);
        let found = &gradient[range.clone()];
        let terms = &all_terms[range.clone()];
        let mut tensor = TensorCheck {
            name: array.name.clone(),
            dual: 0.0,
            by_hand: largest_error(found, &by_hand[range.clone()], terms, SHARE),
            difference: 0.0,
            checked: 0,
            left_out: 0,
            single: largest_error(
                &single[range.clone()],
                found,
                &single_terms[range.clone()],
                SHARE_SINGLE,
            ),
            zero: found.iter().all(|g| *g == 0.0),
            pass: false,
        };
        // The noise of a difference is the same for small entries as for large ones.
        let typical = (found.iter().map(|g| g * g).sum::<f64>() / found.len() as f64).sqrt();
        for _ in 0..DIRECTIONS {
            let signs: Vec<f64> =
                found.iter().map(|_| if random.below(2) == 0 { -1.0 } else { 1.0 }).collect();
            let exact = duals.along(i, signs.iter().copied().enumerate());
            let along: f64 = found.iter().zip(&signs).map(|(g, sign)| g * sign).sum();
            let of_all = error(along, exact, SHARE * terms.iter().sum::<f64>());
            tensor.dual = f64::max(tensor.dual, of_all);
        }
        for entry in sample(found.len(), most, &mut random) {
            let (g, extra) = (found[entry], SHARE * terms[entry]);
            let size = g.abs() + typical + extra;
            let exact = duals.along(i, std::iter::once((entry, 1.0)));
            tensor.dual = f64::max(tensor.dual, error(g, exact, extra));
            let enough = ENOUGH * size;
            match differences.at(range.start + entry, enough) {
                Some(d) if d.noise <= CERTAINTY * size || (d.value == 0.0 && g == 0.0) => {
                    let off = error(g, d.value, typical + extra + d.noise / DIFFERENCE_LIMIT);
                    tensor.difference = f64::max(tensor.difference, off);
                    tensor.checked += 1;
                }
                _ => tensor.left_out += 1,
            }
        }
        // Written so that NaN fails.
        tensor.pass = tensor.dual <= DUAL_LIMIT
            && tensor.by_hand <= DUAL_LIMIT
            && tensor.difference <= DIFFERENCE_LIMIT
            && tensor.single <= SINGLE_LIMIT;
        report.tensors.push(tensor);
    }
    Ok(report.judged())
}

/// The first thing that is not a finite number.
fn not_finite(subject: &Subject, gradient: &[f64]) -> Option<String> {
    let is_finite = |array: &Array2<f64>| array.iter().all(|v| v.is_finite());
    let (network, pass) = (&subject.network, &subject.pass);
    let param = network.params.iter().zip(&subject.params).find(|(_, array)| !is_finite(array));
    let node = network.nodes.iter().zip(&pass.values).find(|(_, value)| !is_finite(value));
    let loss = network.heads.iter().zip(&pass.losses).find(|(_, loss)| !loss.is_finite());
    None.or(param.map(|(array, _)| format!("the parameter {}", array.name)))
        .or(node.map(|(node, _)| format!("the output of {}", node.name)))
        .or(loss.map(|(head, _)| format!("the loss of {}", head.name)))
        .or((!gradient.iter().all(|g| g.is_finite())).then(|| "the gradient".to_owned()))
}

fn identities(
    subject: &Subject,
    grads: &[Array2<f64>],
    deltas: &HashMap<usize, Array2<f64>>,
) -> Vec<Identity> {
    let Subject { network, params, pass, terms, .. } = subject;
    Claim { network, params, grads, values: &pass.values, deltas, terms }.identities()
}

/// Losses, evaluation and running statistics against the reference, and the ways through the step
/// against training's.
fn values(
    instance: &Instance,
    subject: &Subject,
    gradients: &Gradients,
    trained: Path<'_>,
) -> Result<Vec<ValueCheck>, GradcheckError> {
    let Subject { network, params, batch, pass, terms } = subject;
    let mut checks = Vec::new();
    let mut add = |name: String, error| checks.push(ValueCheck { name, error });
    let mut production = Production::<f64>::new(instance, trained)?;

    // Statistics of a run that is under way.
    let mut random = Random::new(instance.seed, Purpose::Sample, u64::MAX);
    let mut state = Vec::new();
    for array in &network.state {
        let is_variance = array.name.ends_with("running_var");
        let draws = (0..array.cols).map(|_| random.normal());
        state.extend(draws.map(|z| if is_variance { 0.2 + z * z } else { z }));
    }
    production.set_state(&state);
    let state = network.unflatten_state(&state);
    let losses = production.losses();
    for ((head, loss), (expected, terms)) in
        network.heads.iter().zip(&losses).zip(pass.losses.iter().zip(&terms.losses))
    {
        add(format!("loss of {}", head.name), error(*loss, *expected, SHARE * terms));
    }
    let next = network.next_state(&state, &pass.values);
    let sizes = network.state_terms(&state, &pass.values, &terms.values);
    let found = network.unflatten_state(&production.state());
    for (i, array) in network.state.iter().enumerate() {
        add(array.name.clone(), largest_error(&found[i], &next[i], &sizes[i], SHARE));
    }
    let expected = network.evaluate(params, &next, &batch.x);
    let sizes = network.evaluation_terms(params, &next, &expected);
    for (head, found) in network.heads.iter().zip(production.evaluate()) {
        let error = largest_error(&found, &expected[head.node], &sizes[head.node], SHARE);
        add(format!("evaluation of {}", head.name), error);
    }
    let sizes = flatten(&terms.params);
    for (name, gradient) in &gradients.others {
        add(name.clone(), largest_error(gradient, &gradients.trained, &sizes, SHARE));
    }
    Ok(checks)
}

/// At most `most` different indices below `len`, in increasing order: all of them if there are few
/// enough, otherwise a sample without replacement.
fn sample(len: usize, most: usize, random: &mut Random) -> Vec<usize> {
    let mut left = most.min(len);
    // Selection sampling: index i is taken with probability (still wanted)/(still to come).
    (0..len)
        .filter(|i| {
            let is_taken = random.uniform() * ((len - i) as f64) < left as f64;
            left -= usize::from(is_taken);
            is_taken
        })
        .collect()
}

#[cfg(test)]
mod tests;
