//! Who is there, in the words of errors.

use tamtam::{Graph, Node};

use crate::exit::{Failure, Outcome};
use crate::output::escape;

/// Who has to do with a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Presence {
    /// The names of the nodes that publish, and have not ended.
    pub(crate) publishers: Vec<String>,
    /// The names of the nodes that subscribe.
    pub(crate) subscribers: Vec<String>,
}

impl Presence {
    /// Looks at what is known of a topic, given by its full name.
    pub(crate) fn of(graph: &Graph, topic: &str) -> Self {
        let mut presence = Self::default();
        for node in &graph.nodes {
            for _ in node.publishers.iter().filter(|end| end.topic == topic && !end.ended) {
                presence.publishers.push(node.name.clone());
            }
            for _ in node.subscribers.iter().filter(|end| end.topic == topic) {
                presence.subscribers.push(node.name.clone());
            }
        }
        presence
    }
}

/// Says why no message of a topic may have come.
pub(crate) fn missing_publisher(node: &Node, topic: &str) -> String {
    let graph = node.graph();
    let publishers = Presence::of(&graph, topic).publishers;
    if !publishers.is_empty() {
        return format!(
            "{} there, and sent none: {}",
            count(publishers.len(), "publisher is", "publishers are"),
            names(&publishers)
        );
    }
    let topics = graph.topics();
    let other: Vec<String> = topics
        .iter()
        .filter(|(name, info)| name.as_str() != topic && !info.publishers.is_empty())
        .map(|(name, _)| name.clone())
        .collect();
    let others = if other.is_empty() { "no topic".to_owned() } else { names(&other) };
    format!("nobody publishes it in domain {:?}, where there is {others}", node.domain())
}

/// Lists names of others, at most a few.
pub(crate) fn names(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|name| escape(name.as_bytes())).collect();
    if names.len() > SHOWN {
        shown.push(format!("{} more", names.len() - SHOWN));
    }
    shown.join(", ")
}

/// `1 message`, `2 messages`
pub(crate) fn count(count: impl TryInto<u64> + Copy, one: &str, many: &str) -> String {
    let count: u64 = count.try_into().unwrap_or(u64::MAX);
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Returns the full name that a node gives to what the command line says.
pub(crate) fn full_name(node: &Node, name: &str) -> Outcome<String> {
    node.resolve(name).map(|name| name.to_string()).map_err(|error| Failure::usage(error.to_string()))
}
