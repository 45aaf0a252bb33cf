//! Queues that are bounded in octets: every rule of what happens when one is full keeps to it.

mod common;

use std::thread;
use std::time::Duration;

use bytes::Bytes;
use common::{PATIENCE, Place, eventually};
use tamtam::{LossReason, Overflow, PublishError, Qos};

/// Messages that may wait by their number alone: far more than the octets allow.
const MANY: u32 = 1_000_000;
const OCTETS: u64 = 100_000;
const SIZE: usize = 10_000;
/// More than the queues of both ends and the system between them hold.
const TOO_MANY: u64 = 5_000;

fn qos(overflow: Overflow) -> Qos {
    Qos::default().depth(MANY).depth_bytes(OCTETS).overflow(overflow)
}

fn large() -> Bytes {
    Bytes::from(vec![7; SIZE])
}

#[test]
fn a_queue_that_is_heavy_blocks_or_errs_as_chosen() {
    for overflow in [Overflow::Block(Duration::from_millis(20)), Overflow::Error] {
        let place = Place::new();
        let publisher = place.node("driver").publisher::<Bytes>("/t").qos(qos(overflow)).create().unwrap();
        let slow = place.node("slow").subscriber::<Bytes>("/t").qos(qos(overflow)).create().unwrap();
        publisher.wait_for(1, PATIENCE).unwrap();
        let mut sent = 0;
        let error = loop {
            match publisher.send(&large()) {
                Ok(_) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent < TOO_MANY, "the queues have no bound");
        };
        assert_eq!(error, PublishError::Full { slow: vec!["slow".to_owned()] }, "{overflow:?}");
        let reader = thread::spawn(move || slow.iter().filter(Result::is_ok).count() as u64);
        assert_eq!(publisher.finish().drain(PATIENCE), Ok(sent));
        assert_eq!(reader.join().unwrap(), sent);
    }
}

#[test]
fn a_queue_that_is_heavy_drops_the_newest() {
    let place = Place::new();
    let qos = qos(Overflow::DropNewest);
    let publisher = place.node("driver").publisher::<Bytes>("/t").qos(qos.clone()).create().unwrap();
    let slow = place.node("slow").subscriber::<Bytes>("/t").qos(qos).create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    let mut sent = 0;
    while publisher.dropped() == 0 {
        assert!(sent < TOO_MANY, "the queues have no bound");
        publisher.send(&large()).unwrap();
        sent += 1;
    }
    let reader = thread::spawn(move || {
        let received = slow.iter().filter(Result::is_ok).count() as u64;
        (received, slow.statistics().lost)
    });
    assert_eq!(publisher.finish().drain(PATIENCE), Ok(sent));
    let (received, lost) = reader.join().unwrap();
    assert_eq!(received + lost, sent);
    assert!(lost > 0);
}

#[test]
fn a_queue_that_is_heavy_drops_the_oldest() {
    let place = Place::new();
    let qos = qos(Overflow::DropOldest);
    let publisher = place.node("driver").publisher::<Bytes>("/t").qos(qos.clone()).create().unwrap();
    let slow = place.node("slow").subscriber::<Bytes>("/t").qos(qos).create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    for _ in 0..500 {
        publisher.send(&large()).unwrap();
    }
    publisher.finish().drain(PATIENCE).unwrap();
    let mut numbers = Vec::new();
    while let Some(sample) = slow.recv_timeout(PATIENCE).unwrap() {
        numbers.push(sample.info.seq);
    }
    let counted = slow.statistics();
    assert_eq!(counted.received + counted.lost, 500);
    // Ten, or eleven with what came last; and what one read took from the system.
    assert!((1..=20).contains(&numbers.len()), "{numbers:?}");
    assert_eq!(numbers.last(), Some(&500));
    let reasons: Vec<_> = std::iter::from_fn(|| slow.event(Duration::ZERO))
        .filter_map(|event| match event {
            tamtam::Event::Lost { reason, .. } => Some(reason),
            _ => None,
        })
        .collect();
    assert!(!reasons.is_empty() && reasons.iter().all(|reason| *reason == LossReason::SubscriberFull));
}

/// What is larger than the bound goes alone.
#[test]
fn a_message_larger_than_the_bound_gets_through() {
    for overflow in [Overflow::Block(PATIENCE), Overflow::DropOldest] {
        let place = Place::new();
        let qos = Qos::default().depth_bytes(1).overflow(overflow);
        let publisher = place.node("driver").publisher::<Bytes>("/t").qos(qos.clone()).create().unwrap();
        let reader = place.node("reader").subscriber::<Bytes>("/t").qos(qos).create().unwrap();
        publisher.wait_for(1, PATIENCE).unwrap();
        let sender = thread::spawn(move || {
            for _ in 0..20 {
                publisher.send(&Bytes::from(vec![1; 300_000])).unwrap();
            }
            publisher.finish().drain(PATIENCE).unwrap()
        });
        let mut last = 0;
        while let Some(sample) = reader.recv_timeout(PATIENCE).unwrap() {
            assert_eq!(sample.len(), 300_000);
            last = sample.info.seq;
        }
        assert_eq!((sender.join().unwrap(), last), (20, 20), "{overflow:?}");
        let lost = reader.statistics().lost;
        assert!(lost == 0 || overflow == Overflow::DropOldest, "{lost} are lost");
    }
}

/// Of what is kept for latecomers, the newest that fit.
#[test]
fn latched_messages_are_as_many_as_the_queue_holds() {
    let place = Place::new();
    let driver = place.node("driver");
    let qos = qos(Overflow::Error).latch(50);
    let publisher = driver.publisher::<Bytes>("/map").qos(qos).create().unwrap();
    for number in 0..60_u8 {
        publisher.send(&Bytes::from(vec![number; SIZE])).unwrap();
    }
    let late = place.node("late").subscriber::<Bytes>("/map").create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    publisher.finish().drain(PATIENCE).unwrap();
    let numbers: Vec<u64> = late.iter().map(|sample| sample.unwrap().info.seq).collect();
    assert_eq!(numbers, (51..=60).collect::<Vec<u64>>(), "with their headers ten are beyond the bound");
    assert_eq!(late.statistics().lost, 0);
}

/// One that is larger than the bound stands in nobody's way: those after it are not lost for its sake.
#[test]
fn a_large_latched_message_takes_no_room_from_newer_ones() {
    let place = Place::new();
    let driver = place.node("driver");
    let publisher = driver.publisher::<Bytes>("/map").qos(qos(Overflow::Error).latch(4)).create().unwrap();
    for size in [1, 2 * OCTETS as usize, 2, 3] {
        publisher.send(&Bytes::from(vec![7; size])).unwrap();
    }
    let late = |name: &str, expected: &[u64]| {
        let subscriber = place.node(name).subscriber::<Bytes>("/map").create().unwrap();
        let got: Vec<u64> =
            expected.iter().map(|_| subscriber.recv_timeout(PATIENCE).unwrap().unwrap().info.seq).collect();
        assert_eq!((&got[..], subscriber.statistics().lost), (expected, 0));
    };
    late("first", &[3, 4]);
    // The newest one comes however large it is, and those before it that leave room.
    publisher.send(&Bytes::from(vec![7; 2 * OCTETS as usize])).unwrap();
    late("second", &[3, 4, 5]);
}

/// A memory bound that nobody has to ask for; and none for those who want none.
#[test]
fn there_is_a_bound_unless_it_is_taken_away() {
    let place = Place::new();
    let driver = place.node("driver");
    let huge = Bytes::from(vec![0; 24 << 20]);
    let fill = |topic: &str, qos: Qos, enough: u64| {
        let publisher = driver.publisher::<Bytes>(topic).qos(qos.clone()).create().unwrap();
        let slow = driver.subscriber::<Bytes>(topic).qos(Qos::default().depth(1)).create().unwrap();
        publisher.wait_for(1, PATIENCE).unwrap();
        let sent = (0..enough).take_while(|_| publisher.send(&huge).is_ok()).count();
        slow.close();
        sent
    };
    // One on its way, three for 64 MiB, and what the system and the subscriber hold.
    let sent = fill("/bounded", Qos::default().overflow(Overflow::Error), 20);
    assert!((3..10).contains(&sent), "{sent}");
    let mut unbounded = Qos::default().overflow(Overflow::Error);
    unbounded.depth_bytes = None;
    assert_eq!(fill("/unbounded", unbounded, 20), 20, "the octets are shared: this costs no memory");
    eventually("they are gone", || driver.graph().topics().is_empty());
}
