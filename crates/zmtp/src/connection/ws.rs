//! ZMTP within a WebSocket (45/ZWS): the upgrade, and frames that carry frames.
//!
//! What the peer sends is unwrapped into the format of ZMTP 2.0 and later, octet by octet as it comes: the states behind
//! see the length of a frame as soon as it is known, and their limits are the limits. What we write is wrapped last.

mod frames;
mod upgrade;

pub use self::upgrade::WsRole;

use bytes::{Buf, BytesMut};

use self::frames::{Header, Opcode, Writer};
use self::upgrade::{Protocol, Upgrade};
use super::State;
use super::config::Config;
use super::handshake::Handshake;
use super::identity::{self, AwaitIdentity};
use crate::error::{ProtocolError, printable};
use crate::framing::{Version, put_v2_header, widen};

/// The version that goes with ZWS 2.0: commands and heartbeats as of ZMTP 3.0, and subscriptions as messages.
const VERSION: Version = Version::V3_0;

/// A WebSocket's codes for why it ends (RFC 6455, section 7.4.1).
const CLOSE_VIOLATION: u16 = 1002;
const CLOSE_TOO_LARGE: u16 = 1009;

/// Octets of an empty buffer that are kept for the next frame.
const KEPT_MAX: usize = 64 * 1024;

/// One side of a WebSocket.
#[derive(Debug)]
pub(super) struct Ws {
    /// Whether the peer's frames have to be masked: we are the server.
    masked: bool,
    /// The other side's head, as long as it is awaited.
    upgrade: Option<Upgrade>,
    /// The frame that is coming in.
    incoming: Option<Incoming>,
    /// What was unwrapped and not looked at yet: at most one frame, or what the handshake leaves lying while it waits.
    inner: BytesMut,
    writer: Writer,
    /// Wrapped: heads, control frames. What waits for [`Connection::transmit`](super::Connection::transmit).
    out: Vec<u8>,
}

/// The rest of a binary frame's payload.
#[derive(Debug)]
struct Incoming {
    mask: [u8; 4],
    /// Octets of the payload that were taken.
    at: u64,
    left: u64,
}

impl Ws {
    pub(super) fn new(config: &Config, role: &WsRole) -> Self {
        let mut out = Vec::new();
        let upgrade = Upgrade::begin(config, role, &mut out);
        let server = *role == WsRole::Server;
        Self {
            masked: server,
            upgrade: Some(upgrade),
            incoming: None,
            inner: BytesMut::new(),
            writer: Writer::new(!server),
            out,
        }
    }

    /// Goes on with the upgrade; returns the state that follows it, once it is done. What that says first goes to `control`.
    pub(super) fn upgrade(
        &mut self,
        config: &Config,
        input: &mut BytesMut,
        control: &mut Vec<u8>,
    ) -> Result<Option<State>, ProtocolError> {
        let Some(upgrade) = &mut self.upgrade else { return Ok(None) };
        let Some(protocol) = upgrade.step(config, input, &mut self.out)? else { return Ok(None) };
        self.upgrade = None;
        Ok(Some(match protocol {
            Protocol::Mechanism => State::Handshake(Handshake::begin(config, VERSION, control)?),
            Protocol::Bare => {
                identity::put_bare(config, control);
                State::AwaitIdentity(AwaitIdentity::new(VERSION))
            }
        }))
    }

    pub(super) fn is_upgrading(&self) -> bool {
        self.upgrade.is_some()
    }

    /// Takes out what was unwrapped, to be looked at.
    pub(super) fn take_inner(&mut self) -> BytesMut {
        std::mem::take(&mut self.inner)
    }

    /// Puts back what is left of it. A large buffer that is empty is not kept: a message may hold the rest of it for long.
    pub(super) fn give_back(&mut self, inner: BytesMut) {
        if !inner.is_empty() || inner.capacity() <= KEPT_MAX {
            self.inner = inner;
        }
    }

    /// Takes octets of one frame off the front of `input` and unwraps them; `false` if more are needed to get on.
    ///
    /// `answers_max` bounds the answers that wait already: beyond it, pings stay without one.
    pub(super) fn unwrap(&mut self, input: &mut BytesMut, answers_max: usize) -> Result<bool, ProtocolError> {
        if let Some(incoming) = &mut self.incoming {
            let len = usize::try_from(incoming.left).unwrap_or(usize::MAX).min(input.len());
            let start = self.inner.len();
            self.inner.extend_from_slice(input.get(..len).unwrap_or_default());
            frames::mask(self.inner.get_mut(start..).unwrap_or_default(), incoming.mask, incoming.at);
            input.advance(len);
            incoming.at += widen(len);
            incoming.left -= widen(len);
            if incoming.left == 0 {
                self.incoming = None;
            }
            return Ok(len > 0);
        }
        let Some(header) = frames::parse(input, self.masked)? else { return Ok(false) };
        if header.opcode == Opcode::Binary {
            return self.begin_binary(header, input);
        }
        let end = header.header_len.saturating_add(usize::try_from(header.len).unwrap_or(usize::MAX));
        if input.len() < end {
            return Ok(false);
        }
        let mut frame = input.split_to(end);
        frame.advance(header.header_len);
        frames::mask(&mut frame, header.mask, 0);
        self.control(header.opcode, &frame, answers_max)?;
        Ok(true)
    }

    fn begin_binary(&mut self, header: Header, input: &mut BytesMut) -> Result<bool, ProtocolError> {
        let Header { mask, len, header_len, .. } = header;
        let Some(left) = len.checked_sub(1) else {
            return Err(ProtocolError::MalformedFrame("a WebSocket message without flags"));
        };
        let Some(&first) = input.get(header_len) else { return Ok(false) };
        let [key, ..] = mask;
        let (more, command) = frames::flags(first ^ key)?;
        put_v2_header(&mut self.inner, left, more, command);
        input.advance(header_len + 1);
        if left > 0 {
            self.incoming = Some(Incoming { mask, at: 1, left });
        }
        Ok(true)
    }

    fn control(&mut self, opcode: Opcode, body: &[u8], answers_max: usize) -> Result<(), ProtocolError> {
        match opcode {
            //= RFC 6455, section 5.5.2
            //# Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response
            Opcode::Ping if self.out.len() < answers_max => {
                self.writer.put_control(Opcode::Pong, body, &mut self.out);
            }
            // Any octet is a sign of life, so a pong says nothing more.
            Opcode::Ping | Opcode::Pong | Opcode::Binary => {}
            Opcode::Close => {
                let (code, reason) = match body {
                    [high, low, reason @ ..] => (Some(u16::from_be_bytes([*high, *low])), printable(reason)),
                    _ => (None, String::new()),
                };
                //= RFC 6455, section 5.5.1
                //# If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint MUST
                //# send a Close frame in response.
                self.writer.put_control(Opcode::Close, body.get(..2).unwrap_or_default(), &mut self.out);
                return Err(ProtocolError::PeerClosed { code, reason });
            }
        }
        Ok(())
    }

    /// Appends a ping, which takes the place of ZMTP's.
    pub(super) fn put_ping(&mut self) {
        self.writer.put_control(Opcode::Ping, &[], &mut self.out);
    }

    /// Tells the peer why we hang up, if a frame can be said. What was to be said before comes in `control`.
    pub(super) fn put_close(&mut self, violation: &ProtocolError, control: &[u8]) {
        if self.is_upgrading() || matches!(violation, ProtocolError::PeerClosed { .. }) {
            return;
        }
        self.writer.put_frames(control, &mut self.out);
        let code = match violation {
            ProtocolError::MessageTooLarge { .. } | ProtocolError::TooManyFrames { .. } => CLOSE_TOO_LARGE,
            _ => CLOSE_VIOLATION,
        };
        let text = violation.to_string();
        // All our texts are ASCII (a peer's words in them are escaped), so the cut is between characters.
        let text = text.as_bytes();
        let body = [&code.to_be_bytes(), text.get(..frames::CONTROL_MAX - 2).unwrap_or(text)].concat();
        self.writer.put_control(Opcode::Close, &body, &mut self.out);
    }

    /// Wraps frames.
    pub(super) fn put_frames(&mut self, frames: &[u8], out: &mut Vec<u8>) {
        self.writer.put_frames(frames, out);
    }

    /// Wraps one frame of a message.
    pub(super) fn put_frame(&mut self, more: bool, body: &[u8], out: &mut Vec<u8>) {
        self.writer.put_frame(more, false, body, out);
    }

    /// Returns what is to be written: heads, control frames, and the given frames behind them.
    pub(super) fn transmit(&mut self, control: &[u8]) -> Option<Vec<u8>> {
        self.writer.put_frames(control, &mut self.out);
        if self.out.is_empty() { None } else { Some(std::mem::take(&mut self.out)) }
    }
}
