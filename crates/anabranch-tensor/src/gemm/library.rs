//! Products on machines without kernels of ours: by the crate `matrixmultiply`, which has its own
//! for aarch64 and plain ones for the rest.
//!
//! Sums are split into blocks no longer than the library's own, with a call for each. The library
//! packs both operands into memory that it allocates: on these machines, a product is the one
//! exception to the rule that a step allocates nothing.

use std::ops::Range;

use super::epilogue::Epilogue;
use super::kernels::apply_to_block;
use super::pack::Matrix;
use super::plan::{is_worth_threads, task_rows};
use crate::accum::Accum;
use crate::parallel::Executor;
use crate::scalar::{PerScalar, Scalar};

/// Terms that the library sums in one go; it would split longer sums by itself.
pub(super) const MAX_TERMS: usize = 256;

/// `C[m,n] ← alpha·A[m,k]·B[k,n] + beta·C`, as the library declares it: m, k, n, alpha, A and its
/// strides by row and column, B and its strides, beta, C and its strides. If beta is 0, C is not
/// read.
type LibraryFn<T> = unsafe fn(
    usize,
    usize,
    usize,
    T,
    *const T,
    isize,
    isize,
    *const T,
    isize,
    isize,
    T,
    *mut T,
    isize,
    isize,
);

/// The multiplication for each number type.
struct Library;

impl PerScalar for Library {
    type Of<T: Scalar> = LibraryFn<T>;
}

/// One product `C[m,n] (+)= A[m,k]·B[k,n]`, C contiguous row by row.
pub(super) struct LibraryProduct<'a, T> {
    pub(super) exec: &'a Executor,
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    /// Most terms of a block.
    pub(super) kc: usize,
    pub(super) a: Matrix<T>,
    pub(super) b: Matrix<T>,
    pub(super) accum: Accum,
    pub(super) c: *mut T,
}

// SAFETY: tasks read A and B, and write disjoint rows of C.
unsafe impl<T: Send + Sync> Sync for LibraryProduct<'_, T> {}

impl<T: Scalar> LibraryProduct<'_, T> {
    /// Computes the product.
    ///
    /// # Safety
    /// A, B and C are valid for the shape, and C is not otherwise accessed.
    pub(super) unsafe fn run<E: Epilogue<T>>(&self, epilogue: &E) {
        let is_split = self.exec.threads() > 1 && is_worth_threads((self.m, self.n, self.k));
        let mc = if is_split { task_rows(self.m) } else { self.m.max(1) };
        let task = |task: usize| {
            // SAFETY: promised by the caller; the tasks' rows are disjoint.
            unsafe { self.rows(task * mc..self.m.min((task + 1) * mc), epilogue) };
        };
        let n_tasks = self.m.div_ceil(mc);
        if is_split { self.exec.run(n_tasks, task) } else { (0..n_tasks).for_each(task) }
    }

    /// Computes some rows.
    ///
    /// # Safety
    /// As [`run`](Self::run), and the rows of C are this call's alone.
    unsafe fn rows<E: Epilogue<T>>(&self, rows: Range<usize>, epilogue: &E) {
        let Self { n, k, kc, .. } = *self;
        let (m, c_row) = (rows.len(), n as isize);
        let c = self.c.wrapping_add(rows.start * n);
        // A product without terms is 0 too.
        for start in (0..k.max(1)).step_by(kc) {
            let is_kept = self.accum == Accum::Add || start > 0;
            let beta = if is_kept { T::ONE } else { T::ZERO };
            let (a, b) = (self.a.at(rows.start, start), self.b.at(start, 0));
            let terms = kc.min(k - start);
            let library = T::select::<Library>(matrixmultiply::sgemm, matrixmultiply::dgemm);
            // SAFETY: these rows of A, terms of B and rows of C are within the caller's.
            unsafe {
                library(
                    m,
                    terms,
                    n,
                    T::ONE,
                    a.ptr,
                    a.row,
                    a.col,
                    b.ptr,
                    b.row,
                    b.col,
                    beta,
                    c,
                    c_row,
                    1,
                );
            }
        }
        // SAFETY: the rows of C are this call's.
        unsafe { apply_to_block(epilogue, (rows.start, 0), (m, n), c, n) };
    }
}
