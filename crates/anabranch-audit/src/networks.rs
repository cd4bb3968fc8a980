//! The random networks on which formulas are judged.

use std::sync::OnceLock;

use crate::reference::{Join, Network};
use crate::setting::{Setting, TaskWeights};
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

/// The random networks of every setting, each made on first use.
pub(crate) struct Networks {
    seed: u64,
    truths: [OnceLock<Vec<Truth>>; 24],
}

impl Networks {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, truths: [const { OnceLock::new() }; 24] }
    }

    pub(crate) fn of(&self, setting: Setting) -> &[Truth] {
        let Setting { join, affine, task_weights, mode } = setting;
        let index =
            ((join as usize * 2 + affine as usize) * 2 + task_weights as usize) * 2 + mode as usize;
        self.truths[index].get_or_init(|| {
            INSTANCES.iter().enumerate().map(|(i, one)| self.truth(setting, i, one)).collect()
        })
    }

    fn truth(&self, setting: Setting, index: usize, instance: &Instance) -> Truth {
        let [inputs, hidden_a, hidden_b, classes] = instance.sizes;
        let [weight_a, weight_b] = match setting.task_weights {
            TaskWeights::One => [1.0, 1.0],
            TaskWeights::Free => instance.weights,
        };
        let outputs_a = match setting.join {
            Join::Add => hidden_b,
            Join::Broadcast => 1,
            // Different from every other size.
            Join::Project => 2,
        };
        let net = Network {
            inputs,
            hidden_a,
            outputs_a,
            hidden_b,
            classes,
            join: setting.join,
            affine: setting.affine,
            eps: instance.eps,
            dropout: instance.dropout,
            weight_a,
            weight_b,
        };
        // Far apart, so that neighbouring seeds share no instance.
        let seed = self.seed.wrapping_mul(INSTANCES.len() as u64).wrapping_add(index as u64);
        Truth::new(net, setting.mode, instance.rows, seed)
    }
}
