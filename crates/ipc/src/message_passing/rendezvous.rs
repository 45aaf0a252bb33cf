//! A client that waits for a reply.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::net::{Shutdown, shutdown};

use super::ClientId;
use super::packet::{self, Head, Kind};
use crate::Error;

/// A client that waits for a reply, and the right to reply to it. It can go to another thread.
///
/// To drop it is to refuse: no client waits in vain.
#[derive(Debug)]
#[must_use = "the client waits until it is replied to"]
pub struct Rendezvous {
    client: Arc<Client>,
    number: u32,
}

/// The server's side of a connection.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: ClientId,
    pub(super) socket: OwnedFd,
    pub(super) message_max: usize,
    /// The request that was received last if it has not been answered; 0 if it has.
    pub(super) open: AtomicU32,
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Rendezvous {
    /// The code of a refusal that nobody has spoken: the rendezvous was dropped.
    pub const DROPPED: u8 = 0;

    pub(super) fn new(client: Arc<Client>, number: u32) -> Self {
        client.open.store(number, Ordering::Relaxed);
        Self { client, number }
    }

    /// Who waits.
    #[must_use]
    pub fn client(&self) -> ClientId {
        self.client.id
    }

    /// Replies, which ends the client's wait. Never waits itself.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the client is gone, or does not receive its replies; [`Error::TooLong`], after which the
    /// client is refused; [`Error::System`]. A client that only does not wait any more is no error.
    pub fn reply(self, message: &[u8]) -> Result<(), Error> {
        if message.len() > self.client.message_max {
            return Err(Error::TooLong { len: message.len(), max: self.client.message_max });
        }
        self.answer(Kind::Reply, 0, message)
    }

    /// Says that there will be no reply, and why: a code whose meaning is up to both ends.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], [`Error::System`].
    pub fn refuse(self, code: u8) -> Result<(), Error> {
        self.answer(Kind::Refusal, code, &[])
    }

    fn answer(mut self, kind: Kind, code: u8, message: &[u8]) -> Result<(), Error> {
        let number = std::mem::take(&mut self.number);
        self.client.answer(Head { kind, code, number }, message)
    }
}

impl Drop for Rendezvous {
    fn drop(&mut self) {
        if self.number != 0 {
            let head = Head { kind: Kind::Refusal, code: Self::DROPPED, number: self.number };
            // Who is gone does not wait.
            let _ = self.client.answer(head, &[]);
        }
    }
}

impl Client {
    fn answer(&self, head: Head, message: &[u8]) -> Result<(), Error> {
        // Something newer may have been received from a client that does not wait.
        let _ = self.open.compare_exchange(head.number, 0, Ordering::Relaxed, Ordering::Relaxed);
        match packet::send(self.as_fd(), head, message) {
            Ok(Some(())) => Ok(()),
            Ok(None) => {
                // A client that does not take its replies must not hold up the server, nor wait for one that it
                // cannot get.
                let _ = shutdown(&self.socket, Shutdown::Both);
                Err(Error::Closed)
            }
            Err(error) => Err(error),
        }
    }
}
