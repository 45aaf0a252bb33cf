//! The greetings of ZMTP 1.0 (an identity frame) and 2.0 (socket type, identity frame), which end the handshake.

use bytes::{Buf, Bytes, BytesMut};

use super::config::Config;
use super::event::PeerInfo;
use super::{Step, greeting};
use crate::error::ProtocolError;
use crate::framing::{FrameHeader, Framing, Version, parse_header, parse_v1, widen};
use crate::socket_type::SocketType;

/// Appends the greeting of a ZMTP 1.0 peer.
pub(super) fn put_v1(config: &Config, out: &mut Vec<u8>) {
    Framing::V1.put_header(out, config.identity.len(), false);
    out.extend_from_slice(&config.identity);
}

/// Appends what follows the revision in the greeting of a ZMTP 2.0 peer.
pub(super) fn put_v2(config: &Config, out: &mut Vec<u8>) {
    //= 15/ZMTP, Publish-Subscribe
    //# XPUB and XSUB sockets are implemented at the protocol level as PUB and SUB sockets.
    let socket_type = match config.socket_type {
        SocketType::XPub => SocketType::Pub,
        SocketType::XSub => SocketType::Sub,
        other => other,
    };
    out.push(socket_type.number());
    Framing::V2.put_header(out, config.identity.len(), false);
    out.extend_from_slice(&config.identity);
}

/// Appends our identity as ZWS 2.0 wants it without a security mechanism: a message of its own.
pub(super) fn put_bare(config: &Config, out: &mut Vec<u8>) {
    Framing::V2.put_header(out, config.identity.len(), false);
    out.extend_from_slice(&config.identity);
}

/// Our greeting is out; the rest of an old peer's is awaited.
#[derive(Debug)]
pub(super) struct AwaitIdentity {
    version: Version,
}

impl AwaitIdentity {
    pub(super) const fn new(version: Version) -> Self {
        Self { version }
    }

    pub(super) fn step(&self, config: &Config, input: &mut BytesMut) -> Result<Step, ProtocolError> {
        // Also if we were set to speak nothing newer.
        greeting::refuse_downgrade(config, u8::from(self.version == Version::V2_0))?;
        let (socket_type, before, header) = match self.version {
            Version::V1_0 => {
                // Matters only if we speak nothing newer; else the signature's state has looked already.
                if greeting::may_be_foreign(input)? {
                    return Ok(Step::Wait(0));
                }
                //= 13/ZMTP, The Connection Layer
                //# The flags octet (idflags) of an identity frame SHALL not be validated
                let Some((header, _flags)) = parse_v1(input)? else { return Ok(Step::Wait(0)) };
                (None, 0, header)
            }
            Version::V2_0 => {
                let [number, frame @ ..] = &**input else { return Ok(Step::Wait(0)) };
                let theirs = compatible(config.socket_type, *number)?;
                let Some(header) = identity_header(frame)? else { return Ok(Step::Wait(0)) };
                (Some(theirs), 1, header)
            }
            // ZWS 2.0 without a mechanism.
            Version::V3_0 | Version::V3_1 => {
                let Some(header) = identity_header(input)? else { return Ok(Step::Wait(0)) };
                (None, 0, header)
            }
        };
        let FrameHeader { body_len, header_len, .. } = header;
        let limit = widen(config.limits.identity_len_max);
        let too_long = ProtocolError::IdentityTooLong { size: body_len, limit };
        let Some(len) = usize::try_from(body_len).ok().filter(|_| body_len <= limit) else {
            return Err(too_long);
        };
        let start = before + header_len;
        let end = start.saturating_add(len);
        let Some(identity) = input.get(start..end) else {
            return Ok(Step::Wait(end.saturating_sub(input.len())));
        };
        let identity = Bytes::copy_from_slice(identity);
        input.advance(end);
        Ok(Step::Established(
            Box::new(PeerInfo {
                version: self.version,
                socket_type,
                identity,
                metadata: Vec::new(),
                mechanism: config.mechanism.name(),
                user_id: None,
                auth_metadata: Vec::new(),
            }),
            None,
        ))
    }
}

fn identity_header(frame: &[u8]) -> Result<Option<FrameHeader>, ProtocolError> {
    match parse_header(Framing::V2, frame)? {
        Some(header) if header.more || header.command => {
            Err(ProtocolError::MalformedGreeting("the identity is not a single message frame"))
        }
        header => Ok(header),
    }
}

fn compatible(ours: SocketType, number: u8) -> Result<SocketType, ProtocolError> {
    let Some(theirs) = SocketType::from_number(i32::from(number)) else {
        return Err(ProtocolError::UnknownSocketType { name: number.to_string() });
    };
    //= 15/ZMTP, Socket Compatibility
    //# The implementation SHOULD enforce that an incoming connection has a valid socket type
    if ours.accepts(theirs) { Ok(theirs) } else { Err(ProtocolError::SocketTypeMismatch { ours, theirs }) }
}
