//! Publishers and subscribers that find each other by name.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{PATIENCE, Place, body, text};
use tamtam::{Event, Overflow, PublishError, Qos, RecvError};

#[test]
fn every_subscriber_gets_every_message_and_the_end() {
    let place = Place::new();
    let node = place.node("driver");
    let publisher = node.publisher::<Bytes>("/numbers").create().unwrap();
    let readers: Vec<_> = (0..3)
        .map(|number| {
            let node = place.node(&format!("reader{number}"));
            let subscriber = node.subscriber::<Bytes>("/numbers").create().unwrap();
            thread::spawn(move || {
                let mut expected = 0_u64;
                while let Some(sample) = subscriber.recv_timeout(PATIENCE).unwrap() {
                    assert_eq!(text(&sample), expected.to_string());
                    expected += 1;
                    assert_eq!(sample.info.seq, expected);
                }
                assert_eq!(subscriber.recv().unwrap(), None, "it stays over");
                (expected, subscriber.statistics())
            })
        })
        .collect();
    publisher.wait_for(3, PATIENCE).unwrap();
    let mut names = publisher.subscriber_names();
    names.sort();
    assert_eq!(names, ["reader0", "reader1", "reader2"]);
    for number in 0..50_000 {
        let sent = publisher.send(&body(number)).unwrap();
        assert_eq!((sent.seq, sent.subscribers, sent.dropped), (number + 1, 3, 0));
    }
    assert_eq!(publisher.finish().drain(PATIENCE), Ok(50_000));
    for reader in readers {
        let (count, statistics) = reader.join().unwrap();
        assert_eq!((count, statistics.received, statistics.lost), (50_000, 50_000, 0));
    }
}

/// Whoever starts first, they meet soon.
#[test]
fn any_order_of_start_connects_within_a_tenth_of_a_second() {
    let place = Place::new();
    for round in 0..5 {
        let topic = format!("/order/{round}");
        let (early, late) = (place.node("early"), place.node("late"));
        let subscriber = early.subscriber::<Bytes>(&topic).create().unwrap();
        let began = Instant::now();
        let publisher = late.publisher::<Bytes>(&topic).create().unwrap();
        publisher.wait_for(1, PATIENCE).unwrap();
        let took = began.elapsed();
        // Generous: the machine may be busy. What is meant is measured in the benchmark.
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert_eq!(subscriber.publishers(), 1);
    }
}

#[test]
fn a_barrier_that_is_not_reached_says_who_is_there() {
    let place = Place::new();
    let node = place.node("driver");
    let publisher = node.publisher::<Bytes>("/cmd").create().unwrap();
    let arm = place.node("arm");
    let _subscriber = arm.subscriber::<Bytes>("/cmd").create().unwrap();
    let other = place.node("other");
    let _elsewhere = other.subscriber::<Bytes>("/cmd2").create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    let missed = publisher.wait_for(2, Duration::from_millis(50)).unwrap_err();
    assert_eq!((missed.have, missed.want, missed.who.as_slice()), (1, 2, &["arm".to_owned()][..]));
    assert!(missed.to_string().starts_with("1 of 2 subscribers after 0."), "{missed}");
    assert!(missed.to_string().ends_with("(attached: arm)"), "{missed}");
}

#[test]
fn a_publisher_that_is_dropped_says_goodbye() {
    let place = Place::new();
    let node = place.node("a");
    let subscriber = node.subscriber::<Bytes>("/t").create().unwrap();
    let publisher = node.publisher::<Bytes>("/t").create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    publisher.send(&body(1)).unwrap();
    drop(publisher);
    assert_eq!(text(&subscriber.recv_timeout(PATIENCE).unwrap().unwrap()), "1");
    assert_eq!(subscriber.recv_timeout(PATIENCE).unwrap(), None);
    let ended = std::iter::from_fn(|| subscriber.event(Duration::ZERO))
        .any(|event| matches!(event, Event::Ended { count: 1, .. }));
    assert!(ended);
}

#[test]
fn several_publishers_must_all_end() {
    let place = Place::new();
    let node = place.node("a");
    let subscriber = node.subscriber::<Bytes>("/t").expect_publishers(2).create().unwrap();
    let first = node.publisher::<Bytes>("/t").create().unwrap();
    first.wait_for(1, PATIENCE).unwrap();
    first.send(&body("a")).unwrap();
    first.finish().drain(PATIENCE).unwrap();
    assert_eq!(text(&subscriber.recv_timeout(PATIENCE).unwrap().unwrap()), "a");
    assert_eq!(
        subscriber.recv_timeout(Duration::from_millis(50)),
        Err(RecvError::TimedOut),
        "one is missing"
    );
    let second = node.publisher::<Bytes>("/t").create().unwrap();
    second.wait_for(1, PATIENCE).unwrap();
    second.finish().drain(PATIENCE).unwrap();
    assert_eq!(subscriber.recv_timeout(PATIENCE), Ok(None));
}

#[test]
fn latecomers_get_what_is_latched_and_no_more() {
    let place = Place::new();
    let node = place.node("a");
    let publisher = node.publisher::<Bytes>("/map").qos(Qos::default().latch(2)).create().unwrap();
    for number in 1..=5 {
        publisher.send(&body(number)).unwrap();
    }
    let subscriber = node.subscriber::<Bytes>("/map").create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    publisher.send(&body(6)).unwrap();
    publisher.finish().drain(PATIENCE).unwrap();
    let got: Vec<_> = subscriber.iter().map(|sample| sample.unwrap()).collect();
    let told: Vec<_> = got.iter().map(|s| (text(s), s.info.seq, s.info.latched)).collect();
    assert_eq!(told, [("4".into(), 4, true), ("5".into(), 5, true), ("6".into(), 6, false)]);
    assert_eq!(subscriber.statistics().lost, 0, "what was before is not lost");
}

#[test]
fn a_full_queue_blocks_or_errs_as_chosen_and_nobody_has_the_message() {
    for overflow in [Overflow::Block(Duration::from_millis(20)), Overflow::Error] {
        let place = Place::new();
        let node = place.node("driver");
        let qos = Qos::default().depth(10).overflow(overflow);
        let publisher = node.publisher::<Bytes>("/t").qos(qos).create().unwrap();
        let slow =
            place.node("slow").subscriber::<Bytes>("/t").qos(Qos::default().depth(10)).create().unwrap();
        publisher.wait_for(1, PATIENCE).unwrap();
        let large = Bytes::from(vec![7; 100_000]);
        let mut sent = 0;
        let error = loop {
            match publisher.send(&large) {
                Ok(_) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent < 10_000, "the queues have no bound");
        };
        assert_eq!(error, PublishError::Full { slow: vec!["slow".to_owned()] }, "{overflow:?}");
        let reader = thread::spawn(move || {
            let count = slow.iter().filter(|sample| sample.as_ref().unwrap().len() == 100_000).count();
            (count, slow.statistics().lost)
        });
        assert_eq!(publisher.finish().drain(PATIENCE), Ok(sent));
        assert_eq!(reader.join().unwrap(), (sent as usize, 0));
    }
}

/// One does not read: the others get everything, and what it misses is known at both ends.
#[test]
fn what_a_slow_subscriber_misses_is_told_at_both_ends() {
    let place = Place::new();
    let node = place.node("driver");
    let qos = Qos::default().depth(50).overflow(Overflow::DropNewest);
    let publisher = node.publisher::<Bytes>("/t").qos(qos.clone()).create().unwrap();
    let slow = place.node("slow").subscriber::<Bytes>("/t").qos(qos.clone()).create().unwrap();
    let quick = place.node("quick").subscriber::<Bytes>("/t").qos(qos).create().unwrap();
    publisher.wait_for(2, PATIENCE).unwrap();
    let reader = thread::spawn(move || quick.iter().filter(Result::is_ok).count());
    let large = Bytes::from(vec![7; 50_000]);
    let mut dropped = 0;
    let mut sent = 0;
    while dropped < 20 {
        dropped += publisher.send(&large).unwrap().dropped;
        sent += 1;
        assert!(sent < 10_000);
    }
    assert_eq!(publisher.dropped(), dropped);
    let reading = thread::spawn(move || {
        let count = slow.iter().filter(Result::is_ok).count() as u64;
        let lost: u64 = std::iter::from_fn(|| slow.event(Duration::ZERO))
            .map(|event| match event {
                Event::Lost { from, to, .. } => to - from + 1,
                _ => 0,
            })
            .sum();
        (count, lost, slow.statistics().lost)
    });
    let finishing = publisher.finish();
    let count = finishing.drain(PATIENCE).unwrap();
    assert_eq!(count, sent);
    let (received, told, lost) = reading.join().unwrap();
    assert_eq!((received + lost, told), (sent, lost));
    assert!(lost <= dropped && lost > 0, "{lost} {dropped}");
    assert!(reader.join().unwrap() as u64 + (dropped - lost) == sent);
}

/// Whoever comes while a message is being sent gets it, or is told that it came after it; it is not told of a gap.
#[test]
fn those_who_come_in_the_middle_of_a_message_miss_nothing() {
    const NEWCOMERS: usize = 100;
    let place = Place::new();
    let driver = place.node("driver");
    // Full all the time: who comes finds it in the middle of a message.
    let qos = Qos::default().depth(1).latch(1).overflow(Overflow::Block(PATIENCE));
    let publisher = driver.publisher::<Bytes>("/t").qos(qos).create().unwrap();
    let node = place.node("readers");
    let first = node.subscriber::<Bytes>("/t").create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let large = Bytes::from(vec![1; 100_000]);
            while !is_over.load(Ordering::Relaxed) {
                publisher.send(&large).unwrap();
            }
            publisher.finish().drain(PATIENCE).unwrap();
        });
        let first = scope.spawn(move || (first.iter().filter(Result::is_ok).count(), first.statistics()));
        let newcomers: Vec<_> = (0..NEWCOMERS)
            .map(|_| {
                let subscriber = node.subscriber::<Bytes>("/t").create().unwrap();
                let got: Vec<_> = (0..3).map(|_| subscriber.recv_timeout(PATIENCE)).collect();
                (got.iter().all(Result::is_ok), subscriber.statistics().lost)
            })
            .collect();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(newcomers, [(true, 0); NEWCOMERS]);
        let (count, counted) = first.join().unwrap();
        assert_eq!((count as u64, counted.lost), (counted.received, 0));
    });
}
