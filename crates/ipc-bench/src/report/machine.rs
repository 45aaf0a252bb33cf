//! Where it was measured.

use serde::{Deserialize, Serialize};

/// Where it was measured. What the system does not tell is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The kernel's name and release: "Linux 6.12.1".
    pub kernel: String,
    /// As the kernel calls it: "x86_64".
    pub architecture: String,
    /// The processor's model.
    pub processor: Option<String>,
    /// Cores that the processes may use.
    pub cores: u32,
    /// What the machine is a guest of, if it is one: "KVM", or "a hypervisor" if it does not say which. There, to wake a thread costs several times more.
    pub virtual_machine: Option<String>,
    /// How the cores' frequency is governed: "performance".
    pub governor: Option<String>,
    /// Where the clock comes from: "tsc".
    pub clock: Option<String>,
    /// Octets of memory.
    pub memory: u64,
    /// Octets that were available before.
    pub memory_available: u64,
    /// Load averages of 1, 5 and 15 minutes before.
    pub load: Option<[f64; 3]>,
    /// The share of all cores' time that others used while it was measured: 0 to 1.
    pub others_cpu: Option<f64>,
    /// The share of all cores' time that the hypervisor gave to other guests meanwhile: 0 to 1.
    pub stolen_cpu: Option<f64>,
}
