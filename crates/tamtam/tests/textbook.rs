//! The textbook's handshake in the plain dialect: with C programs on libzmq at the other end, and with sockets of ours.

mod common;

#[expect(dead_code, reason = "names are for those who have several kinds")]
#[path = "../../zmq/tests/interop/child.rs"]
mod child;
#[expect(dead_code, reason = "of these only the programs in C are run here")]
#[path = "../../zmq/tests/interop/programs.rs"]
mod programs;

use std::thread;
use std::time::Duration;

use bytes::Bytes;
use child::Peer;
use common::{PATIENCE, Place, eventually, text};
use tamtam::zmq::{Context, Rep, Req, Sub, XPub};
use tamtam::{Node, Publisher};

/// What the C programs read and write: `Info { date = 1; id = 2; messages = 3: Message { text = 1; type = 2 } }`.
fn info(id: u8) -> Bytes {
    let mut info = b"\x0a\x0a10.10.2023".to_vec();
    if id > 0 {
        info.extend([0x10, id]);
    }
    info.extend(b"\x1a\x1a\x0a\x16Hello, ZMQ & Protobuf!\x10\x01");
    info.into()
}

fn publisher(node: &Node) -> Publisher<Bytes> {
    let builder = node.publisher("/info").plain("END").bind("tcp://127.0.0.1:*").sync("tcp://127.0.0.1:*");
    builder.create().unwrap()
}

fn port() -> u16 {
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The C programs wait for the answer, and take ten messages and END.
#[test]
fn subscribers_in_c_are_answered_and_get_every_message() {
    let place = Place::new();
    let node = place.node("publisher");
    let publisher = publisher(&node);
    let data = publisher.endpoints()[0].clone();
    let sync = publisher.sync_endpoint().unwrap().to_owned();
    let mut subscribers = Vec::new();
    for _ in 0..3 {
        let Some(mut program) = programs::c_program("subscriber") else { return };
        program.args([&data, &sync]);
        subscribers.push(Peer::start(program));
    }
    publisher.wait_for(3, PATIENCE).unwrap();
    for id in 0..10 {
        publisher.send(&info(id)).unwrap();
    }
    publisher.finish().drain(PATIENCE).unwrap();
    for subscriber in subscribers {
        let lines = subscriber.finish();
        assert_eq!(lines.len(), 11, "{lines:?}");
        assert_eq!(lines[0], "Receiving id: 0 date: 10.10.2023  Type: 1 Message: Hello, ZMQ & Protobuf!");
        assert_eq!(lines[10], "Received 10 updates");
    }
}

/// It waits for two of ours, and counts requests.
#[test]
fn a_publisher_in_c_waits_for_our_subscribers() {
    let place = Place::new();
    let (data, sync) = (port(), port());
    let Some(mut program) = programs::c_program("publisher") else { return };
    program.args(["2".to_owned(), format!("tcp://127.0.0.1:{data}"), format!("tcp://127.0.0.1:{sync}")]);
    let subscribers: Vec<_> = (0..2)
        .map(|number| {
            let node = place.node(&format!("reader{number}"));
            let subscriber = node.subscriber::<Bytes>("/info").plain("END");
            let subscriber = subscriber.connect(&format!("tcp://127.0.0.1:{data}"));
            // Before there is a publisher.
            subscriber.sync(&format!("tcp://127.0.0.1:{sync}")).create().unwrap()
        })
        .collect();
    let publisher = Peer::start(program);
    assert_eq!(publisher.line(), "Wait for synchronization request");
    for subscriber in subscribers {
        let got: Vec<Bytes> = subscriber.iter().map(|sample| sample.unwrap().value).collect();
        assert_eq!(got, (0..10).map(info).collect::<Vec<_>>());
    }
    assert_eq!(publisher.finish(), ["Send synchronization reply"; 2]);
}

#[test]
fn both_ends_are_ours() {
    let place = Place::new();
    let node = place.node("publisher");
    let publisher = publisher(&node);
    let (data, sync) = (publisher.endpoints()[0].clone(), publisher.sync_endpoint().unwrap().to_owned());
    let reader = place.node("reader");
    let subscriber = reader.subscriber::<Bytes>("/info").plain("END").connect(&data).sync(&sync);
    let subscriber = subscriber.create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    publisher.send(&"hello".into()).unwrap();
    publisher.finish().drain(PATIENCE).unwrap();
    assert_eq!(text(&subscriber.recv_timeout(PATIENCE).unwrap().unwrap()), "hello");
    assert_eq!(subscriber.recv_timeout(PATIENCE), Ok(None));
}

/// The request comes over another connection: it is answered when the subscription has come, too.
#[test]
fn nobody_is_told_to_begin_before_the_subscription_has_come() {
    let place = Place::new();
    let node = place.node("publisher");
    let publisher = publisher(&node);
    let context = Context::new();
    let early = Req::new(&context);
    early.connect(publisher.sync_endpoint().unwrap()).unwrap();
    early.send("").unwrap();
    let error = publisher.wait_for(1, Duration::from_millis(100)).unwrap_err();
    assert_eq!((error.have, error.want), (0, 1));
    assert!(early.recv_timeout(Duration::from_millis(50)).is_err(), "it has not subscribed");
    let subscriber = Sub::new(&context);
    subscriber.subscribe("");
    subscriber.connect(&publisher.endpoints()[0]).unwrap();
    early.recv_timeout(PATIENCE).unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    // One that subscribes and does not ask is not counted, nor is it left out.
    let silent = Sub::new(&context);
    silent.subscribe("");
    silent.connect(&publisher.endpoints()[0]).unwrap();
    eventually("it is let in", || publisher.subscribers() == 2);
    let error = publisher.wait_for(2, Duration::from_millis(50)).unwrap_err();
    assert_eq!((error.have, error.want), (1, 2));
    publisher.send(&"x".into()).unwrap();
    for reader in [&subscriber, &silent] {
        assert_eq!(reader.recv_timeout(PATIENCE).unwrap().as_slice(), b"x");
    }
}

/// Subscribers come and go, and each is answered.
#[test]
fn one_after_the_other_is_answered() {
    let place = Place::new();
    let node = place.node("publisher");
    let publisher = publisher(&node);
    for round in 1..=5 {
        let context = Context::new();
        let (subscriber, asking) = (Sub::new(&context), Req::new(&context));
        subscriber.subscribe("");
        subscriber.connect(&publisher.endpoints()[0]).unwrap();
        asking.connect(publisher.sync_endpoint().unwrap()).unwrap();
        asking.send("").unwrap();
        asking.recv_timeout(PATIENCE).unwrap();
        publisher.wait_for(1, PATIENCE).unwrap();
        drop((subscriber, asking));
        eventually(&format!("{round} has left"), || publisher.subscribers() == 0);
    }
}

/// A publisher that dies before it has answered, and its successor: it is asked, once.
#[test]
fn a_request_that_is_lost_is_repeated() {
    let place = Place::new();
    let context = Context::new();
    let (data, sync) = (format!("tcp://127.0.0.1:{}", port()), format!("tcp://127.0.0.1:{}", port()));
    let publishing = XPub::new(&context);
    publishing.bind(&data).unwrap();
    let first = Rep::new(&context);
    first.bind(&sync).unwrap();
    let node = place.node("reader");
    let subscriber = node.subscriber::<Bytes>("/info").plain("END").connect(&data).sync(&sync);
    let subscriber = subscriber.create().unwrap();
    first.recv_timeout(PATIENCE).unwrap();
    first.close_within(Duration::ZERO).unwrap();
    let second = Rep::new(&context);
    eventually("the place is free", || second.bind(&sync).is_ok());
    second.recv_timeout(PATIENCE).unwrap();
    second.send("").unwrap();
    assert!(second.recv_timeout(Duration::from_millis(100)).is_err(), "once");
    publishing.wait_for_subscribers(1, PATIENCE).unwrap();
    let reader = thread::spawn(move || subscriber.iter().filter(Result::is_ok).count());
    publishing.send("x").unwrap();
    publishing.send("END").unwrap();
    assert_eq!(reader.join().unwrap(), 1);
}

/// It is part of the plain dialect; and whoever closes a subscriber that still asks does not wait.
#[test]
fn what_does_not_fit_is_an_error_and_nothing_hangs() {
    let place = Place::new();
    let node = place.node("node");
    let error = node.publisher::<Bytes>("/t").sync("tcp://127.0.0.1:*").create().unwrap_err();
    assert!(error.to_string().contains("only the plain dialect"), "{error}");
    let error = node.subscriber::<Bytes>("/t").sync("tcp://127.0.0.1:1").create().unwrap_err();
    assert!(error.to_string().contains("only the plain dialect"), "{error}");
    let nobody = format!("tcp://127.0.0.1:{}", port());
    let subscriber = node.subscriber::<Bytes>("/t").plain("END").connect(&nobody).sync(&nobody);
    drop(subscriber.create().unwrap());
}
