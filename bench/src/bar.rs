//! What Tamtam must reach in a cell.

use std::fmt;

use serde::Serialize;

use crate::metric::{Metric, digits};
use crate::spec::Contestant;

/// A condition on a figure: Tamtam's, where the cell names nobody else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bar {
    /// At most so many times another's figure.
    MostTimes(f64, Contestant),
    /// At least so many times another's figure.
    LeastTimes(f64, Contestant),
    /// At most so much more than another's figure.
    MostBeyond(f64, Contestant),
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
            Self::MostTimes(_, whose) | Self::LeastTimes(_, whose) | Self::MostBeyond(_, whose) => {
                Some(whose)
            }
            Self::Most(..) | Self::Least(..) => None,
        }
    }

    /// Sets a figure beside the [reference](Self::reference)'s: how many times it is, or how much more.
    pub(crate) fn beside(self, figure: f64, reference: f64) -> f64 {
        match self {
            Self::MostBeyond(..) => figure - reference,
            _ => figure / reference,
        }
    }

    /// Writes what is compared with the bar, if it is not the figure itself.
    pub(crate) fn show(self, value: f64) -> Option<String> {
        match self {
            Self::MostTimes(..) | Self::LeastTimes(..) => Some(digits(value)),
            Self::MostBeyond(..) => Some(format!("{} µs more", digits(value / 1000.0))),
            Self::Most(..) | Self::Least(..) => None,
        }
    }

    /// Returns whether the bar is reached; `value` is what [`beside`](Self::beside) gives if there is a
    /// [reference](Self::reference).
    pub(crate) fn is_met(self, value: f64) -> bool {
        match self {
            Self::MostTimes(limit, _) | Self::MostBeyond(limit, _) | Self::Most(limit, _) => value <= limit,
            Self::LeastTimes(limit, _) | Self::Least(limit, _) => value >= limit,
        }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MostTimes(limit, whose) => write!(f, "≤ {} × {whose}", digits(limit)),
            Self::LeastTimes(limit, whose) => write!(f, "≥ {} × {whose}", digits(limit)),
            Self::MostBeyond(limit, whose) => write!(f, "≤ {whose} + {} µs", digits(limit / 1000.0)),
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
