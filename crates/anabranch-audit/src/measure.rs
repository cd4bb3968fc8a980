//! How far apart two arrays are.

/// ‖a−b‖ / (‖a‖ + ‖b‖ + 10⁻⁶√n) in the Euclidean norm, n the number of entries; 0 for no entries.
///
/// The floor keeps an array whose true value is zero from being judged by its rounding. An array
/// that holds NaN or ∞ where the other does not is infinitely far away.
///
/// # Panics
/// When the lengths differ.
pub fn relative_error(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "relative_error compares arrays of the same length");
    let norm = |values: &mut dyn Iterator<Item = f64>| {
        // Scaled by the largest entry, so that squares of huge entries stay finite.
        let values: Vec<f64> = values.collect();
        let largest = values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        if largest == 0.0 || !largest.is_finite() {
            return largest;
        }
        largest * values.iter().map(|v| (v / largest).powi(2)).sum::<f64>().sqrt()
    };
    if a.is_empty() {
        return 0.0;
    }
    let distance = norm(&mut a.iter().zip(b).map(|(a, b)| a - b));
    let scale = norm(&mut a.iter().copied()) + norm(&mut b.iter().copied());
    let error = distance / (scale + 1e-6 * (a.len() as f64).sqrt());
    if a.iter().chain(b).all(|v| v.is_finite()) && error.is_finite() {
        error
    } else {
        f64::INFINITY
    }
}

#[cfg(test)]
mod tests {
    use super::relative_error;

    #[test]
    fn measure_is_the_formula() {
        // ‖(3,4)−(0,0)‖ = 5, floor 1e-6·√2.
        let expected = 5.0 / (5.0 + 1e-6 * 2f64.sqrt());
        assert!((relative_error(&[3.0, 4.0], &[0.0, 0.0]) - expected).abs() < 1e-15);
        assert_eq!(relative_error(&[], &[]), 0.0);
        assert_eq!(relative_error(&[1.0], &[1.0]), 0.0);
    }

    #[test]
    fn no_number_is_far_from_every_number() {
        assert_eq!(relative_error(&[f64::NAN], &[1.0]), f64::INFINITY);
        assert_eq!(relative_error(&[f64::INFINITY, 0.0], &[1.0, 0.0]), f64::INFINITY);
        assert!(relative_error(&[1e300, 1e300], &[1e300, 0.0]) < 1.0);
    }
}
