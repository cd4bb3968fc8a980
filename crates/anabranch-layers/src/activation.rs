//! Activations: y = f(x) for each element.

use anabranch_tensor::parallel::Part;
use anabranch_tensor::{Scalar, flat, flat_mut, named};
use serde::{Deserialize, Serialize};

use crate::error::LayerError;
use crate::layer::{Infer, Layer, RowWise, Training, compiled_here};
use crate::row_wise::{Backward, Dx};
use crate::shape::{Output, Pointwise, Shape, one_input};

/// An element-wise function.
///
/// # Shapes
/// x and y `[rows, inputs]`.
///
/// # Derivation
/// Each y_i depends on x_i alone, so the Jacobian is diagonal and dx = dy⊙f′(x).
///
/// | | f(x) | f′(x) |
/// |---|---|---|
/// | ReLU | max(0, x) | 1 for x > 0, else 0 (at 0 by convention, as in PyTorch) |
/// | GELU | x·Φ(x) | Φ(x) + x·φ(x) |
/// | SiLU | x·σ(x) | σ(x)·(1 + x·(1 − σ(x))) |
/// | tanh | tanh x | 1 − y² |
/// | identity | x | 1 |
///
/// with Φ(x) = ½(1 + erf(x/√2)) and φ(x) = e^(−x²/2)/√(2π), the normal distribution, and σ(x) =
/// 1/(1 + e^(−x)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(0, x).
    Relu,
    /// x·Φ(x), the exact form with the error function.
    Gelu,
    /// x·σ(x), also called swish.
    Silu,
    /// tanh x.
    Tanh,
    /// x.
    Identity,
}

/// σ(x) = 1/(1 + e^(−x)).
#[inline(always)]
fn sigmoid<T: Scalar>(x: T) -> T {
    T::ONE / (T::ONE + T::exp(-x))
}

/// Φ(x), the standard normal distribution function.
#[inline(always)]
fn normal_cdf<T: Scalar>(x: T) -> T {
    T::from_f64(0.5) * (T::ONE + T::erf(x * T::from_f64(std::f64::consts::FRAC_1_SQRT_2)))
}

/// φ(x), the standard normal density.
#[inline(always)]
fn normal_density<T: Scalar>(x: T) -> T {
    let scale =
        T::from_f64(0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2);
    scale * T::exp(T::from_f64(-0.5) * x * x)
}

named!(Activation, "activation", LayerError);

impl Activation {
    /// Every activation.
    pub const ALL: [Self; 5] = [Self::Relu, Self::Gelu, Self::Silu, Self::Tanh, Self::Identity];

    /// f(x).
    #[inline(always)]
    pub fn value<T: Scalar>(self, x: T) -> T {
        match self {
            // Written so that NaN stays NaN.
            Self::Relu => {
                if x <= T::ZERO {
                    T::ZERO
                } else {
                    x
                }
            }
            Self::Gelu => x * normal_cdf(x),
            Self::Silu => x * sigmoid(x),
            Self::Tanh => T::tanh(x),
            Self::Identity => x,
        }
    }

    /// f′(x), where y = f(x).
    #[inline(always)]
    pub fn derivative<T: Scalar>(self, x: T, y: T) -> T {
        match self {
            Self::Relu => {
                if x > T::ZERO {
                    T::ONE
                } else {
                    T::ZERO
                }
            }
            Self::Gelu => normal_cdf(x) + x * normal_density(x),
            Self::Silu => {
                let s = sigmoid(x);
                s * (T::ONE + x * (T::ONE - s))
            }
            Self::Tanh => T::ONE - y * y,
            Self::Identity => T::ONE,
        }
    }

    /// The name in configurations: `relu`, `gelu`, `silu`, `tanh` or `identity`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Gelu => "gelu",
            Self::Silu => "silu",
            Self::Tanh => "tanh",
            Self::Identity => "identity",
        }
    }
}

impl<T: Scalar> Layer<T> for Activation {
    compiled_here!(Activation);

    fn shape(&self, inputs: &[usize]) -> Result<Shape, LayerError> {
        let output = if *self == Self::Tanh { Output::Kept } else { Output::Free };
        let pointwise = (*self == Self::Relu).then_some(Pointwise::Relu);
        Ok(Shape { output, pointwise, ..Shape::new(one_input(self.name(), inputs)?) })
    }

    fn infer(&self, cx: Infer<'_, T>) {
        let (dim, x) = (cx.x.dim(), flat(cx.x));
        cx.exec.for_each_span(
            dim,
            [Part::Rows(flat_mut(cx.y), dim.1)],
            #[inline(always)]
            |span, [y]| {
                for (y, x) in y.iter_mut().zip(&x[span]) {
                    *y = self.value(*x);
                }
            },
        );
    }

    fn training(&self) -> Training<'_, T> {
        Training::RowWise(self)
    }

    fn describe(&self) -> String {
        self.name().into()
    }
}

impl<T: Scalar> RowWise<T> for Activation {
    fn backward(&self, cx: Backward<'_, T>) {
        let Some(Dx { values: dx, accum }) = cx.dx else { return };
        let (dim, x, y, dy) = (cx.x.dim(), flat(cx.x), flat(cx.y), flat(cx.dy.view()));
        cx.exec.for_each_span(
            dim,
            [Part::Rows(flat_mut(dx), dim.1)],
            #[inline(always)]
            |span, [dx]| {
                let (x, y, dy) = (&x[span.clone()], &y[span.clone()], &dy[span]);
                for (((dx, dy), x), y) in dx.iter_mut().zip(dy).zip(x).zip(y) {
                    *dx = accum.combine(*dx, *dy * self.derivative(*x, *y));
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values and derivatives computed with 30 digits by mpmath.
    #[test]
    fn values_and_derivatives() {
        let cases = [
            (Activation::Relu, 1.5, 1.5, 1.0),
            (Activation::Relu, -1.5, 0.0, 0.0),
            (Activation::Relu, 0.0, 0.0, 0.0),
            (Activation::Gelu, 0.7, 0.530_625_443_443_848_9, 0.976_614_101_133_659_9),
            (Activation::Gelu, -1.3, -0.125_840_629_961_293_43, -0.125_978_685_076_539_23),
            (Activation::Silu, 0.7, 0.467_731_440_517_716_3, 0.823_386_783_473_342_4),
            (Activation::Silu, -1.3, -0.278_414_522_044_673_8, -0.004_622_854_252_336_912),
            (Activation::Tanh, 0.7, 0.604_367_777_117_163_5, 0.634_739_589_982_458_6),
            (Activation::Identity, -1.3, -1.3, 1.0),
        ];
        for (f, x, value, derivative) in cases {
            let y = f.value::<f64>(x);
            // A few units in the last place of numbers below 2.
            assert!((y - value).abs() < 2e-15, "{f:?}({x}) = {y}");
            let d = f.derivative(x, y);
            assert!((d - derivative).abs() < 2e-15, "{f:?}'({x}) = {d}");
        }
    }

    #[test]
    fn relu_keeps_nan() {
        assert!(Activation::Relu.value(f32::NAN).is_nan());
    }
}
