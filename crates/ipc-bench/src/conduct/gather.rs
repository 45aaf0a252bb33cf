//! What the rounds of a cell gave, summed up.

use super::plan::Planned;
use crate::control::{Measured, Outcome};
use crate::report::{Cell, Figure, Notice, Pattern};
use crate::samples::{self, Counts};

/// What the rounds of a cell gave.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) samples: Vec<Sample>,
    pub(super) failures: Vec<String>,
}

/// What one round gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sample {
    latency: Counts,
    /// Messages per second.
    rate: Option<f64>,
    sender: Option<Cost>,
    receiver: Option<Cost>,
    sent: u64,
    lost: Option<u64>,
    sender_memory: u64,
    receiver_memory: u64,
    burst: Option<u64>,
    blocked: Option<u64>,
    notice: Option<(Notice, u64)>,
}

/// Of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cost {
    cpu_us: f64,
    waits: f64,
}

/// A cell that has failed so often without a success is not tried again.
const FAILURES_MAX: usize = 2;

impl Sample {
    /// Brings together what the ends of a turn say.
    pub(super) fn of(cell: &Planned, sender: Outcome, receivers: &[Outcome]) -> Self {
        let pattern = cell.key.pattern;
        let mean = |figure: &dyn Fn(&Measured) -> f64| {
            let measured: Vec<f64> =
                receivers.iter().filter_map(|receiver| receiver.measured.as_ref()).map(figure).collect();
            let count = measured.len();
            (count > 0).then(|| measured.into_iter().sum::<f64>() / count as f64)
        };
        let rate = |measured: &Measured| measured.count as f64 * 1e9 / measured.span as f64;
        let receiver = mean(&|measured| Cost::of(measured).cpu_us)
            .zip(mean(&|measured| Cost::of(measured).waits))
            .map(|(cpu_us, waits)| Cost { cpu_us, waits });
        let lost = match (pattern, sender.notice) {
            (Pattern::Kill, notice) => notice.map(|(_, _, after)| after),
            (Pattern::RoundTrip, _) => Some(sender.lost),
            _ => Some(receivers.iter().map(|receiver| sender.count.saturating_sub(receiver.count)).sum()),
        };
        Self {
            rate: match pattern {
                Pattern::RoundTrip => sender.measured.as_ref().map(rate),
                Pattern::Throughput | Pattern::FanOut | Pattern::OneWay => mean(&rate),
                _ => None,
            },
            sender: sender.measured.as_ref().map(Cost::of),
            receiver,
            sent: sender.count,
            lost,
            sender_memory: sender.memory,
            receiver_memory: receivers.iter().map(|receiver| receiver.memory).max().unwrap_or_default(),
            burst: sender.burst,
            blocked: sender.blocked,
            notice: sender.notice.map(|(notice, after, _)| (notice, after)),
            latency: match pattern {
                Pattern::RoundTrip => sender.samples,
                _ => receivers.iter().flat_map(|receiver| receiver.samples.iter().copied()).collect(),
            },
        }
    }
}

impl Cost {
    fn of(measured: &Measured) -> Self {
        let count = measured.count.max(1) as f64;
        Self { cpu_us: measured.cpu as f64 / 1e3 / count, waits: measured.waits as f64 / count }
    }
}

impl Gathered {
    /// Whether more rounds are a waste of time.
    pub(super) fn is_given_up(&self) -> bool {
        self.samples.is_empty() && self.failures.len() >= FAILURES_MAX
    }

    /// The cell; `None` if no round of it was played.
    pub(super) fn cell(self, planned: &Planned) -> Option<Cell> {
        let Self { samples, failures } = self;
        if samples.is_empty() && failures.is_empty() {
            return None;
        }
        let mut cell = Cell::new(planned.key.clone());
        cell.separate = planned.contestant.is_separate();
        cell.rounds = u32::try_from(samples.len()).unwrap_or(u32::MAX);
        cell.failures = failures;
        if planned.key.pattern == Pattern::OneWay {
            cell.rate = Some(planned.rate);
        }
        if samples.is_empty() {
            return Some(cell);
        }
        let figure = |of: &dyn Fn(&Sample) -> Option<f64>| Figure::of(samples.iter().filter_map(of));
        let latencies: Vec<Counts> = samples.iter().map(|sample| sample.latency.clone()).collect();
        cell.latency = samples::latency(&latencies);
        cell.messages_per_s = figure(&|sample| sample.rate);
        let megabytes = planned.key.size as f64 / 1e6;
        // Without content there is nothing that fills a line.
        cell.mb_per_s = (planned.key.size > 0)
            .then(|| figure(&|sample| sample.rate.map(|rate| rate * megabytes)))
            .flatten();
        cell.sender_cpu_us = figure(&|sample| sample.sender.map(|cost| cost.cpu_us));
        cell.receiver_cpu_us = figure(&|sample| sample.receiver.map(|cost| cost.cpu_us));
        cell.sender_wakeups = figure(&|sample| sample.sender.map(|cost| cost.waits));
        cell.receiver_wakeups = figure(&|sample| sample.receiver.map(|cost| cost.waits));
        cell.sent = Some(samples.iter().map(|sample| sample.sent).sum());
        cell.lost = samples.iter().map(|sample| sample.lost).sum();
        cell.sender_memory = samples.iter().map(|sample| sample.sender_memory).max();
        // A reader that was killed told nothing.
        let memory = samples.iter().map(|sample| sample.receiver_memory).max();
        cell.receiver_memory = memory.filter(|memory| *memory > 0);
        cell.burst_ns = figure(&|sample| sample.burst.map(|ns| ns as f64));
        cell.blocked_ns = figure(&|sample| sample.blocked.map(|ns| ns as f64));
        cell.notice = samples.iter().filter_map(|sample| sample.notice).map(|(notice, _)| notice).max();
        if cell.notice == Some(Notice::Told) {
            cell.notice_ns = figure(&|sample| sample.notice.map(|(_, after)| after as f64));
        }
        Some(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestant::Contestant;
    use crate::report::{Key, Waiting};

    fn planned(pattern: Pattern, readers: u32) -> Planned {
        let contestant = Contestant::by_name("pipe").expect("known");
        Planned { key: Key::new("pipe", Waiting::Block, pattern, 1_000, readers), contestant, rate: 5.0 }
    }

    fn outcome(count: u64, window: u64) -> Outcome {
        let measured =
            Measured { count: window, span: 1_000_000_000, cpu: window * 2_000, waits: window / 2 };
        Outcome { count, measured: Some(measured), memory: count, ..Outcome::default() }
    }

    #[test]
    fn readers_are_averaged_and_their_losses_summed() {
        let cell = planned(Pattern::FanOut, 2);
        let mut gathered = Gathered::default();
        gathered.samples.push(Sample::of(&cell, outcome(100, 50), &[outcome(100, 40), outcome(97, 60)]));
        let cell = gathered.cell(&cell).expect("played");
        assert_eq!(cell.messages_per_s.map(|figure| figure.value), Some(50.0));
        assert_eq!(cell.mb_per_s.map(|figure| figure.value), Some(0.05));
        assert_eq!((cell.sent, cell.lost, cell.receiver_memory), (Some(100), Some(3), Some(100)));
        assert!((cell.loss().expect("counted") - 0.015).abs() < 1e-9);
        assert_eq!(cell.sender_cpu_us.map(|figure| figure.value), Some(2.0));
        assert_eq!(cell.receiver_wakeups.map(|figure| figure.value), Some(0.5));
        assert_eq!((cell.burst_ns, cell.notice, cell.rate), (None, None, None));
    }

    #[test]
    fn a_round_trip_is_the_askers() {
        let cell = planned(Pattern::RoundTrip, 1);
        let asked = Outcome { samples: vec![(5_000, 10)], ..outcome(10, 10) };
        let mut gathered = Gathered::default();
        gathered.samples.push(Sample::of(&cell, asked, &[outcome(10, 9)]));
        gathered.failures.push("once".to_owned());
        let cell = gathered.cell(&cell).expect("played");
        assert_eq!(cell.messages_per_s.map(|figure| figure.value), Some(10.0));
        assert_eq!(cell.latency.as_ref().map(|latency| latency.samples), Some(10));
        assert_eq!((cell.rounds, cell.failures.len(), cell.lost), (1, 1, Some(0)));
    }

    #[test]
    fn the_worst_notice_of_all_rounds_counts() {
        let cell = planned(Pattern::Kill, 1);
        let told = |notice, after| Outcome { notice: Some((notice, 5_000, after)), ..outcome(1, 1) };
        let mut gathered = Gathered::default();
        gathered.samples.push(Sample::of(&cell, told(Notice::Told, 1), &[]));
        let both = gathered.samples.clone();
        let one = gathered.cell(&cell).expect("played");
        assert_eq!((one.notice, one.lost, one.receiver_memory), (Some(Notice::Told), Some(1), None));
        assert_eq!(one.notice_ns.map(|figure| figure.value), Some(5_000.0));
        let mut gathered = Gathered { samples: both, failures: Vec::new() };
        gathered.samples.push(Sample::of(&cell, told(Notice::Blocked, 7), &[]));
        let two = gathered.cell(&cell).expect("played");
        assert_eq!((two.notice, two.notice_ns, two.lost), (Some(Notice::Blocked), None, Some(8)));
    }

    #[test]
    fn what_always_fails_is_given_up_and_told() {
        let cell = planned(Pattern::Burst, 1);
        assert!(Gathered::default().cell(&cell).is_none());
        let mut gathered = Gathered::default();
        gathered.failures.push("it died".to_owned());
        assert!(!gathered.is_given_up());
        gathered.failures.push("it died again".to_owned());
        assert!(gathered.is_given_up());
        let cell = gathered.cell(&cell).expect("played");
        assert_eq!((cell.rounds, cell.failures.len(), cell.sent), (0, 2, None));
    }
}
