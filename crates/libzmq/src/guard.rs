//! The border: a panic on our side becomes an error on C's.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::errno::{EFAULT, set_errno};

/// What a C function returns when it fails.
pub(crate) trait Failure {
    /// The value that says "see `errno`".
    const FAILED: Self;
}

impl Failure for i32 {
    const FAILED: Self = -1;
}

impl Failure for i64 {
    const FAILED: Self = -1;
}

impl<T> Failure for *mut T {
    const FAILED: Self = std::ptr::null_mut();
}

impl<T> Failure for *const T {
    const FAILED: Self = std::ptr::null();
}

impl Failure for usize {
    const FAILED: Self = 0;
}

impl Failure for u64 {
    const FAILED: Self = 0;
}

impl Failure for u32 {
    const FAILED: Self = 0;
}

impl Failure for () {
    const FAILED: Self = ();
}

/// Runs the body of an exported function; an error sets `errno`, a panic counts as `EFAULT`.
#[inline]
pub(crate) fn guarded<T: Failure>(body: impl FnOnce() -> Result<T, i32>) -> T {
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or(Err(EFAULT));
    crate::release::run_pending();
    outcome.unwrap_or_else(|error| {
        set_errno(error);
        T::FAILED
    })
}
