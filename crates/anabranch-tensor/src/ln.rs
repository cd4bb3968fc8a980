//! The natural logarithm, without branches or tables.
//!
//! Derivation: x = 2ᵏ·(1 + f) with 1 + f in [√½, √2), so ln x = k·ln 2 + ln(1 + f). With s = f/(2 +
//! f) and z = s², ln(1 + f) = 2·artanh(s) = 2s + s·R, R = 2z/3 + 2z²/5 + 2z³/7 + …, cut where the
//! rest falls below half a unit in the last place (z < 0.0295). By the definition of s, 2s = f −
//! s·f and s·f = ½f² − s·½f², so that ln(1 + f) = f − ½f² + s·(½f² + R): the leading term f enters
//! without rounding. k·ln 2 is added in two parts, the high one exact.
//!
//! Uses only +, −, ×, ÷ and bit operations, so the result does not depend on the machine's math
//! library.

macro_rules! impl_ln {
    ($name:ident, $t:ty, $bits:ty, $signed:ty, $mantissa_bits:literal, $sqrt_half:expr, $ln2_high:expr,
     $ln2_low:expr, $terms:literal) => {
        /// ln x, within 2 units in the last place; −∞ at 0, NaN below.
        #[inline(always)]
        pub(crate) fn $name(x: $t) -> $t {
            const SQRT_HALF: $bits = $sqrt_half;
            const SUBNORMAL_SCALE: $t = (1u64 << ($mantissa_bits + 1)) as $t;
            let is_subnormal = x < <$t>::MIN_POSITIVE;
            let normal = if is_subnormal { x * SUBNORMAL_SCALE } else { x };
            let shift = if is_subnormal { $mantissa_bits + 1 } else { 0 };

            let offset = normal.to_bits().wrapping_sub(SQRT_HALF);
            let k = ((offset as $signed) >> $mantissa_bits) as i32 - shift;
            let fraction = offset & ((1 << $mantissa_bits) - 1);
            let f = <$t>::from_bits(fraction.wrapping_add(SQRT_HALF)) - 1.0;
            let s = f / (2.0 + f);
            let z = s * s;
            let mut r = 0.0;
            let mut n = $terms;
            while n > 0 {
                r = z * (r + 2.0 / (2 * n + 1) as $t);
                n -= 1;
            }
            let half_square = 0.5 * f * f;
            let k = k as $t;
            let ln = s * (half_square + r) + k * $ln2_low - half_square + f + k * $ln2_high;

            let ln = if x == <$t>::INFINITY { x } else { ln };
            let ln = if x == 0.0 { <$t>::NEG_INFINITY } else { ln };
            // False for NaN too.
            if x >= 0.0 { ln } else { <$t>::NAN }
        }
    };
}

// High parts of ln 2 with enough trailing zero bits that their product with k is exact.
impl_ln!(ln_f32, f32, u32, i32, 23, 0x3f35_04f3, 355.0 / 512.0, -2.121_944_4e-4, 4);
impl_ln!(
    ln_f64,
    f64,
    u64,
    i64,
    52,
    0x3fe6_a09e_667f_3bcd,
    6.931_471_803_691_238e-1,
    1.908_214_929_270_587_7e-10,
    10
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f32_is_within_two_ulps_of_the_f64_library() {
        let mut worst = 0.0f64;
        // Every exponent, including subnormals, and mantissas in between.
        for bits in (1..0x7f80_0000u32).step_by(9_973) {
            let x = f32::from_bits(bits);
            let want = libm::log(f64::from(x));
            let ulp = f64::from((want as f32).abs().next_up() - (want as f32).abs());
            worst = worst.max((f64::from(ln_f32(x)) - want).abs() / ulp);
        }
        assert!(worst <= 2.0, "worst error {worst} ulp");
    }

    #[test]
    fn f64_is_within_two_ulps_of_libm() {
        let mut worst = 0.0f64;
        for i in 0..200_000u64 {
            let x = f64::from_bits(1 + i * 46_110_000_000_000);
            let want = libm::log(x);
            worst = worst.max((ln_f64(x) - want).abs() / (want.abs().next_up() - want.abs()));
            let near_one = 0.5 + i as f64 * 1e-5;
            let want = libm::log(near_one);
            let error = (ln_f64(near_one) - want).abs() / (want.abs().next_up() - want.abs());
            worst = worst.max(error);
        }
        assert!(worst <= 2.0, "worst error {worst} ulp");
    }

    #[test]
    fn special_values() {
        assert_eq!((ln_f32(1.0), ln_f64(1.0)), (0.0, 0.0));
        assert_eq!((ln_f32(0.0), ln_f64(-0.0)), (f32::NEG_INFINITY, f64::NEG_INFINITY));
        assert_eq!((ln_f32(f32::INFINITY), ln_f64(f64::INFINITY)), (f32::INFINITY, f64::INFINITY));
        assert!(
            ln_f32(-1.0).is_nan()
                && ln_f64(f64::NEG_INFINITY).is_nan()
                && ln_f64(f64::NAN).is_nan()
        );
    }
}
