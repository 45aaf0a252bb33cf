//! Typed topics and services by name, over ZeroMQ sockets: what ROS topics give, without ROS.
//!
//! A [`Node`] makes [publishers](Node::publisher) and [subscribers](Node::subscriber); they find each other by the names of
//! their topics, on one host without a daemon and without the network. Messages are Protobuf types (or octets). What other
//! systems leave to chance is the point here:
//!
//! - **A barrier that is true.** [`RawPublisher::wait_for`] counts subscriptions on the very connections that will carry the messages.
//! - **An end.** [`Publisher::finish`] tells every subscriber how many messages there were; their loops end by themselves.
//! - **Nothing is lost in silence.** Messages are numbered. What is missing is told with its range and reason
//!   ([`Event::Lost`]), to the publisher as well.
//! - **Types are compared** when two meet, by Protobuf's rules of evolution ([`Event::SchemaDiffers`]).
//! - **Plain ZeroMQ programs take part**: three frames, of which they need the first and the last.
//!
//! ```
//! use std::time::Duration;
//! use tamtam::Node;
//!
//! # let directory = tempfile::tempdir()?;
//! let node = Node::builder("driver").domain("lab").directory(directory.path()).open()?;
//! let publisher = node.publisher::<bytes::Bytes>("/greeting").create()?;
//! let subscriber = node.subscriber::<bytes::Bytes>("/greeting").create()?;
//!
//! publisher.wait_for(1, Duration::from_secs(5))?;
//! publisher.send(&"hello".into())?;
//! let reader = std::thread::spawn(move || subscriber.iter().filter_map(Result::ok).count());
//! let published = publisher.finish().drain(Duration::from_secs(5))?;
//! assert_eq!((published, reader.join().unwrap()), (1, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod beacon;
mod bell;
mod connections;
mod courier;
mod discovery;
mod dynamic;
mod error;
mod event;
mod graph;
mod handshake;
mod header;
mod id;
mod lan;
mod losses;
mod matching;
mod message;
mod name;
mod near;
mod neighbourhood;
mod neighbours;
mod node;
mod peering;
mod peers;
mod publisher;
mod qos;
mod record;
mod registry;
mod sample;
mod schedule;
pub mod schema;
mod service;
mod short;
mod source;
mod stamp;
mod store;
mod stream;
mod subscriber;
mod varint;

pub use dynamic::{
    DynamicPublisher, DynamicSample, DynamicSubscriber, DynamicSubscriberBuilder, RawPublisherBuilder,
};
pub use error::{BarrierTimeout, CallError, Error, NotDrained, PublishError, RecvError};
pub use event::{Event, LossReason, PublisherEvent, PublisherId};
pub use graph::{EndInfo, Graph, NodeInfo, ServiceInfo, TopicInfo};
pub use header::{FLAG_END, FLAG_HEARTBEAT, FLAG_LATCHED, FLAG_REPLAYED, SOURCE_LEN, TopicHeader};
pub use lan::LanStatistics;
pub use message::{DecodeError, Described, TopicMessage};
pub use name::{NAME_MAX, Name, NameError, WORD_MAX};
pub use node::{DEFAULT_DOMAIN, Node, NodeBuilder};
pub use peers::PeerCounts;
pub use publisher::{Finishing, Publisher, PublisherBuilder, RawPublisher, Sent};
pub use qos::{Overflow, Qos, Reach};
pub use sample::{Info, Sample};
pub use service::{CallHeader, CallStatus, Client, Service};
pub use stream::SampleStream;
pub use subscriber::{RawSubscriber, Subscriber, SubscriberBuilder, SubscriberStatistics, Subscription};
pub use tamtam_zmq as zmq;
pub use tamtam_zmq::Frame;
