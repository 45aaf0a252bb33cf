//! Unix datagram sockets: whole messages between processes of one host, many senders to one name.
//!
//! ```
//! use std::os::unix::net::UnixDatagram;
//! use tamtam_ipc::{Deadline, End, Plan, unix_datagram::Datagrams};
//!
//! let (a, b) = UnixDatagram::pair()?;
//! let (mut a, mut b) = (Datagrams::new(a, &Plan::default())?, Datagrams::new(b, &Plan::default())?);
//! a.send(b"ping", Deadline::NEVER)?;
//! let mut message = Vec::new();
//! b.receive(&mut message, Deadline::NEVER)?;
//! assert_eq!(message, b"ping");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;

use crate::facts::{Boundaries, Delivery, Direction, Family, Order, PeerDeath, Persistence, Reach};
use crate::packet::{self, Packets};
use crate::{Deadline, End, Error, Facts, Limit, Link, Mechanism, Plan, Ticket, Unavailable};

/// Messages over a connected Unix datagram socket.
#[derive(Debug)]
pub struct Datagrams(Packets<UnixDatagram>);

impl Datagrams {
    /// Sends and receives messages of at most `plan.message_max` octets over this connected socket, and gives it room for them. A limit of
    /// time that was set on the socket does not count; whether it is non-blocking makes no difference.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] if the system does not allow a buffer for messages of that length, [`Error::System`].
    pub fn new(socket: UnixDatagram, plan: &Plan) -> Result<Self, Error> {
        packet::make_room(&socket, plan)?;
        Ok(Self(Packets::new(socket, plan)))
    }

    /// The socket.
    #[must_use]
    pub const fn socket(&self) -> &UnixDatagram {
        self.0.socket()
    }
}

impl End for Datagrams {
    fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        self.0.send(message, deadline)
    }

    fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        self.0.receive(into, deadline)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.socket().as_fd())
    }
}

/// The mechanism.
#[derive(Clone, Copy, Debug)]
pub struct Adapter;

static FACTS: Facts = Facts {
    name: "unix-datagram",
    title: "Unix datagram socket",
    family: Family::Sockets,
    manual: "unix(7), socketpair(2)",
    boundaries: Boundaries::Kept,
    order: Order::Fifo,
    delivery: Delivery::Reliable,
    direction: Direction::TwoWay,
    back_pressure: "the sender's buffer fills (SO_SNDBUF), or the receiver's queue of a name (net.unix.max_dgram_qlen, 10 or 512); then the \
                    sender waits",
    limits: "octets of a message: SO_SNDBUF less 32, which net.core.wmem_max bounds",
    reach: Reach::Host,
    persistence: Persistence::Process,
    permissions: "a pair: who holds the descriptor; a name: write permission on the socket's file; credentials come with a message if asked \
                  for: SCM_CREDENTIALS",
    clean_up: "nothing for a pair; a name stays until unlink, and must be removed before it can be bound again",
    peer_death: PeerDeath::OnSend,
    peer_death_text: "the sender gets ECONNREFUSED; the receiver waits on: there is no end of a stream of datagrams",
    pollable: true,
    copies: 2,
    system_calls: "2",
    languages: "all",
    when: "many senders, one receiver, whole messages: logs (syslog, journald, sd_notify)",
    when_not: "two that talk for long: seqpacket tells when the other one is gone",
    pitfalls: "the receiver never learns that the sender is gone; unlike UDP nothing is lost, so a slow receiver stops all its senders",
    program: include_str!("../programs/unix_datagram.rs"),
};

impl Mechanism for Adapter {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn probe(&self) -> Result<Vec<Limit>, Unavailable> {
        let (socket, _peer) = UnixDatagram::pair()
            .map_err(|error| Unavailable::new(FACTS.name, format!("socketpair: {error}")))?;
        Ok(packet::unix_limits(socket))
    }

    fn message_max(&self) -> usize {
        UnixDatagram::pair().map_or(usize::MAX, |(socket, _peer)| packet::unix_message_max(socket))
    }

    fn link(&self, plan: &Plan) -> Result<Link, Error> {
        plan.check(self)?;
        let (client, server) = UnixDatagram::pair().map_err(Error::system("socketpair"))?;
        Ok(Link::of_descriptors(&Self, plan, [client], [server]))
    }

    fn open(&self, ticket: Ticket) -> Result<Box<dyn End>, Error> {
        let mut ticket = ticket.for_mechanism(self)?;
        let socket = UnixDatagram::from(ticket.take_descriptor()?);
        Ok(Box::new(Datagrams::new(socket, ticket.plan())?))
    }
}
