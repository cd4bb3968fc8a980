//! The scales of numbers that are to be predicted: from a column's units to the network's and back.

use anabranch_tensor::named;
use serde::{Deserialize, Serialize};

use crate::cell::LARGEST;
use crate::error::DataError;

/// Predictions lie within what training saw and so many times its width beyond both ends.
pub const MARGIN: f64 = 0.5;

/// Most points of a [rank-normal](TargetScale::RankNormal) scale.
const MAX_KNOTS: usize = 256;

/// How a number that is to be predicted is transformed before it is standardised.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetScale {
    /// Not at all: (v − mean)/std.
    #[default]
    Standard,
    /// It is left as it is, and not standardised either.
    None,
    /// u = sign(v)·ln(1 + |v|), then (u − mean)/std: for numbers of which a few are far larger than
    /// most.
    Log1p,
    /// By its rank among the training rows: the k-th of n becomes Φ⁻¹((k + ½)/n), where Φ is the
    /// normal distribution; between these points, and beyond them, it goes on in straight lines.
    RankNormal {
        /// Numbers and what they become; both ascend.
        knots: Vec<[f64; 2]>,
    },
}

/// A scale that a user can ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScaleKind {
    /// [`TargetScale::Standard`].
    #[default]
    Standard,
    /// [`TargetScale::None`].
    None,
    /// [`TargetScale::Log1p`].
    Log1p,
    /// [`TargetScale::RankNormal`].
    RankNormal,
}

named!(ScaleKind, "scale", DataError);

impl ScaleKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Standard, Self::None, Self::Log1p, Self::RankNormal];

    /// The name, as flags and files spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::None => "none",
            Self::Log1p => "log1p",
            Self::RankNormal => "rank-normal",
        }
    }

    /// The scale of this kind for the numbers of the training rows.
    pub(crate) fn fit(self, values: impl Iterator<Item = f64>) -> TargetScale {
        match self {
            Self::Standard => TargetScale::Standard,
            Self::None => TargetScale::None,
            Self::Log1p => TargetScale::Log1p,
            // Numbers that are all equal have no ranks.
            Self::RankNormal => match rank_knots(values.collect()) {
                knots if knots.len() < 2 => TargetScale::Standard,
                knots => TargetScale::RankNormal { knots },
            },
        }
    }
}

impl TargetScale {
    /// Its kind.
    pub fn kind(&self) -> ScaleKind {
        match self {
            Self::Standard => ScaleKind::Standard,
            Self::None => ScaleKind::None,
            Self::Log1p => ScaleKind::Log1p,
            Self::RankNormal { .. } => ScaleKind::RankNormal,
        }
    }

    /// Whether equal distances stay equal.
    pub(crate) fn is_linear(&self) -> bool {
        matches!(self, Self::Standard | Self::None)
    }

    pub(crate) fn is_standard(&self) -> bool {
        *self == Self::Standard
    }

    /// From the column's units.
    pub(crate) fn forward(&self, v: f64) -> f64 {
        match self {
            Self::Standard | Self::None => v,
            Self::Log1p => libm::log1p(v.abs()).copysign(v),
            Self::RankNormal { knots } => along(knots, [0, 1], v),
        }
    }

    /// Back to the column's units.
    pub(crate) fn backward(&self, u: f64) -> f64 {
        match self {
            Self::Standard | Self::None => u,
            Self::Log1p => libm::expm1(u.abs()).copysign(u),
            Self::RankNormal { knots } => along(knots, [1, 0], u),
        }
    }

    /// Whether a stored scale is one that training can have written.
    pub(crate) fn is_sound(&self) -> bool {
        let Self::RankNormal { knots } = self else { return true };
        let in_range = knots.iter().flatten().all(|number| number.abs() <= LARGEST);
        let ascends = |i: usize| knots.is_sorted_by(|a, b| a[i] < b[i]);
        (2..=MAX_KNOTS).contains(&knots.len()) && in_range && ascends(0) && ascends(1)
    }
}

/// What a number of `from` is on the straight lines through `knots`.
fn along(knots: &[[f64; 2]], [from, to]: [usize; 2], x: f64) -> f64 {
    let after = knots.partition_point(|knot| knot[from] <= x).clamp(1, knots.len() - 1);
    let (a, b) = (knots[after - 1], knots[after]);
    a[to] + (x - a[from]) * ((b[to] - a[to]) / (b[from] - a[from]))
}

/// Points of the training numbers, from the least to the largest, with the normal numbers of their
/// ranks; of equal ones, the mean rank counts.
fn rank_knots(mut values: Vec<f64>) -> Vec<[f64; 2]> {
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len();
    let mut groups: Vec<(f64, f64)> = Vec::new();
    let mut start = 0;
    for group in values.chunk_by(|a, b| a == b) {
        let middle = start as f64 + group.len() as f64 / 2.0;
        groups.push((group[0], normal_quantile(middle / n as f64)));
        start += group.len();
    }
    let last = groups.len().saturating_sub(1);
    let n_knots = groups.len().min(MAX_KNOTS);
    let place = |k: usize| if n_knots > 1 { k * last / (n_knots - 1) } else { 0 };
    let knots = (0..n_knots).map(|k| [groups[place(k)].0, groups[place(k)].1]);
    let mut knots: Vec<[f64; 2]> = knots.collect();
    // Numbers next to each other may differ by less than their normal numbers can.
    knots.dedup_by(|b, a| b[1] <= a[1]);
    knots
}

/// Φ⁻¹(p) for p between 0 and 1, by halving: Φ(z) = erfc(−z/√2)/2.
fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-10.0, 10.0);
    for _ in 0..60 {
        let z = (low + high) / 2.0;
        if libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2) / 2.0 < p { low = z } else { high = z }
    }
    (low + high) / 2.0
}

/// Where predictions lie if training saw numbers from `min` to `max`: half the width beyond them on
/// both sides, but not on the other side of 0 where training never was.
pub(crate) fn bounds([min, max]: [f64; 2]) -> [f64; 2] {
    let margin = MARGIN * (max - min);
    let (low, high) = (min - margin, max + margin);
    [if min >= 0.0 { low.max(0.0) } else { low }, if max <= 0.0 { high.min(0.0) } else { high }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_lead_back() {
        let values = [-3.0, 0.0, 0.5, 2.0, 2.0, 7.0, 1e6];
        for kind in ScaleKind::ALL {
            let scale = kind.fit(values.into_iter());
            assert_eq!(kind.to_string().parse::<ScaleKind>().unwrap(), scale.kind());
            assert!(scale.is_sound());
            // Between and beyond what it was fitted on, too.
            for v in [-100.0, -3.0, -1.0, 0.0, 0.3, 2.0, 5.0, 1e4, 2e6] {
                let back = scale.backward(scale.forward(v));
                assert!((back - v).abs() <= 1e-9 * v.abs().max(1.0), "{kind} {v} {back}");
            }
        }
        assert_eq!(ScaleKind::RankNormal.fit([5.0; 9].into_iter()), TargetScale::Standard);
        assert!("log".parse::<ScaleKind>().unwrap_err().to_string().contains("log1p"));
    }

    /// By hand: ln(1 + 7) = 3·ln 2. Φ⁻¹(0.9) = 1.2815515655446004 (mpmath).
    #[test]
    fn values_by_hand() {
        let scale = TargetScale::Log1p;
        assert!((scale.forward(-7.0) + 3.0 * std::f64::consts::LN_2).abs() < 1e-15);
        let scale = ScaleKind::RankNormal.fit([4.0, 1.0, 2.0, 3.0, 9.0].into_iter());
        assert!((scale.forward(9.0) - 1.281_551_565_544_600_4).abs() < 1e-12);
        assert!(scale.forward(3.0).abs() < 1e-12);
    }

    #[test]
    fn rank_normal_numbers_have_few_knots_and_a_normal_distribution() {
        let values: Vec<f64> = (0..5000)
            .map(|i| {
                let x = f64::from(i * 37 % 5000);
                x * x * x
            })
            .collect();
        let scale = ScaleKind::RankNormal.fit(values.iter().copied());
        let TargetScale::RankNormal { knots } = &scale else { panic!("{scale:?}") };
        assert_eq!(knots.len(), MAX_KNOTS);
        let n = values.len() as f64;
        let z: Vec<f64> = values.iter().map(|v| scale.forward(*v)).collect();
        let (mean, square) = (z.iter().sum::<f64>() / n, z.iter().map(|z| z * z).sum::<f64>() / n);
        // A knot for about twenty numbers: straight lines between them widen the tails a
        // little.
        assert!(mean.abs() < 0.01 && (square - 1.0).abs() < 0.03, "{mean} {square}");
    }

    #[test]
    fn predictions_stay_near_what_training_saw() {
        assert_eq!(bounds([10.0, 20.0]), [5.0, 25.0]);
        assert_eq!(bounds([1.0, 20.0]), [0.0, 29.5]);
        assert_eq!(bounds([-20.0, -1.0]), [-29.5, 0.0]);
        assert_eq!(bounds([-4.0, 4.0]), [-8.0, 8.0]);
    }
}
