//! The forward pass, node by node, in training and in evaluation mode.

use anabranch_graph::{Join, RowWeights};
use anabranch_layers::{Affine, RunningVariance};
use ndarray::Array2;

use super::equations::{Number, RowTarget, activation, row_loss};
use super::network::{BatchNorm, Head, Network, Op};
use super::philox::MaskKey;
use super::target::OwnedTarget;

/// What a training pass needs besides parameters.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// `[rows, inputs]`.
    pub(crate) x: Array2<f64>,
    /// One for each head.
    pub(crate) targets: Vec<OwnedTarget>,
    /// The weights of rows in the loss of each head; empty if all count alike.
    pub(crate) row_weights: Vec<RowWeights<f64>>,
    /// M of each node that drops, `[rows, width]`.
    pub(crate) masks: Vec<Option<Array2<f64>>>,
}

impl Batch {
    /// The batch of a step, with the masks that `docs/random.md` defines.
    pub(crate) fn new(
        network: &Network,
        x: Array2<f64>,
        targets: Vec<OwnedTarget>,
        (seed, step): (u64, u64),
    ) -> Self {
        let rows = x.nrows();
        let mask = |node: &super::network::Node| match node.op {
            Op::Dropout { p, .. } => {
                Some(MaskKey::new(seed, node.stream, step).mask(rows, node.width, p))
            }
            _ => None,
        };
        let masks = network.nodes.iter().map(mask).collect();
        Self { x, targets, row_weights: Vec::new(), masks }
    }

    /// The weights of rows in the loss of a head; `None` if all count alike.
    pub(crate) fn weights(&self, head: usize) -> Option<&[f64]> {
        match self.row_weights.get(head) {
            Some(RowWeights::Each(weights)) => Some(weights),
            _ => None,
        }
    }
}

/// Everything that a training pass computes.
#[derive(Clone, Debug)]
pub(crate) struct Pass<T> {
    /// The output of each node `[rows, width]`.
    pub(crate) values: Vec<Array2<T>>,
    /// The weighted loss of each head.
    pub(crate) losses: Vec<T>,
}

impl<T: Number> Pass<T> {
    /// L.
    pub(crate) fn loss(&self) -> T {
        self.losses.iter().fold(T::from(0.0), |sum, loss| sum + *loss)
    }
}

impl Network {
    /// The training pass.
    pub(crate) fn train<T: Number>(&self, params: &[Array2<T>], batch: &Batch) -> Pass<T> {
        let mut values: Vec<Array2<T>> = Vec::with_capacity(self.nodes.len());
        for i in 0..self.nodes.len() {
            let value = self.train_node(i, params, batch, &values);
            values.push(value);
        }
        let heads = self.heads.iter().zip(&batch.targets).enumerate();
        let losses = heads
            .map(|(h, (head, target))| head.loss_of(&values[head.node], target, batch.weights(h)));
        let losses = losses.collect();
        Pass { values, losses }
    }

    /// The training pass at parameters that differ from those of `before` only in node `changed`:
    /// whatever does not depend on them keeps its value.
    pub(crate) fn train_again<T: Number>(
        &self,
        changed: usize,
        params: &[Array2<T>],
        batch: &Batch,
        before: &Pass<T>,
    ) -> Pass<T> {
        let mut pass = before.clone();
        let mut depends = vec![false; self.nodes.len()];
        depends[changed] = true;
        for i in changed..self.nodes.len() {
            depends[i] |= self.nodes[i].op.inputs().any(|input| depends[input]);
            if depends[i] {
                pass.values[i] = self.train_node(i, params, batch, &pass.values);
            }
        }
        for (h, head) in self.heads.iter().enumerate() {
            if depends[head.node] {
                let (value, target) = (&pass.values[head.node], &batch.targets[h]);
                pass.losses[h] = head.loss_of(value, target, batch.weights(h));
            }
        }
        pass
    }

    fn train_node<T: Number>(
        &self,
        i: usize,
        params: &[Array2<T>],
        batch: &Batch,
        values: &[Array2<T>],
    ) -> Array2<T> {
        match &self.nodes[i].op {
            Op::BatchNorm(bn) => {
                let x = &values[bn.x];
                let (mean, var) = batch_statistics(x);
                bn.normalise(x, &mean, &var, params)
            }
            Op::Dropout { x, .. } => {
                let mask = batch.masks[i].as_ref().expect("a node that drops has a mask");
                let x = &values[*x];
                Array2::from_shape_fn(x.dim(), |at| x[at] * mask[at])
            }
            op => op.row_by_row(&batch.x, params, values),
        }
    }

    /// The evaluation pass, with running statistics and nothing dropped.
    pub(crate) fn evaluate<T: Number>(
        &self,
        params: &[Array2<T>],
        state: &[Array2<f64>],
        x: &Array2<f64>,
    ) -> Vec<Array2<T>> {
        let mut values: Vec<Array2<T>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let value = match &node.op {
                Op::BatchNorm(bn) => {
                    let number = |v: &f64| T::from(*v);
                    let (mean, var) = (state[bn.mean].map(number), state[bn.var].map(number));
                    bn.normalise(&values[bn.x], &mean, &var, params)
                }
                Op::Dropout { x, .. } => values[*x].clone(),
                op => op.row_by_row(x, params, &values),
            };
            values.push(value);
        }
        values
    }

    /// The running statistics after a training pass.
    pub(crate) fn next_state(
        &self,
        state: &[Array2<f64>],
        values: &[Array2<f64>],
    ) -> Vec<Array2<f64>> {
        let mut next = state.to_vec();
        for node in &self.nodes {
            let Op::BatchNorm(bn) = &node.op else { continue };
            let (mean, mut var) = batch_statistics(&values[bn.x]);
            if bn.running == RunningVariance::Unbiased {
                let m = values[bn.x].nrows() as f64;
                var.mapv_inplace(|v| v * m / (m - 1.0));
            }
            for (array, new) in [(bn.mean, mean), (bn.var, var)] {
                next[array] = Array2::from_shape_fn(new.dim(), |at| {
                    (1.0 - bn.momentum) * state[array][at] + bn.momentum * new[at]
                });
            }
        }
        next
    }
}

/// μ and σ² (with divisor m) of each column, `[1, columns]`.
pub(crate) fn batch_statistics<T: Number>(x: &Array2<T>) -> (Array2<T>, Array2<T>) {
    let m = x.nrows() as f64;
    let mean_of = |entry: &dyn Fn(usize, usize) -> T| {
        Array2::from_shape_fn((1, x.ncols()), |(_, j)| {
            (0..x.nrows()).fold(T::from(0.0), |sum, i| sum + entry(i, j)) / m
        })
    };
    let mean = mean_of(&|i, j| x[[i, j]]);
    let var = mean_of(&|i, j| {
        let centred = x[[i, j]] - mean[[0, j]];
        centred * centred
    });
    (mean, var)
}

impl BatchNorm {
    /// The column of γ and β that belongs to unit `j`.
    pub(crate) fn unit(&self, j: usize) -> usize {
        match self.affine {
            Affine::PerUnit => j,
            Affine::Shared => 0,
        }
    }

    /// γ(x−μ)/√(σ²+ε) + β.
    fn normalise<T: Number>(
        &self,
        x: &Array2<T>,
        mean: &Array2<T>,
        var: &Array2<T>,
        params: &[Array2<T>],
    ) -> Array2<T> {
        let (gamma, beta) = (&params[self.gamma], &params[self.beta]);
        let deviation = var.map(|v| (*v + self.eps).sqrt());
        Array2::from_shape_fn(x.dim(), |(i, j)| {
            let x_hat = (x[[i, j]] - mean[[0, j]]) / deviation[[0, j]];
            gamma[[0, self.unit(j)]] * x_hat + beta[[0, self.unit(j)]]
        })
    }
}

impl Op {
    /// The output of nodes whose rows are independent and whose training does not differ from
    /// evaluation.
    fn row_by_row<T: Number>(
        &self,
        input: &Array2<f64>,
        params: &[Array2<T>],
        values: &[Array2<T>],
    ) -> Array2<T> {
        match *self {
            Self::Input => input.map(|x| T::from(*x)),
            Self::Linear { x, w, b } => {
                let mut y = product(&values[x], &params[w]);
                y.indexed_iter_mut().for_each(|((_, j), y)| *y += params[b][[0, j]]);
                y
            }
            Self::Activation { x, f } => values[x].map(|x| activation(f, *x)),
            Self::LayerNorm { x, gamma, beta, eps } => {
                // The statistics of rows are those of the transpose's columns.
                let x = &values[x];
                let (mean, var) = batch_statistics(&x.t().to_owned());
                Array2::from_shape_fn(x.dim(), |(i, j)| {
                    let x_hat = (x[[i, j]] - mean[[0, i]]) / (var[[0, i]] + eps).sqrt();
                    params[gamma][[0, j]] * x_hat + params[beta][[0, j]]
                })
            }
            Self::PRelu { x, a } => Array2::from_shape_fn(values[x].dim(), |(i, j)| {
                let x = values[x][[i, j]];
                if x.re() > 0.0 { x } else { params[a][[0, j]] * x }
            }),
            Self::Join { left, right, join, w } => {
                let (left, right) = (&values[left], &values[right]);
                let joined = w.map(|w| product(right, &params[w]));
                Array2::from_shape_fn(left.dim(), |(i, j)| {
                    let joined = match (join, &joined) {
                        (_, Some(joined)) => joined[[i, j]],
                        (Join::Broadcast, None) => right[[i, 0]],
                        (Join::Add | Join::Project, None) => right[[i, j]],
                    };
                    left[[i, j]] + joined
                })
            }
            Self::BatchNorm(_) | Self::Dropout { .. } => {
                unreachable!("differs between training and evaluation")
            }
        }
    }
}

/// xwᵀ.
fn product<T: Number>(x: &Array2<T>, w: &Array2<T>) -> Array2<T> {
    Array2::from_shape_fn((x.nrows(), w.nrows()), |(i, j)| {
        let (x, w) = (x.row(i), w.row(j));
        x.iter().zip(w).fold(T::from(0.0), |sum, (x, w)| sum + *x * *w)
    })
}

impl Head {
    /// weight · Σ_rows w·ℓ / Σ_rows w.
    fn loss_of<T: Number>(
        &self,
        prediction: &Array2<T>,
        target: &OwnedTarget,
        weights: Option<&[f64]>,
    ) -> T {
        let (mut sum, mut total) = (T::from(0.0), 0.0);
        for (i, prediction) in prediction.rows().into_iter().enumerate() {
            let weight = weights.map_or(1.0, |weights| weights[i]);
            if weight == 0.0 {
                continue;
            }
            let target = match target {
                OwnedTarget::Values(y) => RowTarget::Values(row(y, i)),
                OwnedTarget::Classes(classes) => RowTarget::Class(classes[i] as usize),
                OwnedTarget::Probabilities(y) => RowTarget::Probabilities(row(y, i)),
            };
            let prediction = prediction.as_slice().expect("a row of a matrix made here");
            sum += row_loss(&self.loss, prediction, target) * weight;
            total += weight;
        }
        if total == 0.0 { T::from(0.0) } else { sum * self.weight / total }
    }
}

/// Row `i` of a matrix that was made row by row.
fn row(y: &Array2<f64>, i: usize) -> &[f64] {
    &y.as_slice().expect("made row by row")[i * y.ncols()..][..y.ncols()]
}
