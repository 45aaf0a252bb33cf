//! Where signals arrive.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;

use super::mask::{bit, block_everywhere};
use super::sys::{self, Action, Set};
use super::{NAME, RealTime};
use crate::wait::{readable, uninterrupted, until};
use crate::{Deadline, Error, Unavailable, Wait};

/// A descriptor from which the signals of one number are read.
///
/// To open one blocks the signal in every thread of the process, also in those that run already: they are interrupted
/// once. The signal stays blocked until the process ends, and has a handler for the case that some thread unblocks
/// it. Programs that the process starts inherit that it is blocked, but not the handler. Numbers that were used once
/// are used again.
///
/// Signals that were sent to one thread (`tgkill`, `pthread_kill`) are not for an inbox, and are thrown away.
/// Signals that nobody has read when the inbox is dropped are thrown away.
#[derive(Debug)]
pub struct Inbox {
    descriptor: OwnedFd,
    claim: Claim,
}

/// A signal that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// The number that came with it; 0 if it was sent without.
    pub payload: i32,
    /// The whole payload, where the sender has used all bits of a pointer.
    pub wide: u64,
    /// The process that says it sent it, as it calls itself. For signals of [`Target::queue`](super::Target::queue)
    /// the sender writes this itself.
    pub process: u32,
    /// The user who says so.
    pub user: u32,
    /// By which call it was sent: `SI_QUEUE`, `SI_MESGQ`, `SI_USER`, `SI_TIMER`, …, see sigaction(2).
    pub code: i32,
}

impl Inbox {
    /// An inbox for a signal that this process uses for nothing else, the least urgent ones first.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if there is none, or a thread cannot be made to block it; [`Error::System`].
    pub fn any() -> Result<Self, Error> {
        Self::claimed(Claim::new()?)
    }

    /// An inbox for this signal.
    ///
    /// # Errors
    ///
    /// As for [`any`](Self::any); [`Error::Unavailable`] as well if the signal has an inbox already, or the program
    /// handles or ignores it.
    pub fn of(signal: RealTime) -> Result<Self, Error> {
        Self::claimed(Claim::of(signal)?)
    }

    fn claimed(claim: Claim) -> Result<Self, Error> {
        block_everywhere(claim.signal())?;
        let set = Set::of(&[claim.signal().number()]);
        let descriptor = sys::signalfd(&set).map_err(|error| match error {
            Errno::NOSYS => Unavailable::new(NAME, "the kernel has no signalfd").into(),
            error => Error::system("signalfd")(error),
        })?;
        let inbox = Self { descriptor, claim };
        inbox.drain();
        Ok(inbox)
    }

    /// Which signal it is for: others have to be told.
    #[must_use]
    pub const fn signal(&self) -> RealTime {
        self.claim.0
    }

    /// Takes the next signal.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`], [`Error::System`].
    pub fn receive(&self, deadline: Deadline) -> Result<Note, Error> {
        until(Wait::Block, deadline, || self.look(), |deadline| readable(self.as_fd(), deadline))
    }

    /// Takes the next signal if there is one.
    pub(super) fn look(&self) -> Result<Option<Note>, Error> {
        /// The size of the kernel's `signalfd_siginfo`.
        const RECORD: usize = 128;
        let mut record = [0; RECORD];
        loop {
            match uninterrupted(|| rustix::io::read(&self.descriptor, &mut record)) {
                // Our own request to block it, of which nothing is left to do.
                Ok(RECORD) if Note::of_record(&record).code == libc::SI_TKILL => {}
                Ok(RECORD) => return Ok(Some(Note::of_record(&record))),
                Ok(_) => return Err(Error::Corrupt("the kernel gave half a signal".into())),
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(Error::system("read")(error)),
            }
        }
    }

    /// Throws away what has arrived.
    fn drain(&self) {
        while let Ok(Some(_)) = self.look() {}
    }
}

impl Note {
    /// Offsets are those of `signalfd_siginfo` in signalfd(2), the same on every machine.
    fn of_record(record: &[u8; 128]) -> Self {
        fn octets<const N: usize>(record: &[u8; 128], at: usize) -> [u8; N] {
            record.get(at..at + N).and_then(|part| part.try_into().ok()).unwrap_or([0; N])
        }
        Self {
            code: i32::from_ne_bytes(octets(record, 8)),
            process: u32::from_ne_bytes(octets(record, 12)),
            user: u32::from_ne_bytes(octets(record, 16)),
            payload: i32::from_ne_bytes(octets(record, 44)),
            wide: u64::from_ne_bytes(octets(record, 48)),
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        // Before the number is free for another inbox.
        self.drain();
    }
}

impl AsFd for Inbox {
    /// Readable while a signal waits.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// The right to use a number in this process.
#[derive(Debug)]
pub(super) struct Claim(RealTime);

/// Numbers in use, and numbers used before: those have our handler and are blocked.
static CLAIMED: Mutex<(u64, u64)> = Mutex::new((0, 0));

impl Claim {
    pub(super) fn new() -> Result<Self, Error> {
        // Who blocks a signal, or handles it, means something by it; but who blocks all means none of them.
        let blocked = sys::block(&Set::of(&[]));
        let blocks_all = RealTime::all().all(|signal| blocked.has(signal.number()));
        let free = |signal: &RealTime| {
            (blocks_all || !blocked.has(signal.number()))
                && sys::action(signal.number()) == Ok(Action::Default)
        };
        RealTime::all()
            .rev()
            .find_map(|signal| Self::try_of(signal, &free))
            .ok_or_else(|| Unavailable::new(NAME, "this process uses all real-time signals").into())
    }

    fn of(signal: RealTime) -> Result<Self, Error> {
        Self::try_of(signal, &|_| true).ok_or_else(|| {
            Unavailable::new(NAME, format!("signal {} has an inbox already", signal.number())).into()
        })
    }

    fn try_of(signal: RealTime, free: &dyn Fn(&RealTime) -> bool) -> Option<Self> {
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        let (in_use, used_before) = &mut *claimed;
        let bit = bit(signal.number());
        if *in_use & bit != 0 || (*used_before & bit == 0 && !free(&signal)) {
            return None;
        }
        *in_use |= bit;
        *used_before |= bit;
        Some(Self(signal))
    }

    pub(super) const fn signal(&self) -> RealTime {
        self.0
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        CLAIMED.lock().unwrap_or_else(PoisonError::into_inner).0 &= !bit(self.0.number());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;
    use crate::signals::Target;

    #[test]
    fn a_thread_that_unblocks_a_signal_passes_it_on() {
        let inbox = Inbox::any().expect("an inbox");
        let signal = inbox.signal();
        let blocks_again = thread::spawn(move || {
            // What somebody else's code may do.
            sys::set_blocked(&Set::of(&[]));
            let me = Target::of(std::process::id()).expect("this process");
            me.queue(signal, 5).expect("queued");
            me.queue(signal, 6).expect("queued");
            sys::block(&Set::of(&[])).has(signal.number())
        });
        assert!(blocks_again.join().expect("no panic"));
        let mut payloads = [(); 2].map(|()| inbox.receive(Deadline::NEVER).expect("a signal").payload);
        payloads.sort_unstable();
        assert_eq!(payloads, [5, 6]);
    }

    #[test]
    fn a_thread_that_blocks_all_signals_can_have_an_inbox() {
        let opened = thread::spawn(|| {
            sys::set_blocked(&Set::full());
            Inbox::any().map(drop)
        });
        opened.join().expect("no panic").expect("an inbox");
    }

    #[test]
    fn a_thread_that_blocks_all_for_a_moment_costs_no_signals_afterwards() {
        let (blocked, wait_for_block) = channel();
        let (opened, wait_for_open) = channel();
        let (unblocked, wait_for_unblock) = channel();
        let (done, wait_for_end) = channel::<()>();
        // What the C library does while it starts a thread.
        let thread = thread::spawn(move || {
            let before = sys::set_blocked(&Set::full());
            blocked.send(()).expect("the test waits");
            wait_for_open.recv().expect("an inbox is opened");
            sys::set_blocked(&before);
            unblocked.send(()).expect("the test waits");
            let _ = wait_for_end.recv();
        });
        wait_for_block.recv().expect("the thread runs");
        let inbox = Inbox::any().expect("an inbox");
        opened.send(()).expect("the thread waits");
        wait_for_unblock.recv().expect("the thread runs");
        let me = Target::of(std::process::id()).expect("this process");
        (0..100).for_each(|payload| me.queue(inbox.signal(), payload).expect("queued"));
        // Should it have been missed, it passes the first one on, behind others.
        let mut payloads: Vec<_> =
            (0..100).map(|_| inbox.receive(Deadline::NEVER).expect("a signal").payload).collect();
        payloads.sort_unstable();
        assert!(payloads.into_iter().eq(0..100));
        drop(done);
        thread.join().expect("no panic");
    }
}
