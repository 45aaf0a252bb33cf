//! The handshake of a security mechanism, up to the peer's metadata.

mod curve;
mod null;
mod plain;

use bytes::{Buf, BytesMut};

use self::curve::{CurveClient, CurveServer};
use self::null::Null;
use self::plain::{PlainClient, PlainServer};
use super::Step;
use super::auth::{AuthReply, Credentials};
use super::command::{self, Command};
use super::config::{Config, Mechanism};
use super::event::PeerInfo;
use super::seal::{Opener, Sealer};
use crate::error::ProtocolError;
use crate::framing::{FrameHeader, Framing, Version, parse_header, widen};

/// What libzmq's servers of PLAIN say (4.3.4, 4.3.5) where 24/ZMTP-PLAIN has `[5]ERROR`: a slip in an escape of theirs.
const LIBZMQ_PLAIN_ERROR: &[u8] = b"^RROR";

/// What encrypts and decrypts once the handshake is done.
pub(super) type Ciphers = Box<(Sealer, Opener)>;

/// Both greetings were exchanged; commands of the mechanism follow.
#[derive(Debug)]
pub(super) struct Handshake {
    version: Version,
    steps: Steps,
    /// Octets of the peer's commands so far.
    received: u64,
    /// What the machine came to and nobody knows yet.
    outcome: Outcome,
    /// The peer waits until the answer comes whether it is let in: its commands are not looked at.
    asked: bool,
    /// What that answer says of it.
    user: Option<AuthReply>,
}

/// The state machine of the mechanism in use: one variant for each [`Mechanism`].
///
/// A machine's `begin` may queue a command; its `command` takes the peer's next one, may queue a reply, and returns what
/// that comes to; `accepted` goes on once the peer is let in. Clients' machines never see ERROR.
#[derive(Debug)]
enum Steps {
    Null(Null),
    PlainClient(PlainClient),
    PlainServer(PlainServer),
    CurveClient(Box<CurveClient>),
    CurveServer(CurveServer),
}

/// What a step of the mechanism comes to.
#[derive(Debug)]
enum Outcome {
    /// More commands are to come.
    More,
    /// Somebody has to say whether the peer is let in.
    Ask(Credentials),
    /// Messages may flow.
    Done(Box<PeerInfo>, Option<Ciphers>),
}

impl Outcome {
    /// The end of a handshake after which nothing is encrypted.
    fn plain(peer: PeerInfo) -> Self {
        Self::Done(Box::new(peer), None)
    }
}

impl Handshake {
    pub(super) fn begin(config: &Config, version: Version, out: &mut Vec<u8>) -> Result<Self, ProtocolError> {
        let mut outcome = Outcome::More;
        let steps = match &config.mechanism {
            Mechanism::Null => {
                let (null, first) = Null::begin(config, out);
                outcome = first;
                Steps::Null(null)
            }
            Mechanism::PlainClient(credentials) => Steps::PlainClient(PlainClient::begin(credentials, out)),
            Mechanism::PlainServer => Steps::PlainServer(PlainServer::Hello),
            Mechanism::CurveClient { keys, server } => {
                Steps::CurveClient(Box::new(CurveClient::begin(keys, server, out)?))
            }
            Mechanism::CurveServer(_) => Steps::CurveServer(CurveServer::Hello),
        };
        Ok(Self { version, steps, received: 0, outcome, asked: false, user: None })
    }

    pub(super) fn step(
        &mut self,
        config: &Config,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<Step, ProtocolError> {
        loop {
            match std::mem::replace(&mut self.outcome, Outcome::More) {
                Outcome::More => {}
                Outcome::Ask(credentials) => {
                    self.asked = true;
                    return Ok(Step::Ask(credentials));
                }
                Outcome::Done(mut peer, ciphers) => {
                    if let Some(AuthReply::Accept { user_id, metadata }) = self.user.take() {
                        peer.user_id = user_id;
                        peer.auth_metadata = metadata;
                    }
                    return Ok(Step::Established(peer, ciphers));
                }
            }
            let limit = widen(config.limits.handshake_bytes_max);
            if self.asked {
                let size = self.received.saturating_add(widen(input.len()));
                return if size > limit {
                    Err(ProtocolError::HandshakeTooLarge { size, limit })
                } else {
                    Ok(Step::Wait(0))
                };
            }
            let Some(header) = parse_header(Framing::V2, input)? else { return Ok(Step::Wait(0)) };
            let FrameHeader { body_len, command, header_len, .. } = header;
            if !command {
                return Err(ProtocolError::MalformedFrame("a message before the end of the handshake"));
            }
            let size = self.received.saturating_add(widen(header_len)).saturating_add(body_len);
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
            if let (Steps::PlainClient(_), Some(data)) = (&self.steps, body.strip_prefix(LIBZMQ_PLAIN_ERROR))
            {
                return Err(Command { name: command::ERROR, data }.peer_error());
            }
            let Some(command) = Command::parse(body)? else {
                return Err(command::malformed(b"", "an empty body"));
            };
            self.outcome = self.command(config, command, out)?;
            input.advance(end);
            self.received = size;
        }
    }

    fn command(
        &mut self,
        config: &Config,
        command: Command<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Outcome, ProtocolError> {
        //= 26/CURVEZMQ, General Design
        //# A client peer SHALL NOT send ERROR to the server.
        // With NULL there are no roles, and both may.
        if command.name == command::ERROR && !config.mechanism.is_server() {
            return Err(command.peer_error());
        }
        let version = self.version;
        let result = match &mut self.steps {
            Steps::Null(null) => null.command(config, version, command),
            Steps::PlainClient(client) => client.command(config, version, command, out),
            Steps::PlainServer(server) => server.command(config, version, command, out),
            Steps::CurveClient(client) => client.command(config, version, command, out),
            Steps::CurveServer(server) => match &config.mechanism {
                Mechanism::CurveServer(keys) => server.command(keys, config, version, command, out),
                _ => Err(command.unexpected()),
            },
        };
        //= 37/ZMTP, The Socket-Type Property
        //# When a peer validates the socket type, it SHOULD handle errors by returning an ERROR command, and then
        //# disconnecting the peer.
        // Not where the socket type was encrypted, though: an ERROR is not.
        if let Err(
            violation @ (ProtocolError::SocketTypeMismatch { .. } | ProtocolError::UnknownSocketType { .. }),
        ) = &result
            && matches!(self.steps, Steps::Null(_) | Steps::PlainServer(_))
        {
            command::put_error(out, &violation.to_string());
        }
        result
    }

    /// Takes the answer to what was asked. Without a question it changes nothing.
    pub(super) fn authenticated(
        &mut self,
        config: &Config,
        reply: AuthReply,
        out: &mut Vec<u8>,
    ) -> Result<(), ProtocolError> {
        if !std::mem::take(&mut self.asked) {
            return Ok(());
        }
        match reply {
            AuthReply::Accept { .. } => {
                self.user = Some(reply);
                self.outcome = match &mut self.steps {
                    Steps::Null(_) => Null::accepted(config, out),
                    Steps::PlainServer(server) => server.accepted(out),
                    Steps::CurveServer(server) => server.accepted(config, out)?,
                    Steps::PlainClient(_) | Steps::CurveClient(_) => Outcome::More,
                };
                Ok(())
            }
            AuthReply::Refuse { status, text } => {
                // As libzmq has it: the reason is the status alone, and after 300 the connection just ends.
                if status != 300 {
                    command::put_error(out, &status.to_string());
                }
                Err(ProtocolError::AuthenticationRefused { status, text })
            }
            AuthReply::Fail(violation) => Err(violation),
        }
    }
}
