//! Initial weights.

use anabranch_tensor::Scalar;
use anabranch_tensor::random::Random;
use serde::{Deserialize, Serialize};

/// The distribution that initial weights are drawn from; its mean is always 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// Uniform with variance 2/inputs: keeps the size of activations through ReLU layers (He et
    /// al., 2015).
    KaimingUniform,
    /// Normal with variance 2/inputs.
    KaimingNormal,
    /// Uniform with variance 2/(inputs + outputs), for layers without ReLU (Glorot and Bengio,
    /// 2010).
    XavierUniform,
    /// Normal with variance 2/(inputs + outputs).
    XavierNormal,
}

impl Init {
    /// The variance of a weight in a layer of this size.
    pub fn variance(self, inputs: usize, outputs: usize) -> f64 {
        match self {
            Self::KaimingUniform | Self::KaimingNormal => 2.0 / inputs as f64,
            Self::XavierUniform | Self::XavierNormal => 2.0 / (inputs + outputs) as f64,
        }
    }

    /// Fills the weights `[outputs, inputs]` of a layer. `f32` weights are the `f64` ones, rounded.
    pub fn fill<T: Scalar>(self, random: &mut Random, inputs: usize, outputs: usize, w: &mut [T]) {
        let deviation = self.variance(inputs, outputs).sqrt();
        // A uniform distribution on ±bound has variance bound²/3.
        let bound = deviation * 3f64.sqrt();
        for w in w {
            *w = T::from_f64(match self {
                Self::KaimingUniform | Self::XavierUniform => {
                    bound * (2.0 * random.uniform() - 1.0)
                }
                Self::KaimingNormal | Self::XavierNormal => deviation * random.normal(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anabranch_tensor::random::Purpose;

    #[test]
    fn variance_and_bounds() {
        let (inputs, outputs) = (300, 100);
        for (init, variance) in [
            (Init::KaimingUniform, 2.0 / 300.0),
            (Init::KaimingNormal, 2.0 / 300.0),
            (Init::XavierUniform, 2.0 / 400.0),
            (Init::XavierNormal, 2.0 / 400.0),
        ] {
            let mut w = vec![0f64; inputs * outputs];
            init.fill(&mut Random::new(1, Purpose::Init, 0), inputs, outputs, &mut w);
            let n = w.len() as f64;
            let got = w.iter().map(|w| w * w).sum::<f64>() / n;
            // Four standard deviations of the estimate for a normal; a uniform one spreads less.
            assert!((got / variance - 1.0).abs() < 4.0 * (2.0 / n).sqrt(), "{init:?}: {got}");
            let largest = w.iter().fold(0f64, |a, w| a.max(w.abs()));
            let bounded = largest <= (3.0 * variance).sqrt();
            assert_eq!(bounded, matches!(init, Init::KaimingUniform | Init::XavierUniform));
        }
    }
}
