//! Equations that every exact gradient of a river satisfies.
//!
//! They need no step size and no second evaluation, and cost one pass over parameters and
//! activations. `docs/verification.md` derives them. The gradient is that of the loss alone: before
//! clipping, and without weight decay.
//!
//! Most compute the same thing twice. Multiply unit j of a node's output y by c: the derivative of
//! the loss at c = 1 is Σᵢ yᵢⱼ·dyᵢⱼ, and both the node that computes y and the one that reads it
//! know that number from their own parameters' gradients.
//!
//! | name | equation, for each unit | where |
//! |---|---|---|
//! | `NODE.scale` | ⟨w,dw⟩ + b·db (rows of w), or γ·dγ + β·dβ, = what the node's reader says about Σ y·dy | linear, batch norm |
//! | `NODE.shift` | Σᵢ dxᵢⱼ = 0: batch norm undoes a shift | batch norm that is the only reader of x |
//! | `NODE.weight` | ⟨W,dW⟩ = ⟨J(right),dy⟩ (rows of W) | projecting join |
//! | `NODE.softmax` | Σⱼ δᵢⱼ = 0 for each row: softmax does not see a constant added to a row | head with cross-entropy |
//!
//! What a node's reader says about Σ y·dy, if it is the only one:
//!
//! | reader | Σ y·dy |
//! |---|---|
//! | linear | ⟨w,dw⟩ (columns of w) |
//! | ReLU, dropout, identity | what their reader says: f(cx) = cf(x) for c > 0 |
//! | batch norm | γ·dγ·ε/(σ²+ε): it undoes a scale, up to ε |
//! | join, for its left input | what its reader says, minus ⟨J(right),ds⟩ |
//! | others | the sum itself, from the node's values and derivatives |

use std::collections::HashMap;

use anabranch_graph::Join;
use anabranch_layers::{Activation, Affine, LossKind};
use ndarray::Array2;
use serde::Serialize;

use crate::reference::{BatchNorm, Network, Op, Terms, batch_statistics};
use crate::rounding::SHARE;

/// How well an identity holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Identity {
    /// Its name in the table above: `fc1a.scale`.
    pub name: String,
    /// |left − right| relative to the products that both sides add up and a small share of the
    /// terms of these, before they cancel; the largest over units or rows. ∞ where a term is not
    /// finite.
    pub error: f64,
}

/// A gradient and what it belongs to.
pub(crate) struct Claim<'a> {
    pub(crate) network: &'a Network,
    pub(crate) params: &'a [Array2<f64>],
    /// dL/d(each learned array).
    pub(crate) grads: &'a [Array2<f64>],
    /// The output of each node.
    pub(crate) values: &'a [Array2<f64>],
    /// dL/d(output) by node, for those where it is known.
    pub(crate) deltas: &'a HashMap<usize, Array2<f64>>,
    pub(crate) terms: &'a Terms,
}

/// Both sides of one equation.
#[derive(Default)]
struct Balance {
    residual: f64,
    size: f64,
}

impl Balance {
    /// Adds a term, whose own terms add up to `terms`; the right side's come with a minus sign.
    fn add(&mut self, term: f64, terms: f64) {
        self.residual += term;
        self.size += term.abs() + SHARE * terms;
    }

    fn error(&self) -> f64 {
        match self.residual {
            r if !(r.is_finite() && self.size.is_finite()) => f64::INFINITY,
            0.0 => 0.0,
            r => r.abs() / self.size,
        }
    }
}

impl Claim<'_> {
    /// Every identity that applies to the river.
    pub(crate) fn identities(&self) -> Vec<Identity> {
        let mut found = Vec::new();
        for (i, node) in self.network.nodes.iter().enumerate() {
            let mut add =
                |kind: &str, count: usize, f: &dyn Fn(usize, &mut Balance) -> Option<()>| {
                    let mut worst = 0.0;
                    for index in 0..count {
                        let mut balance = Balance::default();
                        if f(index, &mut balance).is_none() {
                            return;
                        }
                        worst = f64::max(worst, balance.error());
                    }
                    found.push(Identity { name: format!("{}.{kind}", node.name), error: worst });
                };
            match &node.op {
                Op::Linear { .. } => add("scale", node.width, &|unit, balance| {
                    self.add_own(i, unit, balance);
                    self.add_readers(i, unit, -1.0, balance)
                }),
                Op::BatchNorm(bn) => {
                    match bn.affine {
                        Affine::PerUnit => add("scale", node.width, &|unit, balance| {
                            self.add_own(i, unit, balance);
                            self.add_readers(i, unit, -1.0, balance)
                        }),
                        // One γ and one β for all units: one equation for their sum.
                        Affine::Shared => add("scale", 1, &|_, balance| {
                            self.add_own(i, 0, balance);
                            (0..node.width)
                                .try_for_each(|unit| self.add_readers(i, unit, -1.0, balance))
                        }),
                    }
                    if self.only_reader(bn.x).is_some() {
                        add("shift", node.width, &|unit, balance| {
                            let d = self.deltas.get(&bn.x)?.column(unit);
                            let terms = self.terms.deltas[bn.x].column(unit);
                            d.iter().zip(terms).for_each(|(d, terms)| balance.add(*d, *terms));
                            Some(())
                        });
                    }
                }
                Op::Join { w: Some(w), .. } => add("weight", node.width, &|unit, balance| {
                    self.add_array(*w, (unit, Row), 1.0, balance);
                    self.add_joined(i, unit, -1.0, balance)
                }),
                _ => {}
            }
            let heads = self.network.heads.iter();
            let is_softmax = |loss: &LossKind| matches!(loss, LossKind::CrossEntropy { .. });
            if heads.clone().any(|head| head.node == i && is_softmax(&head.loss))
                && self.readers(i).count() == 0
            {
                let rows = self.values[i].nrows();
                add("softmax", rows, &|row, balance| {
                    let (d, terms) = (self.deltas.get(&i)?.row(row), self.terms.deltas[i].row(row));
                    d.iter().zip(terms).for_each(|(d, terms)| balance.add(*d, *terms));
                    Some(())
                });
            }
        }
        found
    }

    /// ⟨p,dp⟩ over the parameters of node `i` that produce `unit` of its output.
    fn add_own(&self, i: usize, unit: usize, balance: &mut Balance) {
        match &self.network.nodes[i].op {
            Op::Linear { w, b, .. } => {
                self.add_array(*w, (unit, Row), 1.0, balance);
                self.add_array(*b, (unit, Column), 1.0, balance);
            }
            Op::BatchNorm(bn) => {
                self.add_array(bn.gamma, (bn.unit(unit), Column), 1.0, balance);
                self.add_array(bn.beta, (bn.unit(unit), Column), 1.0, balance);
            }
            _ => {}
        }
    }

    /// `factor` times what the readers of node `i` say about Σ y·dy of its `unit`; `None` if none
    /// of them knows.
    fn add_readers(&self, i: usize, unit: usize, factor: f64, balance: &mut Balance) -> Option<()> {
        let Some(reader) = self.only_reader(i) else {
            return self.add_product(i, unit, factor, balance);
        };
        match &self.network.nodes[reader].op {
            Op::Linear { w, .. } => self.add_array(*w, (unit, Column), factor, balance),
            Op::Activation { f: Activation::Relu | Activation::Identity, .. }
            | Op::Dropout { .. } => return self.add_readers(reader, unit, factor, balance),
            Op::BatchNorm(bn) if bn.affine == Affine::PerUnit => {
                self.add_normalised(bn, unit, factor, balance);
            }
            Op::Join { left, right, .. } if *left == i && *right != i => {
                // Only once both are known to exist.
                self.deltas.get(&reader)?;
                self.add_joined(reader, unit, -factor, balance)?;
                return self.add_readers(reader, unit, factor, balance);
            }
            _ => return self.add_product(i, unit, factor, balance),
        }
        Some(())
    }

    /// γ·dγ·ε/(σ²+ε), as γ·dγ − γ·dγ·σ²/(σ²+ε): two terms that nearly cancel where σ² ≫ ε.
    fn add_normalised(&self, bn: &BatchNorm, unit: usize, factor: f64, balance: &mut Balance) {
        let (_, var) = batch_statistics(&self.values[bn.x]);
        let var = var[[0, unit]];
        self.add_array(bn.gamma, (unit, Column), factor, balance);
        self.add_array(bn.gamma, (unit, Column), -factor * (var / (var + bn.eps)), balance);
    }

    /// `factor` times ⟨p,dp⟩ over a row or a column of an array.
    fn add_array(
        &self,
        array: usize,
        (index, along): (usize, Along),
        factor: f64,
        balance: &mut Balance,
    ) {
        let line = |matrix: &Array2<f64>| match along {
            Row => matrix.row(index).to_vec(),
            Column => matrix.column(index).to_vec(),
        };
        let [p, d, terms] =
            [&self.params[array], &self.grads[array], &self.terms.params[array]].map(line);
        for ((p, d), terms) in p.iter().zip(d).zip(terms) {
            balance.add(factor * p * d, (factor * p * terms).abs());
        }
    }

    /// `factor` times Σᵢ yᵢⱼ·dyᵢⱼ itself.
    fn add_product(&self, i: usize, unit: usize, factor: f64, balance: &mut Balance) -> Option<()> {
        let d = self.deltas.get(&i)?;
        for row in 0..d.nrows() {
            let at = [row, unit];
            let size = self.terms.values[i][at] * self.terms.deltas[i][at];
            balance.add(factor * self.values[i][at] * d[at], factor.abs() * size);
        }
        Some(())
    }

    /// `factor` times ⟨J(right),dy⟩ of a join's `unit`.
    fn add_joined(
        &self,
        join: usize,
        unit: usize,
        factor: f64,
        balance: &mut Balance,
    ) -> Option<()> {
        let d = self.deltas.get(&join)?;
        let Op::Join { right, join: kind, w, .. } = self.network.nodes[join].op else {
            return None;
        };
        let (y, terms) = (&self.values[right], &self.terms.values[right]);
        for row in 0..d.nrows() {
            let (dy, size) = (d[[row, unit]], self.terms.deltas[join][[row, unit]]);
            let mut add = |weight: f64, column: usize| {
                let term = weight * y[[row, column]] * dy;
                balance.add(factor * term, (factor * weight * terms[[row, column]] * size).abs());
            };
            match (kind, w) {
                (Join::Project, Some(w)) => {
                    self.params[w].row(unit).iter().enumerate().for_each(|(k, w)| add(*w, k));
                }
                (Join::Broadcast, _) => add(1.0, 0),
                (Join::Add | Join::Project, _) => add(1.0, unit),
            }
        }
        Some(())
    }

    fn readers(&self, i: usize) -> impl Iterator<Item = usize> {
        let nodes = self.network.nodes.iter().enumerate();
        nodes.filter(move |(_, node)| node.op.inputs().any(|input| input == i)).map(|(r, _)| r)
    }

    /// The node that reads node `i`, if there is exactly one and no loss reads it.
    fn only_reader(&self, i: usize) -> Option<usize> {
        let mut readers = self.readers(i);
        let first = readers.next()?;
        let is_judged = self.network.heads.iter().any(|head| head.node == i);
        (readers.next().is_none() && !is_judged).then_some(first)
    }
}

/// What [`Claim::add_array`] runs along.
#[derive(Clone, Copy)]
enum Along {
    Row,
    Column,
}
use Along::{Column, Row};
