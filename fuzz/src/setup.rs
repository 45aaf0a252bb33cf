//! A connection of any type, version and strictness.

use std::sync::Arc;
use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::Bytes;
use tamtam_zmtp::{Config, Heartbeat, Limits, SocketType, Version};

/// What a connection is told before it begins, as numbers that a fuzzer can turn.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub struct Setup {
    socket_type: u8,
    version: u8,
    /// Bits: small frames only, few frames, short commands, short handshake, few properties, heartbeat.
    strictness: u8,
    identity_len: u8,
}

impl Setup {
    /// Returns the socket type.
    #[must_use]
    pub fn socket_type(&self) -> SocketType {
        let all = SocketType::ALL;
        all.get(usize::from(self.socket_type) % all.len()).copied().unwrap_or(SocketType::Pair)
    }

    /// Returns the newest version to speak.
    #[must_use]
    pub fn version(&self) -> Version {
        match self.version % 4 {
            0 => Version::V3_1,
            1 => Version::V3_0,
            2 => Version::V2_0,
            _ => Version::V1_0,
        }
    }

    fn is_strict(&self, bit: u8) -> bool {
        self.strictness >> bit & 1 == 1
    }

    /// Returns the configuration. The identity is one that the options would let pass.
    #[must_use]
    pub fn config(&self) -> Config {
        let defaults = Limits::default();
        let limits = Limits {
            frames_max: if self.is_strict(1) { 3 } else { 1000 },
            command_bytes_max: if self.is_strict(2) { 20 } else { defaults.command_bytes_max },
            handshake_bytes_max: if self.is_strict(3) { 100 } else { defaults.handshake_bytes_max },
            metadata_properties_max: if self.is_strict(4) { 2 } else { defaults.metadata_properties_max },
            ..defaults
        };
        let heartbeat = Heartbeat {
            interval: Duration::from_millis(u64::from(self.identity_len)),
            ttl: Duration::from_millis(300),
            timeout: Duration::from_millis(u64::from(self.socket_type)),
        };
        Config {
            version_max: self.version(),
            identity: Bytes::from(vec![b'i'; usize::from(self.identity_len)]),
            max_message_size: self.is_strict(0).then_some(100),
            limits,
            heartbeat: self.is_strict(5).then_some(heartbeat),
            ..Config::new(self.socket_type())
        }
    }

    /// Returns the configuration as connections share it.
    #[must_use]
    pub fn shared(&self) -> Arc<Config> {
        Arc::new(self.config())
    }
}
