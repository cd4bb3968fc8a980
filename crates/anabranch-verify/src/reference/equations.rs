//! The equations of layers that work on one element, and of losses that work on one row, for any
//! type of number.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use anabranch_layers::{Activation, LossKind};
use num_dual::DualNum;

/// f64, or a dual number.
pub(crate) trait Number: DualNum<Primitive = f64> + Copy {}

impl<T: DualNum<Primitive = f64> + Copy> Number for T {}

/// f(x). ReLU′(0) = 0.
pub(super) fn activation<T: Number>(f: Activation, x: T) -> T {
    match f {
        Activation::Relu if x.re() <= 0.0 => T::from(0.0),
        Activation::Relu | Activation::Identity => x,
        // x·Φ(x), the normal distribution's.
        Activation::Gelu => x * (erf(x * FRAC_1_SQRT_2) + 1.0) * 0.5,
        Activation::Silu => x * sigmoid(x),
        // tanh x = (1 − e^(−2x))/(1 + e^(−2x)); for |x| below 1 its series of sinh x / cosh x does
        // not cancel.
        Activation::Tanh if x.re().abs() < 1.0 => x.tanh(),
        Activation::Tanh => sigmoid(x * 2.0) * 2.0 - 1.0,
    }
}

/// 1/(1 + e^(−x)), in the form that does not overflow.
fn sigmoid<T: Number>(x: T) -> T {
    let small = (if x.re() < 0.0 { x } else { -x }).exp();
    let of_negative = small / (small + 1.0);
    if x.re() < 0.0 { of_negative } else { (small + 1.0).recip() }
}

/// erf x = 2/√π·e^(−x²)·Σ_n 2ⁿx^(2n+1)/(1·3·5·…·(2n+1)) (Abramowitz and Stegun, 7.1.6): all terms
/// have one sign.
fn erf<T: Number>(x: T) -> T {
    // Beyond 6, it is ±1 to the last bit, and its slope below 1e-15.
    if x.re().abs() > 6.0 {
        return T::from(x.re().signum());
    }
    let (mut term, mut sum) = (x, x);
    // Terms fall from n = x² on; 2·36 + 60 of them reach 1e-17 of the sum.
    for n in 1..132 {
        term = term * x * x * 2.0 / f64::from(2 * n + 1);
        sum += term;
    }
    sum * (-(x * x)).exp() * FRAC_2_SQRT_PI
}

/// The target of one row.
#[derive(Clone, Copy, Debug)]
pub(super) enum RowTarget<'a> {
    Values(&'a [f64]),
    Class(usize),
    Probabilities(&'a [f64]),
}

/// ℓ of one row. Where a loss has a corner, its slope there is 0.
///
/// # Panics
/// If the target is not of the loss's kind.
pub(super) fn row_loss<T: Number>(loss: &LossKind, prediction: &[T], target: RowTarget<'_>) -> T {
    let of_columns = |f: &dyn Fn(T, f64) -> T| match target {
        RowTarget::Values(y) => {
            prediction.iter().zip(y).fold(T::from(0.0), |sum, (p, y)| sum + f(*p, *y))
        }
        _ => panic!("{loss} compares numbers"),
    };
    match loss {
        LossKind::HalfSquaredError => of_columns(&|p, y| (p - y) * (p - y) * 0.5),
        LossKind::AbsoluteError => of_columns(&|p, y| absolute(p - y)),
        LossKind::Huber { delta } => of_columns(&|p, y| {
            let r = absolute(p - y);
            if r.re() <= *delta { r * r * 0.5 } else { (r - 0.5 * delta) * *delta }
        }),
        LossKind::Pinball { quantile } => of_columns(&|p, y| {
            let r = absolute(p - y);
            if p.re() < y { r * *quantile } else { r * (1.0 - quantile) }
        }),
        LossKind::BinaryCrossEntropy => of_columns(&|z, y| {
            // −y·log σ(z) − (1−y)·log(1 − σ(z)) = max(z, 0) − yz + log(1 + e^(−|z|)).
            let positive = activation(Activation::Relu, z);
            let away = if z.re() < 0.0 { z } else { -z };
            positive - z * y + away.exp().ln_1p()
        }),
        LossKind::CrossEntropy { label_smoothing: s, class_weights } => {
            let classes = prediction.len();
            let log_sum = log_sum_exp(prediction);
            (0..classes).fold(T::from(0.0), |sum, k| {
                let y = match target {
                    RowTarget::Class(class) => f64::from(u8::from(class == k)),
                    RowTarget::Probabilities(y) => y[k],
                    RowTarget::Values(_) => panic!("{loss} compares classes"),
                };
                let w = class_weights.get(k).copied().unwrap_or(1.0);
                let label = w * ((1.0 - s) * y + s / classes as f64);
                sum - (prediction[k] - log_sum) * label
            })
        }
    }
}

/// |r|, with the slope 0 at 0.
fn absolute<T: Number>(r: T) -> T {
    match r.re() {
        re if re > 0.0 => r,
        re if re < 0.0 => -r,
        // 0, or NaN.
        re => T::from(re),
    }
}

/// log Σ e^z; the largest score is subtracted first, so that nothing overflows.
fn log_sum_exp<T: Number>(z: &[T]) -> T {
    let largest = z.iter().fold(f64::NEG_INFINITY, |max, z| max.max(z.re()));
    z.iter().fold(T::from(0.0), |sum, z| sum + (*z - largest).exp()).ln() + largest
}

#[cfg(test)]
mod tests {
    use num_dual::Dual64;

    use super::*;

    /// Values and derivatives computed with 30 digits by mpmath.
    #[test]
    fn activations_and_their_derivatives() {
        for (f, x, value, derivative) in [
            (Activation::Relu, 1.5, 1.5, 1.0),
            (Activation::Relu, 0.0, 0.0, 0.0),
            (Activation::Gelu, 0.7, 0.530_625_443_443_848_9, 0.976_614_101_133_659_9),
            (Activation::Gelu, -1.3, -0.125_840_629_961_293_43, -0.125_978_685_076_539_23),
            (Activation::Silu, 0.7, 0.467_731_440_517_716_3, 0.823_386_783_473_342_4),
            (Activation::Silu, -1.3, -0.278_414_522_044_673_8, -0.004_622_854_252_336_912),
            (Activation::Tanh, 0.7, 0.604_367_777_117_163_5, 0.634_739_589_982_458_6),
            (Activation::Tanh, 40.0, 1.0, 0.0),
            (Activation::Gelu, -50.0, 0.0, 0.0),
            (Activation::Silu, -900.0, 0.0, 0.0),
        ] {
            let y = activation(f, Dual64::from_re(x).derivative());
            // A few units in the last place of numbers below 2.
            assert!((y.re - value).abs() < 2e-15, "{f:?}({x}) = {}", y.re);
            assert!((y.eps - derivative).abs() < 2e-15, "{f:?}'({x}) = {}", y.eps);
        }
    }
}
