//! RFC 29/PUBSUB, XPUB: every sentence of the text that says SHALL, as a test; and its options.

mod common;

use std::time::Duration;

use common::wire::{COMMAND, RawPeer, frame};
use common::{
    PATIENCE, arrived, driven_by, eventually, everywhere, fresh, message, over_the_network, reserved, text,
    texts,
};
use tamtam_zmq::{Context, Message, RecvError, Sub, XPub, XSub};

fn notices(xpub: &XPub, count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|_| xpub.recv_timeout(PATIENCE).unwrap().as_slice().to_vec()).collect()
}

//= 29/PUBSUB, the XPUB socket type
//# SHALL receive subscribe and unsubscribe requests from subscribers depending on the transport protocol used.
//= 29/PUBSUB, the XPUB socket type
//# SHALL deliver these commands to its calling application.
//= 29/PUBSUB, the XPUB socket type
//# MAY, depending on configuration, normalize commands delivered to its calling application so that multiple identical
//# subscriptions result in a single command only.
#[test]
fn xpub_tells_of_the_first_subscription_and_of_the_end_of_the_last() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let xpub = XPub::with(&context, driven_by(driver)).unwrap();
        let endpoint = xpub.bind(&fresh(transport)).unwrap();
        let subscribers: Vec<Sub> = (0..2).map(|_| Sub::with(&context, driven_by(driver)).unwrap()).collect();
        for (number, subscriber) in subscribers.iter().enumerate() {
            subscriber.connect(&endpoint).unwrap();
            subscriber.subscribe("topic");
            xpub.wait_for_subscribers(number + 1, PATIENCE).unwrap();
        }
        assert_eq!(notices(&xpub, 1), [b"\x01topic"], "{transport} {driver:?}");
        assert_eq!(xpub.try_recv(), Err(RecvError::WouldBlock));
        subscribers[0].unsubscribe("topic").unwrap();
        eventually("one is left", || xpub.subscriber_count() == 1);
        assert_eq!(xpub.try_recv(), Err(RecvError::WouldBlock));
        subscribers[1].unsubscribe("topic").unwrap();
        assert_eq!(notices(&xpub, 1), [b"\x00topic"]);
    });
}

/// `xpub_verbose` tells of every subscription, `xpub_verboser` of every cancellation too.
#[test]
fn a_verbose_xpub_tells_more() {
    everywhere(|transport, driver| {
        let context = Context::new();
        for (verboser, expected) in [
            (false, vec![&b"\x01t"[..], b"\x01t", b"\x00t"]),
            (true, vec![b"\x01t", b"\x01t", b"\x00t", b"\x00t"]),
        ] {
            let xpub = XPub::with(&context, |o| {
                o.set_driver(driver).set_xpub_verbose(!verboser).set_xpub_verboser(verboser);
            })
            .unwrap();
            let endpoint = xpub.bind(&fresh(transport)).unwrap();
            let subscribers: Vec<Sub> =
                (0..2).map(|_| Sub::with(&context, driven_by(driver)).unwrap()).collect();
            for (number, subscriber) in subscribers.iter().enumerate() {
                subscriber.connect(&endpoint).unwrap();
                subscriber.subscribe("t");
                xpub.wait_for_subscribers(number + 1, PATIENCE).unwrap();
            }
            for (number, subscriber) in subscribers.iter().enumerate() {
                subscriber.unsubscribe("t").unwrap();
                eventually("the cancellation arrived", || xpub.subscriber_count() == 1 - number);
            }
            assert_eq!(
                notices(&xpub, expected.len()),
                expected,
                "{transport} {driver:?} verboser: {verboser}"
            );
            assert_eq!(xpub.try_recv(), Err(RecvError::WouldBlock));
        }
    });
}

//= 29/PUBSUB, the XPUB socket type
//# SHALL, if the subscriber peer disconnects prematurely, generate a suitable unsubscribe request for the calling
//# application.
#[test]
fn xpub_cancels_for_a_subscriber_that_goes() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let xpub = XPub::with(&context, driven_by(driver)).unwrap();
        let endpoint = xpub.bind(&fresh(transport)).unwrap();
        let stays = Sub::with(&context, driven_by(driver)).unwrap();
        stays.subscribe("shared");
        stays.connect(&endpoint).unwrap();
        assert_eq!(notices(&xpub, 1), [b"\x01shared"]);
        let goes = Sub::with(&context, driven_by(driver)).unwrap();
        goes.subscribe("shared");
        goes.subscribe("own");
        goes.connect(&endpoint).unwrap();
        assert_eq!(notices(&xpub, 1), [b"\x01own"]);
        goes.close();
        assert_eq!(notices(&xpub, 1), [b"\x00own"], "{transport} {driver:?}");
        assert_eq!(xpub.try_recv(), Err(RecvError::WouldBlock), "somebody holds the shared topic still");
        stays.close();
        assert_eq!(notices(&xpub, 1), [b"\x00shared"]);
    });
}

/// With `xpub_verboser`, whoever counts cancellations gets one for each topic of a lost subscriber.
#[test]
fn a_verboser_xpub_cancels_every_topic_of_a_lost_subscriber() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let xpub = XPub::with(&context, |o| {
            o.set_driver(driver).set_xpub_verboser(true);
        })
        .unwrap();
        let endpoint = xpub.bind(&fresh(transport)).unwrap();
        let subscribers: Vec<Sub> = (0..2).map(|_| Sub::with(&context, driven_by(driver)).unwrap()).collect();
        for subscriber in &subscribers {
            subscriber.subscribe("shared");
            subscriber.connect(&endpoint).unwrap();
        }
        assert_eq!(notices(&xpub, 2), [b"\x01shared"; 2]);
        for subscriber in subscribers {
            subscriber.close();
            assert_eq!(notices(&xpub, 1), [b"\x00shared"], "{transport} {driver:?}");
        }
    });
}

//= 29/PUBSUB, the XPUB socket type
//# SHALL receive incoming messages from its subscribers using a fair-queuing strategy.
//= 29/PUBSUB, the XPUB socket type
//# SHALL deliver these messages to its calling application.
//= 29/PUBSUB, the XPUB socket type
//# SHALL maintain a double queue for each connected subscriber, allowing outgoing and incoming messages to be queued
//# independently.
#[test]
fn xpub_receives_from_its_subscribers_in_turn() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let xpub = XPub::with(&context, driven_by(driver)).unwrap();
        let endpoint = xpub.bind(&fresh(transport)).unwrap();
        let senders: Vec<XSub> = (0..3).map(|_| XSub::with(&context, driven_by(driver)).unwrap()).collect();
        for (number, sender) in senders.iter().enumerate() {
            sender.connect(&endpoint).unwrap();
            sender.wait_for_peers(1, PATIENCE).unwrap();
            for _ in 0..5 {
                sender.send(message(&[&number.to_string(), "up"])).unwrap();
            }
        }
        arrived(&xpub, 15);
        for _ in 0..5 {
            let mut round: Vec<Vec<String>> =
                (0..3).map(|_| texts(&xpub.recv_timeout(PATIENCE).unwrap())).collect();
            round.sort();
            assert_eq!(round, [["0", "up"], ["1", "up"], ["2", "up"]], "{transport} {driver:?}");
        }
    });
}

//= 29/PUBSUB, the XPUB socket type
//# SHALL silently drop the message if the queue for a subscriber is full.
//= 29/PUBSUB, the XPUB socket type
//# SHALL NOT block on sending.
//= 29/PUBSUB, the XPUB socket type
//# SHALL create a double queue when a subscriber connects to it. If this subscriber disconnects, the XPUB socket SHALL
//# destroy its double queue and SHALL discard any messages it contains.
#[test]
fn xpub_drops_what_does_not_fit_and_forgets_who_goes() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let xpub = XPub::with(&context, |o| {
            o.set_driver(driver).set_send_hwm(5);
        })
        .unwrap();
        let mut peer = RawPeer::connect_as(&xpub.bind(&fresh(transport)).unwrap(), "SUB");
        peer.send(&frame(COMMAND, b"\x09SUBSCRIBE"));
        xpub.wait_for_subscribers(1, PATIENCE).unwrap();
        let mut sent: u64 = 0;
        while xpub.statistics().traffic.dropped.full < 3 {
            xpub.send(vec![0; 100_000]).unwrap();
            sent += 1;
        }
        let statistics = xpub.statistics();
        assert_eq!(statistics.traffic.messages_out + statistics.traffic.dropped.full, sent);
        drop(peer);
        eventually("the subscriber is gone", || xpub.statistics().peers == 0);
        assert_eq!(
            xpub.statistics().traffic.dropped.disconnected,
            statistics.queued_out,
            "{transport} {driver:?}"
        );
        assert_eq!(notices(&xpub, 2), [b"\x01", b"\x00"]);
    });
}

//= 29/PUBSUB, the XPUB socket type
//# SHALL not modify outgoing messages in any way.
//= 29/PUBSUB, the XPUB socket type
//# SHALL perform a binary comparison of the subscription against the start of the first frame of the message.
#[test]
fn xpub_compares_octets_and_sends_messages_as_they_are() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let xpub = XPub::with(&context, driven_by(driver)).unwrap();
        let mut peer = RawPeer::connect_as(&xpub.bind(&fresh(transport)).unwrap(), "SUB");
        peer.send(&frame(COMMAND, b"\x09SUBSCRIBEa\0b"));
        xpub.wait_for_subscribers(1, PATIENCE).unwrap();
        for frames in [vec!["A\0b"], vec!["a"], vec!["a\0"], vec!["a", "\0b"], vec!["x", "a\0b"]] {
            xpub.send(message(&frames)).unwrap();
        }
        xpub.send(message(&["a\0b", "", "end"])).unwrap();
        assert_eq!(peer.receive_message(), [&b"a\0b"[..], b"", b"end"], "{transport} {driver:?}");
    });
}

//= 29/PUBSUB, the XPUB socket type
//# SHALL create a double queue when initiating an outgoing connection to a subscriber, and SHALL maintain the double queue
//# whether or not the connection is established.
#[test]
fn xpub_that_connects_serves_its_subscribers_again_and_again() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let xpub = XPub::with(&context, |o| {
            o.set_driver(driver).set_reconnect_interval(Some(Duration::from_millis(5)));
        })
        .unwrap();
        xpub.connect(&endpoint).unwrap();
        for round in 0..3 {
            let xsub = XSub::with(&context, driven_by(driver)).unwrap();
            xsub.subscribe("t");
            xsub.bind(&endpoint).unwrap();
            assert_eq!(notices(&xpub, 1), [b"\x01t"], "{transport} {driver:?}");
            xpub.send(format!("t{round}")).unwrap();
            assert_eq!(text(&xsub.recv_timeout(PATIENCE).unwrap()), format!("t{round}"));
            drop(xsub);
            assert_eq!(notices(&xpub, 1), [b"\x00t"], "{transport} {driver:?}");
        }
    });
}

/// In manual mode the application decides who is subscribed to what.
#[test]
fn a_manual_xpub_subscribes_its_peers_itself() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let xpub = XPub::with(&context, |o| {
            o.set_driver(driver).set_xpub_manual(true);
        })
        .unwrap();
        assert!(xpub.subscribe_last("nobody is there").is_err());
        let sub = Sub::with(&context, driven_by(driver)).unwrap();
        sub.subscribe("wanted");
        sub.subscribe("given");
        sub.connect(&xpub.bind(&fresh(transport)).unwrap()).unwrap();
        let mut heard = notices(&xpub, 2);
        heard.sort();
        assert_eq!(heard, [b"\x01given".to_vec(), b"\x01wanted".to_vec()], "{transport} {driver:?}");
        assert_eq!(xpub.subscriber_count(), 0, "nothing is in force that the application did not decide");
        xpub.subscribe_last("given").unwrap();
        xpub.send("wanted").unwrap();
        xpub.send("given").unwrap();
        assert_eq!(text(&sub.recv_timeout(PATIENCE).unwrap()), "given");
        assert!(xpub.unsubscribe_last("wanted").is_err());
        xpub.unsubscribe_last("given").unwrap();
        assert_eq!(xpub.subscriber_count(), 0);
    });
}

/// A welcome message is the first that a new subscriber gets.
#[test]
fn a_welcome_message_greets_each_subscriber_once() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let xpub = XPub::with(&context, |o| {
            o.set_driver(driver).set_xpub_welcome_message(Some("welcome".into()));
        })
        .unwrap();
        let endpoint = xpub.bind(&fresh(transport)).unwrap();
        for count in 1..=2 {
            let sub = Sub::with(&context, driven_by(driver)).unwrap();
            sub.subscribe("");
            sub.connect(&endpoint).unwrap();
            // Inproc has no thread of its own: the XPUB learns of its subscribers when it is asked something.
            eventually("the welcome is there", || xpub.subscriber_count() > 0 && sub.readiness().readable);
            assert_eq!(
                text(&sub.recv_timeout(PATIENCE).unwrap()),
                "welcome",
                "{transport} {driver:?} {count}"
            );
            sub.subscribe("more");
            xpub.send("news").unwrap();
            assert_eq!(text(&sub.recv_timeout(PATIENCE).unwrap()), "news");
        }
    });
}

/// With inverted matching at both ends, what does not match is delivered.
#[test]
fn inverted_matching_delivers_the_rest() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let inverted = |o: &mut tamtam_zmq::Options| {
            o.set_driver(driver).set_invert_matching(true);
        };
        let xpub = XPub::with(&context, inverted).unwrap();
        let sub = Sub::with(&context, inverted).unwrap();
        sub.subscribe("secret");
        sub.connect(&xpub.bind(&fresh(transport)).unwrap()).unwrap();
        xpub.wait_for_subscribers(1, PATIENCE).unwrap();
        for topic in ["secret 1", "public", "secret 2", "end"] {
            xpub.send(Message::new(topic)).unwrap();
        }
        assert_eq!(text(&sub.recv_timeout(PATIENCE).unwrap()), "public", "{transport} {driver:?}");
        assert_eq!(text(&sub.recv_timeout(PATIENCE).unwrap()), "end");
    });
}

/// Last-value mode: what is sent first after a subscription was received goes to its maker only.
#[test]
fn the_last_value_is_for_the_last_subscriber() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let xpub = XPub::with(&context, |o| {
            o.set_driver(driver).set_xpub_manual_last_value(true);
        })
        .unwrap();
        let endpoint = xpub.bind(&fresh(transport)).unwrap();
        let subscriber = || {
            let sub = Sub::with(&context, driven_by(driver)).unwrap();
            sub.subscribe("t");
            sub.connect(&endpoint).unwrap();
            assert_eq!(notices(&xpub, 1), [b"\x01t"], "{transport} {driver:?}");
            xpub.subscribe_last("t").unwrap();
            sub
        };
        let first = subscriber();
        let second = subscriber();
        xpub.send("t: the last value").unwrap();
        xpub.send("t: news").unwrap();
        for expected in ["t: the last value", "t: news"] {
            assert_eq!(text(&second.recv_timeout(PATIENCE).unwrap()), expected, "{transport} {driver:?}");
        }
        assert_eq!(text(&first.recv_timeout(PATIENCE).unwrap()), "t: news");
        // One that does not match uses the turn up; nobody gets it.
        let third = subscriber();
        xpub.send("another topic").unwrap();
        xpub.send("t: more").unwrap();
        for sub in [&first, &second, &third] {
            assert_eq!(text(&sub.recv_timeout(PATIENCE).unwrap()), "t: more", "{transport} {driver:?}");
        }
        // The end of a subscriber is nobody's subscription.
        drop(first);
        assert_eq!(notices(&xpub, 1), [b"\x00t"]);
        assert!(xpub.subscribe_last("t").is_err());
        xpub.send("t: to all").unwrap();
        for sub in [&second, &third] {
            assert_eq!(text(&sub.recv_timeout(PATIENCE).unwrap()), "t: to all");
        }
    });
}

#[test]
fn distinct_topics_are_counted_at_both_ends() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let xpub = XPub::with(&context, driven_by(driver)).unwrap();
        let endpoint = xpub.bind(&fresh(transport)).unwrap();
        let subs: Vec<Sub> = (0..2)
            .map(|_| {
                let sub = Sub::with(&context, driven_by(driver)).unwrap();
                ["a", "ab", "abc", "abc"].into_iter().for_each(|topic| sub.subscribe(topic));
                sub.connect(&endpoint).unwrap();
                sub
            })
            .collect();
        xpub.wait_for_subscribers(2, PATIENCE).unwrap();
        eventually("three topics", || xpub.topics_count() == 3);
        assert_eq!(subs[0].topics_count(), 3, "{transport} {driver:?}");
        subs[0].unsubscribe("ab").unwrap();
        subs[1].unsubscribe("ab").unwrap();
        assert_eq!(subs[0].topics_count(), 2);
        eventually("two topics", || xpub.topics_count() == 2);
        drop(subs);
        eventually("none", || xpub.topics_count() == 0);
    });
}

/// A request whose peer is gone by the time it is taken is nobody's, also when another peer has got its number.
#[test]
fn a_manual_xpub_subscribes_nobody_in_place_of_one_that_is_gone() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let xpub = XPub::with(&context, |o| {
            o.set_driver(driver).set_xpub_manual(true);
        })
        .unwrap();
        let endpoint = xpub.bind(&fresh(transport)).unwrap();
        let sub = |topic: &str| {
            let sub = Sub::with(&context, driven_by(driver)).unwrap();
            sub.subscribe(topic);
            sub.connect(&endpoint).unwrap();
            sub
        };
        let queued_in = |count| {
            eventually("it has come", || {
                let _ = xpub.subscriber_count();
                xpub.statistics().queued_in == count
            });
        };
        let first = sub("first");
        queued_in(1);
        drop(first);
        queued_in(2);
        let _second = sub("second");
        queued_in(3);
        assert_eq!(notices(&xpub, 1), [b"\x01first"]);
        assert!(xpub.subscribe_last("secret").is_err(), "{transport} {driver:?}");
        assert_eq!(notices(&xpub, 2), [&b"\x00first"[..], b"\x01second"]);
        xpub.subscribe_last("second").unwrap();
    });
}
