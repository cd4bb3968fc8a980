//! Normal scores: where a number lies among those of training, as a standard normal variable would
//! say it.

use serde::{Deserialize, Serialize};

use crate::cell::LARGEST;

/// The least and the largest number of training have the scores −3 and 3.
const LARGEST_SCORE: f64 = 3.0;

/// From one knot to the next.
const STEP: f64 = 0.125;

const N_KNOTS: usize = 49;

/// Equally wide parts of the range of the knots.
const N_PARTS: usize = 256;

/// A column of fewer different numbers has no scores: it is close to a category.
const MIN_DISTINCT: usize = 21;

/// The map from a number v to its normal score s: Φ(s) is the share of the training rows' numbers
/// below v, where Φ is the standard normal distribution. A number as far out as it likes moves its
/// score no farther than to ±3, and a skewed column becomes a symmetric one.
///
/// It is piecewise linear through knots (v, s) at the scores −3, −2.875 … 3, where v is the
/// quantile of Φ(s). A number that several of them are has the middle of its rows as its one score.
///
/// This is scikit-learn's `QuantileTransformer(output_distribution="normal")` but for the place of
/// the knots: they are as dense in the tails as in the middle, so that some fifty are enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<[f64; 2]>", into = "Vec<[f64; 2]>")]
pub struct NormalScores {
    knots: Vec<[f64; 2]>,
    /// Parts of the range for each unit of v.
    parts: f64,
    /// How many knots lie in the parts before each, with one entry more for all of them: where the
    /// search for a number's place may begin and end.
    before: Vec<u8>,
}

impl NormalScores {
    /// The scores of a column whose training rows hold these numbers, none of them NaN; `None` if
    /// hardly any are different.
    pub(crate) fn fit(mut values: Vec<f64>) -> Option<Self> {
        if has_few_values(&values) {
            return None;
        }
        let scores = (0..N_KNOTS).map(|k| k as f64 * STEP - LARGEST_SCORE);
        let mut ranks: Vec<usize> =
            scores.clone().flat_map(|s| ranks_at(s, values.len()).0).collect();
        ranks.sort_unstable();
        put_in_place(&mut values, 0, &ranks);
        let quantiles: Vec<[f64; 2]> = scores.map(|s| [quantile_at(&values, s), s]).collect();
        let one_knot = |same: &[[f64; 2]]| match same {
            [knot] => *knot,
            _ => {
                let value = same[0][0];
                let below = values.iter().filter(|v| **v < value).count();
                let up_to = values.iter().filter(|v| **v <= value).count();
                let middle = (below + up_to) as f64 / (2 * values.len()) as f64;
                [value, score_of(middle, same[0][1], same[same.len() - 1][1])]
            }
        };
        let knots: Vec<_> = quantiles.chunk_by(|a, b| a[0] == b[0]).map(one_knot).collect();
        (knots.len() > 1).then(|| Self::from(knots))
    }

    /// The knots (v, s), both increasing, at least two.
    pub fn knots(&self) -> &[[f64; 2]] {
        &self.knots
    }

    /// The score of a number.
    #[inline]
    pub(crate) fn score(&self, value: f64) -> f64 {
        let (first, last) = (self.knots[0], self.knots[self.knots.len() - 1]);
        if value <= first[0] {
            return first[1];
        }
        if value >= last[0] {
            return last[1];
        }
        let part = self.part_of(value);
        let (begin, end) = (self.before[part].into(), self.before[part + 1].into());
        let within = &self.knots[begin..end];
        let above = begin + within.partition_point(|knot| knot[0] <= value);
        let ([v0, s0], [v1, s1]) = (self.knots[above - 1], self.knots[above]);
        s0 + (s1 - s0) * ((value - v0) / (v1 - v0))
    }

    /// The part of the range that a number from the first knot on is in: never an earlier one than
    /// that of a smaller number, since rounding keeps the order.
    fn part_of(&self, value: f64) -> usize {
        (((value - self.knots[0][0]) * self.parts) as usize).min(N_PARTS - 1)
    }

    /// Whether it is one that [`fit`](Self::fit) could have made.
    pub(crate) fn is_sound(&self) -> bool {
        let is_known = |[v, s]: &[f64; 2]| v.abs() <= LARGEST && s.abs() <= LARGEST_SCORE;
        (2..=N_KNOTS).contains(&self.knots.len())
            && self.knots.iter().all(is_known)
            && self.knots.is_sorted_by(|[v0, s0], [v1, s1]| v0 < v1 && s0 < s1)
    }
}

impl From<Vec<[f64; 2]>> for NormalScores {
    fn from(mut knots: Vec<[f64; 2]>) -> Self {
        // More are not sound, and need no numbers before them.
        knots.truncate(N_KNOTS + 1);
        let parts = match &knots[..] {
            [first, .., last] => N_PARTS as f64 / (last[0] - first[0]),
            _ => 0.0,
        };
        let mut scores = Self { knots, parts, before: vec![0; N_PARTS + 1] };
        for i in 0..scores.knots.len() {
            let part = scores.part_of(scores.knots[i][0]);
            scores.before[part + 1] += 1;
        }
        for part in 0..N_PARTS {
            scores.before[part + 1] += scores.before[part];
        }
        scores
    }
}

impl From<NormalScores> for Vec<[f64; 2]> {
    fn from(scores: NormalScores) -> Self {
        scores.knots
    }
}

/// Whether they are so few different numbers that they have no scores.
fn has_few_values(values: &[f64]) -> bool {
    let mut different: Vec<f64> = Vec::new();
    values.iter().all(|value| {
        if !different.contains(value) {
            different.push(*value);
        }
        different.len() < MIN_DISTINCT
    })
}

/// Puts the numbers of these ranks, which do not decrease, where they would be if all were sorted,
/// without the time that this would take; `values` have the ranks from `first` on.
fn put_in_place(values: &mut [f64], first: usize, ranks: &[usize]) {
    let Some(rank) = ranks.get(ranks.len() / 2) else { return };
    let (below, _, above) = values.select_nth_unstable_by(rank - first, f64::total_cmp);
    put_in_place(below, first, &ranks[..ranks.partition_point(|r| r < rank)]);
    put_in_place(above, rank + 1, &ranks[ranks.partition_point(|r| r <= rank)..]);
}

/// The ranks, from 0 on, of the numbers between which the quantile of Φ(s) lies, of so many, and
/// its distance from the lower one; ±3 are their ends.
fn ranks_at(s: f64, n: usize) -> ([usize; 2], f64) {
    let last = n - 1;
    if s.abs() >= LARGEST_SCORE {
        return ([if s < 0.0 { 0 } else { last }; 2], 0.0);
    }
    let place = normal_cdf(s) * last as f64;
    let below = place as usize;
    ([below, (below + 1).min(last)], place - below as f64)
}

/// The quantile of Φ(s), by linear interpolation, of numbers of which those of its ranks are in
/// place.
fn quantile_at(values: &[f64], s: f64) -> f64 {
    let (ranks, distance) = ranks_at(s, values.len());
    let [v0, v1] = ranks.map(|rank| values[rank]);
    v0 + (v1 - v0) * distance
}

/// Φ(s).
fn normal_cdf(s: f64) -> f64 {
    libm::erfc(-s / std::f64::consts::SQRT_2) / 2.0
}

/// The score of a probability, between `low` and `high`, by bisection.
fn score_of(probability: f64, mut low: f64, mut high: f64) -> f64 {
    for _ in 0..60 {
        let s = (low + high) / 2.0;
        if normal_cdf(s) < probability { low = s } else { high = s }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_of_any_shape_become_normal_scores() {
        // The exponential of equally spaced numbers: their ranks are all that counts.
        let values: Vec<f64> = (0..=1000).map(|i| f64::exp(f64::from(i) / 50.0)).collect();
        let scores = NormalScores::fit(values.clone()).unwrap();
        // scipy.stats.norm.ppf of 0.5, 0.975, 0.1; quantiles lie between ranks, knots between them.
        for (rank, expected) in [(500, 0.0), (975, 1.959_964), (100, -1.281_552)] {
            let found = scores.score(values[rank]);
            assert!((found - expected).abs() < 0.01, "{rank}: {found} against {expected}");
        }
        assert_eq!(
            [-1e9, values[0], values[1000], 1e9].map(|v| scores.score(v)),
            [-3., -3., 3., 3.]
        );
        assert!(scores.is_sound());
    }

    #[test]
    fn a_frequent_number_has_the_score_of_its_middle() {
        // 60 of 100 are 0: scipy.stats.norm.ppf(0.3).
        let values = [vec![0.0; 60], (1..=40).map(f64::from).collect()].concat();
        let scores = NormalScores::fit(values).unwrap();
        assert!((scores.score(0.0) - -0.524_400_512_7).abs() < 1e-9, "{}", scores.score(0.0));
        assert_eq!(scores.score(40.0), 3.0);
    }

    /// Knots close together in a corner of a wide range, and their neighbours among numbers.
    #[test]
    fn the_place_among_the_knots_is_the_one_of_a_search_through_all() {
        let widths = [1e-6, 1e3, 1e-3, 1.0, 1e6, 1e-3, 7.0];
        let mut knots = vec![[-1e3, -3.0]];
        for (i, width) in (1..N_KNOTS).zip(widths.iter().cycle()) {
            knots.push([knots[i - 1][0] + width, i as f64 * STEP - LARGEST_SCORE]);
        }
        let scores = NormalScores::from(knots.clone());
        for [knot, _] in &knots {
            for value in [knot.next_down(), *knot, knot.next_up(), knot + 0.4, knot * 0.9] {
                let above = knots.partition_point(|[v, _]| *v <= value);
                let expected =
                    match (above.checked_sub(1).map(|i| knots[i]), knots.get(above).copied()) {
                        (None, Some([_, s])) | (Some([_, s]), None) => s,
                        (Some([v0, s0]), Some([v1, s1])) => {
                            s0 + (s1 - s0) * ((value - v0) / (v1 - v0))
                        }
                        (None, None) => unreachable!("there are knots"),
                    };
                assert_eq!(scores.score(value).to_bits(), expected.to_bits(), "{value}");
            }
        }
    }

    #[test]
    fn few_different_numbers_have_no_scores() {
        let values = |n: u32| (0..400).map(|i| f64::from(i % n)).collect::<Vec<_>>();
        assert_eq!(NormalScores::fit(values(20)), None);
        assert!(NormalScores::fit(values(21)).is_some());
        assert_eq!(NormalScores::fit(Vec::new()), None);
    }

    #[test]
    fn a_stored_one_is_checked() {
        let sound = |knots: &[[f64; 2]]| NormalScores::from(knots.to_vec()).is_sound();
        assert!(sound(&[[1.0, -3.0], [2.0, 3.0]]));
        for knots in [
            &[[1.0, -3.0]][..],
            &[[1.0, -3.0], [1.0, 3.0]],
            &[[1.0, 3.0], [2.0, -3.0]],
            &[[1.0, -3.0], [2.0, 4.0]],
            &[[f64::NAN, -3.0], [2.0, 3.0]],
            &[[-1e101, -3.0], [2.0, 3.0]],
        ] {
            assert!(!sound(knots), "{knots:?}");
        }
    }
}
