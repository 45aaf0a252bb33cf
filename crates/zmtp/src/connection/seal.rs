//! CURVE's MESSAGE: what carries a frame over an encrypted connection (26/CURVEZMQ, MESSAGE Command).

use crate::crypto::{BoxKey, MAC_LEN, RoleKey};
use crate::error::ProtocolError;
use crate::framing::Framing;

const NAME: &[u8] = b"\x07MESSAGE";
const NONCE_LEN: usize = 8;
/// Where the proof begins in a MESSAGE.
const MAC_AT: usize = NAME.len() + NONCE_LEN;
/// Where the flags of the frame within begin, the first encrypted octet.
const FLAGS_AT: usize = MAC_AT + MAC_LEN;
/// Octets by which a MESSAGE is longer than the body of the frame within.
pub(super) const OVERHEAD: usize = FLAGS_AT + 1;

/// The flags of the frame within.
const MORE: u8 = 1;
const COMMAND: u8 = 2;

/// Which side of the connection seals: each has its own kind of nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

impl Side {
    const fn prefix(self) -> &'static [u8; 16] {
        match self {
            Self::Client => b"CurveZMQMESSAGEC",
            Self::Server => b"CurveZMQMESSAGES",
        }
    }
}

/// Encrypts what we send.
pub(super) struct Sealer {
    key: RoleKey,
    /// The number of the next frame.
    nonce: u64,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").field("nonce", &self.nonce).finish_non_exhaustive()
    }
}

impl Sealer {
    /// `nonce` is the number of the first frame: the handshake has used those before.
    pub(super) fn new(key: &BoxKey, ours: Side, nonce: u64) -> Self {
        Self { key: key.role(ours.prefix()), nonce }
    }

    /// Appends a frame, encrypted in place.
    pub(super) fn seal(&mut self, more: bool, command: bool, body: &[u8], out: &mut Vec<u8>) {
        let nonce = self.nonce.to_be_bytes();
        self.nonce = self.nonce.wrapping_add(1);
        // As libzmq does, a MESSAGE travels in a frame without the command flag.
        Framing::V2.put_header(out, body.len().saturating_add(OVERHEAD), false);
        out.extend_from_slice(NAME);
        out.extend_from_slice(&nonce);
        let mac_at = out.len();
        out.extend_from_slice(&[0; MAC_LEN]);
        out.push(if more { MORE } else { 0 } | if command { COMMAND } else { 0 });
        out.extend_from_slice(body);
        if let Some((place, text)) = out.get_mut(mac_at..).and_then(<[u8]>::split_first_chunk_mut::<MAC_LEN>)
        {
            *place = self.key.seal(&nonce, text);
        }
    }
}

/// Decrypts what the peer sends.
pub(super) struct Opener {
    key: RoleKey,
    /// The number of the peer's last frame.
    last: u64,
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opener").field("last", &self.last).finish_non_exhaustive()
    }
}

/// What stood in a MESSAGE; the body lies behind its first [`OVERHEAD`] octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) more: bool,
    pub(super) command: bool,
}

impl Opener {
    /// `last` is the number of the peer's last command in the handshake.
    pub(super) fn new(key: &BoxKey, theirs: Side, last: u64) -> Self {
        Self { key: key.role(theirs.prefix()), last }
    }

    /// Decrypts the body of a frame in place.
    ///
    /// # Errors
    ///
    /// It is no MESSAGE, it comes out of order, or it is not what was sent.
    pub(super) fn open(&mut self, frame: &mut [u8]) -> Result<Opened, ProtocolError> {
        if !frame.starts_with(NAME) {
            return Err(ProtocolError::Unencrypted);
        }
        let rest = frame.get_mut(NAME.len()..).unwrap_or_default();
        let Some((nonce, rest)) = rest.split_first_chunk_mut::<NONCE_LEN>() else { return Err(too_short()) };
        let Some((mac, text)) = rest.split_first_chunk_mut::<MAC_LEN>() else { return Err(too_short()) };
        if text.is_empty() {
            return Err(too_short());
        }
        let number = u64::from_be_bytes(*nonce);
        if number <= self.last {
            return Err(ProtocolError::InvalidSequence { nonce: number, last: self.last });
        }
        if !self.key.open(nonce, mac, text) {
            return Err(ProtocolError::Cryptographic {
                what: "cannot open a MESSAGE: it was changed on its way",
            });
        }
        self.last = number;
        let flags = text.first().copied().unwrap_or_default();
        Ok(Opened { more: flags & MORE != 0, command: flags & COMMAND != 0 })
    }
}

fn too_short() -> ProtocolError {
    super::command::malformed(b"MESSAGE", "it is shorter than its fixed part")
}
