//! Sums and maxima along a row, in an order that vectorises.
//!
//! A row is dealt to a fixed number of lanes, whose results are folded in a fixed order: the same bits with any vector
//! instructions, where a plain running sum could not be vectorised at all.

use crate::scalar::Scalar;

/// Numbers that are worked on side by side: an AVX-512 register of `f32`, two of `f64`.
pub const LANES: usize = 16;

/// Deals `row` to the lanes, each starting at `start`, and folds the lanes. A row shorter than the lanes is folded
/// as it is.
#[inline(always)]
fn fold<T: Scalar>(row: &[T], start: T, f: impl Fn(T, T) -> T) -> T {
    if row.len() < LANES {
        let mut result = start;
        for v in row {
            result = f(result, *v);
        }
        return result;
    }
    let mut lanes = [start; LANES];
    let blocks = row.chunks_exact(LANES);
    let rest = blocks.remainder();
    for block in blocks {
        for (lane, v) in lanes.iter_mut().zip(block) {
            *lane = f(*lane, *v);
        }
    }
    for (lane, v) in lanes.iter_mut().zip(rest) {
        *lane = f(*lane, *v);
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

/// The first `len` numbers of `row`, at most [`LANES`], then zeros.
#[inline(always)]
pub fn load_lanes<T: Scalar>(row: &[T], len: usize) -> [T; LANES] {
    let mut lanes = [T::ZERO; LANES];
    if len == LANES {
        lanes.copy_from_slice(&row[..LANES]);
    } else {
        for (lane, v) in lanes.iter_mut().zip(&row[..len]) {
            *lane = *v;
        }
    }
    lanes
}

/// Calls `add(j, len, sums)` for the columns `j .. j + len` of every [`LANES`] columns of `width`, with sums that start at
/// zero and stay in registers, and then copies these to `totals`: sums over the rows of a matrix, for `N` terms at once.
///
/// `add` is a loop over the rows; mark it `#[inline(always)]`.
#[inline(always)]
pub fn sum_columns<T: Scalar, const N: usize>(
    width: usize,
    totals: [&mut [T]; N],
    mut add: impl FnMut(usize, usize, &mut [[T; LANES]; N]),
) {
    for_lanes(
        width,
        #[inline(always)]
        |j, len| {
            let mut sums = [[T::ZERO; LANES]; N];
            add(j, len, &mut sums);
            for n in 0..N {
                totals[n][j..j + len].copy_from_slice(&sums[n][..len]);
            }
        },
    );
}

/// Calls `f(j, len)` for the columns `j .. j + len` of every [`LANES`] columns of `width`: with a constant `len` where
/// it is LANES, so that loops over it vectorise. Mark `f` `#[inline(always)]`.
#[inline(always)]
pub fn for_lanes(width: usize, mut f: impl FnMut(usize, usize)) {
    let whole = width - width % LANES;
    for j in (0..whole).step_by(LANES) {
        f(j, LANES);
    }
    if whole < width {
        f(whole, width - whole);
    }
}

/// The sum of `row`; 0 for an empty one.
#[inline(always)]
pub fn row_sum<T: Scalar>(row: &[T]) -> T {
    fold(row, T::ZERO, |a, b| a + b)
}

/// The largest element of `row`, NaN left out; −∞ for an empty one.
#[inline(always)]
pub fn row_max<T: Scalar>(row: &[T]) -> T {
    fold(row, T::NEG_INFINITY, |a, b| if b > a { b } else { a })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_length() {
        for n in 0..70 {
            let row: Vec<f32> = (0..n).map(|i| ((i * 37) % 71) as f32 - 80.0).collect();
            assert_eq!(row_sum(&row), row.iter().sum::<f32>(), "{n}");
            assert_eq!(row_max(&row), row.iter().copied().fold(f32::NEG_INFINITY, f32::max), "{n}");
        }
    }
}
