//! What several programs of the guide use: the programs themselves are in `examples`, the answers to its exercises in `tests/answers`.
#![forbid(unsafe_code)]

use std::fs;
use std::time::{Duration, Instant};

/// Is busy for a while, as a program is that does something with a message.
pub fn work(span: Duration) {
    let start = Instant::now();
    while start.elapsed() < span {
        std::hint::spin_loop();
    }
}

/// The most memory that this process has had so far, in MiB; `None` where `/proc` does not tell.
#[must_use]
pub fn peak_mib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kib| kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_its_time_and_memory_is_told() {
        let start = Instant::now();
        work(Duration::from_millis(2));
        assert!(start.elapsed() >= Duration::from_millis(2));
        assert!(peak_mib().is_some_and(|mib| mib > 0));
    }
}
