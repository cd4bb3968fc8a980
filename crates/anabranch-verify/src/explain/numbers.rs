//! The numbers of a step, by the symbols of the derivation.

use std::collections::HashMap;

use anabranch_graph::{Fusion, Join, RowWeights};
use anabranch_layers::{Activation, Affine, LossKind};
use anabranch_tensor::Executor;
use ndarray::{Array2, Axis};

use super::check::Sums;
use super::error::ExplainError;
use super::names::{Names, numbered};
use crate::gradcheck::{Instance, Path, Production};
use crate::reference::{Batch, Duals, Network, Op, OwnedTarget, batch_statistics, cast};
use crate::rounding::UNIT;

/// The nodes of the two-branch network.
const NODES: [&str; 10] =
    ["input", "fc1a", "relu1a", "dp1a", "fc2a", "fc1b", "relu1b", "bn1b", "join", "fc2b"];

/// Matrices have a row for each row of the batch; vectors have one row.
pub(super) struct Numbers {
    pub(super) x: Array2<f64>,
    pub(super) y_a: Array2<f64>,
    /// One-hot, or probabilities.
    pub(super) y_b: Array2<f64>,
    /// M, drawn a second time, by the reference's own generator.
    pub(super) mask: Array2<f64>,
    pub(super) mean: Array2<f64>,
    /// σ².
    pub(super) var: Array2<f64>,
    /// â.
    pub(super) a_hat: Array2<f64>,
    /// γâ + β.
    pub(super) y: Array2<f64>,
    /// ŷb.
    pub(super) y_b_hat: Array2<f64>,
    /// What the join adds to `y`.
    pub(super) joined: Array2<f64>,
    pub(super) join: Join,
    /// The probability of dropping.
    pub(super) p: f64,
    pub(super) eps: f64,
    /// wa and wb.
    pub(super) weights: [f64; 2],
    /// The weighted loss of each head.
    pub(super) losses: Vec<f64>,
    /// The same, by the reference.
    pub(super) reference_losses: Vec<f64>,
    /// Learned arrays, their gradients, and these by dual numbers, in the network's order.
    pub(super) params: Vec<Param>,
    values: HashMap<&'static str, Array2<f64>>,
    /// dL/d(output) of each node, and the terms that its entries are sums of.
    deltas: HashMap<&'static str, [Array2<f64>; 2]>,
}

/// A learned array.
pub(super) struct Param {
    pub(super) name: String,
    pub(super) value: Array2<f64>,
    pub(super) grad: Array2<f64>,
    /// The gradient by dual numbers, entry by entry.
    pub(super) dual: Array2<f64>,
    /// The terms that each entry of the gradient is a sum of.
    pub(super) terms: Array2<f64>,
}

impl Param {
    /// Its gradient.
    pub(super) fn sums(&self) -> Sums<'_> {
        Sums { values: &self.grad, terms: &self.terms }
    }

    /// Its symbol in the derivation.
    pub(super) fn symbol(&self) -> &'static str {
        match self.name.as_str() {
            "fc1a.weight" => r"\theta_{1a}",
            "fc1a.bias" => "b_{1a}",
            "fc2a.weight" => r"\theta_{2a}",
            "fc2a.bias" => "b_{2a}",
            "fc1b.weight" => r"\theta_{1b}",
            "fc1b.bias" => "b_{1b}",
            "bn1b.weight" => r"\gamma",
            "bn1b.bias" => r"\beta",
            "join.weight" => "W_j",
            "fc2b.weight" => r"\theta_{2b}",
            _ => "b_{2b}",
        }
    }

    /// What its rows and columns are called.
    pub(super) fn labels(&self, names: &Names) -> (Vec<String>, Vec<String>) {
        let (rows, cols) = self.value.dim();
        let units = |count| numbered("unit", count);
        let one = || vec![String::new()];
        match self.name.as_str() {
            "fc1a.weight" | "fc1b.weight" => (units(rows), names.inputs.clone()),
            "fc2a.weight" => (names.outputs.clone(), units(cols)),
            "fc2a.bias" => (one(), names.outputs.clone()),
            "join.weight" => (units(rows), names.outputs.clone()),
            "fc2b.weight" => (names.classes.clone(), units(cols)),
            "fc2b.bias" => (one(), names.classes.clone()),
            _ => (one(), units(cols)),
        }
    }
}

impl Numbers {
    pub(super) fn new(
        instance: &Instance,
        grads: &[f64],
        exec: &Executor,
    ) -> Result<Self, ExplainError> {
        let path = Path { exec, fusion: Fusion::Unfused, rows_per_shard: None };
        let mut production = Production::<f64>::new(instance, path)?;
        let network = Network::new(instance.river());
        let (p, eps, join) = parts(&network).ok_or(ExplainError::Network)?;
        if instance.row_weights.iter().any(|weights| *weights != RowWeights::Equal) {
            return Err(ExplainError::RowWeights);
        }
        let (expected, found) = (instance.params().len(), grads.len());
        if expected != found {
            return Err(ExplainError::Len { what: "gradients", expected, found });
        }
        // The pass leaves every node's numbers in the workspace.
        production.gradient();
        let in_place = |name: &&&str| **name != "input" && **name != "bn1b";
        let read = |name: &&'static str| (*name, cast(production.value(name)));
        let values: HashMap<_, _> = NODES.iter().filter(in_place).map(read).collect();
        let found = production.deltas(&network);
        let losses = production.losses();

        let arrays = network.unflatten(instance.params());
        let by = (instance.seed(), instance.step);
        let batch = Batch::new(&network, instance.x.clone(), instance.targets.clone(), by);
        let pass = network.train(&arrays, &batch);
        let terms = network.terms(&arrays, &batch, &pass, UNIT);
        let with_terms = |(i, d): (usize, Array2<f64>)| {
            let terms = &terms.deltas[i] + &d.mapv(f64::abs);
            (NODES[i], [d, terms])
        };
        let deltas = found.into_iter().map(with_terms).collect();
        let mut duals = Duals::new(&network, &arrays, &batch);
        let grads = network.unflatten(grads);
        let shapes = network.params.iter().zip(&arrays).zip(grads).enumerate();
        let params: Vec<Param> = shapes
            .map(|(i, ((shape, value), grad))| {
                let entry = |at: usize| duals.along(i, std::iter::once((at, 1.0)));
                let derivatives = (0..value.len()).map(entry).collect();
                let dual = Array2::from_shape_vec(value.dim(), derivatives);
                let dual = dual.expect("as many derivatives as entries");
                let terms = &terms.params[i] + &grad.mapv(f64::abs);
                Param { name: shape.name.clone(), value: value.clone(), grad, dual, terms }
            })
            .collect();

        let [x, a, z_2b] = [&instance.x, &values["relu1b"], &values["fc2b"]];
        let rows = x.nrows();
        let (mean, var) = batch_statistics(a);
        let a_hat = (a - &mean) / (&var + eps).mapv(f64::sqrt);
        let of =
            |name: &str| &params[params.iter().position(|p| p.name == name).unwrap_or(0)].value;
        let y = &a_hat * of("bn1b.weight") + of("bn1b.bias");
        let y_a_hat = &values["fc2a"];
        let joined = match join {
            Join::Add => y_a_hat.clone(),
            Join::Broadcast => y_a_hat.broadcast(y.dim()).ok_or(ExplainError::Network)?.to_owned(),
            Join::Project => y_a_hat.dot(&of("join.weight").t()),
        };
        let y_a = match &instance.targets[0] {
            OwnedTarget::Values(y) => y.clone(),
            _ => return Err(ExplainError::Network),
        };
        let y_b = match &instance.targets[1] {
            OwnedTarget::Classes(classes) => {
                Array2::from_shape_fn((rows, z_2b.ncols()), |(i, j)| {
                    f64::from(u8::from(classes[i] as usize == j))
                })
            }
            OwnedTarget::Probabilities(y) => y.clone(),
            OwnedTarget::Values(_) => return Err(ExplainError::Network),
        };
        let mask = batch.masks[3].clone().ok_or(ExplainError::Network)?;
        Ok(Self {
            y_b_hat: softmax(z_2b),
            x: x.clone(),
            weights: [network.heads[0].weight, network.heads[1].weight],
            y_a,
            y_b,
            mask,
            mean,
            var,
            a_hat,
            y,
            joined,
            join,
            p,
            eps,
            losses,
            reference_losses: pass.losses,
            params,
            values,
            deltas,
        })
    }

    /// Checks that everything has a name.
    pub(super) fn check(&self, names: &Names) -> Result<(), ExplainError> {
        for (what, expected, found) in [
            ("names of rows", self.m(), names.rows.len()),
            ("names of inputs", self.x.ncols(), names.inputs.len()),
            ("names of outputs", self.y_a.ncols(), names.outputs.len()),
            ("names of classes", self.y_b.ncols(), names.classes.len()),
        ] {
            if expected != found {
                return Err(ExplainError::Len { what, expected, found });
            }
        }
        Ok(())
    }

    /// Rows of the batch.
    pub(super) fn m(&self) -> usize {
        self.x.nrows()
    }

    /// The output of a node.
    pub(super) fn value(&self, node: &str) -> &Array2<f64> {
        &self.values[node]
    }

    /// dL/d(output) of a node.
    pub(super) fn delta(&self, node: &str) -> Sums<'_> {
        let [values, terms] = &self.deltas[node];
        Sums { values, terms }
    }

    /// Weight and bias of a layer.
    pub(super) fn layer(&self, layer: &str) -> [&Param; 2] {
        ["weight", "bias"].map(|array| self.param(&format!("{layer}.{array}")))
    }

    /// A learned array; its name is one of the two-branch network's.
    pub(super) fn param(&self, name: &str) -> &Param {
        let found = self.params.iter().find(|param| param.name == name);
        found.expect("the nodes were checked")
    }
}

/// Dropout's p, ε and the join, if this is the two-branch network.
fn parts(network: &Network) -> Option<(f64, f64, Join)> {
    let names = network.nodes.iter().map(|node| node.name.as_str());
    if !names.eq(NODES) || network.heads.len() != 2 {
        return None;
    }
    let losses = [&network.heads[0].loss, &network.heads[1].loss];
    if losses != [&LossKind::HalfSquaredError, &LossKind::CROSS_ENTROPY] {
        return None;
    }
    let ops: [&Op; 10] = std::array::from_fn(|i| &network.nodes[i].op);
    match ops {
        [
            _,
            _,
            Op::Activation { f: Activation::Relu, .. },
            Op::Dropout { p, .. },
            _,
            _,
            Op::Activation { f: Activation::Relu, .. },
            Op::BatchNorm(bn),
            Op::Join { join, .. },
            _,
        ] if bn.affine == Affine::PerUnit => Some((*p, bn.eps, *join)),
        _ => None,
    }
}

/// e^(z − max z)/Σ of each row.
fn softmax(z: &Array2<f64>) -> Array2<f64> {
    let mut y = z.clone();
    for mut row in y.axis_iter_mut(Axis(0)) {
        let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        row.mapv_inplace(|z| anabranch_tensor::Scalar::exp(z - max));
        let sum = row.sum();
        row.mapv_inplace(|e| e / sum);
    }
    y
}
