//! RFC 28/REQREP, DEALER: every sentence of the text that says SHALL, as a test.

mod common;

use std::time::Duration;

use common::wire::{RawListener, RawPeer};
use common::{
    A_WHILE, DRIVERS, PATIENCE, arrived, driven_by, eventually, everywhere, fresh, message, over_the_network,
    reserved, text, texts,
};
use tamtam_zmq::{Context, Dealer, Rep, Router, SendError};

//= 28/REQREP, the DEALER socket type
//# SHALL not filter or modify outgoing or incoming messages in any way.
//= 28/REQREP, the DEALER socket type
//# SHALL deliver these to its calling application.
#[test]
fn dealer_passes_everything_on_as_it_is() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let left = Dealer::with(&context, driven_by(driver)).unwrap();
        let right = Dealer::with(&context, driven_by(driver)).unwrap();
        right.connect(&left.bind(&fresh(transport)).unwrap()).unwrap();
        let large = "x".repeat(70_000);
        for frames in [vec![""], vec!["", ""], vec!["", "a", ""], vec![large.as_str(), "b"]] {
            right.send(message(&frames)).unwrap();
            assert_eq!(texts(&left.recv_timeout(PATIENCE).unwrap()), frames, "{transport} {driver:?}");
            left.send(message(&frames)).unwrap();
            assert_eq!(texts(&right.recv_timeout(PATIENCE).unwrap()), frames);
        }
    });
}

//= 28/REQREP, the DEALER socket type
//# SHALL maintain a double queue for each connected peer, allowing outgoing and incoming messages to be queued independently.
#[test]
fn dealer_queues_both_ways_independently() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let dealer = Dealer::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(5);
        })
        .unwrap();
        let mut peer = RawPeer::connect_as(&dealer.bind(&fresh(transport)).unwrap(), "DEALER");
        dealer.wait_for_peers(1, PATIENCE).unwrap();
        // The way out is full, since the peer does not read.
        while dealer.try_send(vec![0; 100_000]).is_ok() {}
        peer.send_message(&[b"the way in is open"]);
        assert_eq!(
            text(&dealer.recv_timeout(PATIENCE).unwrap()),
            "the way in is open",
            "{transport} {driver:?}"
        );
        assert!(matches!(dealer.try_send("x"), Err(SendError::Full(_))));
    });
}

//= 28/REQREP, the DEALER socket type
//# SHALL create a double queue when initiating an outgoing connection to a peer, and SHALL maintain the double queue
//# whether or not the connection is established.
#[test]
fn dealer_queues_before_there_is_a_connection() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let dealer = Dealer::with(&context, driven_by(driver)).unwrap();
        dealer.connect(&endpoint).unwrap();
        for number in 0..10 {
            dealer.try_send(number.to_string()).unwrap();
        }
        let other = Dealer::with(&context, driven_by(driver)).unwrap();
        other.bind(&endpoint).unwrap();
        for number in 0..10 {
            assert_eq!(
                text(&other.recv_timeout(PATIENCE).unwrap()),
                number.to_string(),
                "{transport} {driver:?}"
            );
        }
    });
}

//= 28/REQREP, the DEALER socket type
//# SHALL create a double queue when a peer connects to it. If this peer disconnects, the DEALER socket SHALL destroy
//# its double queue and SHALL discard any messages it contains.
#[test]
fn dealer_destroys_the_queue_of_a_peer_that_was_accepted_and_goes() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let dealer = Dealer::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(5);
        })
        .unwrap();
        let endpoint = dealer.bind(&fresh(transport)).unwrap();
        let peer = RawPeer::connect_as(&endpoint, "DEALER");
        dealer.wait_for_peers(1, PATIENCE).unwrap();
        while dealer.try_send(vec![0; 100_000]).is_ok() {}
        let queued = dealer.statistics().queued_out;
        assert!(queued > 0);
        drop(peer);
        eventually("the peer is gone", || dealer.statistics().peers == 0);
        let statistics = dealer.statistics();
        assert_eq!((statistics.queued_out, statistics.traffic.dropped.disconnected), (0, queued));
        assert!(
            matches!(dealer.try_send("x"), Err(SendError::Full(_))),
            "{transport} {driver:?}: nobody is there"
        );
        let mut next = RawPeer::connect_as(&endpoint, "DEALER");
        dealer.send_timeout("for the next one", PATIENCE).unwrap();
        assert_eq!(next.receive_message(), [b"for the next one"]);
    });
}

//= 28/REQREP, the DEALER socket type
//# SHALL consider a peer as available only when it has a outgoing queue that is not full.
//= 28/REQREP, the DEALER socket type
//# SHALL route outgoing messages to available peers using a round-robin strategy.
#[test]
fn dealer_sends_to_its_available_peers_in_turn() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let dealer = Dealer::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(10).set_linger(Some(Duration::ZERO));
        })
        .unwrap();
        let peers: Vec<Dealer> = (0..2).map(|_| Dealer::with(&context, driven_by(driver)).unwrap()).collect();
        for peer in &peers {
            dealer.connect(&peer.bind(&fresh(transport)).unwrap()).unwrap();
        }
        // Nobody is there: this one's queue fills.
        let full = reserved(transport);
        dealer.connect(&full).unwrap();
        let mut received = [0, 0];
        for _ in 0..60 {
            dealer.try_send("x").unwrap();
            if transport != "inproc" {
                eventually("two peers have room", || {
                    dealer
                        .peers()
                        .iter()
                        .filter(|peer| peer.endpoint != full)
                        .all(|peer| peer.queued_out == 0)
                });
            }
            for (peer, count) in peers.iter().zip(&mut received) {
                while peer.try_recv().is_ok() {
                    *count += 1;
                }
            }
        }
        let stuck = dealer.peers().iter().find(|peer| peer.endpoint == full).unwrap().queued_out;
        if transport != "inproc" {
            assert_eq!(stuck, 10, "{transport} {driver:?}");
        }
        let expected = 60 - i64::try_from(stuck).unwrap();
        for (peer, count) in peers.iter().zip(&mut received) {
            while i64::from(*count) < expected / 2 {
                peer.recv_timeout(PATIENCE).unwrap();
                *count += 1;
            }
        }
        assert_eq!(received.map(i64::from), [expected / 2; 2], "{transport} {driver:?}");
    });
}

//= 28/REQREP, the DEALER socket type
//# SHALL block on sending, or return a suitable error, when it has no available peers.
//= 28/REQREP, the DEALER socket type
//# SHALL not accept further messages when it has no available peers.
//= 28/REQREP, the DEALER socket type
//# SHALL NOT discard messages that it cannot queue.
#[test]
fn dealer_without_available_peers_waits_and_keeps_the_message() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let dealer = Dealer::with(&context, driven_by(driver)).unwrap();
        let endpoint = dealer.bind(&fresh(transport)).unwrap();
        let Err(SendError::Full(back)) = dealer.try_send(message(&["a", "b"])) else {
            panic!("there is no peer")
        };
        let Err(SendError::TimedOut(back)) = dealer.send_timeout(back, A_WHILE) else {
            panic!("there is no peer")
        };
        assert_eq!(texts(&back), ["a", "b"]);
        let sender = std::thread::spawn(move || {
            dealer.send_timeout(back, PATIENCE).unwrap();
            dealer
        });
        let other = Dealer::with(&context, driven_by(driver)).unwrap();
        other.connect(&endpoint).unwrap();
        assert_eq!(texts(&other.recv_timeout(PATIENCE).unwrap()), ["a", "b"], "{transport} {driver:?}");
        assert_eq!(sender.join().unwrap().statistics().traffic.dropped.total(), 0);
    });
}

//= 28/REQREP, the DEALER socket type
//# SHALL receive incoming messages from its peers using a fair-queuing strategy.
//= 28/REQREP, the ROUTER socket type
//# SHALL receive incoming messages from its peers using a fair-queuing strategy.
#[test]
fn dealer_and_router_receive_from_their_peers_in_turn() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let dealer = Dealer::with(&context, driven_by(driver)).unwrap().into_socket();
        let router = Router::with(&context, driven_by(driver)).unwrap().into_socket();
        for receiver in [dealer, router] {
            let endpoint = receiver.bind(&fresh(transport)).unwrap();
            let senders: Vec<Dealer> =
                (0..3).map(|_| Dealer::with(&context, driven_by(driver)).unwrap()).collect();
            for (number, sender) in senders.iter().enumerate() {
                sender.connect(&endpoint).unwrap();
                for _ in 0..5 {
                    sender.send(number.to_string()).unwrap();
                }
            }
            receiver.wait_for_peers(3, PATIENCE).unwrap();
            arrived(&receiver, 15);
            for _ in 0..5 {
                let mut round: Vec<String> = (0..3)
                    .map(|_| {
                        String::from_utf8(receiver.recv_timeout(PATIENCE).unwrap().last().to_vec()).unwrap()
                    })
                    .collect();
                round.sort();
                assert_eq!(round, ["0", "1", "2"], "{transport} {driver:?} {receiver:?}");
            }
        }
    });
}

/// A DEALER may talk to a REP: it writes the delimiter itself.
#[test]
fn dealer_talks_to_rep() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        let dealer = Dealer::with(&context, driven_by(driver)).unwrap();
        dealer.connect(&rep.bind(&fresh(transport)).unwrap()).unwrap();
        for number in 0..20 {
            dealer.send(message(&["", &number.to_string()])).unwrap();
        }
        for number in 0..20 {
            let request = rep.recv_timeout(PATIENCE).unwrap();
            rep.send(request).unwrap();
            assert_eq!(texts(&dealer.recv_timeout(PATIENCE).unwrap()), ["", &number.to_string()]);
        }
    });
}

/// A raw peer shows what stands on the wire.
#[test]
fn a_dealers_messages_stand_on_the_wire_as_they_are() {
    for driver in DRIVERS {
        let context = Context::new();
        let listener = RawListener::bind(&reserved("tcp"));
        let dealer = Dealer::with(&context, driven_by(driver)).unwrap();
        dealer.connect(&listener.endpoint).unwrap();
        let mut peer = listener.accept_as("ROUTER");
        dealer.send(message(&["a", "", "b"])).unwrap();
        assert_eq!(peer.receive(7), [1, 1, b'a', 1, 0, 0, 1]);
        assert_eq!(peer.receive(1), b"b");
    }
}
