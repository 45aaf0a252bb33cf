//! What a connection reports.

use bytes::Bytes;

use super::auth::Credentials;
use crate::frame::Frame;
use crate::framing::Version;
use crate::message::Message;
use crate::socket_type::SocketType;

/// What the peer's octets amounted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody has to say whether the peer is let in, with
    /// [`Connection::authenticated`](crate::Connection::authenticated); until then the handshake stands still. Comes at
    /// most once, before [`Ready`](Self::Ready), and only if [`Config::authenticate`](crate::Config::authenticate) is set.
    Authenticate(Box<Credentials>),
    /// The handshake is done; messages may flow. Comes once, before all others but [`Authenticate`](Self::Authenticate).
    Ready(Box<PeerInfo>),
    /// A whole message. Its [`peer`](Message::peer) is not set.
    Message(Message),
    /// The peer subscribes to this topic (at PUB and XPUB), or joins this group (at RADIO).
    Subscribe(Frame),
    /// The peer ends a subscription to this topic (at PUB and XPUB), or leaves this group (at RADIO).
    Cancel(Frame),
}

/// What the peer told of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// The version in use: the lower of both sides'.
    pub version: Version,
    /// The peer's socket type; `None` for ZMTP 1.0, which has no place for it, and if the peer kept it to itself. A peer of
    /// ZMTP 2.0 may call an XPUB a PUB and an XSUB a SUB.
    pub socket_type: Option<SocketType>,
    /// The peer's identity; empty if it is anonymous.
    pub identity: Bytes,
    /// All properties of a peer of ZMTP 3.x in its order, Socket-Type and Identity included.
    pub metadata: Vec<(String, Bytes)>,
    /// The name of the security mechanism.
    pub mechanism: &'static str,
    /// Who the peer is, by the word of whoever let it in; `None` if nobody was asked.
    pub user_id: Option<Bytes>,
    /// What else that one said of it.
    pub auth_metadata: Vec<(String, Bytes)>,
}

impl PeerInfo {
    /// Returns the value of the first property of this name: `User-Id` is [`user_id`](Self::user_id), never the peer's own
    /// word; then come [`auth_metadata`](Self::auth_metadata) and what the peer announced. Case does not matter.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Bytes> {
        if name.eq_ignore_ascii_case("User-Id") {
            return self.user_id.as_ref();
        }
        //= 37/ZMTP, Connection Metadata
        //# Metadata names SHALL be case-insensitive.
        self.auth_metadata
            .iter()
            .chain(&self.metadata)
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}
