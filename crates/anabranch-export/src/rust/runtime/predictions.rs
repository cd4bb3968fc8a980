/// The mean of what networks predict: a number, or the probability of each class.
fn mean<const N: usize, const C: usize>(predicted: [[f64; C]; N]) -> [f64; C] {
    core::array::from_fn(|i| predicted.iter().map(|of_one| of_one[i]).sum::<f64>() / N as f64)
}

/// The same, and beside it what a linear model predicts, with its share.
fn blended<const C: usize>(mean: [f64; C], line: [f64; C], share: f64) -> [f64; C] {
    core::array::from_fn(|i| (1.0 - share) * mean[i] + share * line[i])
}

/// e^score over the sum of these.
fn softmax<const C: usize>(scores: &[f32; C]) -> [f64; C] {
    let largest = f64::from(scores.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let powers = scores.map(|score| exp(f64::from(score) - largest));
    let sum: f64 = powers.iter().sum();
    powers.map(|power| power / sum)
}

/// The probabilities whose logarithms are these, divided by a temperature.
fn tempered<const C: usize>(probabilities: [f64; C], temperature: f64) -> [f64; C] {
    let scores = probabilities.map(|p| ln(p.max(f64::MIN_POSITIVE)) / temperature);
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers = scores.map(|score| exp(score - largest));
    let sum: f64 = powers.iter().sum();
    powers.map(|power| power / sum)
}

/// The place of the largest, the first of equals.
fn largest<const C: usize>(values: &[f64; C]) -> usize {
    (1..C).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

/// The number whose sign(v)·ln(1 + |v|) is u.
fn from_log1p(u: f64) -> f64 {
    (exp(u.abs()) - 1.0).copysign(u)
}

/// sign(v)·ln(1 + |v|).
fn to_log1p(v: f64) -> f64 {
    ln(1.0 + v.abs()).copysign(v)
}

/// What a number is on the straight lines through points, of which the outer ones go on: [1, 0] is
/// from the second number of a point to the first.
fn on_lines(x: f64, [from, to]: [usize; 2], knots: &[[f64; 2]]) -> f64 {
    let after = knots.partition_point(|knot| knot[from] <= x).clamp(1, knots.len() - 1);
    let (a, b) = (knots[after - 1], knots[after]);
    a[to] + (x - a[from]) * ((b[to] - a[to]) / (b[from] - a[from]))
}

/// How far networks are apart in what they predict: the sample standard deviation.
fn deviation<const N: usize, const C: usize>(predicted: [[f64; C]; N]) -> [f64; C] {
    let mean = mean(predicted);
    core::array::from_fn(|i| {
        let distances = predicted.iter().map(|of_one| of_one[i] - mean[i]);
        let squares: f64 = distances.map(|distance| distance * distance).sum();
        sqrt(squares / (N - 1) as f64)
    })
}

/// The classes for which the probability of all that are more probable, and half their own, is at
/// most the limit; and the most probable one.
fn set<const C: usize>(probabilities: &[f64; C], limit: f64) -> [bool; C] {
    let p = probabilities.map(|p| f64::from(p as f32));
    core::array::from_fn(|class| {
        let comes_before = |other: &usize| {
            p[*other] > p[class] || (p[*other] == p[class] && *other < class)
        };
        let is_first = !(0..C).any(|other| comes_before(&other));
        let above: f64 = (0..C).filter(comes_before).map(|other| p[other]).sum();
        is_first || above + p[class] / 2.0 <= limit
    })
}
