//! Messages whose type is known at run time only.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::DynamicMessage;

use crate::error::{Error, PublishError, RecvError};
use crate::message::DecodeError;
use crate::node::Node;
use crate::publisher::{Finishing, PublisherBuilder, RawPublisher, Sent};
use crate::qos::Qos;
use crate::sample::{Info, Sample};
use crate::schema::Schema;
use crate::subscriber::{RawSubscriber, SubscriberBuilder};

/// Makes a subscriber to whatever comes; see [`Node::subscriber_dynamic`].
#[must_use = "a builder does nothing before `create`"]
#[derive(Debug)]
pub struct DynamicSubscriberBuilder<'a> {
    inner: SubscriberBuilder<'a, ()>,
    node: &'a Node,
    schema: Option<Schema>,
}

impl<'a> DynamicSubscriberBuilder<'a> {
    pub(crate) fn new(node: &'a Node, topic: &str) -> Self {
        Self { inner: SubscriberBuilder::new(node, topic), node, schema: None }
    }

    /// As [`SubscriberBuilder::qos`].
    pub fn qos(mut self, qos: Qos) -> Self {
        self.inner = self.inner.qos(qos);
        self
    }

    /// As [`SubscriberBuilder::expect_publishers`].
    pub fn expect_publishers(mut self, count: usize) -> Self {
        self.inner = self.inner.expect_publishers(count);
        self
    }

    /// As [`SubscriberBuilder::connect`].
    pub fn connect(mut self, endpoint: &str) -> Self {
        self.inner = self.inner.connect(endpoint);
        self
    }

    /// As [`SubscriberBuilder::plain`].
    pub fn plain(mut self, end: impl Into<Bytes>) -> Self {
        self.inner = self.inner.plain(end);
        self
    }

    /// As [`SubscriberBuilder::sync`].
    pub fn sync(mut self, endpoint: &str) -> Self {
        self.inner = self.inner.sync(endpoint);
        self
    }

    /// Decodes by this schema where a publisher has none.
    pub fn schema(mut self, schema: Schema) -> Self {
        self.schema = Some(schema);
        self
    }

    /// Makes the subscriber.
    ///
    /// # Errors
    ///
    /// As [`SubscriberBuilder::create`].
    pub fn create(self) -> Result<DynamicSubscriber, Error> {
        let core = self.inner.build(None)?;
        let raw = RawSubscriber { core, node: self.node.clone() };
        Ok(DynamicSubscriber { raw, fallback: self.schema })
    }
}

/// Receives messages of whatever type, decoded by their publishers' schemas.
pub struct DynamicSubscriber {
    raw: RawSubscriber,
    fallback: Option<Schema>,
}

impl fmt::Debug for DynamicSubscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}

impl Deref for DynamicSubscriber {
    type Target = RawSubscriber;

    fn deref(&self) -> &RawSubscriber {
        &self.raw
    }
}

/// A message that was received without knowing its type.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DynamicSample {
    /// The body as it came.
    pub body: Bytes,
    /// What its type is, if the publisher has said so.
    pub schema: Option<Schema>,
    /// What is known of it beside.
    pub info: Info,
}

impl DynamicSample {
    /// Decodes the body; `None` if it has no type.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when it is not what its schema says.
    pub fn decode(&self) -> Result<Option<DynamicMessage>, DecodeError> {
        let Some(schema) = &self.schema else { return Ok(None) };
        self.info.check_encoding()?;
        DynamicMessage::decode(schema.message().clone(), self.body.clone())
            .map(Some)
            .map_err(|error| DecodeError(error.to_string()))
    }
}

impl DynamicSubscriber {
    /// Receives a message, waiting at most `timeout` (`None`: however long that takes); `None` when all publishers have
    /// ended.
    ///
    /// # Errors
    ///
    /// As [`Subscriber::recv_timeout`](crate::Subscriber::recv_timeout), but a body is decoded later.
    pub fn recv(&self, timeout: Option<Duration>) -> Result<Option<DynamicSample>, RecvError> {
        let Some(Sample { value: body, info, .. }) = self.raw.recv_bytes(timeout)? else { return Ok(None) };
        let theirs = self.raw.schema_of(info.source);
        Ok(Some(DynamicSample { body, schema: theirs.or_else(|| self.fallback.clone()), info }))
    }
}

/// Publishes messages of a type that is known at run time only.
pub struct DynamicPublisher {
    raw: RawPublisher,
    schema: Schema,
}

impl fmt::Debug for DynamicPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}

impl Deref for DynamicPublisher {
    type Target = RawPublisher;

    fn deref(&self) -> &RawPublisher {
        &self.raw
    }
}

impl DynamicPublisher {
    pub(crate) const fn new(raw: RawPublisher, schema: Schema) -> Self {
        Self { raw, schema }
    }

    /// Returns an empty message of the type, to be filled.
    #[must_use]
    pub fn message(&self) -> DynamicMessage {
        DynamicMessage::new(self.schema.message().clone())
    }

    /// Publishes a message; as [`Publisher::send`](crate::Publisher::send).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn send_message(&self, message: &DynamicMessage) -> Result<Sent, PublishError> {
        self.raw.send(message.encode_to_vec())
    }

    /// Ends the stream; see [`Publisher::finish`](crate::Publisher::finish).
    pub fn finish(self) -> Finishing {
        self.raw.finish()
    }
}

/// Makes a publisher of bodies that are encoded already; see [`Node::publisher_raw`].
#[must_use = "a builder does nothing before `create`"]
#[derive(Debug)]
pub struct RawPublisherBuilder<'a> {
    inner: PublisherBuilder<'a, ()>,
    node: &'a Node,
    schema: Option<Schema>,
}

impl RawPublisherBuilder<'_> {
    /// As [`PublisherBuilder::qos`].
    pub fn qos(mut self, qos: Qos) -> Self {
        self.inner = self.inner.qos(qos);
        self
    }

    /// As [`PublisherBuilder::bind`].
    pub fn bind(mut self, endpoint: &str) -> Self {
        self.inner = self.inner.bind(endpoint);
        self
    }

    /// As [`PublisherBuilder::plain`].
    pub fn plain(mut self, end: impl Into<Bytes>) -> Self {
        self.inner = self.inner.plain(end);
        self
    }

    /// As [`PublisherBuilder::sync`].
    pub fn sync(mut self, endpoint: &str) -> Self {
        self.inner = self.inner.sync(endpoint);
        self
    }

    /// Makes the publisher.
    ///
    /// # Errors
    ///
    /// As [`PublisherBuilder::create`].
    pub fn create(self) -> Result<RawPublisher, Error> {
        let core = self.inner.build(self.schema)?;
        Ok(RawPublisher::new(core, self.node.clone()))
    }
}

impl Node {
    /// Publishes bodies that are encoded already, of a type that is known at run time only; `None`: octets.
    pub fn publisher_raw(&self, topic: &str, schema: Option<Schema>) -> RawPublisherBuilder<'_> {
        RawPublisherBuilder { inner: PublisherBuilder::new(self, topic), node: self, schema }
    }
}
