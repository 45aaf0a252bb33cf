//! What can go wrong.

use std::borrow::Cow;
use std::io;

/// Why a call did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The other end is gone, and what it had sent before has been received. When, and whether, a mechanism notices that stands in
    /// its [`Facts::peer_death`](crate::Facts::peer_death).
    #[error("the other end is gone")]
    Closed,
    /// The deadline passed: nothing was sent, nothing was received.
    #[error("the deadline passed")]
    TimedOut,
    /// The message is longer than the link, or the mechanism, takes. Lengths in octets.
    #[error("{len} octets are too long for one message: at most {max}")]
    TooLong {
        /// Of the message.
        len: usize,
        /// What is allowed.
        max: usize,
    },
    /// What the other end wrote cannot be: a length beyond the limit, an index outside the ring. The link is of no use any more.
    #[error("the other end wrote what cannot be: {0}")]
    Corrupt(Cow<'static, str>),
    /// The mechanism cannot be used here and now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The ticket is not one for this mechanism, or not complete.
    #[error("the ticket does not fit: {0}")]
    Ticket(Cow<'static, str>),
    /// A system call failed in a way that has no name above.
    #[error("{call}: {source}")]
    System {
        /// The name of the call as in section 2 of the manual.
        call: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Error {
    /// The failure of a system call. Made to be handed to `map_err`: `.map_err(Error::system("recv"))`.
    pub(crate) fn system<E: Into<io::Error>>(call: &'static str) -> impl Fn(E) -> Self {
        move |source| Self::System { call, source: source.into() }
    }
}

/// Why a mechanism cannot be used here and now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{mechanism} is unavailable: {reason}")]
pub struct Unavailable {
    mechanism: &'static str,
    reason: Cow<'static, str>,
}

impl Unavailable {
    /// `mechanism` is the name that its facts give; `reason` continues the sentence "… is unavailable: ".
    #[must_use]
    pub fn new(mechanism: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { mechanism, reason: reason.into() }
    }

    /// What an error that `probe` ran into says of the mechanism.
    pub(crate) fn because(mechanism: &'static str, error: Error) -> Self {
        match error {
            Error::Unavailable(reason) => reason,
            error => Self::new(mechanism, error.to_string()),
        }
    }

    /// The mechanism's name.
    #[must_use]
    pub const fn mechanism(&self) -> &'static str {
        self.mechanism
    }

    /// For people: what is missing, and what would help.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
