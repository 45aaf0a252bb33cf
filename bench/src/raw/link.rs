//! A byte stream over TCP or a Unix socket.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};

use crate::spec::{SILENCE, Transport};

/// A connected byte stream.
#[derive(Debug)]
pub(crate) enum Link {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Where links are accepted.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Binds to an endpoint as ZeroMQ writes it; returns it resolved.
    pub(super) fn bind(transport: Transport, endpoint: &str) -> io::Result<(Self, String)> {
        let address = address(endpoint);
        if transport == Transport::Ipc {
            return Ok((Self::Unix(UnixListener::bind(address)?), endpoint.to_owned()));
        }
        let listener = TcpListener::bind(address.replace(":*", ":0"))?;
        let endpoint = format!("tcp://{}", listener.local_addr()?);
        Ok((Self::Tcp(listener), endpoint))
    }

    /// Waits for a connection.
    pub(super) fn accept(&self) -> io::Result<Link> {
        let link = match self {
            Self::Tcp(listener) => Link::Tcp(listener.accept()?.0),
            Self::Unix(listener) => Link::Unix(listener.accept()?.0),
        };
        link.prepare()
    }
}

impl Link {
    /// Connects to an endpoint as ZeroMQ writes it.
    pub(crate) fn connect(transport: Transport, endpoint: &str) -> io::Result<Self> {
        let address = address(endpoint);
        let link = match transport {
            Transport::Ipc => Self::Unix(UnixStream::connect(address)?),
            Transport::Tcp | Transport::Inproc => Self::Tcp(TcpStream::connect(address)?),
        };
        link.prepare()
    }

    fn prepare(self) -> io::Result<Self> {
        match &self {
            Self::Tcp(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(SILENCE))?;
            }
            Self::Unix(stream) => stream.set_read_timeout(Some(SILENCE))?,
        }
        Ok(self)
    }

    /// Makes reads and writes spin instead of sleeping.
    pub(super) fn spin(self) -> io::Result<Spinning> {
        match &self {
            Self::Tcp(stream) => stream.set_nonblocking(true)?,
            Self::Unix(stream) => stream.set_nonblocking(true)?,
        }
        Ok(Spinning(self))
    }
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A link that never sleeps.
#[derive(Debug)]
pub(super) struct Spinning(Link);

impl Read for Spinning {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
                other => return other,
            }
        }
    }
}

impl Write for Spinning {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn address(endpoint: &str) -> &str {
    endpoint.split_once("://").map_or(endpoint, |(_, address)| address)
}
