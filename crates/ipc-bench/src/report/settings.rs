//! How it was measured.

use serde::{Deserialize, Serialize};

/// How it was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Rounds; in each of them every cell has its turn.
    pub rounds: u32,
    /// How long it was to take in all, in seconds.
    pub seconds: f64,
    /// How long it took, in seconds.
    pub took_seconds: f64,
    /// How long an end that spins looks again before it sleeps, in microseconds.
    pub spin_us: f64,
    /// How many messages of a cell may wait on their way, where that can be chosen: of small messages. Of larger ones fewer, so that
    /// [`depth_octets`](Self::depth_octets) are not exceeded; two at least. ZeroMQ's sockets keep their own default.
    pub depth: u64,
    /// Octets that may wait on their way at most, where that can be chosen.
    pub depth_octets: u64,
    /// Whether the user ended it before all was measured.
    #[serde(default)]
    pub interrupted: bool,
}
