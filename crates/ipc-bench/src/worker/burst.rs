//! Many messages at once, to a reader that takes its time for each.

use tamtam_ipc::{End, Error};

use super::inbox::{Came, Inbox};
use super::stage::Stage;
use crate::clock;
use crate::control::Outcome;
use crate::payload::Payload;

/// Sends the burst, and takes down how long that took, and the longest call.
pub(super) fn send(stage: &Stage<'_>, end: &mut dyn End) -> Result<Outcome, Error> {
    let mut payload = Payload::new(stage.task.size);
    stage.wait_for_start();
    let begin = clock::now();
    let (mut before, mut longest) = (begin, 0);
    for number in 0..stage.task.burst {
        stage.send(end, payload.number(number))?;
        let now = clock::now();
        longest = longest.max(now - before);
        before = now;
    }
    stage.send_end(end, payload.end())?;
    Ok(Outcome {
        count: stage.task.burst,
        burst: Some(before - begin),
        blocked: Some(longest),
        ..Outcome::default()
    })
}

/// Receives until the end, and is busy with each message.
pub(super) fn receive(stage: &Stage<'_>, end: &mut dyn End) -> Result<Outcome, Error> {
    let mut inbox = Inbox::new(stage, end);
    while let Came::Message(_) = inbox.next()? {
        let done = clock::now() + stage.task.work;
        while clock::now() < done {
            std::hint::spin_loop();
        }
    }
    Ok(Outcome { count: inbox.count, lost: inbox.end.lost(), ..Outcome::default() })
}
