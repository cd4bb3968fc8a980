//! eˣ without branches or table look-ups, so that a loop over it compiles to vector instructions.
//!
//! Derivation: with n the integer nearest to x/ln 2 and r = x − n·ln 2 (so |r| ≤ ln 2/2), eˣ =
//! 2ⁿ·eʳ. The product n·ln 2 is subtracted in two parts, a high one whose product with n is exact
//! and the low rest. eʳ is a Taylor polynomial, cut where its remainder falls below half a unit in
//! the last place. 2ⁿ is written into the exponent bits, in two factors, so that results near the
//! overflow and underflow bounds come out right.
//!
//! Uses only +, −, × and bit operations, so the result does not depend on the machine's math
//! library.

/// eˣ in `f32`, within 2 units in the last place.
#[inline(always)]
pub(crate) fn exp_f32(x: f32) -> f32 {
    // 355/512: nine bits, so that n·LN2_HIGH is exact.
    const LN2_HIGH: f32 = 355.0 / 512.0;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and subtracting 1.5·2²³ rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    // Beyond these bounds the result is ∞ or 0; clamping keeps n inside the two exponent factors.
    let clamped = x.clamp(-104.0, 89.0);
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    let mut p = 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    let e_r = (p * r) * r + r + 1.0;
    // The integer is the difference of the low bits of `shifted` and ROUND. A cast, which
    // saturates, would keep the loop from vectorising.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = n >> 1;
    let two_to = |e: i32| f32::from_bits(((e + 127) << 23) as u32);
    e_r * two_to(half) * two_to(n - half)
}

/// eˣ in `f64`, within 2 units in the last place.
#[inline(always)]
pub(crate) fn exp_f64(x: f64) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    // Adding and subtracting 1.5·2⁵² rounds to the nearest integer.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    const TAYLOR: [f64; 12] = [
        1.0 / 6_227_020_800.0,
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
    ];
    let clamped = x.clamp(-746.0, 710.0);
    let shifted = clamped * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    let mut p = TAYLOR[0];
    for c in &TAYLOR[1..] {
        p = p * r + c;
    }
    let e_r = (p * r) * r + r + 1.0;
    // The integer is in the low bits of `shifted`: AVX2 lacks a 64-bit float-to-int conversion.
    let n = shifted.to_bits() as i32;
    let half = n >> 1;
    let two_to = |e: i32| f64::from_bits(((e + 1023) as u64) << 52);
    e_r * two_to(half) * two_to(n - half)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Error in units in the last place of `want`.
    fn ulps_f32(got: f32, want: f64) -> f64 {
        let want_f32 = want as f32;
        let ulp = f64::from(want_f32.next_up()) - f64::from(want_f32);
        (f64::from(got) - want).abs() / ulp
    }

    #[test]
    fn f32_is_within_two_ulps_of_the_f64_library() {
        let mut worst = 0.0f64;
        for i in -86_000..=88_000 {
            let x = i as f32 * 1e-3 + 1.3e-4;
            worst = worst.max(ulps_f32(exp_f32(x), f64::from(x).exp()));
        }
        assert!(worst <= 2.0, "worst error {worst} ulp");
    }

    #[test]
    fn f64_is_within_two_ulps_of_libm() {
        let mut worst = 0.0f64;
        for i in -70_000..=70_900 {
            let x = f64::from(i) * 1e-2 + 1.3e-4;
            let want = libm::exp(x);
            worst = worst.max((exp_f64(x) - want).abs() / (want.next_up() - want));
        }
        assert!(worst <= 2.0, "worst error {worst} ulp");
    }

    #[test]
    fn bounds_and_special_values() {
        assert_eq!(exp_f32(0.0), 1.0);
        assert_eq!(exp_f64(0.0), 1.0);
        assert_eq!(exp_f32(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp_f64(f64::NEG_INFINITY), 0.0);
        assert_eq!(exp_f32(-1e4), 0.0);
        assert_eq!(exp_f64(-1e4), 0.0);
        assert_eq!(exp_f32(1e4), f32::INFINITY);
        assert_eq!(exp_f64(1e4), f64::INFINITY);
        assert!(exp_f32(f32::NAN).is_nan() && exp_f64(f64::NAN).is_nan());
        // Underflow is gradual.
        assert!(exp_f32(-100.0) > 0.0 && exp_f64(-740.0) > 0.0);
    }
}
