//! A socket pair that nobody writes to: its end tells that the other process is gone.
//!
//! Shared memory and System V queues do not tell. A link over them puts one end of such a pair into each ticket: the kernel closes it
//! with the process, even after `kill -9`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};

use crate::{Deadline, Error, wait};

/// How long an end sleeps at most between two looks at its lifeline, where it cannot sleep for both.
pub const SLICE: Duration = Duration::from_millis(20);

/// One end of the pair.
#[derive(Debug)]
pub struct Lifeline(OwnedFd);

impl Lifeline {
    /// Makes both ends.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn pair() -> Result<(Self, Self), Error> {
        let (a, b) = UnixStream::pair().map_err(Error::system("socketpair"))?;
        Ok((Self(a.into()), Self(b.into())))
    }

    /// Tells whether the other end was closed everywhere: dropped, or its process gone. One system call.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.wait(Deadline::NOW).is_ok()
    }

    /// Waits until the other end is gone.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if it is still there, [`Error::System`].
    pub fn wait(&self, deadline: Deadline) -> Result<(), Error> {
        // Only the hang-up: a hostile peer could write something.
        wait::ready(&mut [PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::RDHUP)], deadline)
    }
}

impl AsFd for Lifeline {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Lifeline {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl From<Lifeline> for OwnedFd {
    fn from(lifeline: Lifeline) -> Self {
        lifeline.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn it_is_cut_by_the_other_end_only() {
        let (a, b) = Lifeline::pair().expect("a pair");
        assert!(!a.is_cut());
        UnixStream::from(b.0.try_clone().expect("cloned")).write_all(b"x").expect("written");
        assert!(!a.is_cut());
        drop(b);
        assert!(a.is_cut());
        a.wait(Deadline::NEVER).expect("cut");
    }
}
