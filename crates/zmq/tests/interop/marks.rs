//! High-water marks with a slow peer of the other library: memory stays bounded, and what is said to be sent arrives.

use std::time::Duration;

use tamtam_zmq::SocketType::{Pub, Pull, Push, Sub, XPub};
use tamtam_zmq::{Message, SendError};

use super::ends::End;
use super::{Contexts, await_subscriber, everywhere, last_endpoint, nudge, with_both_drivers};

/// Large enough that the kernel's buffers are full soon.
const SIZE: usize = 200_000;
const MARK: u32 = 10;
/// More than the marks and the kernel's buffers can hold together.
const TOO_MANY: u32 = 2000;
/// How long nothing must move before it counts as full.
const QUIET: Duration = Duration::from_millis(100);

fn numbered(number: u32) -> Vec<u8> {
    let mut body = vec![0; SIZE];
    body[..4].copy_from_slice(&number.to_be_bytes());
    body
}

fn number_of(frames: &super::Frames) -> u32 {
    assert_eq!(frames.concat().len(), SIZE);
    u32::from_be_bytes(frames[0][..4].try_into().unwrap())
}

#[test]
fn our_push_waits_for_a_slow_pull() {
    everywhere(|case| {
        let contexts = Contexts::new();
        let ours = contexts.ours(Push, case.driver, |options| {
            options.set_send_hwm(MARK);
        });
        let mut theirs = contexts.theirs(zmq::PULL);
        theirs.set_rcvhwm(MARK.try_into().unwrap()).unwrap();
        case.join(&ours, &theirs);
        let mut sent = 0;
        loop {
            match ours.send_timeout(numbered(sent), QUIET) {
                Ok(()) => sent += 1,
                Err(SendError::TimedOut(back)) => {
                    assert!(back == Message::from(numbered(sent)), "the message comes back");
                    break;
                }
                Err(error) => panic!("{error}"),
            }
            assert!(sent < TOO_MANY, "nothing holds the sender up");
        }
        let queued = ours.statistics().queued_out;
        // Once full, a queue has room again when half of it has gone.
        assert!((u64::from(MARK / 2)..=u64::from(MARK) + 1).contains(&queued), "{queued}");
        for number in 0..sent {
            assert_eq!(number_of(&theirs.receive()), number);
        }
        // There is room again.
        ours.send_timeout(numbered(sent), super::PATIENCE).unwrap();
        assert_eq!(number_of(&theirs.receive()), sent);
        assert_eq!(ours.statistics().traffic.dropped.total(), 0);
    });
}

#[test]
fn libzmqs_push_waits_for_our_slow_pull() {
    everywhere(|case| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(Pull, case.driver, |options| {
            options.set_receive_hwm(MARK);
        });
        let theirs = contexts.theirs(zmq::PUSH);
        theirs.set_sndhwm(MARK.try_into().unwrap()).unwrap();
        case.join(&ours, &theirs);
        let mut sent = 0;
        // The first one waits until the connection is there.
        theirs.send(numbered(sent), 0).unwrap();
        theirs.set_sndtimeo(QUIET.as_millis().try_into().unwrap()).unwrap();
        loop {
            sent += 1;
            match theirs.send(numbered(sent), 0) {
                Ok(()) => {}
                Err(zmq::Error::EAGAIN) => break,
                Err(error) => panic!("{error}"),
            }
            assert!(sent < TOO_MANY, "nothing holds the sender up");
        }
        assert!(ours.statistics().queued_in <= u64::from(MARK) + 1, "{}", ours.statistics().queued_in);
        for number in 0..sent {
            assert_eq!(number_of(&ours.receive()), number);
        }
    });
}

#[test]
fn our_publisher_drops_for_a_slow_subscriber_and_counts_it() {
    everywhere(|case| {
        let contexts = Contexts::new();
        let ours = contexts.ours(Pub, case.driver, |options| {
            options.set_send_hwm(MARK);
        });
        let mut theirs = contexts.theirs(zmq::SUB);
        theirs.set_rcvhwm(MARK.try_into().unwrap()).unwrap();
        theirs.set_subscribe(b"").unwrap();
        case.join(&ours, &theirs);
        await_subscriber(&ours, &theirs);
        let mut published = 0;
        while ours.statistics().traffic.dropped.full < 20 {
            ours.send(numbered(published)).unwrap();
            published += 1;
            assert!(published < TOO_MANY, "nothing is dropped");
        }
        let traffic = ours.statistics().traffic;
        let arriving = u64::from(published) - traffic.dropped.full;
        assert_eq!(traffic.messages_out, arriving);
        let mut last = None;
        for _ in 0..arriving {
            let number = Some(number_of(&theirs.receive()));
            assert!(number > last, "{number:?} after {last:?}");
            last = number;
        }
        // Nothing is left over, and the next one arrives. (Theirs may have it all before ours has noted that it is written.)
        nudge(&theirs, "the end of the queue", || ours.statistics().queued_out == 0);
        ours.send(numbered(published)).unwrap();
        assert_eq!(number_of(&theirs.receive()), published);
    });
}

#[test]
fn our_publisher_waits_for_a_slow_subscriber_where_told_to() {
    everywhere(|case| {
        let contexts = Contexts::new();
        let mut ours = contexts.ours(XPub, case.driver, |options| {
            options.set_send_hwm(MARK).set_xpub_nodrop(true);
        });
        let mut theirs = contexts.theirs(zmq::SUB);
        theirs.set_rcvhwm(MARK.try_into().unwrap()).unwrap();
        theirs.set_subscribe(b"").unwrap();
        case.join(&ours, &theirs);
        await_subscriber(&ours, &theirs);
        std::thread::scope(|scope| {
            let publisher = &mut ours;
            scope.spawn(move || {
                for number in 0..200 {
                    publisher.send_timeout(numbered(number), super::PATIENCE).unwrap();
                }
            });
            for number in 0..200 {
                assert_eq!(number_of(&theirs.receive()), number);
            }
        });
        assert_eq!(ours.statistics().traffic.dropped.total(), 0);
    });
}

#[test]
fn a_slow_subscriber_does_not_hold_the_others_up() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let ours = contexts.ours(Pub, driver, |options| {
            options.set_send_hwm(MARK);
        });
        let endpoint = ours.bind("tcp://127.0.0.1:*").unwrap();
        let [slow, mut quick] = [0, 1].map(|_| {
            let theirs = contexts.theirs(zmq::SUB);
            theirs.set_rcvhwm(MARK.try_into().unwrap()).unwrap();
            theirs.set_subscribe(b"").unwrap();
            theirs.connect(&endpoint).unwrap();
            theirs
        });
        ours.wait_for_subscribers(2, super::PATIENCE).unwrap();
        for number in 0..200 {
            ours.send(numbered(number)).unwrap();
            assert_eq!(number_of(&quick.receive()), number);
        }
        assert!(ours.statistics().traffic.dropped.full > 0);
        drop(slow);
    });
}

#[test]
fn our_slow_subscriber_and_libzmqs_publisher() {
    with_both_drivers(|driver| {
        let contexts = Contexts::new();
        let mut theirs = contexts.theirs(zmq::XPUB);
        theirs.set_sndhwm(MARK.try_into().unwrap()).unwrap();
        theirs.bind("tcp://127.0.0.1:*").unwrap();
        let mut ours = contexts.ours(Sub, driver, |options| {
            options.set_receive_hwm(MARK);
        });
        ours.subscribe("").unwrap();
        ours.connect(&last_endpoint(&theirs)).unwrap();
        assert_eq!(theirs.receive(), [b"\x01"]);
        for number in 0..200 {
            theirs.send(numbered(number), 0).unwrap();
        }
        // libzmq drops and does not say how many; what comes is whole and in order, and we take no more than the mark.
        let mut last = number_of(&ours.receive());
        let mut count = 1;
        while let Some(frames) = ours.receive_within(QUIET) {
            let number = number_of(&frames);
            assert!(number > last);
            last = number;
            count += 1;
            assert!(ours.statistics().queued_in <= u64::from(MARK) + 1);
        }
        assert!(count < 200, "libzmq was not held up");
    });
}
