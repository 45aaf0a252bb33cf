//! One turn: the workers of a cell are started, play their parts, and end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::crew::{Crew, Trouble};
use super::gather::Sample;
use super::pace::Timing;
use super::plan::Planned;
use super::{SPIN, Watcher};
use crate::clock;
use crate::contestant::{Contestant, Transport};
use crate::control::{News, Order, Outcome, Part, Task};
use crate::options::Options;
use crate::report::Pattern;

/// How long a worker may take for what takes no time, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(5);

/// From the order to begin until the beginning.
const LEAD: u64 = 1_000_000;

/// Plays a cell once.
pub(super) fn play(
    options: &Options,
    cell: &Planned,
    timing: &Timing,
    watcher: &dyn Watcher,
) -> Result<Sample, Trouble> {
    let task = task(options, cell, timing);
    let mut crew = Crew::new(options, watcher);
    let sample = if cell.contestant.is_separate() {
        separate(&mut crew, cell, &task)?
    } else {
        together(&mut crew, cell, &task)?
    };
    crew.end();
    Ok(sample)
}

fn task(options: &Options, cell: &Planned, timing: &Timing) -> Task {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let endpoint = match cell.contestant {
        Contestant::Mechanism(_) => String::new(),
        Contestant::Tamtam(transport) | Contestant::Libzmq(transport) => {
            Transport::endpoint(transport, NUMBER.fetch_add(1, Ordering::Relaxed))
        }
    };
    Task {
        contestant: cell.key.contestant.clone(),
        waiting: cell.key.waiting,
        spin: nanoseconds(SPIN),
        pattern: cell.key.pattern,
        size: usize::try_from(cell.key.size).unwrap_or(usize::MAX),
        readers: cell.key.readers,
        part: Part::Both,
        depth: cell.depth(),
        endpoint,
        libzmq: options.libzmq.clone(),
        warm: nanoseconds(timing.warm),
        window: nanoseconds(timing.window),
        interval: (1e9 / cell.rate) as u64,
        burst: timing.burst,
        work: nanoseconds(timing.work),
        limit: nanoseconds(timing.limit),
    }
}

/// Both ends in threads of one worker.
fn together(crew: &mut Crew<'_>, cell: &Planned, task: &Task) -> Result<Sample, Trouble> {
    let worker = crew.start("the worker")?;
    crew.tell(worker, &Order::Task(Box::new(task.clone())))?;
    ready(crew, worker)?;
    crew.tell(worker, &Order::Go(clock::now() + LEAD))?;
    let mut outcomes = done(crew, worker, task)?.into_iter();
    let sender =
        outcomes.next().ok_or_else(|| Trouble::Failed("the worker has nothing to tell".to_owned()))?;
    Ok(Sample::of(cell, sender, &outcomes.collect::<Vec<_>>()))
}

/// Each end in a worker of its own.
fn separate(crew: &mut Crew<'_>, cell: &Planned, task: &Task) -> Result<Sample, Trouble> {
    let sender = crew.start("the sender")?;
    let readers: Vec<usize> =
        (0..task.readers).map(|_| crew.start("a receiver")).collect::<Result<_, _>>()?;
    assign(crew, cell, task, sender, &readers)?;
    let start = clock::now() + LEAD;
    for worker in readers.iter().chain([&sender]) {
        crew.tell(*worker, &Order::Go(start))?;
    }
    if task.pattern == Pattern::Kill {
        return kill(crew, cell, task, sender, &readers);
    }
    let sent = outcome(done(crew, sender, task)?)?;
    for reader in &readers {
        crew.tell(*reader, &Order::Finish(sent.count))?;
    }
    let received: Vec<_> =
        readers.iter().map(|reader| outcome(done(crew, *reader, task)?)).collect::<Result<_, Trouble>>()?;
    Ok(Sample::of(cell, sent, &received))
}

/// Gives every worker its task and what it needs for that.
fn assign(
    crew: &mut Crew<'_>,
    cell: &Planned,
    task: &Task,
    sender: usize,
    readers: &[usize],
) -> Result<(), Trouble> {
    let part = |part| Order::Task(Box::new(Task { part, ..task.clone() }));
    crew.tell(sender, &part(Part::Sender))?;
    match cell.contestant {
        Contestant::Mechanism(_) => {
            for reader in readers {
                match crew.hear(sender, PATIENCE)? {
                    News::Ticket => {}
                    news => return Err(unexpected(&news)),
                }
                crew.tell(*reader, &part(Part::Receiver))?;
                crew.pass_on(sender, *reader)?;
            }
        }
        Contestant::Tamtam(_) | Contestant::Libzmq(_) => {
            let endpoint = match crew.hear(sender, PATIENCE)? {
                News::Bound(endpoint) => endpoint,
                news => return Err(unexpected(&news)),
            };
            for reader in readers {
                let task = Task { part: Part::Receiver, endpoint: endpoint.clone(), ..task.clone() };
                crew.tell(*reader, &Order::Task(Box::new(task)))?;
            }
        }
    }
    // The sender last: it may wait for the others.
    readers.iter().chain([&sender]).try_for_each(|worker| ready(crew, *worker))
}

/// Kills the reader as soon as messages flow, and asks the sender what it was told.
fn kill(
    crew: &mut Crew<'_>,
    cell: &Planned,
    task: &Task,
    sender: usize,
    readers: &[usize],
) -> Result<Sample, Trouble> {
    for reader in readers {
        match crew.hear(*reader, PATIENCE)? {
            News::Flowing => {}
            news => return Err(unexpected(&news)),
        }
        let at = crew.kill(*reader)?;
        crew.tell(sender, &Order::Killed(at))?;
    }
    let sent = outcome(done(crew, sender, task)?)?;
    Ok(Sample::of(cell, sent, &[]))
}

fn ready(crew: &mut Crew<'_>, worker: usize) -> Result<(), Trouble> {
    // Longer than a worker waits for the others: it knows better what is missing.
    match crew.hear(worker, PATIENCE * 2)? {
        News::Ready => Ok(()),
        news => Err(unexpected(&news)),
    }
}

fn done(crew: &mut Crew<'_>, worker: usize, task: &Task) -> Result<Vec<Outcome>, Trouble> {
    let busy = task.burst.saturating_mul(task.work);
    let needed = task.warm.saturating_add(task.window).saturating_add(task.limit).saturating_add(busy);
    match crew.hear(worker, Duration::from_nanos(needed) * 2 + PATIENCE)? {
        News::Done(outcomes) => Ok(outcomes),
        news => Err(unexpected(&news)),
    }
}

fn outcome(outcomes: Vec<Outcome>) -> Result<Outcome, Trouble> {
    outcomes.into_iter().next().ok_or_else(|| Trouble::Failed("a worker has nothing to tell".to_owned()))
}

fn unexpected(news: &News) -> Trouble {
    Trouble::Failed(format!("a worker said what was not asked: {news:?}"))
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
