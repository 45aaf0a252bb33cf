//! Where it was measured.

use std::fmt;
use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use serde::Serialize;

use crate::engine;

/// What a reader must know of the machine and the peers to judge the figures.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) kernel: String,
    pub(crate) model: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    /// Whether it is a virtual machine, where waking a thread costs several times more.
    pub(crate) is_virtual: bool,
    /// Load averages of 1, 5 and 15 minutes before the first measurement.
    pub(crate) load_before: String,
    pub(crate) libzmq: String,
    /// Tamtam's commit, with `+` if files were changed since.
    pub(crate) commit: String,
}

impl Machine {
    /// Looks around.
    pub(crate) fn look() -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = cpu.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let memory_kib: u64 =
            memory.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default();
        Self {
            kernel: first_line("/proc/sys/kernel/osrelease"),
            model: field("model name"),
            cores: available_parallelism().map_or(1, usize::from),
            memory_gib: memory_kib.div_ceil(1024 * 1024),
            is_virtual: field("flags").split_whitespace().any(|flag| flag == "hypervisor"),
            load_before: load(),
            libzmq: engine::libzmq_version(),
            commit: commit(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let virtual_or_not = if self.is_virtual { "virtual machine" } else { "bare metal" };
        writeln!(
            f,
            "machine: {} × {}, {virtual_or_not}, {} GiB, Linux {}, load before {}",
            self.cores, self.model, self.memory_gib, self.kernel, self.load_before
        )?;
        writeln!(f, "tamtam: {}; libzmq: {}", self.commit, self.libzmq)
    }
}

/// Returns the load averages now.
pub(crate) fn load() -> String {
    first_line("/proc/loadavg").split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR")]).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(hash) = git(&["rev-parse", "--short=10", "HEAD"]) else { return "unknown commit".to_owned() };
    let dirty = git(&["status", "--porcelain", "--untracked-files=no", "--", ".."]).is_none_or(|text| !text.is_empty());
    format!("commit {hash}{}", if dirty { "+" } else { "" })
}
