//! Why a connection ended.

use crate::socket_type::SocketType;

/// Why a ZMTP connection cannot go on.
///
/// Every error ends its connection, and none of them ends the endpoint: see [`retryable`](Self::retryable).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The first octets are those of another protocol: someone connected to the wrong port.
    #[error("peer speaks {protocol}, not ZMTP")]
    ForeignProtocol {
        /// `"HTTP"`, `"TLS"` or `"SSH"`.
        protocol: &'static str,
    },
    /// The greeting matches no version of ZMTP.
    #[error("malformed greeting: {0}")]
    MalformedGreeting(&'static str),
    /// The peer announced a protocol version that nobody defined.
    #[error("unsupported ZMTP version {major}")]
    UnsupportedVersion {
        /// The major version, or revision, in the peer's greeting.
        major: u8,
    },
    /// The two sides are set to different security mechanisms.
    #[error("security mechanism mismatch: ours is {ours}, the peer's is {theirs}")]
    MechanismMismatch {
        /// Ours.
        ours: &'static str,
        /// The peer's, as far as it is printable.
        theirs: String,
    },
    /// A frame breaks the framing rules.
    #[error("malformed frame: {0}")]
    MalformedFrame(&'static str),
    /// A frame has flags that this version of ZMTP reserves.
    #[error("frame has reserved flags set: {flags:#04x}")]
    ReservedFlags {
        /// The frame's flags octet.
        flags: u8,
    },
    /// A frame is longer than we take.
    #[error("frame of {size} octets is over the limit of {limit}")]
    MessageTooLarge {
        /// Octets the peer claimed.
        size: u64,
        /// Octets we take: `max_message_size`, or for commands `command_bytes_max`.
        limit: u64,
    },
    /// A message has more frames than we take.
    #[error("message has more than {limit} frames")]
    TooManyFrames {
        /// Frames we take: `frames_max`.
        limit: usize,
    },
    /// A known command has an impossible body.
    #[error("malformed {command} command: {what}")]
    MalformedCommand {
        /// The command's name, as far as it is printable.
        command: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The properties in a handshake command are not as 37/ZMTP has them.
    #[error("malformed {command} command: {what}")]
    MalformedMetadata {
        /// The command's name.
        command: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A command came where the handshake has no place for it.
    #[error("unexpected {name} command in the handshake")]
    UnexpectedCommand {
        /// The command's name, as far as it is printable.
        name: String,
    },
    /// The peer announced more properties than we take.
    #[error("metadata has more than {limit} properties")]
    MetadataTooLarge {
        /// Properties we take: `metadata_properties_max`.
        limit: usize,
    },
    /// The handshake is longer than we take.
    #[error("handshake of {size} octets is over the limit of {limit}")]
    HandshakeTooLarge {
        /// Octets received and claimed so far.
        size: u64,
        /// Octets we take: `handshake_bytes_max`.
        limit: u64,
    },
    /// The peer's identity is longer than we take.
    #[error("identity of {size} octets is over the limit of {limit}")]
    IdentityTooLong {
        /// Octets the peer claimed.
        size: u64,
        /// Octets we take: `identity_len_max`.
        limit: u64,
    },
    /// The two socket types do not talk to each other.
    #[error("socket types do not fit: ours is {ours}, the peer's is {theirs}")]
    SocketTypeMismatch {
        /// Ours.
        ours: SocketType,
        /// The peer's.
        theirs: SocketType,
    },
    /// The peer announced a socket type we do not know.
    #[error("unknown socket type {name}")]
    UnknownSocketType {
        /// The name, or for ZMTP 2.0 the number, as far as it is printable.
        name: String,
    },
    /// The peer refused us with an ERROR command.
    #[error("peer refused the connection: {reason}")]
    PeerError {
        /// The peer's reason, as far as it is printable.
        reason: String,
    },
    /// The HTTP request or response that was to open a WebSocket is not one.
    #[error("cannot open the WebSocket: {0}")]
    MalformedUpgrade(&'static str),
    /// The server did not open a WebSocket.
    #[error("peer refused to open a WebSocket: {status}")]
    UpgradeRefused {
        /// The status of its response, as far as it is printable.
        status: String,
    },
    /// The peer ended the connection by a WebSocket's Close frame.
    #[error("peer closed the WebSocket{}", closing_words(*code, reason))]
    PeerClosed {
        /// The peer's code for the reason, if it gave one: 1000 is a normal end.
        code: Option<u16>,
        /// The peer's words, as far as they are printable.
        reason: String,
    },
    /// A frame of an encrypted connection is not what was sent: it was changed on its way, or sealed with another key.
    #[error("{what}")]
    Cryptographic {
        /// What could not be opened, and what that may mean.
        what: &'static str,
    },
    /// The two sides cannot agree on a key.
    #[error("{what}")]
    KeyExchange {
        /// Why not.
        what: &'static str,
    },
    /// We do not let the peer in.
    #[error("the peer was refused with status {status}{}{text}", if text.is_empty() { "" } else { ": " })]
    AuthenticationRefused {
        /// 300: for now; 400: its credentials are no good; 500: we cannot tell.
        status: u16,
        /// Why, as far as it is printable.
        text: String,
    },
    /// There is nobody who could say whether the peer is let in.
    #[error("there is no authentication handler to ask whether the peer is let in")]
    NoAuthenticationHandler,
    /// Whoever was asked whether the peer is let in gave no answer that 27/ZAP knows.
    #[error("malformed reply of the authentication handler: {what}")]
    ZapReply {
        /// Which rule it breaks.
        code: ProtocolCode,
        /// What is wrong.
        what: &'static str,
    },
    /// A frame of an encrypted connection does not come after the one before it: replayed, or out of order.
    #[error("encrypted frame number {nonce} after number {last}")]
    InvalidSequence {
        /// The frame's number.
        nonce: u64,
        /// The number of the frame before it.
        last: u64,
    },
    /// A frame on an encrypted connection is not an encrypted one.
    #[error("a frame that is not encrypted on an encrypted connection")]
    Unencrypted,
    /// The operating system has no random octets.
    #[error("the operating system gives no random octets")]
    NoRandomness,
    /// Nothing came from the peer for the whole timeout after our PING.
    #[error("peer did not answer the heartbeat in time")]
    HeartbeatTimeout,
    /// Nothing came from the peer for as long as its own PING allowed.
    #[error("peer was silent for longer than the time to live it announced")]
    PeerTtlExpired,
}

/// What is wrong with a command whose name cannot be told.
pub(crate) const NAME_TOO_LONG: &str = "the name is longer than the body";

/// Who has to change something before a connection like the failed one can work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The peer broke the protocol, or went beyond our limits.
    Peer,
    /// The peer refused us: our settings or credentials do not suit it.
    Ours,
    /// Neither: silence on the network, or two sides that are well but were not meant for each other.
    World,
}

/// What is wrong with a handshake, by libzmq's numbers (`ZMQ_PROTOCOL_ERROR_…`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum ProtocolCode {
    /// Anything about ZMTP that has no number of its own.
    ZmtpUnspecified = 0x1000_0000,
    /// A command where it has no place.
    ZmtpUnexpectedCommand = 0x1000_0001,
    /// Encrypted frames out of order.
    ZmtpInvalidSequence = 0x1000_0002,
    /// No agreement on a key.
    ZmtpKeyExchange = 0x1000_0003,
    /// A malformed command of any name.
    ZmtpMalformedCommand = 0x1000_0011,
    /// A malformed MESSAGE.
    ZmtpMalformedMessage = 0x1000_0012,
    /// A malformed HELLO.
    ZmtpMalformedHello = 0x1000_0013,
    /// A malformed INITIATE.
    ZmtpMalformedInitiate = 0x1000_0014,
    /// A malformed ERROR.
    ZmtpMalformedError = 0x1000_0015,
    /// A malformed READY.
    ZmtpMalformedReady = 0x1000_0016,
    /// A malformed WELCOME.
    ZmtpMalformedWelcome = 0x1000_0017,
    /// Metadata that is malformed or does not suit us.
    ZmtpInvalidMetadata = 0x1000_0018,
    /// Something that could not be decrypted.
    ZmtpCryptographic = 0x1100_0001,
    /// Different security mechanisms.
    ZmtpMechanismMismatch = 0x1100_0002,
    /// Anything about ZAP that has no number of its own.
    ZapUnspecified = 0x2000_0000,
    /// A reply with too many or too few frames.
    ZapMalformedReply = 0x2000_0001,
    /// A reply to another request.
    ZapBadRequestId = 0x2000_0002,
    /// A reply of another version.
    ZapBadVersion = 0x2000_0003,
    /// A reply with a status that there is not.
    ZapInvalidStatusCode = 0x2000_0004,
    /// A reply with malformed metadata.
    ZapInvalidMetadata = 0x2000_0005,
    /// No WebSocket was opened.
    WsUnspecified = 0x3000_0000,
}

impl ProtocolCode {
    /// Returns the number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }
}

impl ProtocolError {
    /// Returns whose turn it is to change something.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::PeerError { .. } | Self::UpgradeRefused { .. } => Blame::Ours,
            Self::MechanismMismatch { .. }
            | Self::SocketTypeMismatch { .. }
            | Self::UnknownSocketType { .. }
            | Self::HeartbeatTimeout
            | Self::PeerClosed { .. }
            | Self::PeerTtlExpired => Blame::World,
            _ => Blame::Peer,
        }
    }

    /// Returns whether this is an error that only greetings and handshakes can end with. (Malformed frames and commands,
    /// and the peer's ERROR, occur at any time.)
    #[must_use]
    pub const fn is_handshake(&self) -> bool {
        matches!(
            self,
            Self::ForeignProtocol { .. }
                | Self::MalformedGreeting(_)
                | Self::MalformedUpgrade(_)
                | Self::UpgradeRefused { .. }
                | Self::UnsupportedVersion { .. }
                | Self::MechanismMismatch { .. }
                | Self::UnexpectedCommand { .. }
                | Self::MetadataTooLarge { .. }
                | Self::HandshakeTooLarge { .. }
                | Self::IdentityTooLong { .. }
                | Self::SocketTypeMismatch { .. }
                | Self::UnknownSocketType { .. }
                | Self::MalformedMetadata { .. }
                | Self::KeyExchange { .. }
                | Self::AuthenticationRefused { .. }
                | Self::NoAuthenticationHandler
                | Self::ZapReply { .. }
        )
    }

    /// Returns the number that libzmq's monitor has for this; `None` if it has none.
    #[must_use]
    pub fn code(&self) -> Option<ProtocolCode> {
        Some(match self {
            Self::UnexpectedCommand { .. } | Self::Unencrypted => ProtocolCode::ZmtpUnexpectedCommand,
            Self::InvalidSequence { .. } => ProtocolCode::ZmtpInvalidSequence,
            Self::KeyExchange { .. } => ProtocolCode::ZmtpKeyExchange,
            Self::Cryptographic { .. } => ProtocolCode::ZmtpCryptographic,
            Self::MechanismMismatch { .. } => ProtocolCode::ZmtpMechanismMismatch,
            Self::MalformedMetadata { .. }
            | Self::MetadataTooLarge { .. }
            | Self::SocketTypeMismatch { .. }
            | Self::UnknownSocketType { .. } => ProtocolCode::ZmtpInvalidMetadata,
            Self::MalformedCommand { what, .. } if *what == NAME_TOO_LONG => {
                ProtocolCode::ZmtpMalformedCommand
            }
            Self::MalformedCommand { command, .. } => match command.as_str() {
                "MESSAGE" => ProtocolCode::ZmtpMalformedMessage,
                "HELLO" => ProtocolCode::ZmtpMalformedHello,
                "INITIATE" => ProtocolCode::ZmtpMalformedInitiate,
                "ERROR" => ProtocolCode::ZmtpMalformedError,
                "READY" => ProtocolCode::ZmtpMalformedReady,
                "WELCOME" => ProtocolCode::ZmtpMalformedWelcome,
                _ => ProtocolCode::ZmtpMalformedCommand,
            },
            Self::MalformedFrame(_)
            | Self::ReservedFlags { .. }
            | Self::HandshakeTooLarge { .. }
            | Self::IdentityTooLong { .. } => ProtocolCode::ZmtpUnspecified,
            Self::MalformedUpgrade(_) | Self::UpgradeRefused { .. } => ProtocolCode::WsUnspecified,
            Self::ZapReply { code, .. } => *code,
            _ => return None,
        })
    }

    /// Returns the status of 27/ZAP (300, 400 or 500) with which we refused the peer, or the peer us.
    #[must_use]
    pub fn authentication_status(&self) -> Option<u16> {
        match self {
            Self::AuthenticationRefused { status, .. } => Some(*status),
            Self::PeerError { reason } => match reason.as_str() {
                "300" => Some(300),
                "400" => Some(400),
                "500" => Some(500),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns whether connecting again, after a growing pause, makes sense: after every error, because the peer's side
    /// may be replaced or set right at any time, and an endpoint that gave up silently is a trap. What a broken peer
    /// costs is bounded by the pause.
    #[must_use]
    pub const fn retryable(&self) -> bool {
        true
    }
}

fn closing_words(code: Option<u16>, reason: &str) -> String {
    match (code, reason) {
        (None, _) => String::new(),
        (Some(code), "") => format!(" (code {code})"),
        (Some(code), reason) => format!(" (code {code}): {reason}"),
    }
}

/// Makes text of a peer's octets that is safe in a log: at most 255 of them, anything but printable ASCII, and the
/// backslash, escaped.
pub(crate) fn printable(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 255;
    let mut text = String::new();
    for &octet in bytes.iter().take(SHOWN_MAX) {
        match octet {
            // Quotes do no harm, and most texts with one were never meant to be code.
            b'\'' | b'"' => text.push(char::from(octet)),
            _ => text.extend(octet.escape_ascii().map(char::from)),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_fragments_with_the_numbers_in_them() {
        let mismatch = ProtocolError::SocketTypeMismatch { ours: SocketType::Req, theirs: SocketType::Pub };
        assert_eq!(mismatch.to_string(), "socket types do not fit: ours is REQ, the peer's is PUB");
        let large = ProtocolError::MessageTooLarge { size: 11, limit: 10 };
        assert_eq!(large.to_string(), "frame of 11 octets is over the limit of 10");
        assert_eq!(
            ProtocolError::ReservedFlags { flags: 8 }.to_string(),
            "frame has reserved flags set: 0x08"
        );
    }

    #[test]
    fn blame_and_phase() {
        let refused = ProtocolError::PeerError { reason: "400".into() };
        assert_eq!(refused.blame(), Blame::Ours);
        assert!(!refused.is_handshake());
        let foreign = ProtocolError::ForeignProtocol { protocol: "HTTP" };
        assert_eq!(foreign.blame(), Blame::Peer);
        assert!(foreign.is_handshake());
        assert_eq!(ProtocolError::HeartbeatTimeout.blame(), Blame::World);
        assert!(!ProtocolError::MalformedFrame("").is_handshake());
        assert!(foreign.retryable() && refused.retryable());
    }

    #[test]
    fn printable_escapes_and_shortens() {
        assert_eq!(printable(b"NULL\x1b[2J\xff"), "NULL\\x1b[2J\\xff");
        assert_eq!(printable(b"it's \"a\\b\""), "it's \"a\\\\b\"");
        assert_eq!(printable(&[b'a'; 1000]).len(), 255);
    }
}
