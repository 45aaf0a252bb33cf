//! What a connection is told before it begins.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::framing::Version;
use crate::keys::{CurveKeyPair, CurvePublicKey};
use crate::limits::Limits;
use crate::socket_type::SocketType;

/// What a connection is told before it begins; shared by all connections of a socket.
#[derive(Debug, Clone)]
pub struct Config {
    /// Our socket type.
    pub socket_type: SocketType,
    /// Our identity, 0 to 255 octets, not beginning with a zero octet. Peers of ZMTP 3.x are told by REQ, DEALER and
    /// ROUTER only. Default: empty, anonymous.
    pub identity: Bytes,
    /// Properties to announce beside Socket-Type and Identity to peers of ZMTP 3.x. A name is 1 to 255 letters, digits
    /// and `-_.+`; names of one's own begin with `X-`. Properties that ZMTP cannot carry are left out. Default: none.
    pub metadata: Vec<(String, Bytes)>,
    /// Longest frame to take, in octets of the body. Default: `None`, unlimited.
    pub max_message_size: Option<u64>,
    /// Bounds on what else the peer may make us hold.
    pub limits: Limits,
    /// Whether and how to find out that the peer is gone. Default: `None`.
    pub heartbeat: Option<Heartbeat>,
    /// The security mechanism, which must be the peer's as well. Default: NULL.
    pub mechanism: Mechanism,
    /// Whether somebody is asked before a peer is let in: see [`Event::Authenticate`](crate::Event::Authenticate). Servers
    /// of PLAIN always ask, clients never. Peers of ZMTP 1.0 and 2.0 are refused with it. Default: `false`.
    pub authenticate: bool,
    /// The highest version to speak. Default: 3.1. Lower ones are for peers that cannot take it, and for tests.
    pub version_max: Version,
}

impl Config {
    /// Returns the defaults for a socket of this type.
    #[must_use]
    pub fn new(socket_type: SocketType) -> Self {
        Self {
            socket_type,
            identity: Bytes::new(),
            metadata: Vec::new(),
            max_message_size: None,
            limits: Limits::default(),
            heartbeat: None,
            mechanism: Mechanism::Null,
            authenticate: false,
            version_max: Version::V3_1,
        }
    }
}

/// The heartbeat of 37/ZMTP. It is active towards peers of ZMTP 3.0 (implementations of which know PING) and later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// Time between PINGs. Zero: we send none.
    pub interval: Duration,
    /// After how long a silence of ours the peer should give us up. Announced in tenths of a second, rounded up, at most
    /// 6553.5 s. Zero: never.
    pub ttl: Duration,
    /// How long after a PING the peer may be silent. Zero: as long as `interval`.
    pub timeout: Duration,
}

/// A security mechanism.
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Mechanism {
    /// No authentication and no confidentiality (37/ZMTP, The NULL Security Mechanism).
    #[default]
    Null,
    /// A user name and a password, in clear (24/ZMTP-PLAIN): the client.
    PlainClient(PlainCredentials),
    /// The same: the server, which asks who may come in ([`Event::Authenticate`](crate::Event::Authenticate)).
    PlainServer,
    /// Encryption, and proof of who both sides are (25/ZMTP-CURVE): the client.
    CurveClient {
        /// Our own keys.
        keys: CurveKeyPair,
        /// The public key that the server has to own.
        server: CurvePublicKey,
    },
    /// The same: the server, with its own keys. Any client is let in, unless [`Config::authenticate`] is set.
    CurveServer(CurveKeyPair),
}

/// What a client of PLAIN shows.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainCredentials {
    username: Zeroizing<Vec<u8>>,
    password: Zeroizing<Vec<u8>>,
}

impl PlainCredentials {
    /// Takes a user name and a password; `None` if one of them is longer than 255 octets.
    #[must_use]
    pub fn new(username: impl Into<Vec<u8>>, password: impl Into<Vec<u8>>) -> Option<Self> {
        let (username, password) = (Zeroizing::new(username.into()), Zeroizing::new(password.into()));
        let fits = username.len().max(password.len()) <= usize::from(u8::MAX);
        fits.then_some(Self { username, password })
    }

    /// Returns the user name.
    #[must_use]
    pub fn username(&self) -> &[u8] {
        &self.username
    }

    /// Returns the password.
    #[must_use]
    pub fn password(&self) -> &[u8] {
        &self.password
    }
}

impl fmt::Debug for PlainCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlainCredentials({}, …)", self.username.escape_ascii())
    }
}

impl Mechanism {
    /// Returns the name that goes into the greeting: at most 20 octets.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::PlainClient(_) | Self::PlainServer => "PLAIN",
            Self::CurveClient { .. } | Self::CurveServer(_) => "CURVE",
        }
    }

    /// Returns whether peers of ZMTP 1.0 and 2.0, which know no security, are let in.
    pub(super) const fn allows_downgrade(&self) -> bool {
        //= 37/ZMTP, Detecting ZMTP 1.0 and 2.0 Peers
        //# If the implementation's security mechanism is anything other than NULL, and it detects a ZMTP 1.0 or 2.0
        //# peer, it MUST immediately close the connection.
        matches!(self, Self::Null)
    }

    /// Returns whether this is the side that clients have to convince.
    #[must_use]
    pub const fn is_server(&self) -> bool {
        matches!(self, Self::PlainServer | Self::CurveServer(_))
    }
}
