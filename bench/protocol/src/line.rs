//! What ends tell the conductor, one JSON object a line on standard output.

use serde::{Deserialize, Serialize};

use crate::usage::Usage;

/// What the conductor says when all are ready.
pub const GO: &str = "go";
/// What the conductor says when all are done.
pub const STOP: &str = "stop";

/// Something an end says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// Bound here; others may connect.
    Bound(String),
    /// Connected and warm; waits for [`GO`].
    Ready,
    /// Has done all that was to be done; waits for [`STOP`].
    Done(Done),
    /// What it took, from [`GO`] to [`STOP`].
    Spent(Usage),
    /// It went wrong; the process ends.
    Failed(String),
}

/// When the work was begun and ended, on the clock that all processes share.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Done {
    /// The first send, or when the receiver was ready for it.
    pub start_ns: u64,
    /// The last send or receive.
    pub end_ns: u64,
    /// What this end received, if not everything has to arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<u64>,
    /// How long messages were on their way, if that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

/// How long messages were on their way, from before they were sent until after they were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of them took longer.
    pub median_ns: u64,
    /// One in a hundred took longer.
    pub p99_ns: u64,
}

impl Done {
    /// Takes another end's report into account.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            start_ns: self.start_ns.min(other.start_ns),
            end_ns: self.end_ns.max(other.end_ns),
            received: match (self.received, other.received) {
                (Some(one), Some(other)) => Some(one + other),
                (one, other) => one.or(other),
            },
            latency: self.latency.or(other.latency),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_add_up() {
        let latency = Some(Latency { median_ns: 1, p99_ns: 2 });
        let one = Done { start_ns: 5, end_ns: 7, received: None, latency: None };
        let other = Done { start_ns: 3, end_ns: 6, received: Some(2), latency };
        let sum = one.with(other).with(other);
        assert_eq!((sum.start_ns, sum.end_ns, sum.received, sum.latency), (3, 7, Some(4), latency));
    }

    #[test]
    fn an_end_that_lost_nothing_need_not_count() {
        let done: Done = serde_json::from_str(r#"{"start_ns":1,"end_ns":2}"#).expect("a report");
        assert_eq!(done.received, None);
    }
}
