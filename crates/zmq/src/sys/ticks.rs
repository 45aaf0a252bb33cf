//! The processor's own counter of time, which costs a third of asking for the time.

use std::sync::OnceLock;

/// What the kernel tells the time by at present.
const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// Reads the processor's counter; `None` where there is none that all processors share and that runs evenly: the kernel has found
/// that out, and tells the time by it itself.
///
/// How long a tick takes, and what it counts from, is not said.
#[inline]
pub fn ticks() -> Option<u64> {
    static IS_TRUSTED: OnceLock<bool> = OnceLock::new();
    let is_trusted = *IS_TRUSTED.get_or_init(is_trusted);
    is_trusted.then(counter)
}

#[cfg(target_arch = "x86_64")]
fn is_trusted() -> bool {
    std::fs::read_to_string(SOURCE).is_ok_and(|name| name.trim() == "tsc")
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn counter() -> u64 {
    // SAFETY: reads a register that every x86-64 processor has and touches no memory. Where the kernel forbids a process to do so (`prctl`'s
    // PR_SET_TSC), that process cannot ask for the time either: with this clock source `clock_gettime` does the same in user space.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
const fn is_trusted() -> bool {
    let _ = SOURCE;
    false
}

#[cfg(not(target_arch = "x86_64"))]
const fn counter() -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on() {
        let Some(before) = ticks() else {
            assert!(ticks().is_none(), "and there is none later");
            return;
        };
        let began = std::time::Instant::now();
        while began.elapsed().is_zero() {}
        assert!(ticks().is_some_and(|after| after > before));
    }
}
