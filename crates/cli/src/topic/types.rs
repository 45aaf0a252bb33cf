//! Where types come from: files, or what others in the registry say of themselves.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use tamtam::schema::{Schema, SchemaId};
use tamtam::{Graph, Node};

use super::inbox::STEP;
use super::presence::names;
use crate::codec::{Codec, TypeName};
use crate::exit::{Failure, Outcome};
use crate::run::Run;

/// The word for what has no type.
pub(crate) const BYTES: &str = "bytes";
/// How long nodes on other hosts may take to answer.
const PEERS: Duration = Duration::from_secs(2);

/// A service's types on the command line; `None`: octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypePair {
    pub(crate) request: Option<String>,
    pub(crate) reply: Option<String>,
}

impl FromStr for TypePair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (request, reply) =
            if text == BYTES { (BYTES, BYTES) } else { text.split_once(':').unwrap_or_default() };
        if request.is_empty() || reply.is_empty() {
            return Err("write REQUEST:REPLY, such as demo.Pair:demo.Sum, or bytes".to_owned());
        }
        let typed = |name: &str| (name != BYTES).then(|| name.to_owned());
        Ok(Self { request: typed(request), reply: typed(reply) })
    }
}

impl TypePair {
    /// Takes the types out of a file.
    pub(crate) fn load(&self, file: Option<&Path>, folders: &[PathBuf]) -> Outcome<[Option<Codec>; 2]> {
        let load = |name: &Option<String>| match (name, file) {
            (None, _) => Ok(None),
            (Some(name), Some(file)) => Codec::load(&TypeName::new(file, name), folders).map(Some),
            (Some(name), None) => {
                Err(Failure::usage(format!("where is {name} defined? add --proto FILE.proto")))
            }
        };
        Ok([load(&self.request)?, load(&self.reply)?])
    }
}

/// How long to wait for what is not there: as long as the user says, else as nodes on other hosts take.
pub(crate) fn grace(run: &Run) -> Duration {
    run.timeout().unwrap_or(if run.global.peer.is_empty() && !run.global.lan {
        Duration::ZERO
    } else {
        PEERS
    })
}

/// Waits until `found` finds something in the graph; `None` when the time is over (`None`: for ever).
pub(crate) fn look<T>(
    run: &Run,
    node: &Node,
    patience: Option<Duration>,
    found: impl Fn(&Graph) -> Option<T>,
) -> Outcome<Option<T>> {
    let begun = Instant::now();
    loop {
        run.stop.check()?;
        let left = patience.map(|patience| patience.saturating_sub(begun.elapsed()));
        let step = left.map_or(STEP, |left| left.min(STEP));
        if let Ok(graph) = node.wait_for_graph(step, |graph| found(graph).is_some()) {
            return Ok(found(&graph));
        }
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(None);
        }
    }
}

/// Fetches a type that somebody in the registry has.
pub(crate) fn fetch(run: &Run, node: &Node, name: &str, id: Option<&SchemaId>) -> Outcome<Option<Schema>> {
    let Some(id) = id else { return Ok(None) };
    match node.fetch_schema(name, id, grace(run)) {
        Ok(Some(schema)) => Ok(Some(schema)),
        Ok(None) => Err(Failure::not_found(format!(
            "what {name} looks like is not known here; give its file with --proto"
        ))),
        Err(error) => Err(Failure::incompatible(format!("the schema of {name}: {error}"))),
    }
}

/// Finds a type by its name, with those on the topic first. `patience`: how long somebody may take to come who has it.
pub(crate) fn find(
    run: &Run,
    node: &Node,
    topic: &str,
    name: &str,
    patience: Option<Duration>,
) -> Outcome<Schema> {
    let id = look(run, node, patience, |graph| find_id(graph, topic, name))?;
    let schema = fetch(run, node, name, id.as_ref())?;
    schema.ok_or_else(|| {
        let there = node.graph().topics().remove(topic).unwrap_or_default().types;
        let there = if there.is_empty() { String::new() } else { format!(" (types there: {})", names(&there)) };
        Failure::not_found(format!(
            "nobody on {topic} knows the type {name}{there}; give its file with --proto FILE.proto, or publish bytes"
        ))
    })
}

fn find_id(graph: &Graph, topic: &str, name: &str) -> Option<SchemaId> {
    let all = || graph.nodes.iter().flat_map(|node| node.subscribers.iter().chain(&node.publishers));
    let named = || all().filter(|end| end.type_name == name);
    named().find(|end| end.topic == topic && end.schema.is_some()).or_else(|| named().next())?.schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_types_are_read() {
        let pair = |text: &str| text.parse::<TypePair>().map(|pair| (pair.request, pair.reply));
        assert_eq!(pair("bytes"), Ok((None, None)));
        assert_eq!(pair("demo.A:bytes"), Ok((Some("demo.A".into()), None)));
        assert_eq!(pair("bytes:demo.B"), Ok((None, Some("demo.B".into()))));
        for wrong in ["", "demo.A", ":demo.B", "demo.A:"] {
            assert!(pair(wrong).is_err(), "{wrong}");
        }
        let failure = "demo.A:bytes".parse::<TypePair>().unwrap().load(None, &[]).unwrap_err();
        assert!(failure.text.contains("--proto"), "{}", failure.text);
    }
}
