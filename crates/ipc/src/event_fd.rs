//! An eventfd: a counter of 64 bits in the kernel, to notify others, and nothing more.
//!
//! [`EventFd`] in its two ways of counting:
//!
//! ```
//! use tamtam_ipc::{Deadline, event_fd::EventFd};
//!
//! let bell = EventFd::new()?; // all that was added since, at once
//! bell.add(1, Deadline::NOW)?;
//! bell.add(2, Deadline::NOW)?;
//! assert_eq!(bell.take(Deadline::NOW)?, 3);
//!
//! let semaphore = EventFd::semaphore()?; // one at a time
//! semaphore.add(2, Deadline::NOW)?;
//! assert_eq!((semaphore.take(Deadline::NOW)?, semaphore.take(Deadline::NOW)?), (1, 1));
//! assert!(matches!(semaphore.take(Deadline::NOW), Err(tamtam_ipc::Error::TimedOut)));
//! # Ok::<(), tamtam_ipc::Error>(())
//! ```
//!
//! A link over eventfds carries messages without content: as many notifications arrive as were sent. What would be said with more goes
//! through shared memory, for which an eventfd is the bell.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};
use rustix::io::{Errno, read, write};

use crate::facts::{Boundaries, Delivery, Direction, Family, Order, PeerDeath, Persistence, Reach};
use crate::lifeline::Lifeline;
use crate::wait::{readable, ready, until, writable};
use crate::{Deadline, End, Error, Facts, Limit, Link, Mechanism, Plan, Side, Ticket, Unavailable, Wait};

/// A counter in the kernel that can be waited for.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    /// One that gives all that was added since, and starts from zero again.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if there is no free descriptor.
    pub fn new() -> Result<Self, Error> {
        Self::with_flags(EventfdFlags::empty())
    }

    /// One that gives one at a time.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if there is no free descriptor.
    pub fn semaphore() -> Result<Self, Error> {
        Self::with_flags(EventfdFlags::SEMAPHORE)
    }

    fn with_flags(flags: EventfdFlags) -> Result<Self, Error> {
        eventfd(0, flags | EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map(Self)
            .map_err(Error::system("eventfd"))
    }

    /// Adds to the counter. Waits while that would be too much for it: 2^64 - 2 is the most that it holds.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`]; [`Error::System`] with `EINVAL` for 2^64 - 1.
    pub fn add(&self, count: u64, deadline: Deadline) -> Result<(), Error> {
        until(Wait::Block, deadline, || self.try_add(count), |deadline| writable(self.as_fd(), deadline))
    }

    /// Waits until the counter is not zero, and takes all of it, or one from a semaphore.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`], [`Error::System`].
    pub fn take(&self, deadline: Deadline) -> Result<u64, Error> {
        until(Wait::Block, deadline, || self.try_take(), |deadline| readable(self.as_fd(), deadline))
    }

    fn try_add(&self, count: u64) -> Result<Option<()>, Error> {
        match write(&self.0, &count.to_ne_bytes()) {
            Ok(_) => Ok(Some(())),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(Error::system("write")(error)),
        }
    }

    fn try_take(&self) -> Result<Option<u64>, Error> {
        let mut count = [0; 8];
        match read(&self.0, &mut count) {
            Ok(_) => Ok(Some(u64::from_ne_bytes(count))),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(Error::system("read")(error)),
        }
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<EventFd> for OwnedFd {
    fn from(event: EventFd) -> Self {
        event.0
    }
}

/// Messages without content.
#[derive(Debug)]
struct Bells {
    /// Rung by us, and by the other end.
    ours: EventFd,
    theirs: EventFd,
    lifeline: Lifeline,
    wait: Wait,
}

impl End for Bells {
    fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        if !message.is_empty() {
            return Err(Error::TooLong { len: message.len(), max: 0 });
        }
        if self.lifeline.is_cut() {
            return Err(Error::Closed);
        }
        self.ours.add(1, deadline)
    }

    fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        into.clear();
        let sleep = |deadline| {
            let mut either = [
                PollFd::from_borrowed_fd(self.theirs.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.lifeline.as_fd(), PollFlags::RDHUP),
            ];
            ready(&mut either, deadline)?;
            // What was rung before the end comes first.
            let is_rung = !either[0].revents().is_empty();
            if is_rung { Ok(()) } else { Err(Error::Closed) }
        };
        match until(self.wait, deadline, || self.theirs.try_take(), sleep) {
            // It may have rung in its last moment.
            Err(Error::TimedOut) if self.lifeline.is_cut() => match self.theirs.try_take()? {
                Some(_) => Ok(()),
                None => Err(Error::Closed),
            },
            outcome => outcome.map(drop),
        }
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.theirs.as_fd())
    }
}

/// The mechanism.
#[derive(Clone, Copy, Debug)]
pub struct Adapter;

static FACTS: Facts = Facts {
    name: "eventfd",
    title: "eventfd",
    family: Family::Signals,
    manual: "eventfd(2)",
    boundaries: Boundaries::Kept,
    order: Order::Fifo,
    delivery: Delivery::Counted,
    direction: Direction::OneWay,
    back_pressure: "at 2^64 - 2 notifications that nobody took the sender waits: never",
    limits: "no content; descriptors: RLIMIT_NOFILE",
    reach: Reach::Descriptor,
    persistence: Persistence::Process,
    permissions: "who holds the descriptor",
    clean_up: "nothing: it goes with its last descriptor",
    peer_death: PeerDeath::AtOnce,
    peer_death_text: "the eventfd itself tells nobody; this crate adds a socket pair, whose end wakes the receiver, and at which the sender looks",
    pollable: true,
    copies: 0,
    system_calls: "3, one of them a look at the other end",
    languages: "C, C++, Rust, Go, Python from 3.10",
    when: "to wake an event loop: the bell of a queue in shared memory, or of another thread",
    when_not: "anything that has content",
    pitfalls: "it adds up: three rings may be one wake-up; a read takes exactly 8 octets; nobody is told when the other end is gone; \
               without SEMAPHORE a read takes all",
    program: include_str!("../programs/eventfd.rs"),
};

impl Mechanism for Adapter {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn probe(&self) -> Result<Vec<Limit>, Unavailable> {
        EventFd::new().map_err(|error| Unavailable::new(FACTS.name, error.to_string()))?;
        Ok(vec![
            Limit::new("octets of a message, at most", 0, "eventfd(2)"),
            Limit::new("notifications that may wait", u64::MAX - 1, "eventfd(2)"),
        ])
    }

    fn message_max(&self) -> usize {
        0
    }

    fn link(&self, plan: &Plan) -> Result<Link, Error> {
        plan.check(self)?;
        let (of_client, of_server) = (EventFd::semaphore()?.0, EventFd::semaphore()?.0);
        let again = |event: &OwnedFd| event.try_clone().map_err(Error::system("fcntl"));
        let (clients, servers) = Lifeline::pair()?;
        let ticket = |side, ours: OwnedFd, theirs: OwnedFd, lifeline: Lifeline| {
            Ticket::new(&Self, side, plan)
                .with_descriptor(ours)
                .with_descriptor(theirs)
                .with_descriptor(lifeline)
        };
        Ok(Link {
            client: ticket(Side::Client, again(&of_client)?, again(&of_server)?, clients),
            server: ticket(Side::Server, of_server, of_client, servers),
        })
    }

    fn open(&self, ticket: Ticket) -> Result<Box<dyn End>, Error> {
        let mut ticket = ticket.for_mechanism(self)?;
        Ok(Box::new(Bells {
            ours: EventFd(ticket.take_descriptor()?),
            theirs: EventFd(ticket.take_descriptor()?),
            lifeline: ticket.take_descriptor()?.into(),
            wait: ticket.plan().wait,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_has_an_upper_end() {
        let event = EventFd::new().expect("made");
        event.add(u64::MAX - 1, Deadline::NOW).expect("fits");
        assert!(matches!(event.add(1, Deadline::NOW), Err(Error::TimedOut)));
        assert!(matches!(event.add(u64::MAX, Deadline::NOW), Err(Error::System { .. })));
        assert_eq!(event.take(Deadline::NOW).expect("there"), u64::MAX - 1);
        event.add(1, Deadline::NOW).expect("room again");
    }
}
