//! What is read off a measurement.

use serde::Serialize;

use crate::line::Latency;

/// One measurement of one contestant.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sample {
    /// Round trips, messages received (by all subscribers together), or connections.
    pub(crate) messages: u64,
    /// What would have been received had nothing been lost.
    pub(crate) due: u64,
    pub(crate) elapsed_ns: u64,
    /// CPU time of all processes together.
    pub(crate) cpu_ns: u64,
    /// CPU time of the process that binds (replies, pulls, publishes, accepts); for inproc of the only one.
    pub(crate) binder_cpu_ns: u64,
    /// Voluntary context switches of all processes together.
    pub(crate) voluntary: u64,
    /// Involuntary context switches of all processes together.
    pub(crate) involuntary: u64,
    /// What the binding process's resident memory grew by.
    pub(crate) resident_kib: u64,
    /// How long messages were on their way, if that was measured.
    pub(crate) latency: Option<Latency>,
}

/// A figure with its unit and its better direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Metric {
    /// Nanoseconds.
    HalfRoundTrip,
    /// Messages a second; of several subscribers, all that were delivered.
    MessageRate,
    /// Seconds from the first send to the last subscriber's END.
    Duration,
    /// Connections a second, greetings included.
    ConnectionRate,
    /// KiB of resident memory per idle connection.
    ConnectionMemory,
    /// Voluntary context switches per round trip and end.
    Switches,
    /// Nanoseconds of CPU time of all processes per message.
    Cpu,
}

impl Metric {
    /// Returns whether a smaller figure is the better one.
    pub(crate) fn is_cost(self) -> bool {
        !matches!(self, Self::MessageRate | Self::ConnectionRate)
    }

    /// Computes the figure.
    pub(crate) fn of(self, sample: &Sample) -> f64 {
        let messages = sample.messages.max(1) as f64;
        let elapsed_ns = sample.elapsed_ns.max(1) as f64;
        match self {
            Self::HalfRoundTrip => elapsed_ns / messages / 2.0,
            Self::MessageRate | Self::ConnectionRate => messages * 1e9 / elapsed_ns,
            Self::Duration => elapsed_ns / 1e9,
            Self::ConnectionMemory => sample.resident_kib as f64 / messages,
            Self::Cpu => sample.cpu_ns as f64 / messages,
            Self::Switches => sample.voluntary as f64 / messages / 2.0,
        }
    }

    /// Writes a figure with its unit.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::HalfRoundTrip | Self::Cpu if value < 1000.0 => format!("{value:.0} ns"),
            Self::HalfRoundTrip | Self::Cpu => format!("{} µs", digits(value / 1000.0)),
            Self::MessageRate | Self::ConnectionRate if value >= 1e6 => {
                format!("{} M/s", digits(value / 1e6))
            }
            Self::MessageRate | Self::ConnectionRate if value >= 1e3 => {
                format!("{} k/s", digits(value / 1e3))
            }
            Self::MessageRate | Self::ConnectionRate => format!("{} /s", digits(value)),
            Self::Duration => format!("{} s", digits(value)),
            Self::ConnectionMemory => format!("{} KiB", digits(value)),
            Self::Switches => digits(value),
        }
    }
}

/// Three significant digits or so.
pub(crate) fn digits(value: f64) -> String {
    match value.abs() {
        magnitude if magnitude >= 100.0 => format!("{value:.0}"),
        magnitude if magnitude >= 10.0 => format!("{value:.1}"),
        magnitude if magnitude >= 0.1 => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.3}"),
    }
}
