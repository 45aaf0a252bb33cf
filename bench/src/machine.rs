//! Where it was measured.

use std::fmt;
use std::fs;
use std::process::Command;
use std::thread::available_parallelism;
use std::time::Instant;

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
            line.and_then(|line| line.split_once(':'))
                .map(|(_, value)| value.trim().to_owned())
                .unwrap_or_default()
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

/// The CPU time that others use while we measure.
#[derive(Debug)]
pub(crate) struct Watch {
    began: Instant,
    busy: u64,
    own: u64,
}

impl Watch {
    /// Begins to watch.
    pub(crate) fn start() -> Self {
        let (busy, own) = cpu_ticks();
        Self { began: Instant::now(), busy, own }
    }

    /// Returns the share of the machine's whole CPU time that went neither to this process nor to its ended children.
    pub(crate) fn others_share(&self) -> f64 {
        let (busy, own) = cpu_ticks();
        let others = (busy - self.busy.min(busy)).saturating_sub(own - self.own.min(own));
        let cores = available_parallelism().map_or(1, usize::from);
        let whole = self.began.elapsed().as_secs_f64() * cores as f64 * TICKS_PER_SECOND;
        (others as f64 / whole.max(1.0)).min(1.0)
    }
}

/// What the kernel counts CPU time in when it tells programs (USER_HZ, the same on every Linux of today).
const TICKS_PER_SECOND: f64 = 100.0;

/// Returns the CPU time that all processes have used, and that this one and its ended children have.
fn cpu_ticks() -> (u64, u64) {
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    // cpu user nice system idle iowait irq softirq steal …
    let all = first_line("/proc/stat");
    let all: Vec<_> = all.split_whitespace().skip(1).map(number).collect();
    let busy = [0, 1, 2, 5, 6, 7].iter().filter_map(|&index| all.get(index)).sum();
    // Behind the name in parentheses: state is field 3; utime, stime, cutime, cstime are 14 to 17.
    let own = first_line("/proc/self/stat");
    let own = own
        .rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_whitespace()
        .skip(11)
        .take(4)
        .map(number)
        .sum();
    (busy, own)
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR")]).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(hash) = git(&["rev-parse", "--short=10", "HEAD"]) else { return "unknown commit".to_owned() };
    let dirty = git(&["status", "--porcelain", "--untracked-files=no", "--", ".."])
        .is_none_or(|text| !text.is_empty());
    format!("commit {hash}{}", if dirty { "+" } else { "" })
}
