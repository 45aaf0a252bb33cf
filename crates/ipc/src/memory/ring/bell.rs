//! How a side tells that it sleeps, and how the other one wakes it: a word, and a socket for long sleeps.
//!
//! A futex is the fast way to sleep, but the kernel does not wake us when the process that should do so is gone. A socket tells that
//! (the kernel closes the other end with the process), but rings slower. So a side sleeps on the futex first, for a [`MOMENT`]: what
//! answers usually answers by then. If nothing came it goes over to the socket, for as long as it takes. So nobody wakes up every now
//! and then to look whether the other one is still there, and a killed one is noticed within that moment. A side that sleeps on its
//! socket can do so in an event loop as well.
//!
//! A sleeper must never miss what it waits for. Each side stores one thing and then loads another (the one its record, then the word;
//! the other its word, then the record), and a load may overtake a store. So there is a sequentially consistent fence on both sides,
//! in [`announce`] and [`take`].

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::layout::Status;
use crate::lifeline::Lifeline;
use crate::memory::{Region, futex};
use crate::{Deadline, Error, Wait, wait};

/// For how long a side sleeps on the futex before it goes over to the socket.
const MOMENT: Duration = Duration::from_millis(10);

/// Nobody sleeps.
const AWAKE: u32 = 0;
/// The side sleeps on the word.
const ON_FUTEX: u32 = 1;
/// The side sleeps on its socket, or has somebody who does so.
const ON_SOCKET: u32 = 2;

/// The bell between two sides, as one of them has it.
#[derive(Debug)]
pub(super) struct Bell {
    region: Region,
    own: Status,
    other: Status,
    socket: Lifeline,
    /// The socket has told that the other side is gone.
    cut: Cell<bool>,
    /// An event loop may watch the socket.
    watched: Cell<bool>,
}

impl Bell {
    /// Takes a side.
    ///
    /// # Errors
    ///
    /// [`Error::Ticket`] if somebody has it already.
    pub(super) fn claim(
        region: &Region,
        own: Status,
        other: Status,
        socket: Lifeline,
    ) -> Result<Self, Error> {
        if region.word32(own.claimed()).swap(1, Ordering::AcqRel) != 0 {
            return Err(Error::Ticket("this side of the ring is taken".into()));
        }
        Ok(Self {
            region: region.clone(),
            own,
            other,
            socket,
            cut: Cell::new(false),
            watched: Cell::new(false),
        })
    }

    /// Makes the first ring of each side go to the other one's socket: an event loop may watch it before anybody has looked.
    pub(super) fn prepare(region: &Region) {
        for status in [Status::PRODUCER, Status::CONSUMER] {
            region.word32(status.bell()).store(ON_SOCKET, Ordering::Relaxed);
        }
    }

    /// Wakes the other side if it sleeps. Comes after what it shall see.
    #[inline]
    pub(super) fn ring(&self) -> Result<(), Error> {
        let word = self.region.word32(self.other.bell());
        match take(word) {
            AWAKE => Ok(()),
            ON_SOCKET => match send(&self.socket, &[0], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                // Full: it has enough to wake up for. Gone: nobody is there to be woken; whoever waits finds out.
                Ok(_) | Err(Errno::AGAIN | Errno::PIPE | Errno::CONNRESET) => Ok(()),
                Err(error) => Err(Error::system("send")(error)),
            },
            // What else the other side may have written there concerns nobody but itself.
            _ => futex::wake(word, 1).map(drop),
        }
    }

    /// Waits until `look` finds something. It is told whether the other side is gone, and was so before it looks.
    #[inline]
    pub(super) fn wait<T>(
        &self,
        wait: Wait,
        deadline: Deadline,
        mut look: impl FnMut(bool) -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        // The common case first, and short.
        match look(self.is_over())? {
            Some(found) => Ok(found),
            None => self.wait_longer(wait, deadline, look),
        }
    }

    #[cold]
    #[inline(never)]
    fn wait_longer<T>(
        &self,
        wait: Wait,
        deadline: Deadline,
        mut look: impl FnMut(bool) -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        let mut nap = Nap { bell: self, announced: AWAKE, futex_until: None };
        let found = wait::until(wait, deadline, || look(self.is_over()), |deadline| nap.doze(deadline));
        drop(nap);
        match found {
            // Who never waits for long shall learn of a death, too.
            Err(Error::TimedOut) => {
                self.listen()?;
                if self.watched.get() {
                    announce(self.word(), ON_SOCKET);
                }
                look(self.is_over())?.ok_or(Error::TimedOut)
            }
            other => other,
        }
    }

    /// Has the socket rung from now on whenever the other side has news, for an event loop.
    pub(super) fn watch(&self) -> BorrowedFd<'_> {
        self.watched.set(true);
        announce(self.word(), ON_SOCKET);
        self.socket.as_fd()
    }

    /// Tells whether the other side is known to be gone.
    #[inline]
    fn is_over(&self) -> bool {
        self.cut.get() || self.region.word32(self.other.closed()).load(Ordering::Acquire) != 0
    }

    /// Takes what has arrived on the socket, without waiting.
    fn listen(&self) -> Result<(), Error> {
        let mut rings = [0; 64];
        match recv(&self.socket, &mut rings, RecvFlags::DONTWAIT) {
            Ok((0, _)) | Err(Errno::CONNRESET) => self.cut.set(true),
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(Error::system("recv")(error)),
        }
        Ok(())
    }

    fn word(&self) -> &AtomicU32 {
        self.region.word32(self.own.bell())
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.region.word32(self.own.closed()).store(1, Ordering::Release);
        // If it cannot be rung, the socket, which is closed next, tells as well.
        let _ = self.ring();
    }
}

/// One wait, from the first sleep to the last.
struct Nap<'a> {
    bell: &'a Bell,
    announced: u32,
    futex_until: Option<Instant>,
}

impl Nap<'_> {
    /// Announces that we sleep and returns, so that the caller looks once more; when called again, sleeps.
    fn doze(&mut self, deadline: Deadline) -> Result<(), Error> {
        let word = self.bell.word();
        if self.announced == AWAKE || word.load(Ordering::Relaxed) != self.announced {
            if deadline.has_passed() {
                return Err(Error::TimedOut);
            }
            let now = Instant::now();
            let is_short = now < *self.futex_until.get_or_insert(now + MOMENT);
            self.announced = if is_short { ON_FUTEX } else { ON_SOCKET };
            announce(word, self.announced);
            return Ok(());
        }
        if self.announced == ON_SOCKET {
            wait::readable(self.bell.socket.as_fd(), deadline)?;
            return self.bell.listen();
        }
        let futex_until = self.futex_until.map_or(Deadline::NOW, Deadline::at);
        match futex::wait(word, ON_FUTEX, deadline.min(futex_until)) {
            Err(Error::TimedOut) if !deadline.has_passed() => {
                self.announced = AWAKE;
                Ok(())
            }
            other => other,
        }
    }
}

impl Drop for Nap<'_> {
    fn drop(&mut self) {
        if self.futex_until.is_some() {
            self.bell.word().store(AWAKE, Ordering::Relaxed);
        }
    }
}

/// The sleeper's part, before it looks a last time.
#[inline]
fn announce(word: &AtomicU32, how: u32) {
    word.store(how, Ordering::Relaxed);
    fence(Ordering::SeqCst);
}

/// The other side's part, after it has published something: returns how the sleeper is to be woken, and that only once.
#[inline]
fn take(word: &AtomicU32) -> u32 {
    fence(Ordering::SeqCst);
    if word.load(Ordering::Relaxed) == AWAKE { AWAKE } else { word.swap(AWAKE, Ordering::AcqRel) }
}
