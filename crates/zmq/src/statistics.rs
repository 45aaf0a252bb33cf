//! Counters of sockets and peers.

use std::time::Instant;

use bytes::Bytes;
use tamtam_zmtp::{PeerId, SocketType};

/// How many messages were not delivered, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// A peer's queue was at its high-water mark (PUB, XPUB, RADIO, ROUTER, XSUB). UDP: the kernel took no more.
    pub full: u64,
    /// ROUTER or REP: nobody has that routing id (any more). UDP: the kernel knows no way there.
    pub unroutable: u64,
    /// They were queued for a connection that ended.
    pub disconnected: u64,
    /// They were still queued when the linger time was over.
    pub lingered: u64,
    /// Replaced by a newer one (`conflate`).
    pub conflated: u64,
    /// REQ: a reply nobody waited for. REP: a request without an envelope. SERVER, CLIENT, GATHER, PEER, CHANNEL: a
    /// multipart message. DISH: a message that is not a group and a body. UDP: a datagram that is none of RADIO's or too
    /// long; RADIO: a message too long for one. Types that do not receive: a message.
    pub malformed: u64,
    /// Received, but matching no subscription (a publisher that does not filter, or a cancellation on its way).
    pub filtered: u64,
}

impl Dropped {
    /// Returns the sum of all reasons.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.full
            + self.unroutable
            + self.disconnected
            + self.lingered
            + self.conflated
            + self.malformed
            + self.filtered
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.full += other.full;
        self.unroutable += other.unroutable;
        self.disconnected += other.disconnected;
        self.lingered += other.lingered;
        self.conflated += other.conflated;
        self.malformed += other.malformed;
        self.filtered += other.filtered;
    }
}

/// Traffic in both directions. Bytes are message bodies, without the protocol's framing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Messages handed to the application.
    pub messages_in: u64,
    /// Messages queued for peers; a message to ten subscribers counts ten times.
    pub messages_out: u64,
    /// Bytes handed to the application.
    pub bytes_in: u64,
    /// Bytes queued for peers.
    pub bytes_out: u64,
    /// Messages dropped, by reason.
    pub dropped: Dropped,
    /// Connections that were lost and tried again.
    pub reconnects: u64,
    /// Handshakes that failed.
    pub handshake_failures: u64,
}

impl Traffic {
    pub(crate) fn add(&mut self, other: &Self) {
        self.messages_in += other.messages_in;
        self.messages_out += other.messages_out;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.dropped.add(&other.dropped);
        self.reconnects += other.reconnects;
        self.handshake_failures += other.handshake_failures;
    }
}

/// What a socket has done since it was made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SocketStatistics {
    /// The socket's type.
    pub socket_type: SocketType,
    /// When it was made.
    pub since: Instant,
    /// Totals over all peers, past and present.
    pub traffic: Traffic,
    /// Messages received and not yet taken by the application (those parsed; more may wait in the kernel).
    pub queued_in: u64,
    /// Messages not yet handed to the operating system or to the inproc peer's side.
    pub queued_out: u64,
    /// Peers that are attached now.
    pub peers: usize,
    /// Monitor events that were overwritten because nobody read them.
    pub monitor_dropped: u64,
}

/// How far a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerState {
    /// Between two attempts to connect.
    Waiting,
    /// A connection is being made.
    Connecting,
    /// Connected, greeting and handshake under way.
    Handshaking,
    /// Messages flow.
    Ready,
    /// Gone; messages it sent are still waiting to be received.
    Gone,
}

/// What happened with one peer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PeerStatistics {
    /// The peer's number on this socket; reused after the peer is gone.
    pub peer: PeerId,
    /// Where it was connected to, or accepted at.
    pub endpoint: String,
    /// The address at the other end, where the transport has one.
    pub remote: String,
    /// How far it is.
    pub state: PeerState,
    /// The routing id that it announced.
    pub identity: Bytes,
    /// Its socket type; unknown before the handshake and for ZMTP 1.0.
    pub socket_type: Option<SocketType>,
    /// Since when it has been ready.
    pub since: Option<Instant>,
    /// Its traffic.
    pub traffic: Traffic,
    /// Messages received from it and not yet taken.
    pub queued_in: u64,
    /// Messages waiting to be sent to it.
    pub queued_out: u64,
    /// Bytes waiting to be sent to it, with framing; over inproc, without.
    pub queued_out_bytes: u64,
    /// Subscriptions that it holds (PUB, XPUB).
    pub subscriptions: usize,
}

/// What became of a message that was published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// How many peers hold a subscription, to whatever topic.
    pub subscribers: usize,
    /// How many peers wanted it and did not get it because their queue was full.
    pub dropped: u64,
}
