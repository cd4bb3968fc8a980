//! The machine's vector instructions, and plain loops compiled for each set of them.

use std::sync::atomic::{AtomicU8, Ordering};

/// Sets of vector instructions, from the narrowest to the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstructionSet {
    /// The baseline of the compilation target.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
}

impl InstructionSet {
    /// The widest set that this machine has; detected once.
    #[inline]
    pub fn detected() -> Self {
        // 0: not detected yet. Racing threads find the same answer.
        static DETECTED: AtomicU8 = AtomicU8::new(0);
        match DETECTED.load(Ordering::Relaxed) {
            1 => Self::Portable,
            2 => Self::Avx2,
            3 => Self::Avx512,
            _ => {
                let found = detect();
                DETECTED.store(found as u8 + 1, Ordering::Relaxed);
                found
            }
        }
    }

    /// `"portable"`, `"avx2"` or `"avx512"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
fn detect() -> InstructionSet {
    use std::arch::is_x86_feature_detected as has;
    let avx2 = has!("avx2") && has!("fma");
    let avx512 = has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl");
    match (avx2, avx512) {
        (true, true) => InstructionSet::Avx512,
        (true, false) => InstructionSet::Avx2,
        _ => InstructionSet::Portable,
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
fn detect() -> InstructionSet {
    InstructionSet::Portable
}

/// Runs `f`, compiled for the widest vector instructions of the machine: its loops vectorise
/// without intrinsics.
///
/// The instructions affect speed only, neither the order of operations nor their rounding, since
/// multiplications and additions are never contracted.
#[inline(always)]
pub(crate) fn vectorized<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    match InstructionSet::detected() {
        // SAFETY: the machine has these instructions, as just detected.
        InstructionSet::Avx512 => return unsafe { with_avx512(f) },
        // SAFETY: as above.
        InstructionSet::Avx2 => return unsafe { with_avx2(f) },
        InstructionSet::Portable => {}
    }
    f()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn with_avx512<R>(f: impl FnOnce() -> R) -> R {
    f()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2<R>(f: impl FnOnce() -> R) -> R {
    f()
}
