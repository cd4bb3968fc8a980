//! Which form of the network a formula is about.

use crate::expr::{Expr, Node};
use crate::quantity::Target;
use crate::reference::{Affine, Join};

/// The form of the network against which formulas are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// How y_a_hat flows into branch B.
    pub(crate) join: Join,
    /// A gamma and a beta for each unit, or one of each.
    pub(crate) affine: Affine,
    /// Whether the losses of the two tasks have weights.
    pub(crate) task_weights: TaskWeights,
    /// Whether BatchNorm and dropout are in training mode.
    pub(crate) mode: Mode,
    /// Whether BatchNorm's eps is there.
    pub(crate) epsilon: Epsilon,
    /// What the letter p stands for.
    pub(crate) probability: Probability,
    /// Whether the squared error has its 1/2.
    pub(crate) squared_error: SquaredError,
    /// The form of y_b.
    pub(crate) labels: Labels,
}

/// The weights of the two tasks' losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskWeights {
    /// L = La + Lb.
    One,
    /// L = w_a·La + w_b·Lb.
    Free,
}

/// Training or evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// BatchNorm normalises by the batch; dropout draws a mask.
    Training,
    /// BatchNorm normalises by its running statistics; dropout does nothing.
    Evaluation,
}

/// Whether ε is added to the variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Epsilon {
    /// √(σ²+ε).
    Added,
    /// √(σ²).
    Zero,
}

/// What p is the probability of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probability {
    /// That dropout drops a value.
    Dropped,
    /// That it keeps one.
    Kept,
}

/// The loss of task A.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SquaredError {
    /// ½‖ŷa − ya‖².
    Half,
    /// ‖ŷa − ya‖².
    Whole,
}

/// The rows of y_b.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Labels {
    /// Positive numbers with the sum 1.
    Soft,
    /// A single 1.
    OneHot,
}

impl Default for Setting {
    /// Join `add`, a gamma for each unit, weights of 1, training; the loss as in the reference.
    fn default() -> Self {
        Self {
            join: Join::Add,
            affine: Affine::PerUnit,
            task_weights: TaskWeights::One,
            mode: Mode::Training,
            epsilon: Epsilon::Added,
            probability: Probability::Dropped,
            squared_error: SquaredError::Half,
            labels: Labels::Soft,
        }
    }
}

impl Setting {
    /// How many settings there are.
    pub(crate) const COUNT: usize = 3 << 7;

    /// The setting's number, from 0.
    pub(crate) fn index(self) -> usize {
        let choices = [
            self.affine as usize,
            self.task_weights as usize,
            self.mode as usize,
            self.epsilon as usize,
            self.probability as usize,
            self.squared_error as usize,
            self.labels as usize,
        ];
        choices.iter().fold(self.join as usize, |index, choice| index * 2 + choice)
    }

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
        if names(&["theta_j", "d_theta_j", "d_theta_j_row"]) {
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
