//! UDP over the loopback interface: whole messages, and nobody promises that they arrive.
//!
//! ```
//! use tamtam_ipc::{Deadline, End, Plan, udp};
//!
//! let (a, b) = udp::pair()?;
//! let (mut a, mut b) = (udp::Datagrams::new(a, &Plan::default())?, udp::Datagrams::new(b, &Plan::default())?);
//! a.send(b"ping", Deadline::NEVER)?;
//! let mut message = Vec::new();
//! b.receive(&mut message, Deadline::NEVER)?;
//! assert_eq!((&message[..], b.lost()), (&b"ping"[..], 0));
//! # Ok::<(), tamtam_ipc::Error>(())
//! ```

use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::net::RecvFlags;
use rustix::net::sockopt::{set_socket_recv_buffer_size, socket_recv_buffer_size};

use crate::facts::{Boundaries, Delivery, Direction, Family, Order, PeerDeath, Persistence, Reach};
use crate::packet::Packets;
use crate::{Deadline, End, Error, Facts, Limit, Link, Mechanism, Plan, Ticket, Unavailable, socket_option};

/// Octets of the longest datagram: what IPv4's length of 16 bits leaves behind its own header and UDP's.
pub const MESSAGE_MAX: usize = 65_507;

/// Messages over a connected UDP socket.
#[derive(Debug)]
pub struct Datagrams(Packets<UdpSocket>);

impl Datagrams {
    /// Sends and receives messages of at most `plan.message_max` octets over this connected socket, and gives it room for `plan.depth` of them, as
    /// far as the system allows.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] if messages are longer than [`MESSAGE_MAX`], [`Error::System`].
    pub fn new(socket: UdpSocket, plan: &Plan) -> Result<Self, Error> {
        plan.check(&Adapter)?;
        // The kernel counts the memory that a message occupies, up to twice its octets, and doubles what it is asked for.
        let wanted =
            plan.message_max.saturating_add(1024).saturating_mul(plan.depth).min(i32::MAX as usize / 2);
        if socket_recv_buffer_size(&socket).is_ok_and(|size| size / 2 < wanted) {
            set_socket_recv_buffer_size(&socket, wanted).map_err(Error::system("setsockopt"))?;
        }
        Ok(Self(Packets::new(socket, plan)))
    }

    /// The socket.
    #[must_use]
    pub const fn socket(&self) -> &UdpSocket {
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

    /// What the kernel dropped because this socket's buffer was full. What a network would lose on the way nobody counts.
    fn lost(&self) -> u64 {
        socket_option::dropped(self.0.socket()).map_or(0, u64::from)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.socket().as_fd())
    }
}

/// Makes two sockets on the loopback interface, IPv4 or else IPv6, that are connected to each other and take datagrams from each other only.
///
/// # Errors
///
/// [`Error::System`] if there is no loopback interface, no free port, or no free descriptor.
pub fn pair() -> Result<(UdpSocket, UdpSocket), Error> {
    let bound = || {
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .or_else(|_| UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)))
            .map_err(Error::system("bind"))
    };
    let connect = |from: &UdpSocket, to: &UdpSocket| {
        let address = to.local_addr().map_err(Error::system("getsockname"))?;
        from.connect(address).map_err(Error::system("connect"))
    };
    let (a, b) = (bound()?, bound()?);
    connect(&a, &b)?;
    connect(&b, &a)?;
    // What strangers sent before the sockets were connected is there still. Nothing else can be.
    for socket in [&a, &b] {
        while rustix::net::recv(socket, &mut [0; 0], RecvFlags::DONTWAIT).is_ok() {}
    }
    Ok((a, b))
}

/// The mechanism.
#[derive(Clone, Copy, Debug)]
pub struct Adapter;

static FACTS: Facts = Facts {
    name: "udp",
    title: "UDP, loopback",
    family: Family::Sockets,
    manual: "udp(7), ip(7), socket(7)",
    boundaries: Boundaries::Kept,
    order: Order::Unspecified,
    delivery: Delivery::Lossy,
    direction: Direction::TwoWay,
    back_pressure: "none: what the receiver's buffer (SO_RCVBUF) has no room for is dropped, and the sender is not told",
    limits: "octets of a message: 65507; octets that wait: net.core.rmem_default, rmem_max",
    reach: Reach::Network,
    persistence: Persistence::Process,
    permissions: "none: every user of the host can send to a port; a connected socket takes what its peer's port sends, whoever has that port",
    clean_up: "nothing",
    peer_death: PeerDeath::OnSend,
    peer_death_text: "the first message after that is lost, the call after it gets ECONNREFUSED; who only receives waits on",
    pollable: true,
    copies: 2,
    system_calls: "2",
    languages: "all",
    when: "only the newest matters, or many receivers at once (multicast)",
    when_not: "anything that must arrive; within one host, anything",
    pitfalls: "loss without a word, even on the loopback interface; order is kept there by habit only; after the peer is gone somebody else \
               may get its port",
    program: include_str!("../programs/udp.rs"),
};

impl Mechanism for Adapter {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn probe(&self) -> Result<Vec<Limit>, Unavailable> {
        pair().map_err(|error| Unavailable::new(FACTS.name, error.to_string()))?;
        let limits = [
            Some(Limit::new("octets of a message, at most", MESSAGE_MAX as u64, "udp(7)")),
            Limit::of_file("octets that may wait, by default", "/proc/sys/net/core/rmem_default"),
            Limit::of_file("octets that may wait, at most", "/proc/sys/net/core/rmem_max"),
        ];
        Ok(limits.into_iter().flatten().collect())
    }

    fn message_max(&self) -> usize {
        MESSAGE_MAX
    }

    fn link(&self, plan: &Plan) -> Result<Link, Error> {
        plan.check(self)?;
        let (client, server) = pair()?;
        Ok(Link::of_descriptors(&Self, plan, [client], [server]))
    }

    fn open(&self, ticket: Ticket) -> Result<Box<dyn End>, Error> {
        let mut ticket = ticket.for_mechanism(self)?;
        let socket = UdpSocket::from(ticket.take_descriptor()?);
        Ok(Box::new(Datagrams::new(socket, ticket.plan())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_count_of_lost_messages_is_right() {
        let (a, b) = pair().expect("loopback");
        let plan = Plan { message_max: 1000, ..Plan::default() };
        let (mut a, mut b) =
            (Datagrams::new(a, &plan).expect("opened"), Datagrams::new(b, &plan).expect("opened"));
        let sent = 5000_u64;
        for _ in 0..sent {
            a.send(&[0; 1000], Deadline::NOW).expect("never waits");
        }
        let mut received = 0;
        while b.receive(&mut Vec::new(), Deadline::NOW).is_ok() {
            received += 1;
        }
        assert!(b.lost() > 0, "{received} received");
        assert_eq!(received + b.lost(), sent);
    }

    #[test]
    fn strangers_are_not_heard() {
        let (a, b) = pair().expect("loopback");
        let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
        if let Ok(address) = b.local_addr() {
            let _ = stranger.send_to(b"hello", address);
        }
        let mut b = Datagrams::new(b, &Plan::default()).expect("opened");
        assert!(matches!(b.try_receive(&mut Vec::new()), Err(Error::TimedOut)));
        drop(a);
    }
}
