//! What is wrong, or at least odd, about a topic.

use serde_json::{Value, json};
use tamtam::schema::{Comparison, Schema, SchemaId};

use super::names::{safe, some};
use super::survey::{End, Topic};

/// How bad a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// Worth knowing.
    Hint,
    /// Somebody may miss something.
    Warning,
    /// Somebody misses everything.
    Trouble,
}

impl Weight {
    /// Returns the word for it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Hint => "note",
            Self::Warning => "warning",
            Self::Trouble => "trouble",
        }
    }
}

/// One remark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// For programs.
    pub(crate) kind: &'static str,
    pub(crate) weight: Weight,
    pub(crate) text: String,
    /// What a comparison has found.
    pub(crate) details: Vec<String>,
}

impl Note {
    fn new(kind: &'static str, weight: Weight, text: String) -> Self {
        Self { kind, weight, text, details: Vec::new() }
    }

    /// Returns it for programs.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "kind": self.kind, "weight": self.weight.word(), "text": self.text, "details": self.details })
    }
}

/// Those who say the same of their type.
struct Group<'a> {
    type_name: &'a str,
    schema: Option<SchemaId>,
    nodes: Vec<&'a str>,
}

impl Group<'_> {
    fn who(&self) -> String {
        some(self.nodes.iter().copied())
    }
}

fn groups<'a>(ends: &[End<'a>]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for End { node, end } in ends {
        let same =
            |group: &&mut Group<'_>| (group.type_name, group.schema) == (end.type_name.as_str(), end.schema);
        match groups.iter_mut().find(same) {
            Some(group) => group.nodes.push(&node.name),
            None => {
                groups.push(Group { type_name: &end.type_name, schema: end.schema, nodes: vec![&node.name] })
            }
        }
    }
    groups
}

/// Returns what there is to say, the worst first. `fetch` gets schemas.
pub(crate) fn of(topic: &Topic<'_>, mut fetch: impl FnMut(&str, &SchemaId) -> Option<Schema>) -> Vec<Note> {
    let (writers, readers) = (groups(&topic.publishers), groups(&topic.subscribers));
    let mut notes = Vec::new();
    for reader in readers.iter().filter(|reader| !reader.type_name.is_empty()) {
        notes.extend(writers.iter().filter_map(|writer| between(writer, reader, &mut fetch)));
    }
    among_writers(&writers, &mut notes);
    lossy(topic, &mut notes);
    if topic.publishers.is_empty() {
        let text = "nobody publishes it".to_owned();
        notes.push(Note::new("no-publisher", Weight::Hint, text));
    }
    if topic.subscribers.is_empty() {
        notes.push(Note::new("no-subscriber", Weight::Hint, "nobody subscribes to it".to_owned()));
    }
    let ended = topic.publishers.iter().filter(|known| known.end.ended).map(|known| known.node.name.as_str());
    let ended: Vec<&str> = ended.collect();
    if !ended.is_empty() {
        let text = format!("{} said END: no more messages come from there", some(ended));
        notes.push(Note::new("ended", Weight::Hint, text));
    }
    notes.sort_by_key(|note| std::cmp::Reverse(note.weight));
    notes
}

/// Compares what one side writes with what the other expects.
fn between(
    writer: &Group<'_>,
    reader: &Group<'_>,
    fetch: &mut impl FnMut(&str, &SchemaId) -> Option<Schema>,
) -> Option<Note> {
    let (from, to) = (writer.who(), reader.who());
    let (written, expected) = (safe(writer.type_name), safe(reader.type_name));
    if writer.type_name.is_empty() {
        let text =
            format!("{from} publishes octets and does not say what they mean; {to} expects {expected}");
        return Some(Note::new("octets", Weight::Hint, text));
    }
    if writer.type_name != reader.type_name {
        let text = format!("{from} publishes {written}, but {to} expects {expected} and refuses it");
        return Some(Note::new("type-conflict", Weight::Trouble, text));
    }
    let (Some(ours), Some(theirs)) = (writer.schema, reader.schema) else { return None };
    if ours == theirs {
        return None;
    }
    let schemas = fetch(writer.type_name, &ours).zip(fetch(reader.type_name, &theirs));
    let Some((writes, reads)) = schemas else {
        let text = format!(
            "{from} and {to} have different schemas of {written}, which cannot be had here for comparison"
        );
        return Some(Note::new("schemas-differ", Weight::Warning, text));
    };
    let (kind, weight, text, details) = match Schema::compare(&writes, &reads) {
        Comparison::Identical => return None,
        Comparison::Compatible { notes } => {
            let text = format!("{from} and {to} have different schemas of {written} that are compatible");
            ("schema-compatible", Weight::Hint, text, notes)
        }
        Comparison::Breaking { what } => {
            let text = format!("{to} does not understand what {from} publishes as {written}, and refuses it");
            ("schema-breaking", Weight::Trouble, text, what)
        }
    };
    Some(Note { details, ..Note::new(kind, weight, text) })
}

/// Publishers of one topic that do not agree are a trouble even while nobody listens.
fn among_writers(writers: &[Group<'_>], notes: &mut Vec<Note>) {
    let typed: Vec<&Group<'_>> = writers.iter().filter(|writer| !writer.type_name.is_empty()).collect();
    let Some((first, others)) = typed.split_first() else { return };
    for other in others.iter().filter(|other| other.type_name != first.type_name) {
        let text = format!(
            "{} publishes {}, but {} publishes {}",
            first.who(),
            safe(first.type_name),
            other.who(),
            safe(other.type_name)
        );
        notes.push(Note::new("type-conflict", Weight::Trouble, text));
    }
}

/// Subscribers that want every message, at publishers that drop some.
fn lossy(topic: &Topic<'_>, notes: &mut Vec<Note>) {
    let droppers: Vec<End<'_>> =
        topic.publishers.iter().filter(|known| !known.end.lossless).copied().collect();
    let wanting: Vec<&str> = topic
        .subscribers
        .iter()
        .filter(|known| known.end.lossless)
        .map(|known| known.node.name.as_str())
        .collect();
    let Some(dropper) = droppers.first() else { return };
    if wanting.is_empty() {
        return;
    }
    let text = format!(
        "{} would wait for every message, but {} does not wait for slow subscribers ({})",
        some(wanting),
        some(droppers.iter().map(|known| known.node.name.as_str())),
        safe(&dropper.end.qos)
    );
    notes.push(Note::new("lossy", Weight::Warning, text));
}
