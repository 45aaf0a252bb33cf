//! Nodes on several "hosts" (registries of their own) that know an address of one another.

mod common;

use std::time::Instant;

use bytes::Bytes;
use common::{PATIENCE, Place, body, eventually, text};
use tamtam::{Node, NodeBuilder, Qos, Reach};

fn network() -> Qos {
    Qos::default().reach(Reach::Network)
}

/// A host and a node on it that others can ask.
struct Host {
    place: Place,
    node: Node,
}

impl Host {
    fn new(name: &str, peers: &[&str]) -> Self {
        let place = Place::new();
        let node = with(place.builder(name), peers).listen("tcp://127.0.0.1:*").open().unwrap();
        Self { place, node }
    }

    fn endpoint(&self) -> String {
        let endpoints = self.node.info_endpoints();
        endpoints.into_iter().find(|endpoint| endpoint.starts_with("tcp://")).unwrap()
    }
}

fn with(builder: NodeBuilder, peers: &[&str]) -> NodeBuilder {
    peers.iter().fold(builder, |builder, peer| builder.peer(peer))
}

fn sees(node: &Node, names: &[&str]) {
    let there = |node: &Node| {
        let graph = node.graph();
        let mut names: Vec<String> = graph.nodes.iter().map(|node| node.name.clone()).collect();
        names.sort();
        names
    };
    eventually(&format!("{} sees {names:?}", node.name()), || there(node) == names);
}

/// A and C know B, and nothing of each other.
#[test]
fn three_nodes_of_which_two_know_the_third_all_see_one_another() {
    let b = Host::new("b", &[]);
    let (a, c) = (Host::new("a", &[&b.endpoint()]), Host::new("c", &[&b.endpoint()]));
    for host in [&a, &b, &c] {
        sees(&host.node, &["a", "b", "c"]);
    }
    let counts = a.node.peer_counts();
    assert_eq!((counts.named, counts.answered, counts.met, counts.awaited), (1, 1, 1, 0));
    assert_eq!(b.node.peer_counts().met, 2);
    // What they see they reach.
    let publisher = a.node.publisher::<Bytes>("/t").qos(network()).create().unwrap();
    let subscriber = c.node.subscriber::<Bytes>("/t").create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    for number in 0..100 {
        publisher.send(&body(number)).unwrap();
    }
    publisher.finish().drain(PATIENCE).unwrap();
    let got: Vec<String> = subscriber.iter().map(|sample| text(&sample.unwrap())).collect();
    assert_eq!(got, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(subscriber.statistics().lost, 0);
}

/// A chain of which each knows the next, and a ring: everybody sees everybody once.
#[test]
fn a_chain_and_a_ring_become_one() {
    let d = Host::new("d", &[]);
    let c = Host::new("c", &[&d.endpoint()]);
    let b = Host::new("b", &[&c.endpoint()]);
    // This one closes the ring.
    let a = Host::new("a", &[&b.endpoint(), &d.endpoint()]);
    for host in [&a, &b, &c, &d] {
        sees(&host.node, &["a", "b", "c", "d"]);
    }
    for host in [&a, &b, &c, &d] {
        eventually("one connection to each", || {
            let counts = host.node.peer_counts();
            (counts.answered + counts.met, counts.awaited) == (3, 0)
        });
    }
}

/// One dies in the middle: all forget it, those that are left go on.
#[test]
fn who_is_gone_is_forgotten_by_all() {
    let b = Host::new("b", &[]);
    let (a, c) = (Host::new("a", &[&b.endpoint()]), Host::new("c", &[&b.endpoint()]));
    for host in [&a, &b, &c] {
        sees(&host.node, &["a", "b", "c"]);
    }
    let publisher = c.node.publisher::<Bytes>("/t").qos(network()).create().unwrap();
    let subscriber = a.node.subscriber::<Bytes>("/t").create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    drop(b);
    for host in [&a, &c] {
        sees(&host.node, &["a", "c"]);
    }
    assert_eq!(a.node.peer_counts().answered, 0);
    publisher.send(&body(1)).unwrap();
    assert_eq!(text(&subscriber.recv_timeout(PATIENCE).unwrap().unwrap()), "1");
    // And one that somebody else has told of.
    publisher.finish().drain(PATIENCE).unwrap();
    drop(c);
    sees(&a.node, &["a"]);
    assert_eq!(subscriber.recv_timeout(PATIENCE), Ok(None), "its end had come before");
}

/// Who does not listen sees all, and is seen by nobody; other domains have nothing to do with it.
#[test]
fn only_those_that_listen_and_are_of_the_domain_are_told_of() {
    let b = Host::new("b", &[]);
    let c = Host::new("c", &[&b.endpoint()]);
    let place = Place::new();
    let deaf = with(place.builder("deaf"), &[&b.endpoint()]).open().unwrap();
    let elsewhere = Place::new();
    let foreign = with(elsewhere.builder("foreign").domain("other"), &[&b.endpoint()]);
    let foreign = foreign.listen("tcp://127.0.0.1:*").open().unwrap();
    sees(&deaf, &["b", "c", "deaf"]);
    // One that is named is looked at whatever its domain is, as ever.
    sees(&foreign, &["b", "foreign"]);
    sees(&c.node, &["b", "c"]);
    sees(&b.node, &["b", "c"]);
    assert_eq!(foreign.peer_counts().met, 0);
}

/// Nodes of one host that listen are told of by each other's peers, too, and known by the registry.
#[test]
fn nodes_of_one_host_are_told_of_by_any_of_them() {
    let b = Host::new("b", &[]);
    let beside = b.place.builder("beside").listen("tcp://127.0.0.1:*").open().unwrap();
    let a = Host::new("a", &[&b.endpoint()]);
    for node in [&a.node, &b.node, &beside] {
        sees(node, &["a", "b", "beside"]);
    }
    assert!(b.node.graph().nodes.iter().any(|node| node.name == "beside" && node.is_local));
}

/// A node that finds nobody at its peer's address does not give up.
#[test]
fn a_peer_may_come_later() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let endpoint = format!("tcp://{port}");
    let a = Host::new("a", &[&endpoint]);
    let began = Instant::now();
    let place = Place::new();
    let b = place.builder("b").listen(&endpoint).open().unwrap();
    sees(&a.node, &["a", "b"]);
    sees(&b, &["a", "b"]);
    assert!(began.elapsed() < PATIENCE);
}
