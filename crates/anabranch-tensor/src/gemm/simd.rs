//! Vectors: the few operations that the kernels are built from.
//!
//! One kernel source serves every instruction set and number type: it is generic over [`Simd`],
//! marked `#[inline(always)]`, and inlined into a function that enables the instruction set (see
//! `kernels.rs`). The implementation with plain arrays runs everywhere; those with intrinsics are
//! in `x86.rs`.

/// One vector register of numbers.
///
/// # Safety
/// All operations require a processor with the implementation's instruction set.
pub(super) trait Simd: Copy {
    /// The number type, whose default is 0.
    type Elem: Copy + Default + PartialEq;
    /// Numbers in a vector.
    const LANES: usize;

    /// All lanes 0.
    unsafe fn zero() -> Self;
    /// All lanes `x`.
    unsafe fn splat(x: Self::Elem) -> Self;
    /// `p[0..LANES]`.
    unsafe fn load(p: *const Self::Elem) -> Self;
    /// `p[0..len]`, then zeros; reads no more. 1 ≤ `len` ≤ `LANES`.
    unsafe fn load_first(p: *const Self::Elem, len: usize) -> Self;
    /// Writes `p[0..LANES]`.
    unsafe fn store(self, p: *mut Self::Elem);
    /// Writes `p[0..len]` and no more. 1 ≤ `len` ≤ `LANES`.
    unsafe fn store_first(self, p: *mut Self::Elem, len: usize);
    /// self + `other`.
    unsafe fn add(self, other: Self) -> Self;
    /// self · `factor` + `addend`.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// The larger of self and `other`; `other` if one of them is NaN.
    unsafe fn max(self, other: Self) -> Self;
    /// One bit per lane, from the lowest on: whether it is not 0. NaN is not 0.
    unsafe fn nonzero_bits(self) -> u32;
}

/// Vectors of `L` lanes; `L` of them make a square block.
pub(super) trait Transpose<const L: usize>: Simd {
    /// The rows of a square block whose columns are contiguous: `L` elements from each pointer.
    unsafe fn load_transposed(columns: [*const Self::Elem; L]) -> [Self; L];
}

/// a·b + c, fused where the compilation target has the instruction: elsewhere the fused form is a
/// slow library call.
macro_rules! multiply_add {
    ($a:expr, $b:expr, $c:expr) => {
        if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
            $a.mul_add($b, $c)
        } else {
            $a * $b + $c
        }
    };
}

/// Vectors as arrays of 16 bytes, a size that the compiler keeps in registers on every machine.
macro_rules! impl_simd_for_array {
    ($elem:ty, $lanes:literal) => {
        impl Simd for [$elem; $lanes] {
            type Elem = $elem;
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn zero() -> Self {
                [0.0; $lanes]
            }
            #[inline(always)]
            unsafe fn splat(x: $elem) -> Self {
                [x; $lanes]
            }
            #[inline(always)]
            unsafe fn load(p: *const $elem) -> Self {
                // SAFETY: the caller gives LANES readable elements.
                unsafe { p.cast::<Self>().read() }
            }
            #[inline(always)]
            unsafe fn load_first(p: *const $elem, len: usize) -> Self {
                let mut v = [0.0; $lanes];
                for i in 0..$lanes {
                    if i < len {
                        // SAFETY: the caller gives `len` readable elements.
                        v[i] = unsafe { *p.add(i) };
                    }
                }
                v
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $elem) {
                // SAFETY: the caller gives LANES writable elements.
                unsafe { p.cast::<Self>().write(self) }
            }
            #[inline(always)]
            unsafe fn store_first(self, p: *mut $elem, len: usize) {
                for i in 0..$lanes {
                    if i < len {
                        // SAFETY: the caller gives `len` writable elements.
                        unsafe { *p.add(i) = self[i] };
                    }
                }
            }
            #[inline(always)]
            unsafe fn add(mut self, other: Self) -> Self {
                for i in 0..$lanes {
                    self[i] += other[i];
                }
                self
            }
            #[inline(always)]
            unsafe fn max(mut self, other: Self) -> Self {
                for i in 0..$lanes {
                    self[i] = if self[i] > other[i] { self[i] } else { other[i] };
                }
                self
            }
            #[inline(always)]
            unsafe fn nonzero_bits(self) -> u32 {
                (0..$lanes).fold(0, |bits, i| bits | u32::from(self[i] != 0.0) << i)
            }
            #[inline(always)]
            unsafe fn mul_add(mut self, factor: Self, addend: Self) -> Self {
                for i in 0..$lanes {
                    self[i] = multiply_add!(self[i], factor[i], addend[i]);
                }
                self
            }
        }

        impl Transpose<$lanes> for [$elem; $lanes] {
            #[inline(always)]
            unsafe fn load_transposed(columns: [*const $elem; $lanes]) -> [Self; $lanes] {
                // SAFETY: the caller gives `lanes` readable elements of each column.
                std::array::from_fn(|i| columns.map(|column| unsafe { *column.add(i) }))
            }
        }
    };
}

impl_simd_for_array!(f32, 4);
impl_simd_for_array!(f64, 2);
