//! A link whose messages are all replied to.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::packet::{self, Arrived, Head, Kind};
use super::sockets;
use crate::facts::{Boundaries, Delivery, Direction, Family, Order, PeerDeath, Persistence, Reach};
use crate::wait::{readable, until, writable};
use crate::window::step;
use crate::{Deadline, End, Error, Facts, Limit, Link, Mechanism, Plan, Ticket, Unavailable, Wait};

/// The mechanism.
///
/// A link's ends are alike, and `send` gives nothing back; so a message counts as replied to when the other end comes
/// back: with a message of its own, which carries the reply, or, at the latest, when it has received half of the
/// plan's depth. `send` waits while as many messages as the plan is deep are not replied to, as that many threads of
/// a client would. A depth of 1 is the strict form: one message, received and replied to, then the next.
#[derive(Clone, Copy, Debug)]
pub struct Adapter;

static FACTS: Facts = Facts {
    name: "message-passing",
    title: "send, receive, reply (QNX)",
    family: Family::MessagePassing,
    manual: "unix(7), epoll(7); MsgSend, MsgReceive, MsgReply of QNX",
    boundaries: Boundaries::Kept,
    order: Order::Fifo,
    delivery: Delivery::Reliable,
    direction: Direction::TwoWay,
    back_pressure: "the sender is blocked until the receiver has received and replied: it holds the message, there is no queue. A link lets as many messages wait for that as the plan is deep",
    limits: "octets of a message: SO_SNDBUF less 40, which net.core.wmem_max bounds; clients: RLIMIT_NOFILE",
    reach: Reach::Host,
    persistence: Persistence::Process,
    permissions: "as for Unix sockets: who holds the descriptor, or write permission on the path",
    clean_up: "nothing without a name; a path stays after a crash, and must be removed before it can be bound again",
    peer_death: PeerDeath::AtOnce,
    peer_death_text: "a client learns whether the server had received its message (REPLY-blocked) or not (SEND-blocked); the server gets a notice after all that the client had sent",
    pollable: true,
    copies: 3,
    system_calls: "2 if the answer is the reply; else up to 2 more",
    languages: "this crate; QNX has it in the kernel, for all",
    when: "calls: a question, its answer, and nobody in doubt whether it was received; state machines whose steps must not overtake each other",
    when_not: "streams of data (the sender waits for each reply); more than one receiver; urgent clients of a busy server, because priorities are not inherited on Linux",
    pitfalls: "two that send to each other wait for ever: send one way only, and pulses the other way; a server that waits for one client blocks all others",
    program: include_str!("../../programs/message_passing.rs"),
};

impl Mechanism for Adapter {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn probe(&self) -> Result<Vec<Limit>, Unavailable> {
        let (socket, _peer) = sockets().map_err(|error| Unavailable::because(FACTS.name, error))?;
        let longest = packet::message_max(socket.as_fd()).try_into().unwrap_or(u64::MAX);
        Ok(vec![Limit::new("octets of a message, at most", longest, "/proc/sys/net/core/wmem_max")])
    }

    fn message_max(&self) -> usize {
        sockets().map_or(0, |(socket, _peer)| packet::message_max(socket.as_fd()))
    }

    fn link(&self, plan: &Plan) -> Result<Link, Error> {
        plan.check(self)?;
        let (client, server) = sockets()?;
        Ok(Link::of_descriptors(&Self, plan, [client], [server]))
    }

    fn open(&self, ticket: Ticket) -> Result<Box<dyn End>, Error> {
        let mut ticket = ticket.for_mechanism(self)?;
        let plan = *ticket.plan();
        let socket = ticket.take_descriptor()?;
        packet::fit(socket.as_fd(), plan.message_max, plan.depth)?;
        Ok(Box::new(Peer {
            socket,
            message_max: plan.message_max,
            depth: plan.depth.max(1).try_into().unwrap_or(u32::MAX),
            wait: plan.wait,
            unreplied: 0,
            owed: 0,
            in_step: 0,
            inbox: VecDeque::new(),
            is_closed: false,
        }))
    }
}

/// An end.
#[derive(Debug)]
struct Peer {
    socket: OwnedFd,
    message_max: usize,
    depth: u32,
    wait: Wait,
    /// Messages that we sent, and that are not replied to.
    unreplied: u32,
    /// Messages that we received, and did not reply to.
    owed: u32,
    /// Messages that we received since the last full step.
    in_step: u32,
    /// What came while we waited for replies; as many as the depth at most.
    inbox: VecDeque<Vec<u8>>,
    is_closed: bool,
}

impl Peer {
    /// Waits for a packet, and takes note of replies in it. Returns whether there is a message in `into`.
    fn take(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<bool, Error> {
        if self.is_closed {
            return Err(Error::Closed);
        }
        let patient = deadline.is_never() && self.wait == Wait::Block;
        let socket = self.socket.as_fd();
        let look = || packet::receive(socket, into, self.message_max, patient);
        let head = match until(self.wait, deadline, look, |deadline| readable(socket, deadline))? {
            Arrived::Packet(head) => head,
            // It did not receive all that we sent. What it sent before comes now.
            Arrived::Reset => return Ok(false),
            Arrived::End => {
                self.is_closed = true;
                return Err(Error::Closed);
            }
        };
        let more = || Error::Corrupt("it has replied to more than was sent".into());
        self.unreplied = self.unreplied.checked_sub(head.number).ok_or_else(more)?;
        match head.kind {
            Kind::Request => Ok(true),
            Kind::Reply if head.number > 0 => Ok(false),
            _ => Err(Error::Corrupt("a packet that makes no sense".into())),
        }
    }

    /// Waits until there is room for one more message that is not replied to.
    fn wait_for_room(&mut self, deadline: Deadline) -> Result<(), Error> {
        while self.unreplied >= self.depth {
            let mut message = Vec::new();
            if self.take(&mut message, deadline)? {
                if self.inbox.len() >= self.depth as usize {
                    return Err(Error::Corrupt("it does not wait for replies".into()));
                }
                self.inbox.push_back(message);
            }
        }
        Ok(())
    }

    /// Counts a message as received, and replies if it is time.
    fn received(&mut self) {
        self.owed += 1;
        self.in_step += 1;
        if self.in_step < step(self.depth) {
            return;
        }
        self.in_step = 0;
        let head = Head::new(Kind::Reply, self.owed);
        // Who is gone does not wait; and for who does not receive replies there will be room when it does.
        if matches!(packet::send(self.socket.as_fd(), head, &[]), Ok(Some(()))) {
            self.owed = 0;
        }
    }
}

impl End for Peer {
    fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        if message.len() > self.message_max {
            return Err(Error::TooLong { len: message.len(), max: self.message_max });
        }
        self.wait_for_room(deadline)?;
        let socket = self.socket.as_fd();
        let head = Head::new(Kind::Request, self.owed);
        let look = || packet::send(socket, head, message);
        until(self.wait, deadline, look, |deadline| writable(socket, deadline))?;
        self.owed = 0;
        self.unreplied += 1;
        Ok(())
    }

    fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        match self.inbox.pop_front() {
            Some(message) => *into = message,
            None => while !self.take(into, deadline)? {},
        }
        self.received();
        Ok(())
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }
}
