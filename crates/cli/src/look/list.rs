//! `tamtam list`, `find`, `nodes` and `services`.

use serde_json::{Value, json};
use tamtam::{NodeInfo, ServiceInfo};

use super::args::{FindArgs, ListArgs, NodesArgs, ServicesArgs};
use super::names::{count, matches, safe};
use super::survey::{End, Survey, Topic, named, short, topic_json};
use super::{print_json, print_table};
use crate::exit::Outcome;
use crate::run::Run;
use crate::table::{Paint, Table};

/// Lists topics.
pub(crate) fn topics(run: &Run, args: &ListArgs) -> Outcome {
    let survey = Survey::read(run, "list")?;
    let mut topics = survey.topics();
    if let Some(pattern) = &args.pattern {
        topics.retain(|name, _| matches(pattern, name));
        if topics.is_empty() {
            let all = survey.topics();
            return Err(survey.missing("topic like", pattern, all.into_keys(), "`tamtam list`"));
        }
    }
    if run.global.json {
        print_json(topics.iter().map(|(name, topic)| topic_json(name, topic)))?;
    } else if run.global.verbose {
        print_table(run, &detailed(topics.iter().map(|(name, topic)| (*name, topic))))?;
    } else {
        let mut table = Table::default();
        topics.iter().for_each(|(name, topic)| table.painted(summary(name, topic)));
        print_table(run, &table)?;
    }
    conclude(run, &survey, &count(topics.len(), "topic"));
    Ok(())
}

/// Says on standard error what was looked at.
fn conclude(run: &Run, survey: &Survey, found: &str) {
    if survey.graph.nodes.is_empty() {
        return run.tell(&survey.nobody());
    }
    let nodes = count(survey.graph.nodes.len(), "node");
    run.tell(&format!("{found}, {nodes} · domain {:?}", survey.domain));
}

fn summary(name: &str, topic: &Topic<'_>) -> Vec<(String, Paint)> {
    let (mark, paint) = mark(topic);
    let types = if topic.types().len() > 1 { Paint::Bad } else { Paint::Plain };
    vec![
        (safe(name), Paint::Plain),
        (topic.types_text(), types),
        (format!("{} pub", topic.publishers.len()), Paint::Plain),
        (format!("{} sub", topic.subscribers.len()), Paint::Plain),
        (mark.to_owned(), paint),
    ]
}

/// What is odd about a topic, in few words; `tamtam info` has more.
fn mark(topic: &Topic<'_>) -> (&'static str, Paint) {
    let ended = !topic.publishers.is_empty() && topic.publishers.iter().all(|End { end, .. }| end.ended);
    match (topic.types().len(), topic.schemas().len()) {
        (2.., _) => ("type conflict", Paint::Bad),
        (_, 2..) => ("schemas differ", Paint::Careful),
        _ if ended => ("ended", Paint::Faint),
        _ => ("", Paint::Plain),
    }
}

/// One line a topic, and one for each who has to do with it.
fn detailed<'a>(topics: impl Iterator<Item = (&'a str, &'a Topic<'a>)>) -> Table {
    let mut table = Table::default();
    for (name, topic) in topics {
        table.painted(summary(name, topic));
        for (role, ends) in [("pub", &topic.publishers), ("sub", &topic.subscribers)] {
            for End { node, end } in ends {
                let ended = if end.ended { "ended" } else { "" };
                let what = if end.type_name.is_empty() { "-".to_owned() } else { safe(&end.type_name) };
                let cells = [
                    format!("  {role} {}", safe(&node.name)),
                    what,
                    safe(&end.qos),
                    ended.to_owned(),
                    safe(&end.endpoints.join(" ")),
                ];
                table.painted(cells.map(|cell| (cell, Paint::Faint)));
            }
        }
    }
    table
}

/// Whether a type is meant: by its full name, or by what stands behind one of its points.
pub(crate) fn means(wanted: &str, type_name: &str) -> bool {
    let wanted = wanted.trim_start_matches('.');
    let ends_so = || type_name.strip_suffix(wanted).is_some_and(|rest| rest.ends_with('.'));
    !wanted.is_empty() && (type_name == wanted || ends_so())
}

/// Lists who has a type.
pub(crate) fn find(run: &Run, args: &FindArgs) -> Outcome {
    let survey = Survey::read(run, "find")?;
    let wanted = args.type_name.as_str();
    let mut objects: Vec<Value> = Vec::new();
    let mut table = Table::default();
    for (name, topic) in survey.topics() {
        let types: Vec<&str> = topic.types().into_iter().filter(|known| means(wanted, known)).collect();
        if !types.is_empty() {
            table.row(["topic".to_owned(), safe(name), safe(&types.join(", "))]);
            objects.push(json!({ "kind": "topic", "name": name, "types": types }));
        }
    }
    for (name, servers) in survey.services() {
        let found = servers
            .iter()
            .find(|(_, service)| means(wanted, &service.request_type) || means(wanted, &service.reply_type));
        if let Some((_, service)) = found {
            table.row(["service".to_owned(), safe(name), signature(service)]);
            let types = [&service.request_type, &service.reply_type];
            objects.push(json!({ "kind": "service", "name": name, "types": types }));
        }
    }
    if objects.is_empty() {
        return Err(survey.missing("type", wanted, types(&survey), "`tamtam list`"));
    }
    if run.global.json { print_json(objects) } else { print_table(run, &table) }
}

/// Returns all types that are in use.
pub(crate) fn types(survey: &Survey) -> Vec<&str> {
    let mut types: Vec<&str> = survey.topics().values().flat_map(Topic::types).collect();
    for service in survey.graph.nodes.iter().flat_map(|node| &node.services) {
        types.extend([service.request_type.as_str(), &service.reply_type]);
    }
    types.retain(|name| !name.is_empty());
    types.sort_unstable();
    types.dedup();
    types
}

fn signature(service: &ServiceInfo) -> String {
    let word = |name: &str| if name.is_empty() { "octets".to_owned() } else { safe(name) };
    format!("{} → {}", word(&service.request_type), word(&service.reply_type))
}

/// Lists nodes.
pub(crate) fn nodes(run: &Run, args: &NodesArgs) -> Outcome {
    let survey = Survey::read(run, "nodes")?;
    let mut nodes: Vec<&NodeInfo> = survey.graph.nodes.iter().collect();
    if let Some(pattern) = &args.pattern {
        nodes.retain(|node| matches(pattern, &node.name));
        if nodes.is_empty() {
            let all = survey.graph.nodes.iter().map(|node| node.name.as_str());
            return Err(survey.missing("node like", pattern, all, "`tamtam nodes`"));
        }
    }
    if run.global.json {
        print_json(nodes.into_iter().map(node_json))?;
    } else {
        let mut table = Table::default();
        for node in nodes {
            let host = if node.is_local { safe(&node.host) } else { format!("{} (peer)", safe(&node.host)) };
            table.row([
                safe(&node.name),
                host,
                node.pid.to_string(),
                safe(&node.program),
                format!("{} pub", node.publishers.len()),
                format!("{} sub", node.subscribers.len()),
                count(node.services.len(), "service"),
            ]);
            if run.global.verbose {
                activities(node).for_each(|line| table.line(line, Paint::Faint));
            }
        }
        print_table(run, &table)?;
    }
    conclude(run, &survey, &count(survey.topics().len(), "topic"));
    Ok(())
}

/// What a node does, one line each.
fn activities(node: &NodeInfo) -> impl Iterator<Item = String> {
    let about = format!("  node {} of release {}", safe(&node.id), safe(&node.release));
    let end = |role: &str, end: &tamtam::EndInfo| {
        let what = if end.type_name.is_empty() { "octets" } else { &end.type_name };
        format!("  {role} {}  {}  {}", safe(&end.topic), safe(what), safe(&end.qos))
    };
    let publishers: Vec<String> = node.publishers.iter().map(|known| end("pub", known)).collect();
    let subscribers: Vec<String> = node.subscribers.iter().map(|known| end("sub", known)).collect();
    let services: Vec<String> = node
        .services
        .iter()
        .map(|known| format!("  service {}  {}", safe(&known.name), signature(known)))
        .collect();
    std::iter::once(about).chain(publishers).chain(subscribers).chain(services)
}

fn node_json(node: &NodeInfo) -> Value {
    let ends = |ends: &[tamtam::EndInfo]| {
        ends.iter()
            .map(|end| json!({ "topic": end.topic, "type": named(&end.type_name) }))
            .collect::<Vec<_>>()
    };
    let services: Vec<&str> = node.services.iter().map(|service| service.name.as_str()).collect();
    json!({
        "node": node.name,
        "id": node.id,
        "host": node.host,
        "pid": node.pid,
        "program": node.program,
        "release": node.release,
        "local": node.is_local,
        "publishers": ends(&node.publishers),
        "subscribers": ends(&node.subscribers),
        "services": services,
    })
}

/// Lists services.
pub(crate) fn services(run: &Run, args: &ServicesArgs) -> Outcome {
    let survey = Survey::read(run, "services")?;
    let mut services = survey.services();
    if let Some(pattern) = &args.pattern {
        services.retain(|name, _| matches(pattern, name));
        if services.is_empty() {
            let all = survey.services();
            return Err(survey.missing("service like", pattern, all.into_keys(), "`tamtam services`"));
        }
    }
    if run.global.json {
        let objects = services.iter().map(|(name, servers)| service_json(name, servers));
        print_json(objects)?;
    } else {
        let mut table = Table::default();
        for (name, servers) in &services {
            let mut signatures: Vec<String> = servers.iter().map(|(_, service)| signature(service)).collect();
            signatures.sort();
            signatures.dedup();
            let (mark, paint) =
                if signatures.len() > 1 { ("type conflict", Paint::Bad) } else { ("", Paint::Plain) };
            table.painted([
                (safe(name), Paint::Plain),
                (signatures.join(", "), paint),
                (count(servers.len(), "server"), Paint::Plain),
                (mark.to_owned(), paint),
            ]);
            for (node, service) in servers.iter().filter(|_| run.global.verbose) {
                let cells = [
                    format!("  {}", safe(&node.name)),
                    signature(service),
                    service.request_schema.as_ref().map(short).unwrap_or_default(),
                    safe(&service.endpoints.join(" ")),
                ];
                table.painted(cells.map(|cell| (cell, Paint::Faint)));
            }
        }
        print_table(run, &table)?;
    }
    conclude(run, &survey, &count(services.len(), "service"));
    Ok(())
}

fn service_json(name: &str, servers: &[(&NodeInfo, &ServiceInfo)]) -> Value {
    let servers = servers.iter().map(|(node, service)| {
        json!({
            "node": node.name,
            "id": node.id,
            "host": node.host,
            "pid": node.pid,
            "local": node.is_local,
            "request_type": named(&service.request_type),
            "request_schema": service.request_schema.map(|id| id.to_string()),
            "reply_type": named(&service.reply_type),
            "reply_schema": service.reply_schema.map(|id| id.to_string()),
            "endpoints": service.endpoints,
        })
    });
    json!({ "service": name, "servers": servers.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_meant_by_their_last_parts() {
        for wanted in ["demo.sensors.Imu", ".demo.sensors.Imu", "sensors.Imu", "Imu"] {
            assert!(means(wanted, "demo.sensors.Imu"), "{wanted}");
        }
        for wanted in ["", ".", "mu", "imu", "demo", "demo.sensors", "x.demo.sensors.Imu"] {
            assert!(!means(wanted, "demo.sensors.Imu"), "{wanted}");
        }
        assert!(!means("", ""), "octets have no name");
    }
}
