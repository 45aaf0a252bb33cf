//! Tamtam's sockets.

use std::io;
use std::time::Duration;

use tamtam_ipc::{Deadline, End, Error};
use tamtam_zmq::{Context, Message, RecvError, SendError, SocketType};

use super::Kind;

/// A socket, with default options. A publisher waits for room instead of dropping.
#[derive(Debug)]
pub(crate) struct Socket {
    socket: tamtam_zmq::Socket,
    slot: Message,
    kind: Kind,
}

impl super::Socket for Socket {
    type Ground = Context;

    fn open(context: &Context, kind: Kind) -> Result<Self, Error> {
        let socket = tamtam_zmq::Socket::new(
            context,
            match kind {
                Kind::Req => SocketType::Req,
                Kind::Rep => SocketType::Rep,
                Kind::Push => SocketType::Push,
                Kind::Pull => SocketType::Pull,
                Kind::Pub => SocketType::Pub,
                Kind::Sub => SocketType::Sub,
            },
        );
        socket
            .configure(|options| {
                options.set_linger(Some(Duration::ZERO));
                if kind == Kind::Pub {
                    options.set_xpub_nodrop(true);
                }
            })
            .map_err(|error| failed("configure", error))?;
        if kind == Kind::Sub {
            socket.subscribe("").map_err(|error| failed("subscribe", error))?;
        }
        Ok(Self { socket, slot: Message::default(), kind })
    }

    fn bind(&self, endpoint: &str) -> Result<String, Error> {
        self.socket.bind(endpoint).map_err(|error| failed("bind", error))
    }

    fn connect(&self, endpoint: &str) -> Result<(), Error> {
        self.socket.connect(endpoint).map_err(|error| failed("connect", error))
    }

    fn wait_for_readers(&mut self, count: u32, patience: Duration) -> Result<(), Error> {
        let count = count as usize;
        let waited = if self.kind == Kind::Pub {
            self.socket.wait_for_subscribers(count, patience)
        } else {
            self.socket.wait_for_peers(count, patience)
        };
        waited.map_err(|error| failed("connect", error))
    }
}

impl End for Socket {
    fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        let sent = match deadline.remaining() {
            None => self.socket.send_slice(message, true),
            Some(left) if left.is_zero() => self.socket.send_slice(message, false),
            Some(left) => match self.socket.send_slice(message, false) {
                Err(SendError::Full(message)) => self.socket.send_timeout(message, left),
                sent => sent,
            },
        };
        sent.map_err(|error| match error {
            SendError::Full(_) | SendError::TimedOut(_) => Error::TimedOut,
            SendError::Closed(_) | SendError::Terminated(_) => Error::Closed,
            error => failed("send", error),
        })
    }

    fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        let received = match deadline.remaining() {
            None => self.socket.recv_into(&mut self.slot),
            Some(left) if left.is_zero() => self.socket.try_recv_into(&mut self.slot),
            Some(left) => self.socket.recv_timeout(left).map(|message| self.slot = message),
        };
        received.map_err(|error| match error {
            RecvError::WouldBlock | RecvError::TimedOut => Error::TimedOut,
            RecvError::Closed | RecvError::Terminated => Error::Closed,
            error => failed("recv", error),
        })?;
        // As every mechanism of `tamtam-ipc` does: the content ends up in the caller's buffer.
        into.clear();
        into.extend_from_slice(self.slot.as_slice());
        Ok(())
    }
}

fn failed(call: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::System { call, source: io::Error::other(error) }
}
