//! TCP sockets and their options.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use super::socket::Progress;

/// The longest idle time and interval of keep-alive probes the kernel takes.
const KEEPALIVE_MAX: Duration = Duration::from_secs(32_767);

/// The most unanswered keep-alive probes the kernel takes.
const KEEPALIVE_COUNT_MAX: u32 = 127;

/// What TCP sockets are made with. `None` leaves an option at the system's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TcpOptions {
    /// Whether a socket that listens on `[::]` takes IPv4 connections too. Default: no.
    pub(crate) ipv6: bool,
    /// Whether idle connections are probed.
    pub(crate) keepalive: Option<bool>,
    /// How long a connection is idle before it is probed; whole seconds, rounded up, from 1 to 32,767.
    pub(crate) keepalive_idle: Option<Duration>,
    /// How long after a probe the next one follows; as `keepalive_idle`.
    pub(crate) keepalive_interval: Option<Duration>,
    /// How many unanswered probes end the connection, 1 to 127.
    pub(crate) keepalive_count: Option<u32>,
    /// The kernel's buffer for outgoing data, in bytes. The kernel may round, and caps it.
    pub(crate) send_buffer: Option<usize>,
    /// The kernel's buffer for incoming data, in bytes; as `send_buffer`.
    pub(crate) receive_buffer: Option<usize>,
    /// The type-of-service octet of packets, IPv6's traffic class. Default: 0.
    pub(crate) tos: u8,
    /// The priority of packets in the queueing discipline. More than 6 needs a privilege.
    pub(crate) priority: Option<u32>,
    /// The interface that all packets must pass. May need a privilege.
    pub(crate) bind_to_device: Option<String>,
    /// How long a read that would block polls the network device first (`SO_BUSY_POLL`); microseconds, rounded up.
    pub(crate) busy_poll: Option<Duration>,
    /// How long sent data may stay unacknowledged before the connection ends; milliseconds, rounded up.
    pub(crate) max_retransmit: Option<Duration>,
    /// How many connections may wait to be accepted; the kernel caps it. Default: 100.
    pub(crate) backlog: i32,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            ipv6: false,
            keepalive: None,
            keepalive_idle: None,
            keepalive_interval: None,
            keepalive_count: None,
            send_buffer: None,
            receive_buffer: None,
            tos: 0,
            priority: None,
            bind_to_device: None,
            busy_poll: None,
            max_retransmit: None,
            backlog: 100,
        }
    }
}

/// Makes a socket that listens on the address; port 0 is replaced by a free one, which [`local_tcp`] tells.
///
/// Where the system has no IPv6 at all, `[::]` with [`TcpOptions::ipv6`] listens on `0.0.0.0` instead.
///
/// # Errors
///
/// `AddrInUse`, `AddrNotAvailable`, `PermissionDenied`, or what the system says to an option it does not take.
pub(crate) fn listen_tcp(address: SocketAddr, options: &TcpOptions) -> io::Result<OwnedFd> {
    let dual = options.ipv6 && is_unspecified_v6(address);
    let socket = match open(address, options) {
        Err(error) if dual && Errno::from_io_error(&error) == Some(Errno::AFNOSUPPORT) => {
            return listen_tcp((Ipv4Addr::UNSPECIFIED, address.port()).into(), options);
        }
        opened => opened?,
    };
    // Without, a restarted program would wait for its old connections' TIME_WAIT to end. On Linux it does not let
    // two sockets listen on one port.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!dual)?;
    }
    socket.bind(&address.into())?;
    socket.listen(options.backlog)?;
    Ok(socket.into())
}

/// Takes over a TCP socket that somebody else has bound, and has it listen.
///
/// # Errors
///
/// `InvalidInput` when it is no TCP socket of IPv4 or IPv6; else what the system says, for example to one that is not bound.
pub(crate) fn adopt_tcp(fd: OwnedFd, backlog: i32) -> io::Result<OwnedFd> {
    let socket = Socket::from(fd);
    if socket.local_addr()?.as_socket().is_none() || socket.r#type()? != Type::STREAM {
        return Err(not_tcp());
    }
    socket.set_cloexec(true)?;
    socket.set_nonblocking(true)?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Starts connecting to the address, from the source if one is given.
///
/// # Errors
///
/// What the system knows at once, such as an unreachable network, a source that is not local or in use, or an option
/// it does not take.
pub(crate) fn connect_tcp(
    address: SocketAddr,
    source: Option<SocketAddr>,
    options: &TcpOptions,
) -> io::Result<(OwnedFd, Progress)> {
    let socket = open(address, options)?;
    if let Some(source) = source {
        // A reconnect must not wait for the TIME_WAIT of the connection before.
        socket.set_reuse_address(true)?;
        socket.bind(&source.into())?;
    }
    let progress = match socket.connect(&address.into()) {
        Ok(()) => Progress::Done,
        // An interrupted attempt goes on by itself.
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::INPROGRESS | Errno::INTR) => Progress::InProgress,
            _ => return Err(error),
        },
    };
    Ok((socket.into(), progress))
}

/// Returns the address of a TCP socket's own end.
pub(crate) fn local_tcp(fd: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    SockRef::from(&fd).local_addr()?.as_socket().ok_or_else(not_tcp)
}

/// Returns the address of a TCP connection's other end.
pub(crate) fn remote_tcp(fd: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    SockRef::from(&fd).peer_addr()?.as_socket().ok_or_else(not_tcp)
}

/// Applies the options that concern a connection, whichever side began it.
pub(super) fn configure_stream(fd: BorrowedFd<'_>, options: &TcpOptions) -> io::Result<()> {
    let socket = SockRef::from(&fd);
    // Messages are batched before they are written: to delay a write further only costs.
    socket.set_tcp_nodelay(true)?;
    if let Some(size) = options.send_buffer {
        socket.set_send_buffer_size(size)?;
    }
    if let Some(size) = options.receive_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    match options.keepalive {
        Some(true) => socket.set_tcp_keepalive(&keepalive(options))?,
        Some(false) => socket.set_keepalive(false)?,
        None => {}
    }
    if let Some(timeout) = options.max_retransmit {
        socket.set_tcp_user_timeout(Some(round_up(timeout, Duration::from_millis(1))))?;
    }
    if options.tos != 0 {
        let tos = u32::from(options.tos);
        if socket.domain()? == Domain::IPV6 {
            socket.set_tclass_v6(tos)?;
            // For IPv4 peers; a socket of IPv6 only need not take it.
            let _ = socket.set_tos_v4(tos);
        } else {
            socket.set_tos_v4(tos)?;
        }
    }
    if let Some(time) = options.busy_poll {
        // To raise it needs a privilege; it is a matter of speed only.
        let _ = set_busy_poll(fd, time);
    }
    // After the type of service, which brings a priority of its own.
    if let Some(priority) = options.priority {
        socket.set_priority(priority)?;
    }
    Ok(())
}

fn set_busy_poll(fd: BorrowedFd<'_>, time: Duration) -> io::Result<()> {
    let microseconds = i32::try_from(time.as_nanos().div_ceil(1000)).unwrap_or(i32::MAX);
    let len = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(0);
    // SAFETY: the descriptor is open; the value is an integer that lives through the call, and the length is its.
    let status = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BUSY_POLL,
            (&raw const microseconds).cast(),
            len,
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn open(address: SocketAddr, options: &TcpOptions) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    // Closed on exec by default.
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if let Some(device) = &options.bind_to_device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    // Buffers count from the handshake on, where the window scale is settled, for listeners too.
    configure_stream(std::os::fd::AsFd::as_fd(&socket), options)?;
    Ok(socket)
}

fn keepalive(options: &TcpOptions) -> TcpKeepalive {
    let seconds = |duration| round_up(duration, Duration::from_secs(1)).min(KEEPALIVE_MAX);
    let mut keepalive = TcpKeepalive::new();
    if let Some(idle) = options.keepalive_idle {
        keepalive = keepalive.with_time(seconds(idle));
    }
    if let Some(interval) = options.keepalive_interval {
        keepalive = keepalive.with_interval(seconds(interval));
    }
    if let Some(count) = options.keepalive_count {
        keepalive = keepalive.with_retries(count.clamp(1, KEEPALIVE_COUNT_MAX));
    }
    keepalive
}

/// Rounds up to a multiple of the unit, at least one: the options have no value for "at once".
fn round_up(duration: Duration, unit: Duration) -> Duration {
    let units = duration.as_nanos().div_ceil(unit.as_nanos()).max(1);
    u32::try_from(units).ok().and_then(|units| unit.checked_mul(units)).unwrap_or(Duration::MAX)
}

fn is_unspecified_v6(address: SocketAddr) -> bool {
    address.is_ipv6() && address.ip().is_unspecified()
}

fn not_tcp() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a TCP socket")
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::{IpAddr, Ipv6Addr, TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::super::socket::{accept, finish_connect};
    use super::*;

    pub(in super::super) fn listener_on(
        ip: impl Into<IpAddr>,
        options: &TcpOptions,
    ) -> (OwnedFd, SocketAddr) {
        let listener = listen_tcp((ip.into(), 0).into(), options).unwrap();
        let address = local_tcp(listener.as_fd()).unwrap();
        assert_ne!(address.port(), 0);
        (listener, address)
    }

    pub(in super::super) fn wait_writable(fd: &OwnedFd) {
        let mut fds = [rustix::event::PollFd::new(fd, rustix::event::PollFlags::OUT)];
        rustix::event::poll(&mut fds, None).unwrap();
    }

    fn connect(address: SocketAddr, source: Option<SocketAddr>, options: &TcpOptions) -> OwnedFd {
        let (socket, progress) = connect_tcp(address, source, options).unwrap();
        if progress == Progress::InProgress {
            wait_writable(&socket);
        }
        finish_connect(socket.as_fd()).unwrap();
        socket
    }

    fn has_ipv6() -> bool {
        TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
    }

    #[test]
    fn connects_without_blocking_and_without_delay() {
        let options = TcpOptions::default();
        let (listener, address) = listener_on(Ipv4Addr::LOCALHOST, &options);
        let socket = connect(address, None, &options);
        assert_eq!(remote_tcp(socket.as_fd()).unwrap(), address);
        let socket_ref = SockRef::from(&socket);
        assert!(socket_ref.nonblocking().unwrap() && socket_ref.tcp_nodelay().unwrap());
        let accepted = accept(listener.as_fd()).unwrap();
        assert_eq!(remote_tcp(accepted.as_fd()).unwrap(), local_tcp(socket.as_fd()).unwrap());
    }

    #[test]
    fn an_address_is_listened_on_once() {
        let options = TcpOptions::default();
        let (_listener, address) = listener_on(Ipv4Addr::LOCALHOST, &options);
        assert_eq!(listen_tcp(address, &options).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        // An address set aside for documentation, which no interface has.
        let foreign = (Ipv4Addr::new(192, 0, 2, 1), 0).into();
        assert_eq!(listen_tcp(foreign, &options).unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[test]
    fn connects_from_the_source() {
        let options = TcpOptions::default();
        let (_listener, address) = listener_on(Ipv4Addr::UNSPECIFIED, &options);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
        let source = IpAddr::from([127, 0, 0, 2]);
        let socket = connect(address, Some((source, 0).into()), &options);
        let local = local_tcp(socket.as_fd()).unwrap();
        assert_eq!(local.ip(), source);

        let foreign = Some((Ipv4Addr::new(192, 0, 2, 1), 0).into());
        let error = connect_tcp(address, foreign, &options).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[test]
    fn the_ipv6_wildcard_takes_ipv4_only_when_asked_to() {
        for ipv6 in [true, false] {
            let options = TcpOptions { ipv6, ..TcpOptions::default() };
            let listener = match listen_tcp((Ipv6Addr::UNSPECIFIED, 0).into(), &options) {
                Ok(listener) => listener,
                Err(error) => {
                    assert!(!ipv6 && !has_ipv6(), "{error}");
                    continue;
                }
            };
            let port = local_tcp(listener.as_fd()).unwrap().port();
            assert_eq!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok(), ipv6);
            assert_eq!(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_ok(), has_ipv6());
        }
    }

    #[test]
    fn ipv6_addresses_connect_where_there_are_any() {
        let options = TcpOptions { tos: 0x20, ..TcpOptions::default() };
        match listen_tcp((Ipv6Addr::LOCALHOST, 0).into(), &options) {
            Ok(listener) => {
                let address = local_tcp(listener.as_fd()).unwrap();
                let socket = connect(address, None, &options);
                assert_eq!(remote_tcp(socket.as_fd()).unwrap(), address);
                assert_eq!(SockRef::from(&socket).tclass_v6().unwrap(), 0x20);
            }
            Err(error) => assert!(!has_ipv6(), "{error}"),
        }
    }

    #[test]
    fn options_reach_the_kernel() {
        let options = TcpOptions {
            keepalive: Some(true),
            keepalive_idle: Some(Duration::from_millis(1_001)),
            keepalive_interval: Some(Duration::ZERO),
            keepalive_count: Some(1_000),
            send_buffer: Some(50_000),
            receive_buffer: Some(60_000),
            tos: 0x28,
            priority: Some(3),
            bind_to_device: Some("lo".to_owned()),
            max_retransmit: Some(Duration::from_micros(1_500)),
            ..TcpOptions::default()
        };
        let (_listener, address) = listener_on(Ipv4Addr::LOCALHOST, &options);
        let socket = connect(address, None, &options);
        let socket = SockRef::from(&socket);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(2));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(1));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 127);
        // The kernel doubles what it is told, for its own bookkeeping.
        assert_eq!(socket.send_buffer_size().unwrap(), 100_000);
        assert_eq!(socket.recv_buffer_size().unwrap(), 120_000);
        assert_eq!(socket.tos_v4().unwrap(), 0x28);
        assert_eq!(socket.priority().unwrap(), 3);
        assert_eq!(socket.device().unwrap().as_deref(), Some(&b"lo"[..]));
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_millis(2)));
    }

    #[test]
    fn keepalive_can_be_turned_off_and_takes_any_time() {
        let options = TcpOptions { keepalive: Some(false), ..TcpOptions::default() };
        let (_listener, address) = listener_on(Ipv4Addr::LOCALHOST, &options);
        assert!(!SockRef::from(&connect(address, None, &options)).keepalive().unwrap());
        let options = TcpOptions {
            keepalive: Some(true),
            keepalive_idle: Some(Duration::MAX),
            keepalive_interval: Some(Duration::MAX),
            keepalive_count: Some(0),
            max_retransmit: Some(Duration::from_secs(60)),
            ..TcpOptions::default()
        };
        let socket = connect(address, None, &options);
        assert_eq!(SockRef::from(&socket).tcp_keepalive_time().unwrap(), KEEPALIVE_MAX);
    }

    #[test]
    fn an_option_that_fails_is_an_error() {
        let options = TcpOptions { bind_to_device: Some("no such one".to_owned()), ..TcpOptions::default() };
        listen_tcp((Ipv4Addr::LOCALHOST, 0).into(), &options).unwrap_err();
        connect_tcp((Ipv4Addr::LOCALHOST, 1).into(), None, &options).unwrap_err();
    }

    #[test]
    fn unix_sockets_have_no_tcp_address() {
        let (near, _far) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(local_tcp(near.as_fd()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(remote_tcp(near.as_fd()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
