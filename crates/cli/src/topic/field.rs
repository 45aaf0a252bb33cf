//! Fields of messages by their path: `pose.position.x`.

use std::fmt;
use std::str::FromStr;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, Value};

use super::value::{entry_kind, key_text};

/// Names of fields, each within the one before; a number behind a list is an element, a word behind a map an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldPath(Vec<String>);

/// What stands at the end of a path.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) value: Value,
    pub(crate) kind: Kind,
}

impl FromStr for FieldPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<String> = text.split('.').map(|part| part.trim().to_owned()).collect();
        if parts.iter().any(String::is_empty) {
            return Err(
                "write a field's name, with dots between those inside of each other: pose.x".to_owned()
            );
        }
        Ok(Self(parts))
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

impl FieldPath {
    /// A path of these names.
    pub(crate) const fn new(parts: Vec<String>) -> Self {
        Self(parts)
    }

    /// Looks whether messages of this type have the field; returns its kind.
    ///
    /// # Errors
    ///
    /// What is not there, and what is.
    pub(crate) fn check(&self, descriptor: &MessageDescriptor) -> Result<Kind, String> {
        let mut within = descriptor.clone();
        let mut parts = self.0.iter().peekable();
        while let Some(part) = parts.next() {
            let Some(field) = within.get_field_by_name(part) else {
                let known: Vec<String> = within.fields().map(|field| field.name().to_owned()).collect();
                return Err(format!(
                    "no field {part} in {} (there: {})",
                    within.full_name(),
                    known.join(", ")
                ));
            };
            if field.is_map() {
                // The next part is an entry's key.
                parts.next();
            } else if field.is_list() && parts.peek().is_some_and(|part| part.parse::<usize>().is_ok()) {
                parts.next();
            }
            let kind = entry_kind(&field.kind());
            match (parts.peek(), kind) {
                (None, kind) => return Ok(kind),
                (Some(_), Kind::Message(inner)) => within = inner,
                (Some(next), _) => return Err(format!("{part} has no field {next}: it is no message")),
            }
        }
        Err("a path without a field".to_owned())
    }

    /// Returns what stands there: of a list on the way every element's; nothing where there is no such field.
    pub(crate) fn find(&self, message: &DynamicMessage) -> Vec<Found> {
        let mut found = Vec::new();
        collect(message, &self.0, &mut found);
        found
    }
}

fn collect(message: &DynamicMessage, path: &[String], found: &mut Vec<Found>) {
    let Some((first, rest)) = path.split_first() else { return };
    let Some(field) = message.descriptor().get_field_by_name(first) else { return };
    let value = message.get_field(&field);
    enter(&value, &field, rest, found);
}

fn enter(value: &Value, field: &FieldDescriptor, rest: &[String], found: &mut Vec<Found>) {
    match (value, rest.split_first()) {
        (value, None) => found.push(Found { value: value.clone(), kind: field.kind() }),
        (Value::List(values), Some((index, behind))) => match index.parse::<usize>() {
            Ok(index) => {
                if let Some(value) = values.get(index) {
                    deeper(value, &field.kind(), behind, found);
                }
            }
            Err(_) => values.iter().for_each(|value| deeper(value, &field.kind(), rest, found)),
        },
        (Value::Map(entries), Some((key, behind))) => {
            if let Some((_, value)) = entries.iter().find(|(known, _)| key_text(known) == *key) {
                deeper(value, &entry_kind(&field.kind()), behind, found);
            }
        }
        (value, Some(_)) => deeper(value, &field.kind(), rest, found),
    }
}

fn deeper(value: &Value, kind: &Kind, rest: &[String], found: &mut Vec<Found>) {
    match value {
        value if rest.is_empty() => found.push(Found { value: value.clone(), kind: kind.clone() }),
        Value::Message(message) => collect(message, rest, found),
        _ => {}
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::value::to_text;
    use super::*;
    use crate::codec::{Codec, TypeName};

    pub(crate) const PROTO: &str = r#"
        syntax = "proto3"; package demo;
        message Point { double x = 1; double y = 2; }
        enum Level { NONE = 0; WARNING = 1; ERROR = 2; }
        message Cmd { int32 id = 1; string text = 2; Point at = 3; repeated Point way = 4; Level level = 5;
          map<string, int32> labels = 6; bytes raw = 7; bool on = 8; uint64 big = 9; repeated string tags = 10; }
    "#;

    pub(crate) fn message(text: &str) -> DynamicMessage {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("demo.proto");
        std::fs::write(&file, PROTO).unwrap();
        let codec = Codec::load(&TypeName::new(&file, "demo.Cmd"), &[]).unwrap();
        let body = codec.encode(text.as_bytes()).unwrap();
        codec.decode(&body).unwrap().message().clone()
    }

    fn shown(path: &str, message: &DynamicMessage) -> Vec<String> {
        let path: FieldPath = path.parse().unwrap();
        path.check(&message.descriptor()).unwrap();
        path.find(message).iter().map(|found| to_text(&found.value, &found.kind)).collect()
    }

    #[test]
    fn paths_lead_into_messages_lists_and_maps() {
        let message = message(
            "id: 7 at { x: 1.5 } way { x: 1 } way { x: 2 } level: ERROR labels { key: 'a' value: 3 } tags: 't'",
        );
        assert_eq!(shown("id", &message), ["7"]);
        assert_eq!(shown("at.x", &message), ["1.5"]);
        assert_eq!(shown("at", &message), ["{\"x\":1.5,\"y\":0.0}"]);
        assert_eq!(shown("way.x", &message), ["1.0", "2.0"]);
        assert_eq!(shown("way.1.x", &message), ["2.0"]);
        assert!(shown("way.2.x", &message).is_empty());
        assert_eq!(shown("labels.a", &message), ["3"]);
        assert_eq!(shown("labels", &message), ["{\"a\":3}"]);
        assert_eq!(shown("level", &message), ["ERROR"]);
        assert_eq!(shown("tags", &message), ["[\"t\"]"]);
        assert_eq!(shown("tags.0", &message), ["t"]);
    }

    #[test]
    fn what_is_not_there_is_named_with_what_is() {
        let descriptor = message("").descriptor();
        let check = |path: &str| path.parse::<FieldPath>().unwrap().check(&descriptor).unwrap_err();
        assert_eq!(check("at.z"), "no field z in demo.Point (there: x, y)");
        assert!(check("nope").starts_with("no field nope in demo.Cmd (there: id, text"));
        assert_eq!(check("id.x"), "id has no field x: it is no message");
        assert!("a..b".parse::<FieldPath>().is_err());
    }
}
