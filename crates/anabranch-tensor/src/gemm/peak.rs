//! The machine's peak, for benchmarks to compare products with.

use super::kernels::kernels;
use super::simd::Simd;
use crate::scalar::{PerScalar, Scalar};
use crate::simd::InstructionSet;

/// Chains of multiply-adds: more than latency × throughput on any machine.
const ACCUMULATORS: usize = 12;

/// Floating-point operations in one iteration of [`fma_peak_loop`].
pub fn fma_peak_flops<T: Scalar>() -> usize {
    2 * ACCUMULATORS * kernels::<T>().map_or(T::select::<Lanes>(4, 2), |kernels| kernels.lanes)
}

/// The number of lanes for each number type.
struct Lanes;

impl PerScalar for Lanes {
    type Of<T: Scalar> = usize;
}

/// Runs `iterations` of independent multiply-adds in registers, with the instructions of
/// [`gemm`](crate::gemm::gemm) and enough chains to hide their latency: nothing that computes with
/// them can be faster. The result keeps the work from being optimised away.
pub fn fma_peak_loop<T: Scalar>(iterations: usize) -> T {
    // SAFETY: the processor can run the loop for its own instruction set.
    unsafe { peak::<T>()(iterations) }
}

/// The loop for each number type.
struct Loops;

impl PerScalar for Loops {
    type Of<T: Scalar> = unsafe fn(usize) -> T;
}

/// The loop for this processor's widest vectors.
fn peak<T: Scalar>() -> unsafe fn(usize) -> T {
    match InstructionSet::detected() {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        InstructionSet::Avx512 => T::select::<Loops>(
            with_avx512::<super::x86::avx512::F32x16>,
            with_avx512::<super::x86::avx512::F64x8>,
        ),
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        InstructionSet::Avx2 => T::select::<Loops>(
            with_avx2::<super::x86::avx2::F32x8>,
            with_avx2::<super::x86::avx2::F64x4>,
        ),
        _ => T::select::<Loops>(peak_loop::<[f32; 4]>, peak_loop::<[f64; 2]>),
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
unsafe fn with_avx512<V: Simd<Elem: Scalar>>(iterations: usize) -> V::Elem {
    // SAFETY: promised by the caller.
    unsafe { peak_loop::<V>(iterations) }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[target_feature(enable = "avx2,fma")]
unsafe fn with_avx2<V: Simd<Elem: Scalar>>(iterations: usize) -> V::Elem {
    // SAFETY: promised by the caller.
    unsafe { peak_loop::<V>(iterations) }
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
        assert_eq!(fma_peak_loop::<f32>(100), 2.0 * ACCUMULATORS as f32);
        assert_eq!(fma_peak_loop::<f64>(100), 2.0 * ACCUMULATORS as f64);
    }
}
