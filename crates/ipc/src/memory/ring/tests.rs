use std::io::Write as _;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::net::{SendFlags, send};

use super::*;
use crate::memory::other::{Other, here, patient};

fn plan(message_max: usize, depth: usize) -> Plan {
    Plan { message_max, depth, ..Plan::default() }
}

fn receive(consumer: &mut Consumer) -> Vec<u8> {
    let mut message = Vec::new();
    consumer.receive(&mut message, patient()).expect("a message");
    message
}

#[test]
fn a_stream_arrives_whole_and_in_order_however_both_wait() {
    for wait in [Wait::Block, Wait::Spin(Duration::from_micros(5)), Wait::Spin(Duration::from_secs(1))] {
        for depth in [1, 3, 100] {
            let (mut producer, mut consumer) = pair(&Plan { wait, ..plan(300, depth) }).expect("a ring");
            let message = |number: u32| number.to_le_bytes().repeat(number as usize % 76);
            thread::scope(|scope| {
                scope.spawn(move || {
                    for number in 0..2000 {
                        producer.send(&message(number), patient()).expect("sent");
                    }
                });
                for number in 0..2000 {
                    assert_eq!(receive(&mut consumer), message(number), "{number}");
                }
                assert!(matches!(consumer.receive(&mut Vec::new(), patient()), Err(Error::Closed)));
            });
        }
    }
}

#[test]
fn a_message_is_written_and_read_where_it_stands() {
    let (mut producer, mut consumer) = pair(&plan(100, 2)).expect("a ring");
    producer.reserve(100, Deadline::NOW).expect("room").advance(100);
    let mut message = producer.reserve(10, Deadline::NOW).expect("still room");
    assert_eq!(message.len(), 10);
    assert_eq!(message.write(b"0123456").expect("written"), 7);
    assert_eq!(message.write(b"789abc").expect("written in part"), 3);
    assert_eq!(message.write(b"x").expect("full"), 0);
    message.commit().expect("sent");
    let mut message = producer.reserve(8, Deadline::NOW).expect("room");
    // A pointer may be written through as long as the reservation is there; advance does not go beyond the end.
    assert!(message.pointer().addr().is_multiple_of(8));
    message.advance(usize::MAX);
    message.commit().expect("sent");

    assert_eq!(consumer.peek(Deadline::NOW).expect("there").len(), 10);
    let message = consumer.peek(Deadline::NOW).expect("still there");
    assert_eq!((message.len(), message.to_vec()), (10, b"0123456789".to_vec()));
    message.release().expect("released");
    let message = consumer.peek(Deadline::NOW).expect("there");
    assert_eq!(message.len(), 8);
    assert!(!message.is_empty() && message.pointer().addr().is_multiple_of(8));
}

#[test]
fn a_side_is_given_away_once() {
    let (producer, consumer) = halves(&plan(8, 1)).expect("a ring");
    let copy = |half: &Half| {
        let dup = |descriptor: BorrowedFd<'_>| descriptor.try_clone_to_owned().expect("duplicated");
        Half::from_descriptors([dup(half.segment.as_fd()), dup(half.socket.as_fd())]).expect("a half")
    };
    let second = copy(&producer);
    let _producer = Producer::open(producer, Wait::Block).expect("the first");
    assert!(matches!(Producer::open(second, Wait::Block), Err(Error::Ticket(_))));
    let second = copy(&consumer);
    let _consumer = Consumer::open(consumer, Wait::Block).expect("the first");
    assert!(matches!(Consumer::open(second, Wait::Block), Err(Error::Ticket(_))));
}

#[test]
fn what_is_no_ring_is_refused() {
    let (producer, consumer) = halves(&plan(8, 1)).expect("a ring");
    let [_, socket] = producer.into_descriptors();
    let other = Segment::anonymous(4096).expect("made");
    let half = Half::from_descriptors([other.into(), socket]).expect("a segment");
    assert!(matches!(Producer::open(half, Wait::Block), Err(Error::Corrupt(_))));
    let [memory, socket] = consumer.into_descriptors();
    assert!(matches!(Half::from_descriptors([socket, memory]), Err(Error::Corrupt(_))));
}

#[test]
fn rings_of_the_other_side_alone_wake_nobody_up_for_good() {
    let (producer, consumer) = halves(&plan(8, 1)).expect("a ring");
    let socket = producer.socket.as_fd().try_clone_to_owned().expect("duplicated");
    let mut consumer = Consumer::open(consumer, Wait::Block).expect("opened");
    for _ in 0..100 {
        assert_eq!(send(&socket, &[0; 64], SendFlags::DONTWAIT), Ok(64));
    }
    for deadline in [Deadline::NOW, Deadline::after(Duration::from_millis(15))] {
        assert!(matches!(consumer.receive(&mut Vec::new(), deadline), Err(Error::TimedOut)));
    }
}

#[test]
fn a_hostile_bell_does_not_stop_the_clock() {
    let (producer, mut consumer) = pair(&plan(8, 1)).expect("a ring");
    let (stop, stopped) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            // Whatever the consumer announces is taken away or changed at once.
            let word = producer.writer.region().word32(Status::CONSUMER.bell());
            while !matches!(stopped.try_recv(), Err(mpsc::TryRecvError::Disconnected)) {
                for value in [0, 7, u32::MAX] {
                    word.store(value, Ordering::Relaxed);
                }
            }
        });
        let nothing = consumer.receive(&mut Vec::new(), Deadline::after(Duration::from_millis(50)));
        assert!(matches!(nothing, Err(Error::TimedOut)), "{nothing:?}");
        drop(stop);
    });
}

#[test]
fn rubbish_in_the_ring_is_an_error() {
    let (mut producer, mut consumer) = pair(&plan(8, 1)).expect("a ring");
    let region = producer.writer.region().clone();
    for at in (384..region.len() - 8).step_by(8) {
        region.word64(at).store(0x0000_0001_ffff_fff0, Ordering::Relaxed);
    }
    for _ in 0..2 {
        assert!(matches!(consumer.receive(&mut Vec::new(), patient()), Err(Error::Corrupt(_))));
    }
    // The producer believed the ring to be empty, and does not look before it is full.
    producer.send(&[0; 8], patient()).expect("room as far as we know");
    for _ in 0..2 {
        assert!(matches!(producer.send(&[0; 8], patient()), Err(Error::Corrupt(_))));
    }
}

#[test]
fn long_sleeps_end_on_the_socket() {
    // Longer than a moment, in both roles, so that the sleepers have gone over.
    let (mut producer, mut consumer) = pair(&plan(8, 1)).expect("a ring");
    let asleep = |region: &Region, side: Status| {
        while region.word32(side.bell()).load(Ordering::Relaxed) != 2 {
            thread::yield_now();
        }
    };
    let region = producer.writer.region().clone();
    region.word32(Status::CONSUMER.bell()).store(0, Ordering::Relaxed);
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| receive(&mut consumer));
        asleep(&region, Status::CONSUMER);
        producer.send(b"x", patient()).expect("sent");
        assert_eq!(sleeper.join().expect("no panic"), b"x");
    });
    producer.send(b"y", patient()).expect("sent");
    region.word32(Status::PRODUCER.bell()).store(0, Ordering::Relaxed);
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| producer.send(b"z", patient()));
        asleep(&region, Status::PRODUCER);
        assert_eq!(receive(&mut consumer), b"y");
        sleeper.join().expect("no panic").expect("sent");
    });
    assert_eq!(receive(&mut consumer), b"z");
}

/// Each step at which a process can die, the test being the other side of the ring.
#[test]
fn a_process_killed_at_any_step_is_noticed() {
    if let Some(mut here) = here() {
        let half =
            Half::from_descriptors(here.descriptors.split_off(0).try_into().expect("two")).expect("a half");
        let (role, step) = here.part.split_once(' ').expect("role and step");
        let step = step.to_owned();
        match role {
            "producer" => {
                let mut producer = Producer::open(half, Wait::Block).expect("opened");
                match step.as_str() {
                    "opened" => {}
                    "reserved" => {
                        let mut message = producer.reserve(8, patient()).expect("room");
                        message.write_all(b"unsent").expect("written");
                    }
                    "sent" => producer.send(b"sent", patient()).expect("sent"),
                    _ => {
                        producer.send(b"sent", patient()).expect("sent");
                        here.step();
                        drop(producer.send(b"full", Deadline::NEVER));
                    }
                }
                here.step();
                here.wait();
            }
            _ => {
                let mut consumer = Consumer::open(half, Wait::Block).expect("opened");
                match step.as_str() {
                    "opened" => {}
                    "peeked" => assert_eq!(consumer.peek(patient()).expect("there").len(), 4),
                    "received" => assert_eq!(receive(&mut consumer), b"sent"),
                    _ => {
                        assert_eq!(receive(&mut consumer), b"sent");
                        here.step();
                        receive(&mut consumer);
                    }
                }
                here.step();
                here.wait();
            }
        }
        return;
    }
    let test = concat!(module_path!(), "::a_process_killed_at_any_step_is_noticed");
    for (step, sent) in [("opened", 0), ("reserved", 0), ("sent", 1), ("waits for room", 1)] {
        let (theirs, ours) = halves(&plan(8, 1)).expect("a ring");
        let mut consumer = Consumer::open(ours, Wait::Block).expect("opened");
        let mut other = Other::start(test, &format!("producer {step}"), theirs.into_descriptors().into());
        other.wait_for_step();
        thread::scope(|scope| {
            if sent > 0 {
                assert_eq!(consumer.peek(patient()).expect("sent before").to_vec(), b"sent", "{step}");
            }
            // It dies while we wait, or before.
            scope.spawn(|| other.kill());
            for _ in 0..sent {
                assert_eq!(receive(&mut consumer), b"sent", "{step}");
            }
            let mut message = Vec::new();
            let outcome = match consumer.receive(&mut message, patient()) {
                Ok(()) if step == "waits for room" => {
                    assert_eq!(message, b"full");
                    consumer.receive(&mut message, patient())
                }
                outcome => outcome,
            };
            assert!(matches!(outcome, Err(Error::Closed)), "{step}: {outcome:?}");
        });
        assert!(matches!(consumer.receive(&mut Vec::new(), Deadline::NOW), Err(Error::Closed)), "{step}");
    }
    for step in ["opened", "peeked", "received", "waits"] {
        let (ours, theirs) = halves(&plan(8, 1)).expect("a ring");
        let mut producer = Producer::open(ours, Wait::Block).expect("opened");
        producer.send(b"sent", patient()).expect("room");
        let mut other = Other::start(test, &format!("consumer {step}"), theirs.into_descriptors().into());
        other.wait_for_step();
        thread::scope(|scope| {
            scope.spawn(|| other.kill());
            let outcome = (0..3).find_map(|_| producer.send(b"more", patient()).err());
            assert!(matches!(outcome, Some(Error::Closed)), "{step}: {outcome:?}");
        });
        assert!(matches!(producer.send(b"more", Deadline::NOW), Err(Error::Closed)), "{step}");
    }
}

#[test]
fn two_processes_answer_each_other() {
    if let Some(mut here) = here() {
        let mut halves = std::mem::take(&mut here.descriptors).into_iter();
        let mut half =
            || Half::from_descriptors([halves.next().expect("memory"), halves.next().expect("a socket")]);
        let mut consumer = Consumer::open(half().expect("a half"), Wait::Block).expect("opened");
        let mut producer = Producer::open(half().expect("a half"), Wait::Block).expect("opened");
        let mut message = Vec::new();
        while consumer.receive(&mut message, patient()).is_ok() {
            producer.send(&message, patient()).expect("answered");
        }
        return;
    }
    let test = concat!(module_path!(), "::two_processes_answer_each_other");
    let (ours_out, theirs_in) = halves(&plan(1000, 2)).expect("a ring");
    let (theirs_out, ours_in) = halves(&plan(1000, 2)).expect("a ring");
    let descriptors = [theirs_in, theirs_out].map(Half::into_descriptors).into_iter().flatten().collect();
    let other = Other::start(test, "answer", descriptors);
    let mut producer = Producer::open(ours_out, Wait::Block).expect("opened");
    let mut consumer = Consumer::open(ours_in, Wait::Block).expect("opened");
    for len in 0..1000 {
        let message = vec![len as u8; len];
        producer.send(&message, patient()).expect("asked");
        assert_eq!(receive(&mut consumer), message);
    }
    drop(producer);
    other.end();
}
