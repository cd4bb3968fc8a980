//! Which form of the network a formula is about.

use serde::Deserialize;

use crate::expr::{Expr, Node};
use crate::quantity::Target;
use crate::reference::{Affine, Join};

/// The form of the network against which formulas are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// How y_a_hat flows into branch B.
    pub join: Join,
    /// A gamma and a beta for each unit, or one of each.
    pub affine: Affine,
    /// Whether the losses of the two tasks have weights.
    pub task_weights: TaskWeights,
    /// Whether BatchNorm and dropout are in training mode.
    pub mode: Mode,
}

/// The weights of the two tasks' losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskWeights {
    /// L = La + Lb.
    One,
    /// L = w_a·La + w_b·Lb.
    Free,
}

/// Training or evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// BatchNorm normalises by the batch; dropout draws a mask.
    Training,
    /// BatchNorm normalises by its running statistics; dropout does nothing.
    Evaluation,
}

impl Default for Setting {
    /// Join `add`, a gamma for each unit, weights of 1, training.
    fn default() -> Self {
        Self {
            join: Join::Add,
            affine: Affine::PerUnit,
            task_weights: TaskWeights::One,
            mode: Mode::Training,
        }
    }
}

impl Setting {
    /// Adds what a formula's names ask for: `theta_j` a join that projects, `w_a` and `w_b`
    /// weights, `mu_run` and `var_run` evaluation mode.
    pub(crate) fn asked_for_by(self, target: Target, expr: &Expr) -> Self {
        let names = |names: &[&str]| {
            names.contains(&target.name())
                || expr.any(&|part| match part.node {
                    Node::Quantity(quantity) => names.contains(&quantity.name),
                    _ => false,
                })
        };
        let mut setting = self;
        if names(&["theta_j", "d_theta_j"]) {
            setting.join = Join::Project;
        }
        if names(&["w_a", "w_b"]) {
            setting.task_weights = TaskWeights::Free;
        }
        if names(&["mu_run", "var_run"]) {
            setting.mode = Mode::Evaluation;
        }
        setting
    }
}
