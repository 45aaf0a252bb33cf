//! What is asked before a peer is let in, and the answer.

use std::fmt;

use bytes::Bytes;

use crate::keys::CurvePublicKey;

/// What a peer has shown of itself, to be judged by whoever knows who may come in.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// NULL: nothing but its address.
    None,
    /// PLAIN: a user name and a password, each up to 255 octets of anything.
    Plain {
        /// The user name.
        username: Bytes,
        /// The password.
        password: Bytes,
    },
    /// CURVE: the long-term public key, of which the peer has proved to own the secret half.
    Curve(CurvePublicKey),
}

impl Credentials {
    /// Returns the mechanism's name in 27/ZAP.
    #[must_use]
    pub const fn mechanism(&self) -> &'static str {
        match self {
            Self::None => "NULL",
            Self::Plain { .. } => "PLAIN",
            Self::Curve(_) => "CURVE",
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Plain { username, .. } => {
                f.debug_struct("Plain").field("username", username).finish_non_exhaustive()
            }
            Self::Curve(key) => f.debug_tuple("Curve").field(key).finish(),
        }
    }
}

/// Whether a peer is let in: the answer to [`Event::Authenticate`](crate::Event::Authenticate).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthReply {
    /// It is.
    Accept {
        /// Who it is, for the application; see [`PeerInfo::user_id`](crate::PeerInfo::user_id). `None` if nobody was asked.
        user_id: Option<Bytes>,
        /// What else the application shall know of it.
        metadata: Vec<(String, Bytes)>,
    },
    /// It is not: an ERROR command tells it the status, unless that is 300, which means that it may try again.
    Refuse {
        /// 300: for now; 400: its credentials are no good; 500: we cannot tell.
        status: u16,
        /// Why, for our own logs.
        text: String,
    },
    /// Nobody can tell, or what was told makes no sense: the connection ends without a word.
    Fail(crate::ProtocolError),
}

impl AuthReply {
    /// Lets the peer in, with nothing known of it.
    #[must_use]
    pub const fn accept() -> Self {
        Self::Accept { user_id: None, metadata: Vec::new() }
    }
}
