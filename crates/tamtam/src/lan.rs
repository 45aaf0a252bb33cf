//! The socket for beacons, and what was counted of them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};

use crate::beacon::{BEACON_LEN, Beacon};
use crate::error::Error;

/// Where beacons go if nothing else is said. Administratively scoped (RFC 2365): no router passes it on to the Internet.
pub(crate) const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 255, 84, 84), 8484);

/// What a node has seen of its local network; see [`Node::lan_statistics`](crate::Node::lan_statistics).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LanStatistics {
    /// Beacons sent.
    pub sent: u64,
    /// Beacons that could not be sent.
    pub not_sent: u64,
    /// Beacons of other nodes of the domain.
    pub heard: u64,
    /// Beacons of other domains.
    pub foreign: u64,
    /// Datagrams that are no beacons.
    pub malformed: u64,
    /// Beacons that found no room, or whose node is known at another address.
    pub refused: u64,
    /// Connections made because of beacons.
    pub connections: u64,
    /// Nodes whose table is known.
    pub nodes: usize,
}

/// A socket that hears and sends the beacons of one network.
#[derive(Debug)]
pub(crate) struct Lan {
    socket: UdpSocket,
    group: SocketAddrV4,
    interface: Ipv4Addr,
    is_failing: bool,
}

impl Lan {
    /// Joins a group on the interface that has this address; unspecified: on the one that the system chooses.
    pub(crate) fn join(group: SocketAddrV4, interface: Ipv4Addr) -> Result<Self, Error> {
        let failed = |what: &str, why: &dyn std::fmt::Display| {
            let on = if interface.is_unspecified() {
                "the default interface".into()
            } else {
                interface.to_string()
            };
            Error::socket(format!("discovery by multicast {group} on {on}: {what}"), why)
        };
        if !group.ip().is_multicast() || group.port() == 0 {
            return Err(failed("address", &"not a multicast address with a port"));
        }
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))
            .map_err(|error| failed("make a socket", &error))?;
        let bind = || {
            socket.set_nonblocking(true)?;
            // Every node of the host listens here.
            socket.set_reuse_address(true)?;
            socket.set_reuse_port(true)?;
            // Not what other programs of the host have joined, on other interfaces.
            #[cfg(target_os = "linux")]
            socket.set_multicast_all_v4(false)?;
            socket.set_multicast_loop_v4(true)?;
            socket.set_multicast_ttl_v4(1)?;
            // To the group's address, so that nothing else arrives.
            socket.bind(&SocketAddr::V4(group).into())
        };
        bind().map_err(|error: io::Error| failed("bind", &error))?;
        if !interface.is_unspecified() {
            socket.set_multicast_if_v4(&interface).map_err(|error| failed("choose the interface", &error))?;
        }
        socket.join_multicast_v4(group.ip(), &interface).map_err(|error| failed("join the group", &error))?;
        Ok(Self { socket: socket.into(), group, interface, is_failing: false })
    }

    /// Sends a beacon; returns whether it went.
    pub(crate) fn send(&mut self, datagram: &[u8; BEACON_LEN]) -> bool {
        match self.socket.send_to(datagram, SocketAddr::V4(self.group)) {
            Ok(_) => {
                self.is_failing = false;
                true
            }
            Err(error) => {
                // Once for each time of trouble; the schedule brings the next attempt.
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(group = %self.group, interface = %self.interface, %error, "a beacon cannot be sent");
                }
                false
            }
        }
    }

    /// Takes the next datagram and where it is from: `Some(None)` is no beacon, `None` that there is no more.
    pub(crate) fn receive(&self) -> Option<Option<(Ipv4Addr, Beacon)>> {
        // One octet more than a beacon has: a longer datagram is seen to be longer.
        let mut datagram = [0; BEACON_LEN + 1];
        match self.socket.recv_from(&mut datagram) {
            Ok((length, SocketAddr::V4(from))) => {
                let beacon = datagram.get(..length).and_then(Beacon::decode);
                Some(beacon.map(|beacon| (*from.ip(), beacon)))
            }
            Ok(_) => Some(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Some(None),
            Err(_) => None,
        }
    }
}

impl AsFd for Lan {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joining_says_what_is_wrong() {
        let group = |text: &str| text.parse::<SocketAddrV4>().unwrap();
        let error = Lan::join(group("10.0.0.1:8484"), Ipv4Addr::UNSPECIFIED).unwrap_err().to_string();
        assert!(error.contains("10.0.0.1:8484") && error.contains("not a multicast address"), "{error}");
        let error =
            Lan::join(group("239.255.0.1:8484"), Ipv4Addr::new(192, 0, 2, 77)).unwrap_err().to_string();
        assert!(error.contains("on 192.0.2.77"), "{error}");
    }
}
