//! RFC 51/P2P: every sentence of the text that says SHALL, as a test.

mod common;

use std::time::Duration;

use common::wire::RawPeer;
use common::{
    A_WHILE, PATIENCE, driven_by, eventually, everywhere, fresh, message, over_the_network, reserved, text,
};
use tamtam_zmq::{ConnectError, Context, NoSuchPeer, Peer, RecvError, SendError, Socket, SocketType};

//= 51/P2P, the PEER socket type
//# SHALL provide the application with an API to connect and retrieve the "routing id" of the double queue in atomic manner.
//= 51/P2P, the PEER socket type
//# MAY both send and receive messages in any order.
//= 51/P2P, the PEER socket type
//# SHALL route the message to the outgoing queue if that queue exists, and is not full.
#[test]
fn both_sides_know_each_other_by_a_number() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let (one, two) = (
            Peer::with(&context, driven_by(driver)).unwrap(),
            Peer::with(&context, driven_by(driver)).unwrap(),
        );
        let id = two.connect_peer(&one.bind(&fresh(transport)).unwrap()).unwrap();
        assert_ne!(id, 0);
        two.send_to(id, "1").unwrap();
        let received = one.recv_timeout(PATIENCE).unwrap();
        assert_ne!(received.routing_id(), 0);
        one.send_to(received.routing_id(), "2").unwrap();
        one.send_to(received.routing_id(), "3").unwrap();
        for expected in ["2", "3"] {
            let reply = two.recv_timeout(PATIENCE).unwrap();
            assert_eq!((text(&reply).as_str(), reply.routing_id()), (expected, id), "{transport} {driver:?}");
        }
        // A second connection is a second peer.
        let third = Peer::with(&context, driven_by(driver)).unwrap();
        let other = two.connect_peer(&third.bind(&fresh(transport)).unwrap()).unwrap();
        assert_ne!(other, id);
        two.send_to(other, "to the third").unwrap();
        assert_eq!(text(&third.recv_timeout(PATIENCE).unwrap()), "to the third");
        assert_eq!(one.try_recv(), Err(RecvError::WouldBlock));
    });
}

//= 51/P2P, the PEER socket type
//# SHALL create a double queue when initiating an outgoing connection to a peer, and SHALL maintain the double queue whether
//# or not the connection is established.
#[test]
fn the_number_stays_over_reconnections() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let dialer = Peer::with(&context, |o| {
            o.set_driver(driver).set_reconnect_interval(Some(Duration::from_millis(5)));
        })
        .unwrap();
        let id = dialer.connect_peer(&endpoint).unwrap();
        for round in 0..3 {
            // Before there is anybody.
            dialer.try_send_to(id, round.to_string()).unwrap();
            let bound = Peer::with(&context, driven_by(driver)).unwrap();
            bound.bind(&endpoint).unwrap();
            let received = bound.recv_timeout(PATIENCE).unwrap();
            assert_eq!(text(&received), round.to_string(), "{transport} {driver:?}");
            bound.send_to(received.routing_id(), "back").unwrap();
            assert_eq!(dialer.recv_timeout(PATIENCE).unwrap().routing_id(), id);
            drop(bound);
            eventually("the peer is gone", || dialer.statistics().peers == 0);
        }
        assert_eq!(dialer.statistics().traffic.dropped.total(), 0);
    });
}

#[test]
fn what_can_be_wrong_with_connecting() {
    let context = Context::new();
    let peer = Peer::with(&context, |o| {
        o.set_immediate(true);
    })
    .unwrap();
    assert!(matches!(peer.connect_peer("tcp://127.0.0.1:9"), Err(ConnectError::Immediate { .. })));
    peer.configure(|o| {
        o.set_immediate(false);
    })
    .unwrap();
    assert!(matches!(peer.connect_peer("tcp://127.0.0.1"), Err(ConnectError::Endpoint(_))));
    assert!(matches!(peer.connect_peer("udp://127.0.0.1:9"), Err(ConnectError::WrongTransport { .. })));
    let dealer = Socket::new(&context, SocketType::Dealer);
    assert!(matches!(dealer.connect_peer("tcp://127.0.0.1:9"), Err(ConnectError::Unnumbered { .. })));
    assert_eq!(dealer.disconnect_peer(1), Err(NoSuchPeer));
    assert!(peer.peers().is_empty());
}

#[test]
fn either_side_can_end_it_by_the_number() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let bound = Peer::with(&context, driven_by(driver)).unwrap();
        let endpoint = bound.bind(&fresh(transport)).unwrap();
        for by_dialer in [true, false] {
            let dialer = Peer::with(&context, driven_by(driver)).unwrap();
            let id = dialer.connect_peer(&endpoint).unwrap();
            dialer.send_to(id, "x").unwrap();
            let theirs = bound.recv_timeout(PATIENCE).unwrap().routing_id();
            if by_dialer {
                dialer.disconnect_peer(id).unwrap();
                assert_eq!(dialer.disconnect_peer(id), Err(NoSuchPeer));
                assert!(matches!(dialer.try_send_to(id, "y"), Err(SendError::Unroutable(_))));
                assert!(dialer.disconnect(&endpoint).is_err(), "{transport} {driver:?}: taken back already");
            } else {
                bound.disconnect_peer(theirs).unwrap();
                assert_eq!(bound.disconnect_peer(theirs), Err(NoSuchPeer));
            }
            eventually("it is gone at the other side", || {
                let _ = (bound.try_recv(), dialer.try_recv());
                matches!(bound.try_send_to(theirs, "y"), Err(SendError::Unroutable(_)))
            });
        }
    });
}

//= 51/P2P, the PEER socket type
//# SHALL return an error if the queue does not exist.
//= 51/P2P, the PEER socket type
//# SHALL block on sending, if the queue is full, unless otherwise configured.
//= 51/P2P, the PEER socket type
//# SHALL NOT discard messages that it cannot queue.
#[test]
fn nobody_and_full_are_errors() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let peer = Peer::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(3).set_linger(Some(Duration::ZERO));
        })
        .unwrap();
        let id = peer.connect_peer(&reserved(transport)).unwrap();
        assert!(matches!(peer.try_send_to(id.wrapping_add(7), "x"), Err(SendError::Unroutable(_))));
        assert!(matches!(peer.try_send("x"), Err(SendError::Unroutable(_))), "no number is given");
        for _ in 0..3 {
            peer.try_send_to(id, "x").unwrap();
        }
        let Err(SendError::Full(back)) = peer.try_send_to(id, "one more") else { panic!("full") };
        let Err(SendError::TimedOut(back)) = peer.send_timeout(back, A_WHILE) else { panic!("full") };
        assert_eq!((text(&back), back.routing_id()), ("one more".to_owned(), id), "{transport} {driver:?}");
        assert_eq!(peer.statistics().traffic.dropped.total(), 0);
    });
}

//= 51/P2P, the PEER socket type
//# MUST NOT send multi-part messages.
//= 51/P2P, the PEER socket type
//# MUST discard any part of a multipart message.
//= 51/P2P, the PEER socket type
//# SHALL NOT allow the peer to specify its routing id explicitly.
#[test]
fn multipart_messages_and_chosen_ids_do_not_get_through() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let peer = Peer::with(&context, driven_by(driver)).unwrap();
        let endpoint = peer.bind(&fresh(transport)).unwrap();
        let mut raw = RawPeer::connect(&endpoint);
        raw.handshake("PEER", "my own id");
        raw.send_message(&[b"a", b"b"]);
        raw.send_message(&[b"whole"]);
        let received = peer.recv_timeout(PATIENCE).unwrap();
        assert_eq!(text(&received), "whole", "{transport} {driver:?}");
        assert_eq!(peer.statistics().traffic.dropped.malformed, 1);
        let mut two = message(&["a", "b"]);
        two.set_routing_id(received.routing_id());
        assert!(matches!(peer.try_send(two), Err(SendError::Malformed(_))));
        peer.send_to(received.routing_id(), "c").unwrap();
        assert_eq!(raw.receive_message(), [b"c"]);
    });
}
