//! A caller's buffer, as a slice.

use std::alloc::Layout;

/// Returns what a caller passed as a start and a count; none where there is no start, or where the count is more than memory
/// can hold (a negative number that was cast, most often).
///
/// # Safety
///
/// `start` is null, or has `count` readable items, which nobody writes to while the slice is in use.
pub(crate) unsafe fn slice<'a, T>(start: *const T, count: usize) -> Option<&'a [T]> {
    if count == 0 {
        return Some(&[]);
    }
    if start.is_null() || Layout::array::<T>(count).is_err() {
        return None;
    }
    // SAFETY: not null, and its size is one that memory can have; the rest is the caller's promise.
    Some(unsafe { std::slice::from_raw_parts(start, count) })
}
