//! A stream whose reader is killed.

use tamtam_ipc::{Deadline, End, Error};

use super::inbox::{Came, Inbox};
use super::stage::{SLICE, Stage};
use crate::clock;
use crate::control::{News, Order, Outcome};
use crate::payload::Payload;
use crate::report::Notice;

/// After so many messages the reader says that they flow.
const FLOWING: u64 = 20;

/// Receives until it is killed.
pub(super) fn receive(stage: &Stage<'_>, end: &mut dyn End) -> Result<Outcome, Error> {
    let mut inbox = Inbox::new(stage, end);
    while let Came::Message(_) = inbox.next()? {
        if inbox.count == FLOWING
            && let Some(control) = stage.control
        {
            control.say(&News::Flowing)?;
        }
    }
    Ok(Outcome { count: inbox.count, ..Outcome::default() })
}

/// Sends until it is told that nobody receives, or it has waited for that long enough.
pub(super) fn send(stage: &Stage<'_>, end: &mut dyn End) -> Result<Outcome, Error> {
    let mut payload = Payload::new(stage.task.size);
    let mut sent = Sent::default();
    let mut killed: Option<u64> = None;
    stage.wait_for_start();
    let (notice, at) = loop {
        let result = end.send(payload.number(sent.count), Deadline::after(SLICE));
        let now = clock::now();
        match &result {
            Ok(()) => sent.one(now),
            Err(Error::TimedOut) => {}
            Err(error) => {
                if killed.is_none() {
                    killed = wait_for_the_kill(stage)?;
                }
                // Before the reader's death it is a failure like any other.
                if killed.is_none_or(|killed| killed > now) {
                    return Err(Error::Ticket(format!("before the reader was killed: {error}").into()));
                }
                break (Notice::Told, now);
            }
        }
        if killed.is_none() && (result.is_err() || sent.count % 64 == 0) {
            killed = look(stage)?;
        }
        if killed.is_some_and(|killed| now.saturating_sub(killed) > stage.task.limit) {
            break (if result.is_ok() { Notice::Nothing } else { Notice::Blocked }, now);
        }
    };
    let killed = killed.unwrap_or(at);
    let after = sent.since(killed);
    let count = sent.count;
    Ok(Outcome { count, notice: Some((notice, at.saturating_sub(killed), after)), ..Outcome::default() })
}

fn look(stage: &Stage<'_>) -> Result<Option<u64>, Error> {
    let order = stage.control.map_or(Ok(None), |control| control.look())?;
    Ok(order.and_then(moment))
}

/// The conductor says that it has killed the reader a moment after it has.
fn wait_for_the_kill(stage: &Stage<'_>) -> Result<Option<u64>, Error> {
    let Some(control) = stage.control else { return Ok(None) };
    match control.hear(Deadline::after(SLICE * 40)) {
        Ok(order) => Ok(moment(order)),
        Err(Error::TimedOut) => Ok(None),
        Err(error) => Err(error),
    }
}

fn moment(order: Order) -> Option<u64> {
    match order {
        Order::Killed(at) => Some(at),
        _ => None,
    }
}

/// How many messages were sent, and how many until which moment.
#[derive(Debug, Default)]
struct Sent {
    count: u64,
    /// Moments, some microseconds apart, with the count until then. Bounded by the task's limit.
    history: Vec<(u64, u64)>,
}

/// Nanoseconds between two entries of the history.
const APART: u64 = 20_000;
/// Entries at most: those of two seconds.
const ENTRIES_MAX: usize = 100_000;

impl Sent {
    fn one(&mut self, now: u64) {
        let is_due = self.history.last().is_none_or(|(last, _)| now.saturating_sub(*last) >= APART);
        if is_due && self.history.len() < ENTRIES_MAX {
            self.history.push((now, self.count));
        }
        self.count += 1;
    }

    /// How many were sent after a moment: none too many, and none too few but those of some microseconds.
    fn since(&self, moment: u64) -> u64 {
        let first = self.history.iter().find(|(at, _)| *at > moment);
        first.map_or(0, |(_, before)| self.count - before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_after_a_moment_is_counted() {
        let mut sent = Sent::default();
        assert_eq!(sent.since(0), 0);
        for step in 0..100 {
            sent.one(step * APART);
        }
        assert_eq!(sent.since(49 * APART), 50);
        assert_eq!(sent.since(1_000 * APART), 0);
        let mut fast = Sent::default();
        for step in 0..1_000 {
            fast.one(step * 1_000);
        }
        assert_eq!(fast.history.len(), 50);
        assert_eq!(fast.since(500_000), 480, "to within {APART} ns");
    }
}
