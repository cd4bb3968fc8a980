//! The result of a gradient check.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{DIFFERENCE_LIMIT, DUAL_LIMIT, IDENTITY_LIMIT, SINGLE_LIMIT, VALUE_LIMIT};
use crate::identities::Identity;

/// How far the gradient of one parameter tensor is from each route's answer. Errors are relative to
/// the terms whose sum an entry is, before they cancel; the largest counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TensorCheck {
    /// The tensor's name: `fc1a.weight`.
    pub name: String,
    /// Error against dual numbers, over single entries and directions in which all entries move.
    #[serde(serialize_with = "finite")]
    pub dual: f64,
    /// Error against a backward pass by hand in plain loops, over all entries.
    #[serde(serialize_with = "finite")]
    pub by_hand: f64,
    /// Error against central differences, over the entries checked and relative to a typical entry;
    /// 0 if there is none.
    #[serde(serialize_with = "finite")]
    pub difference: f64,
    /// Entries compared one by one with dual numbers and differences.
    pub checked: usize,
    /// Entries compared with dual numbers only: a ReLU or loss passes a corner within the step of
    /// the difference, or the gradient is lost in the rounding of the loss.
    pub left_out: usize,
    /// Error of the gradient in f32 against the one in f64.
    #[serde(rename = "f32", serialize_with = "finite")]
    pub single: f64,
    /// Whether the gradient is zero in every entry, so that agreement says little.
    pub zero: bool,
    /// Whether every route agrees.
    #[serde(skip)]
    pub pass: bool,
}

/// Something else that was compared: a loss, an evaluation, running statistics, or another way
/// through the step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ValueCheck {
    /// What: `loss of price`, `shards of 43 rows`.
    pub name: String,
    /// Its error, relative to its terms.
    #[serde(serialize_with = "finite")]
    pub error: f64,
}

/// Whether the production gradient is right.
///
/// Serialises as
/// `{"rows","parameters","tensors":[…],"identities":[{"name","error"}],"values":[{"name","error"}],"sampled","pass"}`;
/// an error that is not finite as `null`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gradcheck {
    /// Rows of the batch.
    pub rows: usize,
    /// Parameters of the network.
    pub parameters: usize,
    /// In the order of the flat parameters.
    pub tensors: Vec<TensorCheck>,
    /// The ones that apply to the network.
    pub identities: Vec<Identity>,
    /// Losses, evaluations and running statistics against the reference; ways through the step
    /// against each other.
    pub values: Vec<ValueCheck>,
    /// Whether only a sample of the entries was checked one by one.
    pub sampled: bool,
    /// The first number that is not finite, if any; nothing else means anything then.
    pub not_finite: Option<String>,
    /// Whether every tensor passes, everything else is within its limit, and some gradient is not
    /// zero.
    pub pass: bool,
}

impl Gradcheck {
    /// The verdict on the results.
    pub(super) fn judged(mut self) -> Self {
        self.pass = self.not_finite.is_none()
            && self.tensors.iter().all(|tensor| tensor.pass)
            && self.tensors.iter().any(|tensor| !tensor.zero)
            && self.identities.iter().all(|identity| identity.error <= IDENTITY_LIMIT)
            && self.values.iter().all(|value| value.error <= VALUE_LIMIT);
        self
    }

    /// Keeps the worse of each pair of results, for the same network and batch.
    pub(super) fn merge(&mut self, other: &Self) {
        for (tensor, other) in self.tensors.iter_mut().zip(&other.tensors) {
            tensor.dual = f64::max(tensor.dual, other.dual);
            tensor.by_hand = f64::max(tensor.by_hand, other.by_hand);
            tensor.difference = f64::max(tensor.difference, other.difference);
            tensor.single = f64::max(tensor.single, other.single);
            tensor.checked += other.checked;
            tensor.left_out += other.left_out;
            tensor.zero &= other.zero;
            tensor.pass &= other.pass;
        }
        for (identity, other) in self.identities.iter_mut().zip(&other.identities) {
            identity.error = f64::max(identity.error, other.error);
        }
        for (value, other) in self.values.iter_mut().zip(&other.values) {
            value.error = f64::max(value.error, other.error);
        }
        self.not_finite = self.not_finite.take().or_else(|| other.not_finite.clone());
        self.pass &= other.pass;
    }

    /// Tensors whose gradient is zero.
    pub fn zeros(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().filter(|tensor| tensor.zero).map(|tensor| tensor.name.as_str())
    }
}

impl fmt::Display for Gradcheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(what) = &self.not_finite {
            return write!(f, "{what} is not finite, so no gradient can be checked: FAIL");
        }
        let mark = |is_right: bool| if is_right { "" } else { "  <- off" };
        let names = self.tensors.iter().map(|tensor| tensor.name.chars().count());
        let names = names.chain(self.identities.iter().map(|i| i.name.chars().count()));
        let width =
            names.chain(self.values.iter().map(|v| v.name.chars().count())).max().unwrap_or(0);
        writeln!(
            f,
            "{:<width$}  {:>9}  {:>9}  {:>10}  {:>8}  {:>8}  {:>8}",
            "tensor", "dual", "by hand", "difference", "checked", "left out", "f32"
        )?;
        for tensor in &self.tensors {
            let TensorCheck {
                name,
                dual,
                by_hand,
                difference,
                checked,
                left_out,
                single,
                zero,
                pass,
            } = tensor;
            let difference = match checked {
                0 => "-".into(),
                _ => format!("{difference:.1e}"),
            };
            let note = if *zero { "  zero" } else { "" };
            writeln!(
                f,
                "{name:<width$}  {dual:>9.1e}  {by_hand:>9.1e}  {difference:>10}  {checked:>8}  {left_out:>8}  {single:>8.1e}{note}{}",
                mark(*pass)
            )?;
        }
        writeln!(f, "\n{:<width$}  {:>9}", "identity", "error")?;
        for Identity { name, error } in &self.identities {
            writeln!(f, "{name:<width$}  {error:>9.1e}{}", mark(*error <= IDENTITY_LIMIT))?;
        }
        writeln!(f, "\n{:<width$}  {:>9}", "value", "error")?;
        for ValueCheck { name, error } in &self.values {
            writeln!(f, "{name:<width$}  {error:>9.1e}{}", mark(*error <= VALUE_LIMIT))?;
        }
        writeln!(
            f,
            "\nlimits: dual and by hand {DUAL_LIMIT:.0e}, difference {DIFFERENCE_LIMIT:.0e}, identity and value {IDENTITY_LIMIT:.0e}, \
             f32 {SINGLE_LIMIT:.0e}"
        )?;
        if self.sampled {
            let n: usize = self.tensors.iter().map(|tensor| tensor.checked + tensor.left_out).sum();
            let all = self.parameters;
            writeln!(
                f,
                "sampled: {n} of {all} parameters were checked one by one, and all of them together"
            )?;
        }
        let zeros: Vec<&str> = self.zeros().collect();
        if zeros.len() == self.tensors.len() {
            writeln!(f, "every gradient is zero: there was nothing to check")?;
        } else if !zeros.is_empty() {
            writeln!(f, "zero, so hardly checked: {}", zeros.join(", "))?;
        }
        let verdict = if self.pass { "pass" } else { "FAIL" };
        write!(f, "{} rows, {} parameters: {verdict}", self.rows, self.parameters)
    }
}

/// A number that JSON can represent, or `null`.
pub(super) fn finite<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    value.is_finite().then_some(*value).serialize(serializer)
}
