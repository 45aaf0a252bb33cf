//! A wake-up that can be waited for beside sockets.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Errno, read, retry_on_intr, write};

/// An eventfd: readable from the first signal until it is drained.
#[derive(Debug)]
pub(crate) struct EventFd {
    fd: OwnedFd,
}

impl EventFd {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { fd: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)? })
    }

    /// Makes the descriptor readable. Signals add up: one drain takes them all.
    pub(crate) fn signal(&self) {
        let signalled = retry_on_intr(|| write(&self.fd, &1_u64.to_ne_bytes()));
        // A full counter is as readable as can be.
        debug_assert!(matches!(signalled, Ok(8) | Err(Errno::AGAIN)), "{signalled:?}");
    }

    /// Makes the descriptor unreadable; returns whether it was signalled since the last time.
    pub(crate) fn drain(&self) -> bool {
        let mut count = [0; 8];
        retry_on_intr(|| read(&self.fd, &mut count)).is_ok()
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::super::epoll::{Epoll, Events, Interest};
    use super::*;

    #[test]
    fn signals_add_up_until_drained() {
        let eventfd = EventFd::new().unwrap();
        assert!(!eventfd.drain());
        eventfd.signal();
        eventfd.signal();
        assert!(eventfd.drain());
        assert!(!eventfd.drain());
    }

    #[test]
    fn a_full_counter_stays_signalled() {
        let eventfd = EventFd::new().unwrap();
        write(&eventfd.fd, &(u64::MAX - 1).to_ne_bytes()).unwrap();
        eventfd.signal();
        assert!(eventfd.drain());
        assert!(!eventfd.drain());
    }

    #[test]
    fn wakes_a_thread_that_waits() {
        let (epoll, eventfd) = (Epoll::new().unwrap(), EventFd::new().unwrap());
        epoll.add(eventfd.as_fd(), 3, Interest::READ).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| eventfd.signal());
            let mut events = Events::with_capacity(1);
            epoll.wait(&mut events, None).unwrap();
            assert_eq!(events.iter().map(|event| event.token).collect::<Vec<_>>(), [3]);
        });
    }
}
