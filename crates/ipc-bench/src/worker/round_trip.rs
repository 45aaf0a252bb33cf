//! One message there and back, then the next.

use std::time::Duration;

use tamtam_ipc::{Deadline, End, Error};

use super::inbox::{Came, Inbox};
use super::stage::Stage;
use crate::clock;
use crate::control::Outcome;
use crate::payload::Payload;
use crate::samples::Samples;

/// How long an answer is awaited where it may have been lost.
const PATIENCE: Duration = Duration::from_millis(200);

/// So many answers may be missing.
const LOST_MAX: u64 = 3;

/// Asks, waits for the answer, and takes down how long that took.
pub(super) fn ask(stage: &Stage<'_>, end: &mut dyn End) -> Result<Outcome, Error> {
    let mut payload = Payload::new(stage.task.size);
    let mut meter = stage.meter();
    let mut samples = Samples::new();
    let mut answer = Vec::new();
    let (mut count, mut lost) = (0, 0);
    stage.wait_for_start();
    let mut before = clock::now();
    loop {
        stage.send(end, payload.number(count))?;
        count += 1;
        match end.receive(&mut answer, patience(stage)) {
            Ok(()) => {}
            Err(Error::TimedOut) if lost < LOST_MAX => lost += 1,
            Err(error) => return Err(error),
        }
        let now = clock::now();
        if before >= stage.from() {
            samples.record(now - before);
        }
        // This moment is the next one's beginning: one look at the clock for each.
        before = now;
        if meter.tick_at(count, now) {
            break;
        }
    }
    let measured = meter.finish(count);
    // Who answers does not answer to that.
    stage.send_end(end, payload.end())?;
    Ok(Outcome { count, lost, measured, samples: samples.counts(), ..Outcome::default() })
}

/// Sends back what comes, until the end.
pub(super) fn answer(stage: &Stage<'_>, end: &mut dyn End) -> Result<Outcome, Error> {
    let mut meter = stage.meter();
    let mut inbox = Inbox::new(stage, end);
    while let Came::Message(_) = inbox.next()? {
        stage.send(inbox.end, &inbox.buffer)?;
        meter.tick(inbox.count);
    }
    let count = inbox.count;
    Ok(Outcome { count, measured: meter.finish(count), ..Outcome::default() })
}

fn patience(stage: &Stage<'_>) -> Deadline {
    if stage.is_patient { Deadline::NEVER } else { Deadline::after(PATIENCE) }
}
