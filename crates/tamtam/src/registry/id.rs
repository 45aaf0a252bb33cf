//! Names of nodes.

use std::fmt;
use std::io;
use std::str::FromStr;

/// A node's name in the registry: eight random bytes, as text 16 lower case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId([u8; 8]);

impl NodeId {
    /// Makes up a fresh name.
    ///
    /// # Errors
    ///
    /// When the system gives no random numbers.
    pub(crate) fn random() -> io::Result<Self> {
        crate::id::random().map(Self)
    }

    /// Returns the bytes, as they go into a message.
    pub(crate) fn to_bytes(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

/// Why a text is no [`NodeId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a node's id is 16 hexadecimal digits in lower case")]
pub(crate) struct ParseNodeIdError;

impl FromStr for NodeId {
    type Err = ParseNodeIdError;

    /// Takes what `Display` writes and nothing else: the text is a file name, and there is one file for an id.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 16 || !is_hex(text) {
            return Err(ParseNodeIdError);
        }
        let number = u64::from_str_radix(text, 16).map_err(|_| ParseNodeIdError)?;
        Ok(Self(number.to_be_bytes()))
    }
}

/// Whether all of the text is hexadecimal digits in lower case.
pub(super) fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
