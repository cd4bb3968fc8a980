//! How far apart two results are, and numbers to compute them from.

use anabranch_tensor::Scalar;
use anabranch_tensor::random::{Purpose, Random};

/// ‖a−b‖/(‖a‖ + ‖b‖ + 1e-6·√n), n the number of elements: the floor keeps arrays whose true value
/// is zero from being judged by their rounding. NaN anywhere gives NaN, which no comparison
/// accepts.
pub(crate) fn relative_error<A: Scalar, B: Scalar>(a: &[A], b: &[B]) -> f64 {
    assert_eq!(a.len(), b.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let distance = norm(&mut a.iter().zip(b).map(|(a, b)| a.to_f64() - b.to_f64()));
    let scale = norm(&mut a.iter().map(|a| a.to_f64())) + norm(&mut b.iter().map(|b| b.to_f64()));
    if a.is_empty() { 0.0 } else { distance / (scale + 1e-6 * (a.len() as f64).sqrt()) }
}

/// `len` numbers from the standard normal distribution, the same for every type but for rounding.
pub(crate) fn draw<T: Scalar>(random: &mut Random, len: usize) -> Vec<T> {
    (0..len).map(|_| T::from_f64(random.normal())).collect()
}

/// A sequence of its own for each `index`.
pub(crate) fn random(index: usize) -> Random {
    Random::new(1, Purpose::Sample, index as u64)
}

/// Rows of `width` numbers ≥ 0 with the sum 1.
pub(crate) fn draw_distributions<T: Scalar>(
    random: &mut Random,
    rows: usize,
    width: usize,
) -> Vec<T> {
    let mut labels: Vec<f64> = (0..rows * width).map(|_| random.uniform()).collect();
    for row in labels.chunks_exact_mut(width) {
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|v| *v /= sum);
    }
    labels.into_iter().map(T::from_f64).collect()
}

/// ∂f/∂t at t = 0 from f(±h) and f(±2h): (8(f(h) − f(−h)) − (f(2h) − f(−2h)))/12h, off by h⁴f⁽⁵⁾/30
/// and rounding.
pub(crate) fn central_difference(h: f64, f: impl Fn(f64) -> f64) -> f64 {
    (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h)
}
