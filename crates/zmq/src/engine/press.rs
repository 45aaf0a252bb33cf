//! Whether a thread that sends waits for a kernel that takes no more.
//!
//! A sender that is faster than the link fills its queue up to the mark: with large messages that is tens of megabytes, which
//! are cold by the time they are written, and it is the background thread that writes them, woken for each piece. So a thread
//! that may wait anyway, and has but one peer to send to, stays with the write for a moment: first awake, as the reader makes
//! room at the pace of the link, then asleep. If the reader does not come at all, the message stays in the queue as ever.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::spin::Spinning;
use crate::sys::poll::{PollFd, poll};
use crate::sys::stream;

/// How long the sender stays awake after the kernel has taken something.
const AWAKE: Duration = Duration::from_micros(30);
/// How long it sleeps then at most.
const ASLEEP: Duration = Duration::from_micros(300);

/// How long it stays altogether, where the reader takes a little now and then.
const LONGEST: Duration = Duration::from_millis(10);
/// Who waits for room for less than this is not held up.
pub(crate) const PATIENT: Duration = Duration::from_millis(1);

/// The patience of one write.
#[derive(Debug)]
pub(crate) struct Press {
    /// Whether it waits at all.
    goes_on: bool,
    /// How long it stays awake each time.
    awake: Duration,
    /// When the kernel took nothing for the first time.
    began: Option<Instant>,
    /// Since when it has taken nothing.
    stuck: Option<Instant>,
    spinning: Option<Spinning>,
}

impl Press {
    /// One that does not wait.
    pub(crate) fn none() -> Self {
        Self { goes_on: false, awake: Duration::ZERO, began: None, stuck: None, spinning: None }
    }

    /// One that waits, first `awake` or not.
    pub(crate) fn waiting(awake: bool) -> Self {
        Self {
            goes_on: true,
            awake: if awake { AWAKE } else { Duration::ZERO },
            began: None,
            stuck: None,
            spinning: None,
        }
    }

    /// Writes some of the slices, as [`stream::send_vectored`], which says `WouldBlock` once the patience is at an end.
    #[inline]
    pub(crate) fn write(&mut self, fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            match stream::send_vectored(fd, slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.waits(fd) => {}
                result => {
                    self.stuck = None;
                    return result;
                }
            }
        }
    }

    /// The kernel takes nothing at the moment: waits a little, and returns whether to try again.
    fn waits(&mut self, fd: BorrowedFd<'_>) -> bool {
        if !self.goes_on {
            return false;
        }
        let now = Instant::now();
        let since = *self.stuck.get_or_insert(now);
        if now.duration_since(*self.began.get_or_insert(now)) > LONGEST {
            self.goes_on = false;
            return false;
        }
        if now.duration_since(since) < self.awake {
            if self.spinning.is_none() {
                self.spinning = Spinning::begin(false);
            }
            if self.spinning.is_some() {
                for _ in 0..16 {
                    std::hint::spin_loop();
                }
                return true;
            }
        }
        self.spinning = None;
        let mut fds = [PollFd::new(fd.as_raw_fd(), libc::POLLOUT)];
        // Once, if nothing comes of it.
        self.goes_on = poll(&mut fds, Some(ASLEEP), None).is_ok() && fds.iter().any(|fd| fd.found() != 0);
        self.stuck = None;
        self.goes_on
    }
}
