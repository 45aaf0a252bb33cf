//! The NULL mechanism: both sides send READY with their metadata (37/ZMTP, The NULL Security Mechanism).

use super::super::auth::Credentials;
use super::super::command::{self, Command};
use super::super::config::Config;
use super::super::metadata;
use super::Outcome;
use crate::error::ProtocolError;
use crate::framing::{Version, put_command};

/// The peer's READY is awaited; ours is out, or waits for the peer to be let in.
#[derive(Debug)]
pub(super) struct Null;

impl Null {
    pub(super) fn begin(config: &Config, out: &mut Vec<u8>) -> (Self, Outcome) {
        if config.authenticate {
            return (Self, Outcome::Ask(Credentials::None));
        }
        (Self, Self::accepted(config, out))
    }

    pub(super) fn accepted(config: &Config, out: &mut Vec<u8>) -> Outcome {
        put_command(out, command::READY, &metadata::ours(config));
        Outcome::More
    }

    pub(super) fn command(
        &self,
        config: &Config,
        version: Version,
        command: Command<'_>,
    ) -> Result<Outcome, ProtocolError> {
        if command.name != command::READY {
            return Err(command.unexpected());
        }
        metadata::theirs(config, version, command::READY, command.data).map(Outcome::plain)
    }
}
