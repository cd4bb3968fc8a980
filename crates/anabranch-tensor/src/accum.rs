//! Replacing against adding.

use crate::gemm::Accum;
use crate::scalar::Scalar;

impl Accum {
    /// `new`, or `old + new`.
    #[inline(always)]
    pub fn combine<T: Scalar>(self, old: T, new: T) -> T {
        match self {
            Self::Replace => new,
            Self::Add => old + new,
        }
    }
}
