//! Messages over any stream of octets: what pipes, FIFOs, Unix and TCP stream sockets share.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use crate::framing::{Frames, prefix};
use crate::wait::{readable, ready, until, writable};
use crate::{Deadline, Error, Plan, Wait};

/// Where octets come from.
pub(crate) trait Source {
    /// Reads some octets; `None` if there are none now. The end of the stream is [`Error::Closed`]. Does not wait unless `patient`, and
    /// need not even then.
    fn read(&self, into: &mut [u8], patient: bool) -> Result<Option<usize>, Error>;
    /// What becomes readable.
    fn source(&self) -> BorrowedFd<'_>;
}

/// Where octets go.
pub(crate) trait Sink {
    /// Writes some of these octets; `None` if there is no room now. Does not wait unless `patient`, and need not even then.
    fn write(&self, parts: &[IoSlice<'_>], patient: bool) -> Result<Option<usize>, Error>;
    /// What becomes writable.
    fn sink(&self) -> BorrowedFd<'_>;
}

/// What a reading call said.
pub(crate) fn read_outcome(
    call: &'static str,
    outcome: Result<usize, Errno>,
) -> Result<Option<usize>, Error> {
    match outcome {
        Ok(0) => Err(Error::Closed),
        outcome => write_outcome(call, outcome),
    }
}

/// What a writing call said.
pub(crate) fn write_outcome(
    call: &'static str,
    outcome: Result<usize, Errno>,
) -> Result<Option<usize>, Error> {
    match outcome {
        Ok(count) => Ok(Some(count)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(Errno::PIPE | Errno::CONNRESET) => Err(Error::Closed),
        Err(error) => Err(Error::system(call)(error)),
    }
}

/// The sending half of an end.
#[derive(Debug)]
pub(crate) struct Outbound {
    message_max: usize,
    wait: Wait,
    /// The rest of a message in the middle of which the deadline passed.
    rest: Vec<u8>,
    /// How much of it is written.
    written: usize,
}

impl Outbound {
    pub(crate) const fn new(plan: &Plan) -> Self {
        Self { message_max: plan.message_max, wait: plan.wait, rest: Vec::new(), written: 0 }
    }

    const fn has_rest(&self) -> bool {
        self.written < self.rest.len()
    }

    /// As [`End::send`](crate::End::send).
    pub(crate) fn send(&mut self, sink: &impl Sink, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        let prefix = prefix(message.len(), self.message_max)?;
        self.flush(sink, deadline)?;
        let mut parts = [IoSlice::new(&prefix), IoSlice::new(message)];
        let mut left = &mut parts[..];
        let mut begun = false;
        while left.iter().any(|part| !part.is_empty()) {
            match self.write(sink, left, deadline) {
                Ok(count) => {
                    begun = true;
                    IoSlice::advance_slices(&mut left, count);
                }
                Err(Error::TimedOut) if begun => {
                    self.rest.clear();
                    self.written = 0;
                    left.iter().for_each(|part| self.rest.extend_from_slice(part));
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// As [`End::flush`](crate::End::flush).
    pub(crate) fn flush(&mut self, sink: &impl Sink, deadline: Deadline) -> Result<(), Error> {
        while self.has_rest() {
            let rest = [IoSlice::new(self.rest.get(self.written..).unwrap_or_default())];
            self.written += self.write(sink, &rest, deadline)?;
        }
        Ok(())
    }

    fn write(&self, sink: &impl Sink, parts: &[IoSlice<'_>], deadline: Deadline) -> Result<usize, Error> {
        let patient = self.wait.is_patient(deadline);
        let look = || sink.write(parts, patient);
        until(self.wait, deadline, look, |deadline| writable(sink.sink(), deadline))
    }
}

/// The receiving half of an end.
#[derive(Debug)]
pub(crate) struct Inbound {
    wait: Wait,
    frames: Frames,
}

impl Inbound {
    pub(crate) const fn new(plan: &Plan) -> Self {
        Self { wait: plan.wait, frames: Frames::new(plan.message_max) }
    }

    /// As [`End::receive`](crate::End::receive).
    pub(crate) fn receive(
        &mut self,
        source: &impl Source,
        into: &mut Vec<u8>,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let wait = self.wait;
        let patient = wait.is_patient(deadline);
        while !self.frames.take(into)? {
            let look = || self.read(source, patient);
            until(wait, deadline, look, |deadline| readable(source.source(), deadline))?;
        }
        Ok(())
    }

    /// The same while the rest of a message has to go out, too: the other end may need it before it answers.
    pub(crate) fn receive_and_flush(
        &mut self,
        ends: &(impl Source + Sink),
        outbound: &mut Outbound,
        into: &mut Vec<u8>,
        deadline: Deadline,
    ) -> Result<(), Error> {
        while outbound.has_rest() {
            if self.frames.take(into)? {
                return Ok(());
            }
            match outbound.flush(ends, Deadline::NOW) {
                Ok(()) | Err(Error::TimedOut) => {}
                // It takes no more, but what it sent comes first.
                Err(_) => outbound.rest.clear(),
            }
            if self.read(ends, false)?.is_none() && outbound.has_rest() {
                let both = [(ends.source(), PollFlags::IN), (ends.sink(), PollFlags::OUT)];
                ready(&mut both.map(|(end, flags)| PollFd::from_borrowed_fd(end, flags)), deadline)?;
            }
        }
        self.receive(ends, into, deadline)
    }

    fn read(&mut self, source: &impl Source, patient: bool) -> Result<Option<()>, Error> {
        let count = source.read(self.frames.room(), patient)?;
        Ok(count.map(|count| self.frames.came(count)))
    }
}
