//! RFC 31/EXPAIR: every sentence of the text that says SHALL, as a test.

mod common;

use std::time::Duration;

use common::wire::{RawListener, RawPeer};
use common::{
    A_WHILE, PATIENCE, driven_by, eventually, everywhere, fresh, message, over_the_network, reserved, text,
    texts,
};
use tamtam_zmq::{Context, Pair, RecvError, SendError};

//= 31/EXPAIR, the PAIR socket type
//# MAY be connected to at most one PAIR peers, and MAY both send and receive messages.
#[test]
fn a_second_peer_is_refused_visibly() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pair = Pair::with(&context, driven_by(driver)).unwrap();
        let monitor = pair.monitor(100);
        let endpoint = pair.bind(&fresh(transport)).unwrap();
        let first = Pair::with(&context, driven_by(driver)).unwrap();
        first.connect(&endpoint).unwrap();
        pair.wait_for_peers(1, PATIENCE).unwrap();
        let second = Pair::with(&context, |o| {
            o.set_driver(driver).set_reconnect_interval(None);
        })
        .unwrap();
        second.connect(&endpoint).unwrap();
        let mut told = false;
        eventually("the refusal is told", || {
            told |= std::iter::from_fn(|| monitor.try_recv())
                .any(|event| event.kind.to_string().starts_with("refused"));
            told
        });
        eventually("the second has no peer", || {
            assert_eq!(second.try_recv(), Err(RecvError::WouldBlock));
            second.peers().is_empty()
        });
        assert!(matches!(second.try_send("x"), Err(SendError::Full(_))), "{transport} {driver:?}");
        pair.send("to the first").unwrap();
        assert_eq!(text(&first.recv_timeout(PATIENCE).unwrap()), "to the first");
        first.send("from the first").unwrap();
        assert_eq!(text(&pair.recv_timeout(PATIENCE).unwrap()), "from the first");
    });
}

/// A second peer may come when the first has gone.
#[test]
fn the_next_peer_is_welcome_when_the_first_has_gone() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pair = Pair::with(&context, driven_by(driver)).unwrap();
        let endpoint = pair.bind(&fresh(transport)).unwrap();
        for round in 0..3 {
            let peer = Pair::with(&context, driven_by(driver)).unwrap();
            peer.connect(&endpoint).unwrap();
            peer.send(round.to_string()).unwrap();
            assert_eq!(
                text(&pair.recv_timeout(PATIENCE).unwrap()),
                round.to_string(),
                "{transport} {driver:?}"
            );
            peer.close();
            eventually("the peer is gone", || {
                assert_eq!(pair.try_recv(), Err(RecvError::WouldBlock));
                pair.peers().is_empty()
            });
        }
    });
}

/// Whatever a PAIR is told to connect to, its messages go to one place.
#[test]
fn a_pair_that_connects_twice_does_not_scatter_its_messages() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pair = Pair::with(&context, |o| {
            o.set_driver(driver).set_linger(Some(Duration::ZERO));
        })
        .unwrap();
        let listeners = [(); 2].map(|()| RawListener::bind(&reserved(transport)));
        for listener in &listeners {
            // Refusing the second call would do as well.
            let _ = pair.connect(&listener.endpoint);
        }
        for number in 0..10 {
            pair.try_send(number.to_string()).unwrap();
        }
        let mut peer = listeners[0].accept_as("PAIR");
        for number in 0..10 {
            assert_eq!(peer.receive_message(), [number.to_string().as_bytes()], "{transport} {driver:?}");
        }
    });
}

//= 31/EXPAIR, the PAIR socket type
//# SHALL not filter or modify outgoing or incoming messages in any way.
//= 31/EXPAIR, the PAIR socket type
//# SHALL receive incoming messages from its single peer if it has one.
//= 31/EXPAIR, the PAIR socket type
//# SHALL deliver these to its calling application.
#[test]
fn everything_arrives_as_it_is_both_ways() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let left = Pair::with(&context, driven_by(driver)).unwrap();
        let right = Pair::with(&context, driven_by(driver)).unwrap();
        assert_eq!(left.try_recv(), Err(RecvError::WouldBlock));
        right.connect(&left.bind(&fresh(transport)).unwrap()).unwrap();
        let large = "x".repeat(100_000);
        for frames in [vec![""], vec!["", "\u{0}", ""], vec![large.as_str(), ""]] {
            right.send(message(&frames)).unwrap();
            let received = left.recv_timeout(PATIENCE).unwrap();
            assert!(texts(&received) == frames, "{transport} {driver:?}");
            left.send(received).unwrap();
            assert!(texts(&right.recv_timeout(PATIENCE).unwrap()) == frames);
        }
    });
}

//= 31/EXPAIR, the PAIR socket type
//# SHALL maintain a double queue for its peer, allowing outgoing and incoming messages to be queued independently.
#[test]
fn the_ways_in_and_out_are_independent() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pair = Pair::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(2);
        })
        .unwrap();
        let mut peer = RawPeer::connect_as(&pair.bind(&fresh(transport)).unwrap(), "PAIR");
        pair.wait_for_peers(1, PATIENCE).unwrap();
        while pair.try_send(vec![0; 100_000]).is_ok() {}
        peer.send_message(&[b"the way in is open"]);
        assert_eq!(
            text(&pair.recv_timeout(PATIENCE).unwrap()),
            "the way in is open",
            "{transport} {driver:?}"
        );
    });
}

//= 31/EXPAIR, the PAIR socket type
//# SHALL create a double queue when initiating an outgoing connection to a peer, and SHALL maintain the double queue
//# whether or not the connection is established.
#[test]
fn messages_are_queued_before_there_is_a_connection_and_after_it() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let pair = Pair::with(&context, |o| {
            o.set_driver(driver).set_reconnect_interval(Some(Duration::from_millis(5)));
        })
        .unwrap();
        pair.connect(&endpoint).unwrap();
        for round in 0..2 {
            for number in 0..10 {
                pair.try_send(format!("{round} {number}")).unwrap();
            }
            let other = Pair::with(&context, driven_by(driver)).unwrap();
            other.bind(&endpoint).unwrap();
            for number in 0..10 {
                let expected = format!("{round} {number}");
                assert_eq!(text(&other.recv_timeout(PATIENCE).unwrap()), expected, "{transport} {driver:?}");
            }
            drop(other);
            eventually("the peer is gone", || pair.statistics().peers == 0);
        }
    });
}

//= 31/EXPAIR, the PAIR socket type
//# SHALL create a double queue when a peer connects to it. If this peer disconnects, the PAIR socket SHALL destroy its
//# double queue and SHALL discard any messages it contains.
#[test]
fn the_queue_of_a_peer_that_was_accepted_goes_with_it() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pair = Pair::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(5);
        })
        .unwrap();
        let endpoint = pair.bind(&fresh(transport)).unwrap();
        let peer = RawPeer::connect_as(&endpoint, "PAIR");
        pair.wait_for_peers(1, PATIENCE).unwrap();
        while pair.try_send(vec![0; 100_000]).is_ok() {}
        let queued = pair.statistics().queued_out;
        drop(peer);
        eventually("the peer is gone", || pair.statistics().peers == 0);
        assert_eq!(pair.statistics().traffic.dropped.disconnected, queued, "{transport} {driver:?}");
        let mut next = RawPeer::connect_as(&endpoint, "PAIR");
        pair.send_timeout("for the next one", PATIENCE).unwrap();
        assert_eq!(next.receive_message(), [b"for the next one"]);
    });
}

//= 31/EXPAIR, the PAIR socket type
//# SHALL consider its peer as available only when it has a outgoing queue that is not full.
//= 31/EXPAIR, the PAIR socket type
//# SHALL block on sending, or return a suitable error, when it has no available peer.
//= 31/EXPAIR, the PAIR socket type
//# SHALL not accept further messages when it has no available peer.
//= 31/EXPAIR, the PAIR socket type
//# SHALL NOT discard messages that it cannot queue.
#[test]
fn a_pair_without_an_available_peer_waits_and_keeps_the_message() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pair = Pair::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(2);
        })
        .unwrap();
        let endpoint = pair.bind(&fresh(transport)).unwrap();
        let Err(SendError::Full(back)) = pair.try_send("first") else { panic!("there is no peer") };
        let Err(SendError::TimedOut(back)) = pair.send_timeout(back, A_WHILE) else {
            panic!("there is no peer")
        };
        let mut peer = RawPeer::connect_as(&endpoint, "PAIR");
        pair.send_timeout(back, PATIENCE).unwrap();
        let mut queued = 0;
        let full = loop {
            match pair.try_send(vec![7; 100_000]) {
                Ok(()) => queued += 1,
                Err(error) => break error.into_message(),
            }
        };
        let sender = std::thread::spawn(move || {
            pair.send_timeout(full, PATIENCE).unwrap();
            pair
        });
        assert_eq!(peer.receive_message(), [b"first"]);
        for _ in 0..=queued {
            assert_eq!(peer.receive_message(), [vec![7; 100_000]], "{transport} {driver:?}");
        }
        assert_eq!(sender.join().unwrap().statistics().traffic.dropped.total(), 0);
    });
}
