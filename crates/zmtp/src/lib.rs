//! ZMTP, the ZeroMQ Message Transport Protocol, and the socket patterns above it, without any I/O.
//!
//! Octets and time come in, octets, deadlines and events go out; the caller owns the sockets, the threads and the clock.
//! A [`Connection`] is one peer from greeting to close: ZMTP 3.1 and 3.0 (37/ZMTP, 23/ZMTP), and towards old peers 2.0
//! (15/ZMTP) and 1.0 (13/ZMTP). The patterns are small state machines that choose peers and keep the order of calls.
//!
//! ```
//! use std::sync::Arc;
//!
//! use bytes::BytesMut;
//! use tamtam_zmtp::{Config, Connection, Event, SocketType};
//!
//! let mut push = Connection::new(Arc::new(Config::new(SocketType::Push)));
//! let mut pull = Connection::new(Arc::new(Config::new(SocketType::Pull)));
//! let (mut to_push, mut to_pull) = (BytesMut::new(), BytesMut::new());
//! while !(push.is_ready() && pull.is_ready()) {
//!     to_pull.extend_from_slice(&push.transmit().unwrap_or_default());
//!     pull.receive(&mut to_pull)?;
//!     to_push.extend_from_slice(&pull.transmit().unwrap_or_default());
//!     push.receive(&mut to_push)?;
//! }
//!
//! let mut wire = Vec::new();
//! push.framing().put_header(&mut wire, 5, false);
//! wire.extend_from_slice(b"hello");
//! to_pull.extend_from_slice(&wire);
//! assert_eq!(pull.receive(&mut to_pull)?, Some(Event::Message("hello".into())));
//! # Ok::<(), tamtam_zmtp::ProtocolError>(())
//! ```

#![forbid(unsafe_code)]

mod connection;
mod crypto;
mod error;
mod frame;
mod framing;
mod keys;
mod limits;
mod message;
mod pattern;
mod peer_id;
mod socket_type;
mod z85;
pub mod zap;

pub use connection::{
    AuthReply, Config, Connection, Credentials, Event, GROUP_LEN_MAX, Heartbeat, Mechanism, PeerInfo,
    PlainCredentials, SLICE_MIN, WsRole,
};
pub use error::{Blame, ProtocolCode, ProtocolError};
pub use frame::{FRAME_INLINE_MAX, Frame};
pub use framing::{
    FRAME_HEADER_MAX, FrameHeader, Framing, Version, parse_header, put_command, transcode_v2_to_v1,
};
pub use keys::{CurveKeyPair, CurvePublicKey, CurveSecretKey, KeyError};
pub use limits::Limits;
pub use message::{EmptyMessage, Message};
pub use pattern::{
    Assigned, Change, Identities, NoticePolicy, OutOfTurn, Reply, ReplyTurn, RequestTurn, Rotation,
    RoutingIds, Subscriptions, Topics, Verdict,
};
pub use peer_id::PeerId;
pub use socket_type::{ParseSocketTypeError, SocketType};
pub use z85::{z85_decode, z85_encode};
