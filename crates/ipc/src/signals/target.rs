//! Whom signals are sent to.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::{NAME, RealTime, sys};
use crate::wait::readable;
use crate::{Deadline, Error, Unavailable};

/// A process that signals are sent to: never another one that has got its number later.
#[derive(Debug)]
pub struct Target(OwnedFd);

impl Target {
    /// The process that has this number now.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if there is none; [`Error::Unavailable`] if the kernel is older than Linux 5.3, or a sandbox
    /// hides the call; [`Error::System`].
    pub fn of(process: u32) -> Result<Self, Error> {
        let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) else {
            return Err(Error::Closed);
        };
        match pidfd_open(process, PidfdFlags::empty()) {
            Ok(descriptor) => Ok(Self(descriptor)),
            Err(Errno::SRCH) => Err(Error::Closed),
            Err(Errno::NOSYS) => {
                Err(Unavailable::new(NAME, "the kernel has no descriptors of processes (pidfd_open)").into())
            }
            Err(error) => Err(Error::system("pidfd_open")(error)),
        }
    }

    /// Queues a signal with a payload; never waits. It takes the same user, or the capability `CAP_KILL`.
    ///
    /// The process must expect it: on a real-time signal that is neither blocked nor handled it ends.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if as many signals are queued as the limit of the target's user allows (`EAGAIN`, see
    /// [`Pending`](super::Pending)): nothing was sent, and nothing tells when it is worth a new try.
    /// [`Error::Closed`] if the process is gone; [`Error::System`].
    pub fn queue(&self, signal: RealTime, payload: i32) -> Result<(), Error> {
        // In the union of a number and a pointer the number stands first.
        let mut wide = [0; size_of::<usize>()];
        wide.iter_mut().zip(payload.to_ne_bytes()).for_each(|(to, from)| *to = from);
        self.queue_wide(signal, usize::from_ne_bytes(wide))
    }

    /// Queues a signal with a payload of a pointer's size.
    ///
    /// # Errors
    ///
    /// Those of [`queue`](Self::queue).
    pub fn queue_wide(&self, signal: RealTime, payload: usize) -> Result<(), Error> {
        sys::queue(self.0.as_fd(), signal.number(), payload).map_err(|error| match error {
            Errno::AGAIN => Error::TimedOut,
            Errno::SRCH => Error::Closed,
            error => Error::system("pidfd_send_signal")(error),
        })
    }

    /// Waits until the process has ended.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if it has not, [`Error::System`].
    pub fn wait_for_end(&self, deadline: Deadline) -> Result<(), Error> {
        readable(self.as_fd(), deadline)
    }
}

impl AsFd for Target {
    /// Readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
