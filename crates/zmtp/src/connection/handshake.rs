//! The handshake of a security mechanism, up to the peer's metadata.

mod null;

use bytes::{Buf, BytesMut};

use self::null::Null;
use super::Step;
use super::command::{self, Command};
use super::config::{Config, Mechanism};
use super::event::PeerInfo;
use crate::error::ProtocolError;
use crate::framing::{FrameHeader, Framing, Version, parse_header, widen};

/// Both greetings were exchanged; commands of the mechanism follow.
#[derive(Debug)]
pub(super) struct Handshake {
    version: Version,
    steps: Steps,
    /// Octets of the peer's commands so far.
    received: u64,
}

/// The state machine of the mechanism in use: one variant for each [`Mechanism`].
///
/// A machine's `begin` may queue a command; its `command` takes the peer's next one, may queue a reply, and returns the
/// peer's metadata when it is done. It never sees ERROR.
#[derive(Debug)]
enum Steps {
    Null(Null),
}

impl Handshake {
    pub(super) fn begin(config: &Config, version: Version, out: &mut Vec<u8>) -> Self {
        let steps = match config.mechanism {
            Mechanism::Null => Steps::Null(Null::begin(config, out)),
        };
        Self { version, steps, received: 0 }
    }

    pub(super) fn step(
        &mut self,
        config: &Config,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<Step, ProtocolError> {
        loop {
            let Some(header) = parse_header(Framing::V2, input)? else { return Ok(Step::Wait(0)) };
            let FrameHeader { body_len, command, header_len, .. } = header;
            if !command {
                return Err(ProtocolError::MalformedFrame("a message before the end of the handshake"));
            }
            let size = self.received.saturating_add(widen(header_len)).saturating_add(body_len);
            let limit = widen(config.limits.handshake_bytes_max);
            let Some(end) = usize::try_from(body_len)
                .ok()
                .and_then(|len| header_len.checked_add(len))
                .filter(|_| size <= limit)
            else {
                return Err(ProtocolError::HandshakeTooLarge { size, limit });
            };
            let Some(body) = input.get(header_len..end) else {
                return Ok(Step::Wait(end.saturating_sub(input.len())));
            };
            let Some(command) = Command::parse(body)? else {
                return Err(command::malformed(b"", "an empty body"));
            };
            let established = self.command(config, command, out)?;
            input.advance(end);
            self.received = size;
            if let Some(peer) = established {
                return Ok(Step::Established(Box::new(peer)));
            }
        }
    }

    fn command(
        &mut self,
        config: &Config,
        command: Command<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Option<PeerInfo>, ProtocolError> {
        if command.name == command::ERROR {
            return Err(command.peer_error());
        }
        let result = match &mut self.steps {
            Steps::Null(null) => null.command(config, self.version, command),
        };
        //= 37/ZMTP, The Socket-Type Property
        //# When a peer validates the socket type, it SHOULD handle errors by returning an ERROR command, and then
        //# disconnecting the peer.
        if let Err(
            violation @ (ProtocolError::SocketTypeMismatch { .. } | ProtocolError::UnknownSocketType { .. }),
        ) = &result
        {
            command::put_error(out, violation);
        }
        result
    }
}
