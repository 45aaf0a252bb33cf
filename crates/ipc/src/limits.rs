//! Limits as the kernel states them now.

use std::fmt;
use std::fs;

/// One limit, as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is limited: "octets in a pipe".
    pub what: &'static str,
    /// How much is allowed.
    pub value: u64,
    /// Where it was read, so that it can be looked at and raised: "/proc/sys/fs/pipe-max-size", "`RLIMIT_MSGQUEUE`".
    pub source: &'static str,
}

impl Limit {
    /// A limit that was read in some way.
    #[must_use]
    pub const fn new(what: &'static str, value: u64, source: &'static str) -> Self {
        Self { what, value, source }
    }

    /// A limit out of a file below `/proc/sys` that holds one number; `None` if the kernel has no such file, or hides it.
    pub(crate) fn of_file(what: &'static str, source: &'static str) -> Option<Self> {
        Some(Self { what, value: number_in(source)?, source })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.what, self.value, self.source)
    }
}

/// Reads a file that holds one number, as those below `/proc/sys` do.
pub(crate) fn number_in(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_states() {
        let limit = Limit::of_file("processes", "/proc/sys/kernel/pid_max").expect("every Linux has it");
        assert!(limit.value > 1);
        assert_eq!(Limit::new("processes", 5, "/proc/x").to_string(), "processes: 5 (/proc/x)");
        assert_eq!(Limit::of_file("none", "/proc/sys/no/such/limit"), None);
    }
}
