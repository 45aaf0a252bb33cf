//! `ZMQ_FD`: a descriptor that becomes readable when something changes, until `ZMQ_EVENTS` is asked for.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use tamtam_zmq::Socket;

/// An epoll descriptor that watches the socket's own, edge-triggered: reading it takes the edge away, whatever the level.
///
/// That is what programs written for libzmq expect. The socket's own descriptor stays readable as long as there is anything
/// to do, and a loop that waits for something else would spin on it.
pub(crate) struct Edge {
    fd: OwnedFd,
}

impl Edge {
    pub(crate) fn new(socket: &Socket) -> io::Result<Self> {
        let watched = socket.try_as_fd()?;
        // SAFETY: a system call without pointers.
        let raw = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: made just now, owned by nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET).cast_unsigned(), u64: 0 };
        // SAFETY: both descriptors are open, the event lives through the call.
        let result = unsafe {
            libc::epoll_ctl(fd.as_raw_fd(), libc::EPOLL_CTL_ADD, watched.as_raw_fd(), &raw mut event)
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { fd })
    }

    pub(crate) fn number(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Takes the edge away: what comes from now on makes a new one.
    pub(crate) fn reset(&self) {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: the descriptor is open and there is room for one event.
        unsafe { libc::epoll_wait(self.fd.as_raw_fd(), &raw mut event, 1, 0) };
    }
}
