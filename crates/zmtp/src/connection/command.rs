//! Commands: a name and data in one frame (37/ZMTP, Commands).

use crate::error::{NAME_TOO_LONG, ProtocolError, printable};
use crate::framing::put_command;

pub(super) const HELLO: &[u8] = b"HELLO";
pub(super) const WELCOME: &[u8] = b"WELCOME";
pub(super) const INITIATE: &[u8] = b"INITIATE";
pub(super) const READY: &[u8] = b"READY";
pub(super) const ERROR: &[u8] = b"ERROR";
pub(super) const SUBSCRIBE: &[u8] = b"SUBSCRIBE";
pub(super) const CANCEL: &[u8] = b"CANCEL";
pub(super) const JOIN: &[u8] = b"JOIN";
pub(super) const LEAVE: &[u8] = b"LEAVE";
pub(super) const PING: &[u8] = b"PING";
pub(super) const PONG: &[u8] = b"PONG";

/// A command's body, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Command<'a> {
    pub(super) name: &'a [u8],
    pub(super) data: &'a [u8],
}

impl<'a> Command<'a> {
    /// Takes a command frame's body apart; `None` if it is empty, which says nothing.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::MalformedCommand`] if the name is longer than the body.
    pub(super) fn parse(body: &'a [u8]) -> Result<Option<Self>, ProtocolError> {
        let Some((&name_len, rest)) = body.split_first() else { return Ok(None) };
        match rest.split_at_checked(usize::from(name_len)) {
            Some((name, data)) => Ok(Some(Self { name, data })),
            None => Err(malformed(rest, NAME_TOO_LONG)),
        }
    }

    /// Returns the name as far as it is printable, for an error.
    pub(super) fn shown_name(&self) -> String {
        printable(self.name)
    }

    /// Returns the error for a command that has no place here.
    pub(super) fn unexpected(&self) -> ProtocolError {
        ProtocolError::UnexpectedCommand { name: self.shown_name() }
    }

    /// Returns the error this ERROR command stands for.
    pub(super) fn peer_error(&self) -> ProtocolError {
        let reason = self
            .data
            .split_first()
            .and_then(|(len, rest)| rest.get(..usize::from(*len)))
            .map(|reason| ProtocolError::PeerError { reason: printable(reason) });
        reason.unwrap_or_else(|| malformed(self.name, "the reason is longer than the body"))
    }
}

pub(super) fn malformed(name: &[u8], what: &'static str) -> ProtocolError {
    ProtocolError::MalformedCommand { command: printable(name), what }
}

/// Appends an ERROR command that tells the peer why we hang up.
pub(super) fn put_error(out: &mut Vec<u8>, text: &str) {
    // All our texts are printable ASCII (a peer's words in them are escaped), so the cut is between characters.
    let reason = text.as_bytes().get(..usize::from(u8::MAX)).unwrap_or(text.as_bytes());
    let mut data = Vec::with_capacity(1 + reason.len());
    data.extend(u8::try_from(reason.len()));
    data.extend_from_slice(reason);
    put_command(out, ERROR, &data);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_taken_apart() {
        let parsed = |body| Command::parse(body);
        assert_eq!(parsed(b""), Ok(None));
        assert_eq!(parsed(b"\x00"), Ok(Some(Command { name: b"", data: b"" })));
        assert_eq!(parsed(b"\x04PING\x00\x01ab"), Ok(Some(Command { name: PING, data: b"\x00\x01ab" })));
        let error = parsed(b"\x05PING").expect_err("too short");
        assert_eq!(error.to_string(), "malformed PING command: the name is longer than the body");
    }

    #[test]
    fn error_commands_round_trip() {
        for name_len in [1, 255] {
            let violation = ProtocolError::UnknownSocketType { name: "x".repeat(name_len) };
            let mut out = Vec::new();
            put_error(&mut out, &violation.to_string());
            let start = if name_len == 1 { 2 } else { 9 };
            let command =
                Command::parse(out.get(start..).expect("a body")).expect("well-formed").expect("named");
            assert_eq!(command.name, ERROR);
            let ProtocolError::PeerError { reason } = command.peer_error() else { panic!("no reason") };
            assert!(
                violation.to_string().starts_with(&reason) && reason.starts_with("unknown socket type x")
            );
        }
        let cut = Command { name: ERROR, data: b"\x05none" };
        assert_eq!(cut.peer_error(), malformed(ERROR, "the reason is longer than the body"));
    }
}
