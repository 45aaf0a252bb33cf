//! The PLAIN mechanism: a user name and a password, in clear (24/ZMTP-PLAIN).
//!
//! ```text
//! client: HELLO(user, password)             INITIATE(metadata)
//! server:                        WELCOME                        READY(metadata)
//! ```

use bytes::Bytes;
use zeroize::Zeroizing;

use super::super::auth::Credentials;
use super::super::command::{self, Command, malformed};
use super::super::config::{Config, PlainCredentials};
use super::super::metadata;
use super::Outcome;
use crate::error::ProtocolError;
use crate::framing::{Version, put_command};

/// What the client waits for.
#[derive(Debug)]
pub(super) enum PlainClient {
    Welcome,
    Ready,
}

impl PlainClient {
    pub(super) fn begin(credentials: &PlainCredentials, out: &mut Vec<u8>) -> Self {
        let mut data = Zeroizing::new(Vec::new());
        for text in [credentials.username(), credentials.password()] {
            // Checked when they were set.
            data.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
            data.extend_from_slice(text.get(..usize::from(u8::MAX)).unwrap_or(text));
        }
        put_command(out, command::HELLO, &data);
        Self::Welcome
    }

    pub(super) fn command(
        &mut self,
        config: &Config,
        version: Version,
        command: Command<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Outcome, ProtocolError> {
        match self {
            Self::Welcome if command.name == command::WELCOME => {
                if !command.data.is_empty() {
                    return Err(malformed(command::WELCOME, "it has data"));
                }
                put_command(out, command::INITIATE, &metadata::ours(config));
                *self = Self::Ready;
                Ok(Outcome::More)
            }
            Self::Ready if command.name == command::READY => {
                metadata::theirs(config, version, command::READY, command.data).map(Outcome::plain)
            }
            _ => Err(command.unexpected()),
        }
    }
}

/// What the server waits for.
#[derive(Debug)]
pub(super) enum PlainServer {
    Hello,
    /// The answer whether the client is let in.
    Verdict,
    Initiate,
}

impl PlainServer {
    pub(super) fn accepted(&mut self, out: &mut Vec<u8>) -> Outcome {
        put_command(out, command::WELCOME, b"");
        *self = Self::Initiate;
        Outcome::More
    }

    pub(super) fn command(
        &mut self,
        config: &Config,
        version: Version,
        command: Command<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Outcome, ProtocolError> {
        match self {
            Self::Hello if command.name == command::HELLO => {
                let (username, rest) = text(command.data, "it ends within the user name")?;
                let (password, rest) = text(rest, "it ends within the password")?;
                if !rest.is_empty() {
                    return Err(malformed(command::HELLO, "something follows the password"));
                }
                let username = Bytes::copy_from_slice(username);
                *self = Self::Verdict;
                Ok(Outcome::Ask(Credentials::Plain { username, password: Bytes::copy_from_slice(password) }))
            }
            Self::Initiate if command.name == command::INITIATE => {
                let peer = metadata::theirs(config, version, command::INITIATE, command.data)?;
                put_command(out, command::READY, &metadata::ours(config));
                Ok(Outcome::plain(peer))
            }
            _ => Err(command.unexpected()),
        }
    }
}

/// Takes one text with its length in front.
fn text<'a>(data: &'a [u8], what: &'static str) -> Result<(&'a [u8], &'a [u8]), ProtocolError> {
    data.split_first()
        .and_then(|(len, rest)| rest.split_at_checked(usize::from(*len)))
        .ok_or_else(|| malformed(command::HELLO, what))
}
