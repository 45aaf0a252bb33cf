//! RFC 29/PUBSUB, PUB and SUB: every sentence of the text that says SHALL, as a test.

mod common;

use std::time::Duration;

use common::wire::{COMMAND, RawListener, RawPeer, frame};
use common::{
    A_WHILE, PATIENCE, arrived, driven_by, eventually, everywhere, fresh, message, over_the_network,
    reserved, text, texts,
};
use tamtam_zmq::{Context, Pub, RecvError, SendError, Socket, SocketType, Sub};

/// A SUBSCRIBE command of ZMTP 3.1.
fn subscribe(topic: &[u8]) -> Vec<u8> {
    frame(COMMAND, &[b"\x09SUBSCRIBE", topic].concat())
}

//= 29/PUBSUB, the PUB socket type
//# MAY be connected to any number of SUB or XSUB subscribers, and SHALL only send messages.
//= 29/PUBSUB, the SUB socket type
//# MAY be connected to any number of PUB or XPUB publishers, and SHALL only receive messages.
#[test]
fn pub_only_sends_and_sub_only_receives() {
    let context = Context::new();
    let publisher = Socket::new(&context, SocketType::Pub);
    let subscriber = Socket::new(&context, SocketType::Sub);
    subscriber.connect(&publisher.bind(&fresh("ipc")).unwrap()).unwrap();
    assert_eq!(publisher.try_recv(), Err(RecvError::Unsupported));
    assert_eq!(publisher.recv_timeout(PATIENCE), Err(RecvError::Unsupported));
    assert!(publisher.subscribe("x").is_err());
    assert!(!publisher.readiness().readable);
    let Err(SendError::Unsupported(back)) = subscriber.try_send("x") else { panic!("a SUB does not send") };
    assert_eq!(text(&back), "x");
    assert!(matches!(subscriber.send_timeout("x", PATIENCE), Err(SendError::Unsupported(_))));
    assert!(!subscriber.readiness().writable);
}

//= 29/PUBSUB, the PUB socket type
//# SHALL maintain a single outgoing message queue for each connected subscriber.
//= 29/PUBSUB, the PUB socket type
//# SHALL silently drop the message if the queue for a subscriber is full.
//= 29/PUBSUB, the PUB socket type
//# SHALL NOT block on sending.
#[test]
fn pub_drops_for_the_slow_subscriber_only_and_counts() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let publisher = Pub::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(5);
        })
        .unwrap();
        let endpoint = publisher.bind(&fresh(transport)).unwrap();
        let mut slow = RawPeer::connect_as(&endpoint, "SUB");
        slow.send(&subscribe(b""));
        let quick = Sub::with(&context, driven_by(driver)).unwrap();
        quick.subscribe("");
        quick.connect(&endpoint).unwrap();
        publisher.wait_for_subscribers(2, PATIENCE).unwrap();
        let body = vec![7; 100_000];
        let mut sent: u64 = 0;
        while publisher.statistics().traffic.dropped.full < 3 {
            publisher.send(body.clone()).unwrap();
            sent += 1;
            assert_eq!(quick.recv_timeout(PATIENCE).unwrap().byte_len(), 100_000, "{transport} {driver:?}");
            assert!(sent < 1000, "the kernel takes all of it");
        }
        let traffic = publisher.statistics().traffic;
        assert_eq!(traffic.messages_out + traffic.dropped.full, 2 * sent);
        assert_eq!(quick.statistics().traffic.messages_in, sent);
        // What was not dropped arrives, in one piece.
        for _ in 0..sent - traffic.dropped.full {
            assert_eq!(slow.receive_message(), [body.as_slice()]);
        }
        assert!(publisher.readiness().writable);
    });
}

//= 29/PUBSUB, the PUB socket type
//# SHALL create a queue when initiating an outgoing connection to a subscriber, and SHALL maintain the queue whether or
//# not the connection is established.
/// Who subscribes to what is known only once there is a connection, so the queue stays empty until then; a publisher
/// that connects serves its subscribers like one that is bound, also after the connection was lost.
#[test]
fn pub_that_connects_serves_its_subscribers_again_and_again() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let publisher = Pub::with(&context, |o| {
            o.set_driver(driver).set_reconnect_interval(Some(Duration::from_millis(5)));
        })
        .unwrap();
        publisher.connect(&endpoint).unwrap();
        publisher.send("to nobody").unwrap();
        let rounds = if transport == "inproc" { 1 } else { 3 };
        for round in 0..rounds {
            let subscriber = Sub::with(&context, driven_by(driver)).unwrap();
            subscriber.subscribe("");
            subscriber.bind(&endpoint).unwrap();
            publisher.wait_for_subscribers(1, PATIENCE).unwrap();
            publisher.send(round.to_string()).unwrap();
            assert_eq!(
                text(&subscriber.recv_timeout(PATIENCE).unwrap()),
                round.to_string(),
                "{transport} {driver:?}"
            );
            drop(subscriber);
            eventually("the subscriber is gone", || publisher.subscriber_count() == 0);
        }
        assert_eq!(publisher.statistics().traffic.dropped.full, 0);
    });
}

//= 29/PUBSUB, the PUB socket type
//# SHALL create a queue when a subscriber connects to it. If this subscriber disconnects, the PUB socket SHALL destroy
//# its queue and SHALL discard any messages it contains.
#[test]
fn pub_destroys_the_queue_of_a_subscriber_that_goes() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let publisher = Pub::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(5);
        })
        .unwrap();
        let endpoint = publisher.bind(&fresh(transport)).unwrap();
        let mut peer = RawPeer::connect_as(&endpoint, "SUB");
        peer.send(&subscribe(b""));
        publisher.wait_for_subscribers(1, PATIENCE).unwrap();
        while publisher.statistics().traffic.dropped.full == 0 {
            publisher.send(vec![0; 100_000]).unwrap();
        }
        let queued = publisher.statistics().queued_out;
        assert!(queued > 0);
        drop(peer);
        eventually("the subscriber is gone", || publisher.statistics().peers == 0);
        assert_eq!(publisher.subscriber_count(), 0);
        let statistics = publisher.statistics();
        assert_eq!(
            (statistics.queued_out, statistics.traffic.dropped.disconnected),
            (0, queued),
            "{transport} {driver:?}"
        );
        let mut next = RawPeer::connect_as(&endpoint, "SUB");
        next.send(&subscribe(b""));
        publisher.wait_for_subscribers(1, PATIENCE).unwrap();
        publisher.send("for the next one").unwrap();
        assert_eq!(next.receive_message(), [b"for the next one"]);
    });
}

//= 29/PUBSUB, the PUB socket type
//# SHALL silently discard any messages that subscribers send it.
#[test]
fn pub_discards_what_subscribers_send() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let publisher = Pub::with(&context, driven_by(driver)).unwrap();
        let mut peer = RawPeer::connect_as(&publisher.bind(&fresh(transport)).unwrap(), "XSUB");
        for _ in 0..3 {
            peer.send_message(&[b"what", b"ever"]);
        }
        peer.send(&subscribe(b"t"));
        publisher.wait_for_subscribers(1, PATIENCE).unwrap();
        publisher.send("topic").unwrap();
        assert_eq!(peer.receive_message(), [b"topic"]);
        assert_eq!(publisher.statistics().traffic.dropped.malformed, 3, "{transport} {driver:?}");
        peer.send_message(&[b"last words"]);
        drop(peer);
        eventually("nothing of the peer is left", || publisher.peers().is_empty());
    });
}

//= 29/PUBSUB, the PUB socket type
//# SHALL not modify outgoing messages in any way.
//= 29/PUBSUB, the SUB socket type
//# SHALL not modify incoming messages in any way.
//= 29/PUBSUB, the SUB socket type
//# SHALL deliver messages to its calling application.
#[test]
fn published_messages_arrive_as_they_are() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let publisher = Pub::with(&context, driven_by(driver)).unwrap();
        let endpoint = publisher.bind(&fresh(transport)).unwrap();
        let subscribers: Vec<Sub> = (0..2).map(|_| Sub::with(&context, driven_by(driver)).unwrap()).collect();
        for subscriber in &subscribers {
            subscriber.subscribe("");
            subscriber.connect(&endpoint).unwrap();
        }
        publisher.wait_for_subscribers(2, PATIENCE).unwrap();
        let (medium, large) = ("m".repeat(300), "l".repeat(200_000));
        let all = [vec![""], vec!["", "", "x"], vec!["t", &medium], vec![&large, "", &medium], vec!["end"]];
        for frames in &all {
            publisher.send(message(frames)).unwrap();
        }
        for subscriber in &subscribers {
            for frames in &all {
                let received = subscriber.recv_timeout(PATIENCE).unwrap();
                assert!(texts(&received) == *frames, "{transport} {driver:?}");
            }
        }
    });
}

//= 29/PUBSUB, the PUB socket type
//# SHALL perform a binary comparison of the subscription against the start of the first frame of the message.
#[test]
fn pub_compares_octets_of_the_first_frame() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let publisher = Pub::with(&context, driven_by(driver)).unwrap();
        let mut peer = RawPeer::connect_as(&publisher.bind(&fresh(transport)).unwrap(), "SUB");
        peer.send(&subscribe(b"a\0b"));
        publisher.wait_for_subscribers(1, PATIENCE).unwrap();
        // Case, length, the second frame, the octet 0: all count.
        publisher.send(b"A\0b").unwrap();
        publisher.send(b"a").unwrap();
        publisher.send(b"a\0").unwrap();
        publisher.send(message(&["a", "\0b"])).unwrap();
        publisher.send(message(&["x", "a\0b"])).unwrap();
        publisher.send(message(&["a\0b", "first"])).unwrap();
        publisher.send(b"a\0b\xff and more").unwrap();
        assert_eq!(peer.receive_message(), [b"a\0b".to_vec(), b"first".to_vec()], "{transport} {driver:?}");
        assert_eq!(peer.receive_message(), [b"a\0b\xff and more"]);
    });
}

//= 29/PUBSUB, the PUB socket type
//# SHALL receive subscribe and unsubscribe requests from subscribers depending on the transport protocol used.
//= 29/PUBSUB, the PUB socket type
//# SHALL NOT deliver these commands to its calling application.
/// ZMTP 3.1 has commands for it; up to ZMTP 3.0 they were messages that begin with 1 or 0.
#[test]
fn pub_understands_both_kinds_of_subscription() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let publisher = Pub::with(&context, driven_by(driver)).unwrap();
        let mut peer = RawPeer::connect_as(&publisher.bind(&fresh(transport)).unwrap(), "SUB");
        peer.send(&subscribe(b"new"));
        peer.send_message(&[b"\x01old"]);
        eventually("both are there", || {
            publisher.peers().first().is_some_and(|peer| peer.subscriptions == 2)
        });
        for topic in ["new", "old"] {
            publisher.send(topic).unwrap();
            assert_eq!(peer.receive_message(), [topic.as_bytes()], "{transport} {driver:?}");
        }
        peer.send(&frame(COMMAND, b"\x06CANCELnew"));
        peer.send_message(&[b"\x00old"]);
        eventually("both are gone", || publisher.subscriber_count() == 0);
        assert!(!publisher.readiness().readable);
    });
}

//= 29/PUBSUB, the SUB socket type
//# SHALL maintain a single incoming message queue for each connected publisher.
//= 29/PUBSUB, the SUB socket type
//# SHALL receive incoming messages from its publishers using a fair-queuing strategy.
#[test]
fn sub_receives_from_its_publishers_in_turn() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let subscriber = Sub::with(&context, driven_by(driver)).unwrap();
        subscriber.subscribe("");
        let publishers: Vec<Pub> = (0..3).map(|_| Pub::with(&context, driven_by(driver)).unwrap()).collect();
        for (number, publisher) in publishers.iter().enumerate() {
            subscriber.connect(&publisher.bind(&fresh(transport)).unwrap()).unwrap();
            publisher.wait_for_subscribers(1, PATIENCE).unwrap();
            for _ in 0..5 {
                publisher.send(number.to_string()).unwrap();
            }
        }
        arrived(&subscriber, 15);
        for _ in 0..5 {
            let mut round: Vec<String> =
                (0..3).map(|_| text(&subscriber.recv_timeout(PATIENCE).unwrap())).collect();
            round.sort();
            assert_eq!(round, ["0", "1", "2"], "{transport} {driver:?}");
        }
    });
}

//= 29/PUBSUB, the SUB socket type
//# SHALL create a queue when initiating an outgoing connection to a publisher, and SHALL maintain the queue whether or
//# not the connection is established.
#[test]
fn sub_keeps_what_it_received_when_the_publisher_goes() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let subscriber = Sub::with(&context, driven_by(driver)).unwrap();
        subscriber.subscribe("");
        let listener = RawListener::bind(&reserved(transport));
        subscriber.connect(&listener.endpoint).unwrap();
        let mut publisher = listener.accept_as("PUB");
        // To close with something unread would make TCP throw away what it has sent.
        assert_eq!(publisher.receive_frame(), (COMMAND, b"\x09SUBSCRIBE".to_vec()));
        for number in 0..10 {
            publisher.send_message(&[number.to_string().as_bytes()]);
        }
        drop((publisher, listener));
        for number in 0..10 {
            assert_eq!(
                text(&subscriber.recv_timeout(PATIENCE).unwrap()),
                number.to_string(),
                "{transport} {driver:?}"
            );
        }
    });
}

//= 29/PUBSUB, the SUB socket type
//# SHALL silently discard messages if the queue for a publisher is full.
/// As with every ZeroMQ implementation, that happens at the publisher: a full SUB stops reading, the kernel's buffers
/// fill, the publisher's queue for it fills, and the publisher drops and counts. Nothing is lost uncounted.
#[test]
fn sub_with_a_full_queue_makes_its_publisher_drop() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let publisher = Pub::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(10);
        })
        .unwrap();
        let subscriber = Sub::with(&context, |o| {
            o.set_driver(driver).set_receive_hwm(10);
        })
        .unwrap();
        subscriber.subscribe("");
        subscriber.connect(&publisher.bind(&fresh(transport)).unwrap()).unwrap();
        publisher.wait_for_subscribers(1, PATIENCE).unwrap();
        let mut sent: u64 = 0;
        while publisher.statistics().traffic.dropped.full < 3 {
            publisher.send(vec![0; 50_000]).unwrap();
            sent += 1;
            assert!(sent < 10_000, "{transport} {driver:?}: the subscriber takes everything");
        }
        let expected = sent - publisher.statistics().traffic.dropped.full;
        for _ in 0..expected {
            subscriber.recv_timeout(PATIENCE).unwrap();
        }
        assert_eq!(subscriber.recv_timeout(A_WHILE), Err(RecvError::TimedOut));
        assert_eq!(subscriber.statistics().traffic.messages_in, expected);
    });
}

//= 29/PUBSUB, the SUB socket type
//# MAY, depending on the transport, filter messages according to subscriptions, using a prefix match algorithm.
#[test]
fn sub_filters_what_a_publisher_sends_all_the_same() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let subscriber = Sub::with(&context, driven_by(driver)).unwrap();
        subscriber.subscribe("a");
        let listener = RawListener::bind(&reserved(transport));
        subscriber.connect(&listener.endpoint).unwrap();
        let mut publisher = listener.accept_as("PUB");
        for topic in ["b", "a1", "", "A", "a2"] {
            publisher.send_message(&[topic.as_bytes()]);
        }
        assert_eq!(text(&subscriber.recv_timeout(PATIENCE).unwrap()), "a1");
        assert_eq!(text(&subscriber.recv_timeout(PATIENCE).unwrap()), "a2");
        let traffic = subscriber.statistics().traffic;
        assert_eq!(
            (traffic.dropped.filtered, traffic.messages_in, traffic.bytes_in),
            (3, 2, 4),
            "{transport} {driver:?}: what was filtered was not handed to the application"
        );
    });
}

//= 29/PUBSUB, the SUB socket type
//# MAY send subscribe and unsubscribe requests to publishers depending on the transport protocol used.
/// Subscriptions are counted; the publisher hears of the first and of the end of the last.
#[test]
fn sub_tells_publishers_what_it_wants() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let subscriber = Sub::with(&context, driven_by(driver)).unwrap();
        let listener = RawListener::bind(&reserved(transport));
        subscriber.subscribe("before");
        subscriber.connect(&listener.endpoint).unwrap();
        let mut publisher = listener.accept_as("PUB");
        let mut hears = |command: &[u8]| {
            let (flags, body) = publisher.receive_frame();
            assert_eq!((flags, body.as_slice()), (COMMAND, command), "{transport} {driver:?}");
        };
        hears(b"\x09SUBSCRIBEbefore");
        subscriber.subscribe("a");
        hears(b"\x09SUBSCRIBEa");
        // Once more is told as well: an XPUB that is verbose wants to know. The cancellation is told once nothing is left.
        subscriber.subscribe("a");
        hears(b"\x09SUBSCRIBEa");
        subscriber.unsubscribe("a").unwrap();
        subscriber.subscribe("b");
        hears(b"\x09SUBSCRIBEb");
        subscriber.unsubscribe("a").unwrap();
        hears(b"\x06CANCELa");
        assert!(subscriber.unsubscribe("a").is_err());
        assert!(subscriber.unsubscribe("never").is_err());
        subscriber.unsubscribe("before").unwrap();
        hears(b"\x06CANCELbefore");
    });
}

/// Subscriptions are state: no mark applies to them, and every new connection is told all of them.
#[test]
fn no_subscription_is_lost_however_many_there_are() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let subscriber = Sub::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(1).set_receive_hwm(1);
            o.set_reconnect_interval(Some(Duration::from_millis(5)));
        })
        .unwrap();
        for number in 0..3000 {
            subscriber.subscribe(format!("topic {number};"));
        }
        let endpoint = reserved(transport);
        subscriber.connect(&endpoint).unwrap();
        for _ in 0..2 {
            let publisher = Pub::with(&context, driven_by(driver)).unwrap();
            publisher.bind(&endpoint).unwrap();
            eventually("all subscriptions are there", || {
                publisher.peers().first().is_some_and(|peer| peer.subscriptions == 3000)
            });
            publisher.send("topic 2999; is there").unwrap();
            assert_eq!(
                text(&subscriber.recv_timeout(PATIENCE).unwrap()),
                "topic 2999; is there",
                "{transport} {driver:?}"
            );
            drop(publisher);
            eventually("the publisher is gone", || subscriber.statistics().peers == 0);
        }
    });
}
