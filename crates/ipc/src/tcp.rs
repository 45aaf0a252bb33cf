//! TCP over the loopback interface: octets both ways, the way that also goes to other hosts.
//!
//! [`Stream`] sends messages over any connected `std::net::TcpStream`:
//!
//! ```
//! use tamtam_ipc::{Deadline, End, Plan, tcp};
//!
//! let (a, b) = tcp::pair()?;
//! let (mut a, mut b) = (tcp::Stream::new(a, &Plan::default())?, tcp::Stream::new(b, &Plan::default())?);
//! a.send(b"ping", Deadline::NEVER)?;
//! let mut message = Vec::new();
//! b.receive(&mut message, Deadline::NEVER)?;
//! assert_eq!(message, b"ping");
//! # Ok::<(), tamtam_ipc::Error>(())
//! ```

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::facts::{Boundaries, Delivery, Direction, Family, Order, PeerDeath, Persistence, Reach};
use crate::stream_socket::Messages;
use crate::{Deadline, End, Error, Facts, Limit, Link, Mechanism, Plan, Ticket, Unavailable, framing, wait};

/// Messages over a connected TCP socket.
#[derive(Debug)]
pub struct Stream(Messages<TcpStream>);

impl Stream {
    /// Sends and receives messages of at most `plan.message_max` octets over this socket. The other end has to do the same.
    ///
    /// Switches off Nagle's algorithm, by which a short message may wait for the acknowledgement of the one before it, some 40 ms.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if the socket refuses that.
    pub fn new(socket: TcpStream, plan: &Plan) -> Result<Self, Error> {
        socket.set_nodelay(true).map_err(Error::system("setsockopt"))?;
        Ok(Self(Messages::new(socket, plan)))
    }

    /// The socket.
    #[must_use]
    pub const fn socket(&self) -> &TcpStream {
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

/// How long the kernel may take to connect us to ourselves.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes a connection from this process to itself over the loopback interface, IPv4 or else IPv6.
///
/// Anybody on the host can connect to a port, so the accepted connection is compared with ours, and strangers are sent away.
///
/// # Errors
///
/// [`Error::System`] if there is no loopback interface, no free port, or no free descriptor; [`Error::TimedOut`] if strangers keep the port busy.
pub fn pair() -> Result<(TcpStream, TcpStream), Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .or_else(|_| TcpListener::bind((Ipv6Addr::LOCALHOST, 0)))
        .map_err(Error::system("bind"))?;
    // Who connects may be gone again before it is accepted.
    listener.set_nonblocking(true).map_err(Error::system("ioctl"))?;
    let address = listener.local_addr().map_err(Error::system("getsockname"))?;
    let client = TcpStream::connect_timeout(&address, PATIENCE).map_err(Error::system("connect"))?;
    let own = client.local_addr().map_err(Error::system("getsockname"))?;
    let deadline = Deadline::after(PATIENCE);
    loop {
        wait::readable(listener.as_fd(), deadline)?;
        match listener.accept() {
            Ok((server, peer)) if peer == own => return Ok((client, server)),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(Error::system("accept")(error)),
        }
    }
}

/// The mechanism.
#[derive(Clone, Copy, Debug)]
pub struct Adapter;

static FACTS: Facts = Facts {
    name: "tcp",
    title: "TCP, loopback",
    family: Family::Sockets,
    manual: "tcp(7), ip(7), socket(7)",
    boundaries: Boundaries::Framed,
    order: Order::Fifo,
    delivery: Delivery::Reliable,
    direction: Direction::TwoWay,
    back_pressure: "the receiver's window and the sender's buffer fill, some megabytes; then the sender waits",
    limits: "octets: net.ipv4.tcp_wmem, tcp_rmem; connections: ephemeral ports, RLIMIT_NOFILE",
    reach: Reach::Network,
    persistence: Persistence::Process,
    permissions: "none: every user of the host can connect to a port; who it is has to be proved by other means",
    clean_up: "the kernel closes; the port may stay in TIME_WAIT for a minute (SO_REUSEADDR)",
    peer_death: PeerDeath::AtOnce,
    peer_death_text: "as with Unix sockets if the process dies; if the host or the cable dies, nothing until keep-alive or a \
                      retransmission gives up, after minutes",
    pollable: true,
    copies: 3,
    system_calls: "2",
    languages: "all",
    when: "the other end may be on another host, now or later",
    when_not: "processes of one host that may share a folder: a Unix socket is faster, and has permissions",
    pitfalls: "no boundaries; Nagle's algorithm delays short messages (TCP_NODELAY); a port is open to all users; \
               SIGPIPE",
    program: include_str!("../programs/tcp.rs"),
};

impl Mechanism for Adapter {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn probe(&self) -> Result<Vec<Limit>, Unavailable> {
        pair().map_err(|error| Unavailable::new(FACTS.name, error.to_string()))?;
        let limit = |index, what, source| {
            let text = std::fs::read_to_string(source).ok()?;
            let value = text.split_ascii_whitespace().nth(index)?.parse().ok()?;
            Some(Limit::new(what, value, source))
        };
        let limits = [
            limit(2, "octets in the sender's buffer, at most", "/proc/sys/net/ipv4/tcp_wmem"),
            limit(2, "octets in the receiver's buffer, at most", "/proc/sys/net/ipv4/tcp_rmem"),
        ];
        Ok(limits.into_iter().flatten().collect())
    }

    fn message_max(&self) -> usize {
        framing::MESSAGE_MAX
    }

    fn link(&self, plan: &Plan) -> Result<Link, Error> {
        plan.check(self)?;
        let (client, server) = pair()?;
        Ok(Link::of_descriptors(&Self, plan, [client], [server]))
    }

    fn open(&self, ticket: Ticket) -> Result<Box<dyn End>, Error> {
        let mut ticket = ticket.for_mechanism(self)?;
        let socket = TcpStream::from(ticket.take_descriptor()?);
        Ok(Box::new(Stream::new(socket, ticket.plan())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_connected_to_itself() {
        let (a, b) = pair().expect("loopback");
        assert_eq!(a.local_addr().expect("bound"), b.peer_addr().expect("connected"));
        assert_eq!(b.local_addr().expect("bound"), a.peer_addr().expect("connected"));
    }
}
