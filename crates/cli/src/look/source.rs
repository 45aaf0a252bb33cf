//! Schemas by what the command line calls them: a topic, a type in use, or a file and a type in it.

use std::path::{Path, PathBuf};

use prost_reflect::DescriptorPool;
use tamtam::schema::{Schema, SchemaId};

use super::list::{means, types};
use super::names::{safe, some};
use super::survey::{End, Survey, Topic, full_name, short, unique_schemas};
use crate::codec::{Codec, TypeName};
use crate::exit::{Failure, Outcome};
use crate::run::Run;

/// A schema and who has it.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) schema: Schema,
    /// For people: the file, or the topic and a node.
    pub(crate) from: String,
}

/// The endings of files with encoded descriptor sets.
const SETS: [&str; 6] = ["fds", "pb", "binpb", "protoset", "desc", "bin"];

/// Takes `FILE:TYPE` apart; `None` if it does not look like a file.
fn as_file(text: &str) -> Option<(PathBuf, Option<&str>)> {
    let is_file = |path: &str| {
        let ending = Path::new(path).extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| ending == "proto" || SETS.contains(&ending))
    };
    match text.rsplit_once(':') {
        Some((path, name)) if is_file(path) => Some((path.into(), Some(name))),
        _ => is_file(text).then(|| (text.into(), None)),
    }
}

/// Returns the schema of a file or else of a topic.
pub(crate) fn file_or_topic(run: &Run, text: &str, proto_path: &[PathBuf]) -> Outcome<Found> {
    if let Some(found) = file(text, proto_path)? {
        return Ok(found);
    }
    let survey = Survey::read(run, "schema")?;
    let (name, topic) = survey.topic(text)?;
    of_topic(run, &survey, &name, &topic)
}

/// Returns the schema of `FILE.proto:TYPE` or `FILE.fds:TYPE`; `None` if the text does not look like that.
pub(crate) fn file(text: &str, proto_path: &[PathBuf]) -> Outcome<Option<Found>> {
    let Some((path, type_name)) = as_file(text) else { return Ok(None) };
    let schema = if path.extension().is_some_and(|ending| ending == "proto") {
        let wanted: TypeName = text.parse().map_err(Failure::usage)?;
        Codec::load(&wanted, proto_path)?.schema()?
    } else {
        let set = std::fs::read(&path).map_err(|error| {
            let text = format!("cannot read {}: {error}", path.display());
            if error.kind() == std::io::ErrorKind::NotFound {
                Failure::not_found(text)
            } else {
                Failure::failed(text)
            }
        })?;
        let name = pick(&path, &set, type_name)?;
        Schema::new(&name, &set)
            .map_err(|error| Failure::failed(format!("cannot use {}: {error}", path.display())))?
    };
    Ok(Some(Found { schema, from: path.display().to_string() }))
}

/// Returns the full name of a type in a descriptor set.
fn pick(path: &Path, set: &[u8], wanted: Option<&str>) -> Outcome<String> {
    let file = path.display();
    let pool = DescriptorPool::decode(set)
        .map_err(|error| Failure::failed(format!("{file} holds no descriptor set: {error}")))?;
    let all: Vec<String> = pool
        .all_messages()
        .filter(|message| !message.is_map_entry())
        .map(|message| message.full_name().to_owned())
        .collect();
    let chosen: Vec<&String> = match wanted {
        Some(wanted) => match all.iter().find(|name| *name == wanted) {
            Some(exact) => vec![exact],
            None => all.iter().filter(|name| means(wanted, name)).collect(),
        },
        None => all.iter().collect(),
    };
    let there = || some(all.iter().map(String::as_str));
    match (&chosen[..], wanted) {
        ([one], _) => Ok((*one).clone()),
        ([], Some(wanted)) => Err(Failure::not_found(format!(
            "no message type {} in {file} (there: {})",
            safe(wanted),
            there()
        ))),
        ([], None) => Err(Failure::not_found(format!("no message type in {file}"))),
        _ => Err(Failure::not_found(format!("which message type? write {file}:TYPE (there: {})", there()))),
    }
}

/// Returns the schemas of all who publish the topic or, if nobody does, of all who subscribe to it.
pub(crate) fn all_of_topic(run: &Run, survey: &Survey, name: &str, topic: &Topic<'_>) -> Outcome<Vec<Found>> {
    let mut known = unique_schemas(topic.publishers.iter().copied());
    if known.is_empty() {
        known = topic.schemas();
    }
    if known.is_empty() {
        return Err(Failure::not_found(format!(
            "topic {name} has no schema: {}",
            if topic.publishers.is_empty() {
                "nobody publishes it, and its subscribers take anything"
            } else {
                "its publishers send octets and do not say what they mean"
            }
        )));
    }
    known.iter().map(|(type_name, id)| fetch(run, survey, name, topic, type_name, id)).collect()
}

/// Returns one schema of a topic; says so if there are others.
pub(crate) fn of_topic(run: &Run, survey: &Survey, name: &str, topic: &Topic<'_>) -> Outcome<Found> {
    let mut all = all_of_topic(run, survey, name, topic)?.into_iter();
    let Some(first) = all.next() else {
        return Err(Failure::not_found(format!("topic {name} has no schema")));
    };
    for other in all {
        let (taken, left) = (short(&first.schema.id()), short(&other.schema.id()));
        run.tell(&format!("note: {taken} of {} is taken, not {left} of {}", first.from, other.from));
    }
    Ok(first)
}

fn fetch(
    run: &Run,
    survey: &Survey,
    name: &str,
    topic: &Topic<'_>,
    type_name: &str,
    id: &SchemaId,
) -> Outcome<Found> {
    let holder = topic.ends().find(|End { end, .. }| end.schema.as_ref() == Some(id));
    let who = holder.map_or_else(|| "?".to_owned(), |End { node, .. }| safe(&node.name));
    let from = format!("{name} ({who})");
    match survey.schema(run, type_name, id)? {
        Some(schema) => Ok(Found { schema, from }),
        None => Err(Failure::failed(format!(
            "cannot get schema {} of {} from {who}: it is not in this host's registry{}",
            short(id),
            safe(type_name),
            if run.global.peer.is_empty() { "" } else { ", and no peer gave it" }
        ))),
    }
}

/// Returns the schemas of a topic or of a type that is in use.
pub(crate) fn topic_or_type(run: &Run, text: &str) -> Outcome<Vec<Found>> {
    let survey = Survey::read(run, "schema")?;
    let as_topic = full_name(text).ok();
    let topics = survey.topics();
    if let Some((name, topic)) = as_topic.as_deref().and_then(|name| topics.get_key_value(name)) {
        return all_of_topic(run, &survey, name, topic);
    }
    if text.starts_with('/') {
        return Err(survey.no_topic(text));
    }
    let mut found: Vec<Found> = Vec::new();
    let mut add = |type_name: &str, id: &SchemaId, from: String| -> Outcome {
        if means(text, type_name)
            && !found.iter().any(|known| known.schema.id() == *id)
            && let Some(schema) = survey.schema(run, type_name, id)?
        {
            found.push(Found { schema, from });
        }
        Ok(())
    };
    for (name, topic) in &topics {
        for End { node, end } in topic.ends() {
            if let Some(id) = &end.schema {
                add(&end.type_name, id, format!("{} ({})", safe(name), safe(&node.name)))?;
            }
        }
    }
    for (name, servers) in survey.services() {
        for (node, service) in servers {
            let both = [
                (&service.request_type, &service.request_schema),
                (&service.reply_type, &service.reply_schema),
            ];
            for (type_name, id) in both {
                if let Some(id) = id {
                    add(type_name, id, format!("{} ({})", safe(name), safe(&node.name)))?;
                }
            }
        }
    }
    if found.is_empty() {
        let known = topics.keys().copied().chain(types(&survey));
        return Err(survey.missing("topic or type", text, known, "`tamtam list`"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_from_topics() {
        assert_eq!(as_file("a/b.proto:demo.Imu"), Some(("a/b.proto".into(), Some("demo.Imu"))));
        assert_eq!(as_file("imu.fds"), Some(("imu.fds".into(), None)));
        assert_eq!(as_file("a:b.proto"), Some(("a:b.proto".into(), None)));
        for topic in ["/imu", "imu", "/imu.raw", "demo.Imu"] {
            assert_eq!(as_file(topic), None, "{topic}");
        }
    }
}
