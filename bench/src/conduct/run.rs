//! One measurement of one contestant.

use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use super::child::Child;
use super::scratch::Scratch;
use super::tracer::Tracer;
use crate::cells::Cell;
use crate::curve;
use crate::failure::{Failure, Outcome};
use crate::line::{Done, GO, Line, STOP};
use crate::metric::Sample;
use crate::spec::{Contestant, Role, Spec, Transport, Work};

/// How long each step may take. Ends that hear nothing give up earlier and say why.
const DEADLINE: Duration = Duration::from_secs(15);
/// How long a process may take to close its sockets and end.
const END: Duration = Duration::from_secs(5);

/// What one measurement gives.
pub(super) struct Run {
    pub(super) sample: Sample,
    /// System calls of all processes together, if they were counted.
    pub(super) calls: Option<u64>,
}

/// Measures once.
pub(super) fn run(
    cell: &Cell,
    contestant: Contestant,
    count: u64,
    tracer: Option<Tracer>,
    scratch: &Scratch,
) -> Outcome<Run> {
    let _hogs = hogs(cell, contestant)?;
    let mut ends = Vec::new();
    let outcome = start(cell, contestant, count, scratch, &mut ends)
        .and_then(|()| measure(cell, count, tracer, scratch, &mut ends));
    outcome.map_err(|failure| {
        // The other ends may know more.
        let mut words = vec![failure.0];
        for end in &ends {
            // Where the threads of the one that hangs are was said already.
            let threads = |word: &str| word.split_once("threads: ").map(|(_, threads)| threads.to_owned());
            let known: Vec<_> = words.iter().filter_map(|word| threads(word)).collect();
            words.extend(
                end.last_words().filter(|word| threads(word).is_none_or(|threads| !known.contains(&threads))),
            );
        }
        Failure(words.join("; "))
    })
}

fn spec(cell: &Cell, contestant: Contestant, count: u64) -> Outcome<Spec> {
    Ok(Spec {
        contestant,
        work: cell.work,
        role: Role::Binder,
        transport: cell.transport,
        endpoint: String::new(),
        size: cell.size,
        warm: warm(cell, count),
        count,
        subscribers: cell.subscribers,
        subscribers_here: cell.subscribers,
        hwm: cell.hwm,
        spin: cell.spin,
        pinned: cell.pinned,
        pace: cell.pace,
        awake: cell.awake,
        curve: cell.curve.then(curve::keys).transpose()?,
    })
}

/// Starts processes that keep every CPU busy, if the cell wants that.
fn hogs(cell: &Cell, contestant: Contestant) -> Outcome<Vec<Child>> {
    let count = if cell.busy { available_parallelism().map_or(1, usize::from) } else { 0 };
    let spec = Spec { role: Role::Hog, ..spec(cell, contestant, 0)? };
    (0..count).map(|_| Child::start(&spec)).collect()
}

fn start(
    cell: &Cell,
    contestant: Contestant,
    count: u64,
    scratch: &Scratch,
    ends: &mut Vec<Child>,
) -> Outcome {
    let mut spec = spec(cell, contestant, count)?;
    spec.endpoint = scratch.endpoint(cell.transport);
    if cell.transport == Transport::Inproc {
        spec.role = Role::Both;
        ends.push(Child::start(&spec)?);
        return Ok(());
    }
    ends.push(Child::start(&spec)?);
    let binder = ends.last_mut().ok_or_else(|| Failure::new("no binder"))?;
    spec.endpoint = binder.expect("its endpoint", Instant::now() + DEADLINE, |line| match line {
        Line::Bound(endpoint) => Some(endpoint),
        _ => None,
    })?;
    spec.role = Role::Connector;
    let connectors = if cell.work == Work::Textbook { cell.subscribers } else { 1 };
    spec.subscribers_here = cell.subscribers / connectors;
    for _ in 0..connectors {
        ends.push(Child::start(&spec)?);
    }
    Ok(())
}

fn measure(
    cell: &Cell,
    count: u64,
    tracer: Option<Tracer>,
    scratch: &Scratch,
    ends: &mut [Child],
) -> Outcome<Run> {
    let deadline = Instant::now() + DEADLINE;
    for end in ends.iter_mut() {
        end.expect("being ready", deadline, |line| matches!(line, Line::Ready).then_some(()))?;
    }
    let pids: Vec<_> = ends.iter().map(Child::pid).collect();
    let counting =
        tracer.map(|tracer| tracer.attach(&pids, scratch.folder(), &scratch.name())).transpose()?;
    for end in ends.iter_mut() {
        end.tell(GO)?;
    }
    let deadline = Instant::now() + DEADLINE;
    let mut span: Option<Done> = None;
    for end in ends.iter_mut() {
        let done = end.expect("being done", deadline, |line| match line {
            Line::Done(done) => Some(done),
            _ => None,
        })?;
        span = Some(span.map_or(done, |span| span.with(done)));
    }
    let calls = counting.map(super::tracer::Count::finish).transpose()?;
    let Done { start_ns, end_ns, received, latency } =
        span.ok_or_else(|| Failure::new("there was no end"))?;
    let due = count * cell.subscribers.max(1) as u64;
    let mut sample = Sample {
        messages: received.unwrap_or(due),
        due,
        elapsed_ns: end_ns.saturating_sub(start_ns),
        cpu_ns: 0,
        binder_cpu_ns: 0,
        voluntary: 0,
        involuntary: 0,
        resident_kib: 0,
        latency,
    };
    // The binder, which comes first, tells its memory while the others are still connected.
    for (index, end) in ends.iter_mut().enumerate() {
        end.tell(STOP)?;
        let spent = end.expect("its accounts", Instant::now() + END, |line| match line {
            Line::Spent(spent) => Some(spent),
            _ => None,
        })?;
        sample.cpu_ns += spent.cpu_ns;
        sample.voluntary += spent.voluntary;
        sample.involuntary += spent.involuntary;
        if index == 0 {
            sample.resident_kib = spent.resident_kib;
            sample.binder_cpu_ns = spent.cpu_ns;
        }
    }
    for end in ends {
        end.finish(Instant::now() + END)?;
    }
    Ok(Run { sample, calls })
}

/// Returns how many messages come before those that count.
fn warm(cell: &Cell, count: u64) -> u64 {
    match cell.work {
        Work::Latency(_) => (count / 10).clamp(5, 2_000),
        Work::Throughput => (count / 10).clamp(10, 50_000),
        Work::Fanin | Work::Threads | Work::Fanout => (count / 10).clamp(10, 1_000),
        // At its pace, too: half a second at most.
        Work::Paced => (count / 10).clamp(10, cell.pace.unwrap_or(u64::MAX).div_ceil(2).max(10)),
        Work::Textbook | Work::Connections => 0,
    }
}
