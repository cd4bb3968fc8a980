/// √x for x ≥ 0.
fn sqrt(x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    // Half of the exponent is within 6 % of the root, and each of Newton's steps squares the error.
    let mut root = f64::from_bits((x.to_bits() >> 1) + (1023 << 51));
    for _ in 0..4 {
        root = 0.5 * (root + x / root);
    }
    root
}

/// eˣ for |x| ≤ 700, and what is there for a larger |x|.
fn exp(x: f64) -> f64 {
    // x = k·ln 2 + r with |r| ≤ ½·ln 2, and ln 2 in two parts, of which k times the first is exact.
    let x = x.clamp(-700.0, 700.0);
    let k = (x * core::f64::consts::LOG2_E + 0.5f64.copysign(x)) as i64;
    let r = x - k as f64 * 6.931_471_803_691_238e-1 - k as f64 * 1.908_214_929_270_587_7e-10;
    // Fourteen terms of the series: the next is r¹⁵/15! < 1e-19.
    let mut sum = 1.0;
    for n in (1..=14).rev() {
        sum = 1.0 + r * sum / f64::from(n);
    }
    sum * f64::from_bits(((k + 1023) as u64) << 52)
}

/// ln x of a normal number above 0. With x = m·2^e and t = (m − 1)/(m + 1),
/// ln m = 2·(t + t³/3 + t⁵/5 …), |t| < 0.18.
fn ln(x: f64) -> f64 {
    let (bits, one) = (x.to_bits(), 0x3ff_u64 << 52);
    let (mut e, mut m) = ((bits >> 52) as f64 - 1023.0, f64::from_bits(bits << 12 >> 12 | one));
    if m > core::f64::consts::SQRT_2 {
        (e, m) = (e + 1.0, m / 2.0);
    }
    let t = (m - 1.0) / (m + 1.0);
    let series = (0..11).rev().fold(0.0, |sum, i| sum * t * t + 1.0 / (2 * i + 1) as f64);
    e * core::f64::consts::LN_2 + 2.0 * t * series
}

/// The hyperbolic tangent.
fn tanh(x: f64) -> f64 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

/// The error function: 2/√π·e^(−x²)·Σ 2ⁿ·x²ⁿ⁺¹/(1·3·…·(2n+1)), whose terms have one sign.
fn erf(x: f64) -> f64 {
    if !(x.abs() < 6.0) {
        return 1.0f64.copysign(x);
    }
    let (mut term, mut sum, mut n) = (x, x, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
        n += 1.0;
    }
    core::f64::consts::FRAC_2_SQRT_PI * exp(-x * x) * sum
}

/// Sine and cosine of an angle from 0 to 2π, by their series.
fn sin_cos(angle: f64) -> [f64; 2] {
    let x = if angle > core::f64::consts::PI { angle - core::f64::consts::TAU } else { angle };
    let (mut sin, mut cos) = (0.0, 0.0);
    // The terms xⁿ/n!: the last one is π³¹/31! < 1e-18.
    let mut term = 1.0;
    for n in 0..32_u8 {
        let signed = if n & 2 == 0 { term } else { -term };
        if n & 1 == 0 { cos += signed } else { sin += signed }
        term *= x / f64::from(n + 1);
    }
    [sin, cos]
}
