//! What can go wrong, one type per operation.

use std::io;
use std::time::Duration;

use tamtam_zmtp::Message;

use crate::endpoint::EndpointError;

/// Why a message was not sent. Every variant gives the message back.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// No peer can take it now: none is connected, or every queue is at its high-water mark. Try again later.
    #[error("no peer can take a message now (none is connected, or every queue is at its high-water mark)")]
    Full(Message),
    /// The same, for the whole of the time allowed.
    #[error("no peer could take the message within the time allowed")]
    TimedOut(Message),
    /// The first frame names no connected peer (ROUTER with `router_mandatory`, STREAM), or there is no frame behind it; the
    /// message's [`routing_id`](Message::routing_id) is no peer's (SERVER, PEER); the first frame is no address (DGRAM).
    #[error("no connected peer has that routing id")]
    Unroutable(Message),
    /// The message has not the frames that sockets of this type send: more than one (SERVER, CLIENT, SCATTER, PEER,
    /// CHANNEL), not a group and a body (RADIO), or not an address and a body that fits a datagram (DGRAM).
    #[error("sockets of this type do not send such messages (see SendError::Malformed)")]
    Malformed(Message),
    /// REQ: a reply is still awaited. REP: no request is waiting for a reply.
    #[error("out of turn: REQ and REP send and receive alternately")]
    OutOfTurn(Message),
    /// The context was shut down.
    #[error("the context was shut down")]
    Terminated(Message),
    /// The socket was closed.
    #[error("the socket is closed")]
    Closed(Message),
    /// Sockets of this type do not send.
    #[error("sockets of this type do not send")]
    Unsupported(Message),
    /// This process is a fork of the one that made the socket.
    #[error("the socket belongs to the parent process; make a new context after fork")]
    Forked(Message),
    /// A signal arrived while waiting.
    #[error("interrupted by a signal")]
    Interrupted(Message),
}

impl SendError {
    /// Returns the message that was not sent.
    #[must_use]
    pub fn into_message(self) -> Message {
        match self {
            Self::Full(m)
            | Self::TimedOut(m)
            | Self::Unroutable(m)
            | Self::Malformed(m)
            | Self::OutOfTurn(m)
            | Self::Terminated(m)
            | Self::Closed(m)
            | Self::Unsupported(m)
            | Self::Forked(m)
            | Self::Interrupted(m) => m,
        }
    }
}

/// Why no message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// Nothing is there now.
    #[error("no message is waiting")]
    WouldBlock,
    /// Nothing arrived within the time allowed.
    #[error("no message arrived within the time allowed")]
    TimedOut,
    /// REQ: no request was sent. REP: the last request has no reply yet.
    #[error("out of turn: REQ and REP send and receive alternately")]
    OutOfTurn,
    /// The context was shut down.
    #[error("the context was shut down")]
    Terminated,
    /// The socket was closed.
    #[error("the socket is closed")]
    Closed,
    /// Sockets of this type do not receive.
    #[error("sockets of this type do not receive")]
    Unsupported,
    /// This process is a fork of the one that made the socket.
    #[error("the socket belongs to the parent process; make a new context after fork")]
    Forked,
    /// A signal arrived while waiting.
    #[error("interrupted by a signal")]
    Interrupted,
}

/// Why an endpoint was not bound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The endpoint's text is at fault.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The operating system refused.
    #[error("cannot bind {endpoint}: {source}{}", hint(source))]
    Io {
        /// What was to be bound.
        endpoint: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The name is bound already in this context (inproc).
    #[error("cannot bind {endpoint}: the name is in use in this context")]
    InUse {
        /// What was to be bound.
        endpoint: String,
    },
    /// Sockets of this type are not bound over this transport: `udp://` is for DISH and DGRAM, and DGRAM for nothing else.
    #[error("cannot bind {endpoint}: a {socket_type} socket is not bound over this transport")]
    WrongTransport {
        /// What was to be bound.
        endpoint: String,
        /// The socket's type.
        socket_type: tamtam_zmtp::SocketType,
    },
    /// The socket is closed or its context was shut down.
    #[error("cannot bind {endpoint}: the socket is closed")]
    Closed {
        /// What was to be bound.
        endpoint: String,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => " (another program has it; try port *)",
        io::ErrorKind::PermissionDenied => " (ports below 1024 and foreign folders need a privilege)",
        _ => "",
    }
}

/// Why an endpoint was not connected. What happens later (refused, unreachable, wrong peer) is retried and told by the
/// monitor and the statistics.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The endpoint's text is at fault.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The operating system refused (descriptors, threads).
    #[error("cannot connect {endpoint}: {source}")]
    Io {
        /// What was to be connected.
        endpoint: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The socket bound to that inproc name is of a type that does not fit.
    #[error("cannot connect {endpoint}: a {ours} socket cannot talk to a {theirs} socket")]
    Incompatible {
        /// What was to be connected.
        endpoint: String,
        /// This socket's type.
        ours: tamtam_zmtp::SocketType,
        /// The type of the socket at the other end.
        theirs: tamtam_zmtp::SocketType,
    },
    /// A PAIR or CHANNEL has its one peer already. RFC 31/EXPAIR, 52/CHANNEL.
    #[error("cannot connect {endpoint}: a PAIR or CHANNEL socket has one peer, and this one has it already")]
    Occupied {
        /// What was to be connected.
        endpoint: String,
    },
    /// The routing id given is in use on this socket.
    #[error("cannot connect {endpoint}: the routing id is in use")]
    RoutingIdInUse {
        /// What was to be connected.
        endpoint: String,
    },
    /// Sockets of this type do not connect over this transport: `udp://` is for RADIO, and DGRAM does not connect.
    #[error("cannot connect {endpoint}: a {socket_type} socket does not connect over this transport")]
    WrongTransport {
        /// What was to be connected.
        endpoint: String,
        /// The socket's type.
        socket_type: tamtam_zmtp::SocketType,
    },
    /// [`connect_peer`](crate::Socket::connect_peer) is for SERVER and PEER.
    #[error("cannot connect {endpoint}: a {socket_type} socket does not number its peers")]
    Unnumbered {
        /// What was to be connected.
        endpoint: String,
        /// The socket's type.
        socket_type: tamtam_zmtp::SocketType,
    },
    /// [`connect_peer`](crate::Socket::connect_peer) tells the number of a peer that with the option `immediate` is there
    /// only once the connection is.
    #[error("cannot connect {endpoint}: with the option `immediate` the peer has no number yet")]
    Immediate {
        /// What was to be connected.
        endpoint: String,
    },
    /// The socket is closed or its context was shut down.
    #[error("cannot connect {endpoint}: the socket is closed")]
    Closed {
        /// What was to be connected.
        endpoint: String,
    },
}

/// The socket is not bound or connected there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{endpoint} is not bound or connected on this socket (give the endpoint as bind or last_endpoint returned it)"
)]
pub struct EndpointNotFound {
    /// The endpoint given.
    pub endpoint: String,
}

/// Fewer peers than wanted were attached when the time was over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{attached} of {wanted} after {waited:.1?}")]
pub struct BarrierError {
    /// How many were wanted.
    pub wanted: usize,
    /// How many were attached.
    pub attached: usize,
    /// How long it waited.
    pub waited: Duration,
}

/// The topic was not subscribed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the topic was not subscribed")]
pub struct NotSubscribed;

/// Why a group was not joined or left. (DISH)
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// The group is joined already.
    #[error("the group is joined already")]
    Joined,
    /// The group is not joined.
    #[error("the group is not joined")]
    NotJoined,
    /// No group has this name. RFC 48/RADIO-DISH.
    #[error("a group has at most 255 octets, none of them zero")]
    Invalid,
    /// Sockets of this type join no groups.
    #[error("sockets of this type join no groups")]
    Unsupported,
    /// The socket is closed or its context was shut down.
    #[error("the socket is closed")]
    Closed,
}

/// No connected peer has that routing id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no connected peer has that routing id")]
pub struct NoSuchPeer;

/// A socket was closed before everything was handed to the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{messages} messages ({bytes} bytes) were not delivered before the time was over")]
pub struct Undelivered {
    /// Messages still queued.
    pub messages: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
}

/// A context did not come down by the deadline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shut-down not complete after {waited:.1?}; still waiting for: {}", waiting_for.join("; "))]
pub struct ShutdownError {
    /// One line per socket: its type, endpoint and what it still holds.
    pub waiting_for: Vec<String>,
    /// How long it waited.
    pub waited: Duration,
}
