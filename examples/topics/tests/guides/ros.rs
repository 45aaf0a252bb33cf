//! `docs/from-ros.md`

use std::error::Error;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use tamtam::{Client, Event, Info, Node, NodeBuilder, Publisher, PublisherEvent, Qos, Service, Subscription};
use tamtam_examples::demo::{AddReply, AddRequest, Imu};

use crate::{PATIENCE, Place};

// region: publisher
/// Publishes one sample that later subscribers get as well, and goes on from there.
fn driver(builder: NodeBuilder) -> Result<Publisher<Imu>, Box<dyn Error>> {
    let node = builder.namespace("/robot1").remap("imu", "imu_raw").open()?;
    let imu = node.publisher::<Imu>("imu").qos(Qos::keep_last(10).latch(1)).create()?; // /robot1/imu_raw
    imu.send(&Imu { x: 1.0, ..Imu::default() })?;
    Ok(imu)
}
// endregion

// region: subscriber
/// Passes each sample on; called on a thread of the subscription's own.
fn filter(node: &Node, to: Sender<(Imu, Info)>) -> Result<Subscription<Imu>, tamtam::Error> {
    let wanted = Qos::default().deadline(Duration::from_millis(100)); // lossless, and never silent for longer
    node.subscriber::<Imu>("/robot1/imu_raw").qos(wanted).on(move |sample| {
        let _gone = to.send((sample.value, sample.info));
    })
}
// endregion

// region: relayed
/// Receives what the relay repeats: it is in no registry, so where it is has to be said.
fn relayed(node: &Node, relay: &str) -> Result<tamtam::Subscriber<Imu>, tamtam::Error> {
    node.subscriber::<Imu>("/imu").connect(relay).create()
}
// endregion

// region: service
fn adder(node: &Node) -> Result<Service, tamtam::Error> {
    node.service("/add", |request: AddRequest| {
        let sum = request.a.checked_add(request.b).ok_or("the sum is too large")?;
        Ok(AddReply { sum })
    })
}

fn ask(add: &Client<AddRequest, AddReply>, a: i64, b: i64) -> Result<i64, tamtam::CallError> {
    Ok(add.call(&AddRequest { a, b }, Duration::from_secs(1))?.sum) // NoServer, TimedOut or Remote("the sum …")
}
// endregion

/// Both are told that the subscriber wants more than the publisher promises, and the messages come all the same.
#[test]
fn qualities_that_differ_are_told_and_match() {
    let place = Place::new();
    let publisher = driver(place.builder("driver")).unwrap();
    assert_eq!(publisher.topic().as_str(), "/robot1/imu_raw");
    let (to, from) = mpsc::channel();
    let subscription = filter(&place.node("filter"), to).unwrap();
    let (imu, info) = from.recv_timeout(PATIENCE).unwrap();
    assert_eq!((imu.x, info.latched), (1.0, true));
    let (mut degraded, mut stale) = (false, false);
    while !(degraded && stale) {
        match subscription.event(PATIENCE).expect("both are told") {
            Event::Degraded { .. } => degraded = true,
            Event::Stale { .. } => stale = true,
            _ => {}
        }
    }
    while !matches!(
        publisher.event(PATIENCE).expect("the publisher is told"),
        PublisherEvent::Degraded { .. }
    ) {}
    publisher.wait_for(1, PATIENCE).unwrap();
    publisher.send(&Imu { x: 2.0, ..Imu::default() }).unwrap();
    let (imu, info) = from.recv_timeout(PATIENCE).unwrap();
    assert_eq!((imu.x, info.latched), (2.0, false));
    publisher.finish().drain(PATIENCE).unwrap();
    subscription.join().unwrap();
}

/// The relay as `docs/from-ros.md` has it in Python: three frames, from a socket that knows nothing of nodes.
#[test]
fn what_a_relay_repeats_is_received_and_counted() {
    use prost::Message as _;
    use tamtam::TopicHeader;
    use tamtam::zmq::{Context, Message, Pub};

    let place = Place::new();
    let endpoint = place.endpoint("relay");
    let context = Context::new();
    let relay = Pub::new(&context);
    relay.bind(&endpoint).unwrap();
    let subscriber = relayed(&place.node("new"), &endpoint).unwrap();
    relay.wait_for_subscribers(1, PATIENCE).unwrap();
    // The third one is missing.
    for seq in [1, 2, 4] {
        let header = TopicHeader { seq, source: b"relaying".to_vec(), ..TopicHeader::default() };
        let mut message = Message::new("/imu");
        message.push_back(header.encode_to_vec());
        message.push_back(Imu { x: 1.0, ..Imu::default() }.encode_to_vec());
        relay.send(message).unwrap();
    }
    for seq in [1, 2, 4] {
        assert_eq!(subscriber.recv_timeout(PATIENCE).unwrap().unwrap().info.seq, seq);
    }
    assert_eq!(subscriber.statistics().lost, 1);
}

#[test]
fn a_service_says_what_is_wrong() {
    let place = Place::new();
    let node = place.node("adder");
    let _service = adder(&node).unwrap();
    let add = node.client("/add").unwrap();
    assert!(add.wait_for_server(PATIENCE));
    assert_eq!(ask(&add, 2, 3), Ok(5));
    assert_eq!(ask(&add, i64::MAX, 1), Err(tamtam::CallError::Remote("the sum is too large".into())));
}
