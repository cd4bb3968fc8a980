//! Sums and maxima along a row, in an order that vectorises.
//!
//! A row is dealt to a fixed number of lanes, whose results are folded in a fixed order: the same bits with any vector
//! instructions, where a plain running sum could not be vectorised at all.

use crate::scalar::Scalar;

const LANES: usize = 16;

/// Deals `row` to the lanes, each starting at `start`, and folds the lanes. A row shorter than the lanes is folded
/// as it is.
#[inline(always)]
fn fold<T: Scalar>(row: &[T], start: T, map: impl Fn(T) -> T, f: impl Fn(T, T) -> T) -> T {
    if row.len() < LANES {
        let mut result = start;
        for v in row {
            result = f(result, map(*v));
        }
        return result;
    }
    let mut lanes = [start; LANES];
    let blocks = row.chunks_exact(LANES);
    let rest = blocks.remainder();
    for block in blocks {
        for (lane, v) in lanes.iter_mut().zip(block) {
            *lane = f(*lane, map(*v));
        }
    }
    for (lane, v) in lanes.iter_mut().zip(rest) {
        *lane = f(*lane, map(*v));
    }
    // Halving: four dependent steps instead of fifteen, and they vectorise.
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = f(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// The sum of `row`; 0 for an empty one.
#[inline(always)]
pub fn row_sum<T: Scalar>(row: &[T]) -> T {
    fold(row, T::ZERO, |v| v, |a, b| a + b)
}

/// The sum of the squares of `row`; 0 for an empty one.
#[inline(always)]
pub fn row_sum_of_squares<T: Scalar>(row: &[T]) -> T {
    fold(row, T::ZERO, |v| v * v, |a, b| a + b)
}

/// The largest element of `row`, NaN left out; −∞ for an empty one.
#[inline(always)]
pub fn row_max<T: Scalar>(row: &[T]) -> T {
    fold(row, T::NEG_INFINITY, |v| v, |a, b| if b > a { b } else { a })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_length() {
        for n in 0..70 {
            let row: Vec<f32> = (0..n).map(|i| ((i * 37) % 71) as f32 - 80.0).collect();
            assert_eq!(row_sum(&row), row.iter().sum::<f32>(), "{n}");
            let squares = row.iter().map(|v| v * v).sum::<f32>();
            assert_eq!(row_sum_of_squares(&row), squares, "{n}");
            assert_eq!(row_max(&row), row.iter().copied().fold(f32::NEG_INFINITY, f32::max), "{n}");
        }
    }
}
