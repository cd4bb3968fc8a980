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

    // Transposed in two steps: the square blocks inside 128-bit lanes, then the 4×4 lanes of vectors that hold the
    // same columns of their blocks.
    impl Transpose<16> for F32x16 {
        #[inline(always)]
        unsafe fn transpose(v: [Self; 16]) -> [Self; 16] {
            let mut v = v.map(|row| row.0);
            // SAFETY: the instruction set is the caller's promise.
            unsafe {
                for i in [0, 4, 8, 12] {
                    let (a, b) =
                        (_mm512_unpacklo_ps(v[i], v[i + 1]), _mm512_unpackhi_ps(v[i], v[i + 1]));
                    let (c, d) = (
                        _mm512_unpacklo_ps(v[i + 2], v[i + 3]),
                        _mm512_unpackhi_ps(v[i + 2], v[i + 3]),
                    );
                    let [a, b, c, d] = [a, b, c, d].map(|x| _mm512_castps_pd(x));
                    v[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
                    v[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
                    v[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
                    v[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
                }
                for i in 0..4 {
                    let (a, b) = (v[i], v[i + 4]);
                    let (c, d) = (v[i + 8], v[i + 12]);
                    let (a, b) =
                        (_mm512_shuffle_f32x4::<EVEN>(a, b), _mm512_shuffle_f32x4::<ODD>(a, b));
                    let (c, d) =
                        (_mm512_shuffle_f32x4::<EVEN>(c, d), _mm512_shuffle_f32x4::<ODD>(c, d));
                    v[i] = _mm512_shuffle_f32x4::<EVEN>(a, c);
                    v[i + 4] = _mm512_shuffle_f32x4::<EVEN>(b, d);
                    v[i + 8] = _mm512_shuffle_f32x4::<ODD>(a, c);
                    v[i + 12] = _mm512_shuffle_f32x4::<ODD>(b, d);
                }
            }
            v.map(Self)
        }
    }
    impl Transpose<8> for F64x8 {
        #[inline(always)]
        unsafe fn transpose(v: [Self; 8]) -> [Self; 8] {
            let mut v = v.map(|row| row.0);
            // SAFETY: the instruction set is the caller's promise.
            unsafe {
                for i in [0, 2, 4, 6] {
                    let (a, b) = (v[i], v[i + 1]);
                    v[i] = _mm512_unpacklo_pd(a, b);
                    v[i + 1] = _mm512_unpackhi_pd(a, b);
                }
                for i in 0..2 {
                    let (a, b) = (v[i], v[i + 2]);
                    let (c, d) = (v[i + 4], v[i + 6]);
                    let (a, b) =
                        (_mm512_shuffle_f64x2::<EVEN>(a, b), _mm512_shuffle_f64x2::<ODD>(a, b));
                    let (c, d) =
                        (_mm512_shuffle_f64x2::<EVEN>(c, d), _mm512_shuffle_f64x2::<ODD>(c, d));
                    v[i] = _mm512_shuffle_f64x2::<EVEN>(a, c);
                    v[i + 2] = _mm512_shuffle_f64x2::<EVEN>(b, d);
                    v[i + 4] = _mm512_shuffle_f64x2::<ODD>(a, c);
                    v[i + 6] = _mm512_shuffle_f64x2::<ODD>(b, d);
                }
            }
            v.map(Self)
        }
    }

    /// The even 128-bit lanes of two vectors, and the odd ones.
    const EVEN: i32 = 0b10_00_10_00;
    const ODD: i32 = 0b11_01_11_01;
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

    // As with AVX-512, with 2×2 lanes.
    impl Transpose<8> for F32x8 {
        #[inline(always)]
        unsafe fn transpose(v: [Self; 8]) -> [Self; 8] {
            let mut v = v.map(|row| row.0);
            // SAFETY: the instruction set is the caller's promise.
            unsafe {
                for i in [0, 4] {
                    let (a, b) =
                        (_mm256_unpacklo_ps(v[i], v[i + 1]), _mm256_unpackhi_ps(v[i], v[i + 1]));
                    let (c, d) = (
                        _mm256_unpacklo_ps(v[i + 2], v[i + 3]),
                        _mm256_unpackhi_ps(v[i + 2], v[i + 3]),
                    );
                    let [a, b, c, d] = [a, b, c, d].map(|x| _mm256_castps_pd(x));
                    v[i] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, c));
                    v[i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, c));
                    v[i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(b, d));
                    v[i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(b, d));
                }
                for i in 0..4 {
                    let (a, b) = (v[i], v[i + 4]);
                    v[i] = _mm256_permute2f128_ps::<LOW>(a, b);
                    v[i + 4] = _mm256_permute2f128_ps::<HIGH>(a, b);
                }
            }
            v.map(Self)
        }
    }
    impl Transpose<4> for F64x4 {
        #[inline(always)]
        unsafe fn transpose(v: [Self; 4]) -> [Self; 4] {
            let mut v = v.map(|row| row.0);
            // SAFETY: the instruction set is the caller's promise.
            unsafe {
                for i in [0, 2] {
                    let (a, b) = (v[i], v[i + 1]);
                    v[i] = _mm256_unpacklo_pd(a, b);
                    v[i + 1] = _mm256_unpackhi_pd(a, b);
                }
                for i in 0..2 {
                    let (a, b) = (v[i], v[i + 2]);
                    v[i] = _mm256_permute2f128_pd::<LOW>(a, b);
                    v[i + 2] = _mm256_permute2f128_pd::<HIGH>(a, b);
                }
            }
            v.map(Self)
        }
    }

    /// The low 128-bit lanes of two vectors, and the high ones.
    const LOW: i32 = 0x20;
    const HIGH: i32 = 0x31;
}
