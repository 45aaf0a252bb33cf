//! A message as it is received, with what is known of it.

use std::ops::Deref;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::header::{FLAG_LATCHED, FLAG_REPLAYED, Head, SOURCE_LEN, TopicHeader};
use crate::message::DecodeError;

/// What is known of a message beside its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// Its number at its publisher, from 1; 0 if it came without.
    pub seq: u64,
    /// When it was published, by the publisher's clock; `None` if it came without.
    pub stamp: Option<SystemTime>,
    /// Which publisher it is from; `None` if it came without.
    pub source: Option<[u8; SOURCE_LEN]>,
    /// Whether it was published before this subscriber came.
    pub latched: bool,
    /// Whether it comes out of a recording.
    pub replayed: bool,
    /// The length of its body in octets.
    pub size: usize,
    schema: u64,
    flags: u32,
    /// As it came, if it says more than these.
    header: Option<Box<TopicHeader>>,
}

impl Info {
    /// Becomes what a header says of a message of this size. In place: it is a dozen words, which are slow to move when they were written a
    /// moment ago.
    #[inline]
    pub(crate) fn set(&mut self, head: &Head, header: Option<Box<TopicHeader>>, size: usize) {
        self.seq = head.seq;
        self.stamp = head.stamp();
        self.source = head.source;
        self.latched = head.has(FLAG_LATCHED);
        self.replayed = head.has(FLAG_REPLAYED);
        self.size = size;
        self.schema = head.schema;
        self.flags = head.flags;
        if self.header.is_some() || header.is_some() {
            self.header = header;
        }
    }

    /// Fails if the body of a message that has a type is not Protobuf.
    pub(crate) fn check_encoding(&self) -> Result<(), DecodeError> {
        self.header.as_deref().map_or(Ok(()), TopicHeader::check_encoding)
    }

    /// Returns its header with all that came in it.
    #[must_use]
    pub fn header(&self) -> TopicHeader {
        match &self.header {
            Some(header) => TopicHeader::clone(header),
            None => TopicHeader {
                seq: self.seq,
                stamp_ns: self
                    .stamp
                    .and_then(|stamp| stamp.duration_since(UNIX_EPOCH).ok())
                    .map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)),
                source: self.source.map_or_else(Vec::new, Vec::from),
                schema: self.schema,
                flags: self.flags,
                ..TopicHeader::default()
            },
        }
    }
}

/// A message with what is known of it. Derefs to the message.
///
/// One of [`Default`] is what [`recv_into`](crate::Subscriber::recv_into) fills.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Sample<T> {
    /// The message.
    pub value: T,
    /// What is known of it.
    pub info: Info,
}

impl<T> Deref for Sample<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
