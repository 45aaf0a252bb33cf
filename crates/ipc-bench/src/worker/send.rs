//! Sending at a rate, or as fast as it goes.

use tamtam_ipc::{End, Error};

use super::stage::Stage;
use crate::clock;
use crate::control::Outcome;
use crate::payload::Payload;
use crate::schedule::{Schedule, be_punctual};

/// Sends to all ends, one message after the other, until the window is over.
pub(super) fn as_fast_as_it_goes(stage: &Stage<'_>, ends: &mut [Box<dyn End>]) -> Result<Outcome, Error> {
    let mut payload = Payload::new(stage.task.size);
    let mut meter = stage.meter();
    let mut count = 0;
    stage.wait_for_start();
    loop {
        let message = payload.number(count);
        for end in &mut *ends {
            stage.send(&mut **end, message)?;
        }
        count += 1;
        if meter.tick(count) {
            break;
        }
    }
    let measured = meter.finish(count);
    for end in ends {
        stage.send_end(&mut **end, payload.end())?;
    }
    Ok(Outcome { count, measured, ..Outcome::default() })
}

/// Sends each message when it is due, or at once if it is overdue.
pub(super) fn at_a_rate(stage: &Stage<'_>, end: &mut dyn End) -> Result<Outcome, Error> {
    be_punctual();
    let schedule = Schedule::new(stage.start, stage.task.interval);
    let mut payload = Payload::new(stage.task.size);
    let mut meter = stage.meter();
    // Who is behind by more than the window is long will not catch up.
    let hopeless = stage.until().saturating_add(stage.task.window.max(100_000_000));
    let mut count = 0;
    while schedule.due(count) < stage.until() {
        meter.exclude(schedule.wait(count));
        let now = clock::now();
        if now > hopeless {
            let due = 1e9 / stage.task.interval as f64;
            let text = format!("cannot keep up with {due:.0} messages/s: only {count} were sent in time");
            return Err(Error::Ticket(text.into()));
        }
        meter.tick_at(count, now);
        stage.send(end, payload.number(count))?;
        count += 1;
    }
    let measured = meter.finish(count);
    stage.send_end(end, payload.end())?;
    Ok(Outcome { count, measured, ..Outcome::default() })
}
