//! Queues are bounded exactly as asked, what does not fit is counted, and memory stays where the marks say.

mod common;

use std::time::Duration;

use common::wire::{COMMAND, RawListener, RawPeer, frame};
use common::{
    A_WHILE, DRIVERS, PATIENCE, child, driven_by, eventually, everywhere, fresh, over_the_network, reserved,
    resident_memory, text,
};
use tamtam_zmq::{
    Context, Dealer, Driver, Message, Options, Pub, Pull, Push, RecvError, SendError, Sub, XPub,
};

/// Without lingering: what these tests queue for nobody is not worth waiting for.
fn marks(driver: Driver, send: u32, receive: u32) -> impl Fn(&mut Options) {
    move |o| {
        o.set_driver(driver).set_send_hwm(send).set_receive_hwm(receive).set_linger(Some(Duration::ZERO));
    }
}

//= 28/REQREP, the DEALER socket type
//# SHOULD constrain incoming and outgoing queue sizes to a runtime-configurable limit.
//= 30/PIPELINE, the PUSH socket type
//# SHOULD constrain queue sizes to a runtime-configurable limit.
#[test]
fn exactly_as_many_messages_are_queued_as_the_mark_says() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        for mark in [1, 2, 7, 1000] {
            let push = Push::with(&context, marks(driver, mark, 1)).unwrap();
            push.connect(&reserved(transport)).unwrap();
            for number in 0..mark {
                push.try_send(vec![0; if number % 3 == 0 { 10_000 } else { 1 }]).unwrap();
            }
            assert!(!push.readiness().writable);
            assert!(
                matches!(push.try_send("one too many"), Err(SendError::Full(_))),
                "{transport} {driver:?}: {mark}"
            );
            assert_eq!(push.statistics().queued_out, u64::from(mark));
        }
    });
}

#[test]
fn without_a_mark_there_is_no_bound() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, marks(driver, 0, 0)).unwrap();
        push.connect(&reserved(transport)).unwrap();
        for _ in 0..20_000 {
            push.try_send("x").unwrap();
        }
        assert_eq!(push.statistics().queued_out, 20_000, "{transport} {driver:?}");
    });
}

/// Within a context there is one queue for each direction: its bound is the sum of both sides' marks, and there is none
/// if either side has none.
#[test]
fn inproc_queues_hold_the_sum_of_both_marks() {
    for driver in DRIVERS {
        let context = Context::new();
        for (send, receive, bound) in [(3, 4, Some(7)), (1, 1, Some(2)), (0, 5, None), (5, 0, None)] {
            for connect_first in [false, true] {
                let push = Push::with(&context, marks(driver, send, 100)).unwrap();
                let pull = Pull::with(&context, marks(driver, 100, receive)).unwrap();
                let endpoint = fresh("inproc");
                if connect_first {
                    push.connect(&endpoint).unwrap();
                    pull.bind(&endpoint).unwrap();
                } else {
                    pull.bind(&endpoint).unwrap();
                    push.connect(&endpoint).unwrap();
                }
                let mut queued = 0;
                while queued < 5000 && push.try_send("x").is_ok() {
                    queued += 1;
                }
                assert_eq!(queued, bound.unwrap_or(5000), "{driver:?} {send} {receive} {connect_first}");
                assert_eq!(pull.statistics().queued_in, queued);
            }
        }
    }
}

/// A mark counts messages, whatever their number of frames.
#[test]
fn a_mark_counts_messages_and_not_frames() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, marks(driver, 10, 1)).unwrap();
        push.connect(&reserved(transport)).unwrap();
        let multipart = Message::from_frames(vec!["frame"; 50]).unwrap();
        let mut queued = 0;
        while push.try_send(multipart.clone()).is_ok() {
            queued += 1;
        }
        assert_eq!(queued, 10, "{transport} {driver:?}");
    });
}

/// The mark of a live socket can be changed; what is queued stays.
#[test]
fn a_mark_can_be_changed_while_messages_wait() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, marks(driver, 5, 1)).unwrap();
        push.connect(&reserved(transport)).unwrap();
        let fill = || {
            while push.try_send("x").is_ok() {}
            push.statistics().queued_out
        };
        assert_eq!(fill(), 5);
        push.configure(|o| _ = o.set_send_hwm(12)).unwrap();
        assert_eq!(fill(), 12, "{transport} {driver:?}: raised");
        push.configure(|o| _ = o.set_send_hwm(3)).unwrap();
        assert_eq!(fill(), 12, "lowered: nothing is thrown away");
        push.configure(|o| _ = o.set_send_hwm(0)).unwrap();
        for _ in 0..100 {
            push.try_send("x").unwrap();
        }
    });
}

/// A sender that waits for room goes on when the mark is raised.
#[test]
fn raising_the_mark_wakes_a_waiting_sender() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, marks(driver, 1, 1)).unwrap();
        push.connect(&reserved(transport)).unwrap();
        push.try_send("x").unwrap();
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| push.send_timeout("y", PATIENCE));
            assert!(!common::becomes_true(A_WHILE, || sender.is_finished()));
            push.configure(|o| _ = o.set_send_hwm(2)).unwrap();
            sender.join().unwrap().unwrap_or_else(|error| panic!("{transport} {driver:?}: {error}"));
        });
    });
}

//= 30/PIPELINE, the PULL socket type
//# SHOULD constrain incoming queue sizes to a runtime-configurable limit.
//= 29/PUBSUB, the SUB socket type
//# SHOULD constrain queue sizes to a runtime-configurable limit.
/// A receiver that does not receive holds no more than its mark, one batch of bytes, and what the kernel has.
#[test]
fn a_receiver_at_its_mark_stops_reading() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, marks(driver, 1, 10)).unwrap();
        let mut peer = RawPeer::connect_as(&pull.bind(&fresh(transport)).unwrap(), "PUSH");
        let bytes = flood(&mut peer);
        assert!(bytes < 20_000_000, "{transport} {driver:?}: {bytes} bytes were taken for nobody");
        let queued = pull.statistics().queued_in;
        assert!(queued <= 80, "{transport} {driver:?}: {queued} messages with a mark of 10");
        for _ in 0..200 {
            pull.recv_timeout(PATIENCE).unwrap();
        }
    });
}

/// The same while a thread of the receiver waits for something else on the same socket.
#[test]
fn a_socket_that_waits_for_room_does_not_read_without_bound() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let dealer = Dealer::with(&context, marks(driver, 1, 10)).unwrap();
        let mut peer = RawPeer::connect_as(&dealer.bind(&fresh(transport)).unwrap(), "DEALER");
        dealer.wait_for_peers(1, PATIENCE).unwrap();
        while dealer.try_send(vec![0; 100_000]).is_ok() {}
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| dealer.send_timeout("there is no room", 10 * A_WHILE));
            let bytes = flood(&mut peer);
            assert!(bytes < 20_000_000, "{transport} {driver:?}: {bytes} bytes were taken for nobody");
            assert!(matches!(sender.join().unwrap(), Err(SendError::TimedOut(_))));
        });
    });
}

/// The same while a thread waits at the start barrier.
#[test]
fn a_socket_that_waits_for_peers_does_not_read_without_bound() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, marks(driver, 1, 10)).unwrap();
        let mut peer = RawPeer::connect_as(&pull.bind(&fresh(transport)).unwrap(), "PUSH");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| pull.wait_for_peers(2, 10 * A_WHILE));
            let bytes = flood(&mut peer);
            assert!(bytes < 20_000_000, "{transport} {driver:?}: {bytes} bytes were taken for nobody");
            assert!(waiting.join().unwrap().is_err());
        });
    });
}

/// Sends messages of 1,000 bytes until nobody takes any more, or much too many were taken; returns how many bytes.
fn flood(peer: &mut RawPeer) -> usize {
    use std::io::Write;
    peer.socket.set_write_timeout(Some(2 * A_WHILE)).unwrap();
    let batch = frame(0, &[7; 1000]).repeat(100);
    let mut written = 0;
    while written < 64_000_000 {
        match peer.socket.write(batch.get(written % batch.len()..).unwrap()) {
            Ok(count) => written += count,
            Err(_) => break,
        }
    }
    written
}

/// Sent is received and dropped, whatever the subscribers do.
#[test]
fn every_message_to_a_subscriber_is_delivered_or_counted() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let publisher = Pub::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(50);
        })
        .unwrap();
        let endpoint = publisher.bind(&fresh(transport)).unwrap();
        let subscribers: Vec<Sub> =
            (0..3).map(|_| Sub::with(&context, marks(driver, 1, 50)).unwrap()).collect();
        for subscriber in &subscribers {
            subscriber.subscribe("");
            subscriber.connect(&endpoint).unwrap();
        }
        publisher.wait_for_subscribers(3, PATIENCE).unwrap();
        for number in 0..2000u32 {
            let mut body = vec![0; 4096];
            body[..4].copy_from_slice(&number.to_be_bytes());
            publisher.send(body).unwrap();
            // The first one keeps up now and then, the others not at all.
            if number % 100 == 0 {
                while subscribers[0].try_recv().is_ok() {}
            }
        }
        let traffic = publisher.statistics().traffic;
        assert_eq!(traffic.messages_out + traffic.dropped.full, 6000, "{transport} {driver:?}");
        let received = || -> u64 {
            let taken = subscribers.iter().map(|subscriber| {
                while subscriber.try_recv().is_ok() {}
                subscriber.statistics().traffic.messages_in
            });
            taken.sum()
        };
        eventually("all the others are received", || received() + traffic.dropped.full >= 6000);
        assert_eq!(received() + traffic.dropped.full, 6000, "{transport} {driver:?}");
        assert!(traffic.dropped.full > 0);
    });
}

/// A PUB or XPUB that must not drop waits for the slowest of those who want the message, and says so to polls.
#[test]
fn a_publisher_that_must_not_drop_waits() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let publisher = XPub::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(3).set_xpub_nodrop(true);
        })
        .unwrap();
        let endpoint = publisher.bind(&fresh(transport)).unwrap();
        let mut slow = RawPeer::connect_as(&endpoint, "SUB");
        slow.send(&frame(COMMAND, b"\x09SUBSCRIBEa"));
        let quick = Sub::with(&context, driven_by(driver)).unwrap();
        quick.subscribe("");
        quick.connect(&endpoint).unwrap();
        publisher.wait_for_subscribers(2, PATIENCE).unwrap();
        let body = [b"a".to_vec(), vec![0; 99_999]].concat();
        let mut sent = 0;
        let back = loop {
            match publisher.try_send(body.clone()) {
                Ok(()) => sent += 1,
                Err(SendError::Full(back)) => break back,
                Err(error) => panic!("{error}"),
            }
            quick.recv_timeout(PATIENCE).unwrap();
        };
        assert!(!publisher.readiness().writable, "{transport} {driver:?}");
        // Nobody got it: it is sent to all or to none.
        assert_eq!(quick.try_recv(), Err(RecvError::WouldBlock));
        publisher.try_send("b is wanted by the quick one only").unwrap();
        quick.recv_timeout(PATIENCE).unwrap();
        let Err(SendError::TimedOut(back)) = publisher.send_timeout(back, A_WHILE) else {
            panic!("nobody reads")
        };
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| publisher.send_timeout(back, PATIENCE));
            for _ in 0..=sent {
                assert_eq!(slow.receive_message(), [body.as_slice()]);
            }
            sender.join().unwrap().unwrap();
        });
        quick.recv_timeout(PATIENCE).unwrap();
        assert_eq!(publisher.statistics().traffic.dropped.total(), 0);
    });
}

/// The same over inproc, where the waiting sender is woken by the receiver itself.
#[test]
fn a_publisher_that_must_not_drop_waits_within_the_context_too() {
    for driver in DRIVERS {
        let context = Context::new();
        let publisher = Pub::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(2).set_xpub_nodrop(true);
        })
        .unwrap();
        let subscriber = Sub::with(&context, marks(driver, 1, 2)).unwrap();
        subscriber.subscribe("");
        subscriber.connect(&publisher.bind(&fresh("inproc")).unwrap()).unwrap();
        publisher.wait_for_subscribers(1, PATIENCE).unwrap();
        for _ in 0..4 {
            publisher.try_send("x").unwrap();
        }
        assert!(matches!(publisher.try_send("x"), Err(SendError::Full(_))));
        std::thread::scope(|scope| {
            let sender =
                scope.spawn(|| (0..1000).for_each(|_| publisher.send_timeout("y", PATIENCE).unwrap()));
            for _ in 0..1004 {
                subscriber.recv_timeout(PATIENCE).unwrap();
            }
            sender.join().unwrap();
        });
        assert_eq!(publisher.statistics().traffic.dropped.total(), 0);
    }
}

/// `conflate` keeps the newest message only, and counts what it replaces.
#[test]
fn conflate_keeps_the_newest() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let conflating = |o: &mut Options| {
            o.set_driver(driver).set_conflate(true).set_send_hwm(3).set_receive_hwm(3);
        };
        let endpoint = reserved(transport);
        let push = Push::with(&context, conflating).unwrap();
        push.connect(&endpoint).unwrap();
        for number in 0..100 {
            push.try_send(number.to_string())
                .unwrap_or_else(|error| panic!("{transport} {driver:?} {number}: {error}"));
        }
        let pull = Pull::with(&context, conflating).unwrap();
        pull.bind(&endpoint).unwrap();
        assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "99", "{transport} {driver:?}");
        assert_eq!(pull.try_recv(), Err(RecvError::WouldBlock));
        let conflated =
            push.statistics().traffic.dropped.conflated + pull.statistics().traffic.dropped.conflated;
        assert_eq!(conflated, 99);
    });
}

/// Memory under a flood is bounded by marks, not by what is sent: measured in a process of its own.
#[test]
fn memory_is_bounded_by_the_marks() {
    if child::role().is_some() {
        a_flood_for_nobody();
        a_slow_subscriber_does_not_keep_what_others_got();
        return;
    }
    child::Child::spawn("memory_is_bounded_by_the_marks", "measure", "").succeed();
}

fn a_flood_for_nobody() {
    let context = Context::new();
    let publisher = Pub::with(&context, |o| {
        o.set_send_hwm(100);
    })
    .unwrap();
    let endpoint = publisher.bind(&fresh("ipc")).unwrap();
    let mut peers: Vec<RawPeer> = (0..10).map(|_| RawPeer::connect_as(&endpoint, "SUB")).collect();
    for peer in &mut peers {
        peer.send(&frame(COMMAND, b"\x09SUBSCRIBE"));
    }
    publisher.wait_for_subscribers(10, PATIENCE).unwrap();
    let before = resident_memory();
    for _ in 0..200_000 {
        publisher.send([7; 1000].as_slice()).unwrap();
    }
    let grown = resident_memory().saturating_sub(before);
    assert!(grown < 16_000_000, "{grown} bytes for 10 queues of 100 messages of 1000 bytes");
    let traffic = publisher.statistics().traffic;
    assert_eq!(traffic.messages_out + traffic.dropped.full, 2_000_000);
}

/// One wants a little of what two others get all of: what waits for it must not keep all the rest in memory.
fn a_slow_subscriber_does_not_keep_what_others_got() {
    let context = Context::new();
    let publisher = Pub::new(&context);
    let endpoint = publisher.bind(&fresh("ipc")).unwrap();
    let mut slow = RawPeer::connect_as(&endpoint, "SUB");
    slow.send(&frame(COMMAND, b"\x09SUBSCRIBErare"));
    let quick: Vec<Sub> = (0..2)
        .map(|_| {
            let sub = Sub::new(&context);
            sub.subscribe("");
            sub.connect(&endpoint).unwrap();
            sub
        })
        .collect();
    publisher.wait_for_subscribers(3, PATIENCE).unwrap();
    // The way to the slow one is blocked first.
    while publisher.peers().iter().all(|peer| peer.queued_out < 10) {
        publisher.send([b"rare".to_vec(), vec![0; 5000]].concat()).unwrap();
        quick.iter().for_each(|sub| while sub.try_recv().is_ok() {});
    }
    let before = resident_memory();
    for _ in 0..900 {
        publisher.send("rare").unwrap();
        for _ in 0..20 {
            publisher.send([b"often".to_vec(), vec![0; 3000]].concat()).unwrap();
            quick.iter().for_each(|sub| while sub.try_recv().is_ok() {});
        }
    }
    eventually("the quick ones have everything", || {
        quick.iter().for_each(|sub| while sub.try_recv().is_ok() {});
        publisher.peers().iter().filter(|peer| peer.queued_out == 0).count() == 2
    });
    let grown = resident_memory().saturating_sub(before);
    assert!(grown < 16_000_000, "{grown} bytes are kept for 900 messages of 4 bytes");
}

/// Many small messages through narrow marks: nothing is lost, nothing stalls.
#[test]
fn narrow_marks_let_everything_through() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, marks(driver, 1, 1)).unwrap();
        let pull = Pull::with(&context, marks(driver, 1, 1)).unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                for number in 0..2000u32 {
                    push.send_timeout(&number.to_be_bytes(), PATIENCE).unwrap();
                }
            });
            for number in 0..2000u32 {
                let message = pull.recv_timeout(PATIENCE).unwrap();
                assert_eq!(message.as_slice(), number.to_be_bytes(), "{transport} {driver:?}");
            }
            sender.join().unwrap();
        });
    });
}

/// A raw listener shows that nothing is sent twice or out of order when the queue was full.
#[test]
fn a_full_queue_is_delivered_in_order() {
    for driver in DRIVERS {
        let context = Context::new();
        let listener = RawListener::bind(&reserved("tcp"));
        let push = Push::with(&context, marks(driver, 20, 1)).unwrap();
        push.connect(&listener.endpoint).unwrap();
        let mut peer = listener.accept_as("PULL");
        let mut sent: u32 = 0;
        while push.try_send([sent.to_be_bytes().to_vec(), vec![0; 60_000]].concat()).is_ok() {
            sent += 1;
        }
        assert!(sent > 20);
        for number in 0..sent {
            assert_eq!(peer.receive_message()[0][..4], number.to_be_bytes(), "{driver:?}");
        }
    }
}
