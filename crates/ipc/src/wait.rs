//! Waiting, the same way everywhere: look, perhaps keep looking for a moment, then sleep in the kernel.

use std::num::NonZero;
use std::os::fd::BorrowedFd;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::{Deadline, Error};

/// How an end waits for what is not there yet.
///
/// To sleep and to be woken costs some microseconds and two changes of thread, but leaves the core to others; to look again and again
/// costs a core, and saves these microseconds if the other end runs on another core at that moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Sleeps in the kernel at once. The default, and the only sensible way on one core.
    #[default]
    Block,
    /// Looks again and again for this long, then sleeps. On one core it lets others run between two looks.
    Spin(Duration),
}

impl Wait {
    /// Whether it is worth looking a few times before anything else, the clock included.
    #[inline]
    pub(crate) fn looks_at_once(self, deadline: Deadline) -> bool {
        matches!(self, Self::Spin(span) if !span.is_zero()) && !deadline.is_now() && !is_one_core()
    }

    /// Whether the kernel can do the waiting inside a call, which saves one: there is no limit, and nothing to look at meanwhile.
    pub(crate) fn is_patient(self, deadline: Deadline) -> bool {
        deadline.is_never() && self == Self::Block
    }
}

/// How many looks there are between two looks at the clock, which costs as much as a look at a ring.
const LOOKS_PER_CLOCK: u32 = 16;

/// How many looks there are before the first look at the clock: a microsecond or two.
pub(crate) const LOOKS_WITHOUT_CLOCK: u32 = 64;

/// How long an end spins before it lets others run between two looks: the time of a round trip between two cores.
const SELFISH: Duration = Duration::from_micros(5);

/// Repeats `look` until it returns something: the one loop in which every mechanism waits.
///
/// `look` returns `None` for "not yet" and must not wait. `block` waits in the kernel until it may be worth looking again; it may return
/// too early, and returns [`Error::TimedOut`] once the deadline that it is given has passed.
pub(crate) fn until<T>(
    wait: Wait,
    deadline: Deadline,
    mut look: impl FnMut() -> Result<Option<T>, Error>,
    mut block: impl FnMut(Deadline) -> Result<(), Error>,
) -> Result<T, Error> {
    if let Some(found) = look()? {
        return Ok(found);
    }
    if deadline.is_now() {
        return Err(Error::TimedOut);
    }
    if let Wait::Spin(span) = wait
        && let Some(found) = spin(span, deadline, &mut look)?
    {
        return Ok(found);
    }
    loop {
        let blocked = block(deadline);
        // What came in the last moment counts: with a short deadline the sleep may be over before it began.
        if let Some(found) = look()? {
            return Ok(found);
        }
        blocked?;
    }
}

/// Repeats `look` until it returns something, `span` or `deadline` has passed.
pub(crate) fn spin<T>(
    span: Duration,
    deadline: Deadline,
    look: &mut impl FnMut() -> Result<Option<T>, Error>,
) -> Result<Option<T>, Error> {
    if Wait::Spin(span).looks_at_once(deadline) {
        // An answer from the next core is here before a clock has been looked at a few times.
        for _ in 0..LOOKS_WITHOUT_CLOCK {
            std::hint::spin_loop();
            if let Some(found) = look()? {
                return Ok(Some(found));
            }
        }
    }
    let end = deadline.min(Deadline::after(span));
    // The kernel likes to wake the other end up on this very core, where it waits until this one stops spinning.
    let selfish = if is_one_core() { Deadline::NOW } else { Deadline::after(SELFISH) };
    let mut yields = selfish.is_now();
    loop {
        for _ in 0..LOOKS_PER_CLOCK {
            if yields {
                thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
            if let Some(found) = look()? {
                return Ok(Some(found));
            }
        }
        if end.has_passed() {
            return Ok(None);
        }
        yields = selfish.has_passed();
    }
}

/// Tells whether the process may use one core only: the other end cannot run while this one spins.
#[inline]
fn is_one_core() -> bool {
    static ONE: OnceLock<bool> = OnceLock::new();
    *ONE.get_or_init(|| thread::available_parallelism().is_ok_and(|cores| cores == NonZero::<usize>::MIN))
}

/// Sleeps until the descriptor can be read, is at its end, or has an error to tell.
pub(crate) fn readable(descriptor: BorrowedFd<'_>, deadline: Deadline) -> Result<(), Error> {
    ready(&mut [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)], deadline)
}

/// Sleeps until the descriptor can be written to, or has an error to tell.
pub(crate) fn writable(descriptor: BorrowedFd<'_>, deadline: Deadline) -> Result<(), Error> {
    ready(&mut [PollFd::from_borrowed_fd(descriptor, PollFlags::OUT)], deadline)
}

/// Sleeps until one of the descriptors is ready, whatever happens to the process's signals.
pub(crate) fn ready(descriptors: &mut [PollFd<'_>], deadline: Deadline) -> Result<(), Error> {
    loop {
        match poll(descriptors, deadline.timespec().as_ref()) {
            Ok(0) => return Err(Error::TimedOut),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(Error::system("poll")(error)),
        }
    }
}

/// Repeats a system call that a signal interrupted. Only for calls that return at once or may wait for ever.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_once_if_it_must_not_wait() {
        let mut looks = 0;
        let found = until(
            Wait::Spin(Duration::from_secs(60)),
            Deadline::NOW,
            || {
                looks += 1;
                Ok(None::<()>)
            },
            |_| panic!("must not sleep"),
        );
        assert!(matches!(found, Err(Error::TimedOut)));
        assert_eq!(looks, 1);
    }

    #[test]
    fn spins_before_it_sleeps() {
        let mut looks = 0;
        let found = until(
            Wait::Spin(Duration::from_secs(60)),
            Deadline::NEVER,
            || {
                looks += 1;
                Ok((looks == 100).then_some(looks))
            },
            |_| panic!("must not sleep"),
        );
        assert_eq!(found.expect("found"), 100);
    }

    #[test]
    fn looks_a_last_time_after_the_deadline() {
        let (mut sleeps, mut there) = (0, std::cell::Cell::new(false));
        let found = until(
            Wait::Block,
            Deadline::after(Duration::from_secs(60)),
            || Ok(there.get().then_some(())),
            |_| {
                sleeps += 1;
                there.set(true);
                Err(Error::TimedOut)
            },
        );
        assert!(found.is_ok());
        assert_eq!((sleeps, there.get_mut()), (1, &mut true));
    }

    #[test]
    fn a_deadline_ends_the_spinning_and_the_sleep() {
        let soon = Deadline::after(Duration::from_millis(1));
        let found = until(
            Wait::Spin(Duration::from_secs(60)),
            soon,
            || Ok(None::<()>),
            |deadline| if deadline.has_passed() { Err(Error::TimedOut) } else { Ok(()) },
        );
        assert!(matches!(found, Err(Error::TimedOut)));
    }
}
