//! Publishers that are in no registry, and known by an address alone: what becomes of the connection is told.

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::child::{Process, role};
use common::{PATIENCE, Place, text};
use tamtam::{Event, Node, RawSubscriber, RecvError};

/// Receives until this event is told; messages that come meanwhile are passed over.
fn told(subscriber: &RawSubscriber, is_it: impl Fn(&Event) -> bool) -> Event {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        match subscriber.recv_bytes(Some(Duration::from_millis(20))) {
            Ok(_) | Err(RecvError::TimedOut) => {}
            Err(error) => panic!("{error}"),
        }
        while let Some(event) = subscriber.event(Duration::ZERO) {
            if is_it(&event) {
                return event;
            }
            assert!(!matches!(event, Event::Gone { .. }), "it is in no registry: {event:?}");
        }
        assert!(std::time::Instant::now() < deadline, "it is never told");
    }
}

fn is_up(event: &Event) -> bool {
    matches!(event, Event::Connected { .. })
}

fn is_down(event: &Event) -> bool {
    matches!(event, Event::Disconnected { .. })
}

/// A publisher in a process of its own, in another domain, at an endpoint that is given.
fn publish(endpoint: &str, place: &std::path::Path, is_plain: bool) {
    let node = Node::builder("elsewhere").domain("other").directory(place).open().unwrap();
    let publisher = node.publisher::<Bytes>("/t").bind(endpoint);
    let publisher = if is_plain { publisher.plain("END") } else { publisher };
    let publisher = publisher.create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    publisher.send(&"hello".into()).unwrap();
    println!("published");
    // Until it is killed.
    std::thread::park();
}

#[test]
fn a_publisher_that_dies_is_told_and_so_is_its_successor() {
    const SELF: &str = "a_publisher_that_dies_is_told_and_so_is_its_successor";
    if let Some((role, place)) = role() {
        let (dialect, endpoint) = role.split_once(' ').unwrap();
        return publish(endpoint, &place, dialect == "plain");
    }
    for dialect in ["plain", "typed"] {
        let place = Place::new();
        let endpoint = format!("ipc://{}", place.path().join("data").display());
        let reader = place.node("reader");
        let subscriber = reader.subscriber::<Bytes>("/t").connect(&endpoint);
        let subscriber = if dialect == "plain" { subscriber.plain("END") } else { subscriber };
        let subscriber = subscriber.create().unwrap();
        for _ in 0..2 {
            let mut publisher = Process::spawn(SELF, &format!("{dialect} {endpoint}"), place.path());
            publisher.expect("published");
            let up = told(&subscriber, is_up);
            assert_eq!(up, Event::Connected { endpoint: endpoint.clone() });
            publisher.kill();
            let down = told(&subscriber, is_down);
            assert!(
                matches!(&down, Event::Disconnected { endpoint: lost, .. } if *lost == endpoint),
                "{down:?}"
            );
        }
        assert_eq!(subscriber.statistics().received, 2, "{dialect}");
    }
}

/// Its going is no news once it has said END.
#[test]
fn who_has_ended_may_go() {
    for is_plain in [true, false] {
        let place = Place::new();
        let elsewhere = Place::new();
        let driver = elsewhere.node("driver");
        let publisher = driver.publisher::<Bytes>("/t").bind("tcp://127.0.0.1:*");
        let publisher = if is_plain { publisher.plain("END") } else { publisher };
        let publisher = publisher.create().unwrap();
        let endpoint = publisher.endpoints().last().unwrap().clone();
        let reader = place.node("reader");
        let subscriber = reader.subscriber::<Bytes>("/t").connect(&endpoint).expect_publishers(2);
        let subscriber = if is_plain { subscriber.plain("END") } else { subscriber };
        let subscriber = subscriber.create().unwrap();
        publisher.wait_for(1, PATIENCE).unwrap();
        publisher.send(&"x".into()).unwrap();
        publisher.finish().drain(PATIENCE).unwrap();
        assert_eq!(text(&subscriber.recv_timeout(PATIENCE).unwrap().unwrap()), "x");
        // The next one at the same place is told; what was between was not.
        let second = driver.publisher::<Bytes>("/t").bind(&endpoint);
        let second = if is_plain { second.plain("END") } else { second };
        let second = second.create().unwrap();
        let mut ups = 0;
        while ups < 2 {
            let event = told(&subscriber, |event| is_up(event) || is_down(event));
            assert!(is_up(&event), "plain {is_plain}: {event:?}");
            ups += 1;
        }
        drop(second);
    }
}
