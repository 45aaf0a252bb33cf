//! The receiving end: one message after the other, until there are no more.

use std::time::Instant;

use tamtam_ipc::{Deadline, End, Error};

use super::stage::{SLICE, Stage};
use crate::control::Order;
use crate::payload::{self, Said};

/// The receiving end, and what was said of the end of the messages.
#[derive(Debug)]
pub(super) struct Inbox<'a> {
    stage: &'a Stage<'a>,
    pub(super) end: &'a mut dyn End,
    pub(super) buffer: Vec<u8>,
    deadline: Deadline,
    /// How many messages came.
    pub(super) count: u64,
    /// How many were sent, once that is known, and when the last message came, or we learnt it.
    finish: Option<(u64, Instant)>,
}

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// A message of this number; counted where it tells none.
    Message(u64),
    /// The end.
    End,
}

/// When all was sent and nothing has come for so many slices, the rest is lost.
const SILENCE: u32 = 4;

impl<'a> Inbox<'a> {
    pub(super) fn new(stage: &'a Stage<'a>, end: &'a mut dyn End) -> Self {
        let deadline = stage.deadline();
        Self { stage, end, buffer: Vec::new(), deadline, count: 0, finish: None }
    }

    /// Waits for the next message.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Came, Error> {
        loop {
            match self.end.receive(&mut self.buffer, self.deadline) {
                Ok(()) => return self.read(),
                Err(Error::TimedOut) if self.is_over()? => return Ok(Came::End),
                Err(Error::TimedOut) => self.deadline = Deadline::after(SLICE),
                Err(Error::Closed) => return Ok(Came::End),
                Err(error) => return Err(error),
            }
        }
    }

    #[inline]
    fn read(&mut self) -> Result<Came, Error> {
        let number = match payload::read(&self.buffer, self.stage.task.size) {
            Said::Number(number) => number,
            Said::Nothing => self.count,
            Said::End => return Ok(Came::End),
            Said::Nonsense => {
                let wanted = self.stage.task.size;
                let text = format!("{} octets instead of {wanted}", self.buffer.len());
                return Err(Error::Corrupt(text.into()));
            }
        };
        self.count += 1;
        if let Some((_, last)) = &mut self.finish {
            *last = Instant::now();
        }
        Ok(Came::Message(number))
    }

    /// Whether there will be no more, when nothing came for a while.
    fn is_over(&mut self) -> Result<bool, Error> {
        if let Some(control) = self.stage.control {
            match control.look()? {
                Some(Order::Finish(sent)) => self.finish = Some((sent, Instant::now())),
                Some(Order::Over) => return Ok(true),
                _ => {}
            }
        }
        Ok(self.finish.is_some_and(|(sent, last)| self.count >= sent || last.elapsed() > SLICE * SILENCE))
    }
}
