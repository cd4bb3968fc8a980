//! When two numbers are the same, except for rounding.
//!
//! A correct number can be off by some roundings of the terms whose sum it is
//! ([`Terms`](crate::reference::Terms)). Where they do not cancel, that is far below a limit
//! relative to the number itself. Where they cancel so far that only rounding is left, no way of
//! computing the number can stay within a limit relative to it. So the distance of two numbers is
//! taken relative to their size plus a share of their terms, just large enough to let these
//! roundings pass.

/// Half the distance from 1 to the next number.
pub(crate) const UNIT: f64 = f64::EPSILON / 2.0;
/// The same in f32.
pub(crate) const UNIT_SINGLE: f64 = f32::EPSILON as f64 / 2.0;

/// Roundings of all its terms together by which a number can be off. The bound is rough and of
/// first order, and in practice generous by a factor of ten to a thousand.
pub(crate) const ROUNDINGS: f64 = 4.0;

/// Largest relative error between two ways of computing a number in f64.
pub(crate) const LIMIT: f64 = 1e-10;
/// Largest relative error of f32 against f64.
pub(crate) const LIMIT_SINGLE: f64 = 1e-5;

/// The share of its terms that counts towards a number's size.
pub(crate) const SHARE: f64 = ROUNDINGS * UNIT / LIMIT;
/// The same in f32.
pub(crate) const SHARE_SINGLE: f64 = ROUNDINGS * UNIT_SINGLE / LIMIT_SINGLE;

/// |a − b| relative to the larger of the two plus `extra`: 0 if they are equal, ∞ if one is not a
/// number.
pub(crate) fn error(a: f64, b: f64, extra: f64) -> f64 {
    let distance = (a - b).abs();
    match distance / (f64::max(a.abs(), b.abs()) + extra) {
        _ if distance == 0.0 => 0.0,
        error if error.is_finite() => error,
        _ => f64::INFINITY,
    }
}

/// The largest [`error`] of all entries, whose terms count with `share`.
pub(crate) fn largest_error<'a>(
    a: impl IntoIterator<Item = &'a f64>,
    b: impl IntoIterator<Item = &'a f64>,
    terms: impl IntoIterator<Item = &'a f64>,
    share: f64,
) -> f64 {
    let entries = a.into_iter().zip(b).zip(terms);
    entries.map(|((a, b), terms)| error(*a, *b, share * terms)).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_counts_relative_to_numbers_and_terms() {
        assert_eq!(error(3.0, 4.0, 6.0), 0.1);
        assert_eq!((error(0.0, 0.0, 0.0), error(1.0, 0.0, 0.0)), (0.0, 1.0));
        assert_eq!(error(f64::NAN, 1.0, 1.0), f64::INFINITY);
        assert_eq!(error(f64::INFINITY, 1.0, 1.0), f64::INFINITY);
        assert_eq!(largest_error(&[1.0, 2.0], &[1.0, 1.0], &[0.0, 4.0], 0.5), 0.25);
    }

    /// A number that is off by as many roundings as it may be is just within the limit.
    #[test]
    fn roundings_of_large_terms_pass() {
        let terms = 1e9;
        assert!(error(ROUNDINGS * UNIT * terms, 0.0, SHARE * terms) <= LIMIT);
        assert!(error(1.1 * ROUNDINGS * UNIT * terms, 0.0, SHARE * terms) > LIMIT);
    }
}
