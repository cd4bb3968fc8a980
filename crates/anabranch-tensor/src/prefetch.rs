//! Prefetching of cache lines.

use crate::buffer::CACHE_LINE;

/// Prefetches the memory of `slice`, which is read soon.
#[inline]
pub(crate) fn prefetch_slice<T>(slice: &[T]) {
    let start = slice.as_ptr().cast::<u8>();
    for offset in (0..size_of_val(slice)).step_by(CACHE_LINE) {
        prefetch(start.wrapping_add(offset));
    }
    // The slice may straddle one more line.
    prefetch(start.wrapping_add(size_of_val(slice)).wrapping_sub(1));
}

/// Prefetches the cache line of `p`, which need not be valid.
#[inline(always)]
pub(crate) fn prefetch<T>(p: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch never faults, and every x86-64 processor has it.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(p.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = p;
}

/// Prefetches the cache line of `p`, which need not be valid, for writing: other cores give it up.
#[inline(always)]
pub(crate) fn prefetch_to_write<T>(p: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch never faults; x86-64 processors that lack this one do nothing. The
    // intrinsic would be an ordinary prefetch if the compilation target is not known to have this
    // one.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) p, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = p;
}
