//! What the nodes say of themselves, and whether it fits together.

use std::collections::{BTreeMap, BTreeSet};

use super::Check;
use crate::look::names::{count, safe, some};
use crate::look::notes::{self, Note, Weight};
use crate::look::survey::{Survey, Topic};
use crate::run::Run;

/// Checks topics, services and releases.
pub(super) fn checks(run: &Run, survey: &Survey) -> Vec<Check> {
    let topics = survey.topics();
    let mut all: Vec<(String, Note)> = Vec::new();
    for (name, topic) in &topics {
        let notes = notes::of(topic, |type_name, id| survey.schema(run, type_name, id).ok().flatten());
        all.extend(notes.into_iter().map(|note| (safe(name), note)));
    }
    let mut checks = vec![releases(survey)];
    let mut types: Vec<Check> = all
        .iter()
        .filter(|(_, note)| note.weight == Weight::Trouble || note.kind == "schemas-differ")
        .map(|(name, note)| {
            let details: Vec<String> = note.details.iter().map(|detail| safe(detail)).collect();
            let more = if details.is_empty() { String::new() } else { format!(" ({})", details.join("; ")) };
            let text = format!("{name}: {}{more}", note.text);
            let advice =
                format!("build both sides with the same .proto files; `tamtam info {name}` shows who is who");
            if note.weight == Weight::Trouble {
                Check::fail("types", text, advice)
            } else {
                Check::warn("types", text, advice)
            }
        })
        .collect();
    types.extend(service_types(survey));
    if types.is_empty() {
        types.push(Check::ok(
            "types",
            format!("those who share one of {} agree", count(topics.len(), "topic")),
        ));
    }
    checks.extend(types);
    let lossy: Vec<Check> = all
        .iter()
        .filter(|(_, note)| note.kind == "lossy")
        .map(|(name, note)| {
            let advice =
                "let the publisher wait (Overflow::Block), or the subscriber say that it can do without";
            Check::warn("loss", format!("{name}: {}", note.text), advice)
        })
        .collect();
    checks.extend(lossy);
    checks.push(Check::skip(
        "drops",
        "full queues and lost messages cannot be seen from outside",
        "`tamtam echo TOPIC` and `tamtam hz TOPIC` count what is missing; in programs, Event::Lost and \
         PublisherEvent tell it",
    ));
    checks.extend(similar(&topics));
    checks
}

/// Several releases in one domain work, as far as they know of each other.
fn releases(survey: &Survey) -> Check {
    let own = env!("CARGO_PKG_VERSION");
    let mut releases: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for node in &survey.graph.nodes {
        releases.entry(&node.release).or_default().push(&node.name);
    }
    let others: Vec<String> = releases
        .iter()
        .filter(|(release, _)| **release != own)
        .map(|(release, names)| format!("{} ({})", safe(release), some(names.iter().copied())))
        .collect();
    if others.is_empty() {
        return Check::ok("releases", format!("all nodes have {own}, as this command"));
    }
    Check::warn(
        "releases",
        format!("this command is {own}, but there is also {}", others.join(", ")),
        "rebuild the programs with one release",
    )
}

fn service_types(survey: &Survey) -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, servers) in survey.services() {
        let kinds: BTreeSet<(&str, &str)> = servers
            .iter()
            .map(|(_, service)| (service.request_type.as_str(), service.reply_type.as_str()))
            .collect();
        if kinds.len() > 1 {
            let who = some(servers.iter().map(|(node, _)| node.name.as_str()));
            let text = format!("{}: {who} offer it with different types", safe(name));
            checks.push(Check::fail("types", text, "`tamtam services -v` shows them; rename one of them"));
        }
    }
    checks
}

/// Two names of what may be one thing: they differ in case or in a leading part, their types are equal, and
/// each has what the other lacks.
fn similar(topics: &BTreeMap<&str, Topic<'_>>) -> Vec<Check> {
    let mut by_last: BTreeMap<String, Vec<(&str, &Topic<'_>)>> = BTreeMap::new();
    for (name, topic) in topics {
        let last = name.rsplit('/').next().unwrap_or_default().to_lowercase();
        by_last.entry(last).or_default().push((name, topic));
    }
    let mut checks = Vec::new();
    for group in by_last.values() {
        for (index, (first, one)) in group.iter().enumerate() {
            for (second, other) in group.iter().skip(index + 1) {
                if one.types() == other.types() && are_alike(first, second) && have_missed(one, other) {
                    checks.push(Check::warn(
                        "names",
                        format!("{} and {} may be meant to be one topic", safe(first), safe(second)),
                        "names have to be equal to the letter; see the nodes' namespaces and remappings",
                    ));
                }
            }
        }
    }
    if checks.is_empty() {
        checks.push(Check::ok("names", "no two look as if they were meant to be one"));
    }
    checks
}

fn are_alike(a: &str, b: &str) -> bool {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    a.ends_with(&b) || b.ends_with(&a)
}

/// Whether one has what the other lacks.
fn have_missed(a: &Topic<'_>, b: &Topic<'_>) -> bool {
    let lacks = |a: &Topic<'_>, b: &Topic<'_>| {
        (a.publishers.is_empty() && !b.publishers.is_empty())
            || (a.subscribers.is_empty() && !b.subscribers.is_empty())
    };
    lacks(a, b) && lacks(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_alike_by_case_or_leading_part() {
        for (a, b) in [("/imu", "/robot/imu"), ("/Imu", "/imu"), ("/a/imu", "/x/a/IMU")] {
            assert!(are_alike(a, b) && are_alike(b, a), "{a} {b}");
        }
        assert!(!are_alike("/left/imu", "/right/imu"));
        assert!(!are_alike("/imu", "/robot/simu"));
    }
}
