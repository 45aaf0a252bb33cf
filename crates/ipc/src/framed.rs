//! Messages over any stream of octets: what pipes, FIFOs, Unix and TCP stream sockets share.

use std::fmt::Debug;
use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use crate::framing::{Frames, prefix};
use crate::wait::{self, until};
use crate::{Deadline, End, Error, Plan, Wait};

/// Two directions of octets.
///
/// The calls do not wait unless `patient`, and may return [`Errno::AGAIN`] even then. A signal may interrupt them.
pub(crate) trait Octets: Debug + Send {
    /// Reads some octets; 0 at the end of the stream.
    fn read(&self, into: &mut [u8], patient: bool) -> Result<usize, Errno>;
    /// Writes some of these octets.
    fn write(&self, parts: &[IoSlice<'_>], patient: bool) -> Result<usize, Errno>;
    /// What to watch before reading.
    fn source(&self) -> BorrowedFd<'_>;
    /// What to watch before writing; may be the same.
    fn sink(&self) -> BorrowedFd<'_>;
    /// The names of both calls, for errors.
    const CALLS: [&'static str; 2];
}

/// An end that sends messages over [`Octets`].
#[derive(Debug)]
pub(crate) struct Framed<O> {
    octets: O,
    message_max: usize,
    wait: Wait,
    frames: Frames,
    /// The rest of a message in the middle of which the deadline passed.
    rest: Vec<u8>,
    /// How much of `rest` is written.
    written: usize,
}

impl<O: Octets> Framed<O> {
    pub(crate) fn new(octets: O, plan: &Plan) -> Self {
        Self {
            octets,
            message_max: plan.message_max,
            wait: plan.wait,
            frames: Frames::new(plan.message_max),
            rest: Vec::new(),
            written: 0,
        }
    }

    pub(crate) const fn octets(&self) -> &O {
        &self.octets
    }

    pub(crate) const fn has_rest(&self) -> bool {
        self.written < self.rest.len()
    }

    /// Writes some of `parts`, waiting until some of them can be written.
    fn write(&self, parts: &[IoSlice<'_>], deadline: Deadline) -> Result<usize, Error> {
        let patient = self.is_patient(deadline);
        until(
            self.wait,
            deadline,
            || match self.octets.write(parts, patient) {
                Ok(count) => Ok(Some(count)),
                Err(error) => none_or_error(error, O::CALLS[1]),
            },
            |deadline| wait::writable(self.octets.sink(), deadline),
        )
    }

    /// The kernel can do the waiting inside the call if there is no limit, and nothing else to do meanwhile.
    fn is_patient(&self, deadline: Deadline) -> bool {
        deadline.is_never() && self.wait == Wait::Block && !self.has_rest()
    }

    /// Reads what is there; `None` if nothing is.
    fn read(&mut self, patient: bool) -> Result<Option<()>, Error> {
        match self.octets.read(self.frames.room(), patient) {
            Ok(0) => Err(Error::Closed),
            Ok(count) => {
                self.frames.came(count);
                Ok(Some(()))
            }
            Err(error) => none_or_error(error, O::CALLS[0]),
        }
    }

    /// Writes what is left of the last message as far as that is possible now.
    fn push_rest(&mut self) -> Result<(), Error> {
        while self.has_rest() {
            let rest = [IoSlice::new(&self.rest[self.written..])];
            match self.octets.write(&rest, false) {
                Ok(count) => self.written += count,
                Err(error) => return none_or_error(error, O::CALLS[1]).map(|_: Option<()>| ()),
            }
        }
        Ok(())
    }
}

impl<O: Octets> End for Framed<O> {
    fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        let prefix = prefix(message.len(), self.message_max)?;
        self.flush(deadline)?;
        let mut parts = [IoSlice::new(&prefix), IoSlice::new(message)];
        let mut left = &mut parts[..];
        // `Closed` in the middle is as final as before it; only a deadline leaves something to do.
        let mut total = prefix.len() + message.len();
        let mut begun = false;
        while total > 0 {
            match self.write(left, deadline) {
                Ok(count) => {
                    begun |= count > 0;
                    total = total.saturating_sub(count);
                    IoSlice::advance_slices(&mut left, count);
                }
                Err(Error::TimedOut) if begun => {
                    self.rest.clear();
                    self.written = 0;
                    left.iter().for_each(|part| self.rest.extend_from_slice(part));
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        loop {
            if let Some(message) = self.frames.next()? {
                into.clear();
                into.extend_from_slice(message);
                return Ok(());
            }
            let patient = self.is_patient(deadline);
            let wait = self.wait;
            if self.has_rest() {
                // The other end may need the rest of our message before it answers. That it takes no more is not the end: what it sent comes first.
                let pushed = self.push_rest();
                if pushed.is_err() {
                    self.rest.clear();
                    self.written = 0;
                }
                if self.read(false)?.is_none() {
                    if deadline.is_now() {
                        return Err(Error::TimedOut);
                    }
                    let (source, sink) = (self.octets.source(), self.octets.sink());
                    let mut both = [
                        PollFd::from_borrowed_fd(source, PollFlags::IN),
                        PollFd::from_borrowed_fd(sink, PollFlags::OUT),
                    ];
                    let watched = if self.has_rest() { 2 } else { 1 };
                    wait::ready(&mut both[..watched], deadline)?;
                }
                continue;
            }
            // Both closures read, and need what the other one has: the loop lends it to them in turn.
            let this = std::cell::RefCell::new(&mut *self);
            until(
                wait,
                deadline,
                || this.borrow_mut().read(patient),
                |deadline| wait::readable(this.borrow().octets.source(), deadline),
            )?;
        }
    }

    fn flush(&mut self, deadline: Deadline) -> Result<(), Error> {
        while self.has_rest() {
            let count = self.write(&[IoSlice::new(&self.rest[self.written..])], deadline)?;
            self.written += count;
        }
        Ok(())
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.octets.source())
    }
}

/// Sorts out what a call that must not wait says.
pub(crate) fn none_or_error<T>(error: Errno, call: &'static str) -> Result<Option<T>, Error> {
    match error {
        Errno::AGAIN | Errno::INTR => Ok(None),
        Errno::PIPE | Errno::CONNRESET => Err(Error::Closed),
        error => Err(Error::system(call)(error)),
    }
}
