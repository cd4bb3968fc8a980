//! The result of a gradient check.

use std::fmt;

use serde::Serialize;

use super::{DIFFERENCE_LIMIT, DUAL_LIMIT, IDENTITY_LIMIT, SINGLE_LIMIT};
use crate::identities::Identity;

/// How far the gradient of one parameter tensor is from each route's answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TensorCheck {
    /// The tensor's name: `fc1a.weight`.
    pub name: String,
    /// Error against dual numbers, over the entries checked and left out.
    pub dual: f64,
    /// Error against central differences, over the entries checked; 0 if there is none.
    pub difference: f64,
    /// Entries compared with both dual numbers and differences.
    pub checked: usize,
    /// Entries compared with dual numbers only, because a ReLU switches within the step of the difference.
    pub left_out: usize,
    /// Error of the gradient in f32; `None` when a ReLU is on in one precision and off in the other.
    #[serde(rename = "f32")]
    pub single: Option<f64>,
    /// Whether every route agrees.
    #[serde(skip)]
    pub pass: bool,
}

/// Whether the production gradient is right.
///
/// Serialises as `{"rows","parameters","tensors":[…],"identities":[{"name","error"}],"sampled","pass"}`; an error that is
/// not finite as `null`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gradcheck {
    /// Rows of the batch.
    pub rows: usize,
    /// Parameters of the network.
    pub parameters: usize,
    /// In the order of the flat parameters.
    pub tensors: Vec<TensorCheck>,
    /// Those that apply to the network.
    pub identities: Vec<Identity>,
    /// Whether only a sample of the entries was checked by dual numbers and differences.
    pub sampled: bool,
    /// Whether every tensor passes and every identity is within its limit.
    pub pass: bool,
}

impl Gradcheck {
    pub(super) fn new(
        rows: usize,
        parameters: usize,
        tensors: Vec<TensorCheck>,
        identities: Vec<Identity>,
        sampled: bool,
    ) -> Self {
        let pass = tensors.iter().all(|tensor| tensor.pass)
            && identities.iter().all(|identity| identity.error <= IDENTITY_LIMIT);
        Self { rows, parameters, tensors, identities, sampled, pass }
    }
}

impl fmt::Display for Gradcheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = |is_right: bool| if is_right { "" } else { "  <- off" };
        let names = self.tensors.iter().map(|tensor| tensor.name.len());
        let width = names.chain(self.identities.iter().map(|i| i.name.len())).max().unwrap_or(0);
        writeln!(
            f,
            "{:<width$}  {:>9}  {:>10}  {:>8}  {:>8}  {:>8}",
            "tensor", "dual", "difference", "checked", "left out", "f32"
        )?;
        for tensor in &self.tensors {
            let TensorCheck { name, dual, difference, checked, left_out, single, pass } = tensor;
            let difference = match checked {
                0 => "-".into(),
                _ => format!("{difference:.1e}"),
            };
            let single = single.map_or("-".into(), |error| format!("{error:.1e}"));
            writeln!(
                f,
                "{name:<width$}  {dual:>9.1e}  {difference:>10}  {checked:>8}  {left_out:>8}  {single:>8}{}",
                mark(*pass)
            )?;
        }
        writeln!(f, "\n{:<width$}  {:>9}", "identity", "error")?;
        for Identity { name, error } in &self.identities {
            writeln!(f, "{name:<width$}  {error:>9.1e}{}", mark(*error <= IDENTITY_LIMIT))?;
        }
        writeln!(
            f,
            "\nlimits: dual {DUAL_LIMIT:.0e}, difference {DIFFERENCE_LIMIT:.0e}, identity {IDENTITY_LIMIT:.0e}, \
             f32 {SINGLE_LIMIT:.0e}; left out of the differences: entries whose step switches a ReLU"
        )?;
        if self.sampled {
            let n: usize = self.tensors.iter().map(|tensor| tensor.checked + tensor.left_out).sum();
            let all = self.parameters;
            writeln!(f, "sampled: dual numbers and differences saw {n} of {all} entries")?;
        }
        let verdict = if self.pass { "pass" } else { "FAIL" };
        write!(f, "{} rows, {} parameters: {verdict}", self.rows, self.parameters)
    }
}
