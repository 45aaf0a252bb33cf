//! What a subscriber asks for beside the depth of its queue, and what becomes of it where a publisher promises less.

mod common;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use common::{PATIENCE, Place, body, text};
use tamtam::{Event, Overflow, PublisherEvent, Qos, RecvError};

/// What came too late, or too soon after another one, was published, arrived, and is counted: it is not lost.
#[test]
fn what_is_too_old_is_passed_over_and_counted() {
    let place = Place::new();
    let publisher = place.node("driver").publisher::<Bytes>("/t").create().unwrap();
    let qos = Qos::default().lifespan(Duration::from_secs(60));
    let subscriber = place.node("reader").subscriber::<Bytes>("/t").qos(qos).create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap();
    let minutes = |count: u64| Duration::from_secs(60 * count).as_nanos() as u64;
    // One of a publisher whose clock runs ahead is not too old, and one without a time has no age.
    for (number, stamp) in
        [now, now - minutes(2), now - minutes(60), now + minutes(60), 0].into_iter().enumerate()
    {
        publisher.send_with(body(number), |header| header.stamp_ns = stamp).unwrap();
    }
    publisher.finish().drain(PATIENCE).unwrap();
    let got: Vec<_> = subscriber.iter().map(|sample| text(&sample.unwrap())).collect();
    assert_eq!(got, ["0", "3", "4"]);
    let counted = subscriber.statistics();
    assert_eq!((counted.received, counted.expired, counted.lost), (3, 2, 0));
}

#[test]
fn more_than_the_highest_rate_is_thinned_and_counted() {
    let place = Place::new();
    let publisher = place.node("driver").publisher::<Bytes>("/t").create().unwrap();
    let reader = place.node("reader");
    let subscriber =
        |rate| reader.subscriber::<Bytes>("/t").qos(Qos::default().max_rate(rate)).create().unwrap();
    let (seldom, always, all) = (subscriber(0.001), subscriber(1e12), subscriber(0.0));
    publisher.wait_for(3, PATIENCE).unwrap();
    for number in 0..100 {
        publisher.send(&body(number)).unwrap();
    }
    publisher.finish().drain(PATIENCE).unwrap();
    let got: Vec<_> = seldom.iter().map(|sample| text(&sample.unwrap())).collect();
    assert_eq!(got, ["0"]);
    let counted = seldom.statistics();
    assert_eq!((counted.received, counted.thinned, counted.lost), (1, 99, 0));
    // A rate that is none asks for nothing.
    for subscriber in [always, all] {
        assert_eq!(subscriber.iter().filter(Result::is_ok).count(), 100);
        assert_eq!(subscriber.statistics().thinned, 0);
    }
}

/// Who wants every message and meets a publisher that does not wait gets its messages all the same, and both are told, once.
#[test]
fn the_weaker_side_wins_and_both_are_told() {
    let place = Place::new();
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let qos = Qos::default().overflow(overflow);
        let publisher = place.node("driver").publisher::<Bytes>("/t").qos(qos).create().unwrap();
        let subscriber = place.node("reader").subscriber::<Bytes>("/t").create().unwrap();
        publisher.wait_for(1, PATIENCE).unwrap();
        publisher.send(&body(1)).unwrap();
        assert_eq!(text(&subscriber.recv_timeout(PATIENCE).unwrap().unwrap()), "1");
        let told = std::iter::from_fn(|| subscriber.event(Duration::ZERO));
        let degraded = told
            .filter(|event| matches!(event, Event::Degraded { publisher, .. } if publisher.node == "driver"));
        assert_eq!(degraded.count(), 1);
        let told = std::iter::from_fn(|| publisher.event(PATIENCE));
        let node = told.into_iter().find_map(|event| match event {
            PublisherEvent::Degraded { node, .. } => Some(node),
            _ => None,
        });
        assert_eq!(node.as_deref(), Some("reader"));
        assert_eq!(publisher.finish().drain(PATIENCE), Ok(1));
        assert_eq!(subscriber.recv_timeout(PATIENCE), Ok(None));
    }
    // Who asks for less than it gets has nothing to complain of.
    let publisher = place.node("driver").publisher::<Bytes>("/u").create().unwrap();
    let subscriber = place.node("reader").subscriber::<Bytes>("/u").qos(Qos::sensor()).create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    let told: Vec<_> = std::iter::from_fn(|| subscriber.event(Duration::ZERO)).collect();
    assert!(matches!(told[..], [Event::Matched(_)]), "{told:?}");
}

/// The newest of what is there, without waiting; a topic that has nothing new, and one that has ended, have none.
#[test]
fn the_latest_is_the_newest_that_is_there() {
    let place = Place::new();
    let publisher = place.node("driver").publisher::<Bytes>("/t").create().unwrap();
    let subscriber = place.node("reader").subscriber::<Bytes>("/t").create().unwrap();
    assert_eq!(subscriber.latest(), Ok(None));
    publisher.wait_for(1, PATIENCE).unwrap();
    for number in 0..10 {
        publisher.send(&body(number)).unwrap();
    }
    // What is on its way counts as well once it has arrived.
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != "9") {
        seen.extend(subscriber.latest().unwrap().map(|sample| text(&sample)));
    }
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!(subscriber.latest(), Ok(None));
    assert_eq!(subscriber.try_recv(), Err(RecvError::TimedOut));
    publisher.finish().drain(PATIENCE).unwrap();
    assert_eq!(subscriber.recv_timeout(PATIENCE), Ok(None));
    assert_eq!(subscriber.latest(), Ok(None));
    assert_eq!(subscriber.statistics().received, 10);
}
