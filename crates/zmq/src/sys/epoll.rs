//! Readiness of many descriptors: epoll, level-triggered.

use std::io;
use std::ops::BitOr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

/// The longest wait in one call, some 24 days: the most that `epoll_wait` can express.
const WAIT_MAX: Duration = Duration::from_millis(i32::MAX.unsigned_abs() as u64);

/// Whether `epoll_pwait2` (Linux 5.11) is worth a try; a sandbox or an old kernel turns it off for good.
static PRECISE: AtomicBool = AtomicBool::new(true);

/// What to wait for on a descriptor. Errors and hang-ups are always reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interest(epoll::EventFlags);

impl Interest {
    /// Nothing but errors and hang-ups.
    pub(crate) const NONE: Self = Self(epoll::EventFlags::empty());
    /// Bytes, a connection to accept, or the end of the stream.
    pub(crate) const READ: Self = Self(epoll::EventFlags::IN);
    /// Room to write, or the end of a connection attempt.
    pub(crate) const WRITE: Self = Self(epoll::EventFlags::OUT);
}

impl BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// An epoll descriptor. May itself be watched: it is readable while a watched descriptor is ready.
#[derive(Debug)]
pub(crate) struct Epoll {
    fd: OwnedFd,
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { fd: epoll::create(epoll::CreateFlags::CLOEXEC)? })
    }

    /// Starts watching a descriptor; events carry `token`.
    ///
    /// Remove it before it is closed: a duplicate elsewhere (a forked child's) would keep it in.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.fd, fd, epoll::EventData::new_u64(token), interest.0)?)
    }

    /// Changes what a watched descriptor is watched for, and its token.
    pub(crate) fn modify(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.fd, fd, epoll::EventData::new_u64(token), interest.0)?)
    }

    /// Stops watching a descriptor.
    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.fd, fd)?)
    }

    /// Waits until a descriptor is ready or the time is over; `None` waits for ever. Replaces what `events` held,
    /// which is empty when the time is over.
    ///
    /// Never returns early but for waits of more than 24 days, and never fails for the length of a wait. Sleeps to
    /// the nanosecond where the kernel can, else to the next millisecond.
    ///
    /// # Errors
    ///
    /// `Interrupted` when a signal was handled: whether to go on is the caller's to say.
    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.list.clear();
        let timeout = timeout.map(|timeout| timeout.min(WAIT_MAX));
        if let Some(timeout) = timeout
            && timeout.subsec_nanos() % 1_000_000 != 0
            && PRECISE.load(Ordering::Relaxed)
        {
            match self.wait_precisely(events, timeout) {
                // Sandboxes answer system calls they do not know with either.
                Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOSYS | Errno::PERM)) => {
                    PRECISE.store(false, Ordering::Relaxed);
                }
                done => return done,
            }
        }
        // Within the limit, the conversion holds and rustix rounds up to the millisecond.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        epoll::wait(&self.fd, spare_capacity(&mut events.list), timeout.as_ref())?;
        Ok(())
    }

    fn wait_precisely(&self, events: &mut Events, timeout: Duration) -> io::Result<()> {
        /// The kernel's own, 64 bits wide on every architecture, as the C library's need not be.
        #[repr(C)]
        struct KernelTimespec {
            seconds: i64,
            nanoseconds: i64,
        }
        let timeout = KernelTimespec {
            seconds: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            nanoseconds: i64::from(timeout.subsec_nanos()),
        };
        let capacity = libc::c_int::try_from(events.list.capacity()).unwrap_or(libc::c_int::MAX);
        // SAFETY: the descriptor is open, the list is empty and has room for `capacity` events, whose layout is the
        // kernel's; timeout lives through the call; a null signal mask is allowed and makes its size irrelevant.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.fd.as_raw_fd(),
                events.list.as_mut_ptr(),
                capacity,
                &raw const timeout,
                std::ptr::null::<libc::sigset_t>(),
                0_usize,
            )
        };
        let Ok(count) = usize::try_from(count) else { return Err(io::Error::last_os_error()) };
        // SAFETY: the kernel has written the first `count` events, at most `capacity` of them.
        unsafe { events.list.set_len(count) };
        Ok(())
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What a wait brought; to be reused from wait to wait.
pub(crate) struct Events {
    list: Vec<epoll::Event>,
}

// SAFETY: the events hold tokens (numbers), never pointers: `Epoll::add` and `Epoll::modify` put in nothing else. That the
// kernel's field could also be a pointer is the only reason why the type is not `Send` by itself.
unsafe impl Send for Events {}

impl Events {
    /// Makes room for some `capacity` events a wait; what does not fit comes with the next one.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { list: Vec::with_capacity(capacity.max(1)) }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.list.iter().map(|event| {
            // By value: the kernel's struct is packed on some architectures.
            let (flags, data) = (event.flags, event.data);
            let hangup = epoll::EventFlags::ERR | epoll::EventFlags::HUP | epoll::EventFlags::RDHUP;
            Event {
                token: data.u64(),
                readable: flags.contains(epoll::EventFlags::IN),
                writable: flags.contains(epoll::EventFlags::OUT),
                hangup: flags.intersects(hangup),
            }
        })
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// One descriptor's readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) token: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// An error is pending, or both directions are closed. A stream at its end may still hold bytes to read.
    pub(crate) hangup: bool,
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use super::*;

    const NOW: Option<Duration> = Some(Duration::ZERO);

    fn ready(epoll: &Epoll, timeout: Option<Duration>) -> Vec<Event> {
        let mut events = Events::with_capacity(8);
        epoll.wait(&mut events, timeout).unwrap();
        events.iter().collect()
    }

    #[test]
    fn reports_what_was_asked_for() {
        let epoll = Epoll::new().unwrap();
        let (near, mut far) = UnixStream::pair().unwrap();
        epoll.add(near.as_fd(), 7, Interest::READ).unwrap();
        assert_eq!(ready(&epoll, NOW), []);

        far.write_all(b"x").unwrap();
        let readable = Event { token: 7, readable: true, writable: false, hangup: false };
        assert_eq!(ready(&epoll, None), [readable]);
        assert_eq!(ready(&epoll, NOW), [readable], "level-triggered");

        epoll.modify(near.as_fd(), u64::MAX, Interest::READ | Interest::WRITE).unwrap();
        assert_eq!(
            ready(&epoll, NOW),
            [Event { token: u64::MAX, readable: true, writable: true, hangup: false }]
        );
        epoll.modify(near.as_fd(), 1, Interest::NONE).unwrap();
        assert_eq!(ready(&epoll, NOW), []);
        // Not by closing: another test's forked child may hold the descriptor a moment longer.
        far.shutdown(std::net::Shutdown::Both).unwrap();
        let events = ready(&epoll, NOW);
        assert_eq!(events, [Event { token: 1, readable: false, writable: false, hangup: true }]);

        epoll.remove(near.as_fd()).unwrap();
        assert_eq!(ready(&epoll, NOW), []);
        assert_eq!(epoll.remove(near.as_fd()).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn one_epoll_watches_another() {
        let (inner, outer) = (Epoll::new().unwrap(), Epoll::new().unwrap());
        let (near, _far) = UnixStream::pair().unwrap();
        outer.add(inner.as_fd(), 1, Interest::READ).unwrap();
        assert_eq!(ready(&outer, NOW), []);
        inner.add(near.as_fd(), 2, Interest::WRITE).unwrap();
        assert_eq!(ready(&outer, NOW), [Event { token: 1, readable: true, writable: false, hangup: false }]);
    }

    #[test]
    fn a_small_buffer_gets_the_rest_with_the_next_wait() {
        let epoll = Epoll::new().unwrap();
        let pairs: Vec<_> = (0..3).map(|_| UnixStream::pair().unwrap()).collect();
        for (token, pair) in (0..).zip(&pairs) {
            epoll.add(pair.0.as_fd(), token, Interest::WRITE).unwrap();
        }
        let mut events = Events::with_capacity(0);
        let mut tokens = std::collections::BTreeSet::new();
        for _ in 0..3 {
            epoll.wait(&mut events, NOW).unwrap();
            tokens.extend(events.iter().map(|event| event.token));
        }
        assert_eq!(tokens.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn never_returns_early() {
        let epoll = Epoll::new().unwrap();
        // With and without the precise call; for other tests, running meanwhile, either will do.
        for precise in [false, true] {
            PRECISE.store(precise, Ordering::Relaxed);
            for timeout in [Duration::from_nanos(1), Duration::from_micros(300), Duration::from_millis(1)] {
                for _ in 0..3 {
                    let started = Instant::now();
                    assert_eq!(ready(&epoll, Some(timeout)), []);
                    assert!(started.elapsed() >= timeout);
                }
            }
        }
    }

    #[test]
    fn any_timeout_is_taken() {
        let epoll = Epoll::new().unwrap();
        let (near, _far) = UnixStream::pair().unwrap();
        epoll.add(near.as_fd(), 1, Interest::WRITE).unwrap();
        for timeout in [Duration::MAX, WAIT_MAX, Duration::from_nanos(u64::MAX), Duration::new(u64::MAX, 1)] {
            assert_eq!(ready(&epoll, Some(timeout)).len(), 1);
        }
    }
}
