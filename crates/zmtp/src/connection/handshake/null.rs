//! The NULL mechanism: both sides send READY with their metadata (37/ZMTP, The NULL Security Mechanism).

use super::super::command::{self, Command};
use super::super::config::Config;
use super::super::event::PeerInfo;
use super::super::metadata;
use crate::error::ProtocolError;
use crate::framing::{Version, put_command};

/// Our READY is out; the peer's is awaited.
#[derive(Debug)]
pub(super) struct Null;

impl Null {
    pub(super) fn begin(config: &Config, out: &mut Vec<u8>) -> Self {
        put_command(out, command::READY, &metadata::ours(config));
        Self
    }

    pub(super) fn command(
        &self,
        config: &Config,
        version: Version,
        command: Command<'_>,
    ) -> Result<Option<PeerInfo>, ProtocolError> {
        if command.name != command::READY {
            return Err(ProtocolError::UnexpectedCommand { name: command.shown_name() });
        }
        metadata::theirs(config, version, command::READY, command.data).map(Some)
    }
}
