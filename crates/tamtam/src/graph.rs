//! Who is there, and who speaks with whom.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::id::hex;
use crate::record::{NodeRecord, QosRecord};
use crate::registry::Registry;
use crate::schema::{Schema, SchemaId};
use crate::store;

/// All nodes of a domain that are known.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Graph {
    /// The nodes, by name.
    pub nodes: Vec<NodeInfo>,
}

/// One node.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NodeInfo {
    /// Its number, 16 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The host that it is on, as that calls itself.
    pub host: String,
    /// Its process there.
    pub pid: u32,
    /// The name of its program.
    pub program: String,
    /// Its release of Tamtam.
    pub release: String,
    /// Whether it is on this host, as far as the registry tells.
    pub is_local: bool,
    /// What it publishes.
    pub publishers: Vec<EndInfo>,
    /// What it subscribes to.
    pub subscribers: Vec<EndInfo>,
    /// What it offers.
    pub services: Vec<ServiceInfo>,
}

/// A publisher or subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndInfo {
    /// The topic.
    pub topic: String,
    /// The type's full name; empty for octets, and for subscribers that take everything.
    pub type_name: String,
    /// The schema's id.
    pub schema: Option<SchemaId>,
    /// The quality of service, in words.
    pub qos: String,
    /// Whether it waits (a publisher) or wants the other side to wait (a subscriber) rather than lose a message.
    pub lossless: bool,
    /// Where a publisher is.
    pub endpoints: Vec<String>,
    /// Whether a publisher has ended.
    pub ended: bool,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceInfo {
    /// Its name.
    pub name: String,
    /// The request's type; empty for octets.
    pub request_type: String,
    /// The request's schema.
    pub request_schema: Option<SchemaId>,
    /// The reply's type; empty for octets.
    pub reply_type: String,
    /// The reply's schema.
    pub reply_schema: Option<SchemaId>,
    /// Where it is.
    pub endpoints: Vec<String>,
}

/// A topic with all who have to do with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicInfo {
    /// Its types, without repetition; more than one is a conflict or an evolution.
    pub types: Vec<String>,
    /// The names of the publishing nodes, with what they publish.
    pub publishers: Vec<(String, EndInfo)>,
    /// The names of the subscribing nodes, with what they expect.
    pub subscribers: Vec<(String, EndInfo)>,
}

fn schema_id(bytes: &[u8]) -> Option<SchemaId> {
    bytes.try_into().ok().map(SchemaId::from_bytes)
}

fn qos_words(qos: Option<&QosRecord>) -> String {
    qos.map(ToString::to_string).unwrap_or_default()
}

fn open_registry(domain: &str, base: Option<&Path>) -> Result<Registry, Error> {
    crate::name::check_word(domain)?;
    Ok(match base {
        Some(base) => Registry::open_at(base, domain)?,
        None => Registry::open(domain)?,
    })
}

impl NodeInfo {
    /// Whether it has something whose type has this schema.
    pub(crate) fn has_schema(&self, id: &SchemaId) -> bool {
        let ends = self.publishers.iter().chain(&self.subscribers).map(|end| &end.schema);
        let services =
            self.services.iter().flat_map(|service| [&service.request_schema, &service.reply_schema]);
        ends.chain(services).any(|schema| schema.as_ref() == Some(id))
    }

    pub(crate) fn of(record: &NodeRecord, is_local: bool) -> Self {
        let publishers = record.publishers.iter().map(|publisher| EndInfo {
            topic: publisher.topic.clone(),
            type_name: publisher.type_name.clone(),
            schema: schema_id(&publisher.schema),
            qos: qos_words(publisher.qos.as_ref()),
            lossless: publisher.qos.as_ref().is_some_and(QosRecord::is_lossless),
            endpoints: publisher.endpoints.clone(),
            ended: publisher.ended,
        });
        let subscribers = record.subscribers.iter().map(|subscriber| EndInfo {
            topic: subscriber.topic.clone(),
            type_name: subscriber.type_name.clone(),
            schema: schema_id(&subscriber.schema),
            qos: qos_words(subscriber.qos.as_ref()),
            lossless: subscriber.qos.as_ref().is_some_and(QosRecord::is_lossless),
            endpoints: Vec::new(),
            ended: false,
        });
        let services = record.services.iter().map(|service| ServiceInfo {
            name: service.name.clone(),
            request_type: service.request_type.clone(),
            request_schema: schema_id(&service.request_schema),
            reply_type: service.reply_type.clone(),
            reply_schema: schema_id(&service.reply_schema),
            endpoints: service.endpoints.clone(),
        });
        Self {
            id: hex(&record.id),
            name: record.name.clone(),
            host: record.host.clone(),
            pid: record.pid,
            program: record.program.clone(),
            release: record.release.clone(),
            is_local,
            publishers: publishers.collect(),
            subscribers: subscribers.collect(),
            services: services.collect(),
        }
    }
}

impl Graph {
    pub(crate) fn of<'a>(records: impl IntoIterator<Item = (&'a NodeRecord, bool)>) -> Self {
        let mut nodes: Vec<NodeInfo> =
            records.into_iter().map(|(record, is_local)| NodeInfo::of(record, is_local)).collect();
        nodes.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Self { nodes }
    }

    /// Reads a domain's registry once, without taking part: what this host's nodes say of themselves. `None`: where nodes
    /// look by default.
    ///
    /// # Errors
    ///
    /// [`Error`] when the registry cannot be read.
    pub fn read(domain: &str, directory: Option<&Path>) -> Result<Self, Error> {
        let registry = open_registry(domain, directory)?;
        let found = registry.list()?;
        let records: Vec<NodeRecord> =
            found.iter().filter_map(|found| NodeRecord::read_in(registry.path(), &found.record)).collect();
        Ok(Self::of(records.iter().map(|record| (record, true))))
    }

    /// Returns the directory of a domain's registry, below the base directory that is given or, for `None`, the one where
    /// nodes look by default. Makes it if it is missing.
    ///
    /// # Errors
    ///
    /// [`Error`] when nodes cannot use it.
    pub fn directory(domain: &str, base: Option<&Path>) -> Result<PathBuf, Error> {
        Ok(open_registry(domain, base)?.path().to_owned())
    }

    /// Returns a schema by its id if a node of this host's registry has left it there, without taking part.
    ///
    /// # Errors
    ///
    /// [`Error`] when the registry cannot be read, or what stands there is no schema.
    pub fn schema(
        domain: &str,
        base: Option<&Path>,
        type_name: &str,
        id: &SchemaId,
    ) -> Result<Option<Schema>, Error> {
        store::find(&open_registry(domain, base)?, type_name, id)
    }

    /// Returns all topics, by name.
    #[must_use]
    pub fn topics(&self) -> BTreeMap<String, TopicInfo> {
        let mut topics: BTreeMap<String, TopicInfo> = BTreeMap::new();
        let mut add = |node: &NodeInfo, end: &EndInfo, publishes: bool| {
            let topic = topics.entry(end.topic.clone()).or_default();
            if !end.type_name.is_empty() && !topic.types.contains(&end.type_name) {
                topic.types.push(end.type_name.clone());
            }
            let list = if publishes { &mut topic.publishers } else { &mut topic.subscribers };
            list.push((node.name.clone(), end.clone()));
        };
        for node in &self.nodes {
            node.publishers.iter().for_each(|end| add(node, end, true));
            node.subscribers.iter().for_each(|end| add(node, end, false));
        }
        topics
    }

    /// Returns all services, by name, with the nodes that offer them.
    #[must_use]
    pub fn services(&self) -> BTreeMap<String, Vec<(String, ServiceInfo)>> {
        let mut services: BTreeMap<String, Vec<(String, ServiceInfo)>> = BTreeMap::new();
        for node in &self.nodes {
            for service in &node.services {
                services.entry(service.name.clone()).or_default().push((node.name.clone(), service.clone()));
            }
        }
        services
    }
}
