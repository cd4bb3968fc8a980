//! The vectors of AVX-512 and AVX2+FMA.

use std::arch::x86_64::*;

use super::simd::{Simd, Transpose};

/// A vector type with the operations that AVX-512 and AVX2 have in common; `first` names those on the first lanes.
macro_rules! vector {
    ($(#[$doc:meta])* $name:ident($register:ty): [$elem:ty; $lanes:literal],
     $zero:ident, $splat:ident, $load:ident, $store:ident, $add:ident, $fma:ident, $($first:tt)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(in crate::gemm) struct $name($register);

        // SAFETY: for every block in it: the instruction set and the memory are the caller's promise (see the trait).
        impl Simd for $name {
            type Elem = $elem;
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: see the head of the impl.
                unsafe { Self($zero()) }
            }
            #[inline(always)]
            unsafe fn splat(x: $elem) -> Self {
                // SAFETY: see the head of the impl.
                unsafe { Self($splat(x)) }
            }
            #[inline(always)]
            unsafe fn load(p: *const $elem) -> Self {
                // SAFETY: see the head of the impl.
                unsafe { Self($load(p)) }
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $elem) {
                // SAFETY: see the head of the impl.
                unsafe { $store(p, self.0) }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: see the head of the impl.
                unsafe { Self($add(self.0, other.0)) }
            }
            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
                // SAFETY: see the head of the impl.
                unsafe { Self($fma(self.0, factor.0, addend.0)) }
            }
            #[inline(always)]
            unsafe fn prefetch(p: *const $elem) {
                // SAFETY: a prefetch never faults.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
            }
            $($first)*
        }
    };
}

/// Loads and stores of the first lanes with AVX-512's mask registers.
macro_rules! avx512_first {
    ($elem:ty, $mask:ty, $load:ident, $store:ident) => {
        #[inline(always)]
        unsafe fn load_first(p: *const $elem, len: usize) -> Self {
            let mask = (u32::MAX >> (32 - len)) as $mask;
            // SAFETY: see the head of the impl; masked lanes are not touched.
            unsafe { Self($load(mask, p)) }
        }
        #[inline(always)]
        unsafe fn store_first(self, p: *mut $elem, len: usize) {
            let mask = (u32::MAX >> (32 - len)) as $mask;
            // SAFETY: see the head of the impl; masked lanes are not touched.
            unsafe { $store(p, mask, self.0) }
        }
    };
}

/// Loads and stores of the first lanes with AVX2's vector masks: `len` ones out of a table of ones, then zeros.
macro_rules! avx2_first {
    ($elem:ty, $load:ident, $store:ident) => {
        #[inline(always)]
        unsafe fn load_first(p: *const $elem, len: usize) -> Self {
            // SAFETY: see the head of the impl; masked lanes are not touched.
            unsafe { Self($load(p, Self::mask(len))) }
        }
        #[inline(always)]
        unsafe fn store_first(self, p: *mut $elem, len: usize) {
            // SAFETY: see the head of the impl; masked lanes are not touched.
            unsafe { $store(p, Self::mask(len), self.0) }
        }
    };
}

/// `swap_lanes` with AVX-512's permutation of two vectors.
macro_rules! avx512_transpose {
    ($name:ident, $index:ty, $lanes:literal, $permute:ident, $load_index:ident) => {
        impl $name {
            /// Lanes that `swap_lanes` takes for its first result: the number i means lane i of the first vector,
            /// LANES + i that of the second.
            const fn first(d: usize) -> [$index; $lanes] {
                let mut index = [0; $lanes];
                let mut i = 0;
                while i < $lanes {
                    index[i] = if i & d == 0 { i } else { $lanes + i - d } as $index;
                    i += 1;
                }
                index
            }
            /// The same for the second result.
            const fn second(d: usize) -> [$index; $lanes] {
                let mut index = [0; $lanes];
                let mut i = 0;
                while i < $lanes {
                    index[i] = if i & d == 0 { i + d } else { $lanes + i } as $index;
                    i += 1;
                }
                index
            }
        }
        impl Transpose for $name {
            #[inline(always)]
            unsafe fn swap_lanes<const D: usize>(self, other: Self) -> (Self, Self) {
                // SAFETY: the instruction set is the caller's promise.
                unsafe {
                    let first = $load_index(const { Self::first(D) }.as_ptr().cast());
                    let second = $load_index(const { Self::second(D) }.as_ptr().cast());
                    (
                        Self($permute(self.0, first, other.0)),
                        Self($permute(self.0, second, other.0)),
                    )
                }
            }
        }
    };
}

/// 512-bit vectors, and 256-bit ones with masks for narrow edges.
pub(super) mod avx512 {
    use super::*;

    vector!(
        /// 16 numbers.
        F32x16(__m512): [f32; 16],
        _mm512_setzero_ps, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_add_ps, _mm512_fmadd_ps,
        avx512_first!(f32, __mmask16, _mm512_maskz_loadu_ps, _mm512_mask_storeu_ps);
    );
    vector!(
        /// 8 numbers.
        F64x8(__m512d): [f64; 8],
        _mm512_setzero_pd, _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_add_pd, _mm512_fmadd_pd,
        avx512_first!(f64, __mmask8, _mm512_maskz_loadu_pd, _mm512_mask_storeu_pd);
    );
    vector!(
        /// Half a register of 16.
        F32x8(__m256): [f32; 8],
        _mm256_setzero_ps, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_add_ps, _mm256_fmadd_ps,
        avx512_first!(f32, __mmask8, _mm256_maskz_loadu_ps, _mm256_mask_storeu_ps);
    );
    vector!(
        /// Half a register of 8.
        F64x4(__m256d): [f64; 4],
        _mm256_setzero_pd, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_add_pd, _mm256_fmadd_pd,
        avx512_first!(f64, __mmask8, _mm256_maskz_loadu_pd, _mm256_mask_storeu_pd);
    );
    avx512_transpose!(F32x16, i32, 16, _mm512_permutex2var_ps, _mm512_loadu_si512);
    avx512_transpose!(F64x8, i64, 8, _mm512_permutex2var_pd, _mm512_loadu_si512);
}

/// 256-bit vectors.
pub(super) mod avx2 {
    use super::*;

    vector!(
        /// 8 numbers.
        F32x8(__m256): [f32; 8],
        _mm256_setzero_ps, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_add_ps, _mm256_fmadd_ps,
        avx2_first!(f32, _mm256_maskload_ps, _mm256_maskstore_ps);
    );
    vector!(
        /// 4 numbers.
        F64x4(__m256d): [f64; 4],
        _mm256_setzero_pd, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_add_pd, _mm256_fmadd_pd,
        avx2_first!(f64, _mm256_maskload_pd, _mm256_maskstore_pd);
    );

    impl F32x8 {
        #[inline(always)]
        unsafe fn mask(len: usize) -> __m256i {
            const ONES: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
            // SAFETY: 8 entries from 8 − len on lie inside the table.
            unsafe { _mm256_loadu_si256(ONES.as_ptr().add(8 - len).cast()) }
        }
    }
    impl F64x4 {
        #[inline(always)]
        unsafe fn mask(len: usize) -> __m256i {
            const ONES: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];
            // SAFETY: 4 entries from 4 − len on lie inside the table.
            unsafe { _mm256_loadu_si256(ONES.as_ptr().add(4 - len).cast()) }
        }
    }

    impl Transpose for F32x8 {
        #[inline(always)]
        unsafe fn swap_lanes<const D: usize>(self, other: Self) -> (Self, Self) {
            let (a, b) = (self.0, other.0);
            // SAFETY: the instruction set is the caller's promise.
            unsafe {
                match D {
                    1 => (
                        Self(_mm256_blend_ps::<0b1010_1010>(a, _mm256_moveldup_ps(b))),
                        Self(_mm256_blend_ps::<0b1010_1010>(_mm256_movehdup_ps(a), b)),
                    ),
                    2 => (
                        Self(_mm256_shuffle_ps::<0b01_00_01_00>(a, b)),
                        Self(_mm256_shuffle_ps::<0b11_10_11_10>(a, b)),
                    ),
                    _ => (
                        Self(_mm256_permute2f128_ps::<0x20>(a, b)),
                        Self(_mm256_permute2f128_ps::<0x31>(a, b)),
                    ),
                }
            }
        }
    }
    impl Transpose for F64x4 {
        #[inline(always)]
        unsafe fn swap_lanes<const D: usize>(self, other: Self) -> (Self, Self) {
            let (a, b) = (self.0, other.0);
            // SAFETY: the instruction set is the caller's promise.
            unsafe {
                match D {
                    1 => (Self(_mm256_unpacklo_pd(a, b)), Self(_mm256_unpackhi_pd(a, b))),
                    _ => (
                        Self(_mm256_permute2f128_pd::<0x20>(a, b)),
                        Self(_mm256_permute2f128_pd::<0x31>(a, b)),
                    ),
                }
            }
        }
    }
}
