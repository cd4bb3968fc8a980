//! The vectors of AVX-512 and AVX2+FMA.

use std::arch::x86_64::*;

use super::simd::{Simd, Transpose};

/// A vector type with the operations that AVX-512 and AVX2 have in common; `first` names those on
/// the first lanes.
macro_rules! vector {
    ($(#[$doc:meta])* $name:ident($register:ty): [$elem:ty; $lanes:literal],
     $zero:ident, $splat:ident, $load:ident, $store:ident, $add:ident, $max:ident, $fma:ident, $($first:tt)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(in crate::gemm) struct $name($register);

        // SAFETY: for every block in it: the instruction set and the memory are the caller's
        // promise (see the trait).
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
            unsafe fn max(self, other: Self) -> Self {
                // SAFETY: see the head of the impl.
                unsafe { Self($max(self.0, other.0)) }
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

/// Loads and stores of the first lanes, and comparisons, with AVX-512's mask registers.
macro_rules! avx512_first {
    ($elem:ty, $mask:ty, $load:ident, $store:ident, $compare:ident) => {
        #[inline(always)]
        unsafe fn nonzero_bits(self) -> u32 {
            // SAFETY: see the head of the impl.
            unsafe { u32::from($compare::<_CMP_NEQ_UQ>(self.0, Self::zero().0)) }
        }
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

/// Loads and stores of the first lanes with AVX2's vector masks: `len` ones out of a table of ones,
/// then zeros.
macro_rules! avx2_first {
    ($elem:ty, $load:ident, $store:ident, $compare:ident, $bits:ident) => {
        #[inline(always)]
        unsafe fn nonzero_bits(self) -> u32 {
            // SAFETY: see the head of the impl.
            unsafe { $bits($compare::<_CMP_NEQ_UQ>(self.0, Self::zero().0)) as u32 }
        }
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
        _mm512_setzero_ps, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_add_ps, _mm512_max_ps, _mm512_fmadd_ps,
        avx512_first!(f32, __mmask16, _mm512_maskz_loadu_ps, _mm512_mask_storeu_ps, _mm512_cmp_ps_mask);
    );
    vector!(
        /// 8 numbers.
        F64x8(__m512d): [f64; 8],
        _mm512_setzero_pd, _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_add_pd, _mm512_max_pd, _mm512_fmadd_pd,
        avx512_first!(f64, __mmask8, _mm512_maskz_loadu_pd, _mm512_mask_storeu_pd, _mm512_cmp_pd_mask);
    );
    vector!(
        /// Half a register of 16.
        F32x8(__m256): [f32; 8],
        _mm256_setzero_ps, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_add_ps, _mm256_max_ps, _mm256_fmadd_ps,
        avx512_first!(f32, __mmask8, _mm256_maskz_loadu_ps, _mm256_mask_storeu_ps, _mm256_cmp_ps_mask);
    );
    vector!(
        /// Half a register of 8.
        F64x4(__m256d): [f64; 4],
        _mm256_setzero_pd, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_add_pd, _mm256_max_pd, _mm256_fmadd_pd,
        avx512_first!(f64, __mmask8, _mm256_maskz_loadu_pd, _mm256_mask_storeu_pd, _mm256_cmp_pd_mask);
    );

    // Loading does the first half of the work: the 128-bit lanes of a vector come from columns 4
    // apart (2 apart in f64). The square blocks that remain lie inside the lanes.
    impl Transpose<16> for F32x16 {
        #[inline(always)]
        unsafe fn load_transposed(columns: [*const f32; 16]) -> [Self; 16] {
            // SAFETY: the instruction set is the caller's promise.
            let mut rows = [unsafe { Self::zero() }; 16];
            for q in 0..4 {
                // SAFETY: the instruction set and 16 readable elements of each column are the
                // caller's promise.
                let v: [__m512; 4] = std::array::from_fn(|i| unsafe {
                    let lane = |n: usize| _mm_loadu_ps(columns[4 * n + i].add(4 * q));
                    let v = _mm512_castps128_ps512(lane(0));
                    let v = _mm512_insertf32x4::<1>(v, lane(1));
                    let v = _mm512_insertf32x4::<2>(v, lane(2));
                    _mm512_insertf32x4::<3>(v, lane(3))
                });
                // SAFETY: the instruction set is the caller's promise.
                unsafe {
                    let (a, b) = (_mm512_unpacklo_ps(v[0], v[1]), _mm512_unpackhi_ps(v[0], v[1]));
                    let (c, d) = (_mm512_unpacklo_ps(v[2], v[3]), _mm512_unpackhi_ps(v[2], v[3]));
                    let [a, b, c, d] = [a, b, c, d].map(|x| _mm512_castps_pd(x));
                    rows[4 * q] = Self(_mm512_castpd_ps(_mm512_unpacklo_pd(a, c)));
                    rows[4 * q + 1] = Self(_mm512_castpd_ps(_mm512_unpackhi_pd(a, c)));
                    rows[4 * q + 2] = Self(_mm512_castpd_ps(_mm512_unpacklo_pd(b, d)));
                    rows[4 * q + 3] = Self(_mm512_castpd_ps(_mm512_unpackhi_pd(b, d)));
                }
            }
            rows
        }
    }
    impl Transpose<8> for F64x8 {
        #[inline(always)]
        unsafe fn load_transposed(columns: [*const f64; 8]) -> [Self; 8] {
            // SAFETY: the instruction set is the caller's promise.
            let mut rows = [unsafe { Self::zero() }; 8];
            for q in 0..4 {
                // SAFETY: the instruction set and 8 readable elements of each column are the
                // caller's promise.
                let v: [__m512d; 2] = std::array::from_fn(|i| unsafe {
                    let lane = |n: usize| _mm_loadu_pd(columns[2 * n + i].add(2 * q));
                    let v = _mm512_castpd128_pd512(lane(0));
                    let v = _mm512_insertf64x2::<1>(v, lane(1));
                    let v = _mm512_insertf64x2::<2>(v, lane(2));
                    _mm512_insertf64x2::<3>(v, lane(3))
                });
                // SAFETY: the instruction set is the caller's promise.
                unsafe {
                    rows[2 * q] = Self(_mm512_unpacklo_pd(v[0], v[1]));
                    rows[2 * q + 1] = Self(_mm512_unpackhi_pd(v[0], v[1]));
                }
            }
            rows
        }
    }
}

/// 256-bit vectors.
pub(super) mod avx2 {
    use super::*;

    vector!(
        /// 8 numbers.
        F32x8(__m256): [f32; 8],
        _mm256_setzero_ps, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_add_ps, _mm256_max_ps, _mm256_fmadd_ps,
        avx2_first!(f32, _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_cmp_ps, _mm256_movemask_ps);
    );
    vector!(
        /// 4 numbers.
        F64x4(__m256d): [f64; 4],
        _mm256_setzero_pd, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_add_pd, _mm256_max_pd, _mm256_fmadd_pd,
        avx2_first!(f64, _mm256_maskload_pd, _mm256_maskstore_pd, _mm256_cmp_pd, _mm256_movemask_pd);
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

    // As with AVX-512, with two lanes.
    impl Transpose<8> for F32x8 {
        #[inline(always)]
        unsafe fn load_transposed(columns: [*const f32; 8]) -> [Self; 8] {
            // SAFETY: the instruction set is the caller's promise.
            let mut rows = [unsafe { Self::zero() }; 8];
            for q in 0..2 {
                // SAFETY: the instruction set and 8 readable elements of each column are the
                // caller's promise.
                let v: [__m256; 4] = std::array::from_fn(|i| unsafe {
                    let lane = |n: usize| _mm_loadu_ps(columns[4 * n + i].add(4 * q));
                    _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(lane(0)), lane(1))
                });
                // SAFETY: the instruction set is the caller's promise.
                unsafe {
                    let (a, b) = (_mm256_unpacklo_ps(v[0], v[1]), _mm256_unpackhi_ps(v[0], v[1]));
                    let (c, d) = (_mm256_unpacklo_ps(v[2], v[3]), _mm256_unpackhi_ps(v[2], v[3]));
                    let [a, b, c, d] = [a, b, c, d].map(|x| _mm256_castps_pd(x));
                    rows[4 * q] = Self(_mm256_castpd_ps(_mm256_unpacklo_pd(a, c)));
                    rows[4 * q + 1] = Self(_mm256_castpd_ps(_mm256_unpackhi_pd(a, c)));
                    rows[4 * q + 2] = Self(_mm256_castpd_ps(_mm256_unpacklo_pd(b, d)));
                    rows[4 * q + 3] = Self(_mm256_castpd_ps(_mm256_unpackhi_pd(b, d)));
                }
            }
            rows
        }
    }
    impl Transpose<4> for F64x4 {
        #[inline(always)]
        unsafe fn load_transposed(columns: [*const f64; 4]) -> [Self; 4] {
            // SAFETY: the instruction set is the caller's promise.
            let mut rows = [unsafe { Self::zero() }; 4];
            for q in 0..2 {
                // SAFETY: the instruction set and 4 readable elements of each column are the
                // caller's promise.
                let v: [__m256d; 2] = std::array::from_fn(|i| unsafe {
                    let lane = |n: usize| _mm_loadu_pd(columns[2 * n + i].add(2 * q));
                    _mm256_insertf128_pd::<1>(_mm256_castpd128_pd256(lane(0)), lane(1))
                });
                // SAFETY: the instruction set is the caller's promise.
                unsafe {
                    rows[2 * q] = Self(_mm256_unpacklo_pd(v[0], v[1]));
                    rows[2 * q + 1] = Self(_mm256_unpackhi_pd(v[0], v[1]));
                }
            }
            rows
        }
    }
}
