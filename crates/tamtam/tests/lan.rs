//! Nodes that find each other by multicast. Two registries stand for two hosts; where the system allows it, two network namespaces
//! do.

mod common;

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::child::role;
use common::{PATIENCE, Place, body, eventually, text};
use prost::Message as _;
use tamtam::schema::Schema;
use tamtam::{Graph, Node, NodeBuilder, Qos, Reach};

const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// A group and port of one test's own.
fn group() -> SocketAddrV4 {
    let socket = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    let [high, low] = port.to_be_bytes();
    SocketAddrV4::new(Ipv4Addr::new(239, 255, high, low), port)
}

fn builder(place: &Place, name: &str, group: SocketAddrV4) -> NodeBuilder {
    place.builder(name).lan_at(group, LOOPBACK)
}

fn has(name: &str) -> impl Fn(&Graph) -> bool {
    move |graph| graph.nodes.iter().any(|node| node.name == name)
}

fn lacks(name: &str) -> impl Fn(&Graph) -> bool {
    move |graph| !has(name)(graph)
}

fn network() -> Qos {
    Qos::default().reach(Reach::Network)
}

/// A socket that sends to a group as a node on loopback does.
fn sender() -> UdpSocket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    socket.set_multicast_if_v4(&LOOPBACK).unwrap();
    socket.into()
}

#[test]
fn every_message_and_the_end_arrive_from_another_host() {
    const MESSAGES: u64 = 10_000;
    let (here, there, group) = (Place::new(), Place::new(), group());
    let (driver, reader) =
        (builder(&here, "driver", group).open().unwrap(), builder(&there, "reader", group).open().unwrap());
    let began = Instant::now();
    let subscriber = reader.subscriber::<Bytes>("/t").create().unwrap();
    let publisher = driver.publisher::<Bytes>("/t").qos(network()).create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    println!("found after {:?}", began.elapsed());
    for number in 0..MESSAGES {
        publisher.send(&body(number)).unwrap();
        if number % 100 == 0 {
            let sample = subscriber.recv_timeout(PATIENCE).unwrap().unwrap();
            assert_eq!(sample.info.seq, number / 100 + 1);
        }
    }
    let finishing = publisher.finish();
    let rest = std::thread::spawn(move || subscriber.iter().map(|sample| text(&sample.unwrap())).last());
    assert_eq!(finishing.drain(PATIENCE), Ok(MESSAGES));
    assert_eq!(rest.join().unwrap(), Some((MESSAGES - 1).to_string()));
    let graph = reader.graph();
    let found = graph.nodes.iter().find(|node| node.name == "driver").unwrap();
    assert!(!found.is_local);
}

/// Where the registry has no schema, the node that was heard is asked for it.
#[test]
fn a_schema_comes_over_the_network() {
    const POINT: &str = "syntax = \"proto3\"; package demo; message Point { double x = 1; }";
    let file = protox::file::File::from_source("point.proto", POINT).unwrap();
    let set = prost_types::FileDescriptorSet { file: vec![file.file_descriptor_proto().clone()] };
    let schema = Schema::new("demo.Point", &set.encode_to_vec()).unwrap();
    let (here, there, group) = (Place::new(), Place::new(), group());
    let node = builder(&here, "node", group).open().unwrap();
    let publisher = node.publisher_raw("/t", Some(schema)).qos(network()).create().unwrap();
    let reader = builder(&there, "reader", group).open().unwrap();
    let subscriber = reader.subscriber_dynamic("/t").create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    publisher.send(Bytes::from([&[9][..], &1.5_f64.to_le_bytes()].concat())).unwrap();
    let sample = subscriber.recv(Some(PATIENCE)).unwrap().unwrap();
    let point = sample.decode().unwrap().unwrap();
    assert_eq!(point.get_field_by_name("x").unwrap().as_f64(), Some(1.5));
    let counted = reader.lan_statistics().unwrap();
    assert_eq!(
        (counted.connections, counted.nodes),
        (1, 1),
        "one connection for table and schema: {counted:?}"
    );
}

/// Whoever comes late is answered; he need not wait for the next beacon. A publisher without reach is seen, and not connected to.
#[test]
fn a_latecomer_finds_everybody_soon() {
    let (here, there, group) = (Place::new(), Place::new(), group());
    let early = builder(&here, "early", group).open().unwrap();
    let _far = early.publisher::<Bytes>("/far").qos(network()).create().unwrap();
    let _near = early.publisher::<Bytes>("/near").create().unwrap();
    // Its first beacons are over.
    eventually("three beacons", || early.lan_statistics().unwrap().sent >= 3);
    let began = Instant::now();
    let late = builder(&there, "late", group).open().unwrap();
    late.wait_for_graph(PATIENCE, |graph| graph.topics().contains_key("/far")).unwrap();
    // Without the answer it would have been two to five seconds; generous, as the machine may be busy.
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    assert!(!late.graph().topics().contains_key("/near"));
    early.wait_for_graph(PATIENCE, has("late")).unwrap();
}

/// A tool that only looks finds others at once, and they never hear of it.
#[test]
fn who_only_looks_is_not_seen() {
    let (here, there, group) = (Place::new(), Place::new(), group());
    let node = builder(&here, "node", group).open().unwrap();
    eventually("two beacons", || node.lan_statistics().unwrap().sent >= 2);
    let tool = builder(&there, "tool", group).hidden().open().unwrap();
    tool.wait_for_graph(PATIENCE, has("node")).unwrap();
    let counted = node.lan_statistics().unwrap();
    assert_eq!((counted.connections, counted.nodes), (0, 0), "{counted:?}");
    assert!(lacks("tool")(&node.graph()));
    // Until it offers something.
    let _publisher = tool.publisher::<Bytes>("/t").qos(network()).create().unwrap();
    node.wait_for_graph(PATIENCE, has("tool")).unwrap();
}

#[test]
fn changes_are_heard_and_who_goes_is_gone_at_once() {
    let (here, there, group) = (Place::new(), Place::new(), group());
    let watcher = builder(&here, "watcher", group).open().unwrap();
    let node = builder(&there, "node", group).open().unwrap();
    watcher.wait_for_graph(PATIENCE, has("node")).unwrap();
    for round in 0..3 {
        let topic = format!("/round/{round}");
        let began = Instant::now();
        let publisher = node.publisher::<Bytes>(&topic).qos(network()).create().unwrap();
        watcher.wait_for_graph(PATIENCE, |graph| graph.topics().contains_key(&topic)).unwrap();
        println!("a change is known after {:?}", began.elapsed());
        drop(publisher);
        watcher.wait_for_graph(PATIENCE, |graph| !graph.topics().contains_key(&topic)).unwrap();
    }
    let began = Instant::now();
    drop(node);
    watcher.wait_for_graph(PATIENCE, lacks("node")).unwrap();
    // Not by its silence, which would be fifteen seconds.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn another_domain_is_another_world() {
    let (here, there, group) = (Place::new(), Place::new(), group());
    let node = builder(&here, "node", group).open().unwrap();
    let stranger = builder(&there, "stranger", group).domain("elsewhere").open().unwrap();
    let _publisher = stranger.publisher::<Bytes>("/t").qos(network()).create().unwrap();
    let friend = builder(&there, "friend", group).open().unwrap();
    node.wait_for_graph(PATIENCE, has("friend")).unwrap();
    eventually("foreign beacons", || node.lan_statistics().unwrap().foreign > 0);
    assert!(lacks("stranger")(&node.graph()));
    let counted = node.lan_statistics().unwrap();
    assert_eq!((counted.nodes, counted.malformed), (1, 0), "{counted:?}");
    drop(friend);
}

/// On one host nodes know each other from the registry: nothing goes over the network between them.
#[test]
fn nodes_of_one_host_do_not_ask_each_other_over_the_network() {
    let (place, group) = (Place::new(), group());
    let (one, two) =
        (builder(&place, "one", group).open().unwrap(), builder(&place, "two", group).open().unwrap());
    let subscriber = two.subscriber::<Bytes>("/t").create().unwrap();
    let publisher = one.publisher::<Bytes>("/t").qos(network()).create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    for node in [&one, &two] {
        eventually("the other's beacon", || node.lan_statistics().unwrap().heard > 0);
        let counted = node.lan_statistics().unwrap();
        assert_eq!((counted.connections, counted.nodes), (0, 0), "{counted:?}");
    }
    assert!(two.graph().nodes.iter().all(|node| node.is_local));
    drop(publisher);
    assert_eq!(subscriber.recv_timeout(PATIENCE), Ok(None));
}

#[test]
fn garbage_does_no_harm() {
    let (here, there, group) = (Place::new(), Place::new(), group());
    let node = builder(&here, "node", group).open().unwrap();
    let socket = sender();
    // An own beacon, caught and twisted.
    let template = {
        let ear = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
        ear.set_reuse_address(true).unwrap();
        ear.set_reuse_port(true).unwrap();
        ear.bind(&std::net::SocketAddr::V4(group).into()).unwrap();
        ear.join_multicast_v4(group.ip(), &LOOPBACK).unwrap();
        let ear = UdpSocket::from(ear);
        ear.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut octets = [0; 100];
        let (length, _) = ear.recv_from(&mut octets).unwrap();
        assert_eq!(length, 64);
        <[u8; 64]>::try_from(&octets[..64]).unwrap()
    };
    let twisted = |at: usize, octet: u8| {
        let mut datagram = template;
        datagram[at] = octet;
        datagram
    };
    let bad: [&[u8]; 7] = [
        b"",
        b"TTM1",
        b"hello, is there anybody?",
        &template[..63],
        &[0xff; 2000],
        &twisted(3, b'9'),
        &twisted(4, 77),
    ];
    let before = node.lan_statistics().unwrap();
    for datagram in bad {
        socket.send_to(datagram, group).unwrap();
    }
    let mut foreign = twisted(16, !template[16]);
    foreign[8] = !template[8];
    socket.send_to(&foreign, group).unwrap();
    eventually("all of it", || {
        let now = node.lan_statistics().unwrap();
        (now.malformed - before.malformed, now.foreign - before.foreign) == (bad.len() as u64, 1)
    });
    // Nodes that are none: nobody answers at that port, or somebody who is not a node, or one that is another.
    let silent = std::net::TcpListener::bind((LOOPBACK, 0)).unwrap();
    for (number, port) in [(1, 1), (2, silent.local_addr().unwrap().port())] {
        let mut ghost = twisted(8, template[8].wrapping_add(number));
        ghost[6..8].copy_from_slice(&port.to_be_bytes());
        socket.send_to(&ghost, group).unwrap();
    }
    socket.send_to(&twisted(8, template[8].wrapping_add(3)), group).unwrap();
    eventually("three attempts", || node.lan_statistics().unwrap().connections == 3);
    // The real thing still works, and the ghosts appear nowhere.
    let other = builder(&there, "other", group).open().unwrap();
    let subscriber = other.subscriber::<Bytes>("/t").create().unwrap();
    let publisher = node.publisher::<Bytes>("/t").qos(network()).create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    drop(publisher);
    assert_eq!(subscriber.recv_timeout(PATIENCE), Ok(None));
    node.wait_for_graph(PATIENCE, has("other")).unwrap();
    assert_eq!(node.graph().nodes.len(), 2);
    assert_eq!(node.lan_statistics().unwrap().nodes, 1);
}

/// However many there seem to be.
#[test]
fn a_flood_of_nodes_brings_few_connections() {
    let (here, group) = (Place::new(), group());
    let node = builder(&here, "node", group).open().unwrap();
    let socket = sender();
    let began = Instant::now();
    let mut datagram = [0; 64];
    datagram[..8].copy_from_slice(b"TTM1\x01\x00\x00\x01");
    // SHA-256 of "test"
    datagram[16..24].copy_from_slice(&[0x9f, 0x86, 0xd0, 0x81, 0x88, 0x4c, 0x7d, 0x65]);
    for number in 1..=2000_u64 {
        datagram[8..16].copy_from_slice(&number.to_be_bytes());
        // The receiver's buffer may be full for a moment: it is a flood.
        let _sent = socket.send_to(&datagram, group);
    }
    // Sixteen in any second: the 33rd comes after two.
    eventually("33 connections", || node.lan_statistics().unwrap().connections >= 33);
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    let counted = node.lan_statistics().unwrap();
    assert!(counted.refused > 0, "there is room for 256 that never answered: {counted:?}");
    assert_eq!(counted.nodes, 0);
}

#[test]
fn a_network_that_is_not_there_is_an_error() {
    let place = Place::new();
    let open = |group: &str, interface| place.builder("a").lan_at(group.parse().unwrap(), interface).open();
    let error = open("239.255.9.9:9999", Ipv4Addr::new(192, 0, 2, 77)).unwrap_err().to_string();
    assert!(error.contains("multicast 239.255.9.9:9999 on 192.0.2.77"), "{error}");
    let error = open("127.0.0.1:9999", LOOPBACK).unwrap_err().to_string();
    assert!(error.contains("not a multicast address"), "{error}");
    assert_eq!(place.node("b").lan_statistics(), None);
    let other = place.node("c");
    other.wait_for_graph(PATIENCE, has("c")).unwrap();
    assert!(lacks("a")(&other.graph()), "nothing is left of those that failed");
}

/// Two hosts with a cable between them.
struct Cable {
    names: [String; 2],
}

impl Cable {
    /// `None` where this user may not make network namespaces.
    fn new() -> Option<Self> {
        let names = ["a", "b"].map(|end| format!("tamtam{}{end}", std::process::id()));
        let [a, b] = &names;
        let cable = Self { names: names.clone() };
        let (veth_a, veth_b) = (format!("tta{}", std::process::id()), format!("ttb{}", std::process::id()));
        let mut commands = vec![
            format!("netns add {a}"),
            format!("netns add {b}"),
            format!("-n {a} link add {veth_a} type veth peer name {veth_b} netns {b}"),
        ];
        for (name, veth, address) in [(a, &veth_a, "10.84.84.1"), (b, &veth_b, "10.84.84.2")] {
            commands.push(format!("-n {name} link set lo up"));
            commands.push(format!("-n {name} addr add {address}/24 dev {veth}"));
            commands.push(format!("-n {name} link set {veth} up"));
            commands.push(format!("-n {name} route add default dev {veth}"));
        }
        for command in commands {
            let run = Command::new("ip").args(command.split(' ')).stderr(Stdio::null()).status();
            if !run.is_ok_and(|status| status.success()) {
                eprintln!("SKIPPED: no network namespaces here (ip {command})");
                return None;
            }
        }
        Some(cable)
    }

    fn spawn(&self, end: usize, role: &str, place: &Place) -> std::process::Child {
        Command::new("ip")
            .args(["netns", "exec", &self.names[end]])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "two_hosts_on_a_cable_find_each_other", "--nocapture", "--test-threads=1"])
            .env("TAMTAM_TEST_ROLE", role)
            .env("TAMTAM_TEST_PLACE", place.path())
            .spawn()
            .unwrap()
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for name in &self.names {
            let _gone = Command::new("ip").args(["netns", "del", name]).stderr(Stdio::null()).status();
        }
    }
}

/// With the defaults: the system's interface, the usual group. Before there is a route, `open` fails.
#[test]
fn two_hosts_on_a_cable_find_each_other() {
    const MESSAGES: u64 = 1000;
    if let Some((role, place)) = role() {
        let builder = || Node::builder(&role).domain("cable").directory(&place).lan();
        match role.as_str() {
            "nowhere" => {
                let error = builder().open().unwrap_err().to_string();
                assert!(error.contains("on the default interface: join the group"), "{error}");
            }
            "driver" => {
                let node = builder().open().unwrap();
                let publisher = node.publisher::<Bytes>("/t").qos(network()).create().unwrap();
                publisher.wait_for(1, PATIENCE).unwrap();
                for number in 0..MESSAGES {
                    publisher.send(&body(number)).unwrap();
                }
                assert_eq!(publisher.finish().drain(PATIENCE), Ok(MESSAGES));
            }
            _ => {
                let node = builder().open().unwrap();
                let subscriber = node.subscriber::<Bytes>("/t").create().unwrap();
                assert_eq!(subscriber.iter().map(Result::unwrap).count() as u64, MESSAGES);
                node.wait_for_graph(PATIENCE, lacks("driver")).unwrap();
            }
        }
        return;
    }
    let Some(cable) = Cable::new() else { return };
    let (here, there) = (Place::new(), Place::new());
    let mut children = [cable.spawn(0, "reader", &here), cable.spawn(1, "driver", &there)];
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let [a, _] = &cable.names;
    assert!(Command::new("ip").args(["-n", a, "route", "del", "default"]).status().unwrap().success());
    assert!(cable.spawn(0, "nowhere", &here).wait().unwrap().success());
}
