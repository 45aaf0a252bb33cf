//! UDP sockets: datagrams to one host or to a multicast group. Nothing here blocks.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, SendFlags};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Octets of the longest datagram that is sent or taken, as with libzmq: a group and its length included.
pub(crate) const DATAGRAM_MAX: usize = 8192;

/// What UDP sockets are made with. `None` leaves an option at the system's default.
#[derive(Clone, Debug)]
pub(crate) struct UdpOptions {
    /// Whether a socket bound to `[::]` takes IPv4 datagrams too.
    pub(crate) ipv6: bool,
    /// How many routers a multicast datagram may pass, plus 1.
    pub(crate) multicast_hops: u32,
    /// Whether this host gets its own multicast datagrams.
    pub(crate) multicast_loop: bool,
    /// The interface that all packets must pass.
    pub(crate) bind_to_device: Option<String>,
    /// The kernel's buffers, in bytes.
    pub(crate) send_buffer: Option<usize>,
    pub(crate) receive_buffer: Option<usize>,
    /// The type-of-service octet, IPv6's traffic class.
    pub(crate) tos: u8,
    /// The priority of packets in the queueing discipline.
    pub(crate) priority: Option<u32>,
}

/// A multicast group, and on which interface it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Multicast {
    /// The interface is named by its address; the unspecified one leaves the choice to the system.
    V4 { group: Ipv4Addr, interface: Ipv4Addr },
    /// The interface is named by its index; 0 leaves the choice to the system.
    V6 { group: Ipv6Addr, interface: u32 },
}

/// Makes a socket that receives at the address (port 0 is replaced by a free one), or the datagrams of a group at its port.
///
/// # Errors
///
/// `AddrInUse`, `AddrNotAvailable`, or what the system says to the interface or to an option it does not take.
pub(crate) fn bind_udp(
    address: SocketAddr,
    multicast: Option<&Multicast>,
    options: &UdpOptions,
) -> io::Result<OwnedFd> {
    let socket = open(address, options)?;
    if address.is_ipv6() {
        socket.set_only_v6(!(options.ipv6 && address.ip().is_unspecified()))?;
    }
    let Some(multicast) = multicast else {
        // Without SO_REUSEADDR, with which another program could take our datagrams away.
        socket.bind(&address.into())?;
        return Ok(socket.into());
    };
    // All members on this host get a copy.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    match multicast {
        Multicast::V4 { group, interface } => {
            socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())).into())?;
            // Not what other sockets of this host have joined at this port.
            socket.set_multicast_all_v4(false)?;
            socket.join_multicast_v4(group, interface)?;
        }
        Multicast::V6 { group, interface } => {
            socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port())).into())?;
            // Kernels before 4.20 do not know it; then other groups of this port come too.
            let _ = socket.set_multicast_all_v6(false);
            socket.join_multicast_v6(group, *interface)?;
        }
    }
    // A member may send to its group as well (DGRAM).
    configure_sending(&socket, multicast, options)?;
    Ok(socket.into())
}

/// Makes a socket that sends to the target.
///
/// # Errors
///
/// What the system says to the interface or to an option it does not take.
pub(crate) fn open_udp(
    target: SocketAddr,
    multicast: Option<&Multicast>,
    options: &UdpOptions,
) -> io::Result<OwnedFd> {
    let socket = open(target, options)?;
    if let Some(multicast) = multicast {
        configure_sending(&socket, multicast, options)?;
    }
    Ok(socket.into())
}

fn open(address: SocketAddr, options: &UdpOptions) -> io::Result<Socket> {
    // Closed on exec by default.
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    if let Some(device) = &options.bind_to_device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    options.send_buffer.map_or(Ok(()), |size| socket.set_send_buffer_size(size))?;
    options.receive_buffer.map_or(Ok(()), |size| socket.set_recv_buffer_size(size))?;
    if options.tos != 0 {
        let tos = u32::from(options.tos);
        if address.is_ipv6() { socket.set_tclass_v6(tos)? } else { socket.set_tos_v4(tos)? }
    }
    // After the type of service, which brings a priority of its own.
    options.priority.map_or(Ok(()), |priority| socket.set_priority(priority))?;
    Ok(socket)
}

fn configure_sending(socket: &Socket, multicast: &Multicast, options: &UdpOptions) -> io::Result<()> {
    match multicast {
        Multicast::V4 { interface, .. } => {
            socket.set_multicast_loop_v4(options.multicast_loop)?;
            socket.set_multicast_ttl_v4(options.multicast_hops)?;
            if !interface.is_unspecified() {
                socket.set_multicast_if_v4(interface)?;
            }
        }
        Multicast::V6 { interface, .. } => {
            socket.set_multicast_loop_v6(options.multicast_loop)?;
            socket.set_multicast_hops_v6(options.multicast_hops)?;
            if *interface != 0 {
                socket.set_multicast_if_v6(*interface)?;
            }
        }
    }
    Ok(())
}

/// Returns the address that a socket is bound to.
pub(crate) fn local_udp(fd: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    let not_udp = || io::Error::new(io::ErrorKind::InvalidInput, "not a UDP socket");
    SockRef::from(&fd).local_addr()?.as_socket().ok_or_else(not_udp)
}

/// Tells whether datagrams can be sent to that address through this socket: it is of the address's family, or takes both.
pub(crate) fn reaches(fd: BorrowedFd<'_>, target: SocketAddr) -> bool {
    match local_udp(fd) {
        Ok(local) if local.is_ipv6() == target.is_ipv6() => true,
        Ok(local) => local.is_ipv6() && SockRef::from(&fd).only_v6().is_ok_and(|only| !only),
        Err(_) => false,
    }
}

/// Sends one datagram.
///
/// # Errors
///
/// `WouldBlock` when the kernel's buffer is full; else why it cannot be sent there.
pub(crate) fn send_to(fd: BorrowedFd<'_>, datagram: &[u8], target: SocketAddr) -> io::Result<()> {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let target = match target {
        // A socket of both families knows IPv4 addresses in this form.
        SocketAddr::V4(v4) if local_udp(fd.as_fd()).is_ok_and(|local| local.is_ipv6()) => {
            SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into()
        }
        target => target,
    };
    retry_on_intr(|| rustix::net::sendto(fd, datagram, flags, &target))?;
    Ok(())
}

/// Receives one datagram, as much of it as there is room for, and who sent it.
///
/// # Errors
///
/// `WouldBlock` when none has arrived; else what the socket met.
pub(crate) fn receive_from<'b>(
    fd: BorrowedFd<'_>,
    buffer: &'b mut [u8],
) -> io::Result<(&'b [u8], Option<SocketAddr>)> {
    let (len, source) = retry_on_intr(|| {
        let (len, _, source) = rustix::net::recvfrom(fd, &mut *buffer, RecvFlags::DONTWAIT)?;
        Ok((len, source))
    })?;
    let source = source.and_then(|source| SocketAddr::try_from(source).ok()).map(|source| {
        // A socket of both families tells IPv4 addresses as mapped ones.
        match source.ip().to_canonical() {
            ip if ip == source.ip() => source,
            ip => SocketAddr::new(ip, source.port()),
        }
    });
    Ok((buffer.get(..len).unwrap_or_default(), source))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> UdpOptions {
        UdpOptions {
            ipv6: false,
            multicast_hops: 1,
            multicast_loop: true,
            bind_to_device: None,
            send_buffer: None,
            receive_buffer: None,
            tos: 0,
            priority: None,
        }
    }

    fn wait_readable(fd: &OwnedFd) {
        let mut fds = [rustix::event::PollFd::new(fd, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut fds, None).unwrap();
    }

    #[test]
    fn datagrams_keep_their_bounds_and_tell_their_source() {
        let receiver = bind_udp((Ipv4Addr::LOCALHOST, 0).into(), None, &options()).unwrap();
        let sender = bind_udp((Ipv4Addr::LOCALHOST, 0).into(), None, &options()).unwrap();
        let (to, from) = (local_udp(receiver.as_fd()).unwrap(), local_udp(sender.as_fd()).unwrap());
        let mut buffer = [0; 8];
        let error = receive_from(receiver.as_fd(), &mut buffer).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        for datagram in [&b""[..], b"one", b"longer than the buffer"] {
            send_to(sender.as_fd(), datagram, to).unwrap();
            wait_readable(&receiver);
            let (received, source) = receive_from(receiver.as_fd(), &mut buffer).unwrap();
            assert_eq!(received, &datagram[..datagram.len().min(8)]);
            assert_eq!(source, Some(from));
        }
        let error = bind_udp(to, None, &options()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "nobody takes our datagrams away");
    }

    #[test]
    fn a_socket_of_both_families_knows_addresses_of_both() {
        let both = UdpOptions { ipv6: true, ..options() };
        let Ok(socket) = bind_udp((Ipv6Addr::UNSPECIFIED, 0).into(), None, &both) else {
            assert!(std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err(), "this host has IPv6");
            return;
        };
        let port = local_udp(socket.as_fd()).unwrap().port();
        let v4 = bind_udp((Ipv4Addr::LOCALHOST, 0).into(), None, &options()).unwrap();
        let from = local_udp(v4.as_fd()).unwrap();
        assert!(reaches(socket.as_fd(), from) && !reaches(v4.as_fd(), (Ipv6Addr::LOCALHOST, port).into()));
        send_to(v4.as_fd(), b"x", (Ipv4Addr::LOCALHOST, port).into()).unwrap();
        wait_readable(&socket);
        let mut buffer = [0; 8];
        assert_eq!(receive_from(socket.as_fd(), &mut buffer).unwrap(), (&b"x"[..], Some(from)));
        send_to(socket.as_fd(), b"y", from).unwrap();
        wait_readable(&v4);
        assert_eq!(receive_from(v4.as_fd(), &mut buffer).unwrap().0, b"y");
    }

    #[test]
    fn options_reach_the_kernel() {
        let group = Multicast::V4 { group: [239, 1, 2, 3].into(), interface: Ipv4Addr::LOCALHOST };
        let wanted = UdpOptions {
            multicast_hops: 7,
            multicast_loop: false,
            send_buffer: Some(50_000),
            receive_buffer: Some(60_000),
            tos: 0x28,
            priority: Some(3),
            bind_to_device: Some("lo".to_owned()),
            ..options()
        };
        let socket = open_udp(([239, 1, 2, 3], 9).into(), Some(&group), &wanted).unwrap();
        let socket = SockRef::from(&socket);
        assert_eq!(socket.multicast_ttl_v4().unwrap(), 7);
        assert!(!socket.multicast_loop_v4().unwrap() && socket.nonblocking().unwrap());
        assert_eq!(socket.multicast_if_v4().unwrap(), Ipv4Addr::LOCALHOST);
        // The kernel doubles what it is told, for its own bookkeeping.
        assert_eq!(socket.send_buffer_size().unwrap(), 100_000);
        assert_eq!(socket.recv_buffer_size().unwrap(), 120_000);
        assert_eq!((socket.tos_v4().unwrap(), socket.priority().unwrap()), (0x28, 3));
        assert_eq!(socket.device().unwrap().as_deref(), Some(&b"lo"[..]));
    }
}
