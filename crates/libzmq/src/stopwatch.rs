//! `zmq_stopwatch_…` and `zmq_sleep`.

use std::ffi::{c_int, c_ulong, c_void};
use std::time::{Duration, Instant};

use crate::errno::EFAULT;
use crate::guard::guarded;
use crate::registry::Registry;

static WATCHES: Registry<Instant> = Registry::new(0x7A73_7770);

fn microseconds_since(began: Instant) -> c_ulong {
    c_ulong::try_from(began.elapsed().as_micros()).unwrap_or(c_ulong::MAX)
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_stopwatch_start() -> *mut c_void {
    guarded(|| Ok(WATCHES.insert(Instant::now())))
}

/// Returns the microseconds since the start; the watch goes on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_stopwatch_intermediate(watch: *mut c_void) -> c_ulong {
    // SAFETY: the caller's handle.
    guarded(|| Ok(microseconds_since(*unsafe { WATCHES.get(watch) }.ok_or(EFAULT)?)))
}

/// Returns the microseconds since the start and lets the watch go.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_stopwatch_stop(watch: *mut c_void) -> c_ulong {
    // SAFETY: the caller's handle.
    guarded(|| {
        let watch = unsafe { WATCHES.retire(watch) }.ok_or(EFAULT)?;
        watch.value().map(|began| microseconds_since(*began)).ok_or(EFAULT)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_sleep(seconds: c_int) {
    std::thread::sleep(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()));
}
