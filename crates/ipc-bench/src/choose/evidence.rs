//! What a report of `tamtam ipc bench` says about the candidates.

use std::collections::BTreeMap;

use super::needs::{Needs, Priority, Readers, Reply};
use crate::report::{Cell, Figure, Pattern, Report, Waiting};

/// Messages per second from which on streams are compared, and not single messages: system calls count there, and ends hardly sleep.
pub const BUSY: f64 = 50_000.0;

/// What was measured of the candidates, of what matters to somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// What was done.
    pub pattern: Pattern,
    /// What is compared: CPU time or the way of a message.
    pub priority: Priority,
    /// Octets of the messages: the size measured that is nearest to what is needed.
    pub size: u64,
    numbers: BTreeMap<String, Number>,
    /// The most messages per second, where that was measured.
    most: BTreeMap<String, f64>,
    /// Why some were not measured.
    unavailable: BTreeMap<String, String>,
}

/// One candidate's number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number {
    /// Microseconds per message.
    pub us: f64,
    /// How the ends waited, of those ways that were measured: the best.
    pub waiting: Waiting,
}

impl Evidence {
    /// What a report says; `None` if it has no number that matters.
    #[must_use]
    pub fn of(report: &Report, needs: &Needs) -> Option<Self> {
        let priority = needs.priority;
        let with_pattern = |pattern: &Pattern| {
            let cells = report.cells.iter().filter(move |cell| cell.key.pattern == *pattern);
            cells.filter(|cell| number(cell, priority).is_some()).collect::<Vec<_>>()
        };
        let (pattern, cells) = patterns(needs)
            .iter()
            .map(|pattern| (*pattern, with_pattern(pattern)))
            .find(|(_, cells)| !cells.is_empty())?;
        let size = nearest(cells.iter().map(|cell| cell.key.size), needs.size)?;
        let readers = cells.iter().map(|cell| cell.key.readers).max().unwrap_or(1);
        let mut numbers: BTreeMap<String, Number> = BTreeMap::new();
        for cell in cells.into_iter().filter(|cell| cell.key.size == size && cell.key.readers == readers) {
            let Some(us) = number(cell, priority) else { continue };
            let best = numbers.get(&cell.key.contestant).map_or(f64::INFINITY, |number| number.us);
            if us < best {
                let number = Number { us, waiting: cell.key.waiting };
                numbers.insert(cell.key.contestant.clone(), number);
            }
        }
        let unavailable =
            report.unavailable.iter().map(|one| (one.name.clone(), one.reason.clone())).collect();
        Some(Self { pattern, priority, size, numbers, most: most(report, needs.size), unavailable })
    }

    /// What has to be measured for somebody's needs: what is compared, and what the rate is held against.
    #[must_use]
    pub fn wants(needs: &Needs) -> Vec<Pattern> {
        let mut wanted = vec![Pattern::Throughput];
        wanted.extend(patterns(needs).iter().take(1).filter(|pattern| **pattern != Pattern::Throughput));
        wanted
    }

    /// A candidate's number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<Number> {
        self.numbers.get(name).copied()
    }

    /// How many messages per second a candidate has done at most; `None` if that was not measured.
    #[must_use]
    pub fn most(&self, name: &str) -> Option<f64> {
        self.most.get(name).copied()
    }

    /// Why a candidate was not measured, if the report says so.
    #[must_use]
    pub fn why_not(&self, name: &str) -> Option<&str> {
        self.unavailable.get(name).map(String::as_str)
    }

    /// What is compared, in words: "microseconds of CPU time per message of 64 octets, both sides together (one-way)".
    #[must_use]
    pub fn title(&self) -> String {
        let size = self.size;
        let unit = if self.pattern == Pattern::RoundTrip { "round trip" } else { "message" };
        match (self.priority, self.pattern) {
            (Priority::Cpu, pattern) => {
                format!("CPU time per {unit} with {size} octets, both sides together ({})", pattern.title())
            }
            (Priority::Latency, Pattern::Throughput) => {
                format!("time between two messages of {size} octets in a full stream")
            }
            (Priority::Latency, pattern) => {
                format!("median time of a {unit} with {size} octets ({})", pattern.title())
            }
        }
    }
}

/// What is to be compared, the best first.
const fn patterns(needs: &Needs) -> &'static [Pattern] {
    use Pattern::{FanOut, OneWay, RoundTrip, Throughput};
    let is_busy = needs.rate >= BUSY;
    match (needs.priority, needs.reply, needs.readers) {
        (Priority::Cpu, _, Readers::Each) => &[FanOut, OneWay, Throughput, RoundTrip],
        (Priority::Cpu, _, _) if is_busy => &[Throughput, OneWay, RoundTrip],
        (Priority::Cpu | Priority::Latency, Reply::No, _) => &[OneWay, RoundTrip, Throughput],
        (Priority::Cpu | Priority::Latency, Reply::Yes | Reply::Confirmed, _) => {
            &[RoundTrip, OneWay, Throughput]
        }
    }
}

/// Microseconds per message of what matters.
fn number(cell: &Cell, priority: Priority) -> Option<f64> {
    let value = |figure: Option<Figure>| figure.map(|figure| figure.value);
    let us = match priority {
        Priority::Cpu => value(cell.sender_cpu_us)? + value(cell.receiver_cpu_us)?,
        Priority::Latency => match &cell.latency {
            Some(latency) => latency.p50.value / 1e3,
            // A stream has no latency of single messages.
            None => 1e6 / value(cell.messages_per_s).filter(|_| cell.key.pattern == Pattern::Throughput)?,
        },
    };
    (us.is_finite() && us > 0.0).then_some(us)
}

/// The size that is nearest, by its ratio; of two that are as near the longer one.
fn nearest(sizes: impl Iterator<Item = u64>, wanted: u64) -> Option<u64> {
    let distance = |size: u64| {
        let ratio = size.max(1) as f64 / wanted.max(1) as f64;
        ratio.ln().abs()
    };
    sizes.min_by(|a, b| distance(*a).total_cmp(&distance(*b)).then(b.cmp(a)))
}

/// How many messages per second each has done at most, with the longest of the measured sizes that are no longer than needed: who cannot do the rate with
/// those cannot do it with longer ones. Nothing if only longer ones were measured.
fn most(report: &Report, size: u64) -> BTreeMap<String, f64> {
    let streams = || report.cells.iter().filter(|cell| cell.key.pattern == Pattern::Throughput);
    let longest = streams().map(|cell| cell.key.size).filter(|measured| *measured <= size).max();
    let Some(size) = longest else { return BTreeMap::new() };
    let mut most: BTreeMap<String, f64> = BTreeMap::new();
    for cell in streams().filter(|cell| cell.key.size == size) {
        if let Some(rate) = cell.messages_per_s {
            let best = most.entry(cell.key.contestant.clone()).or_insert(rate.high);
            *best = best.max(rate.high);
        }
    }
    most
}
