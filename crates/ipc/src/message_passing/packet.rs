//! What goes over the sockets: eight octets, and perhaps a message.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};

use crate::packet::{make_room, unix_message_max};
use crate::wait::uninterrupted;
use crate::{Error, Plan};

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// From a client: a message that wants a reply.
    Request,
    /// From a client: a pulse; the head holds its code and, in place of the number, its value.
    Pulse,
    /// From a client: the request of this number is not waited for any more.
    Withdrawal,
    /// From the server: the reply to the request of this number.
    Reply,
    /// From the server: there is no reply to the request of this number; the head holds a code.
    Refusal,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Request, Self::Pulse, Self::Withdrawal, Self::Reply, Self::Refusal];

    fn octet(self) -> u8 {
        self as u8 + 1
    }
}

/// What stands at the beginning of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) code: u8,
    pub(super) number: u32,
}

/// Octets of a head.
const HEAD: usize = 8;

impl Head {
    pub(super) const fn new(kind: Kind, number: u32) -> Self {
        Self { kind, code: 0, number }
    }

    fn octets(self) -> [u8; HEAD] {
        let [a, b, c, d] = self.number.to_ne_bytes();
        [self.kind.octet(), self.code, 0, 0, a, b, c, d]
    }

    fn of_octets(octets: &[u8]) -> Option<Self> {
        let [kind, code, _, _, a, b, c, d] = *octets.first_chunk::<HEAD>()?;
        let kind = Kind::ALL.into_iter().find(|known| known.octet() == kind)?;
        Some(Self { kind, code, number: u32::from_ne_bytes([a, b, c, d]) })
    }
}

/// Gives a socket a buffer for so many messages of this length, as far as the system allows, but for one at least.
pub(super) fn fit(socket: BorrowedFd<'_>, message_max: usize, depth: usize) -> Result<(), Error> {
    let plan = Plan { message_max: message_max.saturating_add(HEAD), depth, ..Plan::default() };
    make_room(socket, &plan).map_err(|error| match error {
        Error::TooLong { max, .. } => Error::TooLong { len: message_max, max: max.saturating_sub(HEAD) },
        error => error,
    })
}

/// Octets of the longest message that a socket of this kind takes.
pub(super) fn message_max(socket: BorrowedFd<'_>) -> usize {
    unix_message_max(socket).saturating_sub(HEAD)
}

/// Sends a packet; `None` if there is no room.
pub(super) fn send(socket: BorrowedFd<'_>, head: Head, message: &[u8]) -> Result<Option<()>, Error> {
    let head = head.octets();
    let parts = [IoSlice::new(&head), IoSlice::new(message)];
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    match uninterrupted(|| sendmsg(socket, &parts, &mut SendAncillaryBuffer::default(), flags)) {
        Ok(_) => Ok(Some(())),
        Err(Errno::AGAIN) => Ok(None),
        Err(Errno::PIPE | Errno::CONNRESET) => Err(Error::Closed),
        Err(error) => Err(Error::system("sendmsg")(error)),
    }
}

/// What is first in a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    Packet(Head),
    /// The other end was closed, and everything has been received.
    End,
    /// The other end was closed, and did not receive all that was sent to it. More may have arrived from it before.
    Reset,
}

/// Receives a packet with a message of at most `message_max` octets. `None` if there is none, which a `patient` call
/// waits for; a signal may end that wait.
pub(super) fn receive(
    socket: BorrowedFd<'_>,
    message: &mut Vec<u8>,
    message_max: usize,
    patient: bool,
) -> Result<Option<Arrived>, Error> {
    message.clear();
    message.reserve(HEAD.saturating_add(message_max));
    let flags = RecvFlags::TRUNC | if patient { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
    let (_, len) = match recv(socket, spare_capacity(message), flags) {
        Ok((_, 0)) => return Ok(Some(Arrived::End)),
        Ok(received) => received,
        Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
        Err(Errno::CONNRESET) => return Ok(Some(Arrived::Reset)),
        Err(error) => return Err(Error::system("recv")(error)),
    };
    let head = Head::of_octets(message).filter(|_| len - HEAD <= message_max);
    let head = head.ok_or_else(|| Error::Corrupt("a packet that makes no sense".into()))?;
    message.drain(..HEAD);
    Ok(Some(Arrived::Packet(head)))
}

/// Looks at the head of the first packet.
pub(super) fn peek(socket: BorrowedFd<'_>) -> Option<Head> {
    let mut head = [0; HEAD];
    let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
    uninterrupted(|| recv(socket, &mut head, flags))
        .ok()
        .and_then(|(len, _)| Head::of_octets(head.get(..len)?))
}
