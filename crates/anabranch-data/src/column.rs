//! Statistics of a column's numbers.

/// Mean and population standard deviation √(Σ(v−mean)²/n), in two passes from the first value on,
/// which is exact for equal values: a constant column has deviation 0, not a rounding error. A
/// deviation of 0 is given back as 1, so that dividing by it turns such a column into zeros. No
/// values: (0, 1).
pub(crate) fn mean_and_std(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let Some(first) = values.clone().next() else { return (0.0, 1.0) };
    let (mut n, mut sum) = (0.0, 0.0);
    for value in values.clone() {
        n += 1.0;
        sum += value - first;
    }
    let mean = first + sum / n;
    let largest = values.clone().map(|value| (value - mean).abs()).fold(0.0, f64::max);
    // Squares of numbers this small would be rounded, or vanish.
    let unit = if largest > 0.0 && largest < 1e-140 { largest } else { 1.0 };
    let square = |value| (value - mean) / unit * ((value - mean) / unit);
    let std = f64::sqrt(values.map(square).sum::<f64>() / n) * unit;
    (mean, if std > 0.0 { std } else { 1.0 })
}

/// The middle value, or the mean of the two in the middle. `values` is not empty and holds no NaN.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if even { (below.iter().copied().fold(f64::MIN, f64::max) + upper) / 2.0 } else { upper }
}

/// How far values usually lie from `median`: the distance between their quartiles; where these are
/// equal, the median distance of the values that are not the median; 1 where all are. Of many
/// values, some 10,000 are looked at.
pub(crate) fn spread(values: &[f64], median: f64) -> f64 {
    const ENOUGH: usize = 10_000;
    let step = values.len().div_ceil(ENOUGH).max(1);
    let mut sample: Vec<f64> = values.iter().copied().step_by(step).collect();
    sample.sort_unstable_by(f64::total_cmp);
    let quantile = |quarters| sample[(sample.len() - 1) * quarters / 4];
    let quartiles = quantile(3) - quantile(1);
    if quartiles > 0.0 {
        return quartiles;
    }
    let mut distances: Vec<f64> =
        values.iter().map(|value| (value - median).abs()).filter(|d| *d > 0.0).collect();
    if distances.is_empty() { 1.0 } else { self::median(&mut distances) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_std_and_median() {
        assert_eq!(mean_and_std([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into_iter()), (5.0, 2.0));
        assert_eq!(mean_and_std([0.1; 7].into_iter()), (0.1, 1.0));
        // Squares below the least number there is.
        assert_eq!(mean_and_std([1e-200, 3e-200].into_iter()), (2e-200, 1e-200));
        assert_eq!(mean_and_std(std::iter::empty()), (0.0, 1.0));
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&mut [-5.0]), -5.0);
    }

    #[test]
    fn spread_is_not_moved_by_a_few_absurd_values() {
        assert_eq!(spread(&[1.0, 2.0, 3.0, 4.0, 1e30], 3.0), 2.0);
        // Mostly zeros: what the others are like.
        assert_eq!(spread(&[0.0, 0.0, 0.0, 0.0, 0.0, 5.0, -7.0, 1e30], 0.0), 7.0);
        assert_eq!(spread(&[3.0; 9], 3.0), 1.0);
    }
}
