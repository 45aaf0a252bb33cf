//! A link of two queues without names.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags};

use super::{MESSAGE_MAX, MESSAGES_MAX, NAME, PosixQueue, QUEUES_MAX, Shape};
use crate::facts::{Boundaries, Delivery, Direction, Family, Order, PeerDeath, Persistence, Reach};
use crate::lifeline::Lifeline;
use crate::wait::{ready, until};
use crate::watch::{Came, Watch};
use crate::{Deadline, End, Error, Facts, Limit, Link, Mechanism, Plan, Side, Ticket, Unavailable, limits};

/// The mechanism.
///
/// A link has two queues without names, so that nothing stays behind, and a socket pair by which both ends learn of
/// each other's end. A plan with more messages than `/proc/sys/fs/mqueue/msg_max` allows gets as many as it allows.
#[derive(Clone, Copy, Debug)]
pub struct Adapter;

static FACTS: Facts = Facts {
    name: NAME,
    title: "POSIX message queue",
    family: Family::MessageQueues,
    manual: "mq_overview(7), mq_open(3), mq_timedsend(3), mq_timedreceive(3), mq_notify(3)",
    boundaries: Boundaries::Kept,
    order: Order::Priority,
    delivery: Delivery::Reliable,
    direction: Direction::OneWay,
    back_pressure: "the queue is full when mq_maxmsg messages wait; then the sender waits, with a deadline if it likes",
    limits: "fs.mqueue.msg_max (messages), fs.mqueue.msgsize_max (octets of one), fs.mqueue.queues_max; octets of all queues of a user: RLIMIT_MSGQUEUE",
    reach: Reach::Host,
    persistence: Persistence::Kernel,
    permissions: "mode, owner and group, as for a file; a queue without a name: who holds the descriptor",
    clean_up: "a name stays with its messages until mq_unlink; a link unlinks its names at once, so nothing stays",
    peer_death: PeerDeath::Lifeline,
    peer_death_text: "the queue tells nobody: it keeps what was sent, and whoever waits waits on. A link's thread is woken by its socket pair, and wakes a receiver with an empty message of the least priority",
    pollable: true,
    copies: 2,
    system_calls: "2",
    languages: "C, C++, Rust, Python (posix_ipc), Ada, and what can call the C library",
    when: "commands of different urgency between processes that come and go; the queue keeps what was sent while nobody runs",
    when_not: "more than some kilobytes a message, more than some messages at a time; many queues (RLIMIT_MSGQUEUE); macOS, which has none",
    pitfalls: "by default 10 messages of 8192 octets, whatever is asked for; deadlines are of the real-time clock, which can be set; mq_notify tells once, and only of the first message in an empty queue; the buffer to receive into has to be as long as the longest message",
    program: include_str!("../../programs/posix_queue.rs"),
};

/// What messages are sent with.
const PRIORITY: u32 = 1;
/// What wake-ups are sent with: after all messages.
const PRIORITY_OF_WAKE_UP: u32 = 0;

impl Mechanism for Adapter {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn probe(&self) -> Result<Vec<Limit>, Unavailable> {
        PosixQueue::unnamed(Shape { messages: 1, message_max: 1 })
            .map_err(|error| Unavailable::because(NAME, error))?;
        let rlimit = rustix::process::getrlimit(rustix::process::Resource::Msgqueue).current;
        let limits = [
            Limit::of_file("messages that may wait in a queue", MESSAGES_MAX),
            Limit::of_file("octets of one message", MESSAGE_MAX),
            Limit::of_file("queues", QUEUES_MAX),
            rlimit.map(|octets| Limit::new("octets of all queues of this user", octets, "RLIMIT_MSGQUEUE")),
        ];
        Ok(limits.into_iter().flatten().collect())
    }

    fn message_max(&self) -> usize {
        limits::number_in(MESSAGE_MAX)
            .and_then(|octets| octets.try_into().ok())
            .unwrap_or(MESSAGE_MAX_DEFAULT)
    }

    fn link(&self, plan: &Plan) -> Result<Link, Error> {
        plan.check(self)?;
        let messages = limits::number_in(MESSAGES_MAX).and_then(|messages| messages.try_into().ok());
        let shape = Shape {
            messages: plan.depth.clamp(1, messages.unwrap_or(MESSAGES_MAX_DEFAULT).max(1)),
            message_max: plan.message_max.max(1),
        };
        let (one, other) = (PosixQueue::unnamed(shape)?.descriptor, PosixQueue::unnamed(shape)?.descriptor);
        let (client, server) = Lifeline::pair()?;
        let copy = |queue: &OwnedFd| queue.try_clone().map_err(Error::system("fcntl"));
        Ok(Link {
            client: Ticket::new(&Self, Side::Client, plan)
                .with_descriptor(copy(&one)?)
                .with_descriptor(copy(&other)?)
                .with_descriptor(client),
            server: Ticket::new(&Self, Side::Server, plan)
                .with_descriptor(other)
                .with_descriptor(one)
                .with_descriptor(server),
        })
    }

    fn open(&self, ticket: Ticket) -> Result<Box<dyn End>, Error> {
        let mut ticket = ticket.for_mechanism(self)?;
        let plan = *ticket.plan();
        let incoming: PosixQueue = ticket.take_descriptor()?.try_into()?;
        let outgoing: PosixQueue = ticket.take_descriptor()?.try_into()?;
        let line = ticket.take_descriptor()?;
        if [&incoming, &outgoing].iter().any(|queue| queue.shape.message_max != plan.message_max.max(1)) {
            return Err(Error::Ticket("a queue of another size".into()));
        }
        let incoming = Arc::new(incoming);
        let queue = Arc::clone(&incoming);
        let watch = Watch::start(line, move || {
            // With a full queue nobody waits for a message.
            let _ = queue.send(&[], PRIORITY_OF_WAKE_UP, Deadline::NOW);
        })?;
        Ok(Box::new(Queues { watch, incoming, outgoing, plan }))
    }
}

/// What the limits are where `/proc` does not tell: those of a fresh kernel.
const MESSAGE_MAX_DEFAULT: usize = 8192;
const MESSAGES_MAX_DEFAULT: usize = 10;

/// An end.
#[derive(Debug)]
struct Queues {
    watch: Watch,
    incoming: Arc<PosixQueue>,
    outgoing: PosixQueue,
    plan: Plan,
}

impl End for Queues {
    fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        if message.len() > self.plan.message_max {
            return Err(Error::TooLong { len: message.len(), max: self.plan.message_max });
        }
        let look = || {
            if self.watch.is_cut() {
                return Err(Error::Closed);
            }
            match self.outgoing.send(message, PRIORITY, Deadline::NOW) {
                Ok(()) => Ok(Some(())),
                Err(Error::TimedOut) if deadline.is_now() && self.watch.looks_cut() => Err(Error::Closed),
                Err(Error::TimedOut) => Ok(None),
                Err(error) => Err(error),
            }
        };
        // Full: the one wait that shall end with the other end as well, and seldom enough for two more calls.
        let sleep = |deadline| {
            let line = self.watch.line();
            let mut both =
                [PollFd::new(&self.outgoing, PollFlags::OUT), PollFd::new(&line, PollFlags::RDHUP)];
            ready(&mut both, deadline)?;
            if both[1].revents().is_empty() { Ok(()) } else { Err(Error::Closed) }
        };
        until(self.plan.wait, deadline, look, sleep)
    }

    fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        self.watch.receive(self.plan.wait, deadline, |patient| {
            let limit = if patient { Deadline::NEVER } else { Deadline::NOW };
            match self.incoming.receive(into, limit) {
                Ok(PRIORITY_OF_WAKE_UP) => Ok(Some(Came::WakeUp)),
                Ok(_) => Ok(Some(Came::Message)),
                Err(Error::TimedOut) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.incoming.as_fd())
    }
}
