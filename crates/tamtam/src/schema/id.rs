//! The identity of a schema.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// The identity of a schema: SHA-256 over the type's full name, a zero octet, and the canonical closure's
/// bytes.
///
/// As text it is 64 hexadecimal digits, lower case; upper case is read as well.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SchemaId([u8; 32]);

impl SchemaId {
    pub(super) fn of(name: &str, descriptor_set: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(name.as_bytes());
        // Not part of any name: no two pairs of name and bytes give the same input.
        hash.update([0]);
        hash.update(descriptor_set);
        Self(hash.finalize().into())
    }

    /// Takes an id as it came over a wire.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the octets, in the order of the text.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the first 8 octets as a number, the first octet being the most significant one (big-endian):
    /// its 16 hexadecimal digits are the first 16 of the text. This is what a topic's header carries.
    #[must_use]
    pub const fn short(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a schema id of 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a schema id has 64 hexadecimal digits")]
pub struct ParseSchemaIdError;

impl FromStr for SchemaId {
    type Err = ParseSchemaIdError;

    fn from_str(text: &str) -> Result<Self, ParseSchemaIdError> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(ParseSchemaIdError);
        }
        let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let mut id = [0; 32];
        for (octet, [high, low]) in id.iter_mut().zip(pairs) {
            let (high, low) = digit(*high).zip(digit(*low)).ok_or(ParseSchemaIdError)?;
            *octet = high << 4 | low;
        }
        Ok(Self(id))
    }
}
