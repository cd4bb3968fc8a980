//! Replacing against adding.

use crate::scalar::Scalar;

/// Whether a result replaces what an array holds or is added to it, so that no gradient buffer is
/// ever zeroed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accum {
    /// Overwrite; what the array held before is not read.
    Replace,
    /// Add to what the array holds.
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
