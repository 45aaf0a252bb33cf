//! What Tamtam must reach in a cell.

use std::fmt;

use serde::Serialize;

use crate::metric::{Metric, digits};
use crate::spec::Contestant;

/// A condition on Tamtam's figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bar {
    /// At most so many times another's figure.
    MostTimes(f64, Contestant),
    /// At least so many times another's figure.
    LeastTimes(f64, Contestant),
    /// At most this.
    Most(f64, Metric),
    /// At least this.
    Least(f64, Metric),
}

/// What came of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Met,
    Missed,
    /// Tamtam hung, lost messages or made an error in at least one round.
    Failed,
    /// Something to compare with is missing.
    Unknown,
    /// There is no bar, or Tamtam did not take part.
    None,
}

impl Bar {
    /// Returns whose figure is needed beside Tamtam's.
    pub(crate) fn reference(self) -> Option<Contestant> {
        match self {
            Self::MostTimes(_, whose) | Self::LeastTimes(_, whose) => Some(whose),
            Self::Most(..) | Self::Least(..) => None,
        }
    }

    /// Returns whether the bar is reached; `value` is a ratio if there is a [`reference`](Self::reference).
    pub(crate) fn is_met(self, value: f64) -> bool {
        match self {
            Self::MostTimes(limit, _) | Self::Most(limit, _) => value <= limit,
            Self::LeastTimes(limit, _) | Self::Least(limit, _) => value >= limit,
        }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MostTimes(limit, whose) => write!(f, "≤ {} × {whose}", digits(limit)),
            Self::LeastTimes(limit, whose) => write!(f, "≥ {} × {whose}", digits(limit)),
            Self::Most(limit, metric) => write!(f, "≤ {}", metric.show(limit)),
            Self::Least(limit, metric) => write!(f, "≥ {}", metric.show(limit)),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Met => "yes",
            Self::Missed => "NO",
            Self::Failed => "FAILED",
            Self::Unknown => "?",
            Self::None => "–",
        })
    }
}
