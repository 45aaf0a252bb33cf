//! How long messages took.

use serde::{Deserialize, Serialize};

use super::Figure;

/// How long messages took: percentiles of all samples of all rounds together, in nanoseconds.
///
/// [`Pattern`](super::Pattern) tells what a sample is. A percentile that too few samples stand behind is absent: ten of them have to lie beyond it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the samples took no longer. Nanoseconds.
    pub p50: Figure,
    /// 90 % took no longer. Nanoseconds.
    pub p90: Option<Figure>,
    /// 99 % took no longer. Nanoseconds.
    pub p99: Option<Figure>,
    /// 99.9 % took no longer. Nanoseconds.
    pub p999: Option<Figure>,
    /// The longest: its value is that of all rounds. Nanoseconds.
    pub max: Figure,
    /// How many samples there are, in all rounds.
    pub samples: u64,
    /// The distribution, from the shortest to the longest sample, in at most some dozens of points: what a plot needs.
    pub curve: Vec<Point>,
}

/// A point of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The share of samples that took no longer: 0 to 1.
    pub share: f64,
    /// How long they took at most, in nanoseconds.
    pub ns: u64,
}
