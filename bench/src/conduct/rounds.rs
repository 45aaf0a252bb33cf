//! The rounds of one cell: every contestant in turn, again and again.

use super::report::{Row, Standing};
use super::run::run;
use super::scratch::Scratch;
use super::tracer::Tracer;
use crate::args::Args;
use crate::bar::Verdict;
use crate::cells::Cell;
use crate::machine::Watch;
use crate::metric::{Metric, Sample};
use crate::spec::Contestant;
use crate::spread::Spread;

/// A contestant that has failed so often in one cell is not asked again.
const FAILURES_MAX: usize = 2;

struct Entry {
    contestant: Contestant,
    /// Messages in the next round.
    count: u64,
    /// One per round; absent where it failed.
    samples: Vec<Option<Sample>>,
    failures: Vec<String>,
    calls: Option<f64>,
}

/// Measures a cell and returns its rows.
pub(super) fn measure(args: &Args, cell: &Cell, tracer: Option<Tracer>, scratch: &Scratch) -> Vec<Row> {
    let mut entries: Vec<Entry> = cell
        .contestants
        .iter()
        .map(|&contestant| Entry {
            contestant,
            count: cell.count,
            samples: vec![],
            failures: vec![],
            calls: None,
        })
        .collect();
    let watch = Watch::start();
    // Round 0 warms up and finds the counts.
    for round in 0..=args.rounds() {
        for entry in &mut entries {
            if entry.failures.len() < FAILURES_MAX {
                entry.take_turn(args, cell, round, scratch);
            } else {
                entry.samples.push(None);
            }
        }
    }
    for entry in &mut entries {
        if let Some(tracer) = tracer.filter(|_| entry.failures.is_empty()) {
            entry.trace(cell, tracer, scratch);
        }
    }
    let others_cpu = watch.others_share();
    let rows = cell.metrics.iter().map(|&(metric, bar)| {
        let mut row = Row {
            cell: cell.name.clone(),
            metric,
            standings: entries
                .iter()
                .map(|entry| {
                    let outrun = pairs(&entries, metric, (cell.judged, entry.contestant), |ours, theirs| {
                        if metric.is_cost() { theirs / ours } else { ours / theirs }
                    });
                    Standing { outrun, ..entry.standing(metric) }
                })
                .collect(),
            ratio: pairs(&entries, metric, (Contestant::Tamtam, cell.libzmq()), |ours, theirs| ours / theirs),
            bar,
            judged: cell.judged,
            bar_value: None,
            verdict: Verdict::None,
            others_cpu,
        };
        row.bar_value = bar.and_then(|bar| match bar.reference() {
            Some(reference) => {
                pairs(&entries, metric, (cell.judged, reference), |ours, theirs| bar.beside(ours, theirs))
            }
            None => row.spread(cell.judged),
        });
        row.judge();
        row
    });
    rows.collect()
}

impl Entry {
    fn take_turn(&mut self, args: &Args, cell: &Cell, round: u32, scratch: &Scratch) {
        let sample = match run(cell, self.contestant, self.count, None, scratch) {
            Ok(run) => Some(run.sample),
            Err(failure) => {
                self.failures.push(format!("round {round}: {failure}"));
                None
            }
        };
        if let Some(sample) = sample.filter(|_| !cell.fixed_count) {
            let rate = self.count as f64 / sample.elapsed_ns.max(1) as f64;
            // A float's cast saturates; nothing here is near the ends.
            let fitting = (rate * args.time().as_nanos() as f64) as u64;
            // A first round may be far from what follows; grow step by step.
            self.count = fitting.clamp(20, self.count.saturating_mul(50)).min(50_000_000);
        }
        if round > 0 {
            self.samples.push(sample);
        }
    }

    fn trace(&mut self, cell: &Cell, tracer: Tracer, scratch: &Scratch) {
        match run(cell, self.contestant, self.count, Some(tracer), scratch) {
            Ok(run) => {
                let messages = run.sample.messages.max(1) as f64;
                self.calls = run.calls.map(|calls| calls as f64 * 1000.0 / messages);
            }
            Err(failure) => self.failures.push(format!("while system calls were counted: {failure}")),
        }
    }

    fn arrived(&self) -> Option<f64> {
        let sum = |of: fn(&Sample) -> u64| self.samples.iter().flatten().map(of).sum::<u64>();
        let due = sum(|sample| sample.due);
        (due > 0).then(|| sum(|sample| sample.messages) as f64 / due as f64)
    }

    fn standing(&self, metric: Metric) -> Standing {
        let spread = |figure: &dyn Fn(&Sample) -> f64| Spread::of(self.samples.iter().flatten().map(figure));
        Standing {
            contestant: self.contestant,
            figure: spread(&|sample| metric.of(sample)),
            outrun: None,
            arrived: self.arrived(),
            cpu_ns: spread(&|sample| sample.cpu_ns as f64 / sample.messages.max(1) as f64),
            binder_cpu_ns: spread(&|sample| sample.binder_cpu_ns as f64 / sample.messages.max(1) as f64),
            switches: spread(&|sample| sample.voluntary as f64 / sample.messages.max(1) as f64),
            calls_per_1000: self.calls,
            failures: self.failures.clone(),
        }
    }
}

/// One's figure beside another's, round by round.
fn pairs(
    entries: &[Entry],
    metric: Metric,
    (one, other): (Contestant, Contestant),
    beside: impl Fn(f64, f64) -> f64,
) -> Option<Spread> {
    let find = |contestant| entries.iter().find(|entry| entry.contestant == contestant);
    let (one, other) = (find(one)?, find(other)?);
    let pairs = one.samples.iter().zip(&other.samples);
    Spread::of(
        pairs.filter_map(|(one, other)| Some(beside(metric.of(one.as_ref()?), metric.of(other.as_ref()?)))),
    )
}
