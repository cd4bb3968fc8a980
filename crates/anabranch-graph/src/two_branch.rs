//! The two-branch network: the smallest river.
//!
//! ```text
//! x ─┬─ fc1a ─ relu1a ─ dp1a ─ fc2a ──────────┬─ ŷa   (regression)
//!    └─ fc1b ─ relu1b ─ bn1b ─ join (⊕ ŷa) ─ fc2b ─ ŷb (classification, scores before softmax)
//! ```

use anabranch_layers::{Activation, Affine, Init, Join, LossKind, RunningVariance};
use anabranch_tensor::Scalar;

use crate::error::GraphError;
use crate::fusion::Fusion;
use crate::graph::Graph;
use crate::river::{Branch, BranchHead, LayerKind, NamedJoin, NamedLayer, River};

/// The sizes and hyperparameters of a two-branch network.
///
/// The first target is the numbers of task A `[rows, outputs_a]`, the second the classes of task B.
#[derive(Clone, Debug, PartialEq)]
pub struct TwoBranch {
    /// Columns of the input.
    pub inputs: usize,
    /// Hidden units of branch A.
    pub hidden_a: usize,
    /// Numbers that task A predicts.
    pub outputs_a: usize,
    /// Hidden units of branch B.
    pub hidden_b: usize,
    /// Classes of task B.
    pub classes: usize,
    /// Drop probability of branch A's hidden units.
    pub dropout: f64,
    /// The activation of both branches.
    pub activation: Activation,
    /// How the prediction of task A enters branch B.
    pub join: Join,
    /// How many γ and β the batch normalisation has.
    pub affine: Affine,
    /// ε of the batch normalisation.
    pub bn_eps: f64,
    /// Weight of a new batch in the running statistics.
    pub bn_momentum: f64,
    /// Weight of task A's loss.
    pub weight_a: f64,
    /// Weight of task B's loss.
    pub weight_b: f64,
}

impl TwoBranch {
    /// A network with ReLU, dropout 0.5, the join that fits the widths, per-unit batch
    /// normalisation with PyTorch's defaults, and weights 1.
    pub fn new(
        inputs: usize,
        hidden_a: usize,
        outputs_a: usize,
        hidden_b: usize,
        classes: usize,
    ) -> Self {
        Self {
            inputs,
            hidden_a,
            outputs_a,
            hidden_b,
            classes,
            dropout: 0.5,
            activation: Activation::Relu,
            join: Join::for_widths(hidden_b, outputs_a),
            affine: Affine::PerUnit,
            bn_eps: 1e-5,
            bn_momentum: 0.1,
            weight_a: 1.0,
            weight_b: 1.0,
        }
    }

    /// The description: branches `a` and `b`, with the layer names of the derivation.
    pub fn river(&self) -> River {
        let layer = |name: &str, stream, layer| NamedLayer { name: name.to_owned(), stream, layer };
        let linear = |outputs, init| LayerKind::Linear { outputs, init };
        let head = |name, stream, outputs, loss, weight| BranchHead {
            layer: layer(name, stream, linear(outputs, Init::XavierUniform)),
            loss,
            weight,
        };
        let batch_norm = LayerKind::BatchNorm {
            eps: self.bn_eps,
            momentum: self.bn_momentum,
            affine: self.affine,
            running: RunningVariance::Unbiased,
        };
        let a = Branch {
            name: "a".into(),
            from: None,
            layers: vec![
                layer("fc1a", 1, linear(self.hidden_a, Init::KaimingUniform)),
                layer("relu1a", 2, LayerKind::Activation(self.activation)),
                layer("dp1a", 3, LayerKind::Dropout { p: self.dropout }),
            ],
            joins: Vec::new(),
            head: Some(head("fc2a", 4, self.outputs_a, LossKind::HalfSquaredError, self.weight_a)),
        };
        let join = NamedJoin { name: "join".into(), stream: 8, from: "a".into(), join: self.join };
        let b = Branch {
            name: "b".into(),
            from: None,
            layers: vec![
                layer("fc1b", 5, linear(self.hidden_b, Init::KaimingUniform)),
                layer("relu1b", 6, LayerKind::Activation(self.activation)),
                layer("bn1b", 7, batch_norm),
            ],
            joins: vec![join],
            head: Some(head("fc2b", 9, self.classes, LossKind::CROSS_ENTROPY, self.weight_b)),
        };
        River { inputs: self.inputs, branches: vec![a, b] }
    }

    /// The network.
    ///
    /// # Errors
    /// If a width is zero, a hyperparameter is out of range, or the join does not fit the widths.
    pub fn build<T: Scalar>(&self, fusion: Fusion) -> Result<Graph<T>, GraphError> {
        self.river().build(fusion)
    }
}
