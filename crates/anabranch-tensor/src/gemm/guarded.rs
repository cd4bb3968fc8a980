//! Operands between inaccessible pages: an access outside of them ends the test program.

use std::ptr::null_mut;

use super::kernels::available;
use super::multiply::gemm_with;
use super::*;
use crate::view::{matrix, matrix_mut};
use crate::{Accum, Executor, Scalar};

/// Memory of whole pages between two guards.
struct Guarded {
    start: *mut u8,
    len: usize,
}

/// Bytes of a guard: at least a page on any machine.
const GUARD: usize = 1 << 16;

impl Guarded {
    /// Room for `len` bytes.
    fn new(len: usize) -> Self {
        let len = len.next_multiple_of(GUARD);
        // SAFETY: a new mapping, the middle of which is opened.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
            let map = libc::mmap(null_mut(), len + 2 * GUARD, libc::PROT_NONE, flags, -1, 0);
            assert!(map != libc::MAP_FAILED);
            let start = map.cast::<u8>().add(GUARD);
            let open = libc::PROT_READ | libc::PROT_WRITE;
            assert_eq!(libc::mprotect(start.cast(), len, open), 0);
            Self { start, len }
        }
    }

    /// The last `len` elements before the rear guard, or the first ones after the front guard.
    fn slice<T: Scalar>(&mut self, len: usize, at_end: bool) -> &mut [T] {
        let bytes = len * size_of::<T>();
        assert!(bytes <= self.len);
        let skip = if at_end { self.len - bytes } else { 0 };
        // SAFETY: the elements lie in the accessible memory, aligned to its pages; all bit patterns
        // are numbers.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(skip).cast(), len) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, which nothing borrows any longer.
        unsafe { libc::munmap(self.start.sub(GUARD).cast(), self.len + 2 * GUARD) };
    }
}

/// All widths over two tiles with heights and sums around the sizes of tiles and vectors; and sizes
/// at which A and B are packed and cut into blocks and zeros are skipped, the last ones not whole.
fn shapes() -> Vec<(usize, usize, usize)> {
    let mut shapes = Vec::new();
    for n in 1..=120 {
        shapes.extend([(1, n, 1), (5, n, 17), (13, n, 30), (50, n, 3)]);
    }
    shapes.extend([(50, 328, 20), (9, 1000, 520), (61, 850, 530), (130, 21, 70), (100, 1, 40)]);
    shapes.push((270, 65, 100));
    shapes
}

fn stays_inside<T: Scalar>() {
    let bytes = 1 << 24;
    let [mut a, mut b, mut c, mut scratch] = [0; 4].map(|_| Guarded::new(bytes));
    let execs = [1, 2].map(|threads| Executor::new(threads).unwrap());
    for (kernels, (m, n, k)) in
        available::<T>().flat_map(|k| shapes().into_iter().map(move |s| (k, s)))
    {
        // Small products do not look for zeros.
        let cases = if m * n * k < plan::SPARSE_MULTIPLY_ADDS { 16 } else { 64 };
        for case in 0..cases {
            let [at_end, a_rows, b_rows, parallel, a_zeros, b_zeros] =
                [1, 2, 4, 8, 16, 32].map(|bit| case & bit > 0);
            let (a, b) = (a.slice::<T>(m * k, at_end), b.slice::<T>(k * n, at_end));
            for (operand, zeros) in [(&mut *a, a_zeros), (&mut *b, b_zeros)] {
                for (e, x) in operand.iter_mut().enumerate() {
                    *x = T::from_f64(if zeros && e % 7 < 5 { 0.0 } else { 1.0 });
                }
            }
            let exec = &execs[usize::from(parallel)];
            let a = if a_rows { matrix(a, m, k) } else { matrix(a, k, m).reversed_axes() };
            let b = if b_rows { matrix(b, k, n) } else { matrix(b, n, k).reversed_axes() };
            let c = matrix_mut(c.slice(m * n, at_end), m, n);
            let kc = plan::kc::<T>(k);
            // No more than needed.
            let small = plan::Plan::small(kernels, (m, n, k), kc, (&Matrix::of(a), &Matrix::of(b)));
            let scratch_len = match small {
                Some(plan) => plan.small_scratch_len(kernels, (n, k)),
                None => plan::scratch_len(kernels, exec.threads(), (m, n, k)),
            };
            let scratch = scratch.slice(scratch_len, at_end);
            gemm_with(Some(kernels), exec, a, b, Accum::Add, c, scratch, &NoEpilogue);
        }
    }
}

#[test]
fn f32_products_stay_inside_their_operands() {
    stays_inside::<f32>();
}

#[test]
fn f64_products_stay_inside_their_operands() {
    stays_inside::<f64>();
}
