//! A client's side.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::packet::{self, Arrived, Head, Kind};
use super::{Blocked, Failure, Pulse};
use crate::wait::{readable, uninterrupted, until, writable};
use crate::{Deadline, Error, Wait};

/// A client's connection to a [`Channel`](super::Channel). A client that wants to send several messages at a time has
/// several, one for each thread.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
    message_max: usize,
    /// Of the last request.
    number: u32,
}

impl Connection {
    /// Connects to the channel that a server has bound to this path. Messages and replies have at most `message_max`
    /// octets.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: `ENOENT` and `ECONNREFUSED` if there is no server, `EACCES` without write permission on the
    /// path; [`Error::TooLong`] if the system's socket buffers are smaller.
    pub fn open(path: impl AsRef<Path>, message_max: usize) -> Result<Self, Error> {
        let address = SocketAddrUnix::new(path.as_ref()).map_err(Error::system("connect"))?;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(Error::system("socket"))?;
        uninterrupted(|| connect(&socket, &address)).map_err(Error::system("connect"))?;
        Self::of_socket(socket, message_max)
    }

    /// A connection whose socket has come from a server in another way, see [`Channel::attach`](super::Channel::attach).
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`], [`Error::System`].
    pub fn of_socket(socket: OwnedFd, message_max: usize) -> Result<Self, Error> {
        packet::fit(socket.as_fd(), message_max, 1)?;
        // Somebody may have used it before, and replies to that still arrive.
        let number = RandomState::new().build_hasher().finish() as u32;
        Ok(Self { socket, message_max, number })
    }

    /// Sends a message, and waits until the server has received it and replied; the reply replaces what is in
    /// `reply`.
    ///
    /// # Errors
    ///
    /// [`Failure::Refused`]; [`Failure::Ended`] with [`Error::TimedOut`], [`Error::Closed`], [`Error::TooLong`],
    /// [`Error::Corrupt`] or [`Error::System`], and with what it was waiting for.
    pub fn send(&mut self, message: &[u8], reply: &mut Vec<u8>, deadline: Deadline) -> Result<(), Failure> {
        self.request(message, deadline).map_err(|error| Failure::Ended { blocked: Blocked::Send, error })?;
        let ended = |blocked| move |error| Failure::Ended { blocked, error };
        let mut blocked_at_end = Blocked::Reply;
        loop {
            let look = || packet::receive(self.as_fd(), reply, self.message_max, deadline.is_never());
            let arrived = until(Wait::Block, deadline, look, |deadline| readable(self.as_fd(), deadline));
            let head = match arrived {
                Ok(Arrived::Packet(head)) => head,
                Ok(Arrived::Reset) => {
                    // The server has gone without receiving all that we sent; what we sent last was the message.
                    blocked_at_end = Blocked::Send;
                    continue;
                }
                Ok(Arrived::End) => return Err(ended(blocked_at_end)(Error::Closed)),
                Err(error) => return Err(self.give_up(error)),
            };
            match head.kind {
                Kind::Reply if head.number == self.number => return Ok(()),
                Kind::Refusal if head.number == self.number => return Err(Failure::Refused(head.code)),
                // To a message that we have given up earlier.
                Kind::Reply | Kind::Refusal if !deadline.has_passed() => {}
                Kind::Reply | Kind::Refusal => return Err(self.give_up(Error::TimedOut)),
                _ => return Err(self.give_up(Error::Corrupt("a server that speaks like a client".into()))),
            }
        }
    }

    fn request(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        if message.len() > self.message_max {
            return Err(Error::TooLong { len: message.len(), max: self.message_max });
        }
        // 0 stands for none.
        self.number = self.number.checked_add(1).unwrap_or(1);
        let head = Head::new(Kind::Request, self.number);
        // There is no room only if the server has not even received our pulses.
        until(
            Wait::Block,
            deadline,
            || packet::send(self.as_fd(), head, message),
            |deadline| writable(self.as_fd(), deadline),
        )
    }

    /// Tells the server that its reply is not waited for any more.
    fn give_up(&self, error: Error) -> Failure {
        let blocked = if self.is_unread() { Blocked::Send } else { Blocked::Reply };
        // Without room for it the server finds out when it replies.
        let _ = packet::send(self.as_fd(), Head::new(Kind::Withdrawal, self.number), &[]);
        Failure::Ended { blocked, error }
    }

    /// Whether the server has still to receive something that we sent. What we sent last was the message.
    fn is_unread(&self) -> bool {
        super::sys::unread(self.as_fd()).is_ok_and(|octets| octets > 0)
    }

    /// Sends a pulse. Never waits, and nobody answers.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if the server has so much to receive already that there is no room; [`Error::Closed`] if
    /// it is gone; [`Error::System`].
    pub fn pulse(&self, pulse: Pulse) -> Result<(), Error> {
        let head = Head { kind: Kind::Pulse, code: pulse.code, number: pulse.value };
        packet::send(self.as_fd(), head, &[])?.ok_or(Error::TimedOut)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl From<Connection> for OwnedFd {
    /// The socket, to be handed to another process. Replies that have not been received yet are received there.
    fn from(connection: Connection) -> Self {
        connection.socket
    }
}
