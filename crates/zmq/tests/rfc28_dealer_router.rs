//! RFC 28/REQREP, DEALER and ROUTER: every sentence of the text that says SHALL, as a test.

mod common;

use std::time::Duration;

use common::wire::{RawListener, RawPeer};
use common::{
    A_WHILE, DRIVERS, PATIENCE, driven_by, eventually, everywhere, fresh, message, over_the_network,
    reserved, text, texts, thread_cpu_time, written,
};
use tamtam_zmq::{Context, Dealer, Frame, Message, RecvError, Rep, Router, SendError};

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
            if transport != "inproc" {
                senders.iter().for_each(written);
            }
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

//= 28/REQREP, the ROUTER socket type
//# SHALL identify each double queue using a unique "identity" binary string.
//= 28/REQREP, the ROUTER socket type
//# SHALL prefix each incoming message with a frame containing the identity of the originating double queue.
//= 28/REQREP, the ROUTER socket type
//# SHALL deliver the resulting messages to its calling application.
//= 28/REQREP, the ROUTER socket type
//# SHALL remove the first frame from each outgoing message and use this as the identity of a double queue.
//= 28/REQREP, the ROUTER socket type
//# SHALL route the message to the outgoing queue if that queue exists, and has space.
#[test]
fn router_tells_and_uses_the_identity_of_each_peer() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, driven_by(driver)).unwrap();
        let endpoint = router.bind(&fresh(transport)).unwrap();
        let dealers: Vec<Dealer> =
            (0..4).map(|_| Dealer::with(&context, driven_by(driver)).unwrap()).collect();
        for (number, dealer) in dealers.iter().enumerate() {
            dealer.connect(&endpoint).unwrap();
            dealer.send(message(&["", &number.to_string(), ""])).unwrap();
        }
        let mut identities = Vec::new();
        for _ in &dealers {
            let mut received = router.recv_timeout(PATIENCE).unwrap();
            let identity = received.pop_front().unwrap();
            let [first, number, last] = texts(&received).try_into().unwrap();
            assert_eq!((first, last), (String::new(), String::new()), "the message itself is as it was");
            assert!(!identities.contains(&identity));
            router
                .send(Message::from_frames([identity.clone(), Frame::from(number), Frame::new()]).unwrap())
                .unwrap();
            identities.push(identity);
        }
        for (number, dealer) in dealers.iter().enumerate() {
            assert_eq!(
                texts(&dealer.recv_timeout(PATIENCE).unwrap()),
                [&number.to_string(), ""],
                "{transport} {driver:?}"
            );
        }
    });
}

//= 28/REQREP, the ROUTER socket type
//# SHOULD allow the peer to specify its identity explicitly through the Identity metadata property.
#[test]
fn router_knows_a_peer_by_the_identity_that_it_chose() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, driven_by(driver)).unwrap();
        let mut peer = RawPeer::connect(&router.bind(&fresh(transport)).unwrap());
        peer.handshake("DEALER", "robot 7");
        router.wait_for_peers(1, PATIENCE).unwrap();
        router.send(message(&["robot 7", "hello"])).unwrap();
        assert_eq!(peer.receive_message(), [b"hello"]);
        peer.send_message(&[b"here I am"]);
        assert_eq!(texts(&router.recv_timeout(PATIENCE).unwrap()), ["robot 7", "here I am"]);
    });
}

//= 28/REQREP, the ROUTER socket type
//# SHALL maintain a double queue for each connected peer, allowing outgoing and incoming messages to be queued independently.
//= 28/REQREP, the ROUTER socket type
//# SHALL either silently drop the message, or return an error, depending on configuration, if the queue does not exist,
//# or is full.
//= 28/REQREP, the ROUTER socket type
//# SHALL NOT block on sending.
#[test]
fn router_drops_and_counts_what_it_cannot_queue() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(5);
        })
        .unwrap();
        router.send(message(&["nobody", "x"])).unwrap();
        router.send("only an address").unwrap();
        assert_eq!(router.statistics().traffic.dropped.unroutable, 2);
        let mut peer = RawPeer::connect(&router.bind(&fresh(transport)).unwrap());
        peer.handshake("DEALER", "peer");
        router.wait_for_peers(1, PATIENCE).unwrap();
        let large = Message::from_frames([Frame::from("peer"), Frame::from(vec![0; 100_000])]).unwrap();
        let mut sent: u64 = 0;
        while router.statistics().traffic.dropped.full < 3 {
            router.send(large.clone()).unwrap();
            sent += 1;
        }
        let traffic = router.statistics().traffic;
        assert_eq!(traffic.messages_out + traffic.dropped.full, sent, "{transport} {driver:?}");
        peer.send_message(&[b"the way in is open"]);
        assert_eq!(texts(&router.recv_timeout(PATIENCE).unwrap()), ["peer", "the way in is open"]);
        // As many arrive as were not dropped.
        for _ in 0..traffic.messages_out {
            assert_eq!(peer.receive_message(), [vec![0; 100_000]]);
        }
    });
}

//= 28/REQREP, the ROUTER socket type
//# SHALL either silently drop the message, or return an error, depending on configuration, if the queue does not exist,
//# or is full.
#[test]
fn a_mandatory_router_returns_what_it_cannot_queue() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(5).set_router_mandatory(true);
        })
        .unwrap();
        let Err(SendError::Unroutable(back)) = router.send(message(&["nobody", "x"])) else {
            panic!("nobody is there")
        };
        assert_eq!(texts(&back), ["nobody", "x"]);
        assert!(matches!(router.send("only an address"), Err(SendError::Unroutable(_))));
        let mut peer = RawPeer::connect(&router.bind(&fresh(transport)).unwrap());
        peer.handshake("DEALER", "peer");
        router.wait_for_peers(1, PATIENCE).unwrap();
        let large = Message::from_frames([Frame::from("peer"), Frame::from(vec![0; 100_000])]).unwrap();
        let mut queued = 0;
        let back = loop {
            match router.try_send(large.clone()) {
                Ok(()) => queued += 1,
                Err(SendError::Full(back)) => break back,
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(back, large, "{transport} {driver:?}");
        // Waiting for room does not burn the processor.
        let before = thread_cpu_time();
        let Err(SendError::TimedOut(back)) = router.send_timeout(back, 4 * A_WHILE) else {
            panic!("nobody reads")
        };
        let burnt = thread_cpu_time() - before;
        assert!(burnt < A_WHILE, "{transport} {driver:?}: {burnt:?} of processor time in {:?}", 4 * A_WHILE);
        let waiting = std::thread::spawn(move || {
            router.send_timeout(back, PATIENCE).unwrap();
            router
        });
        for _ in 0..=queued {
            assert_eq!(peer.receive_message(), [vec![0; 100_000]]);
        }
        assert_eq!(waiting.join().unwrap().statistics().traffic.dropped.total(), 0);
    });
}

//= 28/REQREP, the ROUTER socket type
//# SHALL create a double queue when initiating an outgoing connection to a peer, and SHALL maintain the double queue
//# whether or not the connection is established.
#[test]
fn router_queues_for_a_peer_that_it_named_before_there_is_a_connection() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let router = Router::with(&context, |o| {
            o.set_driver(driver).set_router_mandatory(true);
        })
        .unwrap();
        router.connect_as(&endpoint, b"server").unwrap();
        for number in 0..10 {
            router.send(message(&["server", &number.to_string()])).unwrap();
        }
        let dealer = Dealer::with(&context, driven_by(driver)).unwrap();
        dealer.bind(&endpoint).unwrap();
        for number in 0..10 {
            assert_eq!(
                text(&dealer.recv_timeout(PATIENCE).unwrap()),
                number.to_string(),
                "{transport} {driver:?}"
            );
        }
        assert!(router.connect_as(&reserved(transport), b"server").is_err(), "the routing id is in use");
    });
}

//= 28/REQREP, the ROUTER socket type
//# SHALL create a double queue when a peer connects to it. If this peer disconnects, the ROUTER socket SHALL destroy
//# its double queue and SHALL discard any messages it contains.
#[test]
fn router_destroys_the_queue_of_a_peer_that_was_accepted_and_goes() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(5).set_router_mandatory(true);
        })
        .unwrap();
        let endpoint = router.bind(&fresh(transport)).unwrap();
        let mut peer = RawPeer::connect(&endpoint);
        peer.handshake("DEALER", "peer");
        router.wait_for_peers(1, PATIENCE).unwrap();
        let large = Message::from_frames([Frame::from("peer"), Frame::from(vec![0; 100_000])]).unwrap();
        while router.try_send(large.clone()).is_ok() {}
        let queued = router.statistics().queued_out;
        drop(peer);
        eventually("the peer is gone", || router.statistics().peers == 0);
        assert_eq!(router.statistics().traffic.dropped.disconnected, queued, "{transport} {driver:?}");
        assert!(matches!(router.try_send(large.clone()), Err(SendError::Unroutable(_))));
        let mut next = RawPeer::connect(&endpoint);
        next.handshake("DEALER", "peer");
        router.wait_for_peers(1, PATIENCE).unwrap();
        router.send(message(&["peer", "fresh"])).unwrap();
        assert_eq!(next.receive_message(), [b"fresh"]);
    });
}

/// With handover the newcomer has the identity; nothing of the old one is told under a wrong name.
#[test]
fn a_new_peer_takes_an_identity_over() {
    for driver in DRIVERS {
        let context = Context::new();
        let router = Router::with(&context, driven_by(driver)).unwrap();
        let monitor = router.monitor(100);
        let endpoint = router.bind(&fresh("ipc")).unwrap();
        let mut old = RawPeer::connect(&endpoint);
        old.handshake("DEALER", "same");
        old.send_message(&[b"from the old one"]);
        eventually("it arrived", || router.readiness().readable || router.statistics().queued_in > 0);
        old.send_message(&[b"again from the old one"]);
        let mut new = RawPeer::connect(&endpoint);
        new.handshake("DEALER", "same");
        old.receive_to_end();
        new.send_message(&[b"from the new one"]);
        loop {
            let received = texts(&router.recv_timeout(PATIENCE).unwrap());
            assert_eq!(received[0], "same", "{driver:?}: {received:?}");
            if received[1] == "from the new one" {
                break;
            }
        }
        router.send(message(&["same", "for the new one"])).unwrap();
        assert_eq!(new.receive_message(), [b"for the new one"]);
        let told = std::iter::from_fn(|| monitor.try_recv())
            .any(|event| event.kind.to_string().contains("took over"));
        assert!(told, "the takeover is told");
    }
}

/// Without handover the newcomer is refused, visibly, and the old one stays.
#[test]
fn a_duplicate_identity_is_refused() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, |o| {
            o.set_driver(driver).set_router_handover(false);
        })
        .unwrap();
        let monitor = router.monitor(100);
        let endpoint = router.bind(&fresh(transport)).unwrap();
        let named = |o: &mut tamtam_zmq::Options| {
            o.set_driver(driver).set_routing_id("same".into()).set_reconnect_interval(None);
        };
        let first = Dealer::with(&context, named).unwrap();
        first.connect(&endpoint).unwrap();
        router.wait_for_peers(1, PATIENCE).unwrap();
        let second = Dealer::with(&context, named).unwrap();
        second.connect(&endpoint).unwrap();
        let mut told = false;
        eventually("the refusal is told", || {
            told |= std::iter::from_fn(|| monitor.try_recv())
                .any(|event| event.kind.to_string().starts_with("refused"));
            told
        });
        eventually("the second is gone", || {
            assert_eq!(second.try_recv(), Err(RecvError::WouldBlock));
            second.peers().is_empty()
        });
        router.send(message(&["same", "hello"])).unwrap();
        assert_eq!(text(&first.recv_timeout(PATIENCE).unwrap()), "hello", "{transport} {driver:?}");
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

/// `probe_router` lets a ROUTER that connects learn who is there.
#[test]
fn a_probe_makes_routers_known_to_each_other() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let server = Router::with(&context, |o| {
            o.set_driver(driver).set_routing_id("server".into());
        })
        .unwrap();
        let client = Router::with(&context, |o| {
            o.set_driver(driver).set_routing_id("client".into()).set_probe_router(true);
        })
        .unwrap();
        client.connect(&server.bind(&fresh(transport)).unwrap()).unwrap();
        assert_eq!(texts(&server.recv_timeout(PATIENCE).unwrap()), ["client", ""], "{transport} {driver:?}");
        server.send(message(&["client", "hello"])).unwrap();
        assert_eq!(texts(&client.recv_timeout(PATIENCE).unwrap()), ["server", "hello"]);
        client.send(message(&["server", "hello too"])).unwrap();
        assert_eq!(texts(&server.recv_timeout(PATIENCE).unwrap()), ["client", "hello too"]);
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
