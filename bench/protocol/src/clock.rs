//! One clock for all processes.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds on the monotonic clock, which all processes of a machine share.
pub fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}
