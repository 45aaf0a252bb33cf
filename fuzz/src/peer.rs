//! What a well-behaved peer says.

use tamtam_zmtp::{Framing, SocketType, Version, put_command};

const SIGNATURE: &[u8] = b"\xff\0\0\0\0\0\0\0\x01\x7f";

/// Returns the greeting of a ZMTP 3 peer with the NULL mechanism.
#[must_use]
pub fn greeting_3(minor: u8) -> Vec<u8> {
    let mut greeting = SIGNATURE.to_vec();
    greeting.extend([3, minor]);
    greeting.extend_from_slice(b"NULL");
    greeting.resize(64, 0);
    greeting
}

/// Returns a READY command around encoded properties.
#[must_use]
pub fn ready(properties: &[u8]) -> Vec<u8> {
    let mut command = Vec::new();
    put_command(&mut command, b"READY", properties);
    command
}

/// Returns everything that an anonymous peer, of a type that fits ours and of this version, says until traffic.
#[must_use]
pub fn handshake(ours: SocketType, version: Version) -> Vec<u8> {
    let Some(theirs) = SocketType::ALL.into_iter().find(|theirs| ours.accepts(*theirs)) else {
        return Vec::new();
    };
    match version {
        Version::V1_0 => b"\x01\x00".to_vec(),
        Version::V2_0 => [SIGNATURE, &[1, theirs.number(), 0, 0]].concat(),
        Version::V3_0 | Version::V3_1 => {
            let name = theirs.name().as_bytes();
            let len = u8::try_from(name.len()).unwrap_or_default();
            let properties = [b"\x0bSocket-Type\0\0\0", &[len][..], name].concat();
            [greeting_3(u8::from(version == Version::V3_1)), ready(&properties)].concat()
        }
    }
}

/// Appends a message of these frames.
pub fn put_message(framing: Framing, frames: &[&[u8]], out: &mut Vec<u8>) {
    for (index, body) in frames.iter().enumerate() {
        framing.put_header(out, body.len(), index + 1 < frames.len());
        out.extend_from_slice(body);
    }
}
