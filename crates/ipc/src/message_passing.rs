//! Synchronous message passing in the manner of QNX: send, receive, reply.
//!
//! A client's [`send`](Connection::send) does three things in one: it hands over a message, waits until the server
//! has received it, and waits until the server has replied. There are no queues that can fill up and no copies that
//! can be lost: the client holds the message until it is answered, and cannot send faster than it is served.
//!
//! ```
//! use std::thread;
//! use tamtam_ipc::message_passing::{Channel, Received};
//! use tamtam_ipc::Deadline;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut channel = Channel::new(64)?;
//! let mut connection = channel.attach()?; // or Connection::open, by name, from another process
//! let client = thread::spawn(move || {
//!     let mut reply = Vec::new();
//!     connection.send(b"2 + 2", &mut reply, Deadline::NEVER).map(|()| reply)
//! });
//! let mut message = Vec::new();
//! while let Received::Message(rendezvous) = channel.receive(&mut message, Deadline::NEVER)? {
//!     assert_eq!(message, b"2 + 2");
//!     rendezvous.reply(b"4")?; // now, or later, or from another thread: until then the client waits
//! }
//! // What ended the loop was the notice that the client is gone.
//! assert_eq!(client.join().expect("no panic")?, b"4");
//! # Ok(()) }
//! ```
//!
//! # The states of a client
//!
//! | It is | while | If the server dies now | If the deadline passes now |
//! | --- | --- | --- | --- |
//! | SEND-blocked | the server has not received the message | the server has seen nothing of it | the message is withdrawn: the server never sees it, unless it receives it in that very moment and gets a notice |
//! | REPLY-blocked | the server has received it, and not replied | whether it has acted on it is unknown | the server gets a [notice](Received::Withdrawn); what it replies is dropped |
//!
//! [`Failure::Ended`] says in which of both it was. If the *client* dies, the server gets a [notice](Received::Gone)
//! after all that the client had sent. A server that drops a [`Rendezvous`] without a reply refuses it, so that
//! nobody waits in vain.
//!
//! [Pulses](Connection::pulse) are the other half: small notices that never wait and are never answered.
//!
//! # What this is not
//!
//! In QNX the kernel does all this, in one step from client to server, and lends the server the client's priority
//! while it works for it. Here it is made of packets over Unix sockets: messages are copied twice, two changes of
//! thread take what two changes of thread take on Linux, and **priorities are not inherited**: a server that works
//! for an urgent client can be held up by anything of middle priority. Linux offers that for mutexes only
//! (`PTHREAD_PRIO_INHERIT`).

mod channel;
mod connection;
mod link;
mod packet;
mod rendezvous;
mod sys;

use std::fmt;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

pub use self::channel::{Channel, Received};
pub use self::connection::Connection;
pub use self::link::Adapter;
pub use self::rendezvous::Rendezvous;
use crate::Error;

/// A client of a [`Channel`]. Numbers are not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(u64);

/// A small notice. What it means is up to both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// What kind of notice.
    pub code: u8,
    /// More about it.
    pub value: u32,
}

/// What a client was waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// That the server receives the message.
    Send,
    /// That the server replies to it.
    Reply,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Send => "SEND-blocked",
            Self::Reply => "REPLY-blocked",
        })
    }
}

/// Why a [`Connection::send`] brought no reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The server has received the message and said no, with a code whose meaning is up to both;
    /// [`Rendezvous::DROPPED`] if it gave the message up.
    #[error("the server refused the message with code {0}")]
    Refused(u8),
    /// It came to an end before there was a reply: the deadline passed, the server is gone, or something else went wrong.
    #[error("{blocked}: {error}")]
    Ended {
        /// What it was waiting for. If the deadline passed: a moment before it gave up.
        blocked: Blocked,
        /// What happened.
        #[source]
        error: Error,
    },
}

/// Two sockets that are connected to each other.
fn sockets() -> Result<(OwnedFd, OwnedFd), Error> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(Error::system("socketpair"))
}
