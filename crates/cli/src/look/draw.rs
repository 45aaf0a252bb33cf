//! `tamtam graph`: who speaks with whom.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tamtam::NodeInfo;

use super::args::{GraphArgs, GraphFormat};
use super::names::{count, dot, mermaid, safe};
use super::survey::{End, Survey, Topic, named};
use super::{print, print_json};
use crate::exit::Outcome;
use crate::run::Run;

/// Draws the graph.
pub(crate) fn graph(run: &Run, args: &GraphArgs) -> Outcome {
    let survey = Survey::read(run, "graph")?;
    let topics = survey.topics();
    let format = if run.global.json { GraphFormat::Json } else { args.format };
    match format {
        GraphFormat::Json => print_json(objects(&survey))?,
        GraphFormat::Text => print(topics.iter().map(|(name, topic)| line(name, topic)))?,
        GraphFormat::Dot => print(as_dot(&Picture::of(&survey)))?,
        GraphFormat::Mermaid => print(as_mermaid(&Picture::of(&survey)))?,
    }
    if survey.graph.nodes.is_empty() {
        run.tell(&survey.nobody());
    } else {
        let (topics, nodes) = (count(topics.len(), "topic"), count(survey.graph.nodes.len(), "node"));
        run.tell(&format!("{topics}, {nodes} · domain {:?}", survey.domain));
    }
    Ok(())
}

fn line(name: &str, topic: &Topic<'_>) -> String {
    let names = |ends: &[End<'_>]| {
        let mut names: Vec<String> = ends.iter().map(|end| safe(&end.node.name)).collect();
        names.dedup();
        if names.is_empty() { "(nobody)".to_owned() } else { names.join(", ") }
    };
    format!("{} → {} → {}", names(&topic.publishers), safe(name), names(&topic.subscribers))
}

fn objects(survey: &Survey) -> Vec<Value> {
    let mut objects = Vec::new();
    for node in &survey.graph.nodes {
        objects.push(json!({
            "kind": "node", "id": node.id, "node": node.name, "host": node.host, "local": node.is_local,
        }));
        for (kind, ends) in [("publishes", &node.publishers), ("subscribes", &node.subscribers)] {
            objects.extend(ends.iter().map(|end| {
                json!({ "kind": kind, "id": node.id, "topic": end.topic, "type": named(&end.type_name) })
            }));
        }
        objects.extend(
            node.services
                .iter()
                .map(|service| json!({ "kind": "serves", "id": node.id, "service": service.name })),
        );
    }
    objects
}

/// The graph with numbers in place of names, which may hold anything.
struct Picture<'a> {
    nodes: Vec<&'a NodeInfo>,
    topics: BTreeMap<&'a str, Topic<'a>>,
    /// Numbers of nodes and topics, without repetition; whether the node publishes.
    edges: Vec<(usize, usize, bool)>,
    /// Nodes and services.
    services: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Picture<'a> {
    fn of(survey: &'a Survey) -> Self {
        let nodes: Vec<&NodeInfo> = survey.graph.nodes.iter().collect();
        let topics = survey.topics();
        let number = |wanted: &NodeInfo| nodes.iter().position(|node| std::ptr::eq(*node, wanted));
        let mut edges = Vec::new();
        for (index, topic) in topics.values().enumerate() {
            let of = |ends: &[End<'_>], publishes| {
                let numbers = ends.iter().filter_map(|end| number(end.node));
                numbers.map(|node| (node, index, publishes)).collect::<Vec<_>>()
            };
            edges.extend(of(&topic.publishers, true));
            edges.extend(of(&topic.subscribers, false));
        }
        edges.dedup();
        let servers = survey.services().into_iter();
        let services = servers.map(|(name, servers)| {
            (name, servers.into_iter().filter_map(|(node, _)| number(node)).collect())
        });
        Self { services: services.collect(), nodes, topics, edges }
    }
}

/// The words on a node.
fn label(node: &NodeInfo) -> Vec<&str> {
    if node.is_local { vec![&node.name] } else { vec![&node.name, &node.host] }
}

/// The words on a topic.
fn topic_label<'a>(name: &'a str, types: &'a str) -> Vec<&'a str> {
    if types.is_empty() { vec![name] } else { vec![name, types] }
}

fn as_dot(picture: &Picture<'_>) -> Vec<String> {
    let mut lines: Vec<String> = ["digraph tamtam {", "  rankdir=LR;", "  node [fontname=\"sans-serif\"];"]
        .map(str::to_owned)
        .to_vec();
    for (index, node) in picture.nodes.iter().enumerate() {
        lines.push(format!("  n{index} [shape=ellipse, label={}];", dot(&label(node))));
    }
    for (index, (name, topic)) in picture.topics.iter().enumerate() {
        let types = topic.types().join(", ");
        let colour = if topic.types().len() > 1 { ", color=red" } else { "" };
        lines.push(format!("  t{index} [shape=box, label={}{colour}];", dot(&topic_label(name, &types))));
    }
    for (index, (name, servers)) in picture.services.iter().enumerate() {
        lines.push(format!("  s{index} [shape=box, style=rounded, label={}];", dot(&[name])));
        lines.extend(servers.iter().map(|node| format!("  n{node} -> s{index} [dir=both, style=dashed];")));
    }
    for (node, topic, publishes) in &picture.edges {
        lines.push(if *publishes {
            format!("  n{node} -> t{topic};")
        } else {
            format!("  t{topic} -> n{node};")
        });
    }
    lines.push("}".to_owned());
    lines
}

fn as_mermaid(picture: &Picture<'_>) -> Vec<String> {
    let mut lines = vec!["flowchart LR".to_owned()];
    for (index, node) in picture.nodes.iter().enumerate() {
        lines.push(format!("  n{index}([{}])", mermaid(&label(node))));
    }
    for (index, (name, topic)) in picture.topics.iter().enumerate() {
        let types = topic.types().join(", ");
        lines.push(format!("  t{index}[{}]", mermaid(&topic_label(name, &types))));
    }
    for (index, (name, servers)) in picture.services.iter().enumerate() {
        lines.push(format!("  s{index}({})", mermaid(&[name])));
        lines.extend(servers.iter().map(|node| format!("  n{node} -.- s{index}")));
    }
    for (node, topic, publishes) in &picture.edges {
        lines.push(if *publishes {
            format!("  n{node} --> t{topic}")
        } else {
            format!("  t{topic} --> n{node}")
        });
    }
    lines
}
