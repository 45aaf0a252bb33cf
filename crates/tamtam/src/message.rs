//! What a topic's messages are in Rust.

use bytes::Bytes;
use tamtam_zmq::Frame;

use crate::schema::{Schema, SchemaError};

/// A message could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(pub String);

/// A type that can be published and subscribed to.
///
/// Types that [`tamtam-build`](https://docs.rs/tamtam-build) makes of `.proto` files have it, and [`Bytes`] has: whatever its octets mean.
pub trait TopicMessage: Sized + Send + 'static {
    /// Returns what the messages look like; `None` for octets.
    ///
    /// # Errors
    ///
    /// What is wrong with the descriptors that were compiled in.
    fn schema() -> Result<Option<Schema>, SchemaError>;

    /// Returns the body.
    fn to_body(&self) -> Bytes;

    /// Returns the body, if the message holds it as it is. Default `None`.
    fn as_body(&self) -> Option<&[u8]> {
        None
    }

    /// Returns how many octets the body has, if that is known before it is made; then [`put_body`](Self::put_body) is used for
    /// short ones. Default `None`.
    fn body_len(&self) -> Option<usize> {
        None
    }

    /// Appends the body to `out`, where it is copied from.
    fn put_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_body());
    }

    /// Becomes a copy of the body, if that is all that there is to it: `false`, and no change, if not. Runs under locks.
    #[doc(hidden)]
    fn copy_body(&mut self, _body: &[u8]) -> bool {
        false
    }

    /// Reads a body.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] with what is wrong with it.
    fn from_body(body: &Frame) -> Result<Self, DecodeError>;

    /// Becomes what a body says, keeping allocations where it can. Default: is replaced.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] with what is wrong with the body; nothing is said then of what the message holds.
    fn read_body(&mut self, body: &Frame) -> Result<(), DecodeError> {
        *self = Self::from_body(body)?;
        Ok(())
    }
}

/// A Protobuf type together with its descriptors: what the build script adds to the types that prost generates.
pub trait Described {
    /// Returns a `FileDescriptorSet` that the type is in, encoded.
    fn descriptor_set() -> &'static [u8];
}

impl<T: prost::Message + prost::Name + Default + Described + 'static> TopicMessage for T {
    fn schema() -> Result<Option<Schema>, SchemaError> {
        Schema::new(&Self::full_name(), Self::descriptor_set()).map(Some)
    }

    fn to_body(&self) -> Bytes {
        self.encode_to_vec().into()
    }

    fn body_len(&self) -> Option<usize> {
        Some(self.encoded_len())
    }

    fn put_body(&self, out: &mut Vec<u8>) {
        // There is always room in a vector.
        let _written = self.encode(out);
    }

    fn from_body(body: &Frame) -> Result<Self, DecodeError> {
        match body.shared() {
            // Fields that are `Bytes` share it.
            Some(shared) => Self::decode(shared.clone()),
            None => Self::decode(&**body),
        }
        .map_err(|error| DecodeError(error.to_string()))
    }

    fn read_body(&mut self, body: &Frame) -> Result<(), DecodeError> {
        self.clear();
        match body.shared() {
            Some(shared) => self.merge(shared.clone()),
            None => self.merge(&**body),
        }
        .map_err(|error| DecodeError(error.to_string()))
    }
}

impl TopicMessage for Bytes {
    fn schema() -> Result<Option<Schema>, SchemaError> {
        Ok(None)
    }

    fn to_body(&self) -> Bytes {
        self.clone()
    }

    fn as_body(&self) -> Option<&[u8]> {
        Some(self)
    }

    fn from_body(body: &Frame) -> Result<Self, DecodeError> {
        Ok(body.clone().into_bytes())
    }
}

/// Octets as [`Bytes`] are, which need no allocation if they are few.
impl TopicMessage for Frame {
    fn schema() -> Result<Option<Schema>, SchemaError> {
        Ok(None)
    }

    fn to_body(&self) -> Bytes {
        self.clone().into_bytes()
    }

    fn as_body(&self) -> Option<&[u8]> {
        Some(self)
    }

    fn from_body(body: &Frame) -> Result<Self, DecodeError> {
        Ok(body.clone())
    }

    #[inline]
    fn copy_body(&mut self, body: &[u8]) -> bool {
        self.set(body);
        true
    }

    fn read_body(&mut self, body: &Frame) -> Result<(), DecodeError> {
        self.clone_from(body);
        Ok(())
    }
}

/// Includes what the build script has made of the files of a package: `tamtam::include_proto!("demo");`
#[macro_export]
macro_rules! include_proto {
    ($package:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $package, ".rs"));
    };
}
