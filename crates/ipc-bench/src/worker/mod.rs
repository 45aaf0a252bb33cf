//! A worker: a process that plays one end, or all ends of a contestant that stays within a process.

mod burst;
mod inbox;
mod kill;
mod meter;
mod receive;
mod round_trip;
mod send;
mod stage;

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::{io, panic, thread};

use rustix::process::{Signal, set_parent_process_death_signal};
use tamtam_ipc::{Deadline, End, Error};

use self::stage::Stage;
use crate::control::{Control, News, Order, Outcome, Part, Task};
use crate::ends::{Ends, Library};
use crate::report::Pattern;
use crate::usage::{Scope, peak_memory};

/// Plays a worker's part. The conductor, which started this process, is at the other end of its standard input.
///
/// # Errors
///
/// A text, if the conductor cannot be told any more.
pub fn run() -> Result<(), String> {
    // However the conductor ends, its workers do not outlive it. Should it be gone already, the first order does not come.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let socket = io::stdin().as_fd().try_clone_to_owned().map_err(|error| error.to_string())?;
    let control = Control::new(UnixStream::from(socket));
    obey(&control)
        .or_else(|error| {
            control.say(&News::Failed(error.to_string()))?;
            wait_for_the_end(&control);
            Ok(())
        })
        .map_err(|error: Error| error.to_string())
}

fn obey(control: &Control) -> Result<(), Error> {
    match control.hear(Deadline::NEVER)? {
        Order::Library(path) => {
            let library = Library::load(path.as_deref()).map_err(|why| Error::Ticket(why.into()))?;
            control.say(&News::Library(library.version(), library.is_ours()))?;
            wait_for_the_end(control);
            Ok(())
        }
        Order::Task(task) => play(&task, control),
        order => Err(Error::Corrupt(format!("{order:?} before a task").into())),
    }
}

fn play(task: &Task, control: &Control) -> Result<(), Error> {
    let mut ends = Ends::open(task, control)?;
    control.say(&News::Ready)?;
    let start = match control.hear(Deadline::NEVER)? {
        Order::Go(start) => start,
        order => return Err(Error::Corrupt(format!("{order:?} before the beginning").into())),
    };
    let mut outcomes = match task.part {
        Part::Sender => {
            let stage = Stage::new(task, Some(control), Scope::Process, start);
            vec![send(&stage, &mut ends.sender)?]
        }
        Part::Receiver => {
            let stage = Stage::new(task, Some(control), Scope::Process, start);
            ends.receivers.iter_mut().map(|end| receive(&stage, &mut **end)).collect::<Result<_, _>>()?
        }
        Part::Both => play_all(task, start, &mut ends)?,
    };
    for outcome in &mut outcomes {
        outcome.memory = peak_memory();
    }
    control.say(&News::Done(outcomes))?;
    // The ends stay open until all have received what is on its way.
    wait_for_the_end(control);
    drop(ends);
    Ok(())
}

/// Plays all ends, each in a thread.
fn play_all(task: &Task, start: u64, ends: &mut Ends) -> Result<Vec<Outcome>, Error> {
    let stage = Stage::new(task, None, Scope::Thread, start);
    let stage = &stage;
    let Ends { sender, receivers } = ends;
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for end in receivers {
            let thread = thread::Builder::new().spawn_scoped(scope, move || receive(stage, &mut **end));
            threads.push(thread.map_err(|source| Error::System { call: "clone", source })?);
        }
        let mut outcomes = vec![send(stage, sender)?];
        for thread in threads {
            outcomes.push(thread.join().unwrap_or_else(|payload| panic::resume_unwind(payload))?);
        }
        Ok(outcomes)
    })
}

fn send(stage: &Stage<'_>, ends: &mut [Box<dyn End>]) -> Result<Outcome, Error> {
    match stage.task.pattern {
        Pattern::RoundTrip => round_trip::ask(stage, first(ends)?),
        Pattern::OneWay => send::at_a_rate(stage, first(ends)?),
        Pattern::Throughput | Pattern::FanOut => send::as_fast_as_it_goes(stage, ends),
        Pattern::Burst => burst::send(stage, first(ends)?),
        Pattern::Kill => kill::send(stage, first(ends)?),
    }
}

fn receive(stage: &Stage<'_>, end: &mut dyn End) -> Result<Outcome, Error> {
    match stage.task.pattern {
        Pattern::RoundTrip => round_trip::answer(stage, end),
        Pattern::OneWay => receive::with_latency(stage, end),
        Pattern::Throughput | Pattern::FanOut => receive::as_they_come(stage, end),
        Pattern::Burst => burst::receive(stage, end),
        Pattern::Kill => kill::receive(stage, end),
    }
}

fn first(ends: &mut [Box<dyn End>]) -> Result<&mut dyn End, Error> {
    let first = ends.first_mut().ok_or_else(|| Error::Ticket("no end to send with".into()))?;
    Ok(&mut **first)
}

/// Waits until the conductor has no more use for this process, or is gone.
fn wait_for_the_end(control: &Control) {
    while !matches!(control.hear(Deadline::NEVER), Ok(Order::Over) | Err(_)) {}
}
