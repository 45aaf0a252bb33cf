//! What is measured of a topic's messages.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::histogram::Histogram;

/// The most messages that are kept for one line; beyond, the oldest go.
const KEPT_MAX: usize = 1_000_000;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    Rate,
    Bandwidth,
    Delay,
}

/// One message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) at: Instant,
    pub(crate) size: usize,
    /// How long it was on its way, in nanoseconds.
    pub(crate) delay: Option<i64>,
}

/// Takes messages in.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    kept: VecDeque<Arrival>,
    /// Set: lines are about so many messages; else about those since the last line.
    window: Option<usize>,
    /// The last message of the line before.
    before: Option<Instant>,
    total: Measured,
    last: Option<Instant>,
}

/// What was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    /// From the first message to the last one.
    span: Duration,
    gaps: Gaps,
    delays: Histogram,
    sizes: Option<(usize, usize)>,
}

/// The times between messages: their mean and deviation are kept as they come (Welford).
#[derive(Clone, Copy, Debug, Default)]
struct Gaps {
    count: u64,
    mean: f64,
    squares: f64,
    range: Option<(f64, f64)>,
}

impl Gaps {
    fn add(&mut self, gap: f64) {
        self.count += 1;
        let off = gap - self.mean;
        self.mean += off / self.count as f64;
        self.squares += off * (gap - self.mean);
        self.range = Some(self.range.map_or((gap, gap), |(min, max)| (min.min(gap), max.max(gap))));
    }

    fn deviation(&self) -> f64 {
        if self.count == 0 { 0.0 } else { (self.squares / self.count as f64).sqrt() }
    }
}

impl Measured {
    fn add(&mut self, arrival: &Arrival, before: Option<Instant>) {
        self.messages += 1;
        self.bytes += arrival.size as u64;
        let size = arrival.size;
        self.sizes = Some(self.sizes.map_or((size, size), |(min, max)| (min.min(size), max.max(size))));
        if let Some(before) = before {
            let gap = arrival.at.saturating_duration_since(before);
            self.span += gap;
            self.gaps.add(gap.as_secs_f64());
        }
        if let Some(delay) = arrival.delay {
            self.delays.add(delay);
        }
    }

    /// Messages a second: by the gaps between them.
    fn rate(&self) -> f64 {
        if self.gaps.count == 0 || self.span.is_zero() {
            0.0
        } else {
            self.gaps.count as f64 / self.span.as_secs_f64()
        }
    }

    fn mean_size(&self) -> f64 {
        if self.messages == 0 { 0.0 } else { self.bytes as f64 / self.messages as f64 }
    }

    /// The part of a line behind the topic.
    pub(crate) fn to_text(&self, quantity: Quantity) -> String {
        if self.messages == 0 {
            return "no message".to_owned();
        }
        let count = self.messages;
        match quantity {
            Quantity::Rate => {
                let (min, max) = self.gaps.range.unwrap_or_default();
                format!(
                    "{:>10.1} Hz   gaps: min {} max {} stddev {}   ({count} messages)",
                    self.rate(),
                    seconds(min),
                    seconds(max),
                    seconds(self.gaps.deviation())
                )
            }
            Quantity::Bandwidth => {
                let (min, max) = self.sizes.unwrap_or_default();
                format!(
                    "{:>12}/s   sizes: mean {} min {} max {}   ({count} messages)",
                    bytes(self.rate() * self.mean_size()),
                    bytes(self.mean_size()),
                    bytes(min as f64),
                    bytes(max as f64)
                )
            }
            Quantity::Delay => match self.delays.range() {
                None => format!("no stamps   ({count} messages)"),
                Some((min, max)) => format!(
                    "p50 {} p90 {} p99 {} min {} max {}   ({count} messages)",
                    nanoseconds(self.delays.percentile(50)),
                    nanoseconds(self.delays.percentile(90)),
                    nanoseconds(self.delays.percentile(99)),
                    nanoseconds(min),
                    nanoseconds(max)
                ),
            },
        }
    }

    /// The same for programs.
    pub(crate) fn to_json(&self, topic: &str, quantity: Quantity, lost: u64, is_summary: bool) -> Value {
        let mut object = json!({
            "topic": topic, "summary": is_summary, "messages": self.messages, "lost": lost,
            "seconds": self.span.as_secs_f64(),
        });
        let (key, value) = match quantity {
            Quantity::Rate => {
                object["rate_hz"] = json!(self.rate());
                let range = self.gaps.range;
                let gaps = json!({
                    "min": range.map(|range| range.0), "max": range.map(|range| range.1),
                    "mean": range.map(|_| self.gaps.mean), "stddev": range.map(|_| self.gaps.deviation()),
                });
                ("gap_s", gaps)
            }
            Quantity::Bandwidth => {
                object["bytes"] = json!(self.bytes);
                object["bytes_per_s"] = json!(self.rate() * self.mean_size());
                let sizes = json!({
                    "mean": self.mean_size(), "min": self.sizes.map(|sizes| sizes.0),
                    "max": self.sizes.map(|sizes| sizes.1),
                });
                ("size", sizes)
            }
            Quantity::Delay => {
                let range = self.delays.range();
                let percentile = |percent| range.map(|_| self.delays.percentile(percent) as f64 / 1e9);
                let delays = json!({
                    "p50": percentile(50), "p90": percentile(90), "p99": percentile(99),
                    "min": range.map(|range| range.0 as f64 / 1e9), "max": range.map(|range| range.1 as f64 / 1e9),
                });
                ("delay_s", delays)
            }
        };
        object[key] = value;
        object
    }
}

impl Meter {
    /// Measures over the last `window` messages, or over those between two lines.
    pub(crate) fn new(window: Option<u32>) -> Self {
        Self { window: window.and_then(|window| window.try_into().ok()), ..Self::default() }
    }

    /// Takes a message in.
    pub(crate) fn add(&mut self, arrival: Arrival) {
        self.total.add(&arrival, self.last);
        self.last = Some(arrival.at);
        if self.kept.len() >= self.window.unwrap_or(KEPT_MAX) {
            self.before = self.kept.pop_front().map(|oldest| oldest.at);
        }
        self.kept.push_back(arrival);
    }

    /// Returns what the next line is about.
    pub(crate) fn take(&mut self) -> Batch {
        if self.window.is_some() {
            return Batch { arrivals: self.kept.clone(), before: None };
        }
        let before = self.before;
        self.before = self.kept.back().map(|last| last.at).or(before);
        Batch { arrivals: std::mem::take(&mut self.kept), before }
    }

    /// Returns what was measured of all messages.
    pub(crate) fn total(&self) -> Measured {
        self.total.clone()
    }

    /// Returns how many messages there were.
    pub(crate) fn messages(&self) -> u64 {
        self.total.messages
    }
}

/// Messages of one line.
#[derive(Debug)]
pub(crate) struct Batch {
    arrivals: VecDeque<Arrival>,
    before: Option<Instant>,
}

impl Batch {
    /// Measures them: not where they are taken in, which must not be held up.
    pub(crate) fn measure(&self) -> Measured {
        let mut measured = Measured::default();
        let mut before = self.before;
        for arrival in &self.arrivals {
            measured.add(arrival, before);
            before = Some(arrival.at);
        }
        measured
    }
}

fn nanoseconds(value: i64) -> String {
    seconds(value as f64 / 1e9)
}

/// A duration of four or so digits.
fn seconds(value: f64) -> String {
    match value.abs() {
        size if size >= 1.0 => format!("{value:.3} s"),
        size if size >= 1e-3 => format!("{:.3} ms", value * 1e3),
        _ => format!("{:.1} us", value * 1e6),
    }
}

fn bytes(value: f64) -> String {
    match value {
        size if size >= 1e9 => format!("{:.2} GB", size / 1e9),
        size if size >= 1e6 => format!("{:.2} MB", size / 1e6),
        size if size >= 1e3 => format!("{:.2} kB", size / 1e3),
        size => format!("{size:.0} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(meter: &mut Meter, begun: Instant, times: &[u64]) {
        for &time in times {
            let at = begun + Duration::from_millis(time);
            meter.add(Arrival { at, size: 100, delay: Some(1_000_000) });
        }
    }

    #[test]
    fn lines_are_about_what_came_since_the_last_one() {
        let (mut meter, begun) = (Meter::new(None), Instant::now());
        feed(&mut meter, begun, &[0, 10, 20, 30]);
        let first = meter.take().measure();
        assert_eq!((first.messages, first.bytes, first.gaps.count), (4, 400, 3));
        assert!((first.rate() - 100.0).abs() < 1e-6, "{}", first.rate());
        feed(&mut meter, begun, &[40, 60]);
        let second = meter.take().measure();
        assert_eq!((second.messages, second.gaps.count), (2, 2), "the gap between two lines counts");
        assert_eq!(second.gaps.range, Some((0.01, 0.02)));
        assert_eq!(meter.take().measure().to_text(Quantity::Rate), "no message");
        let total = meter.total();
        assert_eq!((total.messages, total.span), (6, Duration::from_millis(60)));
        assert!(
            total.to_text(Quantity::Delay).starts_with("p50 1.000 ms"),
            "{}",
            total.to_text(Quantity::Delay)
        );
        assert!(
            total.to_text(Quantity::Bandwidth).contains("8.33 kB/s"),
            "{}",
            total.to_text(Quantity::Bandwidth)
        );
    }

    #[test]
    fn a_window_is_about_the_last_messages() {
        let (mut meter, begun) = (Meter::new(Some(3)), Instant::now());
        feed(&mut meter, begun, &[0, 1000, 1010, 1020]);
        for _ in 0..2 {
            let measured = meter.take().measure();
            assert_eq!(measured.messages, 3);
            assert!((measured.rate() - 100.0).abs() < 1e-6, "{}", measured.rate());
        }
    }

    #[test]
    fn one_message_has_no_rate() {
        let mut meter = Meter::new(None);
        feed(&mut meter, Instant::now(), &[0]);
        let measured = meter.take().measure();
        assert!(measured.rate() == 0.0);
        assert_eq!(measured.to_json("/a", Quantity::Rate, 0, true)["gap_s"]["min"], Value::Null);
    }
}
