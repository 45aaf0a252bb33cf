//! Lines of cache that are fetched before they are needed.

/// Asks for the line of cache that this address is in, to write there. Any address will do.
#[inline]
pub(crate) fn for_writing(place: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: PREFETCHW is a hint: it changes no register and no memory, and an address that is none is passed over. A processor that does
    // not know it, which has 64 bits, takes it for no operation.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) place, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// The same, to read there.
#[inline]
pub(crate) fn for_reading(place: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as above; every x86-64 processor has it.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(place.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
