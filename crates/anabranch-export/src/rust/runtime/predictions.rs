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

/// The number that u is on the straight lines through points (number, u), of which the outer ones
/// go on.
fn on_lines(u: f64, knots: &[[f64; 2]]) -> f64 {
    let after = knots.partition_point(|knot| knot[1] <= u).clamp(1, knots.len() - 1);
    let ([v0, u0], [v1, u1]) = (knots[after - 1], knots[after]);
    v0 + (u - u0) * ((v1 - v0) / (u1 - u0))
}
