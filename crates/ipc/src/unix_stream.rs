//! Unix stream sockets: octets both ways between processes of one host; descriptors and credentials can go along.
//!
//! [`Stream`] sends messages over any connected `std::os::unix::net::UnixStream`, whether from a pair, or by name:
//!
//! ```
//! use std::os::unix::net::UnixStream;
//! use tamtam_ipc::{Deadline, End, Plan, unix_stream::Stream};
//!
//! let (a, b) = UnixStream::pair()?;
//! let (mut a, mut b) = (Stream::new(a, &Plan::default()), Stream::new(b, &Plan::default()));
//! a.send(b"ping", Deadline::NEVER)?;
//! let mut message = Vec::new();
//! b.receive(&mut message, Deadline::NEVER)?;
//! assert_eq!(message, b"ping");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use crate::facts::{Boundaries, Delivery, Direction, Family, Order, PeerDeath, Persistence, Reach};
use crate::stream_socket::Messages;
use crate::{Deadline, End, Error, Facts, Limit, Link, Mechanism, Plan, Ticket, Unavailable, framing};

/// Messages over a connected Unix stream socket.
#[derive(Debug)]
pub struct Stream(Messages<UnixStream>);

impl Stream {
    /// Sends and receives messages of at most `plan.message_max` octets over this socket. The other end has to do the same. A limit of
    /// time that was set on the socket does not count; whether it is non-blocking makes no difference.
    #[must_use]
    pub const fn new(socket: UnixStream, plan: &Plan) -> Self {
        Self(Messages::new(socket, plan))
    }

    /// The socket.
    #[must_use]
    pub const fn socket(&self) -> &UnixStream {
        self.0.socket()
    }
}

impl End for Stream {
    fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        self.0.send(message, deadline)
    }

    fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        self.0.receive(into, deadline)
    }

    fn flush(&mut self, deadline: Deadline) -> Result<(), Error> {
        self.0.flush(deadline)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.socket().as_fd())
    }
}

/// The mechanism.
#[derive(Clone, Copy, Debug)]
pub struct Adapter;

static FACTS: Facts = Facts {
    name: "unix-stream",
    title: "Unix stream socket",
    family: Family::Sockets,
    manual: "unix(7), socketpair(2)",
    boundaries: Boundaries::Framed,
    order: Order::Fifo,
    delivery: Delivery::Reliable,
    direction: Direction::TwoWay,
    back_pressure: "the sender's buffer fills (SO_SNDBUF); then it waits",
    limits: "octets: net.core.wmem_default, wmem_max; descriptors in flight: RLIMIT_NOFILE",
    reach: Reach::Host,
    persistence: Persistence::Process,
    permissions: "a pair: who holds the descriptor; a name: write permission on the socket's file; credentials of the peer: SO_PEERCRED",
    clean_up: "nothing for a pair; a name stays until unlink, and must be removed before it can be bound again",
    peer_death: PeerDeath::AtOnce,
    peer_death_text: "the receiver gets what was sent, then the end of the stream; the sender gets EPIPE (and SIGPIPE without MSG_NOSIGNAL)",
    pollable: true,
    copies: 3,
    system_calls: "2",
    languages: "all",
    when: "the default between processes of one host: any length, both ways, event loops, descriptors, credentials",
    when_not: "messages of some octets at the highest rate (a ring); other hosts (TCP)",
    pitfalls: "no boundaries; a short write is normal; SIGPIPE; the name's file outlives its process",
    program: include_str!("../programs/unix_stream.rs"),
};

impl Mechanism for Adapter {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn probe(&self) -> Result<Vec<Limit>, Unavailable> {
        UnixStream::pair().map_err(|error| Unavailable::new(FACTS.name, format!("socketpair: {error}")))?;
        let limits = [
            Limit::of_file("octets that may wait, by default", "/proc/sys/net/core/wmem_default"),
            Limit::of_file("octets that may wait, at most", "/proc/sys/net/core/wmem_max"),
        ];
        Ok(limits.into_iter().flatten().collect())
    }

    fn message_max(&self) -> usize {
        framing::MESSAGE_MAX
    }

    fn link(&self, plan: &Plan) -> Result<Link, Error> {
        plan.check(self)?;
        let (client, server) = UnixStream::pair().map_err(Error::system("socketpair"))?;
        Ok(Link::of_descriptors(&Self, plan, [client], [server]))
    }

    fn open(&self, ticket: Ticket) -> Result<Box<dyn End>, Error> {
        let mut ticket = ticket.for_mechanism(self)?;
        let socket = UnixStream::from(ticket.take_descriptor()?);
        Ok(Box::new(Stream::new(socket, ticket.plan())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn pair(plan: &Plan) -> (Stream, Stream) {
        let (a, b) = UnixStream::pair().expect("a pair");
        (Stream::new(a, plan), Stream::new(b, plan))
    }

    #[test]
    fn a_message_longer_than_the_buffer_is_kept_and_goes_out_later() {
        let plan = Plan { message_max: 4 << 20, ..Plan::default() };
        let (mut a, mut b) = pair(&plan);
        let long: Vec<u8> = (0..plan.message_max).map(|i| i as u8).collect();
        a.try_send(&long).expect("begun");
        assert!(matches!(a.try_send(b"x"), Err(Error::TimedOut)));
        let mut message = Vec::new();
        // Neither has a second thread: what the one reads makes room for what the other still has to write.
        while matches!(b.try_receive(&mut message), Err(Error::TimedOut)) {
            assert!(matches!(a.try_receive(&mut Vec::new()), Err(Error::TimedOut)));
        }
        assert_eq!(message, long);
        a.flush(Deadline::NOW).expect("nothing is left");
        a.try_send(b"x").expect("room again");
        b.try_receive(&mut message).expect("there");
        assert_eq!(message, b"x");
    }

    #[test]
    fn nonsense_is_refused() {
        let (mut raw, b) = UnixStream::pair().expect("a pair");
        let mut b = Stream::new(b, &Plan::default());
        raw.write_all(&[0xff; 100]).expect("written");
        for _ in 0..2 {
            assert!(matches!(b.receive(&mut Vec::new(), Deadline::NEVER), Err(Error::Corrupt(_))));
        }
    }

    #[test]
    fn an_end_amid_a_message_is_an_end() {
        let (mut raw, b) = UnixStream::pair().expect("a pair");
        let mut b = Stream::new(b, &Plan::default());
        raw.write_all(&[9, 0, 0, 0, 1]).expect("written");
        drop(raw);
        assert!(matches!(b.receive(&mut Vec::new(), Deadline::NEVER), Err(Error::Closed)));
    }
}
