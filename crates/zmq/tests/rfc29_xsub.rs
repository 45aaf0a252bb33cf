//! RFC 29/PUBSUB, XSUB: every sentence of the text that says SHALL, as a test.

mod common;

use std::time::Duration;

use common::wire::{COMMAND, RawListener, RawPeer};
use common::{
    PATIENCE, arrived, driven_by, eventually, everywhere, fresh, message, over_the_network, reserved, text,
    texts,
};
use tamtam_zmq::{Context, XPub, XSub};

//= 29/PUBSUB, the XSUB socket type
//# SHALL accept subscription commands from its calling application.
//= 29/PUBSUB, the XSUB socket type
//# SHALL send subscribe and unsubscribe requests to publishers depending on the transport protocol used.
#[test]
fn xsub_sends_subscriptions_as_the_protocol_has_them() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let xsub = XSub::with(&context, driven_by(driver)).unwrap();
        let listener = RawListener::bind(&reserved(transport));
        xsub.connect(&listener.endpoint).unwrap();
        let mut publisher = listener.accept_as("PUB");
        xsub.send(b"\x01as a message").unwrap();
        assert_eq!(
            publisher.receive_frame(),
            (COMMAND, b"\x09SUBSCRIBEas a message".to_vec()),
            "{transport} {driver:?}"
        );
        xsub.subscribe("as a call");
        assert_eq!(publisher.receive_frame(), (COMMAND, b"\x09SUBSCRIBEas a call".to_vec()));
        xsub.send(b"\x00as a message").unwrap();
        assert_eq!(publisher.receive_frame(), (COMMAND, b"\x06CANCELas a message".to_vec()));
    });
}

//= 29/PUBSUB, the XSUB socket type
//# SHALL not modify outgoing messages in any way.
//= 29/PUBSUB, the XSUB socket type
//# SHALL send all messages to all connected publishers.
//= 29/PUBSUB, the XSUB socket type
//# SHALL NOT block on sending.
#[test]
fn xsub_sends_its_messages_to_all_publishers() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let xsub = XSub::with(&context, driven_by(driver)).unwrap();
        xsub.send("to nobody").unwrap();
        let publishers: Vec<XPub> =
            (0..3).map(|_| XPub::with(&context, driven_by(driver)).unwrap()).collect();
        for publisher in &publishers {
            xsub.connect(&publisher.bind(&fresh(transport)).unwrap()).unwrap();
        }
        for publisher in &publishers {
            publisher.wait_for_peers(1, PATIENCE).unwrap();
        }
        xsub.wait_for_peers(3, PATIENCE).unwrap();
        xsub.send(message(&["a", "", "b"])).unwrap();
        for publisher in &publishers {
            assert_eq!(
                texts(&publisher.recv_timeout(PATIENCE).unwrap()),
                ["a", "", "b"],
                "{transport} {driver:?}"
            );
        }
    });
}

//= 29/PUBSUB, the XSUB socket type
//# SHALL silently drop the message if the outgoing queue for a publisher is full.
#[test]
fn xsub_drops_what_a_publisher_does_not_take() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let xsub = XSub::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(5).set_linger(Some(Duration::ZERO));
        })
        .unwrap();
        let listener = RawListener::bind(&reserved(transport));
        xsub.connect(&listener.endpoint).unwrap();
        let mut publisher = listener.accept_as("XPUB");
        xsub.wait_for_peers(1, PATIENCE).unwrap();
        let mut sent: u64 = 0;
        while xsub.statistics().traffic.dropped.full < 3 {
            xsub.send(vec![7; 100_000]).unwrap();
            sent += 1;
        }
        let traffic = xsub.statistics().traffic;
        assert_eq!(traffic.messages_out + traffic.dropped.full, sent);
        for _ in 0..traffic.messages_out {
            assert_eq!(publisher.receive_message(), [vec![7; 100_000]], "{transport} {driver:?}");
        }
    });
}

//= 29/PUBSUB, the XSUB socket type
//# SHALL not modify incoming messages in any way.
//= 29/PUBSUB, the XSUB socket type
//# SHALL receive incoming messages from its publishers using a fair-queuing strategy.
//= 29/PUBSUB, the XSUB socket type
//# SHALL deliver messages to its calling application.
#[test]
fn xsub_receives_from_its_publishers_in_turn() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let xsub = XSub::with(&context, driven_by(driver)).unwrap();
        xsub.subscribe("t");
        let publishers: Vec<XPub> =
            (0..3).map(|_| XPub::with(&context, driven_by(driver)).unwrap()).collect();
        for (number, publisher) in publishers.iter().enumerate() {
            xsub.connect(&publisher.bind(&fresh(transport)).unwrap()).unwrap();
            publisher.wait_for_subscribers(1, PATIENCE).unwrap();
            for _ in 0..5 {
                publisher.send(message(&["t", &number.to_string(), ""])).unwrap();
            }
        }
        arrived(&xsub, 15);
        for _ in 0..5 {
            let mut round: Vec<Vec<String>> =
                (0..3).map(|_| texts(&xsub.recv_timeout(PATIENCE).unwrap())).collect();
            round.sort();
            assert_eq!(round, [["t", "0", ""], ["t", "1", ""], ["t", "2", ""]], "{transport} {driver:?}");
        }
    });
}

//= 29/PUBSUB, the XSUB socket type
//# SHALL maintain a double queue for each connected publisher, allowing outgoing and incoming messages to be queued
//# independently.
//= 29/PUBSUB, the XSUB socket type
//# SHALL create a double queue when initiating an outgoing connection to a publisher, and SHALL maintain the double queue
//# whether or not the connection is established.
#[test]
fn xsub_queues_both_ways_independently_and_outlives_connections() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let listener = RawListener::bind(&reserved(transport));
        let xsub = XSub::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(5).set_linger(Some(Duration::ZERO));
            o.set_reconnect_interval(Some(Duration::from_millis(5)));
        })
        .unwrap();
        xsub.subscribe("");
        xsub.connect(&listener.endpoint).unwrap();
        for round in 0..2 {
            let mut publisher = listener.accept_as("XPUB");
            assert_eq!(
                publisher.receive_frame(),
                (COMMAND, b"\x09SUBSCRIBE".to_vec()),
                "{transport} {driver:?}"
            );
            xsub.wait_for_peers(1, PATIENCE).unwrap();
            let dropped = xsub.statistics().traffic.dropped.full;
            while xsub.statistics().traffic.dropped.full == dropped {
                xsub.send(vec![7; 100_000]).unwrap();
            }
            // The way out is full, the way in is not.
            publisher.send_message(&[round.to_string().as_bytes()]);
            assert_eq!(
                text(&xsub.recv_timeout(PATIENCE).unwrap()),
                round.to_string(),
                "{transport} {driver:?}"
            );
            drop(publisher);
            eventually("the publisher is gone", || xsub.statistics().peers == 0);
        }
    });
}

//= 29/PUBSUB, the XSUB socket type
//# SHALL create a double queue when a publisher connects to it. If this publisher disconnects, the XSUB socket SHALL
//# destroy its double queue and SHALL discard any messages it contains.
/// What was to be sent is discarded. What arrived whole is delivered all the same, as by libzmq.
#[test]
fn xsub_forgets_a_publisher_that_goes() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let xsub = XSub::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(5);
        })
        .unwrap();
        xsub.subscribe("");
        let endpoint = xsub.bind(&fresh(transport)).unwrap();
        let publisher = RawPeer::connect_as(&endpoint, "XPUB");
        xsub.wait_for_peers(1, PATIENCE).unwrap();
        while xsub.statistics().traffic.dropped.full == 0 {
            xsub.send(vec![7; 100_000]).unwrap();
        }
        let queued = xsub.statistics().queued_out;
        assert!(queued > 0);
        drop(publisher);
        eventually("the publisher is gone", || xsub.peers().is_empty());
        assert_eq!(xsub.statistics().traffic.dropped.disconnected, queued, "{transport} {driver:?}");
        let mut next = RawPeer::connect_as(&endpoint, "XPUB");
        assert_eq!(next.receive_frame(), (COMMAND, b"\x09SUBSCRIBE".to_vec()));
        xsub.wait_for_peers(1, PATIENCE).unwrap();
        xsub.send("fresh").unwrap();
        assert_eq!(next.receive_message(), [b"fresh"]);
    });
}

//= 29/PUBSUB, the XSUB socket type
//# SHALL silently discard messages if the incoming queue for a publisher is full.
/// That happens at the publisher, who drops and counts, when the XSUB has stopped to read.
#[test]
fn xsub_with_a_full_queue_makes_its_publisher_drop() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let xpub = XPub::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(10);
        })
        .unwrap();
        let xsub = XSub::with(&context, |o| {
            o.set_driver(driver).set_receive_hwm(10);
        })
        .unwrap();
        xsub.subscribe("");
        xsub.connect(&xpub.bind(&fresh(transport)).unwrap()).unwrap();
        xpub.wait_for_subscribers(1, PATIENCE).unwrap();
        let mut sent: u64 = 0;
        while xpub.statistics().traffic.dropped.full < 3 {
            xpub.send(vec![0; 50_000]).unwrap();
            sent += 1;
            assert!(sent < 10_000, "{transport} {driver:?}: the subscriber takes everything");
        }
        for _ in 0..sent - xpub.statistics().traffic.dropped.full {
            xsub.recv_timeout(PATIENCE).unwrap();
        }
    });
}

/// Subscriptions by message are passed on each time, for publishers that pass on duplicates; cancellations only where they
/// end something, unless the option says so.
#[test]
fn xsub_passes_on_what_its_publishers_may_count() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let xpub = XPub::with(&context, |o| {
            o.set_driver(driver).set_xpub_verboser(true);
        })
        .unwrap();
        let xsub = XSub::with(&context, driven_by(driver)).unwrap();
        xsub.connect(&xpub.bind(&fresh(transport)).unwrap()).unwrap();
        xpub.wait_for_peers(1, PATIENCE).unwrap();
        xsub.wait_for_peers(1, PATIENCE).unwrap();
        // What is passed on of these: nothing of the first, of the two cancellations only the last.
        for request in [&b"\x00A"[..], b"\x01A", b"\x01A", b"\x00A", b"\x00A"] {
            xsub.send(request).unwrap();
        }
        for expected in [&b"\x01A"[..], b"\x01A", b"\x00A"] {
            assert_eq!(xpub.recv_timeout(PATIENCE).unwrap().as_slice(), expected, "{transport} {driver:?}");
        }
        xsub.configure(|o| {
            o.set_xsub_verbose_unsubscribe(true);
        })
        .unwrap();
        for request in [&b"\x00A"[..], b"\x01A", b"\x01A", b"\x00A", b"\x00A"] {
            xsub.send(request).unwrap();
        }
        for expected in [&b"\x00A"[..], b"\x01A", b"\x01A", b"\x00A", b"\x00A"] {
            assert_eq!(xpub.recv_timeout(PATIENCE).unwrap().as_slice(), expected, "{transport} {driver:?}");
        }
        assert_eq!((xsub.topics_count(), xpub.topics_count()), (0, 0));
    });
}
