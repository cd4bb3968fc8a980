//! The micro-kernel that skips zeros: rows of C for which many elements of A are 0, as after ReLU
//! and dropout.
//!
//! ```text
//! for i in rows
//!     acc = sums[i]                              N vectors
//!     for l in terms where A[i, l] ≠ 0           one bit each in a word
//!         acc += A[i, l] · B[l, 0..N·LANES]      A broadcast, N multiply-adds that read B from L1
//!     sums[i] = acc
//! ```
//!
//! The sums have the same bits as if the zeros had been multiplied: fma(0, b, s) = s for a finite
//! b, except for the sign of a sum that is 0. If B is not finite, nothing is skipped; and 0 is
//! added to the sum of a k-block, which leaves no −0, here and in `tile.rs`.
//!
//! Each multiply-add needs a load of its own, as much as L1 delivers: this kernel reaches three
//! quarters of the dense one's rate, on the work that is left.

use super::pack::Matrix;
use super::simd::{Simd, Transpose};

/// Terms in a word of bits.
pub(super) const WORD: usize = 64;

/// Some rows of A, each with a word of bits, and the sums of their products with a panel of B.
pub(super) struct SparseRows<T> {
    pub(super) rows: usize,
    /// Terms that the words cover, at most [`WORD`].
    pub(super) terms: usize,
    /// For each row, one bit per term, from the lowest on: whether it is not 0.
    pub(super) nonzero: *const u64,
    /// A's first row and term.
    pub(super) a: Matrix<T>,
    /// A row of N vectors for each term; rows are contiguous.
    pub(super) b: *const T,
    /// The same for each row of A.
    pub(super) sums: *mut T,
    /// Elements from one row's sums to the next.
    pub(super) sums_row: usize,
    /// Whether these are the first terms: the sums are then not read.
    pub(super) first: bool,
    /// Whether these are the last terms of their k-block: a sum that is −0 then becomes 0.
    pub(super) last: bool,
}

/// Adds products to the sums, `N` vectors per row.
///
/// # Safety
/// The processor has V's instruction set; A and B are readable, the sums writable and not otherwise
/// accessed.
#[inline(always)]
pub(super) unsafe fn sparse_rows<V: Simd, const N: usize>(t: &SparseRows<V::Elem>) {
    let width = N * V::LANES;
    // SAFETY: every access is to A[0..rows, 0..terms], B[0..terms] or sums[0..rows].
    unsafe {
        // 0 · b is 0 for finite numbers and NaN for all others; this also brings the panel into the
        // cache.
        let mut products = [V::zero(); N];
        for l in 0..t.terms {
            for j in 0..N {
                let b = V::load(t.b.add(l * width + j * V::LANES));
                products[j] = b.mul_add(V::zero(), products[j]);
            }
        }
        let finite = products.iter().all(|p| p.nonzero_bits() == 0);
        let always = if finite { 0 } else { u64::MAX >> (WORD - t.terms) };

        for i in 0..t.rows {
            let a = t.a.ptr.wrapping_offset(i as isize * t.a.row);
            let sums = t.sums.add(i * t.sums_row);
            let mut acc = [V::zero(); N];
            if !t.first {
                for j in 0..N {
                    acc[j] = V::load(sums.add(j * V::LANES));
                }
            }
            let mut left = *t.nonzero.add(i) | always;
            while left != 0 {
                let l = left.trailing_zeros() as usize;
                left &= left - 1;
                let x = V::splat(*a.wrapping_offset(l as isize * t.a.col));
                let b = t.b.add(l * width);
                for j in 0..N {
                    acc[j] = x.mul_add(V::load(b.add(j * V::LANES)), acc[j]);
                }
            }
            for j in 0..N {
                let sum = if t.last { acc[j].add(V::zero()) } else { acc[j] };
                sum.store(sums.add(j * V::LANES));
            }
        }
    }
}

/// Marks which of `rows`×`terms` elements of `a`, whose rows or columns are contiguous, are not 0:
/// in words of `per_word` terms, those of all rows for the first terms, then for the next ones.
///
/// # Safety
/// The processor has V's instruction set, `L` is V's number of lanes; `a` is readable and as many
/// words are writable.
#[inline(always)]
pub(super) unsafe fn find_nonzero<V: Transpose<L>, const L: usize>(
    a: Matrix<V::Elem>,
    (rows, terms): (usize, usize),
    per_word: usize,
    words: *mut u64,
) {
    // SAFETY: reads A[0..rows, 0..terms], writes `rows` words for every `per_word` terms.
    unsafe {
        for (n, first) in (0..terms).step_by(per_word).enumerate() {
            let len = per_word.min(terms - first);
            let words = words.add(n * rows);
            if a.col == 1 {
                for i in 0..rows {
                    let row = a.at(i, first).ptr;
                    let mut word = 0;
                    for l in (0..len).step_by(L) {
                        let v = load_up_to::<V>(row.add(l), len - l);
                        word |= u64::from(v.nonzero_bits()) << l;
                    }
                    *words.add(i) = word;
                }
            } else {
                for i in (0..rows).step_by(L) {
                    let height = L.min(rows - i);
                    let mut lanes = [0; L];
                    for l in 0..len {
                        let mut column = [V::Elem::default(); L];
                        load_up_to::<V>(a.at(i, first + l).ptr, height).store(column.as_mut_ptr());
                        for lane in 0..L {
                            let bit = if column[lane] == V::Elem::default() { 0 } else { 1 << l };
                            lanes[lane] |= bit;
                        }
                    }
                    words.add(i).copy_from_nonoverlapping(lanes.as_ptr(), height);
                }
            }
        }
    }
}

/// The next vector of a run with `left` elements left, at least one; zeros beyond.
#[inline(always)]
unsafe fn load_up_to<V: Simd>(p: *const V::Elem, left: usize) -> V {
    // SAFETY: the caller gives `left` readable elements.
    unsafe { if left >= V::LANES { V::load(p) } else { V::load_first(p, left) } }
}

/// `C[rows, cols] (+)= sums`, with sums in rows of `width`, and rows or columns of C contiguous.
///
/// # Safety
/// The processor has V's instruction set, `L` is V's number of lanes; the sums are readable in
/// whole vectors, C is writable and not otherwise accessed.
#[inline(always)]
pub(super) unsafe fn put_sums<V: Transpose<L>, const L: usize>(
    (sums, width): (*const V::Elem, usize),
    (rows, cols): (usize, usize),
    c: Matrix<V::Elem>,
    add: bool,
) {
    let put = |sum: V, at: *const V::Elem, len: usize| {
        // SAFETY: `len` elements of C, which the caller may write.
        unsafe {
            if len >= L {
                (if add { V::load(at).add(sum) } else { sum }).store(at.cast_mut());
            } else {
                let sum = if add { V::load_first(at, len).add(sum) } else { sum };
                sum.store_first(at.cast_mut(), len);
            }
        }
    };
    // SAFETY: reads the sums of `rows` rows in whole vectors.
    unsafe {
        for i in (0..rows).step_by(L) {
            let height = L.min(rows - i);
            for j in (0..cols).step_by(L) {
                // The last row stands in for missing ones: its result is not stored.
                let row = |r: usize| sums.add((i + r.min(height - 1)) * width + j);
                if c.col == 1 {
                    for r in 0..height {
                        put(V::load(row(r)), c.at(i + r, j).ptr, cols - j);
                    }
                } else {
                    let columns = V::load_transposed(std::array::from_fn(row));
                    for (r, column) in columns.into_iter().enumerate().take(cols - j) {
                        put(column, c.at(i, j + r).ptr, height);
                    }
                }
            }
        }
    }
}

/// Counts how many of `len` elements are not 0.
///
/// # Safety
/// The processor has V's instruction set; the elements are readable.
#[inline(always)]
pub(super) unsafe fn count_nonzero<V: Simd>(p: *const V::Elem, len: usize) -> usize {
    // As many bits at once as a word holds: counting bits is slow in instruction sets that lack it.
    let mut count = 0;
    for first in (0..len).step_by(WORD) {
        let mut word = 0;
        let end = len.min(first + WORD);
        for i in (first..end).step_by(V::LANES) {
            // SAFETY: the elements that are left.
            let bits = unsafe { load_up_to::<V>(p.add(i), end - i).nonzero_bits() };
            word |= u64::from(bits) << (i - first);
        }
        count += word.count_ones() as usize;
    }
    count
}
