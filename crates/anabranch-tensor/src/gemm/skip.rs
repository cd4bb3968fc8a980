//! Products that skip zeros: when that pays, and their loops.
//!
//! ```text
//! for each block (i, j) of C                     tasks: MC rows × NC columns, with B packed
//!   for p in k-blocks by KC
//!     for ir in rows of the block by 256         their sums stay in L2
//!       find zeros of A[ir.., p..]               a word of bits for each row and some 50 terms
//!       for jr in columns of the block           a panel of eight vectors
//!         for l in terms by word                 B[l.., jr..] stays in L1
//!           sums += A[ir.., l..] · B[l.., jr..]  skipping zeros
//!         C[ir.., jr..] (+)= sums
//! ```
//!
//! Zeros of B are skipped by computing Cᵀ = Bᵀ·Aᵀ, whose sums are transposed on their way to C.

use std::ops::Range;

use super::blocking::{Phase, Product};
use super::epilogue::Epilogue;
use super::pack::Matrix;
use super::plan::{
    Plan, SPARSE_MULTIPLY_ADDS, contiguous, cost_of_skipping, may_skip_zeros, multiply_adds,
    words_len,
};
use super::sparse::SparseRows;
use super::tile::Contiguous;
use crate::accum::Accum;
use crate::scalar::Scalar;

/// Number of contiguous rows or columns of an operand in which zeros are counted.
const SAMPLE_LINES: usize = 8;

/// The operand whose zeros are worth skipping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sparse {
    A,
    B,
}

impl<T: Scalar> Product<'_, T> {
    /// Whether looking for zeros could pay, judged without looking.
    #[inline]
    pub(super) fn is_large_enough_to_skip_zeros(&self) -> bool {
        multiply_adds((self.m, self.n, self.k)) >= SPARSE_MULTIPLY_ADDS
    }

    /// Computes the product by skipping zeros if that pays, and returns whether it did.
    ///
    /// # Safety
    /// As [`run`](Self::run).
    #[inline(never)]
    pub(super) unsafe fn run_skipping<E: Epilogue<T>>(
        &self,
        scratch: &mut [T],
        epilogue: &E,
    ) -> bool {
        let product = match self.sparse_operand() {
            Some(Sparse::A) => Self { ..*self },
            Some(Sparse::B) => Self { c_transposed: true, ..self.swapped() },
            None => return false,
        };
        let Self { kernels, m, n, k, kc, .. } = product;
        let plan = Plan::sparse(kernels, (m, n, k), kc, self.exec.threads(), &product.b);
        // SAFETY: promised by the caller.
        unsafe { product.run_phases(&plan, scratch, epilogue) };
        true
    }

    /// The operand whose zeros save the most, if skipping them pays. The choice changes no bit of
    /// the result.
    pub(super) fn sparse_operand(&self) -> Option<Sparse> {
        let Self { kernels, m, n, k, kc, .. } = *self;
        let of = |operand, matrix, (rows, cols)| {
            if !may_skip_zeros(kernels, (rows, cols, k), kc) {
                return None;
            }
            // SAFETY: A, or Bᵀ, is readable, as promised by the product's creator.
            let share = unsafe { self.nonzero_share(matrix, (rows, k)) }?;
            cost_of_skipping(kernels, (rows, cols), share).map(|cost| (operand, cost))
        };
        let a = of(Sparse::A, self.a, (m, n));
        let b = of(Sparse::B, self.b.transposed(), (n, m));
        a.into_iter().chain(b).min_by(|a, b| a.1.total_cmp(&b.1)).map(|(operand, _)| operand)
    }

    /// Approximate share of a matrix that is not 0, or `None` if neither its rows nor its columns
    /// are contiguous.
    ///
    /// # Safety
    /// The matrix is readable.
    unsafe fn nonzero_share(&self, matrix: Matrix<T>, shape: (usize, usize)) -> Option<f64> {
        let (lines, len, matrix) = match contiguous(&matrix, shape)? {
            Contiguous::Rows => (shape.0, shape.1, matrix),
            Contiguous::Columns => (shape.1, shape.0, matrix.transposed()),
        };
        let step = lines.div_ceil(SAMPLE_LINES);
        let sample = (0..lines).step_by(step);
        let total = sample.len() * len;
        // SAFETY: `len` elements of a row or column.
        let count = |line| unsafe { (self.kernels.count_nonzero)(matrix.at(line, 0).ptr, len) };
        Some(sample.map(count).sum::<usize>() as f64 / total as f64)
    }

    /// Adds the products of the rows `rows` of A, at most `block_rows`, in the k-block `terms`,
    /// with the columns `cols` of B, skipping A's zeros, and applies the epilogue if these are the
    /// last terms.
    ///
    /// # Safety
    /// As [`block`](Self::block).
    pub(super) unsafe fn sparse_rows<E: Epilogue<T>>(
        &self,
        phase: &Phase<T>,
        rows: Range<usize>,
        cols: Range<usize>,
        terms: Range<usize>,
        epilogue: &E,
    ) {
        let kernels = self.kernels;
        let Plan { per_word, .. } = *phase.plan;
        let scratch = self.thread_scratch(phase);
        let (words, sums) = (scratch.cast::<u64>(), scratch.wrapping_add(words_len::<T>()));
        let a = self.a.at(rows.start, terms.start);
        let add = self.accum == Accum::Add || terms.start > 0;
        // SAFETY: A's rows and the scratch's words; each panel of B; the caller's block of C.
        unsafe {
            (kernels.find_nonzero)(a, (rows.len(), terms.len()), per_word, words);
            let mut col = cols.start;
            while col < cols.end {
                let vectors = phase.plan.panel(kernels, cols.end - col);
                let width = vectors * kernels.lanes;
                let b = self.b_at(phase, terms.start, col);
                let shape = (rows.len(), width.min(cols.end - col));
                let c = self.c_matrix().at(rows.start, col);
                // Whole-vector sums that nothing is added to are computed in C itself.
                let in_place = !add && !self.c_transposed && width == shape.1;
                let (sums, sums_row) =
                    if in_place { (c.ptr.cast_mut(), self.n) } else { (sums, width) };
                for (n, l) in (0..terms.len()).step_by(per_word).enumerate() {
                    (kernels.sparse[vectors - 1])(&SparseRows {
                        rows: rows.len(),
                        terms: per_word.min(terms.len() - l),
                        nonzero: words.add(n * rows.len()),
                        a: a.at(0, l),
                        b: b.add(l * width),
                        sums,
                        sums_row,
                        first: l == 0,
                        last: l + per_word >= terms.len(),
                    });
                }
                if !in_place {
                    (kernels.put_sums)((sums, width), shape, c, add);
                }
                col += width;
            }
            if terms.end == self.k {
                self.finish(rows, cols, epilogue);
            }
        }
    }

    /// C as a writable matrix.
    fn c_matrix(&self) -> Matrix<T> {
        let (row, col) = if self.c_transposed { (1, self.m) } else { (self.n, 1) };
        Matrix { ptr: self.c, row: row as isize, col: col as isize }
    }
}
