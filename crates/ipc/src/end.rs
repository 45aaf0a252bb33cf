//! One end of a link.

use std::os::fd::BorrowedFd;

use crate::{Deadline, Error};

/// One end of a two-way link. Dropping it tells the other end, where the mechanism can tell.
///
/// # What every implementation keeps to
///
/// - `send` takes messages of `0..=message_max` octets (that of the link's [`Plan`](crate::Plan)) and refuses longer ones with
///   [`Error::TooLong`] before anything is written. A message arrives whole or not at all.
/// - With [`Error::TimedOut`] nothing was sent or received; the call may be repeated. [`Deadline::NOW`] never waits.
/// - With any other error the end stays safe to call, and to drop.
/// - What the other end sent before it went is received first, where the mechanism keeps it; then comes [`Error::Closed`], for ever.
/// - Nothing that the other end does or writes makes a call panic, read outside its memory, or reserve more memory than
///   `message_max` and what really arrived justify.
pub trait End: Send + std::fmt::Debug {
    /// Sends one message, and waits for room where the mechanism has back-pressure.
    ///
    /// A byte stream may have to stop in the middle of a message when the deadline passes. The message then counts as sent, the rest
    /// is kept, and goes out with the next calls of this end (of `send`, `receive` and [`flush`](Self::flush)).
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`], [`Error::Closed`], [`Error::TooLong`], and [`Error::System`].
    fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error>;

    /// Receives exactly one message, which replaces what is in `into`; after an error `into` holds nothing of use.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`], [`Error::Closed`], [`Error::Corrupt`], and [`Error::System`].
    fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error>;

    /// Waits until the kernel or the shared memory has all that `send` took. Mechanisms that never keep a part back have nothing to do.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    fn flush(&mut self, deadline: Deadline) -> Result<(), Error> {
        let _ = deadline;
        Ok(())
    }

    /// Sends if that is possible without waiting.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send); [`Error::TimedOut`] if there is no room.
    fn try_send(&mut self, message: &[u8]) -> Result<(), Error> {
        self.send(message, Deadline::NOW)
    }

    /// Receives what is there already.
    ///
    /// # Errors
    ///
    /// Those of [`receive`](Self::receive); [`Error::TimedOut`] if nothing is there.
    fn try_receive(&mut self, into: &mut Vec<u8>) -> Result<(), Error> {
        self.receive(into, Deadline::NOW)
    }

    /// How many messages to this end are known to have been lost or overwritten, at the receiver. Zero for mechanisms that lose none.
    fn lost(&self) -> u64 {
        0
    }

    /// What to watch for `POLLIN` in an event loop; `None` if the mechanism has no such descriptor. Call
    /// [`try_receive`](Self::try_receive) until [`Error::TimedOut`] when it is ready: it may stay silent about messages that were read ahead.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
