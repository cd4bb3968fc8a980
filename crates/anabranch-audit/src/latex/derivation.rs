//! What the audit says of a file's equations.

use std::collections::BTreeMap;

use super::layout::Place;
use crate::quantity::Target;
use crate::{Finding, Formula, Verdict};

/// The verdicts on a file's equations.
#[derive(Clone, Debug, Default)]
pub struct Derivation {
    /// In the order of the file.
    pub equations: Vec<Equation>,
    /// What could not be read, or is not a formula for anything that the network computes.
    pub skipped: Vec<Skipped>,
    /// The symbols that were read, and as what.
    pub symbols: BTreeMap<String, String>,
    /// Which way round its matrices are, where that matters, and by how many formulas.
    pub conventions: BTreeMap<&'static str, String>,
}

/// `A = B = C`, judged.
#[derive(Clone, Debug)]
pub struct Equation {
    /// Where it begins.
    pub place: Place,
    /// What it is a formula for.
    pub target: Target,
    /// The left side, then what it is said to equal.
    pub members: Vec<Member>,
    /// The verdict of the first member that is not exact; `None` where none of them can be read.
    pub verdict: Option<Verdict>,
    /// The member behind the first `=` that does not hold.
    pub broken: Option<usize>,
    /// What it is worth.
    pub points: Option<f64>,
    /// The verdict that the file says it must get.
    pub expected: Option<Verdict>,
}

/// One side of an `=`.
#[derive(Clone, Debug)]
pub struct Member {
    /// Where it begins.
    pub place: Place,
    /// As written.
    pub text: String,
    /// What it is.
    pub judgement: Judgement,
    /// Whether it equals the readable member before it.
    pub follows: Option<bool>,
    /// What its verdict is of.
    pub(crate) formula: Option<Formula>,
}

/// What is said of a member.
#[derive(Clone, Debug)]
pub enum Judgement {
    /// The quantity that the equation is about, or another name for it.
    Name,
    /// An expression, compared with the truth.
    Judged(Box<Finding>),
    /// Not read, and why.
    Unreadable(String),
}

/// A formula that is not judged.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// Where it stands.
    pub place: Place,
    /// As written.
    pub text: String,
    /// Why it is not judged.
    pub reason: String,
    /// Whether it could not be read; else there is nothing to judge.
    pub unreadable: bool,
}
