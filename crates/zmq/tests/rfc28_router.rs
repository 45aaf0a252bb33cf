//! RFC 28/REQREP, ROUTER: every sentence of the text that says SHALL, as a test.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::wire::RawPeer;
use common::{
    A_WHILE, DRIVERS, PATIENCE, driven_by, eventually, everywhere, fresh, message, over_the_network,
    reserved, text, texts, thread_cpu_time,
};
use tamtam_zmq::{Context, Dealer, Frame, Message, RecvError, Router, SendError};

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

#[test]
fn a_router_knows_the_state_of_each_peer() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(3).set_router_mandatory(true);
        })
        .unwrap();
        let endpoint = router.bind(&fresh(transport)).unwrap();
        assert_eq!(router.peer_state("X"), None);
        let dealer = |id: &'static str| {
            let dealer = Dealer::with(&context, |o| {
                o.set_driver(driver).set_routing_id(id.into()).set_receive_hwm(3);
            })
            .unwrap();
            dealer.connect(&endpoint).unwrap();
            dealer.send("x").unwrap();
            assert_eq!(texts(&router.recv_timeout(PATIENCE).unwrap()), [id, "x"], "{transport} {driver:?}");
            dealer
        };
        let (slow, _quick) = (dealer("slow"), dealer("quick"));
        let writable = |id: &str| router.peer_state(id).unwrap().writable;
        eventually("the slow one is full", || {
            let full = !writable("slow");
            let sent = router
                .try_send(Message::from_frames([Frame::from("slow"), vec![0; 100_000].into()]).unwrap());
            full && sent.is_err()
        });
        assert!(writable("quick"), "{transport} {driver:?}");
        assert!(!router.peer_state("quick").unwrap().readable);
        drop(slow);
        eventually("it is gone", || {
            let _ = router.try_recv();
            router.peer_state("slow").is_none()
        });
    });
}

/// Whoever fills one peer's queue again and again writes that, and nothing else: what was left for another peer goes out too.
#[test]
fn a_stream_to_one_peer_does_not_hold_up_what_is_for_another() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let router = Router::with(&context, driven_by(driver)).unwrap();
        let endpoint = router.bind(&fresh(transport)).unwrap();
        let [busy, quiet] = ["busy", "quiet"].map(|name| {
            let dealer = Dealer::with(&context, |o| {
                o.set_driver(driver).set_routing_id(name.into());
            })
            .unwrap();
            dealer.connect(&endpoint).unwrap();
            dealer.send("here").unwrap();
            router.recv_timeout(PATIENCE).unwrap();
            dealer
        });
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    _ = busy.recv_timeout(Duration::from_millis(1));
                }
            });
            scope.spawn(|| {
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) {
                    router.send(message(&["busy", "and again"])).unwrap();
                    count += 1;
                    if count == 10_000 {
                        router.send(message(&["quiet", "once"])).unwrap();
                    }
                }
            });
            assert_eq!(text(&quiet.recv_timeout(PATIENCE).unwrap()), "once", "{transport} {driver:?}");
            is_over.store(true, Ordering::Relaxed);
        });
    });
}
