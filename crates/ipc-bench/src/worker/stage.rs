//! What an end's part is played with.

use std::time::Duration;

use tamtam_ipc::{Deadline, End, Error};

use super::meter::Meter;
use crate::clock;
use crate::contestant::Contestant;
use crate::control::{Control, Task};
use crate::usage::Scope;

/// What an end's part is played with: the task, the line to the conductor, and the moments of the window.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    pub(super) task: &'a Task,
    /// Absent for threads: what they measure needs no word of the conductor.
    pub(super) control: Option<&'a Control>,
    scope: Scope,
    pub(super) start: u64,
    /// Whether calls may wait without a limit, which saves mechanisms a system call: the last message says that it is the last.
    pub(super) is_patient: bool,
}

/// How long a call may wait where something else has to be looked at as well.
pub(super) const SLICE: Duration = Duration::from_millis(5);

/// How long nothing may go on.
const PATIENCE: Duration = Duration::from_secs(2);

impl<'a> Stage<'a> {
    pub(super) fn new(task: &'a Task, control: Option<&'a Control>, scope: Scope, start: u64) -> Self {
        let is_told =
            Contestant::by_name(&task.contestant).is_some_and(|known| known.is_told_the_end(task.size));
        Self { task, control, scope, start, is_patient: is_told }
    }

    /// When the window begins.
    pub(super) const fn from(&self) -> u64 {
        self.start.saturating_add(self.task.warm)
    }

    /// When it ends.
    pub(super) const fn until(&self) -> u64 {
        self.from().saturating_add(self.task.window)
    }

    pub(super) fn meter(&self) -> Meter {
        Meter::new(self.scope, self.from(), self.until())
    }

    /// Until when a call may wait.
    pub(super) fn deadline(&self) -> Deadline {
        if self.is_patient { Deadline::NEVER } else { Deadline::after(SLICE) }
    }

    /// Sleeps until the beginning.
    pub(super) fn wait_for_start(&self) {
        let left = clock::until(self.start);
        if !left.is_zero() {
            let _ = rustix::event::poll(&mut [], left.try_into().ok().as_ref());
        }
    }

    /// Sends, however long there is no room, within reason.
    #[inline]
    pub(super) fn send(&self, end: &mut dyn End, message: &[u8]) -> Result<(), Error> {
        match end.send(message, self.deadline()) {
            Err(Error::TimedOut) => self.go_on_sending(end, message),
            sent => sent,
        }
    }

    #[cold]
    fn go_on_sending(&self, end: &mut dyn End, message: &[u8]) -> Result<(), Error> {
        end.send(message, Deadline::after(PATIENCE))
    }

    /// Sends the message that says that it was the last, where messages say something.
    pub(super) fn send_end(&self, end: &mut dyn End, last: Option<&[u8]>) -> Result<(), Error> {
        last.map_or(Ok(()), |last| self.send(end, last))?;
        end.flush(Deadline::after(PATIENCE))
    }
}
