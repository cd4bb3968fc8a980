//! The number type of a network: `f32` or `f64`.

use std::fmt::{Debug, Display};
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

/// A floating-point number that networks compute with: `f32` or `f64`.
///
/// The trait is sealed: code compiled for a processor's instructions exists for these two types
/// only.
pub trait Scalar:
    sealed::Sealed
    + Copy
    + Default
    + PartialOrd
    + Debug
    + Display
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// −∞, the neutral element of the maximum.
    const NEG_INFINITY: Self;
    /// `"f32"` or `"f64"`.
    const NAME: &'static str;

    /// The nearest number to `value`.
    fn from_f64(value: f64) -> Self;
    /// The number as `f64`, exact.
    fn to_f64(self) -> f64;
    /// eˣ by a polynomial without branches, so that loops over it vectorise; within 2 units in the
    /// last place, and the same bits on every machine. Underflows to 0, overflows to ∞.
    fn exp(self) -> Self;
    /// Natural logarithm, without branches like [`exp`](Self::exp), within 2 units in the last
    /// place and the same bits on every machine. −∞ at 0, NaN below.
    fn ln(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The error function 2/√π ∫₀ˣ e^(−t²) dt.
    fn erf(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// The larger of two numbers; if one is NaN, the other.
    fn max(self, other: Self) -> Self;
    /// The smaller of two numbers; if one is NaN, the other.
    fn min(self, other: Self) -> Self;
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;

    /// Selects the variant for this number type: one of two tables of kernels, say, or one of two
    /// non-generic functions, which their own crate compiles rather than the crate that calls them.
    fn select<P: PerScalar>(for_f32: P::Of<f32>, for_f64: P::Of<f64>) -> P::Of<Self>;
}

/// A family of types, one per number type, for [`Scalar::select`].
pub trait PerScalar {
    /// The type for `T`.
    type Of<T: Scalar>;
}

/// A function of a number type whose body is compiled in the crate that uses this macro, for both
/// types, and not in the crates that call the function.
///
/// ```
/// use anabranch_tensor::{Scalar, compiled_once};
///
/// compiled_once! {
///     fn norm<T>(x: &[T]) -> T {
///         x.iter().fold(T::ZERO, |sum, x| sum + *x * *x).sqrt()
///     }
/// }
/// assert_eq!(norm(&[3.0_f32, 4.0]), 5.0);
/// ```
#[macro_export]
macro_rules! compiled_once {
    ($(
        $(#[$attribute:meta])*
        fn $name:ident<$T:ident>($($arg:ident: $ty:ty),* $(,)?) $(-> $out:ty)? $body:block
    )*) => { $(
        $(#[$attribute])*
        fn $name<$T: $crate::Scalar>($($arg: $ty),*) $(-> $out)? {
            struct Family;
            impl $crate::PerScalar for Family {
                type Of<$T: $crate::Scalar> = fn($($ty),*) $(-> $out)?;
            }
            let for_f32: <Family as $crate::PerScalar>::Of<f32> = {
                type $T = f32;
                #[inline(never)]
                fn compiled($($arg: $ty),*) $(-> $out)? $body
                compiled
            };
            let for_f64: <Family as $crate::PerScalar>::Of<f64> = {
                type $T = f64;
                #[inline(never)]
                fn compiled($($arg: $ty),*) $(-> $out)? $body
                compiled
            };
            <$T as $crate::Scalar>::select::<Family>(for_f32, for_f64)($($arg),*)
        }
    )* };
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

macro_rules! impl_scalar {
    ($t:ident, select($f32:ident, $f64:ident) -> $selected:ident, $($function:ident: $path:path),*) => {
        impl Scalar for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NEG_INFINITY: Self = $t::NEG_INFINITY;
            const NAME: &'static str = stringify!($t);

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self.into()
            }
            $(#[inline(always)]
            fn $function(self) -> Self {
                $path(self)
            })*
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                $t::max(self, other)
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                $t::min(self, other)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $t::is_finite(self)
            }
            #[inline(always)]
            fn select<P: PerScalar>($f32: P::Of<f32>, $f64: P::Of<f64>) -> P::Of<Self> {
                $selected
            }
        }
    };
}

impl_scalar!(
    f32, select(table, _other) -> table,
    exp: crate::exp::exp_f32, ln: crate::ln::ln_f32, sqrt: f32::sqrt, abs: f32::abs,
    tanh: libm::tanhf, erf: libm::erff
);
impl_scalar!(
    f64, select(_other, table) -> table,
    exp: crate::exp::exp_f64, ln: crate::ln::ln_f64, sqrt: f64::sqrt, abs: f64::abs,
    tanh: libm::tanh, erf: libm::erf
);
