//! Peers that are newer than this release, and such that mean something else by the same name.

mod common;

use std::fs;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{PATIENCE, Place, body, text};
use prost::Message as _;
use tamtam::schema::{Comparison, Schema};
use tamtam::zmq::{Context, Message, XPub};
use tamtam::{Event, FLAG_END, FLAG_HEARTBEAT, FLAG_LATCHED, PublisherEvent, RecvError, TopicHeader};

/// Fields that no release knows, of each wire type.
const UNKNOWN: &[u8] = &[
    0xf8, 0x07, 0x01, // 127: a varint
    0xf9, 0x07, 1, 2, 3, 4, 5, 6, 7, 8, // 127: 64 bits
    0xfa, 0x07, 3, b'n', b'e', b'w', // 127: octets
    0xfb, 0x07, 0x08, 0x01, 0xfc, 0x07, // 127: a group
    0xfd, 0x07, 1, 2, 3, 4, // 127: 32 bits
    0x4a, 2, 0x08, 0x01, // 9: a message
];

/// All flags that have no meaning yet.
const FLAGS: u32 = !(FLAG_END | FLAG_LATCHED | FLAG_HEARTBEAT | tamtam::FLAG_REPLAYED);

fn header(seq: u64, flags: u32, encoding: &str) -> Vec<u8> {
    let attachments = [("trace".to_owned(), vec![1, 2, 3])].into();
    let encoding = encoding.to_owned();
    let header =
        TopicHeader { seq, flags, source: vec![5; 8], encoding, attachments, ..TopicHeader::default() };
    // Unknown ones stand before and behind what is known, and in between.
    [UNKNOWN, &header.encode_to_vec(), UNKNOWN].concat()
}

fn send(publisher: &XPub, header: &[u8], body: &[u8]) {
    publisher.send(Message::from_frames([b"/t", header, body]).unwrap()).unwrap();
}

fn point() -> Schema {
    schema("syntax = \"proto3\"; package demo; message Point { double x = 1; }", "demo.Point")
}

fn schema(source: &str, name: &str) -> Schema {
    let file = protox::file::File::from_source("test.proto", source).unwrap();
    let set = prost_types::FileDescriptorSet { file: vec![file.file_descriptor_proto().clone()] };
    Schema::new(name, &set.encode_to_vec()).unwrap()
}

/// Fields and flags that are not known are passed over: messages are counted, delivered and ended as ever.
#[test]
fn headers_of_a_newer_peer_are_understood_as_far_as_they_are_known() {
    let place = Place::new();
    let node = place.node("reader");
    let context = Context::new();
    let newer = XPub::new(&context);
    let endpoint = newer.bind("ipc://*").unwrap();
    let subscriber = node.subscriber::<Bytes>("/t").connect(&endpoint).create().unwrap();
    newer.wait_for_subscribers(1, PATIENCE).unwrap();
    send(&newer, &header(0, FLAGS | FLAG_HEARTBEAT, ""), b"");
    send(&newer, &header(1, FLAGS, ""), b"one");
    send(&newer, &header(2, FLAGS | FLAG_LATCHED, "new"), b"two");
    send(&newer, &header(5, FLAGS, ""), b"five");
    send(&newer, &header(6, FLAGS | FLAG_END, ""), b"");
    let got: Vec<_> = subscriber.iter().map(Result::unwrap).collect();
    let texts: Vec<_> = got.iter().map(|sample| (text(sample), sample.info.seq)).collect();
    assert_eq!(texts, [("one".into(), 1), ("two".into(), 2), ("five".into(), 5)]);
    assert_eq!(got[0].info.header().attachments["trace"], [1, 2, 3]);
    assert_eq!((got[0].info.header().flags, got[1].info.latched), (FLAGS, true));
    let counted = subscriber.statistics();
    assert_eq!((counted.lost, counted.malformed, counted.duplicates), (2, 0, 0));
    // Whether the connection is told, too, is a matter of when there was nothing to receive.
    let is_about_messages = |event: &Event| !matches!(event, Event::Connected { .. });
    let events = std::iter::from_fn(|| subscriber.event(Duration::ZERO));
    let events: Vec<Event> = events.filter(is_about_messages).collect();
    assert!(matches!(&events[..], [Event::Lost { from: 3, to: 4, .. }, Event::Ended { count: 5, .. }]));
}

/// A message that is not Protobuf is not read as if it was.
#[test]
fn other_encodings_are_told_and_not_misread() {
    let place = Place::new();
    let publisher = place.node("driver").publisher_raw("/point", Some(point())).create().unwrap();
    let subscriber = place.node("reader").subscriber_dynamic("/point").create().unwrap();
    let typed = place.node("typed").subscriber::<Point>("/point").create().unwrap();
    publisher.wait_for(2, PATIENCE).unwrap();
    let octets = Bytes::from([&[9][..], &1.5_f64.to_le_bytes()].concat());
    for encoding in ["", "protobuf", "cbor"] {
        publisher.send_with(octets.clone(), |header| header.encoding = encoding.to_owned()).unwrap();
    }
    let decoded: Vec<_> =
        (0..3).map(|_| subscriber.recv(Some(PATIENCE)).unwrap().unwrap().decode().map(|_| ())).collect();
    assert!(decoded[0].is_ok() && decoded[1].is_ok());
    assert_eq!(decoded[2].clone().unwrap_err().0, "it is encoded as \"cbor\", and not as Protobuf");
    let received: Vec<_> = (0..3).map(|_| typed.recv_timeout(PATIENCE)).collect();
    assert!(received[0].is_ok() && received[1].is_ok());
    assert!(matches!(received[2], Err(RecvError::Decode(_))), "{received:?}");
}

/// A node's record with more in it than is known here is understood; one of another version is passed over.
#[test]
fn records_of_newer_nodes_are_understood_or_passed_over() {
    let place = Place::new();
    let newer = place.node("newer");
    let publisher = newer.publisher::<Bytes>("/t").create().unwrap();
    let directory = place.path().join("test");
    let own = newer.wait_for_graph(PATIENCE, |graph| graph.topics().contains_key("/t")).unwrap();
    let path = directory.join(format!("{}.node", own.nodes[0].id));
    let replace = |record: &[u8]| {
        let new = place.path().join("new");
        fs::write(&new, record).unwrap();
        fs::rename(&new, &path).unwrap();
    };
    let record = fs::read(&path).unwrap();
    let reader = place.node("reader");
    // Version 2: whatever else it says may mean something else.
    let (version, rest) = record.split_at(2);
    assert_eq!(version, [8, 1]);
    replace(&[&[8, 2], rest].concat());
    reader.wait_for_graph(PATIENCE, |graph| !graph.topics().contains_key("/t")).unwrap();
    let subscriber = reader.subscriber::<Bytes>("/t").create().unwrap();
    assert!(path.exists(), "a living node's files are left alone");

    replace(&[UNKNOWN_IN_RECORD, &record, UNKNOWN_IN_RECORD].concat());
    publisher.wait_for(1, PATIENCE).unwrap();
    publisher.send(&body(1)).unwrap();
    assert_eq!(text(&subscriber.recv_timeout(PATIENCE).unwrap().unwrap()), "1");
}

/// Without 9, which is a publisher there.
const UNKNOWN_IN_RECORD: &[u8] = UNKNOWN.split_at(UNKNOWN.len() - 4).0;

/// Two types under one name, in either order of coming: both ends are told within a second, and no message is misread.
#[test]
fn two_types_on_one_topic_are_told_at_both_ends_within_a_second() {
    const OTHER: &str = "syntax = \"proto3\"; package demo; message Point { string x = 1; }";
    let place = Place::new();
    let (driver, reader) = (place.node("driver"), place.node("reader"));
    let told = |round: usize, is_publisher_first: bool| {
        let topic = format!("/t{round}{is_publisher_first}");
        let publish = || {
            let schema = Some(schema(OTHER, "demo.Point"));
            (Instant::now(), driver.publisher_raw(&topic, schema).create().unwrap())
        };
        let subscribe = || (Instant::now(), reader.subscriber::<Point>(&topic).create().unwrap());
        let ((_, publisher), (began, subscriber)) = if is_publisher_first {
            (publish(), subscribe())
        } else {
            let (second, first) = (subscribe(), publish());
            ((first.0, first.1), (first.0, second.1))
        };
        let Some(Event::SchemaDiffers { refused: true, comparison, .. }) = subscriber.event(PATIENCE) else {
            panic!("the subscriber is not told")
        };
        assert!(matches!(comparison, Comparison::Breaking { .. }));
        let Some(PublisherEvent::SchemaDiffers { node, what }) = publisher.event(PATIENCE) else {
            panic!("the publisher is not told")
        };
        assert!(node == "reader" && what.contains("was string, expected double"), "{what}");
        let took = began.elapsed();
        publisher.send(Bytes::from_static(b"\x0a\x01x")).unwrap();
        assert_eq!(subscriber.try_recv().map(|_| ()), Err(RecvError::TimedOut));
        assert_eq!(publisher.subscribers(), 0);
        took
    };
    for is_publisher_first in [true, false] {
        // A machine that is busy may be late once.
        let best = (0..3).map(|round| told(round, is_publisher_first)).min().unwrap();
        assert!(best < Duration::from_secs(1), "{best:?}");
    }
}

/// A type without a build script.
#[derive(Debug)]
struct Point;

impl tamtam::TopicMessage for Point {
    fn schema() -> Result<Option<Schema>, tamtam::schema::SchemaError> {
        Ok(Some(point()))
    }

    fn to_body(&self) -> Bytes {
        Bytes::new()
    }

    fn from_body(_: &tamtam::Frame) -> Result<Self, tamtam::DecodeError> {
        Ok(Self)
    }
}
