//! Asks for memory before it is needed, so that many walks wait for it at the same time.
#![allow(unsafe_code, reason = "the instruction takes a pointer; it never reads through it")]

/// Asks for the cache line of `slice[index]`; any index will do. Does nothing where the processor is
/// told otherwise.
#[inline]
pub(super) fn prefetch<T>(slice: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        let place = slice.as_ptr().wrapping_add(index);
        // SAFETY: a prefetch of an address that is not mapped has no effect.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (slice, index);
}
