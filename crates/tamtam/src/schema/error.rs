//! Why descriptors do not make a schema.

/// Why descriptors do not make a schema.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The bytes are no encoded `FileDescriptorSet`.
    #[error("not an encoded FileDescriptorSet: {0}")]
    NotADescriptorSet(#[from] prost::DecodeError),
    /// The set has no message of this name.
    #[error("no message type {name} in the descriptors")]
    NoSuchType {
        /// The full name that was asked for.
        name: String,
    },
    /// The descriptors break one of Protobuf's rules, or are not complete.
    #[error("invalid descriptors: {what}")]
    Invalid {
        /// Which rule, and where.
        what: String,
    },
    /// The descriptors use something that is not supported: an edition, or the message set format.
    #[error("{what} not supported")]
    Unsupported {
        /// What is used, and where.
        what: String,
    },
    /// A limit on descriptors is exceeded; they may come from anywhere.
    #[error("too large: more than {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
}

impl SchemaError {
    pub(super) fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid { what: what.into() }
    }
}

/// Makes a name of unknown origin fit for an error's text: printable, and not longer than a line.
pub(super) fn shorten(name: &str) -> String {
    const MAX: usize = 80;
    let escaped = name.escape_debug();
    if name.chars().nth(MAX).is_some() {
        return escaped.take(MAX).chain(['…']).collect();
    }
    escaped.to_string()
}
