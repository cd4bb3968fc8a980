//! The verdict on a case: how far each tensor is off, and whether that is too far.

use std::collections::BTreeMap;
use std::fmt;

use anabranch_optim::OptimizerKind;
use serde::Serialize;

use super::case::Case;
use super::replay::Computed;
use super::spec::{TensorSpec, Timing};
use anabranch_audit::measure::relative_error;

/// The number type in which a case is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

impl Precision {
    /// The largest error of a tensor that passes, in the measure of [`relative_error`].
    pub fn limit(self) -> f64 {
        match self {
            Self::F32 => 1e-3,
            Self::F64 => 1e-9,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

/// How far a replay is from what the case expects.
///
/// Serialises as `{"case","precision","max_error":{NAME:error},"worst","pass","not_finite"}`; an
/// error that is not finite, because a tensor holds NaN or ∞, as `null`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The name of the case.
    pub case: String,
    /// The number type in which it was replayed.
    pub precision: Precision,
    /// The error of each tensor that was judged, the largest over the steps judged, by the tensor's
    /// name without `expect.`.
    pub max_error: BTreeMap<String, f64>,
    /// The name of the tensor with the largest error.
    pub worst: String,
    /// Whether no error is larger than the precision's limit.
    pub pass: bool,
    /// Tensors that were not judged in any step.
    #[serde(skip)]
    pub not_judged: Vec<String>,
    /// The first tensor with a number that is not finite, if any: nothing else means anything then.
    pub not_finite: Option<String>,
}

/// Whether the rounding of a gradient changes the update in proportion.
///
/// The others divide by the size of the gradient: where it is zero in exact arithmetic, they turn
/// whatever rounding left into a full step.
fn keeps_proportion(optimizer: &str) -> bool {
    [OptimizerKind::SGD, OptimizerKind::MOMENTUM, OptimizerKind::NESTEROV]
        .iter()
        .any(|kind| kind.name() == optimizer)
}

/// Compares every expectation of `case` with what was computed on each way; the first of them is
/// `moved` by as much as rounding can. In f32, what follows the first update of an adaptive
/// optimizer is not judged.
pub(super) fn judge(
    case: &Case,
    precision: Precision,
    computed: &[Computed],
    moved: &Computed,
) -> Report {
    let spec = case.spec();
    let judges_all = precision == Precision::F64 || keeps_proportion(&spec.optimizer.kind);
    let mut max_error = BTreeMap::<String, f64>::new();
    let (mut not_judged, mut not_finite) = (Vec::new(), None);
    for TensorSpec { name, timing, .. } in spec.tensors() {
        let Some(short_name) = name.strip_prefix("expect.") else { continue };
        let (blocks, updates_before) = match timing {
            Timing::Given => continue,
            Timing::EachStep => (spec.steps, 0),
            Timing::LastForward => (1, spec.steps - 1),
            Timing::End => (1, spec.steps),
        };
        let blocks_judged = match (judges_all, updates_before) {
            (true, _) => blocks,
            (false, 0) => 1,
            (false, _) => 0,
        };
        if blocks_judged == 0 {
            not_judged.push(short_name.into());
            continue;
        }
        let expected = case.whole(&name);
        let len = expected.len() / blocks;
        let moves = computed[0][short_name].chunks(len).zip(moved[short_name].chunks(len));
        let moves: Vec<f64> = moves.map(|(a, b)| distance(a, b) / precision.limit()).collect();
        let error_of = |computed: &Computed| {
            let found = computed[short_name].chunks(len).zip(&moves);
            let blocks = expected.chunks(len).zip(found).take(blocks_judged);
            let errors =
                blocks.map(|(expected, (found, extra))| error_beside(expected, found, *extra));
            errors.fold(0.0, f64::max)
        };
        let error = computed.iter().map(error_of).fold(0.0, f64::max);
        if not_finite.is_none() && !error.is_finite() {
            let is_known = expected.iter().all(|value| value.is_finite());
            let whose = if is_known { "computed" } else { "expected" };
            not_finite = Some(format!("the {whose} {short_name}"));
        }
        max_error.insert(short_name.into(), error);
    }
    let worst = max_error.iter().max_by(|a, b| a.1.total_cmp(b.1));
    let (worst, largest) =
        worst.map_or((String::new(), 0.0), |(name, error)| (name.clone(), *error));
    let pass = largest <= precision.limit();
    Report { case: case.name().into(), precision, max_error, worst, pass, not_judged, not_finite }
}

/// [`relative_error`] with `extra` added to what it is relative to, if that is a number.
fn error_beside(expected: &[f64], found: &[f64], extra: f64) -> f64 {
    let (error, distance) = (relative_error(expected, found), distance(expected, found));
    if error == 0.0 || !error.is_finite() || !extra.is_finite() {
        return error;
    }
    distance / (distance / error + extra)
}

/// ‖a−b‖.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, precision, max_error, worst, pass, not_judged, not_finite } = self;
        if let Some(what) = not_finite {
            return write!(f, "{what} is not finite, so nothing can be judged: FAIL");
        }
        let limit = precision.limit();
        let width = max_error.keys().map(String::len).max().unwrap_or(0);
        for (name, error) in max_error {
            // Written so that NaN is marked.
            let mark = if *error <= limit { "" } else { "  <- off" };
            writeln!(f, "{name:<width$}  {error:.1e}{mark}")?;
        }
        if !not_judged.is_empty() {
            writeln!(
                f,
                "not judged in f32, because they follow an update of an adaptive optimizer: {}",
                not_judged.join(", ")
            )?;
        }
        let verdict = if *pass { "pass" } else { "FAIL" };
        write!(
            f,
            "{case} in {precision}: {verdict} (largest error allowed {limit:.0e}, worst {worst})"
        )
    }
}
