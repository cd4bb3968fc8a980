//! The two-branch network, built from the public parts of this crate.
//!
//! ```text
//! x ─┬─ fc1a ─ relu1a ─ dp1a ─ fc2a ──────────┬─ ŷa   (regression)
//!    └─ fc1b ─ relu1b ─ bn1b ─ join (⊕ ŷa) ─ fc2b ─ ŷb (classification, scores before softmax)
//! ```

use std::any::{Any, TypeId};

use anabranch_layers::{Activation, Affine, BatchNorm, Dropout, Init, LayerError, Linear, Loss};
use anabranch_tensor::Scalar;

use crate::builder::GraphBuilder;
use crate::error::GraphError;
use crate::fusion::Fusion;
use crate::graph::Graph;
use crate::join::Join;

/// The sizes and hyperparameters of a two-branch network.
///
/// Its first target are the numbers of task A `[rows, outputs_a]`, its second the classes of task B.
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
    /// Probability of dropping a hidden unit of branch A.
    pub dropout: f64,
    /// The activation of both branches.
    pub activation: Activation,
    /// How the prediction of task A flows into branch B.
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
    /// A network with ReLU, dropout 0.5, the join that fits the widths, per-unit batch normalisation with PyTorch's
    /// defaults, and weights 1.
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

    /// The network.
    ///
    /// # Errors
    /// If a width is zero, a hyperparameter is out of range, or the join does not fit the widths.
    pub fn build<T: Scalar>(&self, fusion: Fusion) -> Result<Graph<T>, GraphError> {
        // Through functions without type parameters: the layers' code is then compiled once, in this crate, and not
        // again in every crate that builds a network.
        let graph: Box<dyn Any> = if TypeId::of::<T>() == TypeId::of::<f32>() {
            Box::new(self.build_f32(fusion)?)
        } else {
            Box::new(self.build_f64(fusion)?)
        };
        Ok(*graph.downcast().expect("a scalar is f32 or f64"))
    }

    fn build_f32(&self, fusion: Fusion) -> Result<Graph<f32>, GraphError> {
        self.build_for(fusion)
    }

    fn build_f64(&self, fusion: Fusion) -> Result<Graph<f64>, GraphError> {
        self.build_for(fusion)
    }

    fn build_for<T: Scalar>(&self, fusion: Fusion) -> Result<Graph<T>, GraphError> {
        let named = |node: &str| {
            let node = node.to_owned();
            move |source: LayerError| GraphError::Layer { node, source }
        };
        let batch_norm = BatchNorm::new()
            .with_eps(self.bn_eps)
            .with_momentum(self.bn_momentum)
            .with_affine(self.affine);
        let head = |outputs| Linear::new(outputs).with_init(Init::XavierUniform);

        let mut g = GraphBuilder::new(self.inputs);
        let x = g.input();
        let z1a = g.layer("fc1a", Linear::new(self.hidden_a), x)?;
        let a1a = g.layer("relu1a", self.activation, z1a)?;
        let dropout = Dropout::new(self.dropout).map_err(named("dp1a"))?;
        let h = g.layer("dp1a", dropout, a1a)?;
        let y_a = g.layer("fc2a", head(self.outputs_a), h)?;
        let z1b = g.layer("fc1b", Linear::new(self.hidden_b), x)?;
        let a1b = g.layer("relu1b", self.activation, z1b)?;
        let bn = g.layer("bn1b", batch_norm, a1b)?;
        let s = g.join("join", self.join, bn, y_a)?;
        let z2b = g.layer("fc2b", head(self.classes), s)?;
        g.head(y_a, Loss::HalfSquaredError { weight: self.weight_a })?;
        g.head(z2b, Loss::SoftmaxCrossEntropy { weight: self.weight_b })?;
        g.build(fusion)
    }
}
