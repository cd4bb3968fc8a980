//! What was checked in a run, where, and with which result.

use std::fmt;

use anabranch_graph::River;
use anabranch_tensor::{Executor, Scalar};
use serde::Serialize;

use super::error::GradcheckError;
use super::instance::Instance;
use super::report::Gradcheck;
use super::step_audit::{StepAudit, audit_step};
use super::{DIFFERENCE_LIMIT, DUAL_LIMIT, IDENTITY_LIMIT, SINGLE_LIMIT, VALUE_LIMIT, gradcheck};

/// A check of a run's gradient at its own parameters and near them.
///
/// Serialises as the worst of all points (the keys of [`Gradcheck`]), together with `version`,
/// `river`, `seed`, `step`, `limits`, `run` and `points`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Certificate {
    /// Of this library.
    pub version: &'static str,
    /// The network.
    pub river: River,
    /// The seed of the run's masks and of the perturbation.
    pub seed: u64,
    /// Steps of the run before this one.
    pub step: u64,
    /// The limit of each error.
    pub limits: Limits,
    /// The gradient that the run itself used, with its own threads, cuts and precision.
    pub run: StepAudit,
    /// Where the gradient was checked.
    pub points: Vec<Point>,
    /// The worst of all points.
    #[serde(flatten)]
    pub worst: Gradcheck,
}

/// The largest errors that pass.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[allow(missing_docs)] // as the constants of these names
pub struct Limits {
    pub dual: f64,
    pub difference: f64,
    pub identity: f64,
    pub value: f64,
    #[serde(rename = "f32")]
    pub single: f64,
}

/// Parameters at which a gradient was checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Which.
    pub name: String,
    /// The result.
    #[serde(flatten)]
    pub report: Gradcheck,
}

impl Certificate {
    /// Checks the step `instance` of a run with numbers of type `T`, whose own gradient (before
    /// clipping and weight decay) is `grads`, at the run's parameters and at a perturbation of all
    /// of them; `exec` and `work` are those of [`gradcheck`].
    ///
    /// # Errors
    /// As for [`gradcheck`] and [`audit_step`].
    pub fn new<T: Scalar>(
        instance: &Instance,
        grads: &[T],
        exec: &Executor,
        work: u64,
    ) -> Result<Self, GradcheckError> {
        let run = audit_step(instance, grads)?;
        let mut points = Vec::new();
        for (name, instance) in [
            ("the run's parameters".to_owned(), instance),
            ("all parameters perturbed".to_owned(), &instance.perturbed(instance.seed)),
        ] {
            points.push(Point { name, report: gradcheck(instance, exec, work)? });
        }
        let mut worst = points[0].report.clone();
        points[1..].iter().for_each(|point| worst.merge(&point.report));
        worst.pass &= run.pass;
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            river: instance.river.clone(),
            seed: instance.seed,
            step: instance.step,
            limits: Limits {
                dual: DUAL_LIMIT,
                difference: DIFFERENCE_LIMIT,
                identity: IDENTITY_LIMIT,
                value: VALUE_LIMIT,
                single: SINGLE_LIMIT,
            },
            run,
            points,
            worst,
        })
    }

    /// Whether all points pass, and so does the run's own gradient.
    pub fn pass(&self) -> bool {
        self.worst.pass
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "step {}: {}", self.step, self.run)?;
        for Point { name, report } in &self.points {
            let verdict = if report.pass { "pass" } else { "FAIL" };
            writeln!(f, "{name}: {verdict}")?;
        }
        write!(f, "\nthe worst of these points\n\n{}", self.worst)
    }
}
