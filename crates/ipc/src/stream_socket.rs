//! What Unix and TCP stream sockets share: octets both ways, cut into messages.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};

use crate::framed::{Inbound, Outbound, Sink, Source, read_outcome, write_outcome};
use crate::{Deadline, Error, Plan};

/// Messages over a connected stream socket, whatever its family.
#[derive(Debug)]
pub(crate) struct Messages<S> {
    socket: Socket<S>,
    outbound: Outbound,
    inbound: Inbound,
}

impl<S: AsFd> Messages<S> {
    pub(crate) const fn new(socket: S, plan: &Plan) -> Self {
        Self { socket: Socket(socket), outbound: Outbound::new(plan), inbound: Inbound::new(plan) }
    }

    pub(crate) const fn socket(&self) -> &S {
        &self.socket.0
    }

    pub(crate) fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), Error> {
        self.outbound.send(&self.socket, message, deadline)
    }

    pub(crate) fn receive(&mut self, into: &mut Vec<u8>, deadline: Deadline) -> Result<(), Error> {
        self.inbound.receive_and_flush(&self.socket, &mut self.outbound, into, deadline)
    }

    pub(crate) fn flush(&mut self, deadline: Deadline) -> Result<(), Error> {
        self.outbound.flush(&self.socket, deadline)
    }
}

#[derive(Debug)]
struct Socket<S>(S);

impl<S: AsFd> Source for Socket<S> {
    fn read(&self, into: &mut [u8], patient: bool) -> Result<Option<usize>, Error> {
        let flags = if patient { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
        read_outcome("recv", recv(&self.0, into, flags).map(|(count, _)| count))
    }

    fn source(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<S: AsFd> Sink for Socket<S> {
    fn write(&self, parts: &[IoSlice<'_>], patient: bool) -> Result<Option<usize>, Error> {
        let flags = if patient { SendFlags::empty() } else { SendFlags::DONTWAIT };
        let mut no_descriptors = SendAncillaryBuffer::default();
        // Without `NOSIGNAL` a peer that is gone would end the process.
        write_outcome("sendmsg", sendmsg(&self.0, parts, &mut no_descriptors, flags | SendFlags::NOSIGNAL))
    }

    fn sink(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
