//! What came of all measurements.

use serde::Serialize;

use crate::bar::{Bar, Verdict};
use crate::machine::Machine;
use crate::metric::Metric;
use crate::rival::Rival;
use crate::spec::Contestant;
use crate::spread::Spread;

/// Everything that was measured in one run of the program.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Seconds since 1970.
    pub(crate) taken_at: u64,
    pub(crate) machine: Machine,
    pub(crate) load_after: String,
    /// Share of the machine's whole CPU time that others had meanwhile.
    pub(crate) others_cpu: f64,
    pub(crate) rounds: u32,
    /// High-water marks, if they were not the libraries' own.
    pub(crate) hwm: Option<u32>,
    /// How long each measurement was meant to last, in milliseconds.
    pub(crate) run_ms: u64,
    /// How long everything took.
    pub(crate) seconds: f64,
    /// How system calls were counted, or why they were not.
    pub(crate) calls: String,
    /// Who else was asked, if there is a cell for rivals.
    pub(crate) rivals: Vec<Rival>,
    pub(crate) rows: Vec<Row>,
}

/// One row of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) cell: String,
    pub(crate) metric: Metric,
    pub(crate) standings: Vec<Standing>,
    /// Tamtam's figure through libzmq's, the one that is built in if it takes part.
    pub(crate) ratio: Option<Spread>,
    #[serde(serialize_with = "show")]
    pub(crate) bar: Option<Bar>,
    /// Whose figure has to reach the bar.
    pub(crate) judged: Contestant,
    /// What is compared with the bar: how the figure stands beside another's, or the figure.
    pub(crate) bar_value: Option<Spread>,
    pub(crate) verdict: Verdict,
    /// Share of the machine's whole CPU time that others had meanwhile.
    pub(crate) others_cpu: f64,
}

/// What one contestant reached in a cell.
#[derive(Debug, Serialize)]
pub(crate) struct Standing {
    pub(crate) contestant: Contestant,
    pub(crate) figure: Option<Spread>,
    /// How many times as fast as this one the judged contestant is.
    pub(crate) outrun: Option<Spread>,
    /// The share of the messages that arrived.
    pub(crate) arrived: Option<f64>,
    /// CPU time of all processes, in nanoseconds per message (or round trip, or connection).
    pub(crate) cpu_ns: Option<Spread>,
    /// The same of the process that binds (replies, pulls, publishes, accepts); for inproc of the only one.
    pub(crate) binder_cpu_ns: Option<Spread>,
    /// Voluntary context switches of all processes, per message (or round trip, or connection).
    pub(crate) switches: Option<Spread>,
    /// System calls of all processes per 1,000 messages (or round trips, or connections).
    pub(crate) calls_per_1000: Option<f64>,
    /// What went wrong, round by round.
    pub(crate) failures: Vec<String>,
}

impl Report {
    /// Returns whether somebody hung, lost messages or did not run.
    pub(crate) fn has_failures(&self) -> bool {
        self.rows.iter().any(|row| row.standings.iter().any(|standing| !standing.failures.is_empty()))
    }

    /// Returns whether a bar was not reached.
    pub(crate) fn has_misses(&self) -> bool {
        self.rows.iter().any(|row| row.verdict == Verdict::Missed)
    }
}

impl Row {
    /// Returns whether others were so busy meanwhile that the figures mean little.
    pub(crate) fn is_disturbed(&self) -> bool {
        self.others_cpu > 0.08
    }

    /// Returns a contestant's standing.
    pub(crate) fn standing(&self, contestant: Contestant) -> Option<&Standing> {
        self.standings.iter().find(|standing| standing.contestant == contestant)
    }

    /// Returns a contestant's figure.
    pub(crate) fn spread(&self, contestant: Contestant) -> Option<Spread> {
        self.standing(contestant)?.figure
    }

    /// Returns which libzmq took part.
    pub(crate) fn libzmq(&self) -> Contestant {
        if self.standing(Contestant::Libzmq).is_none() && self.standing(Contestant::LibzmqSystem).is_some() {
            Contestant::LibzmqSystem
        } else {
            Contestant::Libzmq
        }
    }

    /// Compares with the bar.
    pub(super) fn judge(&mut self) {
        let judged = self.standing(self.judged);
        self.verdict = match (judged, self.bar, self.bar_value) {
            (Some(judged), ..) if !judged.failures.is_empty() => Verdict::Failed,
            (None, ..) | (_, None, _) => Verdict::None,
            (_, Some(_), None) => Verdict::Unknown,
            (_, Some(bar), Some(value)) if bar.is_met(value.median) => Verdict::Met,
            _ => Verdict::Missed,
        };
    }
}

fn show<S: serde::Serializer>(bar: &Option<Bar>, serializer: S) -> Result<S::Ok, S::Error> {
    match bar {
        Some(bar) => serializer.collect_str(bar),
        None => serializer.serialize_none(),
    }
}
