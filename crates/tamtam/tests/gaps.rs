//! Many small gaps: all are counted at both ends, and the publisher is not flooded.

mod common;

use std::thread;
use std::time::Duration;

use bytes::Bytes;
use common::{PATIENCE, Place, eventually};
use tamtam::{Event, Overflow, PublisherEvent, Qos};

#[test]
fn every_gap_is_counted_at_the_publisher_in_few_reports() {
    let place = Place::new();
    let qos = Qos::default().depth(1).overflow(Overflow::DropNewest);
    let publisher = place.node("driver").publisher::<Bytes>("/t").qos(qos).create().unwrap();
    let reader = place.node("reader");
    let subscriber = reader.subscriber::<Bytes>("/t").qos(Qos::default().depth(1)).create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    let reading = thread::spawn(move || {
        let received = subscriber.iter().filter(Result::is_ok).count() as u64;
        (received, subscriber.statistics().lost, subscriber)
    });
    // Larger than what a socket's buffer holds of them: the queue of one is full time and again.
    let body = Bytes::from(vec![7; 60_000]);
    for _ in 0..20_000 {
        publisher.send(&body).unwrap();
    }
    let dropped = publisher.dropped();
    // Of END all know how many there were.
    let events = thread::scope(|scope| {
        let told = scope.spawn(|| {
            let (mut reports, mut missing) = (0_u64, 0_u64);
            let mut listen = || {
                while let Some(event) = publisher.event(Duration::from_millis(5)) {
                    if let PublisherEvent::Lost { from, to, count, node, .. } = event {
                        assert!(from <= to && (1..=to - from + 1).contains(&count), "{from} {to} {count}");
                        assert_eq!(node, "reader");
                        reports += 1;
                        missing += count;
                    }
                }
                missing
            };
            eventually("all that was dropped before the last message that came is told", || {
                // One more, which is not dropped in the end, brings the last gap to light.
                _ = publisher.send(&Bytes::new());
                listen() >= dropped
            });
            (reports, missing)
        });
        told.join().unwrap()
    });
    let (reports, missing) = events;
    publisher.finish().drain(PATIENCE).unwrap();
    let (_, lost, subscriber) = reading.join().unwrap();
    assert!(missing <= lost && dropped <= missing, "{dropped} {missing} {lost}");
    let gaps = std::iter::from_fn(|| subscriber.event(Duration::ZERO))
        .filter(|event| matches!(event, Event::Lost { .. }))
        .count() as u64;
    let gaps = gaps + subscriber.statistics().events_dropped;
    assert!(reports <= gaps, "{reports} reports of {gaps} gaps");
}
