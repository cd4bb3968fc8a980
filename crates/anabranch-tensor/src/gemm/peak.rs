//! The work of a benchmark that measures the machine's peak.

use super::kernels::{ACCUMULATORS, GemmScalar};
use super::simd::Simd;

/// Floating-point operations in one iteration of [`fma_peak_loop`].
pub fn fma_peak_flops<T: GemmScalar>() -> usize {
    2 * ACCUMULATORS * T::kernels().map_or(1, |kernels| kernels.lanes)
}

/// Runs `iterations` of independent multiply-adds in registers, with the instructions of [`gemm`](crate::gemm::gemm) and as
/// many chains as hide their latency: nothing that computes with them can be faster. The result keeps the work from
/// being optimised away.
///
/// # Panics
/// On a machine without kernels.
pub fn fma_peak_loop<T: GemmScalar>(iterations: usize) -> T {
    let kernels = T::kernels().expect("kernels for this machine");
    // SAFETY: `kernels` are those that the processor can run.
    unsafe { (kernels.peak)(iterations) }
}

/// The loop for one kind of vector: x ← x/2 + 1, which settles at 2.
///
/// # Safety
/// The processor has V's instruction set.
#[inline(always)]
pub(super) unsafe fn peak_loop<V: Simd>(iterations: usize, half: V::Elem, one: V::Elem) -> V::Elem {
    // SAFETY: the instruction set is the caller's promise.
    unsafe {
        let mut acc = [V::zero(); ACCUMULATORS];
        let (half, addend) = (V::splat(half), V::splat(one));
        for _ in 0..iterations {
            for x in &mut acc {
                *x = x.mul_add(half, addend);
            }
        }
        let mut sum = V::zero();
        for x in acc {
            sum = sum.add(x);
        }
        let mut first = one;
        sum.store_first(&raw mut first, 1);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_settles_at_two_in_every_chain() {
        assert_eq!(fma_peak_loop::<f32>(100), 2.0 * ACCUMULATORS as f32);
        assert_eq!(fma_peak_loop::<f64>(100), 2.0 * ACCUMULATORS as f64);
    }
}
