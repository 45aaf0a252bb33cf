//! Marks in octets: what is bounded besides the number of messages, on all transports and with both drivers.

mod common;

use std::io::Write;
use std::time::Duration;

use common::wire::{RawPeer, frame};
use common::{
    A_WHILE, DRIVERS, PATIENCE, driven_by, eventually, everywhere, fresh, over_the_network, reserved,
};
use tamtam_zmq::{
    Context, CurveKeyPair, Driver, Message, Options, Pub, Pull, Push, Router, Security, SendError, Sub, XPub,
};

/// Without marks in messages, and without lingering.
fn octets(driver: Driver, send: Option<u64>, receive: Option<u64>) -> impl Fn(&mut Options) {
    move |o| {
        o.set_driver(driver).set_linger(Some(Duration::ZERO));
        o.set_send_hwm(0).set_send_hwm_bytes(send);
        o.set_receive_hwm(0).set_receive_hwm_bytes(receive);
    }
}

#[test]
fn messages_are_taken_as_long_as_less_waits_than_the_mark_says() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, octets(driver, Some(10_000), None)).unwrap();
        push.connect(&reserved(transport)).unwrap();
        // 991 octets and nine of framing.
        for _ in 0..10 {
            assert!(push.readiness().writable, "{transport} {driver:?}");
            push.try_send(vec![0; 991]).unwrap();
        }
        assert!(!push.readiness().writable);
        assert!(matches!(push.try_send(""), Err(SendError::Full(_))), "{transport} {driver:?}");
        let peers = push.peers();
        assert_eq!((peers[0].queued_out, peers[0].queued_out_bytes), (10, 10_000));
    });
}

/// Nothing can block for ever, however small the mark is.
#[test]
fn a_message_larger_than_the_mark_goes_alone() {
    for mark in [0, 1, 10_000] {
        everywhere(|transport, driver| {
            let context = Context::new();
            let push = Push::with(&context, octets(driver, Some(mark), Some(mark))).unwrap();
            let pull = Pull::with(&context, octets(driver, Some(mark), Some(mark))).unwrap();
            push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    for number in 0..20_u8 {
                        push.send_timeout(vec![number; 100_000], PATIENCE).unwrap();
                    }
                });
                for number in 0..20_u8 {
                    let message = pull.recv_timeout(PATIENCE).unwrap();
                    assert_eq!((message.first().len(), message.as_slice()[0]), (100_000, number));
                }
            });
        });
    }
}

/// The two queues of a pipe are one: it holds the sum of both marks, and what one says where the other says nothing.
#[test]
fn inproc_queues_hold_the_sum_of_both_marks() {
    for driver in DRIVERS {
        for (send, receive, bound) in [
            (Some(3000), Some(4000), Some(7)),
            (Some(3000), None, Some(3)),
            (None, Some(4000), Some(4)),
            (None, None, None),
        ] {
            for connect_first in [false, true] {
                let context = Context::new();
                let push = Push::with(&context, octets(driver, send, None)).unwrap();
                let pull = Pull::with(&context, octets(driver, None, receive)).unwrap();
                let endpoint = fresh("inproc");
                if connect_first {
                    push.connect(&endpoint).unwrap();
                    pull.bind(&endpoint).unwrap();
                } else {
                    pull.bind(&endpoint).unwrap();
                    push.connect(&endpoint).unwrap();
                }
                let mut queued = 0;
                while queued < 50 && push.try_send(vec![0; 1000]).is_ok() {
                    queued += 1;
                }
                assert_eq!(queued, bound.unwrap_or(50), "{driver:?} {send:?} {receive:?} {connect_first}");
                assert_eq!(push.peers()[0].queued_out_bytes, queued * 1000);
                assert_eq!(pull.statistics().queued_in, queued);
                (0..queued).for_each(|_| _ = pull.try_recv().unwrap());
                push.try_send("there is room again").unwrap();
            }
        }
    }
}

/// A receiver that does not receive holds no more than its mark, one batch of bytes, and what the kernel has.
#[test]
fn a_receiver_at_its_mark_stops_reading_and_goes_on() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, octets(driver, None, Some(10_000))).unwrap();
        let mut peer = RawPeer::connect_as(&pull.bind(&fresh(transport)).unwrap(), "PUSH");
        peer.socket.set_write_timeout(Some(2 * A_WHILE)).unwrap();
        let batch = frame(0, &[7; 1000]).repeat(100);
        let mut written = 0;
        while written < 64_000_000 {
            match peer.socket.write(&batch[written % batch.len()..]) {
                Ok(count) => written += count,
                Err(_) => break,
            }
        }
        assert!(written < 20_000_000, "{transport} {driver:?}: {written} octets were taken for nobody");
        let queued = pull.statistics().queued_in;
        assert!(
            queued <= 80,
            "{transport} {driver:?}: {queued} messages of 1000 octets with a mark of 10000"
        );
        for _ in 0..written / frame(0, &[7; 1000]).len() {
            pull.recv_timeout(PATIENCE).unwrap();
        }
    });
}

#[test]
fn raising_the_mark_wakes_a_waiting_sender() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, octets(driver, Some(1), None)).unwrap();
        push.connect(&reserved(transport)).unwrap();
        push.try_send("x").unwrap();
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| push.send_timeout("y", PATIENCE));
            assert!(!common::becomes_true(A_WHILE, || sender.is_finished()));
            push.configure(|o| _ = o.set_send_hwm_bytes(Some(1000))).unwrap();
            sender.join().unwrap().unwrap_or_else(|error| panic!("{transport} {driver:?}: {error}"));
        });
    });
}

/// Raising a receiver's mark has it read on.
#[test]
fn raising_the_mark_of_a_receiver_brings_more() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, octets(driver, None, Some(1))).unwrap();
        let push = Push::with(&context, octets(driver, None, None)).unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        for _ in 0..50 {
            push.send(vec![0; 20_000]).unwrap();
        }
        eventually("the first one is there", || pull.statistics().queued_in > 0);
        pull.configure(|o| _ = o.set_receive_hwm_bytes(None)).unwrap();
        eventually("all are there", || pull.statistics().queued_in == 50);
        (0..50).for_each(|_| _ = pull.recv_timeout(PATIENCE).unwrap());
    });
}

/// A reader that keeps the newest keeps as many as weigh less than the mark.
#[test]
fn the_oldest_make_room_by_their_octets() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, |o| {
            o.set_driver(driver).set_receive_drop_oldest(true).set_receive_hwm_bytes(Some(3500));
        })
        .unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        for number in 0..100_u8 {
            push.send(vec![number; 1000]).unwrap();
        }
        push.send(vec![100; 9000]).unwrap();
        push.send(vec![101; 10]).unwrap();
        // Four, and the large one, for which the last one has made room.
        eventually("all others are gone", || pull.statistics().traffic.dropped.full == 101);
        let last = pull.recv_timeout(PATIENCE).unwrap();
        assert_eq!((last.as_slice()[0], last.first().len()), (101, 10), "{transport} {driver:?}");
    });
}

/// Publishers drop and count, or wait, by octets as by messages; also where subscribers share what is encoded.
#[test]
fn publishers_hold_to_it() {
    everywhere(|transport, driver| {
        for (subscribers, nodrop) in [(1, false), (1, true), (3, false), (3, true)] {
            let context = Context::new();
            let publisher = XPub::with(&context, |o| {
                octets(driver, Some(20_000), None)(o);
                o.set_xpub_nodrop(nodrop);
            })
            .unwrap();
            let endpoint = publisher.bind(&fresh(transport)).unwrap();
            let subscribers: Vec<Sub> = (0..subscribers)
                .map(|_| {
                    let subscriber = Sub::with(&context, octets(driver, None, Some(20_000))).unwrap();
                    subscriber.subscribe("");
                    subscriber.connect(&endpoint).unwrap();
                    subscriber
                })
                .collect();
            publisher.wait_for_subscribers(subscribers.len(), PATIENCE).unwrap();
            let (mut sent, mut refused) = (0_u64, 0);
            // Beyond what any kernel has room for.
            while sent < 20_000 && refused == 0 && publisher.statistics().traffic.dropped.full == 0 {
                match publisher.try_send(vec![0; 4000]) {
                    Ok(()) => sent += 1,
                    Err(SendError::Full(_)) => refused += 1,
                    Err(error) => panic!("{error}"),
                }
                let waiting = publisher.peers().iter().map(|peer| peer.queued_out_bytes).max();
                let bound = if transport == "inproc" { 44_000 } else { 24_100 };
                assert!(waiting <= Some(bound), "{transport} {driver:?}: {waiting:?} octets wait");
            }
            let dropped = publisher.statistics().traffic.dropped.full;
            assert_eq!(
                (refused > 0, dropped > 0),
                (nodrop, !nodrop),
                "{transport} {driver:?}: {sent} were sent"
            );
            if nodrop {
                for subscriber in &subscribers {
                    (0..sent).for_each(|_| _ = subscriber.recv_timeout(PATIENCE).unwrap());
                }
            }
        }
    });
}

/// A PUB that is not asked to wait never does.
#[test]
fn a_publisher_that_drops_does_not_wait() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let publisher = Pub::with(&context, octets(driver, Some(1), None)).unwrap();
        let subscriber = Sub::with(&context, octets(driver, None, Some(1))).unwrap();
        subscriber.subscribe("");
        subscriber.connect(&publisher.bind(&fresh(transport)).unwrap()).unwrap();
        publisher.wait_for_subscribers(1, PATIENCE).unwrap();
        (0..100).for_each(|_| publisher.try_send(vec![0; 100_000]).unwrap());
        let traffic = publisher.statistics().traffic;
        assert_eq!(traffic.messages_out + traffic.dropped.full, 100);
        assert!(traffic.dropped.full > 0, "{transport} {driver:?}");
        subscriber.recv_timeout(PATIENCE).unwrap();
    });
}

#[test]
fn a_router_refuses_what_one_peer_has_no_room_for() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, |o| {
            octets(driver, Some(100_000), None)(o);
            o.set_router_mandatory(true);
        })
        .unwrap();
        let mut slow = RawPeer::connect(&router.bind(&fresh(transport)).unwrap());
        slow.handshake("DEALER", "slow");
        router.wait_for_peers(1, PATIENCE).unwrap();
        let letter = || Message::from_frames([b"slow".to_vec(), vec![0; 30_000]]).unwrap();
        let mut sent = 0_usize;
        while router.try_send(letter()).is_ok() {
            sent += 1;
        }
        let waiting = router.peers()[0].queued_out_bytes;
        assert!((100_000..130_010).contains(&waiting), "{transport} {driver:?}: {waiting}");
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| router.send_timeout(letter(), PATIENCE));
            (0..sent).for_each(|_| _ = slow.receive_message());
            sender.join().unwrap().unwrap_or_else(|error| panic!("{transport} {driver:?}: {error}"));
        });
    });
}

/// What is encrypted already does not count, and a sender that waits for the rest goes on.
#[test]
fn encrypted_connections_do_not_stand_still() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let (server, client) = (CurveKeyPair::generate().unwrap(), CurveKeyPair::generate().unwrap());
        let public = server.public;
        let pull = Pull::with(&context, |o| {
            octets(driver, None, Some(5000))(o);
            o.set_security(Security::curve_server(server));
        })
        .unwrap();
        let push = Push::with(&context, |o| {
            octets(driver, Some(5000), None)(o);
            o.set_security(Security::curve_client(client, public));
        })
        .unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..2000_u32 {
                    push.send_timeout(vec![number as u8; 3000], PATIENCE).unwrap();
                }
            });
            for number in 0..2000_u32 {
                assert_eq!(pull.recv_timeout(PATIENCE).unwrap().as_slice()[0], number as u8);
            }
        });
    });
}
