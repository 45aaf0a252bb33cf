//! Counters tell the truth.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};

use common::wire::{RawPeer, decoded};
use common::{
    A_WHILE, DRIVERS, PATIENCE, driven_by, eventually, everywhere, fresh, message, over_the_network,
    reserved, written,
};
use tamtam_zmq::{Context, Dealer, PeerState, Pub, Pull, Push, RecvError, Router, SocketType, Sub};

#[test]
fn messages_and_bytes_are_counted_at_both_ends() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        let mut bytes = 0;
        for size in [0, 1, 64, 300, 9000, 100_000] {
            push.send(vec![0; size]).unwrap();
            push.send(tamtam_zmq::Message::from_frames([vec![0; size], vec![], vec![1; 3]]).unwrap())
                .unwrap();
            bytes += 2 * size as u64 + 3;
        }
        for _ in 0..12 {
            pull.recv_timeout(PATIENCE).unwrap();
        }
        let (out, into) = (push.statistics(), pull.statistics());
        assert_eq!((out.traffic.messages_out, out.traffic.bytes_out), (12, bytes), "{transport} {driver:?}");
        assert_eq!((into.traffic.messages_in, into.traffic.bytes_in), (12, bytes), "{transport} {driver:?}");
        assert_eq!((out.traffic.messages_in, into.traffic.messages_out), (0, 0));
        assert_eq!((out.socket_type, into.socket_type), (SocketType::Push, SocketType::Pull));
        assert_eq!((out.traffic.dropped.total(), into.traffic.dropped.total()), (0, 0));
        assert_eq!((out.peers, into.peers), (1, 1));
        assert_eq!(into.queued_in, 0);
        if transport != "inproc" {
            written(&push);
        }
        // Each peer's counters are the socket's when there is but one.
        assert_eq!(push.peers()[0].traffic, out.traffic);
        assert_eq!(pull.peers()[0].traffic, into.traffic);
    });
}

/// A poll that looks whether a message is there has not handed it to the application.
#[test]
fn looking_ahead_counts_nothing_as_received() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        push.send("12345").unwrap();
        eventually("it is there", || pull.readiness().readable);
        let statistics = pull.statistics();
        assert_eq!(
            (statistics.traffic.messages_in, statistics.traffic.bytes_in),
            (0, 0),
            "{transport} {driver:?}"
        );
        assert_eq!(statistics.queued_in, 1);
        pull.recv_timeout(PATIENCE).unwrap();
        let statistics = pull.statistics();
        assert_eq!(
            (statistics.traffic.messages_in, statistics.traffic.bytes_in, statistics.queued_in),
            (1, 5, 0)
        );
    });
}

/// What waits is counted on the side where it waits.
#[test]
fn queues_are_counted() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&endpoint).unwrap();
        for _ in 0..10 {
            push.send("12345").unwrap();
        }
        assert_eq!(push.statistics().queued_out, 10, "{transport} {driver:?}");
        let peer = push.peers().remove(0);
        assert_eq!((peer.endpoint.as_str(), peer.queued_out), (endpoint.as_str(), 10));
        if transport != "inproc" {
            assert_eq!(peer.queued_out_bytes, 10 * 7, "with two octets of framing each");
        }
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        pull.bind(&endpoint).unwrap();
        eventually("they are at the other end", || pull.statistics().queued_in == 10);
        for left in (0..10).rev() {
            pull.recv_timeout(PATIENCE).unwrap();
            assert_eq!(pull.statistics().queued_in, left, "{transport} {driver:?}");
        }
        eventually("nothing waits any more", || push.statistics().queued_out == 0);
    });
}

#[test]
fn each_subscriber_counts_once() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let publisher = Pub::with(&context, driven_by(driver)).unwrap();
        let endpoint = publisher.bind(&fresh(transport)).unwrap();
        publisher.send("to nobody").unwrap();
        assert_eq!(publisher.statistics().traffic.messages_out, 0);
        let subs: Vec<Sub> = (0..3)
            .map(|number: usize| {
                let sub = Sub::with(&context, driven_by(driver)).unwrap();
                sub.subscribe("a");
                if number == 0 {
                    sub.subscribe("b");
                }
                sub.connect(&endpoint).unwrap();
                sub
            })
            .collect();
        eventually("all subscriptions are there", || {
            publisher.subscriber_count() == 3
                && publisher.peers().iter().map(|peer| peer.subscriptions).sum::<usize>() == 4
        });
        for topic in ["a", "bb", "c"] {
            publisher.send(topic).unwrap();
        }
        let traffic = publisher.statistics().traffic;
        assert_eq!(
            (traffic.messages_out, traffic.bytes_out, traffic.dropped.total()),
            (4, 5, 0),
            "{transport} {driver:?}"
        );
        for (number, sub) in subs.iter().enumerate() {
            sub.recv_timeout(PATIENCE).unwrap();
            if number == 0 {
                sub.recv_timeout(PATIENCE).unwrap();
            }
            assert_eq!(sub.try_recv(), Err(RecvError::WouldBlock));
        }
    });
}

/// Totals keep what peers that are gone have counted.
#[test]
fn nothing_is_forgotten_when_a_peer_goes() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, driven_by(driver)).unwrap();
        let endpoint = router.bind(&fresh(transport)).unwrap();
        for round in 1..=5 {
            let dealer = Dealer::with(&context, driven_by(driver)).unwrap();
            dealer.connect(&endpoint).unwrap();
            dealer.send("12345").unwrap();
            let received = router.recv_timeout(PATIENCE).unwrap();
            router.send(received).unwrap();
            dealer.recv_timeout(PATIENCE).unwrap();
            drop(dealer);
            eventually("the peer is gone", || {
                assert_eq!(router.try_recv(), Err(RecvError::WouldBlock));
                router.statistics().peers == 0
            });
            let traffic = router.statistics().traffic;
            assert_eq!((traffic.messages_in, traffic.bytes_in), (round, 5 * round), "{transport} {driver:?}");
            assert_eq!((traffic.messages_out, traffic.bytes_out), (round, 5 * round));
        }
    });
}

#[test]
fn a_peer_is_described() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, driven_by(driver)).unwrap();
        let endpoint = router.bind(&fresh(transport)).unwrap();
        let mut raw = RawPeer::connect(&endpoint);
        eventually("it is seen before its handshake", || {
            router
                .peers()
                .first()
                .is_some_and(|peer| peer.state == PeerState::Handshaking && peer.since.is_none())
        });
        assert_eq!(router.statistics().peers, 0);
        raw.handshake("DEALER", "robot 7");
        router.wait_for_peers(1, PATIENCE).unwrap();
        let peer = router.peers().remove(0);
        assert_eq!(peer.state, PeerState::Ready);
        assert_eq!((peer.endpoint.as_str(), &peer.identity[..]), (endpoint.as_str(), &b"robot 7"[..]));
        assert_eq!(peer.socket_type, Some(SocketType::Dealer));
        assert!(peer.since.is_some());
        let expected = match raw.socket.local_addr().unwrap().as_socket() {
            Some(address) => format!("tcp://{address}"),
            None => format!("pid {}", std::process::id()),
        };
        assert_eq!(peer.remote, expected, "{transport} {driver:?}");
        raw.send_message(&[b"x"]);
        let received = router.recv_timeout(PATIENCE).unwrap();
        assert_eq!(received.peer(), Some(peer.peer));
    });
}

#[test]
fn failed_handshakes_and_reconnections_are_counted() {
    for driver in DRIVERS {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let endpoint = pull.bind(&fresh("ipc")).unwrap();
        for count in 1..=3 {
            let mut stranger = RawPeer::connect(&endpoint);
            stranger.send(b"GET / HTTP/1.1\r\n\r\n");
            stranger.receive_to_end();
            eventually("it is counted", || pull.statistics().traffic.handshake_failures == count);
        }
        assert!(pull.peers().is_empty());
        let push = Push::with(&context, |o| {
            o.set_driver(driver).set_reconnect_interval(Some(std::time::Duration::from_millis(2)));
        })
        .unwrap();
        push.connect(&reserved("ipc")).unwrap();
        let server = Dealer::with(&context, driven_by(driver)).unwrap();
        server.bind(&push.last_endpoint().unwrap()).unwrap();
        eventually("the wrong type is counted", || push.statistics().traffic.handshake_failures >= 2);
    }
}

/// A message that cannot be routed, or whose peer went, is counted under its reason.
#[test]
fn drops_are_counted_by_reason() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, driven_by(driver)).unwrap();
        router.bind(&fresh(transport)).unwrap();
        for _ in 0..3 {
            router.send(message(&["nobody", "x"])).unwrap();
        }
        let dropped = router.statistics().traffic.dropped;
        assert_eq!((dropped.unroutable, dropped.total()), (3, 3), "{transport} {driver:?}");
    });
}

/// A reader in another thread goes away in the middle of a stream, again and again: each message was read, or counts as dropped.
#[test]
fn what_a_reader_that_goes_away_leaves_counts_as_dropped() {
    for driver in DRIVERS {
        let context = Context::new();
        let push = Push::with(&context, |options| {
            driven_by(driver)(options);
            options.set_send_timeout(Some(A_WHILE));
        })
        .unwrap();
        let endpoint = push.bind(&fresh("inproc")).unwrap();
        let is_over = AtomicBool::new(false);
        let (mut sent, mut read) = (0, 0);
        std::thread::scope(|threads| {
            let sender = threads.spawn(|| {
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) {
                    count += u64::from(push.as_socket().send_slice(b"short", true).is_ok());
                }
                count
            });
            for round in 1..200 {
                let pull = Pull::with(&context, driven_by(driver)).unwrap();
                pull.connect(&endpoint).unwrap();
                for _ in 0..round * 7 {
                    pull.recv_timeout(PATIENCE).unwrap();
                    read += 1;
                }
            }
            is_over.store(true, Ordering::Relaxed);
            sent = sender.join().unwrap();
        });
        assert!(push.try_send("nobody is there").is_err());
        assert_eq!(push.statistics().peers, 0, "{driver:?}: nothing is kept of who has gone");
        let traffic = push.statistics().traffic;
        assert_eq!(traffic.messages_out, sent, "{driver:?}");
        assert_eq!(traffic.dropped.disconnected + read, sent, "{driver:?}");
    }
}

/// A connection ends while somebody writes to it. Of what is written at that moment, the part counts as dropped that was not written.
#[test]
fn what_is_written_when_a_connection_ends_is_not_counted_as_dropped() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let push = Push::with(&context, |options| {
            driven_by(driver)(options);
            options.set_send_timeout(Some(A_WHILE));
        })
        .unwrap();
        let endpoint = push.bind(&fresh(transport)).unwrap();
        let is_over = AtomicBool::new(false);
        let (mut sent, mut read) = (0, 0);
        std::thread::scope(|threads| {
            // While one of them writes, another one notices the end.
            let sender = || {
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) {
                    count += u64::from(push.send(vec![1; 500]).is_ok());
                }
                count
            };
            let senders = [threads.spawn(sender), threads.spawn(sender)];
            for _ in 0..40 {
                let mut peer = RawPeer::connect_as(&endpoint, "PULL");
                let mut bytes = peer.receive(300_000);
                peer.finish_sending();
                bytes.extend(peer.receive_to_end());
                read += decoded(&bytes).0.len() as u64;
            }
            is_over.store(true, Ordering::Relaxed);
            sent = senders.map(|sender| sender.join().unwrap()).iter().sum();
        });
        eventually("the last peer is gone", || push.statistics().peers == 0);
        let traffic = push.statistics().traffic;
        assert_eq!(traffic.messages_out, sent, "{transport} {driver:?}");
        assert_eq!(traffic.dropped.disconnected + read, sent, "{transport} {driver:?}");
    });
}
