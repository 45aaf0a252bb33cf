//! Processes that die or stop, strangers, and nonsense.

mod common;

use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::child::{Process, role};
use common::{PATIENCE, Place, body, eventually, text};
use tamtam::zmq::{Context, Message, Pub, Push, Sub, XPub};
use tamtam::{Event, LossReason, Node, Overflow, Qos, RecvError, TopicHeader};

fn node(place: &std::path::Path, name: &str) -> Node {
    Node::builder(name).domain("test").directory(place).open().unwrap()
}

fn events(subscriber: &tamtam::RawSubscriber) -> Vec<Event> {
    std::iter::from_fn(|| subscriber.event(Duration::ZERO)).collect()
}

/// Killed in the middle of a stream, and started again: same topic, another source; told once, nothing twice.
#[test]
fn a_publisher_that_is_killed_is_told_and_its_successor_is_found() {
    if let Some((role, place)) = role() {
        let (role, is_fixed) = role.split_once(' ').map_or((&*role, false), |(role, _)| (role, true));
        let node = node(&place, role);
        let mut publisher = node.publisher::<Bytes>("/t");
        if is_fixed {
            publisher = publisher.at(&format!("ipc://{}/fixed", place.display()));
        }
        let publisher = publisher.create().unwrap();
        publisher.wait_for(1, PATIENCE).unwrap();
        for number in 0..100 {
            publisher.send(&body(number)).unwrap();
        }
        println!("published");
        if role == "first" {
            // Until it is killed.
            thread::park();
        }
        publisher.finish().drain(PATIENCE).unwrap();
        return;
    }
    const SELF: &str = "a_publisher_that_is_killed_is_told_and_its_successor_is_found";
    // At a place of its own, and at one that its successor has, too.
    for fixed in ["", " fixed"] {
        let place = Place::new();
        is_told_and_followed(SELF, fixed, &place);
    }
}

fn is_told_and_followed(test: &str, fixed: &str, place: &Place) {
    let reader = place.node("reader");
    let subscriber = reader.subscriber::<Bytes>("/t").create().unwrap();
    let mut first = Process::spawn(test, &format!("first{fixed}"), place.path());
    first.expect("published");
    for number in 0..100 {
        assert_eq!(text(&subscriber.recv_timeout(PATIENCE).unwrap().unwrap()), number.to_string());
    }
    first.kill();
    match subscriber.recv_timeout(PATIENCE) {
        Err(RecvError::Abandoned { publisher, received, published }) => {
            assert!(publisher.starts_with("first "), "{publisher}");
            assert_eq!((received, published), (100, 100));
        }
        other => panic!("{other:?}"),
    }
    let told = events(&subscriber);
    let gone = told.iter().filter(|event| matches!(event, Event::Gone { received: 100, .. })).count();
    assert_eq!(gone, 1, "{told:?}");
    // What it left behind is cleared away.
    reader.wait_for_graph(PATIENCE, |graph| graph.nodes.iter().all(|node| node.name != "first")).unwrap();

    let mut second = Process::spawn(test, &format!("second{fixed}"), place.path());
    let got: Vec<_> = subscriber.iter().map(|sample| text(&sample.unwrap())).collect();
    assert_eq!(got, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
    second.wait();
    let counted = subscriber.statistics();
    assert_eq!((counted.received, counted.lost, counted.duplicates), (200, 0, 0));
}

/// A subscriber process stands still under each rule: the others get everything, and what it misses is counted.
#[test]
fn a_subscriber_that_is_stopped_holds_nobody_up_unless_asked_to() {
    const MESSAGES: u64 = 2000;
    if let Some((role, place)) = role() {
        let node = node(&place, "stopped");
        let qos = if role == "oldest" { Qos::keep_last(10) } else { Qos::default().depth(10) };
        let subscriber = node.subscriber::<Bytes>("/t").qos(qos).create().unwrap();
        let first = subscriber.recv_timeout(PATIENCE).unwrap().unwrap();
        assert_eq!(first.info.seq, 1);
        println!("reading");
        let received = 1 + subscriber.iter().filter(Result::is_ok).count() as u64;
        println!("counted {received} {}", subscriber.statistics().lost);
        return;
    }
    for (rule, overflow) in [("newest", Overflow::DropNewest), ("oldest", Overflow::DropOldest)] {
        let place = Place::new();
        let driver = place.node("driver");
        let qos = Qos::default().depth(10).overflow(overflow);
        let publisher = driver.publisher::<Bytes>("/t").qos(qos).create().unwrap();
        const SELF: &str = "a_subscriber_that_is_stopped_holds_nobody_up_unless_asked_to";
        let mut stopped = Process::spawn(SELF, rule, place.path());
        publisher.wait_for(1, PATIENCE).unwrap();
        publisher.send(&body(0)).unwrap();
        stopped.expect("reading");
        stopped.signal("-STOP");
        let large = Bytes::from(vec![1; 10_000]);
        let began = Instant::now();
        for _ in 1..MESSAGES {
            publisher.send(&large).unwrap();
        }
        assert!(began.elapsed() < PATIENCE / 2, "nobody waits for it");
        assert!(publisher.dropped() > 0, "{rule}");
        stopped.signal("-CONT");
        assert_eq!(publisher.finish().drain(PATIENCE), Ok(MESSAGES), "{rule}");
        let counted = stopped.expect("counted ");
        let (received, lost) = counted.split_once(' ').unwrap();
        let (received, lost): (u64, u64) = (received.parse().unwrap(), lost.parse().unwrap());
        assert_eq!(received + lost, MESSAGES, "{rule}: each message was received or told to be lost");
        assert!(lost > 0, "{rule}");
        stopped.wait();
    }
}

/// One stands still: that does not keep END from the others.
#[test]
fn the_end_reaches_those_who_listen() {
    if role().is_some() {
        let (_, place) = role().unwrap();
        let node = node(&place, "stopped");
        let _subscriber = node.subscriber::<Bytes>("/t").qos(Qos::default().depth(1)).create().unwrap();
        println!("there");
        // Until it is killed.
        thread::park();
    }
    const SELF: &str = "the_end_reaches_those_who_listen";
    let place = Place::new();
    let driver = place.node("driver");
    let qos = Qos::default().depth(1).overflow(Overflow::DropNewest);
    let publisher = driver.publisher::<Bytes>("/t").qos(qos).create().unwrap();
    let mut stopped = Process::spawn(SELF, "stopped", place.path());
    stopped.expect("there");
    let subscriber = place.node("reader").subscriber::<Bytes>("/t").create().unwrap();
    publisher.wait_for(2, PATIENCE).unwrap();
    let reader = thread::spawn(move || {
        while subscriber.recv_timeout(PATIENCE).unwrap().is_some() {}
        subscriber.statistics()
    });
    let large = Bytes::from(vec![1; 1_000_000]);
    let mut sent = 0;
    // It reads nothing: what the system holds for it is full in the end.
    while publisher.dropped() < 3 || sent < 10 {
        publisher.send(&large).unwrap();
        sent += 1;
    }
    let missed = publisher.finish().drain(Duration::from_millis(300)).unwrap_err();
    assert!(missed.undelivered > 0);
    let counted = reader.join().unwrap();
    assert_eq!(counted.received + counted.lost, sent);
}

/// A sensor that falls silent: its last value stays, whatever is told beside.
#[test]
fn the_newest_value_waits_for_a_reader_that_is_late() {
    let place = Place::new();
    let publisher = place.node("sensor").publisher::<Bytes>("/t").qos(Qos::sensor()).create().unwrap();
    let subscriber = place.node("late").subscriber::<Bytes>("/t").qos(Qos::sensor()).create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    for number in 0..1000 {
        publisher.send(&body(number)).unwrap();
    }
    // Also of END, which comes last.
    publisher.finish().drain(PATIENCE).unwrap();
    let mut last = None;
    while let Some(sample) = subscriber.recv_timeout(PATIENCE).unwrap() {
        last = Some(text(&sample));
    }
    assert_eq!(last.as_deref(), Some("999"));
    let counted = subscriber.statistics();
    assert_eq!(counted.received + counted.lost, 1000, "{counted:?}");
}

/// The publisher waits for a slow one for as long as it may; who comes meanwhile is let in.
#[test]
fn a_blocked_publisher_lets_others_in() {
    let place = Place::new();
    let driver = place.node("driver");
    let qos = Qos::default().depth(1).overflow(Overflow::Block(PATIENCE));
    let publisher = driver.publisher::<Bytes>("/t").qos(qos).create().unwrap();
    let slow = place.node("slow").subscriber::<Bytes>("/t").qos(Qos::default().depth(1)).create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    let large = Bytes::from(vec![1; 1_000_000]);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..20 {
                publisher.send(&large).unwrap();
            }
        });
        eventually("it is blocked", || publisher.published() > 0);
        let quick = place.node("quick").subscriber::<Bytes>("/t").create().unwrap();
        publisher.wait_for(2, PATIENCE).unwrap();
        let rest = scope.spawn(move || quick.recv_timeout(PATIENCE).unwrap().is_some());
        for _ in 0..20 {
            slow.recv_timeout(PATIENCE).unwrap().unwrap();
        }
        assert!(rest.join().unwrap());
    });
}

/// Garbage on the data port, and on the info port: counted, told, and no more.
#[test]
fn strangers_do_no_harm() {
    let place = Place::new();
    let node = place.node("a");
    let context = Context::new();
    let stranger = XPub::new(&context);
    let endpoint = stranger.bind("ipc://*").unwrap();
    let subscriber = node.subscriber::<Bytes>("/t").connect(&endpoint).create().unwrap();
    stranger.wait_for_subscribers(1, PATIENCE).unwrap();
    let header = TopicHeader { seq: 7, source: vec![1; 8], ..TopicHeader::default() };
    let bytes = prost::Message::encode_to_vec(&header);
    let end = TopicHeader { seq: u64::MAX, flags: tamtam::FLAG_END, ..header.clone() };
    let end = prost::Message::encode_to_vec(&end);
    let messages: [&[&[u8]]; 10] = [
        &[b"/t"],
        &[b"/t", b"", b"x", b"y"],
        &[b"/t", b"\xff\xff", b"x"],
        &[b"/tail", b"", b"x"],
        &[b"/t", b"", b"plain"],
        &[b"/t", &bytes, b"typed"],
        // Its number goes round: a newer peer's header with a field that nobody knows here, and a huge gap.
        &[b"/t", b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x1a\x08AAAAAAAA\xf8\x07\x01", b"far"],
        &[b"/t", b"\x08\x01\x1a\x08AAAAAAAA\x28\x01", b""],
        &[b"/t", b"\x08\x02\x1a\x08AAAAAAAA", b"after its end"],
        &[b"/t", &end, b""],
    ];
    for frames in messages {
        stranger.send(Message::from_frames(frames.iter().copied()).unwrap()).unwrap();
    }
    let got: Vec<_> = subscriber.iter().map(|sample| text(&sample.unwrap())).collect();
    assert_eq!(got, ["plain", "typed", "far"]);
    assert_eq!(subscriber.statistics().malformed, 3);

    let asker = Push::new(&context);
    let info = node.info_endpoints();
    // A PUSH is no DEALER: refused at the handshake. A DEALER that talks nonsense is not answered.
    asker.connect(&info[0]).unwrap();
    let dealer = tamtam::zmq::Dealer::new(&context);
    dealer.connect(&info[0]).unwrap();
    for frames in [
        &[&b""[..], b"nonsense"][..],
        &[b"", b"schema", b"short"],
        &[b"", b"report", b"\xff"],
        &[b""],
        &[b"", b"table"],
    ] {
        dealer.send(Message::from_frames(frames.iter().copied()).unwrap()).unwrap();
    }
    let answer = dealer.recv_timeout(PATIENCE).unwrap();
    assert_eq!(answer.get(1), Some(&"schema".into()));
    let answer = dealer.recv_timeout(PATIENCE).unwrap();
    assert_eq!(answer.get(1), Some(&"table".into()), "it still answers");
}

/// The textbook's programs on plain sockets take part on either end.
#[test]
fn plain_programs_take_part_on_either_end() {
    let place = Place::new();
    let node = place.node("a");
    let context = Context::new();

    let publisher = node.publisher::<Bytes>("/t").bind("ipc://*").plain("END").create().unwrap();
    let plain = Sub::new(&context);
    plain.subscribe("");
    plain.connect(&publisher.endpoints()[0]).unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    publisher.send(&body(1)).unwrap();
    publisher.finish().drain(PATIENCE).unwrap();
    let got = [plain.recv_timeout(PATIENCE).unwrap(), plain.recv_timeout(PATIENCE).unwrap()];
    assert_eq!(
        got.map(|message| (message.frame_count(), message.into_bytes())),
        [(1, "1".into()), (1, "END".into())]
    );

    let plain = Pub::new(&context);
    let endpoint = plain.bind("ipc://*").unwrap();
    let subscriber = node.subscriber::<Bytes>("/t").connect(&endpoint).plain("END").create().unwrap();
    plain.wait_for_subscribers(1, PATIENCE).unwrap();
    for text in ["1", "2", "END"] {
        plain.send(text).unwrap();
    }
    let got: Vec<_> = subscriber.iter().map(|sample| text(&sample.unwrap())).collect();
    assert_eq!(got, ["1", "2"]);

    // A plain subscriber of a typed publisher: three frames, no heartbeats.
    let publisher = node.publisher::<Bytes>("/typed").create().unwrap();
    let plain = Sub::new(&context);
    plain.subscribe("/typed");
    plain.connect(&publisher.endpoints()[0]).unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    assert_eq!(publisher.subscriber_names(), ["a subscriber without a name"]);
    publisher.send(&body(1)).unwrap();
    let message = plain.recv_timeout(PATIENCE).unwrap();
    assert_eq!((message.first().as_slice(), message.get(2).unwrap().as_slice()), (&b"/typed"[..], &b"1"[..]));
}

/// An idle publisher repeats its number: what was lost at the tail is found out without another message.
#[test]
fn a_loss_at_the_tail_is_noticed() {
    let place = Place::new();
    let driver = place.node("driver");
    let qos = Qos::default().depth(1).overflow(Overflow::DropNewest);
    let publisher = driver.publisher::<Bytes>("/t").qos(qos.clone()).create().unwrap();
    let subscriber = place.node("reader").subscriber::<Bytes>("/t").qos(qos).create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    let large = Bytes::from(vec![1; 1_000_000]);
    let mut sent = 0;
    while publisher.dropped() == 0 {
        publisher.send(&large).unwrap();
        sent += 1;
    }
    // The last one was dropped. All that is told of it is a heartbeat.
    let mut received = 0;
    eventually("the loss is told", || {
        received += u64::from(subscriber.recv_timeout(Duration::from_millis(20)).is_ok());
        subscriber.statistics().lost > 0
    });
    assert_eq!(received + subscriber.statistics().lost, sent);
    let lost = events(&subscriber).into_iter().find_map(|event| match event {
        Event::Lost { from, to, reason, .. } => Some((from, to, reason)),
        _ => None,
    });
    assert_eq!(lost, Some((sent, sent, LossReason::PublisherFull)));
    // The publisher hears of it.
    eventually("the publisher is told", || {
        let told = publisher.event(Duration::from_millis(20));
        matches!(told, Some(tamtam::PublisherEvent::Lost { node, from, .. }) if node == "reader" && from == sent)
    });
}

#[test]
fn silence_is_told_once() {
    let place = Place::new();
    let node = place.node("a");
    let qos = Qos::default().deadline(Duration::from_millis(30));
    let subscriber = node.subscriber::<Bytes>("/t").qos(qos).create().unwrap();
    assert_eq!(subscriber.recv_timeout(Duration::from_millis(700)), Err(RecvError::TimedOut));
    let stale = events(&subscriber).into_iter().filter(|event| matches!(event, Event::Stale { .. })).count();
    assert_eq!(stale, 1);
}

#[test]
fn names_that_will_not_do_are_refused() {
    let place = Place::new();
    let node = place.node("a");
    for name in ["", "/", "/a/", "/a b", "/../x"] {
        assert!(node.publisher::<Bytes>(name).create().is_err(), "{name:?}");
        assert!(node.subscriber::<Bytes>(name).create().is_err(), "{name:?}");
        assert!(node.client::<Bytes, Bytes>(name).is_err(), "{name:?}");
    }
    assert!(place.builder("a/b").open().is_err());
    assert!(place.builder("a").domain("../x").open().is_err());
}
