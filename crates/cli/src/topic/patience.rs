//! Things that block, given up when the command is to stop.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use super::inbox::STEP;
use crate::exit::{Failure, Outcome};
use crate::stop::Stop;

/// Does something on a thread of its own, and waits for it; leaves it to itself when the command is to stop.
pub(crate) fn unless_stopped<T: Send + 'static>(
    stop: &Stop,
    work: impl FnOnce() -> T + Send + 'static,
) -> Outcome<T> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new()
        .name("tamtam-work".into())
        // Nobody may be there to take what comes of it.
        .spawn(move || _ = sender.send(work()))
        .map_err(|error| Failure::failed(format!("no thread: {error}")))?;
    loop {
        match receiver.recv_timeout(STEP) {
            Ok(done) => return Ok(done),
            Err(RecvTimeoutError::Timeout) => stop.check()?,
            Err(RecvTimeoutError::Disconnected) => return Err(Failure::failed("a thread has panicked")),
        }
    }
}
