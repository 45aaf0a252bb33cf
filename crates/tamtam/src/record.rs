//! What a node tells others of itself: the record in the registry, which is also the answer to `table`; and reports.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use prost::Message as _;

use crate::id::hex;
use crate::qos::{Overflow, Qos};

/// A node and all that it offers and wants.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct NodeRecord {
    /// 1; a newer node that cannot be understood says so by a larger number.
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) id: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    #[prost(string, tag = "4")]
    pub(crate) host: String,
    #[prost(uint32, tag = "5")]
    pub(crate) pid: u32,
    #[prost(string, tag = "6")]
    pub(crate) program: String,
    /// Goes up with each change.
    #[prost(uint64, tag = "7")]
    pub(crate) generation: u64,
    /// Where requests for schemas and reports go.
    #[prost(string, repeated, tag = "8")]
    pub(crate) info: Vec<String>,
    #[prost(message, repeated, tag = "9")]
    pub(crate) publishers: Vec<PublisherRecord>,
    #[prost(message, repeated, tag = "10")]
    pub(crate) subscribers: Vec<SubscriberRecord>,
    #[prost(message, repeated, tag = "11")]
    pub(crate) services: Vec<ServiceRecord>,
    /// The release of this crate.
    #[prost(string, tag = "12")]
    pub(crate) release: String,
}

/// The version of [`NodeRecord`] that is written and understood.
pub(crate) const RECORD_VERSION: u32 = 1;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct QosRecord {
    #[prost(uint32, tag = "1")]
    pub(crate) depth: u32,
    /// 1 block, 2 error, 3 drop oldest, 4 drop newest.
    #[prost(uint32, tag = "2")]
    pub(crate) overflow: u32,
    #[prost(uint32, tag = "3")]
    pub(crate) latch: u32,
    /// 0: no bound.
    #[prost(uint64, tag = "4")]
    pub(crate) depth_bytes: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PublisherRecord {
    #[prost(string, tag = "1")]
    pub(crate) topic: String,
    /// The type's full name; empty for octets.
    #[prost(string, tag = "2")]
    pub(crate) type_name: String,
    /// The schema's id, 32 octets; empty for octets.
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) schema: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) source: Vec<u8>,
    #[prost(string, repeated, tag = "5")]
    pub(crate) endpoints: Vec<String>,
    #[prost(message, optional, tag = "6")]
    pub(crate) qos: Option<QosRecord>,
    /// It has said END.
    #[prost(bool, tag = "7")]
    pub(crate) ended: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SubscriberRecord {
    #[prost(string, tag = "1")]
    pub(crate) topic: String,
    /// Empty: octets, or whatever comes.
    #[prost(string, tag = "2")]
    pub(crate) type_name: String,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) schema: Vec<u8>,
    #[prost(message, optional, tag = "4")]
    pub(crate) qos: Option<QosRecord>,
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) id: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ServiceRecord {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) request_type: String,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) request_schema: Vec<u8>,
    #[prost(string, tag = "4")]
    pub(crate) reply_type: String,
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) reply_schema: Vec<u8>,
    #[prost(string, repeated, tag = "6")]
    pub(crate) endpoints: Vec<String>,
    #[prost(bytes = "vec", tag = "7")]
    pub(crate) source: Vec<u8>,
}

impl NodeRecord {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// Reads a record; `None` if it is none, or too new.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::decode(bytes).ok().filter(|record| record.version == RECORD_VERSION && record.id.len() == 8)
    }

    /// As [`from_bytes`](Self::from_bytes), of a record that stands in this directory. The node's own sockets stand beside it, also where the
    /// node itself sees the directory at another place: one of the two may be in a container that has it mounted.
    pub(crate) fn read_in(directory: &Path, bytes: &[u8]) -> Option<Self> {
        let mut record = Self::from_bytes(bytes)?;
        let own = format!("{}.", hex(&record.id));
        let publishers = record.publishers.iter_mut().map(|publisher| &mut publisher.endpoints);
        let services = record.services.iter_mut().map(|service| &mut service.endpoints);
        for endpoint in publishers.chain(services).chain([&mut record.info]).flatten() {
            let Some(path) = endpoint.strip_prefix("ipc://").map(Path::new) else { continue };
            let name = path.file_name().and_then(OsStr::to_str).filter(|name| name.starts_with(&own));
            if let Some(name) = name
                && path.parent() != Some(directory)
            {
                *endpoint = format!("ipc://{}", directory.join(name).display());
            }
        }
        Some(record)
    }
}

impl QosRecord {
    pub(crate) fn of(qos: &Qos) -> Self {
        Self {
            depth: qos.depth,
            overflow: qos.overflow.number(),
            latch: qos.latch,
            depth_bytes: qos.depth_bytes.unwrap_or(0),
        }
    }

    pub(crate) fn is_lossless(&self) -> bool {
        matches!(self.overflow, 1 | 2)
    }

    pub(crate) fn drops_oldest(&self) -> bool {
        self.overflow == Overflow::DropOldest.number()
    }
}

impl fmt::Display for QosRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Overflow::word(self.overflow), self.depth)?;
        match self.depth_bytes {
            0 => {}
            octets if octets % (1 << 20) == 0 => write!(f, " or {} MiB", octets >> 20)?,
            octets if octets % (1 << 10) == 0 => write!(f, " or {} KiB", octets >> 10)?,
            octets => write!(f, " or {octets} B")?,
        }
        if self.latch > 0 { write!(f, ", latch {}", self.latch) } else { Ok(()) }
    }
}

/// Who a node is, and which others it knows: the question and the answer of `peers`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PeersRecord {
    /// The node's own.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) id: Vec<u8>,
    #[prost(string, tag = "2")]
    pub(crate) domain: String,
    /// That of its record.
    #[prost(uint64, tag = "3")]
    pub(crate) generation: u64,
    /// The TCP port at which it answers, at the address that the question comes from; 0 if it does not.
    #[prost(uint32, tag = "4")]
    pub(crate) port: u32,
    /// Answers: those that it hears itself.
    #[prost(message, repeated, tag = "5")]
    pub(crate) peers: Vec<PeerRecord>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PeerRecord {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) id: Vec<u8>,
    /// Where it answers.
    #[prost(string, tag = "2")]
    pub(crate) endpoint: String,
}

/// What a subscriber has to tell a publisher.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Report {
    /// The publisher.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) source: Vec<u8>,
    /// The subscriber's node.
    #[prost(string, tag = "2")]
    pub(crate) node: String,
    #[prost(enumeration = "ReportKind", tag = "3")]
    pub(crate) kind: i32,
    #[prost(string, tag = "4")]
    pub(crate) text: String,
    /// Lost: the first and last missing.
    #[prost(uint64, tag = "5")]
    pub(crate) from: u64,
    #[prost(uint64, tag = "6")]
    pub(crate) to: u64,
    /// Lost: how many are missing from the first to the last; 0: all.
    #[prost(uint64, tag = "7")]
    pub(crate) count: u64,
}

impl Report {
    /// What a subscriber of the node `node` has to tell the publisher `source`.
    pub(crate) fn new(source: &[u8], node: &str, kind: ReportKind, text: String) -> Self {
        Self {
            source: source.to_vec(),
            node: node.to_owned(),
            kind: kind.into(),
            text,
            from: 0,
            to: 0,
            count: 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum ReportKind {
    None = 0,
    Lost = 1,
    SchemaDiffers = 2,
    Degraded = 3,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use prost_reflect::{DescriptorPool, DynamicMessage};

    use super::*;
    use crate::header::TopicHeader;
    use crate::service::{CallHeader, CallStatus};

    /// What is written is what `docs/tamtam.proto` says, field by field.
    fn check(pool: &DescriptorPool, name: &str, message: &impl prost::Message) {
        let descriptor = pool.get_message_by_name(&format!("tamtam.{name}")).unwrap();
        let bytes = message.encode_to_vec();
        let read = DynamicMessage::decode(descriptor.clone(), &*bytes).unwrap();
        assert_eq!(read.unknown_fields().count(), 0, "{name}: {read}");
        for field in descriptor.fields() {
            assert!(read.has_field(&field), "{name} does not write {}", field.name());
        }
        assert_eq!(read.encode_to_vec().len(), bytes.len(), "{name}");
    }

    #[test]
    fn qualities_of_service_have_words() {
        let words = |qos: Qos| QosRecord::of(&qos).to_string();
        assert_eq!(words(Qos::default()), "block 1000 or 64 MiB");
        assert_eq!(words(Qos::keep_last(3).depth_bytes(5 << 10).latch(2)), "drop-oldest 3 or 5 KiB, latch 2");
        assert_eq!(words(Qos::log().depth_bytes(0)), "drop-newest 10000 or 1 B");
        let mut unbounded = Qos::default().overflow(Overflow::Error);
        unbounded.depth_bytes = None;
        assert_eq!(words(unbounded), "error 1000");
    }

    #[test]
    fn the_records_are_those_of_the_document() {
        let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let set = protox::compile([documents.join("tamtam.proto")], [&documents]).unwrap();
        let pool = DescriptorPool::from_file_descriptor_set(set).unwrap();
        let (text, octets, texts) = ("x".to_owned(), vec![1], vec!["y".to_owned()]);
        let qos = QosRecord { depth: 1, overflow: 2, latch: 3, depth_bytes: 4 };
        let publisher = PublisherRecord {
            topic: text.clone(),
            type_name: text.clone(),
            schema: octets.clone(),
            source: octets.clone(),
            endpoints: texts.clone(),
            qos: Some(qos.clone()),
            ended: true,
        };
        let subscriber = SubscriberRecord {
            topic: text.clone(),
            type_name: text.clone(),
            schema: octets.clone(),
            qos: Some(qos.clone()),
            id: octets.clone(),
        };
        let service = ServiceRecord {
            name: text.clone(),
            request_type: text.clone(),
            request_schema: octets.clone(),
            reply_type: text.clone(),
            reply_schema: octets.clone(),
            endpoints: texts.clone(),
            source: octets.clone(),
        };
        let node = NodeRecord {
            version: 1,
            id: octets.clone(),
            name: text.clone(),
            host: text.clone(),
            pid: 1,
            program: text.clone(),
            generation: 1,
            info: texts,
            publishers: vec![publisher.clone()],
            subscribers: vec![subscriber.clone()],
            services: vec![service.clone()],
            release: text.clone(),
        };
        let report = Report {
            source: octets.clone(),
            node: text.clone(),
            kind: ReportKind::Degraded.into(),
            text: text.clone(),
            from: 1,
            to: 2,
            count: 3,
        };
        let header = TopicHeader {
            seq: 1,
            stamp_ns: 2,
            source: octets.clone(),
            schema: 3,
            flags: 4,
            encoding: text.clone(),
            attachments: BTreeMap::from([(text.clone(), octets.clone())]),
        };
        let call = CallHeader { seq: 1, status: CallStatus::Failed.into(), text: text.clone() };
        check(&pool, "QosRecord", &qos);
        check(&pool, "PublisherRecord", &publisher);
        check(&pool, "SubscriberRecord", &subscriber);
        check(&pool, "ServiceRecord", &service);
        check(&pool, "NodeRecord", &node);
        let peer = PeerRecord { id: octets.clone(), endpoint: text.clone() };
        let peers =
            PeersRecord { id: octets, domain: text, generation: 1, port: 2, peers: vec![peer.clone()] };
        check(&pool, "PeerRecord", &peer);
        check(&pool, "PeersRecord", &peers);
        check(&pool, "Report", &report);
        check(&pool, "TopicHeader", &header);
        check(&pool, "CallHeader", &call);
    }
}
