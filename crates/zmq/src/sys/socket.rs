//! Sockets that listen, connect and accept. Every one is non-blocking and closed on exec.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use socket2::{SockAddr, SockRef};

pub(crate) use super::ipc::{IpcListener, adopt_ipc, connect_ipc, listen_ipc};
pub(crate) use super::tcp::{TcpOptions, adopt_tcp, connect_tcp, listen_tcp, local_tcp, remote_tcp};
use super::{stream, tcp};

/// How far a call to connect has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The connection stands; [`finish_connect`] is still to be asked.
    Done,
    /// Once the descriptor is writable, [`finish_connect`] tells how it went.
    InProgress,
}

/// Accepts a connection from a listening socket, TCP or Unix. Connections that broke while they queued are passed
/// over.
///
/// # Errors
///
/// `WouldBlock` when none is waiting. Errors of the process or system (descriptors or memory used up) leave the
/// listener readable: the caller has to pause, not to retry at once.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    loop {
        match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Err(Errno::INTR | Errno::CONNABORTED | Errno::PROTO) => {}
            accepted => return Ok(accepted?),
        }
    }
}

/// Applies the options that concern an accepted connection: to a Unix one, the sizes of the buffers.
///
/// # Errors
///
/// What the system says to an option it does not take; the connection is then not to be used.
pub(crate) fn configure_accepted(fd: BorrowedFd<'_>, is_tcp: bool, options: &TcpOptions) -> io::Result<()> {
    if is_tcp {
        return tcp::configure_stream(fd, options);
    }
    let socket = SockRef::from(&fd);
    options.send_buffer.map_or(Ok(()), |size| socket.set_send_buffer_size(size))?;
    options.receive_buffer.map_or(Ok(()), |size| socket.set_recv_buffer_size(size))
}

/// Tells how a connection attempt went, once its descriptor is writable.
///
/// # Errors
///
/// Why there is no connection. `ConnectionRefused` also when the socket met itself: connecting to a free port of the
/// ephemeral range on this host, the kernel may pick that very port as the source.
pub(crate) fn finish_connect(fd: BorrowedFd<'_>) -> io::Result<()> {
    if let Some(error) = stream::take_error(fd) {
        return Err(error);
    }
    let socket = SockRef::from(&fd);
    let remote = socket.peer_addr()?.as_socket();
    if remote.is_some() && remote == socket.local_addr()?.as_socket() {
        return Err(io::Error::new(
            io::ErrorKind::ConnectionRefused,
            "the port is free: the connection met itself",
        ));
    }
    Ok(())
}

/// Writes a socket's address as the endpoint that `ZMQ_LAST_ENDPOINT` reports: `tcp://127.0.0.1:5555`,
/// `tcp://[fe80::1%2]:5555`. Those of ipc are their [`IpcAddress`](crate::endpoint::IpcAddress), displayed.
pub(crate) fn endpoint_text(address: &SocketAddr) -> String {
    format!("tcp://{address}")
}

/// Writes a connection's own address as an endpoint; `None` where it has none that can be written so.
pub(crate) fn local_text(fd: BorrowedFd<'_>) -> Option<String> {
    text_of(&SockRef::from(&fd).local_addr().ok()?)
}

/// Writes the other end's address as an endpoint; `None` where it has none that can be written so.
pub(crate) fn remote_text(fd: BorrowedFd<'_>) -> Option<String> {
    text_of(&SockRef::from(&fd).peer_addr().ok()?)
}

fn text_of(address: &SockAddr) -> Option<String> {
    if let Some(address) = address.as_socket() {
        return Some(endpoint_text(&address));
    }
    if let Some(name) = address.as_abstract_namespace() {
        return Some(format!("ipc://@{}", String::from_utf8_lossy(name)));
    }
    // The end that connects has no name.
    address
        .as_pathname()
        .map_or_else(|| Some("ipc://".to_owned()), |path| Some(format!("ipc://{}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV6, TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use socket2::{Domain, Socket, Type};

    use super::super::tcp::tests::{listener_on, wait_writable};
    use super::*;
    use crate::endpoint::Endpoint;

    #[test]
    fn accepted_sockets_are_nonblocking_and_closed_on_exec() {
        let options = TcpOptions::default();
        let (listener, address) = listener_on(Ipv4Addr::LOCALHOST, &options);
        assert_eq!(accept(listener.as_fd()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let client = TcpStream::connect(address).unwrap();
        let accepted = accept(listener.as_fd()).unwrap();
        assert!(SockRef::from(&accepted).nonblocking().unwrap());
        let flags = rustix::io::fcntl_getfd(&accepted).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        assert_eq!(remote_tcp(accepted.as_fd()).unwrap(), client.local_addr().unwrap());
        assert_eq!(local_tcp(accepted.as_fd()).unwrap(), address);
    }

    #[test]
    fn accepted_connections_get_their_options() {
        let options = TcpOptions {
            send_buffer: Some(100_000),
            receive_buffer: Some(120_000),
            keepalive: Some(true),
            ..TcpOptions::default()
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let accepted = accept(listener.as_fd()).unwrap();
        configure_accepted(accepted.as_fd(), true, &options).unwrap();
        let socket = SockRef::from(&accepted);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        // The kernel doubles what it is told, for its own bookkeeping.
        assert_eq!(socket.send_buffer_size().unwrap(), 200_000);
        assert_eq!(socket.recv_buffer_size().unwrap(), 240_000);

        let (near, _far) = UnixStream::pair().unwrap();
        configure_accepted(near.as_fd(), false, &options).unwrap();
        assert_eq!(SockRef::from(&near).send_buffer_size().unwrap(), 200_000);
    }

    #[test]
    fn a_refused_connection_is_told_from_one_that_stands() {
        // Bound, so that nobody else takes the port, but not listening.
        let bound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        bound.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        let address = bound.local_addr().unwrap().as_socket().unwrap();
        let refused = match connect_tcp(address, None, &TcpOptions::default()) {
            Ok((socket, _)) => {
                wait_writable(&socket);
                finish_connect(socket.as_fd()).unwrap_err()
            }
            Err(error) => error,
        };
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);

        let (near, _far) = UnixStream::pair().unwrap();
        finish_connect(near.as_fd()).unwrap();
    }

    #[test]
    fn a_connection_to_itself_is_refused() {
        // From the port that it goes to: the kernel then joins the socket with itself.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        socket.connect(&socket.local_addr().unwrap()).unwrap();
        let error = finish_connect(socket.as_fd()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn endpoint_texts_can_be_connected_to() {
        let scoped = SocketAddrV6::new("fe80::1".parse().unwrap(), 7, 0, 2).into();
        let cases = [
            ("127.0.0.1:5555".parse().unwrap(), "tcp://127.0.0.1:5555"),
            ("[::1]:5555".parse().unwrap(), "tcp://[::1]:5555"),
            ("[::ffff:1.2.3.4]:1".parse().unwrap(), "tcp://[::ffff:1.2.3.4]:1"),
            (scoped, "tcp://[fe80::1%2]:7"),
        ];
        for (address, text) in cases {
            assert_eq!(endpoint_text(&address), text);
            assert_eq!(Endpoint::parse_connect(text).unwrap().to_string(), text);
        }
    }
}
