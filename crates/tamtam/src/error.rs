//! What can go wrong.

use std::time::Duration;

use crate::message::DecodeError;
use crate::name::NameError;
use crate::registry::RegistryError;
use crate::schema::SchemaError;

/// A node, publisher, subscriber, service or client could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name will not do.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The registry of nodes on this host cannot be used.
    #[error("{0}")]
    Registry(String),
    /// The type's descriptors will not do.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A socket could not be made or bound.
    #[error("{what}: {why}")]
    Socket {
        /// What was tried.
        what: String,
        /// Why it failed.
        why: String,
    },
    /// The operating system refused something.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl From<RegistryError> for Error {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error.to_string())
    }
}

impl Error {
    pub(crate) fn socket(what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self::Socket { what: what.into(), why: why.to_string() }
    }
}

/// The barrier was not reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{have} of {want} subscribers after {:.1} s{}", waited.as_secs_f64(), attached(who))]
#[non_exhaustive]
pub struct BarrierTimeout {
    /// How many are attached.
    pub have: usize,
    /// How many were waited for.
    pub want: usize,
    /// The names of the nodes of those that are attached, as far as they said.
    pub who: Vec<String>,
    /// How long was waited.
    pub waited: Duration,
}

fn attached(who: &[String]) -> String {
    if who.is_empty() { String::new() } else { format!(" (attached: {})", who.join(", ")) }
}

/// A message was not published; nobody has it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The queues of these subscribers are full.
    #[error("full: {}", if slow.is_empty() { "a subscriber's queue".to_owned() } else { slow.join(", ") })]
    Full {
        /// The names of their nodes, as far as they said.
        slow: Vec<String>,
    },
    /// The publisher has ended.
    #[error("the publisher has ended")]
    Ended,
    /// The socket is not usable any more (its context was shut down, or this is a fork's child).
    #[error("{0}")]
    Closed(String),
}

/// END, or messages before it, did not reach everybody in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{undelivered} messages were not delivered within the time allowed")]
#[non_exhaustive]
pub struct NotDrained {
    /// How many messages, over all subscribers, were still queued.
    pub undelivered: u64,
}

/// No message was received.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// None came within the time allowed.
    #[error("no message arrived within the time allowed")]
    TimedOut,
    /// The last publisher is gone without having ended. A later call waits for another one.
    #[error(
        "publisher {publisher} is gone without END: {received} messages arrived, at least {published} were published"
    )]
    Abandoned {
        /// Which.
        publisher: String,
        /// The number of the last message that arrived.
        received: u64,
        /// The highest number that it was known to have published.
        published: u64,
    },
    /// The message cannot be decoded.
    #[error("a message cannot be decoded: {0}")]
    Decode(#[from] DecodeError),
    /// The subscriber is not usable any more.
    #[error("{0}")]
    Closed(String),
}

/// A call got no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Nobody offers the service.
    #[error("nobody offers the service {0}")]
    NoServer(String),
    /// There is a server, but it did not answer in time.
    #[error("no answer from {0} within the time allowed")]
    TimedOut(String),
    /// Those who offer it have types that would be misread: nobody was asked.
    #[error("{service} has other types: {what}")]
    SchemaDiffers {
        /// The service's name.
        service: String,
        /// How the types of one server differ, in words.
        what: String,
    },
    /// The server says no.
    #[error("{0}")]
    Remote(String),
    /// The reply cannot be decoded.
    #[error("the reply cannot be decoded: {0}")]
    Decode(#[from] DecodeError),
    /// The request could not be sent.
    #[error("{0}")]
    Closed(String),
}
