//! The random networks on which formulas are judged.

use std::sync::OnceLock;

use crate::matrix::Matrix;
use crate::reference::{Batch, Join, Network, Params, forward, random_instance};
use crate::setting::{Epsilon, Setting, SquaredError, TaskWeights};
use crate::truth::Truth;

/// Rows, inputs, hidden units of A, units of B (and outputs of A), classes; p; ε; the tasks'
/// weights.
struct Instance {
    rows: usize,
    sizes: [usize; 4],
    dropout: f64,
    eps: f64,
    weights: [f64; 2],
}

/// All sizes of an instance differ, so that shapes tell quantities apart, and no constant is a
/// multiple of another.
const INSTANCES: [Instance; 3] = [
    Instance { rows: 9, sizes: [3, 5, 4, 6], dropout: 0.3, eps: 0.5, weights: [0.7, 1.9] },
    Instance { rows: 11, sizes: [4, 7, 5, 3], dropout: 0.45, eps: 0.2, weights: [1.3, 0.6] },
    Instance { rows: 8, sizes: [5, 3, 6, 4], dropout: 0.2, eps: 0.35, weights: [2.3, 1.1] },
];

/// Two samples and two of everything else: small enough to be worked out by hand.
const SMALLEST: Instance =
    Instance { rows: 2, sizes: [2, 2, 2, 2], dropout: 0.2, eps: 0.25, weights: [2.0, 3.0] };

/// How many smallest networks there are to choose an example from.
const N_SMALLEST: usize = 6;

/// The random networks of every setting, each made on first use.
pub(crate) struct Networks {
    seed: u64,
    truths: [OnceLock<Vec<Truth>>; Setting::COUNT],
    smallest: [OnceLock<Vec<Truth>>; Setting::COUNT],
}

impl Networks {
    pub(crate) fn new(seed: u64) -> Self {
        let (truths, smallest) = (
            [const { OnceLock::new() }; Setting::COUNT],
            [const { OnceLock::new() }; Setting::COUNT],
        );
        Self { seed, truths, smallest }
    }

    /// Networks for an example on paper, which do not depend on the seed.
    pub(crate) fn smallest(&self, setting: Setting) -> &[Truth] {
        self.smallest[setting.index()].get_or_init(|| {
            let net = network(setting, &SMALLEST);
            let seeds = (0..).filter(|seed| is_telling(&net, SMALLEST.rows, *seed));
            seeds
                .take(N_SMALLEST)
                .map(|seed| {
                    let (params, batch) = rounded(random_instance(&net, SMALLEST.rows, seed));
                    Truth::of(net, setting, params, batch, seed)
                })
                .collect()
        })
    }

    pub(crate) fn of(&self, setting: Setting) -> &[Truth] {
        self.truths[setting.index()].get_or_init(|| {
            INSTANCES.iter().enumerate().map(|(i, one)| self.truth(setting, i, one)).collect()
        })
    }

    fn truth(&self, setting: Setting, index: usize, instance: &Instance) -> Truth {
        let net = network(setting, instance);
        // Far apart, so that neighbouring seeds share no instance.
        let first = self.seed.wrapping_mul(INSTANCES.len() as u64).wrapping_add(index as u64);
        let seeds = (0..N_SEEDS).map(|k: u64| first.wrapping_add(k << 32));
        // Without ε, a unit that is off in every sample has no value.
        let seed = match setting.epsilon {
            Epsilon::Added => first,
            Epsilon::Zero => {
                seeds.into_iter().find(|seed| is_on(&net, instance.rows, *seed)).unwrap_or(first)
            }
        };
        Truth::new(net, setting, instance.rows, seed)
    }
}

/// How many seeds are tried for a network without a unit that is off.
const N_SEEDS: u64 = 100;

/// Whether every unit of branch B has a variance.
fn is_on(net: &Network, rows: usize, seed: u64) -> bool {
    let (params, batch) = random_instance(net, rows, seed);
    forward(net, &params, &batch, None).var.data().iter().all(|var| *var > 1e-3)
}

/// Whether the rounded network shows what ReLU and dropout do: some entries are on, some off.
fn is_telling(net: &Network, rows: usize, seed: u64) -> bool {
    let (params, batch) = rounded(random_instance(net, rows, seed));
    let values = forward(net, &params, &batch, None);
    let both = |matrix: &Matrix| {
        let on = matrix.data().iter().filter(|v| **v > 0.0).count();
        on > 0 && on < matrix.data().len()
    };
    both(&values.a_1a)
        && both(&values.a_1b)
        && values.h.data().iter().any(|h| *h > 0.0)
        && values.var.data().iter().all(|var| *var > 1e-2)
}

/// Inputs and parameters of one decimal, labels of one that add up to 1.
fn rounded((params, batch): (Params, Batch)) -> (Params, Batch) {
    let round = |v: &f64| (v * 10.0).round() / 10.0;
    let mut y_b = batch.y_b.map(round);
    for row in y_b.data_mut().chunks_mut(2) {
        if let [first, second] = row {
            *second = round(&(1.0 - *first));
        }
    }
    let (x, y_a) = (batch.x.map(round), batch.y_a.map(round));
    (params.map(round), Batch { x, y_a, y_b, ..batch })
}

fn network(setting: Setting, instance: &Instance) -> Network {
    let [inputs, hidden_a, hidden_b, classes] = instance.sizes;
    let [weight_a, weight_b] = match setting.task_weights {
        TaskWeights::One => [1.0, 1.0],
        TaskWeights::Free => instance.weights,
    };
    let doubled = match setting.squared_error {
        SquaredError::Half => 1.0,
        SquaredError::Whole => 2.0,
    };
    let eps = match setting.epsilon {
        Epsilon::Added => instance.eps,
        Epsilon::Zero => 0.0,
    };
    let outputs_a = match setting.join {
        Join::Add => hidden_b,
        Join::Broadcast => 1,
        // Different from every other size.
        Join::Project => 2,
    };
    Network {
        inputs,
        hidden_a,
        outputs_a,
        hidden_b,
        classes,
        join: setting.join,
        affine: setting.affine,
        eps,
        dropout: instance.dropout,
        weight_a: doubled * weight_a,
        weight_b,
    }
}
