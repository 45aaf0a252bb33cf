//! Unix seqpacket sockets: whole messages over a connection, which has an end.
//!
//! ```
//! use tamtam_ipc::{Deadline, End, Plan, unix_seqpacket::Packets};
//!
//! let (mut a, mut b) = Packets::pair(&Plan::default())?;
//! a.send(b"", Deadline::NEVER)?; // a message of no octets is one, too
//! drop(a);
//! let mut message = Vec::new();
//! b.receive(&mut message, Deadline::NEVER)?;
//! assert_eq!(message, b"");
//! assert!(matches!(b.receive(&mut message, Deadline::NEVER), Err(tamtam_ipc::Error::Closed)));
//! # Ok::<(), tamtam_ipc::Error>(())
//! ```

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen, socket_with,
    socketpair,
};

use crate::facts::{Boundaries, Delivery, Direction, Family, Order, PeerDeath, Persistence, Reach};
use crate::{Deadline, End, Error, Facts, Limit, Link, Mechanism, Plan, Ticket, Unavailable, packet, wait};

/// Messages over a connected Unix seqpacket socket.
#[derive(Debug)]
pub struct Packets(packet::Packets<OwnedFd>);

impl Packets {
    /// Sends and receives messages of at most `plan.message_max` octets over this connected socket, and gives it room for them. Switches
    /// `SO_PASSCRED` on, by which it tells a message of no octets from the end; descriptors that the other end sends along are refused.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] if the system does not allow a buffer for messages of that length, [`Error::System`].
    pub fn new(socket: OwnedFd, plan: &Plan) -> Result<Self, Error> {
        packet::make_room(&socket, plan)?;
        packet::Packets::with_end(socket, plan).map(Self)
    }

    /// Makes two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    pub fn pair(plan: &Plan) -> Result<(Self, Self), Error> {
        let (a, b) = descriptors()?;
        Ok((Self::new(a, plan)?, Self::new(b, plan)?))
    }

    /// Connects to a [`Listener`]. Waits while too many others wait to be accepted.
    ///
    /// # Errors
    ///
    /// [`Error::System`] with `ENOENT` or `ECONNREFUSED` if nobody listens, and with `EACCES` if this process may not write to the file; those of [`new`](Self::new).
    pub fn connect(path: &Path, plan: &Plan) -> Result<Self, Error> {
        let socket = socket()?;
        connect(&socket, &address(path)?).map_err(Error::system("connect"))?;
        Self::new(socket, plan)
    }

    /// The socket.
    #[must_use]
    pub const fn socket(&self) -> &OwnedFd {
        self.0.socket()
    }
}

/// Accepts connections to a path.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl Listener {
    /// Listens at a path, where no file may be yet. The file stays when the listener is dropped: remove it.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: `EADDRINUSE` if there is a file, whether or not anybody listens there.
    pub fn bind(path: &Path) -> Result<Self, Error> {
        let socket = socket()?;
        bind(&socket, &address(path)?).map_err(Error::system("bind"))?;
        listen(&socket, 128).map_err(Error::system("listen"))?;
        Ok(Self(socket))
    }

    /// Waits for a connection.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`], [`Error::System`], and those of [`Packets::new`].
    pub fn accept(&self, plan: &Plan, deadline: Deadline) -> Result<Packets, Error> {
        loop {
            wait::readable(self.0.as_fd(), deadline)?;
            match accept_with(&self.0, SocketFlags::CLOEXEC) {
                Ok(socket) => return Packets::new(socket, plan),
                Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => return Err(Error::system("accept4")(error)),
            }
        }
    }
}

fn socket() -> Result<OwnedFd, Error> {
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(Error::system("socket"))
}

fn descriptors() -> Result<(OwnedFd, OwnedFd), Error> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(Error::system("socketpair"))
}

/// Too long a path is `ENAMETOOLONG` here: 108 octets are the most.
fn address(path: &Path) -> Result<SocketAddrUnix, Error> {
    SocketAddrUnix::new(path).map_err(Error::system("bind"))
}

impl End for Packets {
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
    name: "unix-seqpacket",
    title: "Unix seqpacket socket",
    family: Family::Sockets,
    manual: "unix(7), socketpair(2)",
    boundaries: Boundaries::Kept,
    order: Order::Fifo,
    delivery: Delivery::Reliable,
    direction: Direction::TwoWay,
    back_pressure: "the sender's buffer fills (SO_SNDBUF); then it waits",
    limits: "octets of a message: SO_SNDBUF less 32, which net.core.wmem_max bounds",
    reach: Reach::Host,
    persistence: Persistence::Process,
    permissions: "a pair: who holds the descriptor; a name: write permission on the socket's file; credentials of the peer: SO_PEERCRED",
    clean_up: "nothing for a pair; a name stays until unlink, and must be removed before it can be bound again",
    peer_death: PeerDeath::AtOnce,
    peer_death_text: "the receiver gets what was sent, then the end; the sender gets EPIPE (and SIGPIPE without MSG_NOSIGNAL)",
    pollable: true,
    copies: 3,
    system_calls: "2",
    languages: "all; Java and Windows have none",
    when: "whole messages both ways, and to know when the other one is gone: the least work of all to do it right",
    when_not: "messages longer than the send buffer; other hosts",
    pitfalls: "to receive nothing is the end, or a message of no octets; after ECONNRESET there may be more messages to read; SIGPIPE",
    program: include_str!("../programs/unix_seqpacket.rs"),
};

impl Mechanism for Adapter {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn probe(&self) -> Result<Vec<Limit>, Unavailable> {
        let (socket, _peer) =
            descriptors().map_err(|error| Unavailable::new(FACTS.name, error.to_string()))?;
        Ok(packet::unix_limits(socket))
    }

    fn message_max(&self) -> usize {
        descriptors().map_or(usize::MAX, |(socket, _peer)| packet::unix_message_max(socket))
    }

    fn link(&self, plan: &Plan) -> Result<Link, Error> {
        plan.check(self)?;
        let (client, server) = descriptors()?;
        Ok(Link::of_descriptors(&Self, plan, [client], [server]))
    }

    fn open(&self, ticket: Ticket) -> Result<Box<dyn End>, Error> {
        let mut ticket = ticket.for_mechanism(self)?;
        let socket = ticket.take_descriptor()?;
        Ok(Box::new(Packets::new(socket, ticket.plan())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{self, Kind, Object};

    #[test]
    fn a_name_brings_strangers_together() {
        let path = object::folder().join(object::unique());
        let listener = Listener::bind(&path).expect("bound");
        let _file = Object::new(Kind::File, path.to_str().expect("text")).expect("ours");
        let plan = Plan::default();
        assert!(matches!(listener.accept(&plan, Deadline::NOW), Err(Error::TimedOut)));
        assert!(matches!(Listener::bind(&path), Err(Error::System { call: "bind", .. })));
        let mut client = Packets::connect(&path, &plan).expect("connected");
        let mut server = listener.accept(&plan, Deadline::NEVER).expect("accepted");
        client.send(b"hello", Deadline::NOW).expect("sent");
        let mut message = Vec::new();
        server.receive(&mut message, Deadline::NOW).expect("there");
        assert_eq!(message, b"hello");
        drop(listener);
        assert!(matches!(Packets::connect(&path, &plan), Err(Error::System { call: "connect", .. })));
    }

    #[test]
    fn what_came_before_a_reset_is_received() {
        let (mut a, mut b) = Packets::pair(&Plan::default()).expect("a pair");
        b.send(b"never read", Deadline::NOW).expect("sent");
        a.send(b"", Deadline::NOW).expect("sent");
        a.send(b"last", Deadline::NOW).expect("sent");
        drop(a);
        let mut message = vec![1];
        b.receive(&mut message, Deadline::NEVER).expect("the empty one");
        assert_eq!(message, b"");
        b.receive(&mut message, Deadline::NEVER).expect("the last one");
        assert_eq!(message, b"last");
        for _ in 0..2 {
            assert!(matches!(b.receive(&mut message, Deadline::NEVER), Err(Error::Closed)));
            assert!(matches!(b.send(b"x", Deadline::NEVER), Err(Error::Closed)));
        }
    }

    #[test]
    fn a_message_longer_than_planned_is_refused_and_the_next_one_is_not() {
        let (a, b) = descriptors().expect("a pair");
        let mut a = Packets::new(a, &Plan::default()).expect("opened");
        let mut b = Packets::new(b, &Plan { message_max: 3, ..Plan::default() }).expect("opened");
        a.send(b"long", Deadline::NOW).expect("sent");
        a.send(b"not", Deadline::NOW).expect("sent");
        let mut message = Vec::new();
        assert!(matches!(b.receive(&mut message, Deadline::NOW), Err(Error::Corrupt(_))));
        b.receive(&mut message, Deadline::NOW).expect("the next");
        assert_eq!(message, b"not");
    }
}
