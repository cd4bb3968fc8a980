//! Overwriting or adding.

use crate::scalar::Scalar;

/// Whether a result overwrites an array or is added to it, so that no gradient buffer is ever
/// zeroed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accum {
    /// Overwrite; the old contents are not read.
    Replace,
    /// Add to the contents.
    Add,
}

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
