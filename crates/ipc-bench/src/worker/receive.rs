//! Receiving what was sent at a rate, or as fast as it goes.

use tamtam_ipc::{End, Error};

use super::inbox::{Came, Inbox};
use super::stage::Stage;
use crate::clock;
use crate::control::Outcome;
use crate::samples::Samples;
use crate::schedule::Schedule;

/// Receives until the end.
pub(super) fn as_they_come(stage: &Stage<'_>, end: &mut dyn End) -> Result<Outcome, Error> {
    let mut meter = stage.meter();
    let mut inbox = Inbox::new(stage, end);
    while let Came::Message(_) = inbox.next()? {
        meter.tick(inbox.count);
    }
    let (count, lost) = (inbox.count, inbox.end.lost());
    Ok(Outcome { count, lost, measured: meter.finish(count), ..Outcome::default() })
}

/// Receives until the end, and takes down how long after its moment each message of the window came.
pub(super) fn with_latency(stage: &Stage<'_>, end: &mut dyn End) -> Result<Outcome, Error> {
    let schedule = Schedule::new(stage.start, stage.task.interval);
    let mut meter = stage.meter();
    let mut samples = Samples::new();
    let mut inbox = Inbox::new(stage, end);
    while let Came::Message(number) = inbox.next()? {
        let now = clock::now();
        let due = schedule.due(number);
        if due >= stage.from() {
            samples.record(now.saturating_sub(due));
        }
        meter.tick_at(inbox.count, now);
    }
    let (count, lost) = (inbox.count, inbox.end.lost());
    let measured = meter.finish(count);
    Ok(Outcome { count, lost, measured, samples: samples.counts(), ..Outcome::default() })
}
