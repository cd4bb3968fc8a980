/// x·Wᵀ + b. A sum is rounded after each of its products, which are exact, in their order, as in
/// Anabranch: in another order, the last digits of large scores would be others. Eight sums take
/// turns, so that none waits for its own last term.
fn linear<const I: usize, const O: usize>(
    x: &[f32; I],
    w: &[[f32; I]; O],
    b: &[f32; O],
) -> [f32; O] {
    let mut y = [0.0; O];
    for (y, w) in y.chunks_mut(8).zip(w.chunks(8)) {
        for (i, x) in x.iter().enumerate() {
            for (y, w) in y.iter_mut().zip(w) {
                *y = (f64::from(*x) * f64::from(w[i]) + f64::from(*y)) as f32;
            }
        }
    }
    add(&y, b)
}

/// x plus right·Wᵀ.
fn project<const I: usize, const O: usize>(
    x: &[f32; O],
    right: &[f32; I],
    w: &[[f32; I]; O],
) -> [f32; O] {
    linear(right, w, x)
}

/// x + right.
fn add<const N: usize>(x: &[f32; N], right: &[f32; N]) -> [f32; N] {
    core::array::from_fn(|i| x[i] + right[i])
}

/// One number added to all of x.
fn broadcast<const N: usize>(x: &[f32; N], right: &[f32; 1]) -> [f32; N] {
    x.map(|x| x + right[0])
}

/// (x − mean)·scale + shift.
fn normalise<const N: usize>(
    x: &[f32; N],
    mean: &[f32; N],
    scale: &[f32; N],
    shift: &[f32; N],
) -> [f32; N] {
    core::array::from_fn(|i| (x[i] - mean[i]) * scale[i] + shift[i])
}

/// γ·(x − μ)/√(σ² + ε) + β with the mean μ and the variance σ² of x.
fn layer_norm<const N: usize>(
    x: &[f32; N],
    weight: &[f32; N],
    bias: &[f32; N],
    eps: f64,
) -> [f32; N] {
    let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / N as f64;
    let square = |x: &f32| (f64::from(*x) - mean) * (f64::from(*x) - mean);
    let deviation = sqrt(x.iter().map(square).sum::<f64>() / N as f64 + eps);
    core::array::from_fn(|i| ((f64::from(x[i]) - mean) / deviation) as f32 * weight[i] + bias[i])
}

/// max(0, x).
fn relu<const N: usize>(x: &[f32; N]) -> [f32; N] {
    x.map(|x| if x <= 0.0 { 0.0 } else { x })
}

/// x where it is positive, and elsewhere x times a slope.
fn prelu<const N: usize>(x: &[f32; N], slopes: &[f32; N]) -> [f32; N] {
    core::array::from_fn(|i| if x[i] > 0.0 { x[i] } else { slopes[i] * x[i] })
}

/// x·½(1 + erf(x/√2)).
fn gelu<const N: usize>(x: &[f32; N]) -> [f32; N] {
    x.map(|x| {
        let x = f64::from(x);
        (x * 0.5 * (1.0 + erf(x * core::f64::consts::FRAC_1_SQRT_2))) as f32
    })
}

/// x/(1 + e⁻ˣ).
fn silu<const N: usize>(x: &[f32; N]) -> [f32; N] {
    x.map(|x| (f64::from(x) / (1.0 + exp(-f64::from(x)))) as f32)
}

/// tanh x.
fn hyperbolic_tangent<const N: usize>(x: &[f32; N]) -> [f32; N] {
    x.map(|x| tanh(f64::from(x)) as f32)
}
