//! The numbers that a step starts from: the same for Anabranch and its peers (`peers/README.md`).

use anabranch_tensor::{Buffer, Scalar};

use crate::shape::Shape;

const SEED: u32 = 12_345;
/// Of x and y_a.
const DATA_BOUND: f32 = 1.7;

/// One batch and the initial weights and biases, in the order drawn.
#[derive(Debug)]
pub(crate) struct Workload<T> {
    /// `[rows, inputs]`.
    pub(crate) x: Buffer<T>,
    /// `[rows, outputs_a]`.
    pub(crate) y_a: Buffer<T>,
    /// The class of each row.
    pub(crate) y_b: Vec<u32>,
    /// Parameters by name, weights `[out, in]`.
    pub(crate) params: Vec<(&'static str, Vec<T>)>,
}

impl<T: Scalar> Workload<T> {
    pub(crate) fn new(shape: Shape) -> Self {
        let Shape { rows, inputs, hidden_a, outputs_a, classes } = shape;
        let mut lcg = Lcg(SEED);
        let x = Buffer::from(&*lcg.uniform(rows * inputs, DATA_BOUND));
        let y_a = Buffer::from(&*lcg.uniform(rows * outputs_a, DATA_BOUND));
        let y_b = (0..rows).map(|_| lcg.draw() % classes as u32).collect();
        let mut params = Vec::new();
        for (weight, bias, outs, ins) in [
            ("fc1a.weight", "fc1a.bias", hidden_a, inputs),
            ("fc2a.weight", "fc2a.bias", outputs_a, hidden_a),
            ("fc1b.weight", "fc1b.bias", outputs_a, inputs),
            ("fc2b.weight", "fc2b.bias", classes, outputs_a),
        ] {
            let bound = 1.0 / (ins as f32).sqrt();
            params.push((weight, lcg.uniform(outs * ins, bound)));
            params.push((bias, lcg.uniform(outs, bound)));
        }
        Self { x, y_a, y_b, params }
    }
}

/// x ← 1664525·x + 1013904223 (mod 2³²); the upper 24 bits are the number.
#[derive(Debug)]
pub(crate) struct Lcg(pub(crate) u32);

impl Lcg {
    pub(crate) fn draw(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 8
    }

    /// Uniform in ±`bound`, computed in f32: exact up to the one product.
    pub(crate) fn uniform<T: Scalar>(&mut self, len: usize, bound: f32) -> Vec<T> {
        let mut unit = || self.draw() as f32 / 16_777_216.0;
        (0..len).map(|_| T::from_f64(f64::from((2.0 * unit() - 1.0) * bound))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 1664525·12345 + 1013904223 = 21562465348 = 87628868 (mod 2³²), and 87628868 >> 8 =
    /// 342300.
    #[test]
    fn the_first_draw_is_the_documented_one() {
        assert_eq!(Lcg(SEED).draw(), 342_300);
        let x = Lcg(SEED).uniform::<f64>(1, 1.7)[0];
        assert!((x - (2.0 * 342_300.0 / 16_777_216.0 - 1.0) * 1.7).abs() < 1e-7);
    }
}
