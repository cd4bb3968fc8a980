//! Loops over columns in groups that fill a vector.
//!
//! The compiler turns a loop over an array of fixed length into vector instructions where it would not risk that for a slice.

use std::ops::Range;

use crate::scalar::Scalar;
#[cfg(all(target_arch = "x86_64", not(miri)))]
use crate::simd::InstructionSet;

/// Numbers that are worked on side by side: an AVX-512 register of `f32`, two of `f64`.
pub const LANES: usize = 16;

/// The first `len` numbers of `row`, at most [`LANES`], then zeros.
#[inline(always)]
pub fn load_lanes<T: Scalar>(row: &[T], len: usize) -> [T; LANES] {
    let mut lanes = [T::ZERO; LANES];
    if len == LANES {
        lanes.copy_from_slice(&row[..LANES]);
        return lanes;
    }
    let row = &row[..len];
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if InstructionSet::detected() == InstructionSet::Avx512 && len < LANES {
        // SAFETY: the processor has AVX-512; `row` has `len` numbers of one or two words, fewer than `lanes`.
        unsafe { masked::load::<T>(row.as_ptr(), &mut lanes, len) };
        return lanes;
    }
    for (lane, v) in lanes.iter_mut().zip(row) {
        *lane = *v;
    }
    lanes
}

/// Writes the first `len` of `lanes`, at most [`LANES`], to `row`.
#[inline(always)]
pub fn store_lanes<T: Scalar>(row: &mut [T], lanes: &[T; LANES], len: usize) {
    if len == LANES {
        row[..LANES].copy_from_slice(lanes);
        return;
    }
    let row = &mut row[..len];
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if InstructionSet::detected() == InstructionSet::Avx512 && len < LANES {
        // SAFETY: the processor has AVX-512; `row` has `len` numbers of one or two words, fewer than `lanes`.
        unsafe { masked::store::<T>(row.as_mut_ptr(), lanes, len) };
        return;
    }
    for (v, lane) in row.iter_mut().zip(lanes) {
        *v = *lane;
    }
}

/// Parts of vectors in memory: a copy of unknown length would be a call, or a loop that waits for its own stores.
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod masked {
    use std::arch::x86_64::{
        _mm512_loadu_epi32, _mm512_mask_storeu_epi32, _mm512_maskz_loadu_epi32, _mm512_storeu_epi32,
    };

    use super::LANES;

    /// The mask of the first `n` of 16 words.
    #[inline(always)]
    fn first(n: usize) -> u16 {
        ((1u32 << n.min(16)) - 1) as u16
    }

    /// `len` numbers of one or two words from `src`, then zeros.
    ///
    /// # Safety
    /// The processor has AVX-512; `src` is readable at `len` numbers, fewer than LANES.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn load<T>(src: *const T, lanes: &mut [T; LANES], len: usize) {
        let words_each = size_of::<T>() / 4;
        let (src, dst) = (src.cast::<i32>(), lanes.as_mut_ptr().cast::<i32>());
        for part in 0..words_each {
            let n = (len * words_each).saturating_sub(16 * part);
            let at = 16 * part;
            // SAFETY: as the caller's; masked words are not touched, and `lanes` has 16 words for each part.
            unsafe {
                let v = _mm512_maskz_loadu_epi32(first(n), src.wrapping_add(at));
                _mm512_storeu_epi32(dst.add(at), v);
            }
        }
    }

    /// The first `len` numbers of one or two words to `dst`.
    ///
    /// # Safety
    /// The processor has AVX-512; `dst` is writable at `len` numbers, fewer than LANES.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn store<T>(dst: *mut T, lanes: &[T; LANES], len: usize) {
        let words_each = size_of::<T>() / 4;
        let (dst, src) = (dst.cast::<i32>(), lanes.as_ptr().cast::<i32>());
        for part in 0..words_each {
            let n = (len * words_each).saturating_sub(16 * part);
            let at = 16 * part;
            // SAFETY: as the caller's; masked words are not touched, and `lanes` has 16 words for each part.
            unsafe {
                let v = _mm512_loadu_epi32(src.add(at));
                _mm512_mask_storeu_epi32(dst.wrapping_add(at), first(n), v);
            }
        }
    }
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
                store_lanes(&mut totals[n][j..], &sums[n], len);
            }
        },
    );
}

/// Fewest columns of rows that are never narrow.
const WIDE: usize = 3 * LANES;
/// Numbers of [`LANES`] narrow rows, at most.
const SIDE_BY_SIDE: usize = LANES * WIDE;

/// Whether rows of `width` columns are narrow: a large part of a vector would be idle in each of them.
#[inline(always)]
pub fn is_narrow(width: usize) -> bool {
    width < WIDE && !width.is_multiple_of(LANES)
}

/// [`sum_columns`] for matrices of `len` numbers in [narrow](is_narrow) rows of `width`: [`LANES`] rows side by side are added up
/// first, then these.
///
/// `add(numbers, sums)` adds to `sums[n][i]` what the i-th of these numbers contributes; vectors with a number for each column
/// are [repeated](repeat_side_by_side) for it. Mark it `#[inline(always)]`.
///
/// # Panics
/// If rows of `width` are not narrow.
#[inline(always)]
pub fn sum_narrow_columns<T: Scalar, const N: usize>(
    (len, width): (usize, usize),
    totals: [&mut [T]; N],
    add: impl FnMut(Range<usize>, [&mut [T]; N]),
) {
    // Clearing the sums of wider rows would take as long as adding up a few narrow ones.
    if width <= LANES {
        sum_side_by_side::<T, N, { LANES * LANES }>((len, width), totals, add);
    } else {
        sum_side_by_side::<T, N, SIDE_BY_SIDE>((len, width), totals, add);
    }
}

/// The same for rows of which [`LANES`] have at most `LEN` numbers.
#[inline(always)]
fn sum_side_by_side<T: Scalar, const N: usize, const LEN: usize>(
    (len, width): (usize, usize),
    totals: [&mut [T]; N],
    mut add: impl FnMut(Range<usize>, [&mut [T]; N]),
) {
    let mut sums = [[T::ZERO; LEN]; N];
    for start in (0..len).step_by(LANES * width) {
        let end = len.min(start + LANES * width);
        add(start..end, sums.each_mut().map(|sums| &mut sums[..end - start]));
    }
    for (total, sums) in totals.into_iter().zip(&sums) {
        total.fill(T::ZERO);
        for row in sums[..LANES * width].chunks_exact(width) {
            for (total, v) in total.iter_mut().zip(row) {
                *total += *v;
            }
        }
    }
}

/// `vector`, of as many numbers as a narrow row, for [`LANES`] rows side by side.
///
/// # Panics
/// If `vector` is longer than a narrow row.
#[inline(always)]
pub fn repeat_side_by_side<T: Scalar>(vector: &[T]) -> [T; SIDE_BY_SIDE] {
    let mut repeated = [T::ZERO; SIDE_BY_SIDE];
    let mut len = vector.len();
    repeated[..len].copy_from_slice(vector);
    while len < LANES * vector.len() {
        let (first, next) = repeated.split_at_mut(len);
        next[..len].copy_from_slice(first);
        len *= 2;
    }
    repeated
}

/// x ← f(x, v) for the elements x of some rows and that element v of `vector` which stands in the same column. Mark `f`
/// `#[inline(always)]`.
///
/// # Panics
/// If `rows` are not whole rows as long as `vector`.
#[inline(always)]
pub fn map_rows<T: Scalar>(rows: &mut [T], vector: &[T], f: impl Fn(T, T) -> T) {
    let width = vector.len();
    assert!(rows.len().is_multiple_of(width), "{} elements in rows of {width}", rows.len());
    if rows.is_empty() {
        return;
    }
    if width < LANES && rows.len() >= 3 * LANES * width {
        let vector = repeat_side_by_side(vector);
        for rows in rows.chunks_mut(LANES * width) {
            for (x, v) in rows.iter_mut().zip(&vector) {
                *x = f(*x, *v);
            }
        }
        return;
    }
    // In long rows the compiler's loops are as good, and memory is read in order.
    let whole = if width < 2 * WIDE { width - width % LANES } else { 0 };
    for j in (0..whole).step_by(LANES) {
        let vector = load_lanes(&vector[j..], LANES);
        for row in rows.chunks_exact_mut(width) {
            let mut x = load_lanes(&row[j..], LANES);
            for lane in 0..LANES {
                x[lane] = f(x[lane], vector[lane]);
            }
            store_lanes(&mut row[j..], &x, LANES);
        }
    }
    if whole < width {
        for row in rows.chunks_exact_mut(width) {
            for (x, v) in row[whole..].iter_mut().zip(&vector[whole..]) {
                *x = f(*x, *v);
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_meets_that_of_its_column() {
        // Short and long rows of each kind, side by side in whole blocks and in parts.
        for width in [1, 5, 8, 15, 16, 17, 33, 48, 64, 95, 96, 100] {
            for n_rows in [0, 1, 3, 47, 48, 70] {
                let x = |i: usize| (i * 7 % 31) as f32;
                let mut rows: Vec<f32> = (0..n_rows * width).map(x).collect();
                let vector: Vec<f32> = (0..width).map(|j| 100.0 * j as f32).collect();
                map_rows(&mut rows, &vector, |x, v| 2.0 * x + v);
                for (i, got) in rows.iter().enumerate() {
                    let want = 2.0 * x(i) + 100.0 * (i % width) as f32;
                    assert_eq!(*got, want, "element {i} of {n_rows} rows of {width}");
                }
            }
        }
        map_rows(&mut [], &[], |x: f32, _| x);
    }

    #[test]
    #[should_panic(expected = "3 elements in rows of 0")]
    fn rows_without_columns_have_no_elements() {
        map_rows(&mut [0.0f32; 3], &[], |x, _| x);
    }

    #[test]
    #[should_panic(expected = "20 elements in rows of 8")]
    fn rows_must_be_whole() {
        map_rows(&mut [0.0f32; 20], &[0.0; 8], |x, _| x);
    }
}
