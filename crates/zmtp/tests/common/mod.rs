//! One side of a conversation, driven octet by octet. Shared by the integration tests; each uses a part of it.
#![allow(dead_code, reason = "every test program compiles this file, none uses all of it")]

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tamtam_zmtp::{Config, Connection, Event, Framing, Message, ProtocolError, SocketType, Version};

/// A signature, major version and all else of a ZMTP 3.x greeting, with the NULL mechanism.
pub(crate) fn greeting_3(minor: u8) -> Vec<u8> {
    let mut greeting = SIGNATURE.to_vec();
    greeting.push(3);
    greeting.extend(rest_3(minor));
    greeting
}

pub(crate) const SIGNATURE: &[u8] = b"\xff\0\0\0\0\0\0\0\x01\x7f";

/// What follows the major version.
pub(crate) fn rest_3(minor: u8) -> Vec<u8> {
    let mut rest = vec![minor];
    rest.extend_from_slice(b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    rest.resize(1 + 20 + 1 + 31, 0);
    rest
}

/// A READY command with the Socket-Type only.
pub(crate) fn ready(socket_type: &str) -> Vec<u8> {
    let len = |len: usize| u8::try_from(len).expect("short");
    let mut command = vec![4, len(1 + 5 + 1 + 11 + 4 + socket_type.len())];
    command.extend_from_slice(b"\x05READY\x0bSocket-Type\0\0\0");
    command.push(len(socket_type.len()));
    command.extend_from_slice(socket_type.as_bytes());
    command
}

/// Everything a ZMTP 3.x peer says until traffic.
pub(crate) fn handshake_3(minor: u8, socket_type: &str) -> Vec<u8> {
    [greeting_3(minor), ready(socket_type)].concat()
}

pub(crate) fn config(socket_type: SocketType) -> Config {
    Config::new(socket_type)
}

pub(crate) fn config_up_to(socket_type: SocketType, version_max: Version, identity: &'static str) -> Config {
    Config { version_max, identity: Bytes::from_static(identity.as_bytes()), ..Config::new(socket_type) }
}

pub(crate) fn encode(framing: Framing, message: &Message, out: &mut Vec<u8>) {
    let last = message.frame_count() - 1;
    for (index, frame) in message.frames().enumerate() {
        framing.put_header(out, frame.len(), index < last);
        out.extend_from_slice(frame);
    }
}

/// One of our connections, and what has arrived for it.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) connection: Connection,
    pub(crate) input: BytesMut,
}

impl Side {
    pub(crate) fn new(config: Config) -> Self {
        Self { connection: Connection::new(Arc::new(config)), input: BytesMut::new() }
    }

    /// A side whose ZMTP 3.x handshake with a peer of this type is done, and its octets fetched.
    pub(crate) fn in_traffic(config: Config, minor: u8, peer_type: &str) -> Self {
        let mut side = Self::new(config);
        let events = side.feed(&handshake_3(minor, peer_type)).expect("compatible");
        assert!(matches!(&*events, [Event::Ready(_)]), "{events:?}");
        assert!(side.connection.is_ready());
        let _ = side.connection.transmit();
        side
    }

    /// Gives the connection more octets and returns all events they complete.
    pub(crate) fn feed(&mut self, octets: &[u8]) -> Result<Vec<Event>, ProtocolError> {
        self.input.extend_from_slice(octets);
        let mut events = Vec::new();
        while let Some(event) = self.connection.receive(&mut self.input)? {
            events.push(event);
        }
        Ok(events)
    }

    pub(crate) fn transmitted(&mut self) -> Vec<u8> {
        self.connection.transmit().unwrap_or_default()
    }
}
