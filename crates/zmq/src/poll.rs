//! Waiting once for several sockets and descriptors, without a [`Poller`](crate::Poller) made before.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::core::{Core, ReadySet};
use crate::options::Driver;
use crate::poller::Interest;
use crate::socket::{Readiness, Socket, forked};
use crate::sys::poll::{self, PollFd};

/// One thing to wait for, and what came of it.
#[derive(Debug)]
pub struct PollItem<'a> {
    target: Target<'a>,
    /// What was found; empty before a wait.
    ready: Readiness,
    flags: i16,
}

#[derive(Debug)]
enum Target<'a> {
    Socket { socket: &'a Socket, interest: Interest },
    Fd { fd: RawFd, flags: i16 },
}

impl<'a> PollItem<'a> {
    /// Waits for a socket.
    #[must_use]
    pub fn socket(socket: &'a impl AsRef<Socket>, interest: Interest) -> Self {
        let target = Target::Socket { socket: socket.as_ref(), interest };
        Self { target, ready: Readiness::default(), flags: 0 }
    }

    /// Waits for a descriptor, with the flags of poll(2). A number that is no open descriptor is reported as such
    /// (`POLLNVAL`), a negative one is passed over.
    #[must_use]
    pub fn fd(fd: RawFd, flags: i16) -> Self {
        Self { target: Target::Fd { fd, flags }, ready: Readiness::default(), flags: 0 }
    }

    /// Returns what the socket is ready for, of what was asked.
    #[must_use]
    pub fn ready(&self) -> Readiness {
        self.ready
    }

    /// Returns the flags of poll(2) that were found on the descriptor.
    #[must_use]
    pub fn flags(&self) -> i16 {
        self.flags
    }

    fn is_ready(&self) -> bool {
        self.ready.readable || self.ready.writable || self.flags != 0
    }

    /// Looks at a socket without waiting; `false` if there is nothing.
    fn look(&mut self) -> bool {
        if let Target::Socket { socket, interest } = self.target {
            let core = socket.core();
            let kind = core.kind;
            let Some(mut locked) = core.operate().filter(|locked| locked.is_open()) else {
                // Closed, or in a fork's child: the call that follows says so.
                self.ready = Readiness { readable: interest.readable, writable: interest.writable };
                return self.is_ready();
            };
            let look = |locked: &mut crate::engine::core::Locked<'_>| Readiness {
                readable: interest.readable && kind.can_receive() && locked.look_ahead(),
                writable: interest.writable && kind.can_send() && locked.is_writable(kind),
            };
            self.ready = look(&mut locked);
            if !self.is_ready() && locked.poll_io() {
                self.ready = look(&mut locked);
            }
            if !self.is_ready() {
                locked.rest();
            }
        }
        self.is_ready()
    }
}

/// A socket while somebody sleeps on its set: it wakes the sleeper, and leaves its descriptors to it.
struct Watch<'a> {
    core: &'a Arc<Core>,
    set: Arc<ReadySet>,
    /// What [`State::wakes`](crate::engine::core::State) was when it began.
    since: u64,
    for_room: bool,
}

impl<'a> Watch<'a> {
    /// Begins, and tells whether something came meanwhile; `None` when the socket is closed.
    fn begin(socket: &'a Socket, interest: Interest) -> io::Result<Option<(Self, bool)>> {
        let core = socket.core();
        let kind = core.kind;
        let Some(mut locked) = core.operate() else { return Err(forked()) };
        if !locked.is_open() {
            return Ok(None);
        }
        let set = locked.lend_set()?;
        locked.flush_left();
        if locked.options.driver == Driver::Adaptive {
            locked.drive();
        }
        let since = locked.begin_polling(interest.writable);
        let ready = !locked.is_open()
            || interest.readable && kind.can_receive() && locked.has_input(&core.attention)
            || interest.writable && kind.can_send() && locked.is_writable(kind);
        drop(locked);
        Ok(Some((Self { core, set, since, for_room: interest.writable }, ready)))
    }

    /// What made the set readable is brought in; others who watch it would sleep on.
    fn service(&self) {
        let mut locked = self.core.lock();
        locked.service();
        if locked.is_awaited() {
            locked.wake();
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.core.lock().end_polling(self.for_room, self.since);
    }
}

/// Waits until something of `items` is ready, at most `timeout` (`None`: for ever); returns how many are.
///
/// For a loop that waits for the same sockets again and again, a [`Poller`](crate::Poller) costs less. Sockets that are
/// closed or whose context was shut down count as ready: their calls return at once.
///
/// # Errors
///
/// `Interrupted` when a signal was handled; otherwise what the operating system says.
pub fn poll(items: &mut [PollItem<'_>], timeout: Option<Duration>) -> io::Result<usize> {
    poll_masked(items, timeout, None)
}

/// As [`poll`], with `mask` in place of the thread's signal mask while it sleeps, as ppoll(2) does.
///
/// # Errors
///
/// As [`poll`].
pub fn poll_masked(
    items: &mut [PollItem<'_>],
    timeout: Option<Duration>,
    mask: Option<&libc::sigset_t>,
) -> io::Result<usize> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    for item in &mut *items {
        (item.ready, item.flags) = (Readiness::default(), 0);
    }
    let mut fds: Vec<PollFd> = Vec::with_capacity(items.len());
    loop {
        let mut found = false;
        for item in &mut *items {
            found |= item.look();
        }
        let over = found
            || match (timeout, deadline) {
                (None, _) | (Some(_), None) => false,
                (Some(timeout), Some(deadline)) => timeout.is_zero() || Instant::now() >= deadline,
            };
        // Descriptors that are ready are told together with the sockets; nobody sleeps then.
        let mut watches: Vec<Option<Watch<'_>>> = Vec::new();
        let mut came = over;
        fds.clear();
        for item in &*items {
            match item.target {
                Target::Fd { fd, flags } => fds.push(PollFd::new(fd, flags)),
                Target::Socket { .. } if over => fds.push(PollFd::new(-1, 0)),
                Target::Socket { socket, interest } => match Watch::begin(socket, interest)? {
                    Some((watch, ready)) => {
                        came |= ready;
                        fds.push(PollFd::new(watch.set.watched().as_fd().as_raw_fd(), libc::POLLIN));
                        watches.resize_with(fds.len() - 1, || None);
                        watches.push(Some(watch));
                    }
                    None => {
                        came = true;
                        fds.push(PollFd::new(-1, 0));
                    }
                },
            }
        }
        let left = if came {
            Some(Duration::ZERO)
        } else {
            deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
        };
        poll::poll(&mut fds, left, mask)?;
        for (index, (item, fd)) in items.iter_mut().zip(&fds).enumerate() {
            match &item.target {
                Target::Fd { .. } => item.flags = fd.found(),
                Target::Socket { .. } if fd.found() != 0 => {
                    if let Some(Some(watch)) = watches.get(index) {
                        watch.service();
                    }
                }
                Target::Socket { .. } => {}
            }
        }
        drop(watches);
        if over || items.iter().any(|item| item.flags != 0) {
            for item in &mut *items {
                item.look();
            }
            return Ok(items.iter().filter(|item| item.is_ready()).count());
        }
    }
}
