//! What is known of the domain, read once, and the errors about what is not in it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tamtam::schema::{Schema, SchemaId};
use tamtam::{EndInfo, Error, Graph, Name, Node, NodeInfo, ServiceInfo};

use super::names::{closest, safe, some};
use crate::exit::{Failure, Outcome, note};
use crate::run::Run;

/// How long nodes on other hosts have to answer if `--timeout` says nothing.
const PEERS_ANSWER: Duration = Duration::from_millis(1500);
/// How often the wish to stop is looked at meanwhile.
const SLICE: Duration = Duration::from_millis(100);

/// The domain as it was when the command looked.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) graph: Graph,
    pub(crate) domain: String,
    peers: Vec<String>,
    /// What has looked at other hosts.
    node: Option<Node>,
    /// How many of the peers have answered.
    pub(crate) answered: usize,
}

/// A publisher or subscriber, and the node that it is on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<'a> {
    pub(crate) node: &'a NodeInfo,
    pub(crate) end: &'a EndInfo,
}

/// A topic and all who have to do with it.
#[derive(Debug, Default)]
pub(crate) struct Topic<'a> {
    pub(crate) publishers: Vec<End<'a>>,
    pub(crate) subscribers: Vec<End<'a>>,
}

/// Makes the failure of an operation of the library.
pub(crate) fn refused(tried: &str, error: &Error) -> Failure {
    match error {
        Error::Name(error) => Failure::usage(format!("{tried}: {error}")),
        error => Failure::failed(format!("{tried}: {error}")),
    }
}

/// Returns the full name of a topic or service as it was typed.
pub(crate) fn full_name(typed: &str) -> Outcome<String> {
    typed.parse::<Name>().map(|name| name.to_string()).map_err(|error| Failure::usage(error.to_string()))
}

impl Survey {
    /// Reads this host's registry and, with `--peer`, waits for what the peers say and those that they know; with `--lan`, for as long as peers may take,
    /// since nobody knows how many there are.
    pub(crate) fn read(run: &Run, command: &str) -> Outcome<Self> {
        let domain = run.domain();
        let peers = run.global.peer.clone();
        if peers.is_empty() && !run.global.lan {
            let tried = format!("cannot read which nodes are in domain {domain:?}");
            let graph = Graph::read(&domain, None).map_err(|error| refused(&tried, &error))?;
            return Ok(Self { graph, domain, peers, node: None, answered: 0 });
        }
        let node = run.node(command)?;
        let timeout = run.timeout().unwrap_or(PEERS_ANSWER);
        // With all peers, and those that they know.
        let are_all_there = || {
            let counts = node.peer_counts();
            counts.answered == counts.named && counts.awaited == 0
        };
        let graph = wait_for(run, &node, timeout, |_| !run.global.lan && are_all_there())?;
        let answered = node.peer_counts().answered;
        if answered < peers.len() {
            // Even with --quiet: what follows is not all that was asked for.
            note(&format!(
                "warning: {answered} of {} peers answered within {timeout:?} ({})",
                peers.len(),
                peers.join(", ")
            ));
        }
        let mut graph = graph;
        let own =
            |known: &NodeInfo| known.is_local && known.pid == std::process::id() && known.name == node.name();
        graph.nodes.retain(|known| !own(known));
        Ok(Self { graph, domain, peers, node: Some(node), answered })
    }

    /// Returns the directory that was looked at.
    pub(crate) fn directory(&self) -> Option<PathBuf> {
        Graph::directory(&self.domain, None).ok()
    }

    /// Returns all topics, by name.
    pub(crate) fn topics(&self) -> BTreeMap<&str, Topic<'_>> {
        let mut topics: BTreeMap<&str, Topic<'_>> = BTreeMap::new();
        for node in &self.graph.nodes {
            for end in &node.publishers {
                topics.entry(&end.topic).or_default().publishers.push(End { node, end });
            }
            for end in &node.subscribers {
                topics.entry(&end.topic).or_default().subscribers.push(End { node, end });
            }
        }
        topics
    }

    /// Returns all services with the nodes that offer them, by name.
    pub(crate) fn services(&self) -> BTreeMap<&str, Vec<(&NodeInfo, &ServiceInfo)>> {
        let mut services: BTreeMap<&str, Vec<(&NodeInfo, &ServiceInfo)>> = BTreeMap::new();
        for node in &self.graph.nodes {
            for service in &node.services {
                services.entry(&service.name).or_default().push((node, service));
            }
        }
        services
    }

    /// Returns a topic with its full name.
    pub(crate) fn topic(&self, typed: &str) -> Outcome<(String, Topic<'_>)> {
        let name = full_name(typed)?;
        match self.topics().remove(name.as_str()) {
            Some(topic) => Ok((name, topic)),
            None => Err(self.no_topic(&name)),
        }
    }

    /// Makes the failure for a topic that is not there.
    pub(crate) fn no_topic(&self, name: &str) -> Failure {
        if self.services().contains_key(name) {
            return Failure::not_found(format!(
                "no topic {name}, but a service of this name; `tamtam services` shows it"
            ));
        }
        self.missing("topic", name, self.topics().into_keys(), "`tamtam list`")
    }

    /// Makes the failure for a thing that is not there.
    pub(crate) fn missing<'a>(
        &self,
        kind: &str,
        wanted: &str,
        known: impl IntoIterator<Item = &'a str>,
        command: &str,
    ) -> Failure {
        let wanted_text = safe(wanted);
        if self.graph.nodes.is_empty() {
            return Failure::not_found(format!("no {kind} {wanted_text}: {}", self.nobody()));
        }
        let known: Vec<&str> = known.into_iter().collect();
        if let Some(close) = closest(wanted, known.iter().copied()) {
            return Failure::not_found(format!("no {kind} {wanted_text}; did you mean {}?", safe(close)));
        }
        let there = if known.is_empty() { "none at all".to_owned() } else { some(known) };
        let domain = &self.domain;
        Failure::not_found(format!(
            "no {kind} {wanted_text} in domain {domain:?} (there: {there}); {command} shows all"
        ))
    }

    /// Says that the domain is empty, and where that was looked at.
    pub(crate) fn nobody(&self) -> String {
        let place =
            self.directory().map(|path| format!(" (looked in {})", path.display())).unwrap_or_default();
        let asked = if self.peers.is_empty() {
            String::new()
        } else {
            format!(" and {} of {} peers answered", self.answered, self.peers.len())
        };
        format!(
            "no node is in domain {:?}{place}{asked}; start one, name another domain with --domain, or let \
             `tamtam doctor` look further",
            self.domain
        )
    }

    /// Returns a schema, from this host or from a node on another one; `None` if nobody has it.
    pub(crate) fn schema(&self, run: &Run, type_name: &str, id: &SchemaId) -> Outcome<Option<Schema>> {
        let tried = format!("cannot read the schema of {}", safe(type_name));
        let known =
            Graph::schema(&self.domain, None, type_name, id).map_err(|error| refused(&tried, &error))?;
        if known.is_some() {
            return Ok(known);
        }
        let Some(node) = &self.node else { return Ok(None) };
        let timeout = run.timeout().unwrap_or(PEERS_ANSWER);
        node.fetch_schema(type_name, id, timeout).map_err(|error| refused(&tried, &error))
    }
}

/// Waits for the graph, or for the time to be over; the graph as it is then.
fn wait_for(run: &Run, node: &Node, timeout: Duration, found: impl Fn(&Graph) -> bool) -> Outcome<Graph> {
    let begun = Instant::now();
    loop {
        run.stop.check()?;
        let left = timeout.saturating_sub(begun.elapsed());
        match node.wait_for_graph(left.min(SLICE), &found) {
            Ok(graph) => return Ok(Graph::clone(&graph)),
            Err(graph) if left.is_zero() => return Ok(Graph::clone(&graph)),
            Err(_) => {}
        }
    }
}

impl<'a> Topic<'a> {
    /// Returns everybody, publishers first.
    pub(crate) fn ends(&self) -> impl Iterator<Item = End<'a>> + '_ {
        self.publishers.iter().chain(&self.subscribers).copied()
    }

    /// Returns the types, publishers' first, without repetition.
    pub(crate) fn types(&self) -> Vec<&'a str> {
        let mut types: Vec<&str> = Vec::new();
        for End { end, .. } in self.ends() {
            if !end.type_name.is_empty() && !types.contains(&end.type_name.as_str()) {
                types.push(&end.type_name);
            }
        }
        types
    }

    /// Returns the schemas with their types' names, publishers' first, without repetition.
    pub(crate) fn schemas(&self) -> Vec<(&'a str, SchemaId)> {
        unique_schemas(self.ends())
    }

    /// Returns the types for people: octets have none.
    pub(crate) fn types_text(&self) -> String {
        let types: Vec<String> = self.types().into_iter().map(safe).collect();
        if !types.is_empty() {
            return types.join(", ");
        }
        // A subscriber without a type may take anything.
        if self.publishers.is_empty() { "any" } else { "octets" }.to_owned()
    }
}

/// Returns the schemas with their types' names, without repetition.
pub(crate) fn unique_schemas<'a>(ends: impl Iterator<Item = End<'a>>) -> Vec<(&'a str, SchemaId)> {
    let mut schemas: Vec<(&str, SchemaId)> = Vec::new();
    for End { end, .. } in ends {
        if let Some(id) = end.schema
            && !schemas.iter().any(|(_, known)| *known == id)
        {
            schemas.push((&end.type_name, id));
        }
    }
    schemas
}

/// Returns the form of a schema's id that people see.
pub(crate) fn short(id: &SchemaId) -> String {
    format!("{:016x}", id.short())
}

/// Returns a name for programs; there is none for octets.
pub(crate) fn named(type_name: &str) -> Value {
    if type_name.is_empty() { Value::Null } else { type_name.into() }
}

impl End<'_> {
    /// Returns it for programs.
    pub(crate) fn to_json(self) -> Value {
        let Self { node, end } = self;
        json!({
            "node": node.name,
            "id": node.id,
            "host": node.host,
            "pid": node.pid,
            "program": node.program,
            "local": node.is_local,
            "type": named(&end.type_name),
            "schema": end.schema.map(|id| id.to_string()),
            "qos": end.qos,
            "lossless": end.lossless,
            "endpoints": end.endpoints,
            "ended": end.ended,
        })
    }
}

/// Returns a topic for programs.
pub(crate) fn topic_json(name: &str, topic: &Topic<'_>) -> Value {
    let ends = |ends: &[End<'_>]| ends.iter().map(|end| end.to_json()).collect::<Vec<_>>();
    json!({
        "topic": name,
        "types": topic.types(),
        "conflict": topic.types().len() > 1,
        "publishers": ends(&topic.publishers),
        "subscribers": ends(&topic.subscribers),
    })
}
