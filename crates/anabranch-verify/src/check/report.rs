//! The result of a check.

use std::fmt;

use anabranch_audit::measure::relative_error;

/// Errors of one part, each with its limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The part, and the size at which it was checked.
    pub what: String,
    /// In the order of the table in the [module](crate::check).
    pub checks: Vec<Check>,
}

/// One error and its limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What was compared.
    pub name: String,
    /// ‖a − b‖ relative to both; ∞ where a number is not finite or bits that must be equal are not.
    pub error: f64,
    /// The largest error that passes.
    pub limit: f64,
}

impl Check {
    /// Whether the error is within the limit; NaN is not.
    pub fn pass(&self) -> bool {
        self.error <= self.limit
    }
}

impl Report {
    pub(super) fn new(what: String) -> Self {
        Self { what, checks: Vec::new() }
    }

    pub(super) fn add(&mut self, name: impl Into<String>, error: f64, limit: f64) {
        self.checks.push(Check { name: name.into(), error, limit });
    }

    pub(super) fn compare(&mut self, name: impl Into<String>, a: &[f64], b: &[f64], limit: f64) {
        self.add(name, relative_error(a, b), limit);
    }

    /// Whether every check passes.
    pub fn pass(&self) -> bool {
        self.checks.iter().all(Check::pass)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
        writeln!(f, "{}", self.what)?;
        for check in &self.checks {
            let Check { name, error, limit } = check;
            let mark = if check.pass() { "" } else { "  <- off" };
            writeln!(f, "  {name:<width$}  {error:>8.1e}  of {limit:.0e}{mark}")?;
        }
        write!(f, "  {}", if self.pass() { "pass" } else { "FAIL" })
    }
}
