//! `zmq_atomic_counter_…`: a number that several threads count with.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicI32, Ordering};

use crate::guard::guarded;
use crate::registry::Registry;

static COUNTERS: Registry<AtomicI32> = Registry::new(0x7A63_6E74);

/// Calls `work` with the counter; what is no counter counts as one that stays 0.
///
/// # Safety
///
/// `handle` is null or a handle of ours.
unsafe fn with(handle: *mut c_void, work: impl FnOnce(&AtomicI32) -> c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { COUNTERS.get(handle) }.map_or(0, work)
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_atomic_counter_new() -> *mut c_void {
    guarded(|| Ok(COUNTERS.insert(AtomicI32::new(0))))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_set(counter: *mut c_void, value: c_int) {
    // SAFETY: the caller's handle.
    unsafe {
        with(counter, |counter| {
            counter.store(value, Ordering::SeqCst);
            0
        })
    };
}

/// Adds one; returns the value before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_inc(counter: *mut c_void) -> c_int {
    // SAFETY: the caller's handle.
    unsafe { with(counter, |counter| counter.fetch_add(1, Ordering::SeqCst)) }
}

/// Takes one away; returns 0 when that makes the counter zero, else 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_dec(counter: *mut c_void) -> c_int {
    // SAFETY: the caller's handle.
    unsafe { with(counter, |counter| c_int::from(counter.fetch_sub(1, Ordering::SeqCst) != 1)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_value(counter: *mut c_void) -> c_int {
    // SAFETY: the caller's handle.
    unsafe { with(counter, |counter| counter.load(Ordering::SeqCst)) }
}

/// Lets the counter go and sets the caller's pointer to null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_destroy(counter: *mut *mut c_void) {
    if counter.is_null() {
        return;
    }
    // SAFETY: not null; the caller's place, holding null or a handle of ours.
    unsafe {
        let _ = COUNTERS.retire(*counter);
        *counter = std::ptr::null_mut();
    }
}
