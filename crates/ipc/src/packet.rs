//! What datagram and seqpacket sockets share: one send, one receive.

use std::io::IoSliceMut;
use std::os::fd::AsFd;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_passcred, set_socket_send_buffer_size, socket_send_buffer_size};
use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendFlags, recv, recvmsg, send};

use crate::wait::{readable, until, writable};
use crate::{Deadline, Error, Limit, Plan, Wait};

/// Messages over a connected packet socket, whatever its family and type.
#[derive(Debug)]
pub(crate) struct Packets<S> {
    socket: S,
    message_max: usize,
    wait: Wait,
    is_closed: bool,
    /// For sockets that have an end, see [`Self::with_end`]: received into, then copied.
    scratch: Option<Vec<u8>>,
}

impl<S: AsFd> Packets<S> {
    /// A datagram socket, whose receiving side has no end.
    pub(crate) const fn new(socket: S, plan: &Plan) -> Self {
        Self { socket, message_max: plan.message_max, wait: plan.wait, is_closed: false, scratch: None }
    }

    /// A seqpacket socket: receiving nothing is its end, or a message of no octets.
    ///
    /// To tell them apart, the kernel is asked to send credentials along with each message, and given no room for them: then each
    /// message is marked as truncated, and the end is not.
    pub(crate) fn with_end(socket: S, plan: &Plan) -> Result<Self, Error> {
        set_socket_passcred(&socket, true).map_err(Error::system("setsockopt"))?;
        Ok(Self { scratch: Some(Vec::new()), ..Self::new(socket, plan) })
    }

    pub(crate) const fn socket(&self) -> &S {
        &self.socket
    }

    pub(crate) fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        if message.len() > self.message_max {
            return Err(Error::TooLong { len: message.len(), max: self.message_max });
        }
        if self.is_closed {
            return Err(Error::Closed);
        }
        let flags = SendFlags::NOSIGNAL
            | if self.wait.is_patient(deadline) { SendFlags::empty() } else { SendFlags::DONTWAIT };
        let sent = until(
            self.wait,
            deadline,
            || match send(&self.socket, message, flags) {
                Ok(_) => Ok(Some(())),
                Err(Errno::AGAIN | Errno::INTR) => Ok(None),
                Err(Errno::PIPE | Errno::CONNRESET | Errno::CONNREFUSED | Errno::NOTCONN) => {
                    Err(Error::Closed)
                }
                Err(error) => Err(Error::system("send")(error)),
            },
            |deadline| writable(self.socket.as_fd(), deadline),
        );
        // A datagram socket tells that once, and its peer's address may belong to somebody else later.
        self.is_closed = matches!(sent, Err(Error::Closed));
        sent
    }

    pub(crate) fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        match self.take(into, if self.is_closed { Deadline::NOW } else { deadline }) {
            Err(Error::TimedOut) if self.is_closed => Err(Error::Closed),
            // What was sent before comes first.
            Err(Error::Closed) if !self.is_closed => {
                self.is_closed = true;
                self.receive(into, Deadline::NOW)
            }
            outcome => outcome,
        }
    }

    fn take(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        let patient = self.wait.is_patient(deadline);
        let flags = RecvFlags::TRUNC | if patient { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
        let (socket, max) = (&self.socket, self.message_max);
        let sleep = |deadline| readable(socket.as_fd(), deadline);
        let len = match &mut self.scratch {
            None => {
                into.clear();
                into.reserve(max);
                let look = || found(recv(socket, spare_capacity(into), flags).map(|(_, len)| len));
                until(self.wait, deadline, look, sleep)?
            }
            Some(scratch) => {
                scratch.resize(max, 0);
                let len = until(self.wait, deadline, || receive_or_end(socket, scratch, flags), sleep)?;
                into.clear();
                into.extend_from_slice(scratch.get(..len).unwrap_or_default());
                len
            }
        };
        if len > max {
            return Err(Error::Corrupt(format!("a message of {len} octets where {max} are the most").into()));
        }
        Ok(())
    }
}

/// What a receiving call said. `ECONNREFUSED` is what the other end's host answered to an earlier message: nobody is there.
fn found(outcome: Result<usize, Errno>) -> Result<Option<usize>, Error> {
    match outcome {
        Ok(len) => Ok(Some(len)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(Errno::CONNREFUSED) => Err(Error::Closed),
        Err(error) => Err(Error::system("recv")(error)),
    }
}

fn receive_or_end(socket: impl AsFd, into: &mut [u8], flags: RecvFlags) -> Result<Option<usize>, Error> {
    let mut part = [IoSliceMut::new(into)];
    let mut no_room = RecvAncillaryBuffer::new(&mut []);
    match recvmsg(socket, &mut part, &mut no_room, flags) {
        Ok(message) if message.bytes == 0 && !message.flags.contains(ReturnFlags::CTRUNC) => {
            Err(Error::Closed)
        }
        // The other end went without having read all that we sent. It is said once, before what it sent itself.
        Err(Errno::CONNRESET) => Ok(None),
        outcome => found(outcome.map(|message| message.bytes)),
    }
}

/// What the kernel needs for itself in a Unix socket's send buffer.
const OVERHEAD: usize = 32;

/// Octets of the longest message that a Unix packet socket takes, with the greatest send buffer that this process may have.
pub(crate) fn unix_message_max(socket: impl AsFd) -> usize {
    // The kernel cuts the value to what is allowed, and doubles it: half of its own greatest value.
    let _ = set_socket_send_buffer_size(&socket, i32::MAX as usize / 2);
    socket_send_buffer_size(&socket).map_or(0, |size| size.saturating_sub(OVERHEAD))
}

/// Gives a Unix packet socket a send buffer for the messages of the plan, as far as the system allows, but one message at least.
pub(crate) fn make_room(socket: impl AsFd, plan: &Plan) -> Result<(), Error> {
    let size = || socket_send_buffer_size(&socket).map_err(Error::system("getsockopt"));
    // The kernel counts the memory that a message occupies, up to twice its octets, and doubles what it is asked for.
    let wanted =
        plan.message_max.saturating_add(1024).saturating_mul(plan.depth.max(1)).min(i32::MAX as usize / 2);
    if size()? < wanted.saturating_mul(2) {
        set_socket_send_buffer_size(&socket, wanted).map_err(Error::system("setsockopt"))?;
    }
    let max = size()?.saturating_sub(OVERHEAD);
    if plan.message_max > max { Err(Error::TooLong { len: plan.message_max, max }) } else { Ok(()) }
}

/// The limits of Unix packet sockets, and those of this one.
pub(crate) fn unix_limits(socket: impl AsFd) -> Vec<Limit> {
    let number = |number| u64::try_from(number).unwrap_or(u64::MAX);
    let size = socket_send_buffer_size(&socket).unwrap_or(0);
    let longest = unix_message_max(socket);
    let limits = [
        Some(Limit::new("octets that may wait, by default", number(size), "getsockopt(SO_SNDBUF)")),
        Some(Limit::new("octets of a message, at most", number(longest), "/proc/sys/net/core/wmem_max")),
        Limit::of_file("messages that may wait at a name", "/proc/sys/net/unix/max_dgram_qlen"),
    ];
    limits.into_iter().flatten().collect()
}
