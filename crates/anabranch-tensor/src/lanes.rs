//! Loops over columns in groups that fill a vector.
//!
//! The compiler vectorises a loop over an array of fixed length where it would not risk that for a
//! slice.

use crate::scalar::Scalar;
#[cfg(all(target_arch = "x86_64", not(miri)))]
use crate::simd::InstructionSet;

/// Numbers processed side by side: one AVX-512 register of `f32`, two of `f64`.
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
        // SAFETY: the processor has AVX-512; `row` has `len` numbers of one or two words, fewer
        // than `lanes`.
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
        // SAFETY: the processor has AVX-512; `row` has `len` numbers of one or two words, fewer
        // than `lanes`.
        unsafe { masked::store::<T>(row.as_mut_ptr(), lanes, len) };
        return;
    }
    for (v, lane) in row.iter_mut().zip(lanes) {
        *v = *lane;
    }
}

/// Partial vectors in memory: a copy of unknown length would be a call, or a loop that waits for
/// its own stores.
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

    /// Loads `len` numbers of one or two words from `src`, then zeros.
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
            // SAFETY: promised by the caller; masked words are not touched, and `lanes` has 16
            // words for each part.
            unsafe {
                let v = _mm512_maskz_loadu_epi32(first(n), src.wrapping_add(at));
                _mm512_storeu_epi32(dst.add(at), v);
            }
        }
    }

    /// Stores the first `len` numbers of one or two words to `dst`.
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
            // SAFETY: promised by the caller; masked words are not touched, and `lanes` has 16
            // words for each part.
            unsafe {
                let v = _mm512_loadu_epi32(src.add(at));
                _mm512_mask_storeu_epi32(dst.wrapping_add(at), first(n), v);
            }
        }
    }
}

/// Rows with at least this many columns are never narrow.
const WIDE: usize = 3 * LANES;
/// Most numbers in [`LANES`] narrow rows.
const SIDE_BY_SIDE: usize = LANES * WIDE;

/// Whether rows of `width` columns are narrow: each would leave a large part of a vector idle.
#[inline(always)]
pub fn is_narrow(width: usize) -> bool {
    width < WIDE && !width.is_multiple_of(LANES)
}

/// Sums over the rows of some matrices of one shape: `totals[n][j]` becomes the sum over i of
/// element n of `f([x[i, j] of each matrix x], [v[j] of each vector v])`. Mark `f`
/// `#[inline(always)]`.
///
/// Rows that fill their vectors are summed in order, some columns at a time; [narrow](is_narrow)
/// rows are first summed [`LANES`] side by side.
///
/// ```
/// use anabranch_tensor::lanes::sum_columns;
///
/// // Σ (x − mean)² of each of two columns.
/// let (x, mean) = ([1.0_f32, 10.0, 3.0, 14.0], [2.0, 12.0]);
/// let mut squares = [0.0; 2];
/// sum_columns([&x], [&mean], [&mut squares], |[x], [mean]| [(x - mean) * (x - mean)]);
/// assert_eq!(squares, [2.0, 8.0]);
/// ```
///
/// # Panics
/// If the vectors are shorter than the totals, or a matrix is shorter than the first.
#[inline(always)]
pub fn sum_columns<T: Scalar, const X: usize, const V: usize, const N: usize>(
    matrices: [&[T]; X],
    vectors: [&[T]; V],
    totals: [&mut [T]; N],
    f: impl Fn([T; X], [T; V]) -> [T; N],
) {
    let width = totals[0].len();
    if !is_narrow(width) {
        sum_by_lanes(matrices, vectors, totals, f);
    } else if width <= LANES {
        // Clearing the sums of wider rows would take as long as summing a few narrow ones.
        sum_side_by_side::<T, X, V, N, { LANES * LANES }>(matrices, vectors, totals, f);
    } else {
        sum_side_by_side::<T, X, V, N, SIDE_BY_SIDE>(matrices, vectors, totals, f);
    }
}

/// [`sum_columns`] of rows that fill their vectors, with sums that stay in registers.
#[inline(always)]
fn sum_by_lanes<T: Scalar, const X: usize, const V: usize, const N: usize>(
    matrices: [&[T]; X],
    vectors: [&[T]; V],
    totals: [&mut [T]; N],
    f: impl Fn([T; X], [T; V]) -> [T; N],
) {
    let width = totals[0].len();
    for_lanes(
        width,
        #[inline(always)]
        |j, len| {
            let mut sums = [[T::ZERO; LANES]; N];
            let vectors = load_each(&vectors, j, len);
            let mut at = j;
            while at < matrices[0].len() {
                let x = load_each(&matrices, at, len);
                for lane in 0..LANES {
                    let terms = f(lane_of(&x, lane), lane_of(&vectors, lane));
                    for k in 0..N {
                        sums[k][lane] += terms[k];
                    }
                }
                at += width;
            }
            for k in 0..N {
                store_lanes(&mut totals[k][j..], &sums[k], len);
            }
        },
    );
}

/// [`sum_columns`] of narrow rows with at most `LEN` numbers per [`LANES`] rows.
#[inline(always)]
fn sum_side_by_side<T: Scalar, const X: usize, const V: usize, const N: usize, const LEN: usize>(
    matrices: [&[T]; X],
    vectors: [&[T]; V],
    totals: [&mut [T]; N],
    f: impl Fn([T; X], [T; V]) -> [T; N],
) {
    let width = totals[0].len();
    let mut repeated = [[T::ZERO; SIDE_BY_SIDE]; V];
    for k in 0..V {
        repeat_into(&mut repeated[k], &vectors[k][..width]);
    }
    let (len, block) = (matrices[0].len(), LANES * width);
    let mut sums = [[T::ZERO; LEN]; N];
    for start in (0..len).step_by(block) {
        let n = block.min(len - start);
        // Cut to one length, so that the loop needs no bounds checks.
        let (mut x, mut v) = (matrices, [&[][..]; V]);
        for k in 0..X {
            x[k] = &matrices[k][start..][..n];
        }
        for k in 0..V {
            v[k] = &repeated[k][..n];
        }
        let sums = sums.each_mut().map(|sums| &mut sums[..n]);
        for i in 0..n {
            let terms = f(at(&x, i), at(&v, i));
            for k in 0..N {
                sums[k][i] += terms[k];
            }
        }
    }
    for (total, sums) in totals.into_iter().zip(&sums) {
        total.fill(T::ZERO);
        for row in sums[..block].chunks_exact(width) {
            for (total, v) in total.iter_mut().zip(row) {
                *total += *v;
            }
        }
    }
}

/// Element `i` of each slice.
#[inline(always)]
fn at<T: Scalar, const N: usize>(slices: &[&[T]; N], i: usize) -> [T; N] {
    let mut elements = [T::ZERO; N];
    for k in 0..N {
        elements[k] = slices[k][i];
    }
    elements
}

/// The `len` elements from `at` on of each slice.
#[inline(always)]
fn load_each<T: Scalar, const N: usize>(
    slices: &[&[T]; N],
    at: usize,
    len: usize,
) -> [[T; LANES]; N] {
    let mut groups = [[T::ZERO; LANES]; N];
    for k in 0..N {
        groups[k] = load_lanes(&slices[k][at..], len);
    }
    groups
}

/// One lane of each group.
#[inline(always)]
fn lane_of<T: Scalar, const N: usize>(groups: &[[T; LANES]; N], lane: usize) -> [T; N] {
    let mut elements = [T::ZERO; N];
    for k in 0..N {
        elements[k] = groups[k][lane];
    }
    elements
}

/// Repeats `vector`, at most as long as a narrow row, for [`LANES`] rows side by side.
///
/// # Panics
/// If `vector` is longer than a narrow row.
#[inline(always)]
pub fn repeat_side_by_side<T: Scalar>(vector: &[T]) -> [T; SIDE_BY_SIDE] {
    let mut repeated = [T::ZERO; SIDE_BY_SIDE];
    repeat_into(&mut repeated, vector);
    repeated
}

/// The same in existing memory; what lies beyond is unchanged.
#[inline(always)]
fn repeat_into<T: Scalar>(repeated: &mut [T; SIDE_BY_SIDE], vector: &[T]) {
    let mut len = vector.len();
    repeated[..len].copy_from_slice(vector);
    while len < LANES * vector.len() {
        let (first, next) = repeated.split_at_mut(len);
        next[..len].copy_from_slice(first);
        len *= 2;
    }
}

/// x ← f(x, v) for each element x of some rows, where v is the element of `vector` in its column.
/// Mark `f` `#[inline(always)]`.
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
    // For long rows the compiler's loops are as good, and they read memory in order.
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

/// Calls `f(j, len)` for the columns `j .. j + len` of each group of [`LANES`] columns of `width`;
/// `len` is the constant LANES for full groups, so that loops over it vectorise. Mark `f`
/// `#[inline(always)]`.
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
        // Narrow and wide rows, side by side in whole blocks and in parts.
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
