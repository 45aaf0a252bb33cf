//! `docs/from-zeromq.md`

use std::error::Error;
use std::thread;
use std::time::Duration;

use prost::Message as _;
use tamtam::zmq::{Context, Pub, Req, Sub};
use tamtam::{Node, Publisher};
use tamtam_examples::demo::Info;

use crate::{PATIENCE, Place};

// region: plain publisher
/// Takes the place of the old publisher: the same endpoints, the same octets, the same END.
fn publish(node: &Node, data: &str, sync: &str, subscribers: usize) -> Result<u64, Box<dyn Error>> {
    let publisher = node.publisher::<Info>("/info").plain("END").bind(data).sync(sync).create()?;
    publisher.wait_for(subscribers, Duration::from_secs(30))?; // so many have asked, and are attached
    for id in 0..5000 {
        publisher.send(&Info { date: "10.10.2023".into(), id, ..Info::default() })?;
    }
    Ok(publisher.finish().drain(Duration::from_secs(30))?)
}
// endregion

// region: plain subscriber
/// Takes the place of an old subscriber.
fn receive(node: &Node, data: &str) -> Result<u64, Box<dyn Error>> {
    let subscriber = node.subscriber::<Info>("/info").plain("END").connect(data).create()?;
    while let Some(info) = subscriber.recv()? {
        println!("{} {}", info.id, info.date);
    }
    Ok(subscriber.statistics().received)
}
// endregion

// region: both
/// Serves old subscribers at the old endpoint, and new ones by name; every message is sent with both.
fn both(node: &Node, data: &str) -> Result<[Publisher<Info>; 2], tamtam::Error> {
    let old = node.publisher("/info").plain("END").bind(data).create()?;
    Ok([old, node.publisher("/info").create()?])
}
// endregion

// region: typed subscriber
/// Receives all of a topic, and says what is missing.
fn record(node: &Node) -> Result<(u64, u64), Box<dyn Error>> {
    let subscriber = node.subscriber::<Info>("/info").create()?;
    while let Some(info) = subscriber.recv()? {
        println!("{} of {:?}: {} {}", info.info.seq, info.info.source, info.id, info.date);
    }
    while let Some(event) = subscriber.event(Duration::ZERO) {
        eprintln!("{event:?}"); // Matched, Lost, SchemaDiffers, Degraded, Ended …
    }
    let counted = subscriber.statistics();
    Ok((counted.received, counted.lost))
}
// endregion

/// As the textbook has it.
fn old_subscriber(data: &str, sync: &str) -> i32 {
    let context = Context::new();
    let subscriber = Sub::new(&context);
    subscriber.subscribe("");
    subscriber.connect(data).unwrap();
    let handshake = Req::new(&context);
    handshake.connect(sync).unwrap();
    handshake.send("").unwrap();
    handshake.recv().unwrap();
    old_reader(&subscriber)
}

fn old_reader(subscriber: &Sub) -> i32 {
    let mut next = 0;
    loop {
        let message = subscriber.recv_timeout(PATIENCE).unwrap();
        if message.as_slice() == b"END" {
            return next;
        }
        assert_eq!(Info::decode(message.as_slice()).unwrap().id, next);
        next += 1;
    }
}

#[test]
fn old_subscribers_lose_nothing() {
    let place = Place::new();
    let (data, sync) = (place.endpoint("data"), place.endpoint("sync"));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (data, sync) = (data.clone(), sync.clone());
            thread::spawn(move || old_subscriber(&data, &sync))
        })
        .collect();
    assert_eq!(publish(&place.node("new"), &data, &sync, 2).unwrap(), 5000);
    for reader in readers {
        assert_eq!(reader.join().unwrap(), 5000);
    }
}

#[test]
fn an_old_publisher_is_received() {
    let place = Place::new();
    let data = place.endpoint("data");
    let context = Context::new();
    let publisher = Pub::new(&context);
    publisher.bind(&data).unwrap();
    let node = place.node("new");
    let reader = thread::spawn(move || receive(&node, &data).unwrap());
    publisher.wait_for_subscribers(1, PATIENCE).unwrap();
    for id in 0..10 {
        publisher.send(Info { id, ..Info::default() }.encode_to_vec()).unwrap();
    }
    publisher.send("END").unwrap();
    assert_eq!(reader.join().unwrap(), 10);
}

#[test]
fn old_and_new_subscribers_are_served_together() {
    let place = Place::new();
    let data = place.endpoint("data");
    let [old, new] = both(&place.node("driver"), &data).unwrap();
    let context = Context::new();
    let subscriber = Sub::new(&context);
    subscriber.subscribe("");
    subscriber.connect(&data).unwrap();
    let node = place.node("recorder");
    let recorder = thread::spawn(move || record(&node).unwrap());
    old.wait_for(1, PATIENCE).unwrap();
    new.wait_for(1, PATIENCE).unwrap();
    for id in 0..10 {
        let info = Info { id, ..Info::default() };
        old.send(&info).unwrap();
        new.send(&info).unwrap();
    }
    old.finish().drain(PATIENCE).unwrap();
    new.finish().drain(PATIENCE).unwrap();
    assert_eq!((old_reader(&subscriber), recorder.join().unwrap()), (10, (10, 0)));
}
