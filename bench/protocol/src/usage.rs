//! What a process has used.

use std::fs;
use std::ops::Sub;

use serde::{Deserialize, Serialize};

/// CPU time, context switches and memory of a process, all its threads together.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time in user and kernel mode, in nanoseconds.
    pub cpu_ns: u64,
    /// Voluntary context switches: a thread had to wait.
    pub voluntary: u64,
    /// Involuntary context switches: somebody else wanted the CPU.
    pub involuntary: u64,
    /// Resident memory in KiB; of a difference, the growth.
    pub resident_kib: u64,
}

impl Usage {
    /// Looks at this process.
    pub fn now() -> Self {
        let usage = own_usage();
        let ns = |time: libc::timeval| {
            u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
                + u64::try_from(time.tv_usec).unwrap_or(0) * 1000
        };
        Self {
            cpu_ns: ns(usage.ru_utime) + ns(usage.ru_stime),
            voluntary: u64::try_from(usage.ru_nvcsw).unwrap_or(0),
            involuntary: u64::try_from(usage.ru_nivcsw).unwrap_or(0),
            resident_kib: resident_kib(),
        }
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns.saturating_sub(earlier.cpu_ns),
            voluntary: self.voluntary.saturating_sub(earlier.voluntary),
            involuntary: self.involuntary.saturating_sub(earlier.involuntary),
            resident_kib: self.resident_kib.saturating_sub(earlier.resident_kib),
        }
    }
}

#[expect(unsafe_code, reason = "no safe wrapper among our dependencies")]
fn own_usage() -> libc::rusage {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to memory of the right type that lives through the call; all-zero is a valid `rusage`, so
    // the value is initialised even if the call should fail.
    unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    }
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
