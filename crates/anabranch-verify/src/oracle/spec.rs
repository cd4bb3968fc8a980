//! What a case says about itself, and the tensors that follow from it.

use anabranch_graph::{Join, TwoBranch};
use serde::Deserialize;

/// The only format.
pub(super) const FORMAT: &str = "anabranch-oracle-1";

/// The JSON object in a case's metadata. The seed that it was drawn with is not read: a replay does
/// not need it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Spec {
    /// `anabranch-oracle-1`.
    pub format: String,
    /// Sizes and hyperparameters of the network.
    pub network: NetworkSpec,
    /// The weights of the two losses.
    pub loss: LossSpec,
    /// The optimizer and its settings.
    pub optimizer: OptimizerSpec,
    /// m, rows of a batch.
    pub rows: usize,
    /// k, training steps.
    pub steps: usize,
}

/// Sizes and hyperparameters of a case's network.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct NetworkSpec {
    /// Columns of x.
    pub inputs: usize,
    /// Hidden units of branch A.
    pub hidden_a: usize,
    /// Columns of ŷa, and hidden units of branch B.
    pub outputs_a: usize,
    /// Columns of ŷb.
    pub classes: usize,
    /// Probability of dropping a hidden unit of branch A.
    pub dropout: f64,
    /// ε of the batch normalisation.
    pub bn_eps: f64,
    /// Weight of a new batch in the running statistics.
    pub bn_momentum: f64,
}

/// Weights of a case's losses.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct LossSpec {
    /// wa.
    pub weight_a: f64,
    /// wb.
    pub weight_b: f64,
}

/// The optimizer of a case; everything not named here has PyTorch's default.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct OptimizerSpec {
    /// The name of an [`OptimizerKind`](anabranch_optim::OptimizerKind).
    pub kind: String,
    /// The learning rate.
    pub lr: f64,
    /// Weight decay, of every parameter.
    pub weight_decay: f64,
}

/// When a tensor is computed, which decides how many updates came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timing {
    /// Before step 0: given, not computed.
    Given,
    /// In each step before its update; the first axis counts the steps.
    EachStep,
    /// In the forward pass of the last step, before its update.
    LastForward,
    /// After the last update.
    End,
}

/// A tensor of the format.
#[derive(Clone, Debug)]
pub(super) struct TensorSpec {
    /// The name in the file.
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) timing: Timing,
}

impl Spec {
    /// The network of the case: branches of equal width, joined by `add`.
    pub fn two_branch(&self) -> TwoBranch {
        let NetworkSpec { inputs, hidden_a, outputs_a, classes, dropout, bn_eps, bn_momentum } =
            self.network;
        let LossSpec { weight_a, weight_b } = self.loss;
        TwoBranch {
            dropout,
            bn_eps,
            bn_momentum,
            weight_a,
            weight_b,
            join: Join::Add,
            ..TwoBranch::new(inputs, hidden_a, outputs_a, outputs_a, classes)
        }
    }

    /// Every size by its name in the metadata.
    pub(super) fn sizes(&self) -> [(&'static str, usize); 6] {
        let net = &self.network;
        [
            ("inputs", net.inputs),
            ("hidden_a", net.hidden_a),
            ("outputs_a", net.outputs_a),
            ("classes", net.classes),
            ("rows", self.rows),
            ("steps", self.steps),
        ]
    }

    /// Every parameter by its name, with its shape.
    fn params(&self) -> [(&'static str, Vec<usize>); 10] {
        let NetworkSpec { inputs, hidden_a, outputs_a, classes, .. } = self.network;
        [
            ("fc1a.weight", vec![hidden_a, inputs]),
            ("fc1a.bias", vec![hidden_a]),
            ("fc2a.weight", vec![outputs_a, hidden_a]),
            ("fc2a.bias", vec![outputs_a]),
            ("fc1b.weight", vec![outputs_a, inputs]),
            ("fc1b.bias", vec![outputs_a]),
            ("bn1b.weight", vec![outputs_a]),
            ("bn1b.bias", vec![outputs_a]),
            ("fc2b.weight", vec![classes, outputs_a]),
            ("fc2b.bias", vec![classes]),
        ]
    }

    /// Every tensor of a case with these sizes.
    pub(super) fn tensors(&self) -> Vec<TensorSpec> {
        let NetworkSpec { inputs, hidden_a, outputs_a, classes, .. } = self.network;
        let (k, m) = (self.steps, self.rows);
        let mut tensors = Vec::new();
        let mut add = |name: &str, shape: Vec<usize>, timing| {
            tensors.push(TensorSpec { name: name.into(), shape, timing });
        };
        add("x", vec![k, m, inputs], Timing::Given);
        add("y_a", vec![k, m, outputs_a], Timing::Given);
        add("y_b", vec![k, m, classes], Timing::Given);
        add("mask", vec![k, m, hidden_a], Timing::Given);
        add("expect.loss", vec![k], Timing::EachStep);
        add("expect.y_a_hat", vec![k, m, outputs_a], Timing::EachStep);
        add("expect.y_b_hat", vec![k, m, classes], Timing::EachStep);
        for (name, shape) in self.params() {
            let each_step = [&[k], &shape[..]].concat();
            add(&format!("param.{name}"), shape.clone(), Timing::Given);
            add(&format!("expect.grad.{name}"), each_step, Timing::EachStep);
            add(&format!("expect.param.{name}"), shape, Timing::End);
        }
        add("expect.bn1b.running_mean", vec![outputs_a], Timing::LastForward);
        add("expect.bn1b.running_var", vec![outputs_a], Timing::LastForward);
        add("expect.eval.y_a_hat", vec![m, outputs_a], Timing::End);
        add("expect.eval.y_b_hat", vec![m, classes], Timing::End);
        tensors
    }
}
