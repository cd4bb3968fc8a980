//! Seeded random networks and batches on which no two different formulas agree by chance.

use super::network::{Batch, Network, Param, Params};
use crate::matrix::Matrix;

/// Parameters and a batch of `rows` rows, which depend on `seed` alone.
///
/// Nothing has a default value that would hide a mistake: γ lies in ±[0.6, 1.6], β and the biases
/// are random, labels are soft, and for 0 < p < 1 the mask keeps some entry and drops another.
pub fn random_instance(net: &Network, rows: usize, seed: u64) -> (Params, Batch) {
    let mut random = Random::new(seed);
    let params = Params::from_fn(net, |param, _, _| match param {
        Param::Theta1a | Param::Theta1b => random.normal() / (net.inputs as f64).sqrt(),
        Param::Theta2a => random.normal() / (net.hidden_a as f64).sqrt(),
        Param::Theta2b | Param::JoinWeight => random.normal() / (net.hidden_b as f64).sqrt(),
        Param::Gamma => {
            let size = 0.6 + random.uniform();
            if random.uniform() < 0.25 { -size } else { size }
        }
        // A little above zero: more ReLUs are on, none always.
        Param::B1a | Param::B1b => 0.2 + 0.3 * random.normal(),
        Param::B2a | Param::Beta | Param::B2b => 0.5 * random.normal(),
    });
    let x = Matrix::from_fn(rows, net.inputs, |_, _| random.normal());
    let y_a = Matrix::from_fn(rows, net.outputs_a, |_, _| random.normal());
    let mut y_b = Matrix::from_fn(rows, net.classes, |_, _| 0.05 + random.uniform());
    for row in y_b.data_mut().chunks_mut(net.classes.max(1)) {
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|y| *y /= sum);
    }
    let p = net.dropout;
    let scale = if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 };
    let mut mask =
        Matrix::from_fn(rows, net.hidden_a, |_, _| if random.uniform() < p { 0.0 } else { scale });
    if let [first, .., last] = mask.data_mut()
        && p > 0.0
        && p < 1.0
    {
        (*first, *last) = (0.0, scale);
    }
    (params, Batch { x, y_a, y_b, mask, running: None })
}

/// Steele, Lea and Flood's SplitMix64: small, and its stream depends on the seed alone.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}
