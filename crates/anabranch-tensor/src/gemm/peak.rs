//! The machine's peak, for benchmarks to compare products with.

use super::simd::Simd;
use crate::scalar::Scalar;
use crate::simd::InstructionSet;

/// Chains of multiply-adds: more than latency × throughput on any machine.
const ACCUMULATORS: usize = 12;

/// Runs `iterations` of independent multiply-adds of `f32` in registers, with the instructions of
/// [`gemm`](crate::gemm::gemm) and enough chains to hide their latency: nothing that computes with
/// them can be faster. Returns the number of floating-point operations, and a result that keeps the
/// work from being optimised away.
pub fn fma_peak_loop(iterations: usize) -> (usize, f32) {
    // SAFETY: the processor has these instructions.
    let (lanes, result) = unsafe {
        match InstructionSet::detected() {
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            InstructionSet::Avx512 => (16, with_avx512(iterations)),
            #[cfg(all(target_arch = "x86_64", not(miri)))]
            InstructionSet::Avx2 => (8, with_avx2(iterations)),
            _ => (4, peak_loop::<[f32; 4]>(iterations)),
        }
    };
    (2 * ACCUMULATORS * lanes * iterations, result)
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
unsafe fn with_avx512(iterations: usize) -> f32 {
    // SAFETY: promised by the caller.
    unsafe { peak_loop::<super::x86::avx512::F32x16>(iterations) }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[target_feature(enable = "avx2,fma")]
unsafe fn with_avx2(iterations: usize) -> f32 {
    // SAFETY: promised by the caller.
    unsafe { peak_loop::<super::x86::avx2::F32x8>(iterations) }
}

/// The loop for one kind of vector: x ← x/2 + 1, which settles at 2.
///
/// # Safety
/// The processor has V's instruction set.
#[inline(always)]
unsafe fn peak_loop<V: Simd<Elem: Scalar>>(iterations: usize) -> V::Elem {
    let (half, one) = (V::Elem::from_f64(0.5), V::Elem::ONE);
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
        let (flops, result) = fma_peak_loop(100);
        assert_eq!(result, 2.0 * ACCUMULATORS as f32);
        assert!(flops >= 100 * 2 * ACCUMULATORS * 4);
    }
}
