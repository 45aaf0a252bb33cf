//! Schemas: what a topic's messages look like, under an id that is equal wherever the types are equal.
//!
//! A [`Schema`] is a message type's full name and the *canonical closure* of the descriptors it needs. The
//! closure holds what decides how messages are encoded and what they mean, and nothing else:
//!
//! - the messages and enums that the type reaches through its fields; a message around a nested type that is
//!   needed is kept as an empty shell, for the nested type's name;
//! - without comments, source positions, JSON names, services, extensions and all options but `packed` (where
//!   it is not the syntax's default), `map_entry` and `allow_alias`;
//! - fields by number, types by name, enum values by number after the first one (which is the default value);
//! - in files of its own. The files of the input and their imports are forgotten, so that the id is the same
//!   for the same types compiled from other folders, from one big file or from many small ones. Every type
//!   that is not nested gets a file named after it, `demo/Imu.proto`; types that need each other share one,
//!   under the first of their names; Google's well-known types keep the names of Google's files. Dependencies
//!   come first, then names decide.
//!
//! Descriptors come from other machines, so nothing about them is trusted: size, number and depth are
//! limited, names have to be identifiers, and whatever does not fit is an error.

mod closure;
mod comparison;
mod descriptor;
mod error;
mod fields;
mod files;
mod id;
mod text;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_compare;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DescriptorPool, MessageDescriptor};

pub use comparison::Comparison;
pub use error::SchemaError;
pub use id::{ParseSchemaIdError, SchemaId};

/// The longest encoded descriptor set that is looked at, in octets: 4 MiB.
pub const MAX_DESCRIPTOR_SET: usize = 4 << 20;

/// What the messages of a topic look like: the type's full name and the descriptors it needs.
///
/// Clones share their content. Two schemas are equal if their ids are.
#[derive(Clone)]
pub struct Schema(Arc<Inner>);

struct Inner {
    id: SchemaId,
    set: Bytes,
    message: MessageDescriptor,
}

impl Schema {
    /// Takes the type `name` (in full, such as `demo.Imu`, without a leading dot) and all it needs out of an
    /// encoded `FileDescriptorSet`, which may hold more than that.
    ///
    /// # Errors
    ///
    /// If the set cannot be decoded, does not have the type or something it needs, breaks Protobuf's rules,
    /// uses editions or message sets, or exceeds a limit: [`MAX_DESCRIPTOR_SET`], and 16384 parts (fields,
    /// values, types) of the closure.
    pub fn new(name: &str, descriptor_set: &[u8]) -> Result<Self, SchemaError> {
        if descriptor_set.len() > MAX_DESCRIPTOR_SET {
            return Err(SchemaError::TooLarge { what: "octets of descriptors", limit: MAX_DESCRIPTOR_SET });
        }
        descriptor::check_counts(descriptor_set)?;
        let input = descriptor::FileSet::decode(descriptor_set)?;
        let set = Bytes::from(closure::canonical(name, &input)?.encode_to_vec());
        // Only the canonical form gets here: the library overflows the stack on cyclic imports, for one.
        let pool = DescriptorPool::decode(set.clone())
            .map_err(|error| SchemaError::Invalid { what: error.to_string() })?;
        let message = pool
            .get_message_by_name(name)
            .ok_or_else(|| SchemaError::NoSuchType { name: error::shorten(name) })?;
        Ok(Self(Arc::new(Inner { id: SchemaId::of(name, &set), set, message })))
    }

    /// Returns the type's full name, such as `demo.Imu`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.message.full_name()
    }

    /// Returns the id: equal if and only if name and canonical closure are.
    #[must_use]
    pub fn id(&self) -> SchemaId {
        self.0.id
    }

    /// Returns the canonical closure, an encoded `FileDescriptorSet`.
    ///
    /// It can stand as the data of an MCAP schema and as the file of protoc's `--descriptor_set_in`, and
    /// gives an equal schema when it is read again.
    #[must_use]
    pub fn descriptor_set(&self) -> &Bytes {
        &self.0.set
    }

    /// Returns the type for dynamic messages.
    #[must_use]
    pub fn message(&self) -> &MessageDescriptor {
        &self.0.message
    }

    /// Returns the schema in the language of `.proto` files, for people.
    ///
    /// One part per package and syntax, the type's own first. With several parts it is no valid file, as a
    /// file has one package only.
    #[must_use]
    pub fn to_proto(&self) -> String {
        // What was encoded here can be decoded.
        let set = descriptor::FileSet::decode(self.0.set.clone()).unwrap_or_default();
        text::to_proto(self.name(), self.0.id, &set)
    }

    /// Compares what a writer writes with what a reader expects, by Protobuf's rules for the wire.
    ///
    /// The direction matters: a required field that only the reader knows makes its decoder refuse every
    /// message, one that only the writer knows is skipped. See [`Comparison`].
    #[must_use]
    pub fn compare(writer: &Self, reader: &Self) -> Comparison {
        if writer == reader {
            return Comparison::Identical;
        }
        comparison::compare(&writer.0.message, &reader.0.message)
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        // The id covers the name.
        self.0.id == other.0.id
    }
}

impl Eq for Schema {}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").field("name", &self.name()).field("id", &self.0.id).finish()
    }
}
